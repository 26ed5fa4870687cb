"""Notices what has changed in the folders of a root directory, by the times of a few files of each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from legm.runlog.configuration_folders import configuration_folders_with, experiment_paths
from legm.runlog.file_names import METRICS_FILE, OPEN, PARAMETERS_FILE, RUNS

__all__ = ["FolderChanges"]

_PAUSE = 0.5  # seconds between two looks at an experiment, at least,
_SHARE = 20.0  # and so many times as long as a look takes
_LOOKED_AT = (PARAMETERS_FILE, METRICS_FILE, RUNS, f"{RUNS}/{OPEN}")


class FolderChanges:
    """The experiments of a root directory in which runs have begun, ended, changed or been deleted.

    A run that only gets more values changes none of the files that are looked at.

    Args:
        root: the root directory.
        since: when the experiments began to be read (s since 1970): what was changed after that has changed.
    """

    def __init__(self, root: Path, since: float) -> None:
        self._root = root
        self._since = since * 1e9
        self._known: dict[str, dict[str, tuple[int, ...]]] = {}
        self._next: dict[str, float] = {}
        self._is_first = True

    def poll(self) -> set[str]:
        """The folders of the experiments that have changed since the last call, or since they were read."""
        changed: set[str] = set()
        there = set(experiment_paths(self._root))
        for deleted in self._known.keys() - there:
            del self._known[deleted]
            changed.add(deleted)
        for name in there:
            began = time.monotonic()
            if began < self._next.get(name, 0.0):
                continue
            found = dict(configuration_folders_with(self._root / name, _file_changes))
            ended = time.monotonic()
            self._next[name] = ended + max(_PAUSE, _SHARE * (ended - began))
            known = self._known.get(name)
            if known == found:
                continue
            self._known[name] = found
            if known is not None or not self._is_first or self._is_newer(found.values()):
                changed.add(name)
        self._is_first = False
        return changed

    def _is_newer(self, files: Iterable[tuple[int, ...]]) -> bool:
        """Whether a file was changed after the experiments began to be read."""
        return any(max(of[::2]) >= self._since for of in files if of)


def _file_changes(folder: str) -> tuple[int, ...]:
    """When each file that is looked at was changed (ns), and how large it is; nothing of no configuration."""
    found: list[int] = []
    for name in _LOOKED_AT:
        try:
            status = os.stat(f"{folder}/{name}")  # noqa: PTH116 - faster than Path's, for ten thousand folders
        except OSError:
            if name == PARAMETERS_FILE:
                return ()
            found += [0, 0]
        else:
            found += [status.st_mtime_ns, status.st_size]
    return tuple(found)
