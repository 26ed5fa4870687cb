"""The content of an experiment by the counts of its runs, without a run's series: quick for ten thousands.

It has the form of :class:`legm.report.content.ExperimentContent`, except that curves, media and completed
runs are left to be asked for, a configuration at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from legm.core.code_versions import different_code_text
from legm.core.run_marks import shown_tags
from legm.records import BestRule, Configuration, Plain, RunCounts, RunMarks, RunResult
from legm.report.metric_content import InitialReportView, MetricContent
from legm.report.number_encoding import encode_numbers_exactly
from legm.report.parameter_content import ParameterContent
from legm.report.run_content import STATUSES, RunContent
from legm.stats.aggregate import aggregate_counts
from legm.stats.run_counts import split_summary_key

__all__ = ["CountedConfiguration", "counted_experiment_content"]


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


def counted_experiment_content(
    name: str,
    configurations: Sequence[CountedConfiguration],
    unfinished: Iterable[RunResult],
    *,
    problems: Sequence[str] = (),
    selected: str = "",
) -> dict[str, Plain]:
    """The content of an experiment, ready for JSON.

    Args:
        name: the experiment's name.
        configurations: those to show.
        unfinished: runs that are not completed.
        problems: messages about what could not be read.
        selected: what all runs have in common; "" for nothing.
    """
    parameters: dict[str, ParameterContent] = {}
    rows: list[dict[str, Plain]] = []
    every: list[RunCounts] = []
    row_of: dict[tuple[str, str], int] = {}
    for index, one in enumerate(configurations):
        active = {*one.configuration.active}
        for parameter, value in one.configuration.parameters.items():
            own = parameters.setdefault(parameter, ParameterContent())
            own.put(index, value, active=parameter in active)
        for counts in sorted(one.counts, key=lambda of: of.description):
            row_of[one.configuration.fingerprint, counts.description] = len(rows)
            rows.append(_row(index, counts, one.marks if len(one.counts) == 1 else counts.marks))
            every.append(counts)
    metrics = _metrics(every)
    runs = RunContent()
    for run in sorted(unfinished, key=lambda of: of.run.run_id):
        row = row_of.get((run.run.configuration.fingerprint, run.run.description))
        if row is not None:
            runs.add(row, run)
    view = InitialReportView()
    return {
        "name": name,
        "partial": True,
        "problems": list(problems),
        "selected": selected,
        "metric": metrics.first(view),
        "metrics": metrics.content(len(rows), view),
        "curve_metrics": sorted(
            {split_summary_key(key)[0] for key in metrics.summaries if split_summary_key(key)[1] == "dev"}
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
        "runs": runs.content(),
        "groups": None,
    }


def _row(index: int, counts: RunCounts, marks: Mapping[str, RunMarks]) -> dict[str, Plain]:
    row: dict[str, Plain] = {
        "configuration": index,
        "description": counts.description,
        "repeated": counts.repeated,
        "code": different_code_text(counts.code),
    }
    if marks:
        row["tags"] = shown_tags(marks.values())
        row["notes"] = [one.note for _, one in sorted(marks.items()) if one.note]
    return row


def _metrics(every: Sequence[RunCounts]) -> MetricContent:
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
        rows = [row for row, one in enumerate(every) if key in one.values and key not in one.indexed]
        values = aggregate_counts([every[row] for row in rows], key)
        found.summaries[key] = {row: of for row, of in zip(rows, values, strict=True) if of is not None}
    return found
