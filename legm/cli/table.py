"""``legm table``: writes results as a table for a paper, a web page or another program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.json_output import json_aggregate, json_configuration, print_json
from legm.cli.options import (
    aggregation_option,
    backend_options,
    description_option,
    group_by_option,
    json_option,
    metric_argument,
    one_per_seed_option,
    path_argument,
    selection_options,
    test_option,
    top_option,
)
from legm.cli.printing import (
    are_printed_as_numbers,
    print_problems,
    printable_text,
    printed_parameter_values,
    say,
)
from legm.core.missing import MISSING
from legm.core.texts import json_text

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.cli.selection import SelectedMetric, Selection
    from legm.core.selection import RunSelection
    from legm.records import Configuration, Ranked, RunMarks

__all__ = ["table_command"]

_FORMATS = {"markdown": ".md", "latex": ".tex", "csv": ".csv"}


@click.command("table")
@path_argument("path")
@metric_argument(nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    help="By default the format of --output's extension, and Markdown without --output.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of printing.",
)
@test_option
@click.option(
    "--lower",
    multiple=True,
    metavar="METRIC",
    help="Lower is better for this metric; may be given several times. By default the runs' best rules "
    "decide, else the metric's name.",
)
@click.option("--higher", multiple=True, metavar="METRIC", help="Higher is better for this metric.")
@selection_options
@top_option
@group_by_option
@click.option("--params", metavar="NAME,...", help="The parameters to show; by default those that differ.")
@click.option("--tags", is_flag=True, help="Add a column with the tags of each configuration's runs.")
@aggregation_option
@one_per_seed_option
@description_option
@backend_options
@json_option
def table_command(
    path: Path,
    metric: tuple[str, ...],
    *,
    form: str | None,
    output: Path | None,
    test: bool,
    lower: tuple[str, ...],
    higher: tuple[str, ...],
    selection: RunSelection,
    top: int | None,
    group_by: list[str],
    params: str | None,
    tags: bool,
    aggregation: str,
    one_per_seed: bool,
    description: str | None,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Write a table of configurations as Markdown, LaTeX or CSV.

    PATH is ROOT/EXPERIMENT, or ROOT if it has only one experiment. Rows are configurations, best first by
    the first METRIC. Columns are the parameters that differ, and each METRIC as mean and standard deviation,
    the best in bold, with the number of runs if it differs between rows. How values were chosen, and the
    direction, is printed below a Markdown table, in comments of LaTeX, and in columns of a CSV file.
    A METRIC may also be given as test_NAME or best_NAME: a table can have both kinds. With --group-by, rows
    are groups of configurations, with how many configurations and runs each has.
    """
    from legm.cli.selection import Selection

    if group_by and (params is not None or tags):
        raise click.UsageError("--params and --tags are for configurations, which --group-by does not list")

    choice = Selection.of(at(path), description, selection)
    metrics = list(dict.fromkeys(choice.metric(name, test=test) for name in metric))
    asked: dict[SelectedMetric, bool] = {}
    for option, names, is_higher in (("--lower", lower, False), ("--higher", higher, True)):
        for name in names:
            one = choice.metric(name, test=test)
            if one not in metrics:
                raise click.UsageError(f"{option} names {name!r}, which is not one of the table's metrics")
            if asked.setdefault(one, is_higher) is not is_higher:
                raise click.UsageError(f"--lower and --higher both name {name!r}")
    ranked = {
        one: choice.ranked(
            one, higher_better=asked.get(one), aggregation=aggregation, one_per_seed=one_per_seed
        )
        for one in metrics
    }
    if group_by:
        from legm.cli.grouped_table import grouped_table, grouped_table_as_dicts

        if as_json:
            print_json(grouped_table_as_dicts(choice, ranked, group_by, top))
            return
        text = grouped_table(form or _table_format_of(output), choice, ranked, group_by, top)
        _write_or_print_table(text, output)
        print_problems(choice.experiment.problems)
        return
    found = [one.configuration for one in ranked[metrics[0]]]
    others = {one.configuration.fingerprint: one.configuration for them in ranked.values() for one in them}
    known = {one.fingerprint for one in found}
    found = [*found, *(one for digest, one in others.items() if digest not in known)][: top or None]
    values = {
        one: {entry.configuration.fingerprint: entry for entry in entries} for one, entries in ranked.items()
    }
    shown_names = _table_parameters(found, params)
    marks = choice.marks() if tags else None
    if as_json:
        print_json(_table_as_dicts(choice, found, values, marks))
        return
    kind = form or _table_format_of(output)
    rows = {one.fingerprint for one in found}
    notes = _table_notes(
        {
            metric: [one for one in entries if one.configuration.fingerprint in rows]
            for metric, entries in ranked.items()
        }
    )
    notes += choice.unranked_notes(one for entries in ranked.values() for one in entries)
    notes += [*choice.notes, *choice.left_out_notes(rows)]
    text = _write_table(kind, choice, found, shown_names, values, notes, marks)
    _write_or_print_table(text, output)
    print_problems(choice.experiment.problems)


