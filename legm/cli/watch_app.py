"""The terminal view of ``legm watch``, in Textual."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from legm.cli.printing import STATUSES
from legm.cli.terminal_curves import drawn_curve
from legm.cli.terminal_tables import terminal_width
from legm.cli.watch_rows import (
    SORT_KEYS,
    WatchedDetails,
    WatchedRow,
    WatchedRuns,
    rows_in_order,
    watched_duration_text,
    watched_progress_text,
)
from legm.core.display_names import truncate_display_name, truncate_display_names
from legm.core.selection import RunSelection
from legm.core.texts import escape_unprintable_text, number_text
from legm.errors import LegmError
from legm.records import Curve, Status
from legm.stats.curve_scale import curve_scale

__all__ = ["WatchApp"]

_PAUSE = 1.0  # seconds between two looks
_SIGNS = {"running": "▶", "completed": "✓", "failed": "✗", "interrupted": "‖", "pruned": "○"}
_WIDE = 110  # columns of a terminal, from which statuses are words
_LEAST_NAME = 14
_MOST_FAILURES = 5
_MARGIN = 10  # rows above and below the screen that are kept up to date
_FAILED = (Status.FAILED, Status.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table, which is there if the terminal has room for it.

    Args:
        name: its header.
        width: the characters of its cells.
        text: makes a cell, given its width.
        right: whether cells are aligned to the right.
    """

    name: str
    width: int
    text: Callable[[WatchedRow, int], str]
    right: bool = True


def _watch_app_status(row: WatchedRow, width: int) -> str:
    return _SIGNS[row.status.value] if width == 1 else row.status.value


def _cut_watch_text(text: str, width: int) -> str:
    return truncate_display_name(text, width, terminal_width)


def _watch_app_number(value: float, metric: str) -> str:
    return number_text(value) if metric else ""


def _watch_app_speed(row: WatchedRow, _: int) -> str:
    speed = row.progress.per_second
    return "" if speed is None else f"{number_text(speed, 3)}/s"


def _watch_app_series(row: WatchedRow, width: int) -> str:
    return "" if row.series is None else _watch_app_curve(row.series.curve(), width)


def _watch_app_curve(curve: Curve | None, width: int) -> str:
    scale = None if curve is None else curve_scale([curve])
    return drawn_curve(curve, scale, width, braille=True)


_COLUMNS = (  # those with the least width first; the order on the screen is that of _SCREEN_ORDER
    _Column("status", 1, _watch_app_status, right=False),
    _Column("run", 6, lambda row, _: row.run_id[-6:], right=False),
    _Column("step", 11, lambda row, width: _cut_watch_text(watched_progress_text(row.progress), width)),
    _Column("last", 9, lambda row, _: _watch_app_number(row.last, row.metric)),
    _Column("best", 9, lambda row, _: _watch_app_number(row.best, row.metric)),
    _Column("curve", 8, _watch_app_series, right=False),
    _Column("left", 9, lambda row, _: watched_duration_text(row.progress.seconds_left)),
    _Column("speed", 8, _watch_app_speed),
    _Column("metric", 14, lambda row, width: _cut_watch_text(row.metric, width), right=False),
    _Column("silent", 9, lambda row, _: watched_duration_text(row.silent)),
    _Column(
        "experiment",
        16,
        lambda row, width: truncate_display_name(row.experiment, width, terminal_width),
        right=False,
    ),
)
_SCREEN_ORDER = (
    *("status", "experiment", "name", "run", "step", "speed", "left"),
    *("metric", "last", "best", "curve", "silent"),
)
_WIDER = {"status": 11, "curve": 20, "step": 15}  # on a wide terminal


def _watch_app_columns(width: int, longest_name: int, *, experiments: int) -> dict[str, tuple[_Column, int]]:
    """The columns for a terminal, each with its width, in their order on the screen."""
    is_wide = width >= _WIDE
    spare = width - _LEAST_NAME - 1
    found: dict[str, tuple[_Column, int]] = {}
    for column in _COLUMNS:
        size = (
            {"status": 11, "curve": 20, "step": 15}.get(column.name, column.width)
            if is_wide
            else column.width
        )
        if column.name == "experiment" and experiments < 2:
            continue
        if spare >= size + 1:
            found[column.name] = column, size
            spare -= size + 1
    name = _Column("name", 0, lambda row, _: row.name, right=False)
    found["name"] = name, _LEAST_NAME + min(spare, max(0, longest_name - _LEAST_NAME))
    return {name: found[name] for name in _SCREEN_ORDER if name in found}


