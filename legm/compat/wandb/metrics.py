"""``define_metric()``: what a script says about its metrics, and the rows whose steps this decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from legm.compat.wandb.errors import Error
from legm.core.step_metrics import (
    MetricDefinition,
    MetricDefinitions,
    steps_of_step_metrics,
    whole_step,
)

if TYPE_CHECKING:
    from legm.core.point_columns import Columns
    from legm.records import FloatArray, IntArray

__all__ = ["Metric", "WandbMetricRows"]

_SUMMARIES = frozenset({"min", "max", "mean", "last", "copy", "none", "first"})


class Metric:
    """What ``define_metric()`` returns.

    Args:
        name: the metric, or a pattern with ``*`` at its end.
        step_metric: the metric whose values are its steps.
        step_sync: whether a row without that gets its last value; by default where there is a step metric.
        hidden: whether W&B hides it from automatic charts.
        summary: how it is summarized: several separated by commas.
        overwrite: whether earlier definitions of the same name are forgotten.
        goal: minimize or maximize, which "best" refers to; wandb's earlier versions had it.

    Raises:
        Error: an argument is not valid.
    """

    def __init__(
        self,
        name: str,
        step_metric: Any = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        overwrite: bool | None = None,
        goal: str | None = None,
    ) -> None:
        if not name:
            raise Error("define_metric() requires non-empty name argument")
        if isinstance(step_metric, Metric):
            step_metric = step_metric.name
        given: Mapping[str, tuple[Any, type]] = {
            "name": (name, str),
            "step_metric": (step_metric, str),
            "step_sync": (step_sync, bool),
            "hidden": (hidden, bool),
            "summary": (summary, str),
            "overwrite": (overwrite, bool),
            "goal": (goal, str),
        }
        for argument, (value, kind) in given.items():
            if value is not None and not isinstance(value, kind):
                raise Error(f"Unhandled define_metric() arg: {argument} type: {type(value).__name__}")
        if "*" in name.removesuffix("*"):
            raise Error(f"Unhandled define_metric() arg: name (glob suffixes only): {name}")
        rules = tuple(rule.lower() for rule in summary.split(",")) if summary else None
        for rule in rules or ():
            if rule not in _SUMMARIES and not (rule == "best" and goal):
                raise Error(f"Unhandled define_metric() arg: summary op: {rule}")
        self.name: str = name
        self.step_metric: str | None = step_metric
        self.step_sync = step_metric is not None if step_sync is None else step_sync
        self.hidden = hidden
        self.summary = rules
        self.goal = goal
        self.overwrite = overwrite

    @property
    def definition(self) -> MetricDefinition:
        """What the metric's steps and summary are."""
        higher = (self.goal or "").lower().startswith("max")
        return MetricDefinition(self.name, self.step_metric, self.step_sync, self.summary or (), higher)


class WandbMetricRows:
    """The numbers of a run by row, as far as the steps of metrics depend on other metrics' values."""

    def __init__(self) -> None:
        self.definitions = MetricDefinitions()
        self._last: dict[str, float] = {}  # of each metric
        self._row: dict[str, float] = {}  # what the row has so far
        self._counts: dict[str, int] = {}
        self._moved: dict[
            str, list[tuple[int, int]]
        ] = {}  # steps and rows of values that are not at their row

    def define(self, metric: Metric) -> None:
        """Add what the script says about a metric."""
        self.definitions.define(metric.definition, overwrite=bool(metric.overwrite))

    @property
    def names(self) -> list[str]:
        """The metrics that were logged."""
        return list(self._counts)

    def add(self, numbers: Mapping[str, float], row: int) -> dict[int, dict[str, float]]:
        """Add numbers to the row, and return them by step.

        Args:
            numbers: by metric.
            row: the number of the row.
        """
        self._row |= numbers
        self._last |= numbers
        by_step: dict[int, dict[str, float]] = {}
        for name, value in numbers.items():
            self._counts[name] = self._counts.get(name, 0) + 1
            by_step.setdefault(self._step_of(name, row), {})[name] = value
        return by_step

    def _step_of(self, name: str, row: int) -> int:
        if not self.definitions.has_step_metrics:
            return row
        counting = self.definitions.step_metric(name)
        if counting is None:
            return row
        found = whole_step(self._last.get(counting, 0.0))
        step = row if found is None else found
        self._moved.setdefault(name, []).append((step, row))
        return step

    def complete(self) -> dict[str, float]:
        """What a complete row gets, as W&B adds it: the last values of the metrics that count its steps."""
        row, self._row = self._row, {}
        if not self.definitions.has_step_metrics:
            return {}
        added: dict[str, float] = {}
        for name in row:
            found = self.definitions.of(name)
            if found is not None and found.is_synced and found.step_metric and found.step_metric not in row:
                added[found.step_metric] = self._last.get(found.step_metric, 0.0)
        for name in added:
            self._counts[name] = self._counts.get(name, 0) + 1
        return added

    def at_final_steps(self, columns: Columns) -> Columns:
        """The numbers of a run that has ended, at the steps that an import of them gives them.

        Args:
            columns: all numbers in the run log; those of this process come last, in the order of their
                times where they were set together with the same others.
        """
        import numpy as np

        own = {}
        for series, (steps, times, values) in columns.items():
            count = self._counts.get(series.name, 0)
            if count:
                moved = np.array(self._moved.get(series.name, []), np.int64).reshape(-1, 2)
                rows = _wandb_metric_rows(steps[-count:], times[-count:], moved)
                own[series] = rows, times[-count:], values[-count:]
        final = steps_of_step_metrics(own, self.definitions.step_metric)
        found = dict(columns)
        for series, (steps, _, _) in final.items():
            before, times, values = columns[series]
            found[series] = np.concatenate([before[: len(before) - len(steps)], steps]), times, values
        return found


def _wandb_metric_rows(steps: IntArray, times: FloatArray, moved: IntArray) -> IntArray:
    """The numbers of the rows of values, of which the last ones in time are at other steps.

    Args:
        steps: where the values are, shape (n,).
        times: when they were set, shape (n,).
        moved: the steps and the rows of those that are not at their row, as they were set, shape (m, 2).
    """
    import numpy as np

    rows = steps.copy()
    last = np.argsort(times, kind="stable")[len(steps) - len(moved) :]
    by_step = last[np.lexsort((times[last], steps[last]))]
    rows[by_step] = moved[np.argsort(moved[:, 0], kind="stable"), 1]
    return rows
