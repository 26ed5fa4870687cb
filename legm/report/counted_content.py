"""The content of an experiment by the counts of its runs, without a run's series: quick for ten thousands.

It has the form of :class:`legm.report.content.ExperimentContent`, except that runs, curves and media are left
to be asked for: those of a configuration at a time, and the runs that are not completed together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from legm.core.code_versions import different_code_text
from legm.core.run_marks import shown_marks
from legm.records import Aggregate, BestRule, Configuration, Plain, RunCounts, RunMarks, RunResult
from legm.report.grouped_content import ReportRow, grouped_report_content
from legm.report.metric_content import InitialReportView, MetricContent
from legm.report.number_encoding import encode_numbers_exactly
from legm.report.parameter_content import parameter_contents
from legm.report.run_content import STATUSES, RunContent
from legm.stats.aggregate import aggregate_counts, mean_columns
from legm.stats.run_counts import split_summary_key
from legm.util.garbage import paused_garbage_collection

__all__ = ["CountedConfiguration", "CountedContent", "counted_experiment_content"]

_ANY_VIEW = InitialReportView()


@dataclass(frozen=True, slots=True)
class CountedConfiguration:
    """A configuration with its counted runs.

    Args:
        configuration: the configuration.
        name: its name on the page.
        counts: of its runs, by description.
        marks: what is noted about its runs, by run id.
    """

    configuration: Configuration
    name: str
    counts: Sequence[RunCounts]
    marks: Mapping[str, RunMarks]


@dataclass(frozen=True, slots=True)
class CountedContent:
    """An experiment as the page shows it, and what its groups are made of.

    Args:
        content: of the experiment, ready for JSON.
        rows: the leaderboard's.
        metrics: the aggregates of each row.
        row_of: the number of each row, by fingerprint and description.
        counts: of each row.
    """

    content: dict[str, Plain]
    rows: Sequence[ReportRow]
    metrics: MetricContent
    row_of: Mapping[tuple[str, str], int]
    counts: Sequence[RunCounts]

    def runs(self, runs: Iterable[RunResult]) -> dict[str, Plain]:
        """Runs of the rows, in the form of a report's; those of no row are left out.

        Args:
            runs: without their series.
        """
        found = RunContent()
        for run in sorted(runs, key=lambda of: of.run.run_id):
            row = self.row_of.get((run.run.configuration.fingerprint, run.run.description))
            if row is not None:
                found.add(row, run)
        return found.content()

    def groups(self, names: Sequence[str]) -> dict[str, Plain]:
        """The configurations grouped by parameters; see :func:`legm.report.grouped_content`.

        Args:
            names: the parameters.
        """
        directions = {key: self.metrics.direction(key, _ANY_VIEW) for key in self.metrics.keys}
        summaries = {key: self._summaries(key) for key in directions}
        return grouped_report_content(names, self.rows, summaries, directions)

    def _summaries(self, key: str) -> dict[int, Aggregate]:
        rows = [row for row, one in enumerate(self.counts) if key in one.values and key not in one.indexed]
        values = aggregate_counts([self.counts[row] for row in rows], key)
        return {row: of for row, of in zip(rows, values, strict=True) if of is not None}


@paused_garbage_collection()
def counted_experiment_content(
    name: str,
    configurations: Sequence[CountedConfiguration],
    *,
    problems: Sequence[str] = (),
    selected: str = "",
) -> CountedContent:
    """The content of an experiment.

    Args:
        name: the experiment's name.
        configurations: those to show.
        problems: messages about what could not be read.
        selected: what all runs have in common; "" for nothing.
    """
    parameters = parameter_contents([one.configuration for one in configurations])
    rows: list[dict[str, Plain]] = []
    report_rows: list[ReportRow] = []
    every: list[RunCounts] = []
    row_of: dict[tuple[str, str], int] = {}
    for index, one in enumerate(configurations):
        for counts in sorted(one.counts, key=lambda of: of.description):
            row_of[one.configuration.fingerprint, counts.description] = len(rows)
            report_rows.append(ReportRow(index, one.configuration, counts.description, counts.completed))
            rows.append(_counted_row(index, counts, one.marks if len(one.counts) == 1 else counts.marks))
            every.append(counts)
    metrics = _counted_metrics(every)
    content: dict[str, Plain] = {
        "name": name,
        "partial": True,
        "problems": list(problems),
        "selected": selected,
        "metric": metrics.first(_ANY_VIEW),
        "metrics": metrics.content(len(rows), _ANY_VIEW),
        "curve_metrics": sorted(
            {split_summary_key(key)[0] for key in metrics.keys if split_summary_key(key)[1] == "dev"}
        ),
        "indexed": dict.fromkeys(sorted({key for one in every for key in one.indexed}), 0),
        "configurations": [
            {"name": one.name, "fingerprint": one.configuration.fingerprint} for one in configurations
        ],
        "parameters": [
            parameter.content(own_name, len(configurations))
            for own_name, parameter in sorted(parameters.items())
        ],
        "rows": rows,
        "counts": {
            status.value: encode_numbers_exactly([getattr(one, status.value) for one in every])
            for status in STATUSES
        },
        "grids": [],
        "runs": None,
        "groups": None,
    }
    return CountedContent(content, report_rows, metrics, row_of, every)


def _counted_row(index: int, counts: RunCounts, marks: Mapping[str, RunMarks]) -> dict[str, Plain]:
    row: dict[str, Plain] = {
        "configuration": index,
        "description": counts.description,
        "repeated": counts.repeated,
        "code": different_code_text(counts.code),
    }
    if marks:
        row["tags"] = shown_marks(marks.values())
        row["every_tag"] = sorted({tag for one in marks.values() for tag in one.tags})
        row["notes"] = [one.note for _, one in sorted(marks.items()) if one.note]
    return row


def _counted_metrics(every: Sequence[RunCounts]) -> MetricContent:
    """The aggregates of every row by each metric that a completed run has."""
    found = MetricContent()
    # Most rows have the same metrics and rules, whose hash is slow.
    by_keys: Counter[tuple[tuple[str, ...], tuple[tuple[BestRule, int], ...]]] = Counter()
    for one in every:
        by_keys[tuple(one.values), tuple(one.rules.items())] += 1
    for (keys, rules), times in by_keys.items():
        for rule, number in rules:
            found.rules[rule] += number * times
        for key in keys:
            of = found.rules_of.setdefault(key, Counter())
            for rule, number in rules:
                of[rule] += number * times
    for key in found.rules_of:
        found.columns[key] = mean_columns(every, key)
    return found
