"""Tables for a user: columns laid out for the terminal's width, fast for ten thousand rows. Pure."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from legm.core.texts import escape_unprintable_text

__all__ = ["Column", "terminal_table_lines", "terminal_width"]

_GAP = "  "
_LEAST = 12  # the least width of a column that can be narrowed,
_LEAST_NAME = 24  # and that of one with names,
_LEAST_NAME_IF_WIDE = 36  # also on a terminal of at least
_WIDE = 120
_BREAKS = (re.compile(","), re.compile(r"[/_= ]|\.(?!\d)|(?<![eE])[+-]"))
"""After one of these a cell is folded if possible, preferably of the first; never within a number."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Args:
        header: its text above the cells.
        right: whether its cells are right-aligned, as numbers are.
        fit: what happens if the terminal is too narrow: "cut" shortens cells in their middle, so that
            different ones stay different, "list" leaves out the last items between commas, "fold" continues
            cells on the next line, "" leaves them as they are, as numbers must be.
        paint: adds colours to a cell that has its final width.
        is_name: whether its cells name the rows, and so are narrowed less than others.
    """

    header: str
    right: bool = False
    fit: str = ""
    paint: Callable[[str], str] | None = None
    is_name: bool = False


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

    Headers are folded first, then cells are cut, then they are folded. Columns that still do not fit are put
    into a further table below, which repeats the first column.

    Args:
        columns: at least one.
        rows: a cell for each column.
        width: the terminal's; None for as wide as needed.
        head: adds colours to the line of headers.
        rule: the character of the line below them.
        ellipsis: the character that replaces what is cut.
    """
    cells = [
        _escaped_terminal_cells([one.header, *(row[i] for row in rows)]) for i, one in enumerate(columns)
    ]
    least_name = _LEAST_NAME if width is None or width < _WIDE else _LEAST_NAME_IF_WIDE
    sizes = [
        _TerminalColumnSize(
            terminal_width(own[0]),
            max(_terminal_widths(own[1:]), default=0),
            least_name if column.is_name else _LEAST,
            column.fit,
        )
        for column, own in zip(columns, cells, strict=True)
    ]
    for number, block in enumerate(_columns_per_terminal_table(sizes, width)):
        if number:
            yield ""
        chosen = [columns[i] for i in block]
        column_widths = _terminal_column_widths([sizes[i] for i in block], width)
        lines = _terminal_row_lines([cells[i] for i in block], chosen, column_widths, ellipsis)
        yield from map(head, next(lines))
        yield rule * (sum(column_widths) + len(_GAP) * (len(block) - 1))
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


def _escaped_terminal_cells(cells: list[str]) -> list[str]:
    """Cells in which line breaks and the like are escaped."""
    if "".join(cells).isprintable():
        return cells
    return [escape_unprintable_text(cell) for cell in cells]


@dataclass(frozen=True, slots=True)
class _TerminalColumnSize:
    """The width of a column's header and of its widest cell, and how far and how it may be narrowed."""

    header: int
    cells: int
    narrowest: int
    fit: str

    @property
    def whole(self) -> int:
        """With nothing folded or cut."""
        return max(self.header, self.cells)

    @property
    def with_folded_header(self) -> int:
        """With whole cells."""
        return max(self.cells, min(self.header, self.narrowest))

    @property
    def least(self) -> int:
        """With all that is possible."""
        return min(self.with_folded_header, self.narrowest) if self.fit else self.with_folded_header


def _columns_per_terminal_table(sizes: Sequence[_TerminalColumnSize], width: int | None) -> list[list[int]]:
    """The columns of each table, by number."""
    least = [one.least + len(_GAP) for one in sizes]
    if width is None or sum(least) <= width + len(_GAP):
        return [list(range(len(sizes)))]
    blocks, taken = [[0]], least[0]
    for i in range(1, len(sizes)):
        if taken + least[i] > width + len(_GAP) and len(blocks[-1]) > 1:
            blocks.append([0])
            taken = least[0]
        blocks[-1].append(i)
        taken += least[i]
    return blocks


def _terminal_column_widths(sizes: Sequence[_TerminalColumnSize], width: int | None) -> list[int]:
    """How wide each column of a table becomes."""
    column_widths = [one.whole for one in sizes]
    if width is None:
        return column_widths
    spare = width - len(_GAP) * (len(sizes) - 1)
    _narrow_terminal_columns(column_widths, {i: one.with_folded_header for i, one in enumerate(sizes)}, spare)
    for fit in ("cut", "list", "fold"):
        _narrow_terminal_columns(
            column_widths, {i: one.least for i, one in enumerate(sizes) if one.fit == fit}, spare
        )
    return column_widths


