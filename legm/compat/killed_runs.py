"""What the end of a drop-in script's run does, for a run whose process was killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from legm.compat.run_snapshot import (
    RunSnapshot,
    names_of_tests,
    read_snapshot_history,
    snapshot_of_result,
)
from legm.compat.script_run import ScriptRun
from legm.compat.settings import Settings
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.core.origins import DROP_IN
from legm.core.test_metrics import has_test_prefix
from legm.delivery.folder_access import default_folder_access
from legm.errors import LegmError
from legm.records import Status
from legm.runlog.configuration_folders import configuration_folders

__all__ = ["name_tests_of_killed_runs"]


def name_tests_of_killed_runs(root: Path) -> list[str]:
    """Make a single value of ``test_accuracy`` the test metric ``accuracy``, as the end of a run does.

    Args:
        root: the root directory.

    Returns:
        What was done, and what could not be, as texts. Runs in damaged folders are left out.

    Raises:
        StorageError: there is no such folder.
    """
    settings, seen, done = Settings(root), set[str](), list[str]()
    for one in _intact_snapshots(root):
        if one.run is None or one.run.run_id in seen:
            continue
        seen.add(one.run.run_id)
        try:
            names = _end_killed_run(settings, one) if _is_killed_run(one) else []
        except LegmError as error:
            done.append(f"the run {one.key} of {one.experiment} has no test metrics yet: {error}")
            continue
        if names:
            named = ", ".join(sorted(names))
            done.append(f"the run {one.key} of {one.experiment} has its test metrics: {named}")
    return done


def _intact_snapshots(root: Path) -> Iterator[RunSnapshot]:
    """The stored runs of each configuration, oldest first."""
    folders = default_folder_access()
    for folder in configuration_folders(root):
        with contextlib.suppress(LegmError):  # a damaged folder, which recover_folders() reports
            runs = sorted(folders.read_runs(folder, None), key=lambda one: one.run.run_id)
            yield from [snapshot_of_result(run, folder) for run in runs]


def _is_killed_run(one: RunSnapshot) -> bool:
    """Whether it is a run whose test metrics no end has named."""
    if one.status is not Status.INTERRUPTED or one.run is None or one.folder is None:
        return False
    return DROP_IN in one.run.environment and _has_unnamed_tests(one)


def _has_unnamed_tests(snapshot: RunSnapshot) -> bool:
    if not any(map(has_test_prefix, snapshot.latest)) or snapshot.run is None or snapshot.folder is None:
        return False
    history = read_snapshot_history(snapshot.folder, snapshot.run.run_id)
    return any(has_test_prefix(name) and len(values) == 1 for name, values in history.items())


def _end_killed_run(settings: Settings, one: RunSnapshot) -> list[str]:
    kind, description = str(one.notes.get("from") or ""), str(one.notes.get("job_type") or "")
    run = ScriptRun(settings, UnsupportedCalls(), kind, one.key, one.experiment, description, one)
    run.end(Status.INTERRUPTED)
    run.release()
    return [*names_of_tests(run.snapshot().notes)]
