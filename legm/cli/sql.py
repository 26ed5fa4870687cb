"""``legm sql``: a query over the tables of runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.json_output import print_json
from legm.cli.options import backend_options, json_option, path_argument
from legm.cli.printing import (
    are_printed_as_numbers,
    print_notes,
    print_table,
    printable_text,
    printed_numbers,
    say,
)
from legm.cli.terminal_tables import Column
from legm.core.texts import escape_unprintable_text, listed_names

if TYPE_CHECKING:
    from legm.cli.locations import Location

__all__ = ["sql_command"]


@click.command("sql")
@path_argument("root")
@click.argument("query")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, with a line of names.")
@backend_options
@json_option
def sql_command(
    root: Path, query: str, *, as_csv: bool, at: Callable[[Path], Location], as_json: bool
) -> None:
    """Query the tables of runs in SQL, by DuckDB.

    ROOT is a root directory, or an experiment or a configuration in it. QUERY is a SELECT statement over the
    tables experiments, configurations, runs and history. It only reads: files and the network are out of its
    reach.
    """
    from legm.cli.locations import other_stores_at_location
    from legm.tables.project import Project
    from legm.tables.queries import run_query
    from legm.util.csv_text import csv_writer

    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    location = at(root)
    found = run_query(Project(location.path, location.backend, location.options), query)
    if as_json:
        print_json([dict(zip(found.names, map(_plain_sql_value, row), strict=True)) for row in found.rows])
    elif as_csv:
        rows = csv_writer(sys.stdout, "\n")
        every = [found.names, *found.rows]
        rows.writerows(map(_sql_text_for_terminal, every) if sys.stdout.isatty() else every)
    elif found.rows:
        _print_sql_rows(found.names, found.rows)
    else:
        print_notes(["; ".join(filter(None, ("no rows", other_stores_at_location(location))))])


def _sql_text_for_terminal(row: Sequence[Any]) -> list[Any]:
    """A row whose texts do nothing to a terminal; a file or a program gets them as they are."""
    return [escape_unprintable_text(one, "\n\t") if isinstance(one, str) else one for one in row]


def _print_sql_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    columns, cells = [], []
    for at, name in enumerate(names):
        values = [float(one) if isinstance(one := row[at], Decimal) else one for row in rows]
        is_number = are_printed_as_numbers(values)
        columns.append(Column(name, right=is_number, fit="" if is_number else "fold"))
        cells.append(
            printed_numbers(values)
            if is_number
            else [printable_text("" if value is None else str(value)) for value in values]
        )
    print_table(columns, list(zip(*cells, strict=True)))
    empty = [name for name, texts in zip(names, cells, strict=True) if not any(texts)]
    if empty and len(empty) < len(names):
        say()
        print_notes([f"without a value: {listed_names(empty)}"])


def _plain_sql_value(value: Any) -> Any:
    """A value of DuckDB's as JSON has it: dates and times become text."""
    if isinstance(value, dict):
        return {str(key): _plain_sql_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_sql_value(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
