"""``legm table --group-by``: a table of groups of configurations with equal values of some parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from legm.analysis.grouping import group_notes, group_ranked
from legm.cli.json_output import json_aggregate
from legm.cli.printing import are_printed_as_numbers, printable_text, printed_parameter_values
from legm.core.missing import MISSING
from legm.core.naming import readable_name
from legm.core.plain_form import canonical_plain_text
from legm.core.texts import json_text
from legm.tables import table_markup

if TYPE_CHECKING:
    from legm.cli.selection import SelectedMetric, Selection
    from legm.records import Ranked, RankedGroup

__all__ = ["grouped_table", "grouped_table_as_dicts"]


@dataclass(frozen=True, slots=True)
class _GroupedTable:
    """The rows of a table, and the groups in each.

    Args:
        rows: a group of each row, for its parameters; best first by the first metric.
        entries: for each metric the group of each row; None where it has no value.
    """

    rows: Sequence[RankedGroup]
    entries: Mapping[SelectedMetric, Sequence[RankedGroup | None]]


def _group_rows(
    ranked: Mapping[SelectedMetric, Sequence[Ranked]], names: Sequence[str], top: int | None
) -> _GroupedTable:
    grouped = {
        metric: {canonical_plain_text(dict(one.parameters)): one for one in group_ranked(entries, names)}
        for metric, entries in ranked.items()
        if entries
    }
    rows: dict[str, RankedGroup] = {}
    for groups in grouped.values():
        for key, one in groups.items():
            rows.setdefault(key, one)
    keys = list(rows)[: top or None]
    entries = {metric: [groups.get(key) for key in keys] for metric, groups in grouped.items()}
    return _GroupedTable([rows[key] for key in keys], entries)


def grouped_table(
    kind: str,
    choice: Selection,
    ranked: Mapping[SelectedMetric, Sequence[Ranked]],
    names: Sequence[str],
    top: int | None,
) -> str:
    """A table of groups as text.

    Args:
        kind: markdown, latex or csv.
        choice: the configurations and runs that are selected.
        ranked: by metric, the ranked configurations.
        names: the parameters to group by.
        top: how many groups at most; None or 0 for all.

    Raises:
        ParameterError: no configuration has one of the parameters, or it was given twice.
    """
    table = _group_rows(ranked, names, top)
    if kind == "csv":
        return table_markup.csv_table(*_grouped_csv_rows(table, names))
    headers, columns, numbers = _grouped_parameter_columns(table, names)
    known: list[list[str]] = []  # counts that have a column
    for metric, entries in table.entries.items():
        headers.append(_grouped_value_header(metric, entries))
        columns.append(_grouped_value_cells(entries))
        numbers.append(True)
        for title, counts in _grouped_count_columns(entries):
            if counts not in known:
                known.append(counts)
                headers.append(title)
                columns.append([table_markup.MarkupCell(text) for text in counts])
                numbers.append(True)
    write = table_markup.latex_table if kind == "latex" else table_markup.markdown_table
    return write(
        headers, list(zip(*columns, strict=True)), numbers, _grouped_table_notes(choice, ranked, table, names)
    )


def _grouped_parameter_columns(
    table: _GroupedTable, names: Sequence[str]
) -> tuple[list[str], list[list[table_markup.MarkupCell]], list[bool]]:
    values = [[one.parameters.get(name, MISSING) for one in table.rows] for name in names]
    cells = [[table_markup.MarkupCell(text) for text in printed_parameter_values(own)] for own in values]
    numbers = [are_printed_as_numbers(own) for own in values]
    return list(names), cells, numbers


def _grouped_count_columns(entries: Sequence[RankedGroup | None]) -> list[tuple[str, list[str]]]:
    return [
        ("configurations", ["" if one is None else f"{len(one.members):,}" for one in entries]),
        ("runs", ["" if one is None else f"{one.runs:,}" for one in entries]),
    ]


def _grouped_value_header(metric: SelectedMetric, entries: Sequence[RankedGroup | None]) -> str:
    from legm.core.direction import merge_direction_rules
    from legm.stats.value_choice import value_title

    found = [one for one in entries if one is not None]
    title = value_title(metric.key, merge_direction_rules(one.rules for one in found))
    return printable_text(f"mean {title} {'↑' if found[0].direction.higher_better else '↓'}")


def _grouped_value_cells(entries: Sequence[RankedGroup | None]) -> list[table_markup.MarkupCell]:
    """A metric's column; if several groups are as good as the best, all are marked."""
    from legm.stats.number_formatting import number_decimals_for, value_text

    found = [one for one in entries if one is not None]
    digits = number_decimals_for([one.value for one in found])
    means = [one.value.mean for one in found if not math.isnan(one.value.mean)]
    pick = max if found[0].direction.higher_better else min
    best = pick(means, default=None)
    return [
        table_markup.MarkupCell("")
        if one is None
        else table_markup.MarkupCell(value_text(one.value, digits), one.value.mean == best)
        for one in entries
    ]


