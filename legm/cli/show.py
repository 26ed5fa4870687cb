"""``legm show``: one configuration, its parameters, runs and aggregates; or one run, and its origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.json_output import json_configuration, json_run, print_json
from legm.cli.options import (
    STATUS_NAMES,
    backend_options,
    curve_option,
    json_option,
    one_per_seed_option,
    path_argument,
    selection_options,
)
from legm.cli.printing import (
    are_printed_as_numbers,
    color_statuses,
    print_notes,
    print_problems,
    print_table,
    printable_text,
    printed_number,
    printed_numbers,
    say,
)
from legm.cli.terminal_tables import Column
from legm.core.texts import readable_text

if TYPE_CHECKING:
    from legm.analysis.overview import Overview
    from legm.cli.locations import Location
    from legm.cli.terminal_curves import CurveColumn
    from legm.core.selection import RunSelection
    from legm.records import Configuration, Plain, RunResult

__all__ = ["show_command"]

_SHOWN_FILES = 30

At = Callable[[Path], "Location"]


@click.command("show")
@path_argument("config")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUS_NAMES),
    help="Only the runs with this status are listed; may be given several times.",
)
@click.option(
    "--reproduce",
    is_flag=True,
    help="Print the commands that bring the code of a run back and run it again.",
)
@selection_options
@one_per_seed_option
@curve_option
@backend_options
@json_option
def show_command(
    config: Path,
    *,
    statuses: Sequence[str],
    reproduce: bool,
    selection: RunSelection,
    one_per_seed: bool,
    curve: str | None,
    at: At,
    as_json: bool,
) -> None:
    """Show a configuration: its parameters, runs, aggregates and files; or a run and where it comes from.

    CONFIG is its folder, or ROOT/EXPERIMENT/NAME with the name that legm ls prints or part of the
    fingerprint. The errors of failed runs are printed below the runs. Aggregates are over completed runs.
    A run's id, or the end of it, behind that or behind ROOT, names the run. With --curve, each run of the
    configuration has its own curve of a dev metric, whatever its status.
    """
    from legm.cli.run_locations import names_configuration, require_run_at_location, run_at_location

    if reproduce:
        from legm.cli.run_details import print_run_reproduction

        print_run_reproduction(require_run_at_location(at(config)), as_json=as_json)
        return
    run = None if names_configuration(at(config)) else run_at_location(at(config))
    if run is not None:
        if curve is not None:
            raise click.UsageError(f"--curve draws the runs of a configuration; {config} is one run")
        from legm.cli.run_details import print_run

        print_run(run, as_json=as_json)
        return
    _show_one(*(config, statuses, selection, curve), one_per_seed=one_per_seed, at=at, as_json=as_json)


def _show_one(
    config: Path,
    statuses: Sequence[str],
    selection: RunSelection,
    curve: str | None,
    *,
    one_per_seed: bool,
    at: At,
    as_json: bool,
) -> None:
    from legm.analysis.overview import kept_configuration_files
    from legm.cli.locations import configuration_at_location, located_overview
    from legm.cli.run_media import json_media, media_in_folder, print_media
    from legm.runlog.file_names import ARTIFACTS
    from legm.stats.aggregate import aggregate_runs, aggregated_summary_as_dict
    from legm.stats.run_counts import newest_counted_of_each_seed

    experiment, member = configuration_at_location(at(config))
    label, one = located_overview(experiment, member, frozenset({curve} if curve else ()))
    if curve == "":
        curve = _shown_curve_metric(one.runs)
        label, one = located_overview(experiment, member, frozenset({curve}))
    found = _runs_to_show(one, selection)
    by_description: dict[str, list[RunResult]] = {}
    for run in found:
        by_description.setdefault(run.run.description, []).append(run)
    counted = {
        text: newest_counted_of_each_seed(runs) if one_per_seed else runs
        for text, runs in by_description.items()
    }
    aggregates = {text: aggregated_summary_as_dict(aggregate_runs(runs)) for text, runs in counted.items()}
    choices = {text: _ShownChoices(counted[text]) for text in by_description}
    absent, proposed = experiment.absent_values(), experiment.proposed_absent_values()
    files = kept_configuration_files(one.folder) if one.folder.is_dir() else []
    if experiment.store.folders is None and one.configuration is not None:
        logged = experiment.store.client.files(one.configuration)
        files += [(f"{ARTIFACTS}/{file.run_id}/{file.name}", file.size) for file in logged]

    def is_shown(run: RunResult) -> bool:
        return not statuses or run.status.value in statuses

    curves = None if curve is None else _shown_run_curves(curve, [run for run in found if is_shown(run)])
    media = [(run, media_in_folder(one.folder, run.run.run_id)) for run in found]

    if as_json:
        print_json(
            {
                "folder": str(one.folder),
                **json_configuration(one.configuration),
                "absent_values": absent,
                "proposed_absent_values": proposed,
                "runs": [
                    {**json_run(run), **_shown_curve_dict(curves, run)} for run in found if is_shown(run)
                ],
                "aggregates": aggregates,
                "choices": {text: choices[text].as_dict(aggregates[text]) for text in aggregates},
                "repeated": {text: choices[text].repeated for text in aggregates},
                "code": {text: choices[text].code for text in aggregates},
                "media": [json_media(run, medium) for run, every in media for medium in every],
                "files": [{"path": path, "bytes": size} for path, size in files],
                "problem": one.problem or None,
            }
        )
        return
    if one.configuration is not None:
        _show_configuration(one.configuration, label, absent, proposed)
    if selection:
        say(f"\nonly runs with {selection}")
    for text, runs in by_description.items():
        listed = [run for run in runs if is_shown(run)]
        words = [" or ".join(statuses), "runs", f"with the description {text!r}" if text else ""]
        say(f"\n{' '.join(filter(None, words))}:")
        if listed:
            _show_runs(listed, curves)
            _show_notes(listed)
            _show_errors(listed)
        else:
            say("none")
        if aggregates[text]:
            say()
            _show_aggregates(aggregates[text], choices[text])
            _show_aggregate_notes(choices[text].notes(aggregates[text]))
    _show_curve_notes(curves, found)
    if not found:
        say("\nno such runs" if one.runs else "\nno runs yet")
    print_media(media)
    _show_files(files)
    print_problems([one.problem] if one.problem else [])


def _show_aggregate_notes(notes: Sequence[str]) -> None:
    if notes:
        say()
        print_notes(notes)


def _shown_curve_metric(runs: Sequence[RunResult]) -> str:
    """The dev metric by which runs chose their best step, or the only one that they have.

    Raises:
        MetricError: nobody knows which one is meant.
    """
    from legm.core.texts import listed_names
    from legm.errors import MetricError
    from legm.stats.run_counts import ALL_VALUES_METRICS

    known = {series.name for run in runs for series in run.best if series.index is None} - ALL_VALUES_METRICS
    chosen = {run.rule.metric for run in runs if run.rule.metric is not None} & known
    own = chosen if len(chosen) == 1 else known
    if len(own) != 1:
        raise MetricError(f"--curve needs the name of a dev metric here: {listed_names(sorted(known))}")
    return own.pop()


def _shown_run_curves(metric: str, runs: Sequence[RunResult]) -> CurveColumn:
    """The curve of each run.

    Raises:
        MetricError: no run has the metric.
    """
    from legm.analysis.unfinished import unfinished_curve
    from legm.cli.terminal_curves import CurveColumn
    from legm.errors import MetricError, closest

    curves = {run.run.run_id: unfinished_curve(run, metric) for run in runs}
    if runs and not any(curves.values()):
        known = {series.name for run in runs for series in run.best if series.index is None}
        raise MetricError(f"no run has a curve of the metric {metric!r}; {closest(metric, known)}")
    return CurveColumn(metric, "", curves)


def _shown_curve_dict(curves: CurveColumn | None, run: RunResult) -> dict[str, Any]:
    from legm.cli.terminal_curves import json_curve

    return {} if curves is None else {"curve": json_curve(curves.curve(run.run.run_id))}


def _show_curve_notes(curves: CurveColumn | None, runs: Sequence[RunResult]) -> None:
    from legm.core.direction import decide_direction

    if curves is not None and runs:
        say()
        direction = decide_direction(curves.metric, Counter(run.rule for run in runs))
        print_notes(curves.notes("run", direction))


def _runs_to_show(one: Overview, selection: RunSelection) -> list[RunResult]:
    if not selection or one.configuration is None:
        return one.runs
    bound = selection.bound([one.configuration])
    return [run for run in one.runs if bound.has_run(run)]


def _show_files(files: Sequence[tuple[str, int]]) -> None:
    from legm.core.naming import readable_name

    if not files:
        return
    say()
    rows = [(readable_name(path), f"{size:,}") for path, size in files[:_SHOWN_FILES]]
    print_table([Column("file", fit="fold", is_name=True), Column("bytes", right=True)], rows)
    if len(files) > _SHOWN_FILES:
        say(f"\n{len(files) - _SHOWN_FILES:,} more: --json has all")


class _ShownChoices:
    """How the completed runs of one description chose the step of their values.

    Args:
        runs: the runs.
    """

    def __init__(self, runs: Sequence[RunResult]) -> None:
        from legm.core.code_versions import count_code
        from legm.records import Status
        from legm.stats.run_counts import count_repeated

        completed = [run for run in runs if run.status is Status.COMPLETED]
        self.rules = Counter(run.rule for run in completed)
        self.repeated = count_repeated(run.run.parameters for run in completed)
        self.code = count_code(run.run.environment for run in completed)
        self._completed = len(completed)

    def title(self, key: str) -> str:
        """What stands for a metric."""
        from legm.stats.value_choice import value_title

        return value_title(key, self.rules)

    def notes(self, keys: Iterable[str]) -> list[str]:
        """What a user should know about the aggregates."""
        from legm.analysis.notes import repeated_note
        from legm.core.code_versions import different_code_note
        from legm.stats.value_choice import choice_note

        return [
            *filter(None, (choice_note(key, self.rules) for key in keys)),
            *repeated_note(self.repeated, self._completed),
            *different_code_note([self.code]),
        ]

    def as_dict(self, keys: Iterable[str]) -> dict[str, Any]:
        """By key, what stands for a metric, and which values are better."""
        from legm.core.direction import decide_direction
        from legm.stats.run_counts import split_summary_key
        from legm.stats.value_choice import choice_as_dict

        found = {}
        for key in keys:
            name, split = split_summary_key(key)
            direction = decide_direction(name, self.rules, over_all_values=split == "pooled")
            found[key] = choice_as_dict(key, self.rules, direction)
        return found


def _show_configuration(
    found: Configuration, label: str, absent: Mapping[str, Plain], proposed: Mapping[str, Plain]
) -> None:
    from legm.core.absent_values import stored_absent_values
    from legm.core.display_names import display_names
    from legm.core.naming import readable_name

    title, folder = (
        display_names([found], {found.fingerprint: label})[found.fingerprint],
        readable_name(label),
    )
    say(
        f"{found.experiment}: {title}{f' ({folder})' if folder not in (title, found.fingerprint) else ''}",
        bold=True,
    )
    say(f"{found.fingerprint}\n")
    columns = [
        Column("parameter", fit="fold"),
        Column("value", fit="fold"),
        Column("note"),
    ]
    absent = {**stored_absent_values(found), **absent}
    rows = [
        (name, readable_text(value), _shown_note(found, name, absent))
        for name, value in found.parameters.items()
    ]
    rows += [
        (name, readable_text(value), "absent value")
        for name, value in absent.items()
        if name not in found.parameters
    ]
    print_table(columns, rows)
    for name, value in proposed.items():
        say(
            f"an import proposed the absent value {readable_text(value)} for {name}: "
            f"legm amend … --absent {name} accepts it, --no-absent {name} refuses it"
        )


def _shown_note(found: Configuration, name: str, absent: Mapping[str, Plain]) -> str:
    from legm.core.effective_values import ineffective_value_note

    is_differing = name in found.active and name in absent
    return (
        f"absent value {readable_text(absent[name])}" if is_differing else ineffective_value_note(found, name)
    )


def _show_runs(runs: Sequence[RunResult], curves: CurveColumn | None) -> None:
    from legm.core.run_marks import shown_marks
    from legm.core.texts import value_texts

    choices = _ShownChoices(runs)
    columns = [
        Column("run"),
        Column("status", paint=color_statuses),
        Column("step", right=True),
        Column("points", right=True),
    ]
    cells = [
        [run.run.run_id[-6:] for run in runs],  # the part that distinguishes runs; --json has all of it
        [run.status.value for run in runs],
        [printed_number(run.best_step if run.best_step is not None else run.last_step) for run in runs],
        [printed_number(run.points) for run in runs],
    ]
    if curves is not None:
        columns.append(curves.column())
        cells.append(curves.cells(run.run.run_id for run in runs))
    if len(choices.rules) > 1:
        columns.append(Column("step chosen", fit="fold"))
        cells.append([_shown_choice(run) for run in runs])
    for name in sorted({name for run in runs for name in run.run.parameters}):
        own = [run.run.parameters[name] for run in runs if name in run.run.parameters]
        texts = iter(value_texts(own))
        columns.append(Column(name, right=are_printed_as_numbers(own)))
        cells.append([next(texts) if name in run.run.parameters else "" for run in runs])
    if any(run.marks.tags for run in runs):
        columns.append(Column("tags", fit="fold"))
        cells.append([printable_text(shown_marks([run.marks])) for run in runs])
    for kind, values in (("best", [run.best for run in runs]), ("test", [run.test for run in runs])):
        for series in sorted({s for of in values for s in of if s.index is None}, key=lambda s: s.name):
            columns.append(Column(choices.title(f"{kind}_{series.name}"), right=True))
            cells.append(printed_numbers([of.get(series) for of in values]))
    print_table(columns, list(zip(*cells, strict=True)))


def _shown_choice(run: RunResult) -> str:
    """How a run chose the step of its values; "" where it has none."""
    from legm.stats.value_choice import exact_choice_text

    return exact_choice_text(run.rule) if run.best else ""


def _show_notes(runs: Sequence[RunResult]) -> None:
    """The notes of runs."""
    rows = [(run.run.run_id[-6:], run.marks.note) for run in runs if run.marks.note]
    if rows:
        say()
        print_table([Column("run"), Column("note", fit="fold")], rows)


def _show_errors(runs: Sequence[RunResult]) -> None:
    """The errors of runs, as they were recorded."""
    rows = []
    for run in runs:
        lines = (run.error or "").strip().splitlines()
        rows += [(run.run.run_id[-6:] if line is lines[0] else "", line.rstrip()) for line in lines]
    if rows:
        say()
        print_table([Column("run"), Column("error", fit="fold")], rows)


def _show_aggregates(aggregates: dict[str, Any], choices: _ShownChoices) -> None:
    rows = []
    for key, value in aggregates.items():
        title = choices.title(key)
        is_one = isinstance(value.get("method"), str)  # and not an index of that name
        for label, one in (
            {title: value} if is_one else {f"{title}[{i}]": v for i, v in value.items()}
        ).items():
            spread = printed_number(one["std"]) if one["n"] > 1 else ""
            rows.append(
                (
                    label,
                    printed_number(one["mean"]),
                    spread,
                    *(printed_number(one[name]) for name in ("n", "nan")),
                )
            )
    print_table(
        [
            Column("metric", fit="fold"),
            *(Column(name, right=True) for name in ("mean", "std", "n", "nan")),
        ],
        rows,
    )
