"""Reads the folders of a root directory for the first time, in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from legm.errors import LegmError
from legm.runlog.configuration_folders import experiment_paths, subfolders
from legm.runlog.file_names import CATALOGUE, OWN_FOLDER
from legm.tables.sources import TableSource
from legm.util.forked_calls import ForkedCall, number_of_forked_processes

__all__ = ["FirstReading"]

_WORTH_PROCESSES = 1000  # configurations of an experiment that no earlier reading has left anything of
_LEAST_KEPT = 100  # bytes that a reading leaves of each


class FirstReading:
    """Reads what is in the folders, where that has not been done before and they are many.

    A server has threads, and a process with threads shares no work with others: alone, and beside all else
    that a server does when it begins, it takes more than twice as long. What was read is left in the
    experiments' own folders, where the server finds it.

    Args:
        root: the root directory, or an experiment.
        source: reads it.
    """

    def __init__(self, root: Path, source: TableSource) -> None:
        self._root = root
        self._source = source
        self._call: ForkedCall | None = None

    def begin(self, before: Callable[[], object] = lambda: None) -> bool:
        """Begin, unless this process has threads or is better off by itself.

        Args:
            before: called first in the other process.

        Returns:
            whether it has begun.
        """
        if number_of_forked_processes() == 1 or not _is_worth_reading_first(self._root):
            return False

        def read() -> bytes:
            before()
            self._source.configurations(None)
            return b""

        self._call = ForkedCall(read)
        return True

    def wait(self) -> None:
        """Wait until it has ended, also where it failed; for one thread at a time."""
        if self._call is not None:
            self._call.result()
            self._call = None

    def stop(self) -> None:
        """Let nobody wait any longer; called by any thread."""
        call = self._call
        if call is not None:
            call.stop()


def _is_worth_reading_first(root: Path) -> bool:
    """Whether an experiment has many configurations, and no earlier reading has left much of them."""
    try:
        return any(_is_large_and_unread(root / path) for path in ("", *experiment_paths(root)))
    except (LegmError, OSError):
        return False


def _is_large_and_unread(experiment: Path) -> bool:
    configurations = len(subfolders(experiment))
    if configurations < _WORTH_PROCESSES:
        return False
    own = experiment / OWN_FOLDER
    if not os.access(own if own.is_dir() else experiment, os.W_OK):
        return False  # nothing could be left there
    try:
        return (own / CATALOGUE).stat().st_size < _LEAST_KEPT * configurations
    except OSError:
        return True