def _write_or_print_table(text: str, output: Path | None) -> None:
    if output is None:
        say(text.rstrip("\n"))
    else:
        from legm.util.atomic_files import write_atomically

        write_atomically(output, text.encode(errors="backslashreplace"))  # a lone surrogate
        say(str(output))


def _table_notes(ranked: Mapping[SelectedMetric, Sequence[Ranked]]) -> list[str]:
    """What a reader of the table should know about its values."""
    from legm.analysis.notes import brief_notes, ranking_notes, repeated_note, valueless_note
    from legm.core.code_versions import different_code_note
    from legm.stats.number_formatting import spread_description

    notes = [
        note
        for one, them in ranked.items()
        for note in (*ranking_notes(one.key, them)[:1], *valueless_note(one.key, them))
    ]
    every = {one.configuration.fingerprint: one for them in ranked.values() for one in them}.values()
    repeated = repeated_note(sum(one.repeated for one in every), sum(one.completed for one in every))
    notes += [brief_notes([note]) for note in repeated]
    notes += different_code_note(one.code for one in every)
    values = [one.value for them in ranked.values() for one in them]
    spreads = " and ".join(dict.fromkeys(spread_description(value.method) for value in values if value.n > 1))
    runs = {metric: _table_runs_text(them) for metric, them in ranked.items()}
    if len(set(runs.values())) == 1:
        return [*notes, f"{spreads or 'each value'} over {runs.popitem()[1]}"]
    each = ", ".join(f"{metric} over {text}" for metric, text in runs.items())
    return [*notes, f"{spreads or 'each value'}: {each}"]


def _table_runs_text(ranked: Sequence[Ranked]) -> str:
    """Over how many runs the values of a column are."""
    from legm.core.texts import counted

    count, *others = sorted({one.runs for one in ranked if one.runs}) or [0]
    return "n runs" if others else counted(count, "run")


def _table_format_of(output: Path | None) -> str:
    if output is None:
        return "markdown"
    endings = {ending: name for name, ending in _FORMATS.items()}
    if output.suffix not in endings:
        known = ", ".join(endings)
        raise click.UsageError(f"{output} does not end in any of {known}: name the format with --format")
    return endings[output.suffix]


def _table_parameters(found: Sequence[Configuration], params: str | None) -> list[str]:
    from legm.errors import ParameterError, closest

    if params is None:
        from legm.core.display_names import differing_parameter_names

        return differing_parameter_names(found)
    names = [name.strip() for name in params.split(",") if name.strip()]
    known = {name for one in found for name in one.active}
    for name in names:
        if name not in known:
            raise ParameterError(f"no configuration has an active parameter {name!r}; {closest(name, known)}")
    return names


def _write_table(
    kind: str,
    choice: Selection,
    found: Sequence[Configuration],
    names: Sequence[str],
    values: Mapping[SelectedMetric, Mapping[str, Ranked]],
    notes: Sequence[str],
    marks: Mapping[str, Sequence[RunMarks]] | None,
) -> str:
    from legm.core.display_names import display_names
    from legm.core.effective_values import EffectiveValues
    from legm.core.run_marks import shown_marks
    from legm.tables import table_markup

    if kind == "csv":
        return table_markup.csv_table(*_table_as_csv(choice, found, names, values, marks))
    titles = display_names(found, choice.experiment.labels())
    effective = EffectiveValues(found)
    own = [effective.shown_values(found, name) for name in names]
    columns = [[table_markup.MarkupCell(text) for text in printed_parameter_values(one)] for one in own]
    headers = list(names)
    numbers = [are_printed_as_numbers(one) for one in own]
    if not names:  # something has to distinguish the rows
        columns, headers, numbers = (
            [[table_markup.MarkupCell(titles[one.fingerprint]) for one in found]],
            ["configuration"],
            [False],
        )
    known: list[list[str]] = []  # the numbers of runs that have a column
    for metric, entries in values.items():
        rows = [entries.get(one.fingerprint) for one in found]
        columns.append(_table_value_cells(rows, next(iter(entries.values()), None)))
        headers.append(_table_header(metric, entries))
        counts = [str(one.runs) if one is not None else "" for one in rows]
        differ = len(set(counts) - {"", "0"}) > 1  # a row without a value says so
        numbers += [True]
        if differ and counts not in known:
            known.append(counts)
            columns.append([table_markup.MarkupCell(count) for count in counts])
            headers.append("n")
            numbers.append(True)
    if marks is not None:
        shown = [printable_text(shown_marks(marks.get(one.fingerprint, ()))) for one in found]
        columns.append([table_markup.MarkupCell(text) for text in shown])
        headers.append("tags")
        numbers.append(False)
    write = table_markup.latex_table if kind == "latex" else table_markup.markdown_table
    return write(headers, list(zip(*columns, strict=True)), numbers, notes)


