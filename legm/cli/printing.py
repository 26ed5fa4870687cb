"""What commands print for a user: tables and messages."""

from __future__ import annotations

import functools
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from legm.cli.terminal_tables import Column, terminal_table_lines
from legm.core.missing import MISSING
from legm.core.texts import escape_unprintable_text, json_text, number_text, number_texts, value_texts

if TYPE_CHECKING:
    from legm.records import Series

__all__ = [
    "STATUSES",
    "are_printed_as_numbers",
    "can_print",
    "color_statuses",
    "print_notes",
    "print_problems",
    "print_table",
    "printable_text",
    "printed_column",
    "printed_error_summary",
    "printed_number",
    "printed_numbers",
    "printed_parameter_values",
    "printed_series",
    "printed_statuses",
    "printed_time",
    "printing_width",
    "say",
    "terminal_text",
]

STATUSES = {
    "completed": "green",
    "failed": "red",
    "interrupted": "yellow",
    "pruned": "magenta",
    "running": "cyan",
}
"""By a run's status, its colour."""

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_STATUS = re.compile("|".join(rf"(?:\d+ )?{status}" for status in STATUSES))


def say(text: str = "", **style: Any) -> None:
    """Print a line, in the standard output's encoding; control characters but colours are escaped."""
    click.secho(terminal_text(text), file=sys.stdout, **style)


def terminal_text(text: str) -> str:
    """A text that does nothing to a terminal but show itself, in colours."""
    if text.isprintable():
        return text
    pieces = _COLOUR.split(text)  # the colours are every second one
    return "".join(
        piece if at % 2 else escape_unprintable_text(piece, "\n\t\xa0") for at, piece in enumerate(pieces)
    )


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as the terminal; without a terminal, as wide as needed.

    Empty columns are left out.
    """
    used = [i for i in range(len(columns)) if any(row[i] for row in rows)] or [0]
    width = printing_width()
    can = can_print("─…")
    lines = terminal_table_lines(
        [columns[i] for i in used],
        rows if len(used) == len(columns) else [[row[i] for i in used] for row in rows],
        width,
        head=lambda text: click.style(text, bold=True),
        rule="─" if can else "-",
        ellipsis="…" if can else "~",
    )
    click.secho("\n".join(lines), file=sys.stdout)  # the cells are escaped already


def printing_width() -> int | None:
    """The width of the terminal; None without one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def can_print(text: str) -> bool:
    """Whether the standard output's encoding has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def printable_text(text: str) -> str:
    """A text with ASCII characters instead of typographic ones that the standard output cannot encode."""
    if can_print(text):
        return text
    for sign, plain in (
        ("±", "+-"),
        ("↑", "(max)"),
        ("↓", "(min)"),
        ("★", "*"),
    ):
        text = text.replace(sign, plain)
    return text


def print_notes(notes: Iterable[str]) -> None:
    """Print what a user should know about a result, a paragraph each, folded to the terminal's width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for note in notes:
        say("\n".join(textwrap.wrap(note, width, break_on_hyphens=False) if width else [note]))


def printed_error_summary(error: str | None) -> str:
    """The line of a run's error that names it: the last one of a traceback, else the first; "" for none."""
    lines = (error or "").strip().splitlines() or [""]
    return lines[-1 if lines[0].startswith("Traceback") else 0]


def print_problems(problems: Iterable[object]) -> None:
    """Report on standard error what could not be read."""
    for problem in problems:
        click.secho(terminal_text(f"damaged: {problem}"), fg="red", err=True)


def printed_number(value: float | None) -> str:
    """A number in a table; "" for none."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else number_text(value)


def printed_numbers(values: Sequence[float | None]) -> list[str]:
    """The numbers of a column, rounded so that different ones look different; "" for none."""
    texts = iter(number_texts(value for value in values if value is not None))
    return ["" if value is None else next(texts) for value in values]


def printed_time(seconds: float | None) -> str:
    """A time (s since 1970) in a table, in local time; "" for none, and "?" for what no calendar has."""
    try:
        return _printed_minute(int(seconds // 60)) if seconds else ""
    except (ValueError, OverflowError, OSError):
        return "?"


@functools.lru_cache(maxsize=1000)
def _printed_minute(minutes: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(60 * minutes))


def printed_statuses(counts: Mapping[str, int]) -> str:
    """How many runs have each status but completed: ``1 failed, 2 running``."""
    return ", ".join([f"{counts[s]} {s}" for s in STATUSES if s != "completed" and counts.get(s)])


def color_statuses(text: str) -> str:
    """A text in which each status has its colour."""
    return _STATUS.sub(lambda found: click.style(found[0], fg=STATUSES[found[0].split()[-1]]), text)


def printed_column(values: Sequence[Any], name: str, fit: str = "cut") -> Column:
    """The column of a parameter: numbers are never cut, lists and mappings only between their items.

    Args:
        values: of the parameter, ``MISSING`` for none.
        name: of the parameter.
        fit: how texts become shorter.
    """
    if are_printed_as_numbers(values):
        return Column(name, right=True)
    return Column(name, fit="fold" if any(isinstance(value, (list, Mapping)) for value in values) else fit)


def printed_parameter_values(values: Sequence[Any]) -> list[str]:
    """A parameter's values in a table: "" where there is none, and the empty text is in quotes."""
    own = [value for value in values if value is not MISSING]
    are_texts = all(isinstance(value, str) for value in own)
    texts = iter([one if one.strip() else json_text(one) for one in own] if are_texts else value_texts(own))
    return ["" if value is MISSING else next(texts) for value in values]


def are_printed_as_numbers(values: Iterable[object]) -> bool:
    """Whether all of them are numbers, but for those that are missing."""
    return all(
        isinstance(v, (int, float)) and not isinstance(v, bool)
        for v in values
        if v is not None and v is not MISSING
    )


def printed_series(series: Series) -> str:
    """A series' name: ``dice[cat]`` for one of an indexed metric."""
    return series.name if series.index is None else f"{series.name}[{series.index}]"
