"""The curves beside a ranking: of each configuration or group, and of the runs that are not completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from legm.analysis.notes import left_out_note
from legm.analysis.unfinished import unfinished_curve
from legm.cli.selection import SelectedMetric, Selection
from legm.cli.terminal_curves import CurveColumn
from legm.core.direction import merge_direction_rules
from legm.records import Curve, Direction, Ranked, RankedGroup, RunResult
from legm.stats.aggregate import average_aggregated_curves
from legm.util.progress import show_progress

__all__ = ["CurveReader", "ranked_group_key"]


def ranked_group_key(group: RankedGroup) -> str:
    """The key of a group's curve."""
    return group.members[0].configuration.fingerprint


@dataclass(frozen=True, slots=True)
class CurveReader:
    """Reads the curves of one dev metric.

    Args:
        choice: the configurations and runs that are selected.
        metric: the metric's name.
        aggregation: how runs are aggregated.
        one_per_seed: whether only the newest run of each seed counts.
    """

    choice: Selection
    metric: str
    aggregation: str
    one_per_seed: bool

    def of_ranking(self, ranked: Sequence[Ranked], unfinished: Sequence[RunResult]) -> CurveColumn:
        """The curves of configurations, by fingerprint, and of runs, by their ids, on one scale.

        Raises:
            LegmError: runs cannot be read.
        """
        of_runs = {run.run.run_id: unfinished_curve(run, self.metric) for run in unfinished}
        curves = {
            one.configuration.fingerprint: self._curve(one) for one in show_progress(ranked, "reading runs")
        }
        return CurveColumn(self.metric, self.aggregation, curves, of_runs)

    def of_groups(self, groups: Sequence[RankedGroup]) -> CurveColumn:
        """The mean curves of groups of configurations, by :func:`ranked_group_key`.

        Raises:
            LegmError: runs cannot be read.
        """
        curves: dict[str, Curve | None] = {}
        for group in show_progress(groups, "reading runs"):
            members = [curve for one in group.members if (curve := self._curve(one)) is not None]
            curves[ranked_group_key(group)] = average_aggregated_curves(members) if members else None
        return CurveColumn(self.metric, "mean", curves)

    def _curve(self, one: Ranked) -> Curve | None:
        return self.choice.curve(
            one.configuration, self.metric, self.aggregation, one_per_seed=self.one_per_seed
        )

    def unfinished(self, statuses: Sequence[str]) -> list[RunResult]:
        """The runs with these statuses, with the metric's series."""
        return self.choice.unfinished(statuses, SelectedMetric(self.metric, False))

    def notes(
        self,
        column: CurveColumn,
        ranked: Sequence[Ranked],
        averaged: str = "run",
        wanted: SelectedMetric | None = None,
    ) -> list[str]:
        """What a user should know about the curves.

        Args:
            column: the curves.
            ranked: the configurations whose curves they are.
            averaged: what a curve is the mean of: "run" or "configuration".
            wanted: the metric whose direction is printed anyway.
        """
        shown = {one.configuration.fingerprint for one in ranked}
        left_out = [
            {**one.left_out, "running": one.running}
            for one in self.choice.counts
            if one.configuration.fingerprint in shown
        ]
        is_said = wanted is not None and not wanted.test and wanted.name == self.metric
        direction = None if is_said else self._direction()
        return [*column.notes(averaged, direction), *left_out_note(left_out)]

    def _direction(self) -> Direction:
        from legm.core.direction import decide_direction

        return decide_direction(self.metric, merge_direction_rules(one.rules for one in self.choice.counts))
