"""Tables as short HTML, for notebooks."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from legm.core.html_markup import html_paragraphs, html_table
from legm.core.texts import number_text

if TYPE_CHECKING:
    from legm.tables.table import Table

__all__ = ["table_html"]

_MOST_ROWS = 10
_MOST_COLUMNS = 20
_MOST_CHARACTERS = 60  # of a cell
_TIME = "seconds since 1970"  # as the columns of times say


def table_html(table: Table, caption: str) -> str:
    """The first rows and columns of a table as an HTML table; every text is escaped.

    Args:
        table: the table.
        caption: the line above it.
    """
    columns = table.columns[:_MOST_COLUMNS]
    cells = [
        [_html_cell_text(cell, column.about) for cell in column.cells(0, _MOST_ROWS)] for column in columns
    ]
    more = ["…"] if len(table.columns) > len(columns) else []
    rows = [[*row, *more] for row in zip(*cells, strict=True)]
    headers = [*(column.name for column in columns), *more]
    rest = len(table) - _MOST_ROWS
    below = html_paragraphs([f"and {rest:,} more rows"] if rest > 0 else [])
    return html_table(caption, headers, rows, [column.about for column in columns]) + below


def _html_cell_text(cell: object, about: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return _html_time_text(cell) if _TIME in about else number_text(cell)
    text = str(cell)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _html_time_text(seconds: float) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # NaN, and what no calendar has
        return number_text(seconds)
