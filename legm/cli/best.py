"""``legm best``: which configuration is best, over its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.json_output import json_aggregate, json_configuration, json_run, print_json
from legm.cli.options import (
    aggregation_option,
    backend_options,
    curve_option,
    description_option,
    direction_option,
    group_by_option,
    json_option,
    metric_argument,
    one_per_seed_option,
    path_argument,
    selection_options,
    status_option,
    test_option,
    top_option,
)
from legm.cli.printing import (
    color_statuses,
    print_notes,
    print_problems,
    print_table,
    printable_text,
    printed_column,
    printed_error_summary,
    printed_number,
    printed_parameter_values,
    printed_statuses,
    say,
)
from legm.cli.terminal_tables import Column
from legm.core.missing import MISSING

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.cli.ranked_curves import CurveReader
    from legm.cli.selection import SelectedMetric, Selection
    from legm.cli.terminal_curves import CurveColumn
    from legm.core.selection import RunSelection
    from legm.records import Configuration, Direction, Ranked, RankedGroup, RunMarks, RunResult

__all__ = ["best_command"]

_KINDS = (("dev", False), ("test", True))
_SHOWN = 20  # configurations, unless a user says how many


@click.command("best")
@path_argument("path")
@metric_argument(required=False)
@direction_option
@test_option
@selection_options
@top_option
@group_by_option
@aggregation_option
@one_per_seed_option
@status_option
@curve_option
@description_option
@backend_options
@json_option
def best_command(
    path: Path,
    metric: str | None,
    *,
    higher: bool | None,
    test: bool,
    selection: RunSelection,
    top: int | None,
    group_by: list[str],
    aggregation: str,
    one_per_seed: bool,
    statuses: Sequence[str],
    curve: str | None,
    description: str | None,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Rank configurations by a metric over their runs.

    PATH is ROOT/EXPERIMENT, or ROOT if it has only one experiment. Only completed runs count; a dev METRIC is
    read at each run's best step. The direction, and how values were chosen, is printed below the ranking.
    A METRIC may also be given as test_NAME or best_NAME. Without METRIC, the ranking is by the metric that
    chose the runs' best steps, or by the only one there is. If that is ambiguous, all metrics are listed.

    With --curve, each row has the curve of a dev metric over steps, aggregated like the value. All curves of
    the output have one scale, which is printed below.
    """
    from legm.analysis.notes import compared_seeds_note, method_note, ranking_notes
    from legm.cli.selection import Selection

    choice = Selection.of(at(path), description, selection)
    is_chosen = metric is None
    if metric is None and not test:
        metric = choice.own_metric(test=False) or curve or None
    if metric is None and (metric := choice.own_metric(test=test)) is None:
        _list_best_metrics(choice, as_json=as_json)
        return
    wanted = choice.metric(metric, test=test, statuses=statuses)
    ranked = choice.ranked(wanted, higher_better=higher, aggregation=aggregation, one_per_seed=one_per_seed)
    labels = choice.experiment.labels()
    if top is None:
        top = 0 if as_json else _SHOWN
    if group_by and statuses:
        raise click.UsageError("--status lists single runs, which --group-by does not have")
    reader = None
    if curve is not None:
        name = choice.curve_metric(curve, wanted, statuses)
        reader = _best_curve_reader(choice, name, aggregation, one_per_seed=one_per_seed)
    if group_by:
        _print_best_groups(choice, wanted, ranked, group_by, top, reader, as_json=as_json)
        print_problems(choice.experiment.problems)
        return
    shown = ranked[: top or None]
    unfinished = choice.unfinished(statuses, wanted)
    direction = ranked[0].direction if ranked else choice.direction(wanted, higher, unfinished)
    curves = None if reader is None else reader.of_ranking(shown, reader.unfinished(statuses))
    if as_json:
        noted = _best_marks(choice, shown)
        ranking = [
            _best_dict(i, one, labels, wanted.key, noted[one.configuration.fingerprint], curves)
            for i, one in enumerate(shown, 1)
        ]
        others = [_unfinished_best_dict(run, labels, wanted, direction, curves) for run in unfinished]
        print_json({"ranking": ranking, "unfinished": others} if statuses else ranking)
    else:
        if ranked:
            every = [one.configuration for one in ranked]
            _print_best(choice, shown, every, labels, wanted.key, curves)
            say()
        if len(shown) < len(ranked):
            say(f"{len(ranked) - len(shown):,} more: --top 0 shows all")
        hint = compared_seeds_note(one.configuration for one in choice.counts)
        more = _other_best_metrics_note(choice, wanted) if is_chosen else []
        drawn = [] if reader is None or curves is None else reader.notes(curves, shown, wanted=wanted)
        unranked = [*method_note(ranked), *choice.unranked_notes(ranked)]
        print_notes([*ranking_notes(wanted.key, ranked), *unranked, *drawn, *choice.notes, *hint, *more])
        if statuses:
            _print_unfinished_best(unfinished, labels, wanted, direction, curves)
    print_problems(choice.experiment.problems)


