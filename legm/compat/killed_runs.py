"""What the end of a drop-in script's run does, for a run whose process was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from legm.compat.run_snapshot import RunSnapshot, names_of_tests, read_snapshot_history, stored_snapshots
from legm.compat.script_run import ScriptRun
from legm.compat.settings import Settings
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.core.origins import DROP_IN
from legm.core.test_metrics import has_test_prefix
from legm.records import Status

__all__ = ["name_tests_of_killed_runs"]


def name_tests_of_killed_runs(root: Path) -> list[str]:
    """Make a single value of ``test_accuracy`` the test metric ``accuracy``, as the end of a run does.

    Args:
        root: the root directory.

    Returns:
        What was done, as texts.

    Raises:
        LegmError: a run cannot be read or written.
    """
    settings = Settings(root)
    return [
        f"the run {run.key} of {run.experiment} has its test metrics: {', '.join(sorted(names))}"
        for run in _killed_runs(settings)
        if (names := _end_killed_run(run))
    ]


def _killed_runs(settings: Settings) -> Iterator[ScriptRun]:
    """The runs whose test metrics no end has named."""
    for one in [*stored_snapshots(settings)]:
        if one.status is not Status.INTERRUPTED or one.run is None or one.folder is None:
            continue
        if DROP_IN in one.run.environment and _has_unnamed_tests(one):
            kind, description = str(one.notes.get("from") or ""), str(one.notes.get("job_type") or "")
            yield ScriptRun(settings, UnsupportedCalls(), kind, one.key, one.experiment, description, one)


def _has_unnamed_tests(snapshot: RunSnapshot) -> bool:
    if not any(map(has_test_prefix, snapshot.latest)) or snapshot.run is None or snapshot.folder is None:
        return False
    history = read_snapshot_history(snapshot.folder, snapshot.run.run_id)
    return any(has_test_prefix(name) and len(values) == 1 for name, values in history.items())


def _end_killed_run(run: ScriptRun) -> list[str]:
    run.end(Status.INTERRUPTED)
    run.release()
    return [*names_of_tests(run.snapshot().notes)]
