"""Tables for papers, pages and other programs: Markdown, LaTeX with booktabs, CSV. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from legm.core.texts import escape_unprintable_text
from legm.stats.number_formatting import typographic_number

__all__ = ["MarkupCell", "csv_table", "latex_table", "markdown_table"]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
_ESCAPED = r"\\\1"
_NUMBERS = re.compile(r"(?:[-+\d.e±,\[\] ]|inf)+")  # one, or one with its spread
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after the end of a row it would begin an option of \\
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "∞": r"$\infty$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    **{character: "\\" + character for character in "{}$&#_%"},
}


@dataclass(frozen=True, slots=True)
class MarkupCell:
    """A cell.

    Args:
        text: its content.
        best: whether its value is the best of its column.
    """

    text: str
    best: bool = False


def markdown_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[MarkupCell]],
    numbers: Sequence[bool],
    notes: Sequence[str] = (),
) -> str:
    """A table in GitHub's Markdown; its columns are aligned in the text too.

    Args:
        headers: the columns' headers.
        rows: a cell for each column.
        numbers: which columns are right-aligned.
        notes: a line each below the table.
    """

    def text(cell: MarkupCell) -> str:
        escaped = _MARKDOWN.sub(_ESCAPED, _one_line_markup(cell.text))
        return f"**{escaped}**" if cell.best else escaped

    lines = [
        [text(MarkupCell(header)) for header in headers],
        *([text(cell) for cell in row] for row in rows),
    ]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = [
        "-" * (width - 1) + ":" if right else "-" * width
        for width, right in zip(widths, numbers, strict=True)
    ]
    aligned = [
        [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numbers, strict=True)
        ]
        for line in lines
    ]
    table = "".join(f"| {' | '.join(line)} |\n" for line in (aligned[0], rule, *aligned[1:]))
    return table + "".join(f"\n{_MARKDOWN.sub(_ESCAPED, _one_line_markup(note))}\n" for note in notes)


def latex_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[MarkupCell]],
    numbers: Sequence[bool],
    notes: Sequence[str] = (),
) -> str:
    r"""A ``tabular`` that needs the package booktabs; the best of a column are ``\textbf``.

    Args:
        headers: the columns' headers.
        rows: a cell for each column.
        numbers: which columns are right-aligned.
        notes: a comment each above the table.
    """

    def text(cell: MarkupCell, is_number: bool = False) -> str:
        is_typeset = is_number and _NUMBERS.fullmatch(cell.text)
        shown = typographic_number(cell.text) if is_typeset else cell.text
        escaped = "".join(_LATEX.get(c, c) for c in _one_line_markup(shown))
        return rf"\textbf{{{escaped}}}" if cell.best else escaped

    def line(cells: Sequence[MarkupCell], are_numbers: Iterable[bool]) -> str:
        return " & ".join(map(text, cells, are_numbers)) + r" \\"

    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            *(f"% {_one_line_markup(note)}" for note in notes),
            rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numbers)}}}",
            r"\toprule",
            line([MarkupCell(header) for header in headers], itertools.repeat(False)),
            r"\midrule",
            *(line(row, numbers) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def csv_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Comma-separated values (RFC 4180) with numbers in full precision, lines ended by a line feed.

    Args:
        headers: the first line.
        rows: a value for each column; None for none.
    """
    import io

    from legm.util.csv_text import csv_writer

    text = io.StringIO()
    csv_writer(text, "\n").writerows([headers, *rows])
    return text.getvalue()


def _one_line_markup(text: str) -> str:
    """The text on one line, with escapes for what cannot be seen or changes the direction of reading."""
    line = " ".join(text.split())
    return line if line.isprintable() else escape_unprintable_text(line)
