"""What a captured script printed, and which of it belongs to each of its runs."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from legm.console.console_options import LIMIT
from legm.console.console_reader import read_console_line
from legm.importers.external_run import ExternalFile, ExternalRun
from legm.runlog.file_names import CONSOLE_FILE

__all__ = ["ScriptConsole", "with_console"]

log = logging.getLogger(__name__)

_MARGIN = 0.05  # seconds until what was printed arrives


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
        """By key, the console of each run: what was printed until it ended and another one began.

        The run that started first has what was printed before too, and the one that ended last what was
        printed after. A run that ended before the script began has none.
        """
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        except OSError:
            return {}
        times: list[float] = []
        for line in lines:
            found = read_console_line(line).time
            times.append(found if found is not None else times[-1] if times else 0.0)
        spans = {run.key: (run.started, run.ended or time.time()) for run in runs if run.native_run is None}
        spans = {key: span for key, span in spans.items() if span[1] >= self._begun - _MARGIN}
        if not lines or not spans:
            return {}
        first = min(started for started, _ in spans.values())
        last = max(ended for _, ended in spans.values())
        files = {}
        for key, (started, ended) in spans.items():
            until = max(
                ended + _MARGIN, min((one for one, _ in spans.values() if one > started), default=0.0)
            )
            text = "".join(
                line
                for line, at in zip(lines, times, strict=True)
                if (at >= started or started == first) and (at <= until or ended == last)
            )
            if text:
                files[key] = _console_as_file(text.encode())
        return files


def with_console(files: Iterable[ExternalFile], console: ExternalFile) -> tuple[ExternalFile, ...]:
    """The files of a run with its console, which continues that of an earlier script of the run."""
    by_name = {file.name: file for file in files}
    earlier = by_name.get(CONSOLE_FILE)
    if earlier is not None:
        with earlier.open() as before, console.open() as after:
            known, new = before.read(), after.read()
        console = _console_as_file(known if known.endswith(new) else known + new)
    by_name[CONSOLE_FILE] = console
    return tuple(by_name.values())


def _console_as_file(content: bytes) -> ExternalFile:
    return ExternalFile(CONSOLE_FILE, lambda: io.BytesIO(content))
