"""``python -m benchmarks``: measure, and print one table."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.rows import FULL, QUICK, Plan, Row, plan, short
from benchmarks.sample import FailedError, NotInstalled, Probe, run
from legm.util.child_processes import interrupted_by_signals

_LIBRARIES = [
    "legm",
    "numpy",
    "matplotlib",
    "pluggy",
    "filelock",
    "google-crc32c",
    "PyYAML",
    "tensorboard",
    "tensorboardX",
    "plotly",
    "wandb",
    "mlflow",
    "mlflow-skinny",
    "SQLAlchemy",
    "trackio",
    "pandas",
    "polars",
    "pyarrow",
]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these rows")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that it works, measures nothing"
    )
    parser.add_argument("--rounds", type=int, help="how many rounds; the median over them is shown")
    parser.add_argument(
        "--for",
        dest="duration",
        type=_seconds,
        metavar="DURATION",
        help="stop after 90s, 10m or 1h, with what was measured by then",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--markdown", action="store_true", help="print the table as README.md has it")
    asked = parser.parse_args()

    planned = plan(QUICK if asked.quick else FULL)
    names = [row.name for row in planned.rows]
    if asked.list:
        for row in planned.rows:
            print(f"{row.name:22} {row.what}")
        return
    for name in asked.only or ():
        if name not in names:
            parser.error(f"there is no row {name!r}; there are {', '.join(names)}")
    rows = [row for row in planned.rows if not asked.only or row.name in asked.only]
    machine = _machine()
    console, status = Console(stderr=True), 0
    with tempfile.TemporaryDirectory(prefix="legm-benchmarks-", ignore_cleanup_errors=True) as folder:
        measurement = Measurement(planned, rows, Path(folder), asked.duration)

        def reports() -> list[dict[str, Any]]:
            return [measurement.report(row, judged=not asked.quick) for row in rows]

        def keep() -> None:
            if asked.json:
                content = {"machine": machine, "quick": asked.quick, "stopped": measurement.stopped}
                content |= {"rows": reports(), "rounds": measurement.rounds}
                asked.json.write_text(
                    json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
                )

        with interrupted_by_signals():
            try:
                for row in measurement.measure(asked.rounds or planned.rounds, console):
                    cells = _cells(measurement.report(row, judged=False))
                    console.print(
                        f"{cells[0]:22} {cells[2]:>16}  {cells[6]}",
                        highlight=False,
                        markup=False,
                        soft_wrap=True,
                    )
                    keep()
            except KeyboardInterrupt:
                measurement.stopped = "it was interrupted"
                status = 130
            except FailedError as error:
                measurement.stopped = str(error)
                status = 1
    keep()
    if asked.markdown:
        _print_markdown(reports(), machine)
    else:
        _show(reports(), machine)
    if measurement.stopped:
        rounds = len(measurement.rounds)
        console.print(
            f"{measurement.stopped}, in round {rounds}: the table has what was measured by then", markup=False
        )
    raise SystemExit(status)


def _seconds(text: str) -> float:
    """A duration such as 90s, 10m or 1h, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 10m or 1h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


