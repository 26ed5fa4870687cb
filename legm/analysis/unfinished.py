"""Runs that are not completed: they are shown separately, and never part of an average."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from legm.analysis.selected_runs import ReadRuns
from legm.errors import LegmError
from legm.records import Curve, RunCounts, RunResult, Series, Split, Status
from legm.util.progress import show_progress

__all__ = ["read_unfinished", "unfinished_best_so_far", "unfinished_curve", "unfinished_statuses"]


def unfinished_statuses(statuses: str | Sequence[str]) -> frozenset[Status]:
    """The statuses with these names.

    Raises:
        LegmError: there is no such status, or it is that of completed runs, which are always shown.
    """
    known = [status.value for status in Status if status is not Status.COMPLETED]
    names = [statuses] if isinstance(statuses, str) else list(statuses)
    for name in names:
        if name not in known:
            raise LegmError(f"there is no status {name!r} of runs that are not completed; valid: {known}")
    return frozenset(map(Status, names))


def read_unfinished(
    read: ReadRuns,
    counts: Iterable[RunCounts],
    statuses: Collection[Status],
    histories: frozenset[str],
) -> Iterator[RunResult]:
    """The runs with some statuses, those of a configuration in the order of their starts.

    Args:
        read: reads the runs of one configuration and description.
        counts: of the configurations; one without such runs is not read.
        statuses: the wanted ones.
        histories: the dev metrics whose series are wanted.
    """
    wanted = {status.value for status in statuses}
    with_unfinished = [one for one in counts if any(getattr(one, name, 0) for name in wanted)]
    for one in show_progress(with_unfinished, "reading runs") if with_unfinished else ():
        runs = read(one.configuration, one.description, histories)
        yield from sorted((run for run in runs if run.status in statuses), key=lambda run: run.run.run_id)


def unfinished_curve(run: RunResult, metric: str) -> Curve | None:
    """The curve of a dev metric of one run, without a spread; None where it has no value."""
    history = run.histories.get(Series(metric))
    if history is None or not len(history.steps):
        return None
    values = history.values.astype(np.float64)
    return Curve(metric, "mean", history.steps, values, values, values, np.ones(len(values), np.int64))


def unfinished_best_so_far(
    run: RunResult, metric: str, *, test: bool, higher_better: bool
) -> tuple[float | None, ...]:
    """A metric's last and best value in a run that is not completed; None where it has none."""
    if test:
        value = run.test.get(Series(metric, Split.TEST))
        return value, value
    curve = unfinished_curve(run, metric)
    if curve is None:
        return None, None
    known = curve.center[~np.isnan(curve.center)]
    best = float(known.max() if higher_better else known.min()) if len(known) else None
    return float(curve.center[-1]), best