def _table_header(metric: SelectedMetric, entries: Mapping[str, Ranked]) -> str:
    """A metric's header, with an arrow to where it is better."""
    from legm.core.direction import merge_direction_rules
    from legm.stats.value_choice import value_title

    title = value_title(metric.key, merge_direction_rules(one.rules for one in entries.values()))
    higher = next((one.direction.higher_better for one in entries.values()), True)
    return printable_text(f"{title} {'↑' if higher else '↓'}")


def _table_value_cells(entries: Sequence[Ranked | None], best: Ranked | None) -> list[Any]:
    """A metric's column; if several are as good as the best, all are marked."""
    from legm.stats.aggregate import aggregate_interval
    from legm.stats.number_formatting import number_decimals_for, value_text
    from legm.tables.table_markup import MarkupCell

    digits = number_decimals_for([one.value for one in entries if one is not None])
    first = aggregate_interval(best.value)[0] if best is not None else None
    return [
        MarkupCell("")
        if one is None
        else MarkupCell(value_text(one.value, digits), aggregate_interval(one.value)[0] == first)
        for one in entries
    ]


def _table_as_csv(
    choice: Selection,
    found: Sequence[Configuration],
    names: Sequence[str],
    values: Mapping[SelectedMetric, Mapping[str, Ranked]],
    marks: Mapping[str, Sequence[RunMarks]] | None,
) -> tuple[list[str], list[list[object]]]:
    from legm.core.code_versions import different_code_text
    from legm.core.effective_values import EffectiveValues
    from legm.core.naming import readable_name
    from legm.stats.value_choice import value_title

    effective = EffectiveValues(found)
    labels = {key: readable_name(label) for key, label in choice.experiment.labels().items()}
    headers = ["configuration", *names]
    rows: list[list[object]] = [
        [labels[one.fingerprint], *(_exact_table_parameter(effective.value_of(one, name)) for name in names)]
        for one in found
    ]
    for metric, entries in values.items():
        fields = [
            "mean",
            "std",
            "n",
            "nan",
            *sorted({field for one in entries.values() for field in one.value.fields}),
        ]
        headers += [
            f"{metric.key}_{field}"
            for field in (*fields, "missing", "repeated", "different_code", "chosen", "better")
        ]
        for row, one in zip(rows, found, strict=True):
            entry = entries.get(one.fingerprint)
            dictionary = json_aggregate(entry.value) if entry is not None else {}
            row.extend(dictionary.get(field) for field in fields)
            row.extend(
                [None] * 5
                if entry is None
                else [
                    entry.missing,
                    entry.repeated,
                    different_code_text(entry.code),
                    value_title(metric.key, entry.rules),
                    _table_better(entry),
                ]
            )
    if marks is not None:
        headers.append("tags")
        for row, one in zip(rows, found, strict=True):
            row.append(",".join(_table_tags_of(marks, one)))
    return headers, rows


def _table_tags_of(marks: Mapping[str, Sequence[RunMarks]], configuration: Configuration) -> list[str]:
    """The tags that some of a configuration's runs have."""
    return sorted({tag for one in marks.get(configuration.fingerprint, ()) for tag in one.tags})


def _exact_table_parameter(value: Any) -> str:
    """A parameter's value for a program; "" where there is none."""
    if value is MISSING:
        return ""
    return value if isinstance(value, str) else json_text(value)


def _table_better(entry: Ranked) -> str:
    return "higher" if entry.direction.higher_better else "lower"


def _table_as_dicts(
    choice: Selection,
    found: Sequence[Configuration],
    values: Mapping[SelectedMetric, Mapping[str, Ranked]],
    marks: Mapping[str, Sequence[RunMarks]] | None,
) -> list[dict[str, Any]]:
    from legm.core.naming import readable_name
    from legm.stats.value_choice import choice_as_dict

    def table_value(key: str, entry: Ranked) -> dict[str, Any]:
        choice_of = choice_as_dict(key, entry.rules, entry.direction)
        own = {"missing": entry.missing, "repeated": entry.repeated, "code": dict(entry.code)}
        return {**json_aggregate(entry.value), **own, "choice": choice_of}

    labels = choice.experiment.labels()
    return [
        {
            "configuration": readable_name(labels[one.fingerprint]),
            **json_configuration(one),
            "values": {
                metric.key: table_value(metric.key, entries[one.fingerprint])
                for metric, entries in values.items()
                if one.fingerprint in entries
            },
            **({} if marks is None else {"tags": _table_tags_of(marks, one)}),
        }
        for one in found
    ]
