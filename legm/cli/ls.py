"""``legm ls``: which configurations there are, and how many runs each has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.json_output import json_configuration, print_json
from legm.cli.options import (
    backend_options,
    curve_option,
    json_option,
    path_argument,
    selection_options,
)
from legm.cli.printing import (
    STATUSES,
    color_statuses,
    print_notes,
    print_problems,
    print_table,
    printable_text,
    printed_parameter_values,
    printed_statuses,
    printed_time,
    say,
)
from legm.cli.terminal_tables import Column
from legm.util.garbage import paused_garbage_collection

if TYPE_CHECKING:
    from legm.analysis.selected_runs import SelectedRuns
    from legm.cli.locations import LocatedExperiment, Location
    from legm.cli.ranked_curves import CurveReader
    from legm.cli.terminal_curves import CurveColumn
    from legm.core.selection import RunSelection
    from legm.records import Configuration, ConfigurationStatus, Ranked, RunCounts, RunMarks

__all__ = ["ls_command"]

At = Callable[[Path], "Location"]


@click.command("ls")
@path_argument("path", default=Path())
@selection_options
@curve_option
@backend_options
@json_option
def ls_command(path: Path, *, selection: RunSelection, curve: str | None, at: At, as_json: bool) -> None:
    """List experiments with their metrics, and their configurations with how many runs each has.

    PATH is a root directory or an experiment in it, ROOT/EXPERIMENT; by default the current folder.
    Configurations without runs are only counted; --json lists them. With --curve, each configuration has the
    mean curve of a dev metric over its completed runs without a description.
    """
    from legm.analysis.notes import compared_seeds_note
    from legm.cli.locations import experiments_at, other_stores_at_location
    from legm.cli.selection import select_members

    location = at(path)
    found = select_members(list(experiments_at(location)), selection)
    curves = [None] * len(found) if curve is None else _listed_curves(found, selection, curve)
    if as_json:
        print_json(
            [
                _listed_dict(one, of, drawn, selected)
                for of, drawn in zip(found, curves, strict=True)
                for selected in [_listed_runs(of, selection)]
                for one in of.members
            ]
        )
        return
    if not found:
        nothing = f"no configurations below {path}"
        print_notes(["; ".join(filter(None, (nothing, other_stores_at_location(location))))])
        return
    for number_of, (one, drawn) in enumerate(zip(found, curves, strict=True)):
        if number_of:
            say()
        say(one.title, bold=True)
        selected = _listed_runs(one, selection)
        _print_listed(one.members, one, None if drawn is None else drawn.column, selected)
        print_notes([*_listed_metrics_note(one), *([] if drawn is None else drawn.notes())])
        print_notes(_listed_repeats_note(one))
        print_notes(compared_seeds_note(of for member in one.members if (of := member.configuration)))
    print_problems(problem for one in found for problem in one.problems)


@dataclass(frozen=True, slots=True)
class _ListedCurves:
    """The curves of an experiment's configurations.

    Args:
        reader: read them.
        ranked: the configurations that have the metric.
        column: the curves by fingerprint.
    """

    reader: CurveReader
    ranked: Sequence[Ranked]
    column: CurveColumn

    def notes(self) -> list[str]:
        """What a user should know about the curves."""
        from legm.core.code_versions import different_code_note

        codes = different_code_note(one.code for one in self.ranked)
        return [*self.reader.notes(self.column, self.ranked), *codes]


def _listed_curves(
    experiments: Sequence[LocatedExperiment], selection: RunSelection, name: str
) -> list[_ListedCurves | None]:
    """The curves of each experiment; None for one without a curve of the metric.

    Raises:
        MetricError: no experiment has the metric.
        StateError: the selected runs of an experiment have several descriptions.
    """
    from legm.cli.ranked_curves import CurveReader
    from legm.cli.selection import SelectedMetric, Selection
    from legm.errors import MetricError, StateError

    found: list[_ListedCurves | None] = []
    problems: list[MetricError | StateError] = []
    for of in experiments:
        try:
            choice = Selection.among(of, None, selection)
            metric = choice.curve_metric(name, None)
        except (MetricError, StateError) as error:
            problems.append(error)
            found.append(None)
            continue
        reader = CurveReader(choice, metric, "mean", one_per_seed=False)
        ranked = choice.ranked(SelectedMetric(metric, False), higher_better=None)
        found.append(_ListedCurves(reader, ranked, reader.of_ranking(ranked, [])))
    if problems and not any(found):
        raise problems[0]
    return found


def _listed_repeats_note(experiment: LocatedExperiment) -> list[str]:
    """How many of the completed runs have the seed of another one of their configuration."""
    from legm.analysis.notes import brief_notes, repeated_note

    counts = experiment.counts()
    note = repeated_note(sum(one.repeated for one in counts), sum(one.completed for one in counts))
    return [f"{brief_notes(note)}: legm best --one-per-seed takes the newest of each seed"] if note else []


def _listed_metrics_note(experiment: LocatedExperiment) -> list[str]:
    """What legm best can rank the configurations by, and what has a value for each index."""
    from legm.cli.selection import selectable_metrics
    from legm.core.texts import listed_names
    from legm.stats.run_counts import split_summary_key

    counts = experiment.counts()
    dev, test = (sorted(names) for names in selectable_metrics(counts))
    indexed = sorted({split_summary_key(key)[0] for one in counts for key in one.indexed})
    kinds = (("metrics", dev), ("test metrics", test), ("metrics of examples", indexed))
    texts = [f"{kind}: {listed_names(names)}" for kind, names in kinds if names]
    return ["; ".join(texts)] if texts else []


@paused_garbage_collection()
def _print_listed(
    members: Sequence[ConfigurationStatus],
    experiment: LocatedExperiment,
    curves: CurveColumn | None,
    selected: SelectedRuns | None,
) -> None:
    every = [(one, _listed_counts(one.counts)) for one in members]
    shown = [(one, counts) for one, counts in every if one.configuration is None or any(counts.values())]
    if shown:
        _print_listed_counts(shown, experiment, curves, selected)
    if len(shown) < len(every):
        from legm.core.texts import counted

        say(f"{counted(len(every) - len(shown), 'configuration')} without runs")


def _print_listed_counts(
    members: Sequence[tuple[ConfigurationStatus, Mapping[str, int]]],
    experiment: LocatedExperiment,
    curves: CurveColumn | None,
    selected: SelectedRuns | None,
) -> None:
    from legm.core.display_names import MOST_IN_NAME, differing_parameter_names, display_names
    from legm.core.naming import readable_name
    from legm.core.run_marks import shown_marks
    from legm.runlog.marks_files import may_have_marks

    found = [one.configuration for one, _ in members if one.configuration]
    titles = display_names(
        found, {one.configuration.fingerprint: one.label for one, _ in members if one.configuration}
    )
    varying = differing_parameter_names(found)
    parameters = _listed_parameters(found, varying)
    are_asked = experiment.store.folders is None or may_have_marks(experiment.path, len(members))
    has_parameters = len(varying) > MOST_IN_NAME
    rows = []
    for one, counts in members:
        marks = _listed_marks(one, experiment, selected) if are_asked else {}
        key = one.configuration.fingerprint if one.configuration else ""
        label = one.label
        title = titles.get(key) or readable_name(label)
        is_label = title == label or title == readable_name(label)
        rows.append(
            (
                title,
                "" if is_label else label,
                *([] if curves is None else curves.cells([key])),
                *_printed_counts(*counts.values()),
                printed_time(max([count.last or 0.0 for count in one.counts], default=None)),
                printable_text(shown_marks(marks.values())) if marks else "",
                parameters.get(key, "?") if is_label or has_parameters else "",
            )
        )
    columns = [
        Column("configuration", fit="fold", is_name=True),
        Column("folder"),
        *([] if curves is None else [curves.column()]),
        Column("runs", right=True),
        Column("others", fit="fold", paint=color_statuses),
        Column("last run"),
        Column("tags", fit="fold"),
        Column("parameters", fit="list"),
    ]
    print_table(columns, rows)


@functools.lru_cache(maxsize=1000)
def _printed_counts(*counts: int) -> tuple[str, str]:
    """How many runs are completed, and how many have each other status, of numbers as STATUSES has them."""
    by_status = dict(zip(STATUSES, counts, strict=True))
    return f"{by_status['completed']:,}", printed_statuses(by_status)


def _listed_parameters(found: Sequence[Configuration], varying: Sequence[str]) -> dict[str, str]:
    """By fingerprint, the parameters by which configurations differ; all of a single one."""
    from legm.core.effective_values import EffectiveValues
    from legm.core.missing import MISSING

    names = varying or sorted({name for one in found for name in one.active})
    effective, columns = EffectiveValues(found), []
    for name in names:
        values = effective.shown_values(found, name)
        texts = printed_parameter_values(values)
        columns.append(
            [
                "" if value is MISSING else f"{name}={_listed_text(value, text)}"
                for value, text in zip(values, texts, strict=True)
            ]
        )
    rows = zip(*columns, strict=True) if columns else [()] * len(found)
    return {one.fingerprint: ", ".join(filter(None, row)) for one, row in zip(found, rows, strict=True)}


def _listed_text(value: Any, text: str) -> str:
    """The text of a value in a list of parameters, in quotes where it could be several items."""
    from legm.core.texts import json_text

    return json_text(value) if isinstance(value, str) and text == value and ", " in value else text


def _listed_counts(counts: Sequence[RunCounts]) -> dict[str, int]:
    """How many runs of each kind there are, whatever their description."""
    completed = failed = interrupted = pruned = running = 0
    for one in counts:
        completed += one.completed
        failed += one.failed
        interrupted += one.interrupted
        pruned += one.pruned
        running += one.running
    return {
        "completed": completed,
        "failed": failed,
        "interrupted": interrupted,
        "pruned": pruned,
        "running": running,
    }


def _listed_runs(experiment: LocatedExperiment, selection: RunSelection) -> SelectedRuns | None:
    """The selected runs of an experiment; None where every run is selected."""
    if not selection:
        return None
    from legm.analysis.selected_runs import SelectedRuns

    configurations = [one.configuration for one in experiment.members if one.configuration is not None]
    return SelectedRuns.of(selection, configurations, experiment.read_runs)


def _listed_marks(
    one: ConfigurationStatus, experiment: LocatedExperiment, selected: SelectedRuns | None
) -> dict[str, RunMarks]:
    """By run id, what is noted about a configuration's selected runs."""
    from legm.cli.noted_runs import marks_of_selected_runs

    folder = one.folder if experiment.store.folders is not None else None
    return marks_of_selected_runs(folder, one.counts, selected)


def _listed_dict(
    one: ConfigurationStatus,
    experiment: LocatedExperiment,
    curves: _ListedCurves | None,
    selected: SelectedRuns | None,
) -> dict[str, Any]:
    from legm.cli.terminal_curves import json_curve

    key = one.configuration.fingerprint if one.configuration else ""
    return {
        "folder": one.folder,
        **json_configuration(one.configuration),
        "runs": [
            {
                "description": count.description,
                **_listed_counts([count]),
                "last": count.last,
                "values": {key: list(values) for key, values in count.values.items()},
                "rules": [{**asdict(rule), "runs": runs} for rule, runs in count.rules.items()],
                "repeated": count.repeated,
                "code": dict(count.code),
            }
            for count in one.counts
        ],
        "marks": [
            {"run_id": run_id, "tags": list(marks.tags), "note": marks.note}
            for run_id, marks in sorted(_listed_marks(one, experiment, selected).items())
        ],
        "problem": str(one.problem) if one.problem else None,
        **({} if curves is None else {"curve": json_curve(curves.column.curve(key))}),
    }
