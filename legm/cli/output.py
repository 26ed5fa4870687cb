"""What commands print: tables and messages for a user, JSON for a program."""

from __future__ import annotations

import functools
import json
import math
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from legm.cli.terminal_tables import Column, terminal_table_lines
from legm.core.texts import escape_unprintable, number_text, number_texts, value_texts

if TYPE_CHECKING:
    from legm.records import Aggregate, Configuration, RunResult, Series

__all__ = [
    "STATUSES",
    "are_printed_as_numbers",
    "color_statuses",
    "configuration_dict",
    "error_summary",
    "json_line",
    "json_value",
    "parameter_column",
    "print_json",
    "print_notes",
    "print_problems",
    "print_table",
    "printable_text",
    "printed_number",
    "printed_numbers",
    "printed_parameter_column",
    "printed_series",
    "printed_statuses",
    "printed_time",
    "run_dict",
    "say",
    "terminal_text",
    "value_dict",
]

STATUSES = {"completed": "green", "failed": "red", "interrupted": "yellow", "running": "cyan"}
"""By a run's status, its colour."""

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_STATUS = re.compile("|".join(rf"(?:\d+ )?{status}" for status in STATUSES))


# For a user


def say(text: str = "", **style: Any) -> None:
    """Print a line, in the standard output's encoding; control characters but colours are escaped."""
    click.secho(terminal_text(text), file=sys.stdout, **style)


def terminal_text(text: str) -> str:
    """A text that does nothing to a terminal but show itself, in colours."""
    if text.isprintable():
        return text
    pieces = _COLOUR.split(text)  # the colours are every second one
    return "".join(
        piece if at % 2 else escape_unprintable(piece, "\n\t\xa0") for at, piece in enumerate(pieces)
    )


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as the terminal; without a terminal, as wide as needed.

    Empty columns are left out.
    """
    used = [i for i in range(len(columns)) if any(row[i] for row in rows)] or [0]
    width = _terminal_columns()
    can = _can_print("─…")
    lines = terminal_table_lines(
        [columns[i] for i in used],
        rows if len(used) == len(columns) else [[row[i] for i in used] for row in rows],
        width,
        head=lambda text: click.style(text, bold=True),
        rule="─" if can else "-",
        ellipsis="…" if can else "~",
    )
    say("\n".join(lines))


def _terminal_columns() -> int | None:
    """The width of the terminal; None without one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _can_print(text: str) -> bool:
    """Whether the standard output's encoding has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def printable_text(text: str) -> str:
    """A text with ASCII characters instead of typographic ones that the standard output cannot encode."""
    if _can_print(text):
        return text
    for sign, plain in (("±", "+-"), ("\N{MINUS SIGN}", "-"), ("∞", "inf"), ("↑", "(max)"), ("↓", "(min)")):
        text = text.replace(sign, plain)
    return text


def print_notes(notes: Iterable[str]) -> None:
    """Print what a user should know about a result, a paragraph each, folded to the terminal's width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for note in notes:
        say("\n".join(textwrap.wrap(note, width, break_on_hyphens=False) if width else [note]))


def error_summary(error: str | None) -> str:
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


def parameter_column(configurations: Sequence[Configuration], name: str, fit: str = "cut") -> Column:
    """The column of a parameter: numbers are never cut, lists and mappings only between their items."""
    values = [one.parameters[name] for one in configurations if name in one.active]
    if are_printed_as_numbers(values):
        return Column(name, right=True)
    return Column(name, fit="fold" if any(isinstance(value, (list, Mapping)) for value in values) else fit)


def printed_parameter_column(configurations: Sequence[Configuration], name: str) -> list[str]:
    """A parameter's values in a table; "" where it is inactive."""
    values = [one.parameters[name] for one in configurations if name in one.active]
    texts = iter(values if all(isinstance(value, str) for value in values) else value_texts(values))
    return [next(texts) if name in one.active else "" for one in configurations]


def are_printed_as_numbers(values: Iterable[object]) -> bool:
    """Whether all of them are numbers, but for None."""
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values if v is not None)


def printed_series(series: Series) -> str:
    """A series' name: ``dice[cat]`` for one of an indexed metric."""
    return series.name if series.index is None else f"{series.name}[{series.index}]"


# For a program


def json_value(value: Any) -> Any:
    """A value with NaN and infinities as text, since JSON does not have them."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: json_value(item) for key, item in value.items()}
    return [json_value(item) for item in value] if isinstance(value, (list, tuple)) else value


def json_line(value: Any) -> str:
    """A plain value as JSON, on one line, for a user."""
    return json.dumps(json_value(value), ensure_ascii=False)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    say(json.dumps(json_value(value), indent=2))


def configuration_dict(found: Configuration | None) -> dict[str, Any]:
    """What identifies a configuration; None for every value if it cannot be read."""
    return {
        "experiment": found.experiment if found else None,
        "name": found.name if found else None,
        "fingerprint": found.fingerprint if found else None,
        "parameters": found.parameters if found else None,
        "active": list(found.active) if found else None,
    }


def value_dict(value: Aggregate) -> dict[str, Any]:
    """An aggregate with its method's own fields."""
    own = {"mean": value.mean, "std": value.std, "n": value.n, "nan": value.nan, "method": value.method}
    return {**own, **value.fields}


def run_dict(result: RunResult) -> dict[str, Any]:
    """A run without its series."""
    return {
        "run_id": result.run.run_id,
        "status": result.status.value,
        "description": result.run.description,
        "started": result.run.started,
        "ended": result.ended,
        "points": result.points,
        "last_step": result.last_step,
        "best_step": result.best_step,
        "best": _values_by_printed_series(result.best),
        "test": _values_by_printed_series(result.test),
        "parameters": result.run.parameters,
        "error": result.error,
        "rule": asdict(result.rule),
    }


def _values_by_printed_series(values: Mapping[Series, float]) -> dict[str, float]:
    return {printed_series(series): value for series, value in values.items()}
