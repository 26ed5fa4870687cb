"""Tables with a row for each run, each configuration and each experiment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from legm.core.code_versions import different_code_text
from legm.core.direction import decide_direction, merge_direction_rules
from legm.core.effective_values import EffectiveValues
from legm.core.naming import best_key
from legm.records import Aggregate, BestRule, RunCounts, RunResult, Series
from legm.stats import aggregate
from legm.stats.run_counts import split_summary_key
from legm.stats.value_choice import choice_text, exact_choice_text
from legm.tables.columns import Column, column_of, label_column
from legm.tables.sources import StoredConfiguration
from legm.tables.table import Table

__all__ = ["configuration_table", "experiment_table", "run_table"]

_SECONDS = "seconds since 1970 (UTC)"
_EXPERIMENT = "the experiment's name"
_CONFIGURATION = "the configuration's folder, as legm ls prints it; its name and a number without folders"
_FINGERPRINT = "the identity of the configuration"
_DESCRIPTION = "distinguishes groups of runs of one configuration; empty for none"

_RUN_COLUMNS: Mapping[str, tuple[type | None, str]] = {
    "experiment": (None, _EXPERIMENT),
    "configuration": (None, _CONFIGURATION),
    "fingerprint": (None, _FINGERPRINT),
    "description": (None, _DESCRIPTION),
    "run_id": (None, "the run's id"),
    "status": (None, "completed, failed, interrupted, pruned or running"),
    "started": (float, f"when the run began, in {_SECONDS}"),
    "ended": (float, f"when it ended, in {_SECONDS}; missing while it is running"),
    "error": (str, "the error of a failed run"),
    "points": (int, "how many values were set"),
    "last_step": (int, "the largest step of any dev metric"),
    "best_step": (int, "the best step, whose values are in best_…; missing until the run is completed"),
    "step_choice": (None, "how the run chose its best step"),
    "tags": (str, "the tags of the run, joined by commas"),
    "note": (str, "what a user noted about the run"),
}
"""By name, the type and the meaning of a column of runs; None for the type of labels."""

_COUNT_COLUMNS: Mapping[str, str] = {
    "completed": "how many runs completed; only these are averaged",
    "failed": "how many failed",
    "interrupted": "how many were interrupted",
    "pruned": "how many were stopped on purpose",
    "running": "how many are running",
}


def run_table(runs: Iterable[tuple[RunResult, str]]) -> Table:
    """A row for each run: what is known of it, its parameters, best and test values.

    Args:
        runs: each with the label of its configuration.
    """
    found = list(runs)
    rows = [_run_row(result, label) for result, label in found]
    columns = [
        label_column(name, [row[name] for row in rows], about)
        if kind is None
        else column_of(name, (row[name] for row in rows), about, kind)
        for name, (kind, about) in _RUN_COLUMNS.items()
    ]
    columns += _run_table_parameters(
        [{**r.run.configuration.parameters, **r.run.parameters} for r, _ in found]
    )
    rules = Counter(result.rule for result, _ in found if result.best)
    columns += _run_table_metrics(
        [result.best for result, _ in found],
        best_key,
        lambda name: _about_run_table_value(f"best_{name}", rules),
    )
    columns += _run_table_metrics(
        [result.test for result, _ in found],
        "test_{}".format,
        lambda name: _about_run_table_value(f"test_{name}", rules),
    )
    return Table("run", columns)


def _run_row(result: RunResult, label: str) -> dict[str, Any]:
    run = result.run
    return {
        "experiment": run.configuration.experiment,
        "configuration": label,
        "fingerprint": run.configuration.fingerprint,
        "description": run.description,
        "run_id": run.run_id,
        "status": result.status.value,
        "started": run.started,
        "ended": result.ended,
        "error": result.error,
        "points": result.points,
        "last_step": result.last_step,
        "best_step": result.best_step,
        "step_choice": exact_choice_text(result.rule) if result.best else None,
        "tags": ",".join(result.marks.tags) or None,
        "note": result.marks.note or None,
    }


def _run_table_parameters(parameters: Sequence[Mapping[str, Any]]) -> Iterator[Column]:
    names = sorted({f"param.{name}" for one in parameters for name in one})
    for name in names:
        own = name.removeprefix("param.")
        yield column_of(name, (one.get(own) for one in parameters), f"the parameter {own}")


def _run_table_metrics(
    values: Sequence[Mapping[Series, float]], key: Callable[[str], str], about: Callable[[str], str]
) -> Iterator[Column]:
    """A column for each metric of the whole run, without indexed metrics, which may have thousands each."""
    known = {series for one in values for series in one if series.index is None}
    for name, series in sorted((key(series.name), series) for series in known):
        yield column_of(name, (one.get(series) for one in values), about(series.name), float)


def _about_run_table_value(key: str, rules: Mapping[BestRule, int]) -> str:
    """How the values of a summary key were chosen, and which are better, and why."""
    return choice_text(key, rules, decide_direction(split_summary_key(key)[0], rules))


def configuration_table(counted: Sequence[tuple[StoredConfiguration, RunCounts]]) -> Table:
    """A row for each configuration and description: counts of runs, parameters, and the means of metrics.

    Args:
        counted: the runs of each configuration, counted.
    """
    found = [(one, counts) for one, counts in counted]
    effective = EffectiveValues(one.configuration for one, _ in found)
    every = [counts for _, counts in found]
    columns = [
        label_column("experiment", [one.configuration.experiment for one, _ in found], _EXPERIMENT),
        label_column("configuration", [one.label for one, _ in found], _CONFIGURATION),
        label_column("fingerprint", [one.configuration.fingerprint for one, _ in found], _FINGERPRINT),
        label_column("description", [one.description for one in every], _DESCRIPTION),
        *(
            column_of(name, (getattr(one, name) for one in every), about, int)
            for name, about in _COUNT_COLUMNS.items()
        ),
        column_of(
            "repeated",
            (one.repeated for one in every),
            "how many completed runs have the same seed parameters as another one before them",
            int,
        ),
        column_of(
            "different_code",
            (different_code_text(one.code) or None for one in every),
            "what code how many completed runs come from, where that differs",
            str,
        ),
        column_of("last", (one.last for one in every), f"when the newest run ended, in {_SECONDS}", float),
    ]
    columns += _run_table_parameters([effective.parameters_of(one.configuration) for one, _ in found])
    rules = merge_direction_rules(one.rules for one in every)
    indexed = {key for one in every for key in one.indexed}
    keys = sorted({key for one in every for key in one.values} - indexed, key=lambda key: (key[0], key))
    for key in keys:
        columns += _run_table_aggregates(
            key, aggregate.aggregate_counts(every, key), _about_run_table_value(key, rules)
        )
    return Table("configuration", columns)


def _run_table_aggregates(key: str, values: Sequence[Aggregate | None], about: str) -> Iterator[Column]:
    name = best_key(key.removeprefix("best_")) if key.startswith("best_") else key
    yield column_of(f"{name}_n", (one and one.n for one in values), f"over how many runs; {about}", int)
    yield column_of(f"{name}_mean", (one and one.mean for one in values), f"mean over runs; {about}", float)
    yield column_of(
        f"{name}_std",
        (one and one.std for one in values),
        f"population standard deviation over runs; {about}",
        float,
    )


def experiment_table(names: Sequence[str], counts: Mapping[str, Sequence[RunCounts]]) -> Table:
    """A row for each experiment: how many configurations and runs it has.

    Args:
        names: of the experiments, in their order.
        counts: by experiment, the counts of its runs.
    """
    found = [counts[name] for name in names]
    return Table(
        "experiment",
        [
            label_column("experiment", names, _EXPERIMENT),
            column_of(
                "configurations",
                (len({one.configuration.fingerprint for one in every}) for every in found),
                "how many configurations it has",
                int,
            ),
            *(
                column_of(name, (sum(getattr(one, name) for one in every) for every in found), about, int)
                for name, about in _COUNT_COLUMNS.items()
            ),
            column_of(
                "last",
                (max((one.last for one in every if one.last is not None), default=None) for every in found),
                f"when the newest run ended, in {_SECONDS}",
                float,
            ),
        ],
    )
