"""``python -m benchmarks``: measure, and print one table."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.rows import FULL, QUICK, Plan, Row, plan, short
from benchmarks.sample import NotInstalled, run

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
    missing: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="legm-benchmarks-", ignore_cleanup_errors=True) as folder:
        rounds = _measured(planned, rows, asked.rounds or planned.rounds, Path(folder), missing)
    reports = [_report(row, rounds, missing, judged=not asked.quick) for row in rows]
    machine = _machine()
    if asked.markdown:
        _print_markdown(reports, machine)
    else:
        _show(reports, machine)
    if asked.json:
        content = {"machine": machine, "quick": asked.quick, "rows": reports, "rounds": rounds}
        asked.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _measured(
    planned: Plan, rows: Iterable[Row], count: int, folder: Path, missing: set[str]
) -> list[dict[str, dict[str, float]]]:
    """The numbers of each round: every task once, then every task again.

    A task that takes part in fewer rounds has its earlier numbers again in the others.
    """
    wanted = dict.fromkeys(name for row in rows for name in row.tasks)
    tasks = {name: planned.tasks[name] for name in wanted if name in planned.tasks}
    shared = {name for name in wanted if name in planned.fixtures}
    shared |= {fixture for task in tasks.values() for fixture in task.folders.values() if fixture}
    progress = Console(stderr=True)
    numbers = itertools.count()

    def new_folder() -> Path:
        made = folder / f"{next(numbers)}"
        made.mkdir()
        return made

    places: dict[str, Path] = {}
    built: dict[str, dict[str, float]] = {}
    for name in sorted(shared):
        progress.print(f"[dim]filling a folder: {name}", highlight=False)
        places[name], filled = new_folder(), planned.fixtures[name]
        built[name] = run(filled.probe, {"folder": str(places[name]), **filled.arguments}, new_folder())
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(count):
        found = dict(built)
        for name, task in tasks.items():
            if name in missing:
                continue
            if number >= task.most:
                found[name] = rounds[number % task.most][name]
                continue
            progress.print(f"[dim]round {number + 1} of {count}: {name}", highlight=False)
            arguments = dict(task.arguments)
            for argument, fixture in task.folders.items():
                arguments[argument] = str(places[fixture] if fixture else new_folder())
            if task.numbered:
                arguments["fresh"] = number
            try:
                found[name] = run(task.probe, arguments, new_folder())
            except NotInstalled:
                missing.add(name)
        rounds.append(found)
    return rounds


def _report(
    row: Row, rounds: list[dict[str, dict[str, float]]], missing: set[str], *, judged: bool
) -> dict[str, Any]:
    """A row with its figure, as it goes into the JSON file; small sizes are not judged."""
    report: dict[str, Any] = {"name": row.name, "what": row.what, "unit": row.unit, "limit": row.limit}
    report["at_least"] = row.at_least
    if missing.intersection(row.tasks):
        return {**report, "value": None, "values": [], "beside": "", "verdict": "not installed"}
    values = [row.value(found) for found in rounds]
    value = statistics.median_low(values)
    verdict = ""
    if row.limit is not None and judged:
        verdict = "reached" if (value >= row.limit if row.at_least else value <= row.limit) else "missed"
    beside = row.beside(rounds[values.index(value)])
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
    styles = {"reached": "green", "missed": "bold red", "not installed": "dim"}
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