def _watch_app_cell(text: str, style: str = "", *, right: bool = False) -> Text:
    """A text that is only shown, with the gap to the column before it."""
    return Text(
        f" {escape_unprintable_text(text)}", style, justify="right" if right else "left", no_wrap=True
    )


def _watch_app_row(row: WatchedRow, name: str, columns: Mapping[str, tuple[_Column, int]]) -> dict[str, Text]:
    return {
        key: _watch_app_cell(
            name if key == "name" else column.text(row, size),
            STATUSES[row.status.value] if key == "status" else "",
            right=column.right,
        )
        for key, (column, size) in columns.items()
    }


class _WatchAppMessages(logging.Handler):
    """Takes what is logged, which would be printed over the screen."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.newest = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.newest = record.getMessage()


class WatchApp(App[None]):
    """The runs, live.

    Args:
        runs: the runs; they are read by a thread of their own.
        title: what is watched.
    """

    CSS = """
    #head { height: auto; padding: 0 1; background: $panel; }
    #runs { height: 1fr; }
    #failures {
        height: auto; max-height: 7; padding: 0 1; border-top: solid $error; display: none;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    #filter { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "sort"),
        Binding("r", "reverse", "reverse"),
        Binding("m", "metric", "metric"),
        Binding("f", "filter", "filter"),
        Binding("d", "details", "details"),
        Binding("q", "quit", "quit"),
        Binding("escape", "close_filter", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, runs: WatchedRuns, title: str) -> None:
        super().__init__()
        self._runs = runs
        self._what = title
        self._rows: list[WatchedRow] = []
        self._metrics: list[str] = []
        self._metric: str | None = None
        self._sort = "status"
        self._is_reversed = False
        self._filter = RunSelection()
        self._problem = ""
        self._mistake = ""  # in the selection that was typed
        self._cells: dict[str, dict[str, Text]] = {}
        self._short: tuple[tuple[frozenset[str], int], dict[str, str]] = (frozenset(), 0), {}
        self._columns: dict[str, tuple[_Column, int]] = {}
        self._reading = threading.Lock()
        self._is_read = False
        self._messages = _WatchAppMessages()

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        yield Static(id="head")
        table: DataTable[Text] = DataTable(id="runs", cursor_type="row", cell_padding=0)
        yield table
        yield Static(id="failures")
        yield Input(id="filter", placeholder="lr<0.1 and not status:completed")
        yield Footer()

    def run_in_terminal(self) -> None:
        """Show the view until the user quits; what is logged meanwhile is shown in it."""
        root = logging.getLogger()
        before = root.handlers[:]
        root.handlers[:] = [self._messages]
        try:
            self.run()
        finally:
            root.handlers[:] = before

    def on_mount(self) -> None:
        """Begin to read."""
        self._table.focus()
        self.set_interval(_PAUSE, self.look)
        self.look()

    @property
    def _table(self) -> DataTable[Text]:
        return self.screen_stack[0].query_one("#runs", DataTable)

    # Reading, in a thread

    def look(self) -> None:
        """Read what has come, unless that is being done."""
        if not self._reading.locked():
            self.run_worker(self._read, thread=True, group="read", exit_on_error=True)

    def _read(self) -> None:
        with self._reading:
            rows = self._runs.poll(self._metric, self._filter)
            screen = self.screen
            details = None
            if isinstance(screen, _WatchAppDetailsScreen):
                details = self._runs.details(screen.run_id)
            metrics, problem = self._runs.metrics(), self._runs.problem
        self.call_from_thread(self._show, rows, metrics, problem, details)

    def _show(
        self, rows: list[WatchedRow], metrics: list[str], problem: str, details: WatchedDetails | None
    ) -> None:
        self._rows, self._metrics, self._is_read = rows, metrics, True
        self._problem = problem
        self._show_rows()
        screen = self.screen
        if isinstance(screen, _WatchAppDetailsScreen) and details is not None:
            screen.show_details(details)

    # Showing

    def on_resize(self) -> None:
        """Choose the columns anew."""
        self._columns = {}
        self._show_rows()

    def _show_rows(self) -> None:
        if not self._is_read:
            return
        ordered = rows_in_order(self._rows, self._sort, is_reversed=self._is_reversed)
        self._show_table(ordered)
        self.screen_stack[0].query_one("#head", Static).update(self._head())
        failures = self.screen_stack[0].query_one("#failures", Static)
        text = self._failures()
        failures.display = bool(text)
        failures.update(text)

    def _show_table(self, rows: Sequence[WatchedRow]) -> None:
        table = self._table
        longest = max((terminal_width(row.name) for row in rows), default=0)
        experiments = len({row.experiment for row in rows})
        width = max(self.size.width - 2, 40)  # less the scroll bar
        columns = _watch_app_columns(width, longest, experiments=experiments)
        names = self._shortened([row.name for row in rows], columns["name"][1])
        is_same = {key: size for key, (_, size) in columns.items()} == {
            key: size for key, (_, size) in self._columns.items()
        }
        seen = range(int(table.scroll_y) - _MARGIN, int(table.scroll_y) + self.size.height + _MARGIN)
        cells = {
            row.run_id: self._cells[row.run_id]  # not on the screen, as it was
            if is_same and at not in seen and row.run_id in self._cells
            else _watch_app_row(row, names[row.name], columns)
            for at, row in enumerate(rows)
        }
        if not is_same:
            chosen = self._chosen()
            table.clear(columns=True)
            for key, (column, size) in columns.items():
                header = "" if key == "status" and size == 1 else "configuration" if key == "name" else key
                table.add_column(
                    _watch_app_cell(header[:size], "bold", right=column.right), width=size + 1, key=key
                )
            self._columns, self._cells = columns, {}
            self._fill(cells, chosen)
        elif list(cells) != list(self._cells):
            chosen = self._chosen()
            table.clear()
            self._fill(cells, chosen)
        else:
            for run_id, row in cells.items():
                for key, text in row.items():
                    if self._cells[run_id][key] is not text and self._cells[run_id][key] != text:
                        table.update_cell(run_id, key, text)
            self._cells = cells

    def _shortened(self, names: Sequence[str], width: int) -> dict[str, str]:
        """By name, what is shown of it."""
        key = frozenset(names), width
        if key != self._short[0]:
            every = sorted(key[0])
            short = truncate_display_names(every, width, terminal_width)
            self._short = key, dict(zip(every, short, strict=True))
        return self._short[1]

    def _fill(self, cells: dict[str, dict[str, Text]], chosen: str | None) -> None:
        table = self._table
        for run_id, row in cells.items():
            table.add_row(*row.values(), key=run_id)
        self._cells = cells
        if chosen in cells:
            table.move_cursor(row=list(cells).index(chosen), animate=False)

    def _chosen(self) -> str | None:
        """The id of the run that the cursor is on."""
        table = self._table
        if not table.row_count or not self._cells:
            return None
        return list(self._cells)[min(table.cursor_row, len(self._cells) - 1)]

    def _head(self) -> Text:
        counts = Counter(row.status.value for row in self._rows)
        head = Text()
        for status, colour in STATUSES.items():
            if counts[status]:
                head.append(f"{_SIGNS[status]} {counts[status]} {status}  ", colour)
        if not self._rows:
            head.append("no run is running", "dim")
        order = f"{self._sort}{' reversed' if self._is_reversed else ''}"
        facts = [f"sorted by {order}", f"metric {self._metric or 'of each run'}"]
        facts += [f"filter {self._filter}"] if self._filter else []
        head.append(f"\n{escape_unprintable_text(' · '.join([*facts, self._what]))}", "dim")
        for problem in filter(None, (self._mistake, self._problem, self._messages.newest)):
            head.append(f"\n{escape_unprintable_text(problem, chr(10))}", "red")
        return head

    def _failures(self) -> Text:
        failed = [row for row in self._rows if row.status in _FAILED]
        newest = sorted(failed, key=lambda row: row.run_id, reverse=True)[:_MOST_FAILURES]
        lines = [
            Text.assemble(
                (f"{_SIGNS[row.status.value]} {row.run_id[-6:]} ", STATUSES[row.status.value]),
                escape_unprintable_text(f"{row.name}: {row.error or row.status.value}"),
            )
            for row in newest
        ]
        if len(failed) > len(newest):
            lines.append(Text(f"and {len(failed) - len(newest)} more", "dim"))
        return Text("\n").join(lines)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Whether a key does something: those of the table do nothing on the screen of one run."""
        is_of_table = action in {"sort", "reverse", "metric", "filter", "close_filter", "details"}
        return not (is_of_table and isinstance(self.screen, _WatchAppDetailsScreen))

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = list(SORT_KEYS)
        self._sort = keys[(keys.index(self._sort) + 1) % len(keys)]
        self._show_rows()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._is_reversed = not self._is_reversed
        self._show_rows()

    def action_metric(self) -> None:
        """Show the next metric."""
        every = [None, *self._metrics]
        at = every.index(self._metric) if self._metric in every else 0
        self._metric = every[(at + 1) % len(every)]
        self.look()

    def action_filter(self) -> None:
        """Ask for a selection."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_close_filter(self) -> None:
        """Leave the selection as it was."""
        self._mistake = ""
        self.query_one("#filter", Input).display = False
        self._table.focus()
        self._show_rows()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Select the runs that were asked for."""
        try:
            self._filter, self._mistake = RunSelection.parse(event.value), ""
        except LegmError as error:
            self._mistake = str(error)
            self._show_rows()
            return
        event.input.display = False
        self._table.focus()
        self.look()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the details of a run."""
        if event.row_key.value is not None:
            self.push_screen(_WatchAppDetailsScreen(event.row_key.value))
            self.look()

    def action_details(self) -> None:
        """Show the details of the run that the cursor is on."""
        chosen = self._chosen()
        if chosen is not None:
            self.push_screen(_WatchAppDetailsScreen(chosen))
            self.look()


