"""What a notebook shows of rankings, comparisons and handlers: tables with small curves."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, overload

from legm.core.direction import merge_direction_rules
from legm.core.display_names import differing_parameter_names, display_names, group_display_names
from legm.core.effective_values import EffectiveValues, ineffective_value_note
from legm.core.html_markup import Markup, escaped_html, html_paragraphs, html_table
from legm.core.missing import MISSING
from legm.core.texts import counted, escape_unprintable_text, exact_text, number_text, value_texts
from legm.errors import LegmError
from legm.records import (
    Aggregate,
    Comparison,
    Configuration,
    Curve,
    Ranked,
    RankedGroup,
    RunResult,
    Series,
    Split,
    Status,
    Summary,
)
from legm.stats.number_formatting import number_decimals_for, value_text
from legm.stats.value_choice import value_title

if TYPE_CHECKING:
    from legm.delivery.client import BackendClient

__all__ = ["NotebookComparison", "NotebookComparisons", "NotebookRanking", "handler_notebook_html"]

log = logging.getLogger(__name__)

_MOST_ROWS = 20
_MOST_PARAMETERS = 12
_MOST_METRICS = 10
_MOST_CHARACTERS = 60  # of a cell
_IN_A_LINE = 3

T = TypeVar("T", bound="Ranked | RankedGroup")
ReadCurve = Callable[[Configuration], "Curve | None"]


def _short_notebook_text(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _notebook_line(text: str) -> str:
    return escape_unprintable_text(_short_notebook_text(text))


class NotebookRanking(list[T], Generic[T]):
    """Ranked configurations or groups, best first: a list that a notebook shows as a table with curves.

    Args:
        ranked: the configurations or groups.
        key: the metric's summary key.
        labels: by fingerprint, what the experiment's configurations are called in paths.
        read_curve: reads the mean curve of a configuration's completed runs, when it is shown; None for a
            metric without curves.
    """

    def __init__(
        self, ranked: Iterable[T], key: str, labels: Mapping[str, str], read_curve: ReadCurve | None = None
    ) -> None:
        super().__init__(ranked)
        self._key = key
        self.labels = labels
        self._read_curve = read_curve

    def with_groups(self, groups: Iterable[RankedGroup]) -> NotebookRanking[RankedGroup]:
        """A ranking of groups by the same metric."""
        return NotebookRanking(groups, self._key, self.labels, self._read_curve)

    @overload
    def __getitem__(self, at: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> NotebookRanking[T]: ...

    def __getitem__(self, at: SupportsIndex | slice) -> T | NotebookRanking[T]:
        if isinstance(at, slice):
            return NotebookRanking(super().__getitem__(at), self._key, self.labels, self._read_curve)
        return super().__getitem__(at)

    def __reduce_ex__(self, _protocol: SupportsIndex) -> tuple[Any, ...]:
        """A copy in another process is a plain list: it cannot read curves."""
        return list, (list(self),)

    def __repr__(self) -> str:
        return f"<{self._title(len(self))}>"

    def _title(self, number: int) -> str:
        is_of_groups = bool(self) and isinstance(self[0], RankedGroup)
        what = counted(number, "group" if is_of_groups else "configuration")
        if not self:
            return f"Ranking of {what}"
        digits = number_decimals_for([one.value for one in self])
        first = [
            f"{_notebook_line(name)} {value_text(one.value, digits)}"
            for name, one in zip(self._names()[:_IN_A_LINE], self, strict=False)
        ]
        more = ", …" if number > _IN_A_LINE else ""
        return f"Ranking of {what} by {_notebook_line(self._choice())}: {', '.join(first)}{more}"

    def _choice(self) -> str:
        rules = merge_direction_rules(one.rules for one in self)
        return f"{value_title(self._key, rules)}, {self[0].direction}"

    def _names(self) -> list[str]:
        groups = [one for one in self if isinstance(one, RankedGroup)]
        if groups:
            return group_display_names(groups)
        found = [one for one in self if isinstance(one, Ranked)]
        titles = display_names([one.configuration for one in found], self.labels)
        return [titles[one.configuration.fingerprint] for one in found]

    def _repr_html_(self) -> str:
        if not self:
            return html_paragraphs([self._title(0)])
        from legm.analysis.notes import ranking_notes
        from legm.stats.curve_scale import curve_scale
        from legm.stats.curve_svg import curve_svg

        shown = self[:_MOST_ROWS]
        curves, problem = self._curves(shown)
        scale = curve_scale(one for one in curves if one is not None)
        ranked = [one for one in self if isinstance(one, Ranked)]
        configurations = [one.configuration for one in ranked]
        parameters = differing_parameter_names(configurations)[:_MOST_PARAMETERS]
        effective = EffectiveValues(configurations)
        digits = number_decimals_for([one.value for one in shown])
        headers = ["#", "configuration" if ranked else "group", value_title(self._key, self._rules())]
        headers += [f"mean {self._metric()} by step"] if scale is not None else []
        headers += ["runs", "others" if ranked else "configurations", *parameters]
        columns = [
            _notebook_parameter_cells(effective.shown_values(configurations, name)) for name in parameters
        ]
        rows = [
            [
                str(at + 1),
                _short_notebook_text(name),
                value_text(one.value, digits),
                *([curve_svg(curves[at], scale)] if scale is not None else []),
                *_notebook_counts(one),
                *(column[at] for column in columns),
            ]
            for at, (name, one) in enumerate(zip(self._names(), shown, strict=False))
        ]
        members = [each for one in self if isinstance(one, RankedGroup) for each in one.members]
        notes = ranking_notes(self._key, ranked or members)
        if scale is not None:
            notes.append(
                f"curves: mean {self._metric()} over the completed runs, all on one scale: steps "
                f"{scale.first:,.0f} to {scale.last:,.0f}, and {number_text(scale.low)} to "
                f"{number_text(scale.high)}"
            )
        if len(self) > len(shown):
            notes.insert(0, f"{len(self) - len(shown):,} more")
        return html_table("", headers, rows) + html_paragraphs([*notes, *problem])

    def _rules(self) -> Counter[Any]:
        return merge_direction_rules(one.rules for one in self)

    def _metric(self) -> str:
        return self._key.removeprefix("best_")

    def _curves(self, shown: Sequence[T]) -> tuple[list[Curve | None], list[str]]:
        """The curve of each row, and why there are none."""
        if self._read_curve is None:
            return [None] * len(shown), []
        try:
            return [self._row_curve(one) for one in shown], []
        except LegmError as error:
            return [None] * len(shown), [f"curves cannot be read: {error}"]

    def _row_curve(self, one: Ranked | RankedGroup) -> Curve | None:
        from legm.stats.aggregate import average_aggregated_curves

        assert self._read_curve is not None  # noqa: S101
        if isinstance(one, Ranked):
            return self._read_curve(one.configuration)
        members = [
            curve for each in one.members if (curve := self._read_curve(each.configuration)) is not None
        ]
        return average_aggregated_curves(members) if members else None


def _notebook_counts(one: Ranked | RankedGroup) -> list[str]:
    if isinstance(one, RankedGroup):
        return [f"{one.runs:,}", f"{len(one.members):,}"]
    others = ", ".join(f"{count} {status}" for status, count in one.left_out.items() if count)
    nan = f"{one.value.nan} NaN" if one.value.nan else ""
    missing = f"{one.missing} without the metric" if one.missing else ""
    return [f"{one.runs:,}", ", ".join(filter(None, (others, nan, missing)))]


def _notebook_parameter_cells(values: Sequence[Any]) -> list[str]:
    texts = iter(value_texts([value for value in values if value is not MISSING]))
    return ["" if value is MISSING else _short_notebook_text(next(texts)) for value in values]


class NotebookComparison(Comparison):
    """A comparison that a notebook shows as a table."""

    __slots__ = ("_names",)

    @classmethod
    def of(cls, comparison: Comparison, labels: Mapping[str, str]) -> NotebookComparison:
        """A comparison, to be shown.

        Args:
            comparison: the comparison.
            labels: by fingerprint, what the two configurations are called in paths.
        """
        found = cls(**{field.name: getattr(comparison, field.name) for field in fields(comparison)})
        titles = display_names([found.a, found.b], labels)
        object.__setattr__(found, "_names", (titles[found.a.fingerprint], titles[found.b.fingerprint]))
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Comparison):
            return NotImplemented
        return all(getattr(self, one.name) == getattr(other, one.name) for one in fields(self))

    __hash__ = Comparison.__hash__

    def __repr__(self) -> str:
        difference = f"a - b = {number_text(self.difference)}"
        return f"<Comparison of {_notebook_line(_notebook_title(self))}: {difference}, p = {self.p:.3g}>"

    def _repr_html_(self) -> str:
        return NotebookComparisons([self])._repr_html_()


def _notebook_title(one: Comparison) -> str:
    a, b = _notebook_comparison_names(one)
    return f"{one.title or one.metric} of a = {a} and b = {b}"


def _notebook_comparison_names(one: Comparison) -> tuple[str, str]:
    known: tuple[str, str] | None = getattr(one, "_names", None)  # none after it was copied or pickled
    return known or (one.a.name or one.a.fingerprint, one.b.name or one.b.fingerprint)


class NotebookComparisons(list[Comparison]):
    """Comparisons of one configuration with others: a list that a notebook shows as a table."""

    def __repr__(self) -> str:
        if not self:
            return "<0 comparisons>"
        return f"<{counted(len(self), 'comparison')}: {', '.join(map(repr, self))}>"

    def _repr_html_(self) -> str:
        if not self:
            return html_paragraphs([repr(self)[1:-1]])
        first = self[0]
        headers = ["b", "mean a", "mean b", "a - b", f"{100 * first.level:.6g} % interval", "p"]
        has_adjusted = any(one.p != one.p_adjusted for one in self)
        headers += ["Holm p"] if has_adjusted else []
        headers += ["pairs" if first.paired else "runs", "better mean"]
        rows = [
            [
                _short_notebook_text(_notebook_comparison_names(one)[1]),
                *(number_text(value) for value in (one.mean_a, one.mean_b, one.difference)),
                f"{number_text(one.lower)} to {number_text(one.upper)}" if one.lower <= one.upper else "",
                f"{one.p:.3g}",
                *([f"{one.p_adjusted:.3g}"] if has_adjusted else []),
                str(one.pairs) if one.paired else f"{one.n_a} and {one.n_b}",
                one.better,
            ]
            for one in self
        ]
        caption = (
            f"{first.title or first.metric}: a = {_short_notebook_text(_notebook_comparison_names(first)[0])}"
        )
        notes = [str(first.direction), *dict.fromkeys(note for one in self for note in one.notes)]
        return html_table(caption, headers, rows) + html_paragraphs(notes)


def handler_notebook_html(
    client: BackendClient, configuration: Configuration, description: str, run_id: str | None
) -> str:
    """A handler's configuration as a table of parameters, and one of metrics with their mean curves.

    Args:
        client: of the primary backend.
        configuration: the handler's.
        description: of the runs.
        run_id: of the handler's own run; None before it has one.
    """
    title = configuration.name or configuration.fingerprint
    heading = (
        f"<p><b>{escaped_html(configuration.experiment)}</b>: {escaped_html(_short_notebook_text(title))}</p>"
    )
    rows = [
        [name, _short_notebook_text(exact_text(value)), ineffective_value_note(configuration, name)]
        for name, value in configuration.parameters.items()
    ]
    parameters = html_table("", ["parameter", "value", "note"], rows) if rows else ""
    try:
        return heading + parameters + _notebook_runs_html(client, configuration, description, run_id)
    except LegmError as error:
        return heading + parameters + html_paragraphs([f"runs cannot be read: {error}"])


def _notebook_running_run(
    client: BackendClient, configuration: Configuration, run_id: str | None
) -> RunResult | None:
    """The handler's run with all its series, from its log; None where it is not running."""
    from legm.runlog.log_folder import LogFolder, read_result_from_log

    folder = client.folder(configuration)
    if folder is None or run_id is None:
        return None
    path = LogFolder.of(folder).find(run_id)
    found = None if path is None else read_result_from_log(path, live=True)
    return found if found is not None and found.status is Status.RUNNING else None