class Measurement:
    """What has been measured so far; what is interrupted keeps what it has.

    Args:
        planned: the fixtures and tasks.
        rows: the rows that are asked for.
        folder: for everything that is written.
        duration: seconds after which no more is measured; None for as long as it takes.
    """

    def __init__(
        self, planned: Plan, rows: Sequence[Row], folder: Path, duration: float | None = None
    ) -> None:
        self._planned = planned
        self._rows = rows
        self._folder = folder
        self._until = math.inf if duration is None else time.monotonic() + duration
        self._numbers = itertools.count()
        self._places: dict[str, Path] = {}
        self._built: dict[str, dict[str, float]] = {}
        self._took: dict[str, float] = {}
        self.rounds: list[dict[str, dict[str, float]]] = []
        """The numbers of each round, by task; the last one may lack some."""
        self.missing: set[str] = set()
        """Tasks whose peer is not installed."""
        self.stopped = ""
        """Why not everything was measured; "" where it was."""

    def measure(self, count: int, console: Console) -> Iterator[Row]:
        """Measure round after round: every task once, then every task again.

        A task that takes part in fewer rounds has its earlier numbers again in the others. With a duration,
        a task that would not end in time is left out.

        Args:
            count: how many rounds.
            console: for what is going on.

        Yields:
            each row when it has its first figure.
        """
        names = list(dict.fromkeys(name for row in self._rows for name in row.tasks))
        shown: set[str] = set()
        for number in range(count):
            self.rounds.append({})
            for name in names:
                if name in self._planned.tasks and name not in self.missing:
                    console.print(f"[dim]round {number + 1} of {count}: {name}", highlight=False)
                    self._measure_task(name, number, console)
                elif name in self._planned.fixtures:
                    self._fill(name, console)
                self.rounds[number] |= self._built
                for row in self._rows:
                    if row.name not in shown and (self._is_missing(row) or self._values_of(row)):
                        shown.add(row.name)
                        yield row

    def _measure_task(self, name: str, number: int, console: Console) -> None:
        task = self._planned.tasks[name]
        if number >= task.most:
            found = self.rounds[number % task.most].get(name)
            if found is not None:
                self.rounds[number][name] = found
            return
        for fixture in filter(None, task.folders.values()):
            self._fill(fixture, console)
        folders = {
            argument: str(self._places[fixture] if fixture else self._new_folder())
            for argument, fixture in task.folders.items()
            if not fixture or fixture in self._places
        }
        if len(folders) < len(task.folders):
            return
        fresh = {"fresh": number} if task.numbered else {}
        try:
            found = self._run(name, task.probe, {**task.arguments, **folders, **fresh})
        except NotInstalled:
            self.missing.add(name)
            return
        if found is not None:
            self.rounds[number][name] = found

    def _fill(self, name: str, console: Console) -> None:
        """Fill a fixture's folder, once."""
        if name in self._built:
            return
        console.print(f"[dim]filling a folder: {name}", highlight=False)
        place, fixture = self._new_folder(), self._planned.fixtures[name]
        found = self._run(name, fixture.probe, {"folder": str(place), **fixture.arguments})
        if found is not None:
            self._places[name], self._built[name] = place, found

    def _run(self, name: str, probe: Probe, arguments: Mapping[str, Any]) -> dict[str, float] | None:
        """The numbers of a probe; None where it would not end in time, or did not."""
        left = self._until - time.monotonic()
        if left <= self._took.get(name, 0.0):
            self.stopped = "the time was over"
            return None
        began = time.monotonic()
        try:
            if left == math.inf:
                return run(probe, arguments, self._new_folder())
            return run(probe, arguments, self._new_folder(), left)
        except subprocess.TimeoutExpired:
            self.stopped = "the time was over"
            return None
        finally:
            self._took[name] = time.monotonic() - began

    def _new_folder(self) -> Path:
        made = self._folder / f"{next(self._numbers)}"
        made.mkdir()
        return made

    def _is_missing(self, row: Row) -> bool:
        return not self.missing.isdisjoint(row.tasks)

    def _values_of(self, row: Row) -> list[tuple[float, dict[str, dict[str, float]]]]:
        """A row's figure in each round that has all of its tasks, with the round."""
        return [(row.value(found), found) for found in self.rounds if found.keys() >= set(row.tasks)]

    def report(self, row: Row, *, judged: bool) -> dict[str, Any]:
        """A row with its figure, as it goes into the JSON file; small sizes are not judged."""
        report: dict[str, Any] = {"name": row.name, "what": row.what, "unit": row.unit, "limit": row.limit}
        report["at_least"] = row.at_least
        nothing = {"value": None, "values": [], "beside": ""}
        if self._is_missing(row):
            return {**report, **nothing, "verdict": "not installed"}
        found = self._values_of(row)
        if not found:
            return {**report, **nothing, "verdict": "not measured"}
        values = [value for value, _ in found]
        value = statistics.median_low(values)
        verdict = ""
        if row.limit is not None and judged:
            verdict = "reached" if (value >= row.limit if row.at_least else value <= row.limit) else "missed"
        beside = row.beside(found[values.index(value)][1])
        return {**report, "value": value, "values": values, "beside": beside, "verdict": verdict}


_HEADINGS = ("row", "what", "median", "range", "to reach", "verdict", "beside it")


def _cells(report: Mapping[str, Any]) -> tuple[str, ...]:
    """A row as a person reads it."""
    values, unit, limit = report["values"], report["unit"], report["limit"]
    return (
        report["name"],
        report["what"],
        "" if report["value"] is None else f"{short(report['value'])} {unit}".strip(),
        f"{short(min(values))}-{short(max(values))}" if len(set(values)) > 1 else "",
        "" if limit is None else f"{'≥' if report['at_least'] else '≤'} {limit:,} {unit}".strip(),
        report["verdict"],
        report["beside"],
    )


def _show(reports: list[dict[str, Any]], machine: Mapping[str, Any]) -> None:
    table = Table(caption=_described(machine), caption_justify="left")
    for heading in _HEADINGS:
        justify: Literal["left", "right"] = "right" if heading in {"median", "range"} else "left"
        table.add_column(heading, justify=justify, no_wrap=heading not in {"what", "beside it"})
    styles = {"reached": "green", "missed": "bold red", "not installed": "dim", "not measured": "dim"}
    for report in reports:
        table.add_row(*map(escape, _cells(report)), style=styles.get(report["verdict"]))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def _print_markdown(reports: list[dict[str, Any]], machine: Mapping[str, Any]) -> None:
    print(_described(machine) + "\n")
    for cells in (_HEADINGS, ("---", "---", "---:", "---:", "---", "---", "---"), *map(_cells, reports)):
        print("| " + " | ".join(cells) + " |")


def _machine() -> dict[str, Any]:
    """What it was measured on; nothing that tells whose it is."""
    installed = {name.lower() for each in distributions() if (name := each.metadata["Name"])}
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES if name.lower() in installed},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _described(machine: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    return f"{where}, Python {machine['python']}; {libraries}"


if __name__ == "__main__":
    main()