def _narrow_terminal_columns(column_widths: list[int], least: Mapping[int, int], spare: int) -> None:
    """Narrow the widest of the columns that can be, until all fit."""
    while sum(column_widths) > spare and (wide := [i for i in least if column_widths[i] > least[i]]):
        most = max(column_widths[i] for i in wide)
        widest = [i for i in wide if column_widths[i] == most]
        lower = max([column_widths[i] for i in wide if column_widths[i] < most], default=0)
        step = -(-(sum(column_widths) - spare) // len(widest))
        for i in widest:
            column_widths[i] = max(least[i], lower, most - step)


def _terminal_row_lines(
    cells: Sequence[list[str]], columns: Sequence[Column], column_widths: Sequence[int], ellipsis: str
) -> Iterator[list[str]]:
    """The lines of each row of one table, the headers' first."""
    headers = [
        _folded_terminal_cell(own[0], max_width) for own, max_width in zip(cells, column_widths, strict=True)
    ]
    highest = max(map(len, headers))
    plain = [Column(column.header, right=column.right) for column in columns]
    yield list(
        _joined_terminal_cells([[""] * (highest - len(one)) + one for one in headers], plain, column_widths)
    )
    bodies = [own[1:] for own in cells]
    wide = [
        max(_terminal_widths(one), default=0) > max_width
        for one, max_width in zip(bodies, column_widths, strict=True)
    ]
    cut = [
        _terminal_cells_without_folds(one, column.fit, max_width, ellipsis) if is_wide else one
        for one, column, max_width, is_wide in zip(bodies, columns, column_widths, wide, strict=True)
    ]
    if not any(is_wide and column.fit == "fold" for column, is_wide in zip(columns, wide, strict=True)):
        yield from ([line] for line in _joined_terminal_cells(cut, columns, column_widths))
        return
    for row in zip(*cut, strict=True):
        parts = [
            _folded_terminal_cell(cell, max_width) if column.fit == "fold" else [cell]
            for cell, column, max_width in zip(row, columns, column_widths, strict=True)
        ]
        most = max(map(len, parts))
        yield list(
            _joined_terminal_cells(
                [part + [""] * (most - len(part)) for part in parts], columns, column_widths
            )
        )


def _joined_terminal_cells(
    cells: Sequence[list[str]], columns: Sequence[Column], column_widths: Sequence[int]
) -> Iterator[str]:
    """Lines of cells that fit."""
    padded = [_padded_terminal_cells(*one) for one in zip(cells, columns, column_widths, strict=True)]
    return map(str.rstrip, map(_GAP.join, zip(*padded, strict=True)))


def _padded_terminal_cells(cells: Sequence[str], column: Column, max_width: int) -> list[str]:
    if "".join(cells).isascii():
        padded = [cell.rjust(max_width) if column.right else cell.ljust(max_width) for cell in cells]
    else:
        spaces = [" " * (max_width - terminal_width(cell)) for cell in cells]
        padded = [s + c if column.right else c + s for c, s in zip(cells, spaces, strict=True)]
    return [column.paint(cell) for cell in padded] if column.paint else padded


def _terminal_cells_without_folds(cells: Sequence[str], fit: str, max_width: int, ellipsis: str) -> list[str]:
    """Cells that fit, unless they are folded later."""
    if fit == "cut":
        from legm.core.display_names import truncate_display_names  # not for `legm --help`

        return [
            cell.replace("…", ellipsis) for cell in truncate_display_names(cells, max_width, terminal_width)
        ]
    if fit == "list":
        return [_cut_terminal_cell_list(cell, max_width, ellipsis) for cell in cells]
    return list(cells)


def _cut_terminal_cell_list(cell: str, max_width: int, ellipsis: str) -> str:
    """The items between commas of which the last ones are left out if there is no space for all."""
    if terminal_width(cell) <= max_width:
        return cell
    start = cell[: _characters_that_fit_terminal(cell, max_width - 1)]
    whole = start.rpartition(", ")[0]
    return f"{whole}, {ellipsis}" if whole else start.rstrip() + ellipsis


def _folded_terminal_cell(cell: str, max_width: int) -> list[str]:
    lines = []
    while terminal_width(cell) > max_width:
        end = _characters_that_fit_terminal(cell, max_width)
        found = (
            [one.end() for one in mark.finditer(cell) if end // 3 < one.end() <= end] for mark in _BREAKS
        )
        at = max(next(filter(None, found), [end]))
        lines.append(cell[:at])
        cell = cell[at:].lstrip(" ")
    return [*lines, cell]


def _characters_that_fit_terminal(text: str, max_width: int) -> int:
    """How many characters of a text fit into so many columns; at least one."""
    if text.isascii():
        return max(max_width, 1)
    taken = 0
    for i, c in enumerate(text):
        taken += terminal_width(c)
        if taken > max_width:
            return max(i, 1)
    return len(text)
