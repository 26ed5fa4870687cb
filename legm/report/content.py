"""The content of a report: an experiment's runs as plain values, without any I/O.

The content is stored by column: a list of rows (a configuration and description each), a list of runs, and
for each metric or parameter one text with the numbers of all rows or runs (see
:mod:`legm.report.number_encoding`). All summaries and curves come from :mod:`legm.stats.aggregate`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from legm.analysis.unfinished import unfinished_curve
from legm.core.code_versions import count_code, different_code_text
from legm.core.direction import decide_direction
from legm.core.display_names import display_names
from legm.core.plain_form import canonical_text
from legm.core.run_marks import shown_tags
from legm.core.texts import exact_text, value_texts
from legm.records import Aggregate, BestRule, Configuration, Curve, Direction, Plain, RunResult, Status
from legm.report.grouped_content import ReportRow, grouped_report_content
from legm.report.number_encoding import encode_numbers_exactly, encode_numbers_for_drawing
from legm.stats import aggregate
from legm.stats.downsampling import POINTS_PER_BUCKET, line
from legm.stats.run_counts import (
    ALL_VALUES_METRICS,
    count_repeated,
    newest_counted_of_each_seed,
    split_summary_key,
    summary_key,
)
from legm.stats.value_choice import choice_note, exact_choice_text, value_title

__all__ = ["STATUSES", "ExperimentContent", "InitialReportView", "unique_report_names"]

STATUSES = (Status.COMPLETED, Status.FAILED, Status.INTERRUPTED, Status.PRUNED, Status.RUNNING)
"""The order in which the page counts runs."""

_FEWEST, _MOST = 8, 60  # buckets of a curve
_BYTES_PER_POINT = 16  # bytes: step, center, lower, upper
_MOST_UNFINISHED = 20  # runs of a configuration that are drawn though they are not completed


@dataclass(frozen=True, slots=True)
class InitialReportView:
    """The metric that the page shows first.

    Args:
        key: its summary key (``best_loss``); None to choose it by the runs.
        higher_better: whether a higher value is better; None to judge by the runs or by its name.
    """

    key: str | None = None
    higher_better: bool | None = None


@dataclass(slots=True)
class _ReportParameter:
    """The distinct values of a parameter, and the value of each configuration or run, by its index."""

    values: dict[str, int] = field(default_factory=dict)
    plain: list[Plain] = field(default_factory=list)
    of: dict[int, int] = field(default_factory=dict)
    active: set[int] = field(default_factory=set)

    def put(self, index: int, value: Plain, *, active: bool = True) -> None:
        key = canonical_text(value)
        if key not in self.values:
            self.values[key] = len(self.values) + 1
            self.plain.append(value)
        self.of[index] = self.values[key]
        if active:
            self.active.add(index)

    def content(self, name: str, count: int) -> dict[str, Plain]:
        """The distinct values, and the number of that of each configuration or run, from 1; 0 for none.

        A value is its text, its number, and its rounded text where that is another.
        """
        texts = zip(self.plain, map(exact_text, self.plain), value_texts(self.plain), strict=True)
        return {
            "name": name,
            "values": [
                [exact, _report_value_number(value), *([brief] * (brief != exact))]
                for value, exact, brief in texts
            ],
            "of": encode_numbers_exactly([self.of.get(index, 0) for index in range(count)]),
            "active": encode_numbers_exactly([int(index in self.active) for index in range(count)]),
        }


def _report_value_number(value: Plain) -> float | None:
    """The number for sorting and for the position on an axis; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


