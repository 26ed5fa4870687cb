"""Recovers the folders below a root directory: runs whose process died, and damaged files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from legm.delivery.folder_access import default_folder_access
from legm.errors import LegmError
from legm.records import RunResult, Status
from legm.runlog.configuration_folders import configuration_folders

__all__ = ["interrupted_runs", "recover_folders"]


def interrupted_runs(root: Path) -> Iterator[tuple[Path, list[RunResult]]]:
    """The interrupted runs below a folder, whoever finalized them.

    Yields:
        for each configuration that has some: its folder and the runs.

    Raises:
        StorageError: there is no such folder.
    """
    reader = default_folder_access()
    for folder in configuration_folders(root):
        if any(counts.interrupted for counts in reader.read_status(folder).counts):
            with contextlib.suppress(LegmError):  # a damaged folder, which recover_folders() reports
                yield folder, [run for run in reader.read_runs(folder) if run.status is Status.INTERRUPTED]


def recover_folders(root: Path) -> Iterator[tuple[Path, list[RunResult], list[str]]]:
    """Finalize runs whose process died, and repair damaged files.

    Yields:
        for each configuration: its folder, the finalized runs, and what was or was not repaired.

    Raises:
        StorageError: there is no such folder.
    """
    folders = default_folder_access()
    for folder in configuration_folders(root):
        messages: list[str] = []
        finalized: list[RunResult] = []
        try:
            messages = folders.repair(folder)
            finalized = folders.finalize(folder)
            problem = folders.read_status(folder).problem
            messages += [str(problem)] if problem is not None and not messages else []
        except LegmError as error:
            messages += [str(error)] if str(error) not in messages else []
        if finalized or messages:
            yield folder, finalized, messages
