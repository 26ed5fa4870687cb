"""Writes a table that the page shows as a file, with the writers of ``legm best --format``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from legm.core.texts import counted
from legm.errors import LegmError
from legm.tables.table_markup import MarkupCell, csv_table, latex_table, markdown_table

__all__ = ["written_table"]

_WRITERS = {"latex": latex_table, "markdown": markdown_table}


def written_table(asked: Any) -> str:
    """A table in a format.

    Args:
        asked: ``format``, which is csv, latex or markdown; ``headers``; ``rows``, each a list of cells; and
            optionally ``numbers``, which columns are right-aligned, and ``notes``.

    Raises:
        LegmError: the format is unknown, or a row has not a cell for each column.
        KeyError, TypeError: something is missing, or of another type.
    """
    kind, headers = str(asked["format"]), [str(one) for one in asked["headers"]]
    rows: list[Sequence[object]] = [list(row) for row in asked["rows"]]
    if any(len(row) != len(headers) for row in rows):
        cells_needed = counted(len(headers), "cell")
        raise LegmError(f"each row of the table needs {cells_needed}, one for each header")
    if kind == "csv":
        return csv_table(headers, rows)
    write = _WRITERS.get(kind)
    if write is None:
        raise LegmError(f"a table is written as csv, latex or markdown, not as {kind!r}")
    numbers = [bool(one) for one in asked.get("numbers") or [False] * len(headers)]
    if len(numbers) != len(headers):
        entries = counted(len(numbers), "entry", "entries")
        raise LegmError(f"numbers has {entries} for {counted(len(headers), 'column')}")
    cells = [["" if one is None else str(one) for one in row] for row in rows]
    notes = [str(one) for one in asked.get("notes") or []]
    return write(headers, [[MarkupCell(one) for one in row] for row in cells], numbers, notes)
