"""The content of a report: an experiment's runs as plain values, without any I/O.

The content is stored by column: a list of rows (a configuration and description each), a list of runs, and
for each metric or parameter one text with the numbers of all rows or runs (see
:mod:`legm.report.number_encoding`). All summaries and curves come from :mod:`legm.stats.aggregate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from legm.analysis.unfinished import unfinished_curve
from legm.core.code_versions import count_code, different_code_text
from legm.records import Configuration, Curve, Plain, RunResult, Status
from legm.report.curve_detail import CurveDetail
from legm.report.curve_source import CurveSource
from legm.report.grouped_content import ReportRow, grouped_report_content
from legm.report.hidden_spread import hidden_spread
from legm.report.metric_content import InitialReportView, MetricContent
from legm.report.number_encoding import encode_numbers_exactly, encode_numbers_for_drawing
from legm.report.parameter_content import parameter_contents
from legm.report.run_content import STATUSES, RunContent
from legm.stats import aggregate
from legm.stats.downsampling import POINTS_PER_BUCKET
from legm.stats.run_counts import count_repeated, newest_counted_of_each_seed, summary_key

__all__ = ["ExperimentContent"]

_ANY_VIEW = InitialReportView()
_REPORT_DETAIL = CurveDetail()
_FEWEST = 8  # buckets of a curve
_BYTES_PER_POINT = 16  # bytes: step, center, lower, upper
_MOST_UNFINISHED = 20  # runs of a configuration that are drawn though they are not completed


class ExperimentContent:
    """Collects the content for one experiment, configuration by configuration.

    Args:
        name: the experiment's name.
        statuses: runs with these are drawn too, each as a curve of its own.
        one_per_seed: whether of several completed runs with equal seeds only the newest counts in summaries
            and curves.
        selected: what all runs that are added have in common; "" for nothing.
        group_by: parameters by which configurations are grouped; () for no groups.
        detail: how much of each curve there is.
        curves: makes the curves.
    """

    def __init__(
        self,
        name: str,
        statuses: Collection[Status] = (),
        *,
        one_per_seed: bool = False,
        selected: str = "",
        group_by: Sequence[str] = (),
        detail: CurveDetail = _REPORT_DETAIL,
        curves: CurveSource | None = None,
    ) -> None:
        self.name = name
        self._detail = detail
        self._curve_source = curves or CurveSource()
        self._group_by = group_by
        self._report_rows: list[ReportRow] = []
        self._selected = selected
        self._problems: list[str] = []
        self._configurations: list[dict[str, Plain]] = []
        self._members: list[Configuration] = []
        self._rows: list[dict[str, Plain]] = []
        self._counts: list[Counter[Status]] = []
        self._metrics = MetricContent()
        self._indexed: dict[str, int] = {}
        self._grids: dict[str, int] = {}
        self._runs = RunContent()
        self._statuses = statuses
        self._one_per_seed = one_per_seed

    def problem(self, text: str) -> None:
        """Add a message about something that could not be read."""
        if text not in self._problems:
            self._problems.append(text)

    def add(
        self,
        configuration: Configuration,
        name: str,
        runs: Iterable[RunResult],
        share: int,
        media: Callable[[Sequence[RunResult]], Plain],
    ) -> None:
        """Add a configuration with all its runs, without keeping their series.

        Args:
            configuration: the configuration.
            name: its name on the page.
            runs: each once, with all dev series.
            share: the number of bytes available for its curves.
            media: gives what the page shows of the media of the runs of a row.
        """
        index = len(self._configurations)
        self._configurations.append({"name": name, "fingerprint": configuration.fingerprint})
        self._members.append(configuration)
        by_description: dict[str, list[RunResult]] = {}
        for run in runs:
            by_description.setdefault(run.run.description, []).append(run)
        for description, members in sorted((by_description or {"": []}).items()):
            own_share = share // (len(by_description) or 1)
            self._add_row(index, configuration, description, members, own_share, media(members))

    def _add_row(
        self,
        index: int,
        configuration: Configuration,
        description: str,
        runs: Sequence[RunResult],
        share: int,
        media: Plain,
    ) -> None:
        row = len(self._rows)
        counted = newest_counted_of_each_seed(runs) if self._one_per_seed else runs
        completed = [run for run in counted if run.status is Status.COMPLETED]
        self._report_rows.append(ReportRow(index, configuration, description, len(completed)))
        for run in completed:
            self._metrics.rules[run.rule] += 1
            for key in {summary_key(series) for series in (*run.best, *run.test)}:
                self._metrics.rules_of.setdefault(key, Counter())[run.rule] += 1
        for key, value in aggregate.aggregate_runs(counted).values.items():
            whole = value.get("") if isinstance(value, Mapping) else value
            if isinstance(value, Mapping):
                self._indexed[key] = max(self._indexed.get(key, 0), len(value) - ("" in value))
            if whole is not None:
                self._metrics.summaries.setdefault(key, {})[row] = whole
        self._counts.append(Counter(run.status for run in runs))
        curves = self._curve_source.curves(description, counted)
        unfinished = sorted(
            (run for run in runs if run.status in self._statuses), key=lambda run: run.run.run_id
        )[-_MOST_UNFINISHED:]
        single = [
            (run.run.run_id, curve)
            for run in unfinished
            for series in sorted(run.histories, key=str)
            if series.index is None and (curve := unfinished_curve(run, series.name)) is not None
        ]
        buckets = share // (max(len(curves) + len(single), 1) * POINTS_PER_BUCKET * _BYTES_PER_POINT)
        buckets = min(max(buckets, _FEWEST), self._detail.buckets)
        self._rows.append(
            {
                "configuration": index,
                "description": description,
                "curves": {curve.metric: self._curve(curve, buckets) for curve in curves},
                "unfinished": [
                    {"id": run_id, "metric": curve.metric, **self._curve(curve, buckets)}
                    for run_id, curve in single
                ],
                "repeated": count_repeated(run.run.parameters for run in completed),
                "code": different_code_text(count_code(run.run.environment for run in completed)),
                "media": media,
            }
        )
        for run in sorted(runs, key=lambda run: run.run.run_id):
            self._runs.add(row, run)

    def _curve(self, curve: Curve, buckets: int) -> dict[str, Plain]:
        thin, smoothed = self._curve_source.downsampled(curve, self._detail, buckets)
        steps = encode_numbers_exactly(thin.steps)
        most = int(curve.runs.max())
        found: dict[str, Plain] = {
            "steps": self._grids.setdefault(steps, len(self._grids)),
            "center": encode_numbers_for_drawing(thin.center),
            "runs": most,
            "fewer": bool((curve.runs < most).any()),
        }
        if most > 1:
            found |= {
                "lower": encode_numbers_for_drawing(thin.lower),
                "upper": encode_numbers_for_drawing(thin.upper),
            }
            if (hidden := hidden_spread(curve, thin)) is not None:
                found["hidden"] = [*hidden]
        if smoothed is not None:
            found["smoothed"] = encode_numbers_for_drawing(smoothed)
        for name, infinite in (("above", thin.above), ("below", thin.below)):
            if len(infinite):
                found[name] = encode_numbers_exactly(infinite)
        return found

    @property
    def has_runs(self) -> bool:
        """Whether any run was added."""
        return bool(self._runs.runs)

    @property
    def keys(self) -> frozenset[str]:
        """The summary keys of the metrics that configurations can be ranked by."""
        return frozenset(self._metrics.summaries)

    def ranking(self, asked: InitialReportView) -> tuple[str, Sequence[ReportRow], list[int], bool] | None:
        """The metric that is shown first, the rows, the numbers of those with a value, and its direction.

        Args:
            asked: the metric to show first.

        Returns:
            the metric's key, all rows, which of them have a number, best first, and whether higher is better;
            None without a metric.
        """
        key = self._metrics.first(asked)
        if key is None:
            return None
        higher_better = self._metrics.direction(key, asked).higher_better
        means = {row: one.mean for row, one in self._metrics.summaries[key].items() if one.n}
        ranked = sorted(means, key=lambda row: (-means[row] if higher_better else means[row], row))
        return key, self._report_rows, ranked, higher_better

    def content(self, asked: InitialReportView = _ANY_VIEW) -> dict[str, Plain]:
        """The content of the experiment, ready for JSON.

        Args:
            asked: the metric to show first; ignored if the experiment does not have it.
        """
        configurations = len(self._configurations)
        return {
            "name": self.name,
            "problems": self._problems,
            "selected": self._selected,
            "metric": self._metrics.first(asked),
            "metrics": self._metrics.content(len(self._rows), asked),
            "indexed": dict(sorted(self._indexed.items())),
            "configurations": self._configurations,
            "parameters": [
                parameter.content(name, configurations)
                for name, parameter in sorted(parameter_contents(self._members).items())
            ],
            "rows": self._rows,
            "counts": {
                status.value: encode_numbers_exactly([counts[status] for counts in self._counts])
                for status in STATUSES
            },
            "grids": list(self._grids),
            "runs": self._runs.content(),
            "groups": self._groups(asked),
        }

    def _groups(self, asked: InitialReportView) -> dict[str, Plain] | None:
        if not self._group_by:
            return None
        directions = {key: self._metrics.direction(key, asked) for key in self._metrics.summaries}
        return grouped_report_content(self._group_by, self._report_rows, self._metrics.summaries, directions)
