"""The console of one run: a file among the run's artifacts, which is complete when the run has ended."""

from __future__ import annotations

import logging
import traceback
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from legm.console.console_options import console_path
from legm.console.redirection import REDIRECTION
from legm.errors import LegmError
from legm.runlog.configuration_folders import refuse_folder_links
from legm.runlog.file_names import CONSOLE_FILE

if TYPE_CHECKING:
    from legm.records import Artifact

__all__ = ["RunConsole"]

log = logging.getLogger(__name__)


class RunConsole:
    """Keeps what this process and its children print, from now on.

    Args:
        path: the file, which may exist.
        limit: the largest size in bytes.
        owner: when it is dropped, the console ends too.
    """

    def __init__(self, path: Path, limit: int, owner: object) -> None:
        self._path = path = path.absolute()  # another process writes it, in another folder
        try:
            refuse_folder_links(path.parent.parent, path.parent, path)
            REDIRECTION.keep(path, limit)
        except (LegmError, OSError) as error:
            log.error("the console cannot be kept: %s", error)  # noqa: TRY400
        self._end_with(owner)

    @classmethod
    def of_run(cls, folder: Path, run_id: str, limit: int, owner: object) -> RunConsole:
        """The console of a run from now on, among its artifacts.

        Args:
            folder: of the run's configuration.
            run_id: the run's id.
            limit: the largest size in bytes.
            owner: when it is dropped, the console ends too.
        """
        return cls(console_path(folder, run_id), limit, owner)

    def _end_with(self, owner: object) -> None:
        self._finalizer = weakref.finalize(owner, REDIRECTION.end, self._path)
        self._finalizer.atexit = False  # until then the run ends by itself

    def move_to_run(self, folder: Path, run_id: str, owner: object) -> None:
        """Continue it as the console of a run, with all that is kept so far.

        Args:
            folder: of the run's configuration.
            run_id: the run's id.
            owner: when it is dropped, the console ends too.
        """
        if self._finalizer.detach() is None:
            return
        path = console_path(folder, run_id).absolute()
        try:
            refuse_folder_links(path.parent.parent, path.parent, path)
            if REDIRECTION.move(self._path, path):
                self._path = path
        except (LegmError, OSError) as error:
            log.error("the console cannot be kept with its run: %s", error)  # noqa: TRY400
        self._end_with(owner)

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
        from legm.records import Artifact

        REDIRECTION.end(self._path)
        return [Artifact(CONSOLE_FILE, str(self._path))] if self._path.is_file() else []