def _best_curve_reader(
    choice: Selection, metric: str, aggregation: str, *, one_per_seed: bool
) -> CurveReader:
    from legm.cli.ranked_curves import CurveReader

    return CurveReader(choice, metric, aggregation, one_per_seed)


def _print_best_groups(
    choice: Selection,
    metric: SelectedMetric,
    ranked: Sequence[Ranked],
    names: Sequence[str],
    top: int,
    reader: CurveReader | None,
    *,
    as_json: bool,
) -> None:
    """Groups of configurations with equal values of some parameters, best first."""
    from legm.analysis.grouping import group_notes, group_ranked
    from legm.analysis.notes import ranking_notes
    from legm.cli.ranked_curves import ranked_group_key
    from legm.core.direction import merge_direction_rules
    from legm.core.naming import readable_name
    from legm.stats.number_formatting import number_decimals_for, value_text
    from legm.stats.value_choice import choice_as_dict, value_title

    groups = group_ranked(ranked, names)
    shown = groups[: top or None]
    curves = None if reader is None else reader.of_groups(shown)
    if as_json:
        labels = {key: readable_name(label) for key, label in choice.experiment.labels().items()}
        print_json(
            [
                {
                    "rank": rank,
                    "group": dict(one.parameters),
                    "value": json_aggregate(one.value),
                    "configurations": [labels[each.configuration.fingerprint] for each in one.members],
                    "runs": one.runs,
                    "code": _code_of_best_group(one),
                    "choice": choice_as_dict(metric.key, one.rules, one.direction),
                    **_best_curve_dict(curves, ranked_group_key(one)),
                }
                for rank, one in enumerate(shown, 1)
            ]
        )
        return
    title = value_title(metric.key, merge_direction_rules(one.rules for one in groups))
    values = {name: [one.parameters.get(name, MISSING) for one in shown] for name in names}
    digits = number_decimals_for([one.value for one in shown])
    columns = [
        Column("#", right=True),
        *(printed_column(own, name, "fold") for name, own in values.items()),
        Column(f"mean {title}" if groups else "", right=True),
        *_best_curve_columns(curves),
        Column("configurations", right=True),
        Column("runs", right=True),
    ]
    cells = [printed_parameter_values(own) for own in values.values()]
    rows = [
        (
            str(rank),
            *(column[rank - 1] for column in cells),
            printable_text(value_text(one.value, digits)),
            *_best_curve_cells(curves, ranked_group_key(one)),
            printed_number(len(one.members)),
            printed_number(one.runs),
        )
        for rank, one in enumerate(shown, 1)
    ]
    print_table(columns, rows)
    say()
    if len(shown) < len(groups):
        say(f"{len(groups) - len(shown):,} more: --top 0 shows all")
    notes = [*ranking_notes(metric.key, ranked), *group_notes(names, groups)]
    members = [one for group in shown for one in group.members]
    if reader is not None and curves is not None:
        notes += reader.notes(curves, members, "configuration", metric)
    else:
        notes += choice.left_out_notes({one.configuration.fingerprint for one in members})
    print_notes([*notes, *choice.unranked_notes(ranked), *choice.notes])