class ExperimentContent:
    """Collects the content for one experiment, configuration by configuration.

    Args:
        name: the experiment's name.
        statuses: runs with these are drawn too, each as a curve of its own.
        one_per_seed: whether of several completed runs with equal seeds only the newest counts in summaries
            and curves.
        selected: what all runs that are added have in common; "" for nothing.
        group_by: parameters by which configurations are grouped; () for no groups.
    """

    def __init__(
        self,
        name: str,
        statuses: Collection[Status] = (),
        *,
        one_per_seed: bool = False,
        selected: str = "",
        group_by: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._group_by = group_by
        self._report_rows: list[ReportRow] = []
        self._selected = selected
        self._problems: list[str] = []
        self._configurations: list[dict[str, Plain]] = []
        self._parameters: dict[str, _ReportParameter] = {}
        self._rows: list[dict[str, Plain]] = []
        self._counts: list[Counter[Status]] = []
        self._summaries: dict[str, dict[int, Aggregate]] = {}
        self._indexed: dict[str, int] = {}
        self._grids: dict[str, int] = {}
        self._runs: list[tuple[int, RunResult]] = []
        self._run_parameters: dict[str, _ReportParameter] = {}
        self._run_values: dict[str, dict[int, float]] = {}
        self._rules: Counter[BestRule] = Counter()
        self._rules_of: dict[str, Counter[BestRule]] = {}
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
        for parameter, value in configuration.parameters.items():
            active = parameter in configuration.active
            self._parameters.setdefault(parameter, _ReportParameter()).put(index, value, active=active)
        by_description: dict[str, list[RunResult]] = {}
        for run in runs:
            by_description.setdefault(run.run.description, []).append(run)
        for description, members in sorted((by_description or {"": []}).items()):
            self._report_rows.append(ReportRow(index, configuration, description))
            self._add_row(index, description, members, share // (len(by_description) or 1), media(members))

    def _add_row(
        self, index: int, description: str, runs: Sequence[RunResult], share: int, media: Plain
    ) -> None:
        row = len(self._rows)
        counted = newest_counted_of_each_seed(runs) if self._one_per_seed else runs
        completed = [run for run in counted if run.status is Status.COMPLETED]
        for run in completed:
            self._rules[run.rule] += 1
            for key in {summary_key(series) for series in (*run.best, *run.test)}:
                self._rules_of.setdefault(key, Counter())[run.rule] += 1
        for key, value in aggregate.aggregate_runs(counted).values.items():
            whole = value.get("") if isinstance(value, Mapping) else value
            if isinstance(value, Mapping):
                self._indexed[key] = max(self._indexed.get(key, 0), len(value) - ("" in value))
            if whole is not None:
                self._summaries.setdefault(key, {})[row] = whole
        self._counts.append(Counter(run.status for run in runs))
        curves = aggregate.aggregate_curves(counted)
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
        buckets = min(max(buckets, _FEWEST), _MOST)
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
            self._add_run(row, run)

    def _curve(self, curve: Curve, buckets: int) -> dict[str, Plain]:
        thin = line(curve, buckets)
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
        for name, infinite in (("above", thin.above), ("below", thin.below)):
            if len(infinite):
                found[name] = encode_numbers_exactly(infinite)
        return found

    def _add_run(self, row: int, run: RunResult) -> None:
        index = len(self._runs)
        for name, value in run.run.parameters.items():
            self._run_parameters.setdefault(name, _ReportParameter()).put(index, value)
        if run.status is Status.COMPLETED:
            for series, number in (*run.best.items(), *run.test.items()):
                key = summary_key(series)
                if series.index is None and key not in ALL_VALUES_METRICS:
                    self._run_values.setdefault(key, {})[index] = number
        bare = RunResult(
            run=run.run,
            status=run.status,
            rule=run.rule,
            best_step=run.best_step,
            points=run.points,
            last_step=run.last_step,
            ended=run.ended,
            error=run.error,
            marks=run.marks,
        )
        self._runs.append((row, bare))

    @property
    def has_runs(self) -> bool:
        """Whether any run was added."""
        return bool(self._runs)

    @property
    def keys(self) -> frozenset[str]:
        """The summary keys of the metrics that configurations can be ranked by."""
        return frozenset(self._summaries)

    def content(self, asked: InitialReportView = InitialReportView()) -> dict[str, Plain]:
        """The content of the experiment, ready for JSON.

        Args:
            asked: the metric to show first; ignored if the experiment does not have it.
        """
        configurations = len(self._configurations)
        metrics = self._metrics(asked)
        return {
            "name": self.name,
            "problems": self._problems,
            "selected": self._selected,
            "metric": self._first_metric(asked),
            "metrics": metrics,
            "indexed": dict(sorted(self._indexed.items())),
            "configurations": self._configurations,
            "parameters": [
                parameter.content(name, configurations)
                for name, parameter in sorted(self._parameters.items())
            ],
            "rows": self._rows,
            "counts": {
                status.value: encode_numbers_exactly([counts[status] for counts in self._counts])
                for status in STATUSES
            },
            "grids": list(self._grids),
            "runs": self._run_columns(),
            "groups": self._groups(asked),
        }

    def _groups(self, asked: InitialReportView) -> dict[str, Plain] | None:
        if not self._group_by:
            return None
        directions = {key: self._direction(key, asked) for key in self._summaries}
        return grouped_report_content(self._group_by, self._report_rows, self._summaries, directions)

    def _direction(self, key: str, asked: InitialReportView) -> Direction:
        name, split = split_summary_key(key)
        higher_better = asked.higher_better if key == asked.key else None
        return decide_direction(name, self._rules, higher_better, over_all_values=split == "pooled")

    def _metrics(self, asked: InitialReportView) -> list[dict[str, Plain]]:
        empty = Aggregate(math.nan, math.nan, 0, 0, "")
        found = []
        for key in sorted(self._summaries, key=_report_metric_order):
            name, split = split_summary_key(key)
            direction = self._direction(key, asked)
            of = [self._summaries[key].get(row, empty) for row in range(len(self._rows))]
            found.append(
                {
                    "key": key,
                    "name": name,
                    "split": split,
                    "title": value_title(key, self._rules_of.get(key, {})),
                    "note": choice_note(key, self._rules_of.get(key, {})),
                    "higher_better": direction.higher_better,
                    "because": direction.because,
                    "direction": str(direction),
                    "conflicts": direction.against > 0,
                    "mean": encode_numbers_exactly([one.mean for one in of]),
                    "std": encode_numbers_exactly([one.std for one in of]),
                    "n": encode_numbers_exactly([one.n for one in of]),
                    "nan": encode_numbers_exactly([one.nan for one in of]),
                }
            )
        return found

    def _first_metric(self, asked: InitialReportView) -> str | None:
        """The metric to show first: the requested one, that of the runs' early stopping, or the first one."""
        rules = [f"best_{rule.metric}" for rule, _ in self._rules.most_common() if rule.metric is not None]
        every = sorted(self._summaries, key=_report_metric_order)
        return next((key for key in (asked.key, *rules, *every) if key in self._summaries), None)

    def _run_columns(self) -> dict[str, Plain]:
        runs, count = [run for _, run in self._runs], len(self._runs)
        choices = [exact_choice_text(run.rule) if run.best_step is not None else "" for run in runs]
        choice_texts = sorted(set(choices))
        return {
            "row": encode_numbers_exactly([row for row, _ in self._runs]),
            "status": encode_numbers_exactly([STATUSES.index(run.status) for run in runs]),
            "id": [run.run.run_id for run in runs],
            "started": encode_numbers_exactly([run.run.started for run in runs]),
            "ended": encode_numbers_exactly([_report_number(run.ended) for run in runs]),
            "ways": choice_texts,
            "way": encode_numbers_exactly([choice_texts.index(choice) for choice in choices]),
            "best_step": encode_numbers_exactly([_report_number(run.best_step) for run in runs]),
            "last_step": encode_numbers_exactly([_report_number(run.last_step) for run in runs]),
            "points": encode_numbers_exactly([run.points for run in runs]),
            "tags": {index: shown_tags([run.marks]) for index, run in enumerate(runs) if run.marks.tags},
            "notes": {index: run.marks.note for index, run in enumerate(runs) if run.marks.note},
            "errors": {index: run.error for index, run in enumerate(runs) if run.error},
            "parameters": [
                parameter.content(name, count) for name, parameter in sorted(self._run_parameters.items())
            ],
            "values": {
                key: _report_content_of_rows(of, count) for key, of in sorted(self._run_values.items())
            },
        }


def _report_metric_order(key: str) -> tuple[int, str]:
    name, split = split_summary_key(key)
    return ("dev", "test", "pooled").index(split), name


def _report_number(number: float | None) -> float:
    return math.nan if number is None else number


def _report_content_of_rows(of: Mapping[int, float], count: int) -> dict[str, str]:
    """The numbers of the runs that have one, and the indices of these runs."""
    return {
        "runs": encode_numbers_exactly(list(of)) if len(of) < count else "",
        "values": encode_numbers_exactly(list(of.values())),
    }


def unique_report_names(configurations: Sequence[Configuration], folders: Sequence[str | None]) -> list[str]:
    """Names that distinguish the configurations of an experiment.

    Args:
        configurations: the configurations of the experiment.
        folders: the name of each one's folder; None without one.

    Returns:
        for each its own name; if several share it, its folder's name, or its name with a piece of its
        fingerprint; without a name, what makes it differ from the others.
    """
    names = Counter(one.name for one in configurations)
    labels = {}
    for one, folder in zip(configurations, folders, strict=True):
        piece = one.fingerprint.rpartition("-")[2][:8]
        is_unique = one.name and names[one.name] == 1
        labels[one.fingerprint] = one.name if is_unique else folder or f"{one.name} {piece}".strip()
    found = display_names(configurations, labels)
    return [found[one.fingerprint] for one in configurations]