def _notebook_runs_html(
    client: BackendClient, configuration: Configuration, description: str, run_id: str | None
) -> str:
    from legm.analysis.unfinished import unfinished_curve
    from legm.delivery.reading import read_runs
    from legm.stats.aggregate import aggregate_curves, aggregate_runs
    from legm.stats.curve_scale import curve_scale
    from legm.stats.curve_svg import curve_svg
    from legm.stats.run_counts import summary_key

    known = list(read_runs(client, configuration, description))
    if not known:
        return html_paragraphs(["no runs yet"])
    running = _notebook_running_run(client, configuration, run_id)
    every = [*(run.best for run in known), *([] if running is None else [running.histories])]
    names = sorted({series.name for of in every for series in of if series.index is None})
    shown = names[:_MOST_METRICS]
    runs = list(read_runs(client, configuration, description, frozenset(shown)))
    curves = {one.metric: one for one in aggregate_curves(runs)}
    summary = aggregate_runs(runs)
    own = running or next((run for run in runs if run.run.run_id == run_id), None)
    rules = Counter(run.rule for run in runs if run.status is Status.COMPLETED)
    rows: list[list[str | Markup]] = []
    for name in shown:
        mine = None if own is None else unfinished_curve(own, name)
        scale = curve_scale(one for one in (curves.get(name), mine) if one is not None)
        key = summary_key(Series(name))
        rows.append(
            [
                *_notebook_value_cells(summary, key, value_title(key, rules)),
                curve_svg(curves.get(name), scale),
                *([] if own is None else [_notebook_last_value(own, name), curve_svg(mine, scale)]),
            ]
        )
    tests = sorted({series.name for run in known for series in run.test if series.index is None})
    for name in tests[:_MOST_METRICS]:
        test = None if own is None else own.test.get(Series(name, Split.TEST))
        mine_cells = [] if own is None else ["" if test is None else number_text(test), ""]
        rows.append([*_notebook_value_cells(summary, f"test_{name}", f"test {name}"), "", *mine_cells])
    headers = ["metric", "over completed runs", "n", "mean by step"]
    headers += [] if own is None else ["last of this run", "this run by step"]
    notes = [_notebook_status_text(runs, own)]
    if summary.different_code:
        notes.append(f"the completed runs come from different code: {summary.different_code}")
    rest = len(names) + len(tests) - len(rows)
    if rest > 0:
        notes.append(f"and {rest:,} more metrics")
    return (
        html_paragraphs(notes[:1])
        + (html_table("", headers, rows) if rows else "")
        + html_paragraphs(notes[1:])
    )


def _notebook_value_cells(summary: Summary, key: str, title: str) -> list[str]:
    value = summary.values.get(key)
    if not isinstance(value, Aggregate):
        return [title, "", ""]
    return [title, value_text(value, number_decimals_for([value])), str(value.n)]


def _notebook_last_value(run: RunResult, name: str) -> str:
    history = run.histories.get(Series(name))
    return "" if history is None or not len(history.values) else number_text(float(history.values[-1]))


def _notebook_status_text(runs: Sequence[RunResult], own: RunResult | None) -> str:
    counts = Counter(run.status.value for run in runs)
    text = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    if own is None:
        return f"runs: {text}"
    step = "" if own.last_step is None else f", step {own.last_step:,}"
    return f"runs: {text}; this run ({own.run.run_id[-6:]}) is {own.status.value}{step}"
