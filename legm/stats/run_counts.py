"""Counts of runs: all that a list or ranking of many configurations needs, without series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from legm.records import Configuration, RunCounts, RunResult, Series, Split, Status

__all__ = ["ALL_VALUES_METRICS", "count_by_description", "count_runs", "summary_key"]

ALL_VALUES_METRICS = frozenset({"time", "time_per_sample"})
"""Dev metrics that are aggregated over all their values instead of the one at the best step."""


def summary_key(series: Series) -> str:
    """The key of a series in a summary."""
    if series.split is Split.TEST:
        return f"test_{series.name}"
    return series.name if series.name in ALL_VALUES_METRICS else f"best_{series.name}"


def count_runs(
    configuration: Configuration, description: str, runs: Iterable[RunResult], folder: str | None = None
) -> RunCounts:
    """Count the runs of one configuration and description.

    Args:
        configuration: the configuration.
        description: the runs' description.
        runs: each once, in any order; no histories are needed.
        folder: the configuration's folder; None without one.
    """
    status: Counter[Status] = Counter()
    values: dict[str, list[float]] = {}
    indexed: set[str] = set()
    last: float | None = None
    for run in runs:
        status[run.status] += 1
        last = max(last or 0.0, run.ended or run.run.started)
        if run.status is Status.COMPLETED:
            for series, value in (*run.best.items(), *run.test.items()):
                key = summary_key(series)
                if series.index is not None:
                    indexed.add(key)
                elif key not in ALL_VALUES_METRICS:
                    values.setdefault(key, []).append(value)
    return RunCounts(
        configuration,
        description,
        completed=status[Status.COMPLETED],
        failed=status[Status.FAILED],
        interrupted=status[Status.INTERRUPTED],
        running=status[Status.RUNNING],
        values=values,
        indexed=frozenset(indexed),
        last=last,
        folder=folder,
    )


def count_by_description(
    configuration: Configuration, runs: Iterable[RunResult], folder: str | None = None
) -> Iterator[RunCounts]:
    """Count the runs of one configuration by description.

    Args:
        configuration: the configuration.
        runs: each once, in any order; no histories are needed.
        folder: the configuration's folder; None without one.

    Yields:
        the counts, sorted by description; one empty count without runs.
    """
    by_description: dict[str, list[RunResult]] = {}
    for run in runs:
        by_description.setdefault(run.run.description, []).append(run)
    for description, members in sorted((by_description or {"": []}).items()):
        yield count_runs(configuration, description, members, folder)
