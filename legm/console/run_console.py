"""The console of one run: a file among the run's artifacts, which is complete when the run has ended."""

from __future__ import annotations

import logging
import traceback
import weakref
from pathlib import Path

from legm.console.console_options import console_path
from legm.console.redirection import REDIRECTION
from legm.errors import LegmError
from legm.records import Artifact
from legm.runlog.configuration_folders import refuse_links
from legm.runlog.file_names import CONSOLE_FILE

__all__ = ["RunConsole"]

log = logging.getLogger(__name__)


class RunConsole:
    """Keeps what this process and its children print, from now on.

    Args:
        folder: of the run's configuration.
        run_id: the run's id.
        limit: the largest size in bytes.
        owner: when it is dropped, the console ends too.
    """

    def __init__(self, folder: Path, run_id: str, limit: int, owner: object) -> None:
        self._path = console_path(folder, run_id)
        try:
            refuse_links(self._path.parent.parent, self._path.parent, self._path)
            REDIRECTION.keep(self._path, limit)
        except (LegmError, OSError) as error:
            log.error("the console cannot be kept: %s", error)  # noqa: TRY400
        self._finalizer = weakref.finalize(owner, REDIRECTION.end, self._path)
        self._finalizer.atexit = False  # until then the run ends by itself

    def note_error(self, error: BaseException) -> None:
        """Keep the traceback of an exception, which Python prints only after the run has ended."""
        REDIRECTION.note(self._path, "".join(traceback.format_exception(error)))

    def end(self) -> list[Artifact]:
        """End the console, and restore the descriptors; a second call does nothing.

        Returns:
            the file as a record, where there is one.
        """
        if self._finalizer.detach() is None:
            return []
        REDIRECTION.end(self._path)
        return [Artifact(CONSOLE_FILE, str(self._path))] if self._path.is_file() else []