def _best_curve_columns(curves: CurveColumn | None, *, is_run: bool = False) -> list[Column]:
    return [] if curves is None else [curves.column(is_run=is_run)]


def _best_curve_cells(curves: CurveColumn | None, key: str) -> list[str]:
    return [] if curves is None else curves.cells([key])


def _best_curve_dict(curves: CurveColumn | None, key: str) -> dict[str, Any]:
    from legm.cli.terminal_curves import json_curve

    return {} if curves is None else {"curve": json_curve(curves.curve(key))}


def _code_of_best_group(group: RankedGroup) -> dict[str, int]:
    """The number of runs by the label of their code."""
    runs: Counter[str] = Counter()
    for one in group.members:
        runs.update(one.code)
    return dict(sorted(runs.items()))


def _list_best_metrics(choice: Selection, *, as_json: bool) -> None:
    """The metrics that configurations can be ranked by."""
    from legm.core.direction import decide_direction, merge_direction_rules
    from legm.stats.value_choice import value_title

    metrics = choice.metrics()
    if as_json:
        names = {kind: [one.name for one in metrics if one.test is test] for kind, test in _KINDS}
        print_json(names)
        return
    rows = []
    for one in metrics:
        having = [counts for counts in choice.counts if one.key in counts.values]
        rules = merge_direction_rules(counts.rules for counts in having)
        runs = sum(len(counts.values[one.key]) for counts in having)
        title, direction = value_title(one.key, rules), str(decide_direction(one.name, rules))
        kind = "test: add --test" if one.test else "dev"
        rows.append((one.name, kind, title, printed_number(runs), direction))
    columns = [
        Column("metric", fit="fold", is_name=True),
        Column("kind"),
        Column("what is ranked", fit="fold"),
        Column("runs", right=True),
        Column("which is better", fit="fold"),
    ]
    if rows:
        print_table(columns, rows)
    say("\nname the metric to rank by" if rows else "no run is completed yet")


def _other_best_metrics_note(choice: Selection, wanted: SelectedMetric) -> list[str]:
    """What else a user who named no metric could ask for."""
    from legm.core.texts import listed_names

    others = [str(one) for one in choice.metrics() if one != wanted]
    return [f"other metrics: {listed_names(others)}"] if others else []


def _print_best(
    choice: Selection,
    shown: Sequence[Ranked],
    every: Sequence[Configuration],
    labels: Mapping[str, str],
    key: str,
    curves: CurveColumn | None,
) -> None:
    from legm.core.direction import merge_direction_rules
    from legm.core.display_names import differing_parameter_names, display_names
    from legm.core.effective_values import EffectiveValues
    from legm.core.run_marks import shown_marks
    from legm.stats.number_formatting import number_decimals_for, value_text
    from legm.stats.value_choice import value_title

    digits = number_decimals_for([one.value for one in shown])
    found = [one.configuration for one in shown]
    marks = _best_marks(choice, shown)
    titles, effective = display_names(every, labels), EffectiveValues(every)
    values = {name: effective.shown_values(found, name) for name in differing_parameter_names(every)}
    columns = [
        Column("#", right=True),
        Column("configuration", fit="fold", is_name=True),
        Column(value_title(key, merge_direction_rules(one.rules for one in shown)), right=True),
        *_best_curve_columns(curves),
        Column("runs", right=True),
        Column("others", fit="fold", paint=color_statuses),
        Column("tags", fit="fold"),
        *(printed_column(own, name) for name, own in values.items()),
    ]
    cells = [printed_parameter_values(own) for own in values.values()]
    rows = [
        (
            str(rank),
            titles[one.configuration.fingerprint],
            printable_text(value_text(one.value, digits)),
            *_best_curve_cells(curves, one.configuration.fingerprint),
            printed_number(one.runs),
            _best_aggregates_text(one),
            printable_text(shown_marks(marks[one.configuration.fingerprint].values())),
            *(column[rank - 1] for column in cells),
        )
        for rank, one in enumerate(shown, 1)
    ]
    print_table(columns, rows)


