"""Counts of runs: all that a list or ranking of many configurations needs, without series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping

from legm.core.code_versions import count_code
from legm.core.seeds import seed_key
from legm.records import (
    BestRule,
    Configuration,
    Plain,
    RunCounts,
    RunMarks,
    RunResult,
    Series,
    Split,
    Status,
)

__all__ = [
    "ALL_VALUES_METRICS",
    "count_by_description",
    "count_repeated",
    "count_runs",
    "newest_counted_of_each_seed",
    "split_summary_key",
    "summary_key",
]

ALL_VALUES_METRICS = frozenset({"time", "time_per_sample"})
"""Dev metrics that are aggregated over all their values instead of the one at the best step."""


def summary_key(series: Series) -> str:
    """The key of a series in a summary."""
    if series.split is Split.TEST:
        return f"test_{series.name}"
    return series.name if series.name in ALL_VALUES_METRICS else f"best_{series.name}"


def split_summary_key(key: str) -> tuple[str, str]:
    """The metric's name in a summary key, and its split: "dev", "test", or "pooled" for all its values."""
    if key in ALL_VALUES_METRICS:
        return key, "pooled"
    prefix, _, name = key.partition("_")
    return name, "test" if prefix == "test" else "dev"


def count_repeated(parameters: Iterable[Mapping[str, Plain]]) -> int:
    """How many runs have the same seed parameters as another one before them.

    Args:
        parameters: of each run, those that are not compared.
    """
    keys = [key for one in parameters if (key := seed_key(one)) is not None]
    return len(keys) - len(set(keys))


def newest_counted_of_each_seed(runs: Iterable[RunResult]) -> list[RunResult]:
    """The runs, but of completed ones with the same seed parameters only the newest.

    Args:
        runs: of one configuration and description, in any order.

    Returns:
        the others in their order; runs without a seed, and those that are not completed, are all among them.
    """
    found = list(runs)
    newest: dict[Hashable, str] = {}
    keys = [seed_key(one.run.parameters) if one.status is Status.COMPLETED else None for one in found]
    for key, one in zip(keys, found, strict=True):
        if key is not None:
            newest[key] = max(newest.get(key, ""), one.run.run_id)
    return [o for key, o in zip(keys, found, strict=True) if key is None or newest[key] == o.run.run_id]


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
    rules: Counter[BestRule] = Counter()
    parameters: list[Mapping[str, Plain]] = []
    environments: list[Mapping[str, Plain]] = []
    last: float | None = None
    marks: dict[str, RunMarks] = {}
    for run in runs:
        if run.marks.tags or run.marks.note:
            marks[run.run.run_id] = run.marks
        status[run.status] += 1
        last = max(last or 0.0, run.ended or run.run.started)
        if run.status is Status.COMPLETED:
            rules[run.rule] += 1
            parameters.append(run.run.parameters)
            environments.append(run.run.environment)
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
        rules=rules,
        repeated=count_repeated(parameters),
        pruned=status[Status.PRUNED],
        code=count_code(environments),
        marks=marks,
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