class _WatchAppDetailsScreen(Screen[None]):
    """One run: its parameters, metrics, error, and what it prints.

    Args:
        run_id: the run's id.
    """

    CSS = """
    #about { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        with VerticalScroll():
            yield Static(f"reading {self.run_id[-6:]} …", id="about", markup=False)
        yield Footer()

    def show_details(self, details: WatchedDetails) -> None:
        """Show the run as it is now."""
        scroll = self.query_one(VerticalScroll)
        is_at_end = scroll.max_scroll_y > 0 and scroll.scroll_y >= scroll.max_scroll_y
        self.query_one("#about", Static).update(_watch_app_details(details, self.size.width))
        if is_at_end:  # as a console does
            scroll.scroll_end(animate=False)


def _watch_app_details(found: WatchedDetails, width: int) -> RenderableType:
    row = found.row
    colour = STATUSES[row.status.value]
    title = Text.assemble(
        (escape_unprintable_text(f"{row.experiment}: {row.name} "), "bold"),
        (f"{_SIGNS[row.status.value]} {row.status.value}", colour),
    )
    facts = {
        "run": row.run_id,
        "folder": str(found.folder),
        "step": watched_progress_text(row.progress),
        "speed": _watch_app_speed(row, 0),
        "time left": watched_duration_text(row.progress.seconds_left),
        "last value": "" if row.silent is None else f"{watched_duration_text(row.silent)} ago",
        **found.parameters,
    }
    parts: list[RenderableType] = [title, _watch_app_facts(facts)]
    if found.metrics:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("metric", "last", "best", "by step"):
            table.add_column(
                name, justify="right" if name in {"last", "best"} else "left", no_wrap=name != "metric"
            )
        size = max(10, min(60, width - 60))
        for name, last, best, curve in found.metrics:
            texts = (name, number_text(last), number_text(best), _watch_app_curve(curve, size))
            table.add_row(*(Text(escape_unprintable_text(text)) for text in texts))
        parts += [Text(""), table]
    if found.error:
        parts += [Text("\nerror", "bold"), Text(escape_unprintable_text(found.error, "\n"), "red")]
    if found.console is None:
        parts.append(Text("\nwhat it prints is not kept: ExperimentHandler(..., console=True)", "dim"))
    else:
        parts += [Text("\nconsole", "bold"), Text(escape_unprintable_text("\n".join(found.console), "\n"))]
    return Group(*parts)


def _watch_app_facts(facts: dict[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts.items():
        if text:
            table.add_row(Text(escape_unprintable_text(name)), Text(escape_unprintable_text(text)))
    return table