def _grouped_table_notes(
    choice: Selection,
    ranked: Mapping[SelectedMetric, Sequence[Ranked]],
    table: _GroupedTable,
    names: Sequence[str],
) -> list[str]:
    from legm.analysis.notes import brief_notes, ranking_notes

    notes = [brief_notes([note]) for one, them in ranked.items() for note in ranking_notes(one.key, them)]
    for entries in table.entries.values():
        notes += group_notes(names, [one for one in entries if one is not None])
    shown = {one.configuration.fingerprint for group in table.rows for one in group.members}
    notes += choice.unranked_notes(one for them in ranked.values() for one in them)
    return list(dict.fromkeys([*notes, *choice.notes, *choice.left_out_notes(shown)]))


def _grouped_csv_rows(table: _GroupedTable, names: Sequence[str]) -> tuple[list[str], list[list[object]]]:
    from legm.stats.value_choice import value_title

    headers = list(names)
    rows: list[list[object]] = [[_exact_group_value(one, name) for name in names] for one in table.rows]
    for metric, entries in table.entries.items():
        fields = ("mean", "std", "configurations", "runs", "chosen", "better")
        headers += [f"{metric.key}_{field}" for field in fields]
        for row, one in zip(rows, entries, strict=True):
            if one is None:
                row.extend([None] * len(fields))
                continue
            better = "higher" if one.direction.higher_better else "lower"
            row.extend([one.value.mean, one.value.std, len(one.members), one.runs])
            row.extend([value_title(metric.key, one.rules), better])
    return headers, rows


def _exact_group_value(group: RankedGroup, name: str) -> str:
    """A parameter's value for a program; "" where it is inactive."""
    if name not in group.parameters:
        return ""
    value = group.parameters[name]
    return value if isinstance(value, str) else json_text(value)


def grouped_table_as_dicts(
    choice: Selection,
    ranked: Mapping[SelectedMetric, Sequence[Ranked]],
    names: Sequence[str],
    top: int | None,
) -> list[dict[str, Any]]:
    """A table of groups for JSON; see :func:`grouped_table`."""
    from legm.stats.value_choice import choice_as_dict

    labels = choice.experiment.labels()

    def group_value(key: str, one: RankedGroup) -> dict[str, Any]:
        return {
            **json_aggregate(one.value),
            "configurations": [readable_name(labels[each.configuration.fingerprint]) for each in one.members],
            "runs": one.runs,
            "choice": choice_as_dict(key, one.rules, one.direction),
        }

    table = _group_rows(ranked, names, top)
    return [
        {
            "group": dict(row.parameters),
            "values": {
                metric.key: group_value(metric.key, one)
                for metric, entries in table.entries.items()
                if (one := entries[i]) is not None
            },
        }
        for i, row in enumerate(table.rows)
    ]
