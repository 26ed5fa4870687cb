"""Metrics whose steps are the values of another metric, as W&B's ``define_metric()`` says: pure.

W&B numbers the rows that a script logs; that the validation of epochs 0, 1 and 2 came in rows 3, 8 and 13
says nothing. Where the script names the metric that counts, that one's values are the steps. Texts, media
and the counting metric itself stay at the numbers of their rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from legm.records import Series, Split

if TYPE_CHECKING:
    from legm.core.point_columns import Columns
    from legm.records import FloatArray, IntArray

__all__ = [
    "MetricDefinition",
    "MetricDefinitions",
    "positions_without_steps",
    "steps_of_step_metrics",
    "whole_step",
]

_STEP_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What a script says about a metric.

    Args:
        name: the metric, or the beginning of several metrics' names with ``*`` behind it.
        step_metric: the metric whose values are the steps; None for none.
        is_synced: whether a row without that metric gets its last value.
        summary: how values are summarized: min, max, mean, first, last, best or none.
        higher_is_better: what "best" means.
    """

    name: str
    step_metric: str | None = None
    is_synced: bool = False
    summary: tuple[str, ...] = ()
    higher_is_better: bool = False

    @property
    def best_is_highest(self) -> bool | None:
        """Whether the highest value is the best one; None where the script does not say which is."""
        if "max" in self.summary or ("best" in self.summary and self.higher_is_better):
            return True
        return False if {"min", "best"} & set(self.summary) else None


class MetricDefinitions:
    """What a script says about its metrics; what it says of one metric counts more than of several."""

    def __init__(self) -> None:
        self._by_name: dict[str, MetricDefinition] = {}

    def define(self, definition: MetricDefinition, *, overwrite: bool = False) -> None:
        """Add a definition.

        Args:
            definition: what is said.
            overwrite: whether what was said before of the same name is forgotten where this says nothing.
        """
        before = self._by_name.get(definition.name)
        if before is not None and not overwrite:
            says_step = definition.step_metric is not None
            definition = replace(
                definition if says_step else before, summary=definition.summary or before.summary
            )
        self._by_name[definition.name] = definition

    def of(self, metric: str) -> MetricDefinition | None:
        """The definition of a metric; None where there is none."""
        found = self._by_name.get(metric)
        if found is not None:
            return found
        several = [one for one in self._by_name.values() if _is_step_metric_pattern(one.name, metric)]
        return max(several, key=lambda one: len(one.name), default=None)

    def step_metric(self, metric: str) -> str | None:
        """The metric whose values are the steps of a metric; None for one at the numbers of its rows."""
        found = self.of(metric)
        return None if found is None or found.step_metric == metric else found.step_metric

    def step_metrics(self, metrics: Collection[str]) -> dict[str, str]:
        """By metric the metric whose values are its steps, where there is one."""
        found = {name: self.step_metric(name) for name in metrics}
        return {name: other for name, other in found.items() if other is not None}

    @property
    def has_step_metrics(self) -> bool:
        """Whether there is a metric whose steps are another one's values."""
        return any(one.step_metric is not None for one in self._by_name.values())

    def best(self, metrics: Collection[str]) -> tuple[str, bool] | None:
        """The first metric that the script calls the better the higher or lower, and whether the higher.

        Args:
            metrics: those that were logged.
        """
        for name, one in self._by_name.items():
            higher = one.best_is_highest
            if higher is not None:
                for metric in [name] if name in metrics else sorted(metrics):
                    if metric == name or _is_step_metric_pattern(name, metric):
                        return metric, higher
        return None


def _is_step_metric_pattern(pattern: str, metric: str) -> bool:
    return pattern.endswith("*") and metric.startswith(pattern[:-1])


def whole_step(value: object) -> int | None:
    """A value of a metric as a step; None where it is not a whole number."""
    if not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) >= _STEP_LIMIT:
        return None
    return int(value) if value == int(value) else None


def steps_of_step_metrics(
    columns: Columns, step_metric: Callable[[str], str | None]
) -> dict[Series, tuple[IntArray, FloatArray, FloatArray]]:
    """The numbers of a run at the values of the metrics that count, instead of at the numbers of their rows.

    A metric stays where it is if the other one's values are not whole numbers, or if they do not count its
    values: at least half of them, and more than one, came at the same value as the one before, or all did.

    Args:
        columns: by series the numbers of rows, times and values, each of shape (n,), as they were set.
        step_metric: names the metric whose values are the steps of a metric; None for none.
    """
    import numpy as np

    moved = {}
    for series, (rows, times, values) in columns.items():
        is_dev = series.split is Split.DEV and series.index is None
        name = step_metric(series.name) if is_dev else None
        counted = columns.get(Series(name)) if name is not None and name != series.name else None
        if counted is None or not len(counted[0]):
            moved[series] = rows, times, values
            continue
        order = np.argsort(counted[0], kind="stable")
        positions = np.searchsorted(counted[0][order], rows, side="right") - 1
        steps = np.where(positions >= 0, counted[2][order][np.maximum(positions, 0)], 0.0)
        moved[series] = (steps.astype(np.int64) if _do_steps_count(steps) else rows), times, values
    return moved


def _do_steps_count(steps: FloatArray) -> bool:
    import numpy as np

    if not np.isfinite(steps).all() or (np.abs(steps) >= _STEP_LIMIT).any() or (steps % 1 != 0).any():
        return False
    repeated = int((steps[1:] == steps[:-1]).sum())
    return repeated == 0 or (repeated + 1 < len(steps) and (repeated == 1 or 2 * repeated < len(steps)))


def positions_without_steps(
    columns: Columns,
) -> dict[Series, tuple[IntArray, FloatArray, FloatArray]]:
    """The numbers of metrics that were logged without steps, at their positions.

    Such a dev metric has several values, and all at one step. Only these metrics are returned.

    Args:
        columns: by series the steps, times and values, each of shape (n,), as they were set.
    """
    import numpy as np

    return {
        series: (np.arange(len(steps), dtype=np.int64), times, values)
        for series, (steps, times, values) in columns.items()
        if series.split is Split.DEV and len(steps) > 1 and bool((steps == steps[0]).all())
    }
