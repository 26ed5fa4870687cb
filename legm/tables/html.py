"""Tables as short HTML, for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from legm.core.texts import escape_unprintable, number_text

if TYPE_CHECKING:
    from legm.tables.table import Table

__all__ = ["table_html"]

_MOST_ROWS = 10
_MOST_COLUMNS = 20
_MOST_CHARACTERS = 60  # of a cell


def table_html(table: Table, caption: str) -> str:
    """The first rows and columns of a table as an HTML table; every text is escaped.

    Args:
        table: the table.
        caption: the line above it.
    """
    columns = table.columns[:_MOST_COLUMNS]
    cells = [column.cells(0, _MOST_ROWS) for column in columns]
    more_columns = "<th>…</th>" if len(table.columns) > len(columns) else ""
    head = "".join(
        f'<th title="{html.escape(column.about)}">{_escaped(column.name)}</th>' for column in columns
    )
    body = "".join(
        f"<tr>{''.join(f'<td>{_escaped(_cell_text(cell))}</td>' for cell in row)}"
        f"{'<td>…</td>' if more_columns else ''}</tr>"
        for row in zip(*cells, strict=True)
    )
    rest = len(table) - _MOST_ROWS
    last = f"<p>and {rest:,} more rows</p>" if rest > 0 else ""
    return (
        f"<table><caption>{_escaped(caption)}</caption><thead><tr>{head}{more_columns}</tr></thead>"
        f"<tbody>{body}</tbody></table>{last}"
    )


def _cell_text(cell: object) -> str:
    if cell is None:
        return ""
    text = number_text(cell) if isinstance(cell, float) else str(cell)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _escaped(text: str) -> str:
    return html.escape(escape_unprintable(text))
