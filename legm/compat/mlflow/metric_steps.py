"""The steps of MLflow's metrics: 0 where the script gives none, unless it gives none at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from legm.core.step_metrics import positions_without_steps

if TYPE_CHECKING:
    from legm.core.point_columns import Columns

__all__ = ["MetricSteps"]


@dataclass(slots=True)
class _StepsOfMetric:
    """What is known of the steps of one metric.

    Args:
        count: the number of values.
        at_positions: how many of the first values had no step, and are at their positions.
        first: the first step that was given; None before that.
        is_one: whether all of these were equal.
    """

    count: int = 0
    at_positions: int = 0
    first: int | None = None
    is_one: bool = True


class MetricSteps:
    """The steps of the metrics of one run, as MLflow and an import of its runs have them.

    As long as a script gives no steps, the positions count. Where it gives one as well, the values without a
    step are at 0.
    """

    def __init__(self) -> None:
        self._metrics: dict[str, _StepsOfMetric] = {}

    def add(self, metric: str, step: int | None) -> int | None:
        """The step of a new value; None for the next position.

        Args:
            metric: the metric.
            step: what the script gives.
        """
        known = self._metrics.setdefault(metric, _StepsOfMetric())
        known.count += 1
        if step is None and known.first is None:
            known.at_positions += 1
            return None
        step = 0 if step is None else step
        known.first = step if known.first is None else known.first
        known.is_one = known.is_one and step == known.first
        return step

    @property
    def are_final(self) -> bool:
        """Whether every value has the step that an import gives it."""
        return not any(
            one.first is not None
            and one.count > 1
            and (one.at_positions > 1 or (one.is_one and (one.first == 0 or not one.at_positions)))
            for one in self._metrics.values()
        )

    def at_final_steps(self, columns: Columns) -> Columns:
        """The numbers of a run that has ended, at the steps that an import of them gives them.

        Args:
            columns: all numbers in the run log; those of this process come last.
        """
        found = dict(columns)
        for series, (steps, times, values) in columns.items():
            known = self._metrics.get(series.name)
            if known is not None and known.first is not None and known.at_positions:
                own = steps.copy()
                begin = len(steps) - known.count
                own[begin : begin + known.at_positions] = 0
                found[series] = own, times, values
        return {**found, **positions_without_steps(found)}