def _best_marks(choice: Selection, shown: Sequence[Ranked]) -> dict[str, dict[str, RunMarks]]:
    """By fingerprint and run id, what is noted about the runs of ranked configurations."""
    from legm.cli.noted_runs import marks_of_selected_runs

    selected = choice.runs if choice.text else None
    counts = {one.configuration.fingerprint: one for one in choice.counts}
    has_folders = choice.experiment.store.folders is not None
    return {
        key: marks_of_selected_runs(
            one.folder if has_folders else None, [counts[key]] if key in counts else (), selected
        )
        for one in shown
        for key in [one.configuration.fingerprint]
    }


def _best_aggregates_text(one: Ranked) -> str:
    """The runs that do not count, and those that count although they repeat a seed."""
    from legm.core.code_versions import different_code_text

    nan = f"{one.value.nan} NaN" if one.value.nan else ""
    missing = f"{one.missing} without the metric" if one.missing else ""
    repeated = f"{one.repeated} with a repeated seed" if one.repeated else ""
    code = "different code" if different_code_text(one.code) else ""
    return ", ".join(filter(None, (printed_statuses(one.left_out), nan, missing, repeated, code)))


def _print_unfinished_best(
    runs: Sequence[RunResult],
    labels: Mapping[str, str],
    metric: SelectedMetric,
    direction: Direction,
    curves: CurveColumn | None,
) -> None:
    from legm.analysis.unfinished import unfinished_best_so_far
    from legm.core.display_names import display_names

    if not runs:
        say("\nno other runs")
        return
    say("\nnot completed, and not averaged:")
    name = f"test {metric.name}" if metric.test else metric.name
    columns = [
        Column("run"),
        Column("configuration", fit="fold", is_name=True),
        Column("status", paint=color_statuses),
        Column("last step", right=True),
        Column(f"last {name}", right=True),
        *([] if metric.test else [Column(f"best {name} so far", right=True)]),
        *_best_curve_columns(curves, is_run=True),
        Column("error", fit="fold"),
    ]
    configurations = {run.run.configuration.fingerprint: run.run.configuration for run in runs}
    titles = display_names(list(configurations.values()), labels)
    rows = []
    for run in runs:
        last, best = unfinished_best_so_far(
            run, metric.name, test=metric.test, higher_better=direction.higher_better
        )
        rows.append(
            (
                run.run.run_id[-6:],
                titles[run.run.configuration.fingerprint],
                run.status.value,
                printed_number(run.last_step),
                printed_number(last),
                *([] if metric.test else [printed_number(best)]),
                *_best_curve_cells(curves, run.run.run_id),
                printed_error_summary(run.error),
            )
        )
    print_table(columns, rows)


def _unfinished_best_dict(
    run: RunResult,
    labels: Mapping[str, str],
    metric: SelectedMetric,
    direction: Direction,
    curves: CurveColumn | None,
) -> dict[str, Any]:
    from legm.analysis.unfinished import unfinished_best_so_far
    from legm.core.naming import readable_name

    last, best = unfinished_best_so_far(
        run, metric.name, test=metric.test, higher_better=direction.higher_better
    )
    label = labels[run.run.configuration.fingerprint]
    found = {"configuration": readable_name(label), **json_run(run), "last_value": last, "best_so_far": best}
    return {**found, **_best_curve_dict(curves, run.run.run_id)}


def _best_dict(
    rank: int,
    one: Ranked,
    labels: Mapping[str, str],
    key: str,
    marks: Mapping[str, RunMarks],
    curves: CurveColumn | None,
) -> dict[str, Any]:
    from legm.core.naming import readable_name
    from legm.stats.value_choice import choice_as_dict

    found = one.configuration
    return {
        "rank": rank,
        "configuration": readable_name(labels[found.fingerprint]),
        **json_configuration(found),
        "folder": one.folder,
        "value": json_aggregate(one.value),
        "completed": one.completed,
        **one.left_out,
        "missing": one.missing,
        "repeated": one.repeated,
        "code": dict(one.code),
        "tags": {run_id: list(noted.tags) for run_id, noted in sorted(marks.items())},
        "choice": choice_as_dict(key, one.rules, one.direction),
        **_best_curve_dict(curves, found.fingerprint),
    }
