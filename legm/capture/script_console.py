"""What a captured script printed, and which of it belongs to each of its runs."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from legm.capture.console_parts import console_parts, script_console_lines
from legm.console.console_options import LIMIT
from legm.importers.external_run import ExternalFile, ExternalRun
from legm.runlog.file_names import CONSOLE_FILE

__all__ = ["ScriptConsole", "with_console"]

log = logging.getLogger(__name__)


class ScriptConsole:
    """Keeps what this process and its children print while a script runs.

    Args:
        path: the file in which it is kept until the script's runs are stored.
        begun: when the script began, in s since 1970.
        limit: the largest size in bytes.
    """

    def __init__(self, path: Path, begun: float, limit: int = LIMIT) -> None:
        self._path = path
        self._begun = begun
        self._limit = limit

    def begin(self) -> None:
        """Begin to keep the console; where that fails, the script runs without."""
        from legm.console.redirection import REDIRECTION

        try:
            REDIRECTION.keep(
                self._path, self._limit, outlives=True
            )  # the script outlives legm if that is killed
        except OSError as error:
            log.warning("the console of the script cannot be kept: %s", error)

    def end(self) -> None:
        """End it once all that the script printed is kept."""
        from legm.console.redirection import REDIRECTION

        REDIRECTION.end(self._path)

    def files(self, runs: Iterable[ExternalRun]) -> Mapping[str, ExternalFile]:
        """By key, the console of each run that has one, as :func:`console_parts` decides."""
        try:
            lines = script_console_lines(self._path.read_bytes())
        except OSError:
            return {}
        spans = {run.key: (run.started, run.ended) for run in runs if run.native_run is None}
        found = {
            key: b"".join(line.text for line in part.choose(lines))
            for key, part in console_parts(spans, self._begun).items()
        }
        return {key: _console_as_file(content) for key, content in found.items() if content}


def with_console(files: Iterable[ExternalFile], console: ExternalFile) -> tuple[ExternalFile, ...]:
    """The files of a run with its console, which continues that of an earlier script of the run."""
    listed = tuple(files)
    for earlier in (file for file in listed if file.name == CONSOLE_FILE):
        with earlier.open() as before, console.open() as after:
            known, new = before.read(), after.read()
        console = _console_as_file(known if known.endswith(new) else known + new)
    return (*(file for file in listed if file.name != CONSOLE_FILE), console)


def _console_as_file(content: bytes) -> ExternalFile:
    return ExternalFile(CONSOLE_FILE, lambda: io.BytesIO(content))
