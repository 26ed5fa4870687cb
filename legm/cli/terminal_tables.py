"""Tables for a user: columns laid out for the terminal's width, fast for ten thousand rows. Pure."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Column", "terminal_table_lines", "terminal_width"]

_GAP = "  "
_LEAST = 12  # the least width of a column that can be narrowed
_BREAKS = (",", "/_+- ")  # a cell is folded after one of these if possible, preferably of the first


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Args:
        header: its text above the cells.
        right: whether its cells are right-aligned, as numbers are.
        fit: what happens if the terminal is too narrow: "cut" shortens cells, "fold" continues them on the
            next line, "" leaves them as they are.
        paint: adds colours to a cell that has its final width.
    """

    header: str
    right: bool = False
    fit: str = ""
    paint: Callable[[str], str] | None = None


def terminal_table_lines(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    head: Callable[[str], str] = str,
    rule: str = "─",
    ellipsis: str = "…",
) -> Iterator[str]:
    """The lines of a table.

    Cells are cut first, then folded. Columns that still do not fit are put into a further table below, which
    repeats the first column.

    Args:
        columns: at least one.
        rows: a cell for each column.
        width: the terminal's; None for as wide as needed.
        head: adds colours to the line of headers.
        rule: the character of the line below them.
        ellipsis: the character that replaces what is cut.
    """
    cells = [_escaped_cells([one.header, *(row[i] for row in rows)]) for i, one in enumerate(columns)]
    widths = [max(_terminal_widths(column)) for column in cells]
    for number, block in enumerate(_columns_per_table(columns, widths, width)):
        if number:
            yield ""
        chosen = [columns[i] for i in block]
        rooms = _column_widths(chosen, [widths[i] for i in block], width)
        lines = _table_lines([cells[i] for i in block], chosen, rooms, ellipsis)
        yield from map(head, next(lines))
        yield rule * (sum(rooms) + len(_GAP) * (len(block) - 1))
        yield from itertools.chain.from_iterable(lines)


def terminal_width(text: str) -> int:
    """How many columns of a terminal a text takes: a wide character two, a combining mark none."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text
    )


def _terminal_widths(cells: Sequence[str]) -> Iterator[int]:
    return map(len if "".join(cells).isascii() else terminal_width, cells)


def _escaped_cells(cells: list[str]) -> list[str]:
    """Cells in which line breaks and the like are escaped."""
    if "".join(cells).isprintable():
        return cells
    return [
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cell) for cell in cells
    ]


def _least_column_width(column: Column, width: int) -> int:
    """How narrow a column may become."""
    if column.fit == "fold":
        return min(width, _LEAST)
    return min(width, max(_LEAST, terminal_width(column.header))) if column.fit else width


def _columns_per_table(
    columns: Sequence[Column], widths: Sequence[int], width: int | None
) -> list[list[int]]:
    """The columns of each table, by number."""
    least = [_least_column_width(*one) + len(_GAP) for one in zip(columns, widths, strict=True)]
    if width is None or sum(least) <= width + len(_GAP):
        return [list(range(len(columns)))]
    blocks, taken = [[0]], least[0]
    for i in range(1, len(columns)):
        if taken + least[i] > width + len(_GAP) and len(blocks[-1]) > 1:
            blocks.append([0])
            taken = least[0]
        blocks[-1].append(i)
        taken += least[i]
    return blocks


def _column_widths(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    """How wide each column of a table becomes: the widest that can be narrowed are, until all fit."""
    rooms = list(widths)
    if width is None:
        return rooms
    spare = width - len(_GAP) * (len(columns) - 1)
    for fit in ("cut", "fold"):
        least = {i: _least_column_width(one, rooms[i]) for i, one in enumerate(columns) if one.fit == fit}
        while sum(rooms) > spare and (wide := [i for i in least if rooms[i] > least[i]]):
            most = max(rooms[i] for i in wide)
            widest = [i for i in wide if rooms[i] == most]
            lower = max([rooms[i] for i in wide if rooms[i] < most], default=0)
            step = -(-(sum(rooms) - spare) // len(widest))
            for i in widest:
                rooms[i] = max(least[i], lower, most - step)
    return rooms


def _table_lines(
    cells: Sequence[list[str]], columns: Sequence[Column], rooms: Sequence[int], ellipsis: str
) -> Iterator[list[str]]:
    """The lines of each row of one table, the headers' first."""
    wide = [max(_terminal_widths(one)) > room for one, room in zip(cells, rooms, strict=True)]
    cut = [
        [_cut_cell(cell, room, ellipsis) for cell in one] if is_wide and column.fit == "cut" else one
        for one, column, room, is_wide in zip(cells, columns, rooms, wide, strict=True)
    ]
    if not any(is_wide and column.fit == "fold" for column, is_wide in zip(columns, wide, strict=True)):
        yield from ([line] for line in _joined_cell_lines(cut, columns, rooms))
        return
    for row in zip(*cut, strict=True):
        parts = [
            _folded_cell(cell, room) if column.fit == "fold" else [cell]
            for cell, column, room in zip(row, columns, rooms, strict=True)
        ]
        most = max(map(len, parts))
        yield list(_joined_cell_lines([part + [""] * (most - len(part)) for part in parts], columns, rooms))


def _joined_cell_lines(
    cells: Sequence[list[str]], columns: Sequence[Column], rooms: Sequence[int]
) -> Iterator[str]:
    """Lines of cells that fit."""
    padded = [_padded_cells(*one) for one in zip(cells, columns, rooms, strict=True)]
    return map(str.rstrip, map(_GAP.join, zip(*padded, strict=True)))


def _padded_cells(cells: Sequence[str], column: Column, room: int) -> list[str]:
    if "".join(cells).isascii():
        padded = [cell.rjust(room) if column.right else cell.ljust(room) for cell in cells]
    else:
        spaces = [" " * (room - terminal_width(cell)) for cell in cells]
        padded = [s + c if column.right else c + s for c, s in zip(cells, spaces, strict=True)]
    return [column.paint(cell) for cell in padded] if column.paint else padded


def _cut_cell(cell: str, room: int, ellipsis: str) -> str:
    return (
        cell
        if terminal_width(cell) <= room
        else cell[: _characters_that_fit(cell, room - 1)].rstrip() + ellipsis
    )


def _folded_cell(cell: str, room: int) -> list[str]:
    lines = []
    while terminal_width(cell) > room:
        end = _characters_that_fit(cell, room)
        ends = (max(cell.rfind(mark, end // 3, end) for mark in marks) + 1 for marks in _BREAKS)
        at = next(filter(None, ends), end)
        lines.append(cell[:at])
        cell = cell[at:].lstrip(" ")
    return [*lines, cell]


def _characters_that_fit(text: str, room: int) -> int:
    """How many characters of a text fit into so many columns; at least one."""
    if text.isascii():
        return max(room, 1)
    taken = 0
    for i, c in enumerate(text):
        taken += terminal_width(c)
        if taken > room:
            return max(i, 1)
    return len(text)
