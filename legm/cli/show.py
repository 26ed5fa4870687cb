"""``legm show``: one configuration, its parameters, runs and aggregates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.options import backend_options, json_option, path_argument
from legm.cli.output import (
    are_printed_as_numbers,
    color_statuses,
    configuration_dict,
    json_line,
    print_json,
    print_problems,
    print_table,
    printed_number,
    printed_numbers,
    run_dict,
    say,
)
from legm.cli.terminal_tables import Column

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.records import Configuration, RunResult

__all__ = ["show_command"]

At = Callable[[Path], "Location"]


@click.command("show")
@path_argument("config")
@backend_options
@json_option
def show_command(config: Path, *, at: At, as_json: bool) -> None:
    """Show a configuration: its parameters, runs and aggregates.

    CONFIG is its folder, or ROOT/EXPERIMENT/NAME with the name that legm ls prints or part of the
    fingerprint.
    """
    from legm.cli.locations import configuration_at, located_overview
    from legm.stats.aggregate import aggregate_runs, summary_as_dict

    label, one = located_overview(*configuration_at(at(config)))
    by_description: dict[str, list[RunResult]] = {}
    for run in one.runs:
        by_description.setdefault(run.run.description, []).append(run)
    aggregates = {text: summary_as_dict(aggregate_runs(runs)) for text, runs in by_description.items()}
    if as_json:
        print_json(
            {
                "folder": str(one.folder),
                **configuration_dict(one.configuration),
                "runs": [run_dict(run) for run in one.runs],
                "aggregates": aggregates,
                "problem": one.problem or None,
            }
        )
        return
    if one.configuration is not None:
        _show_configuration(one.configuration, label)
    for text, runs in by_description.items():
        say(f"\nruns{f' with the description {text!r}' if text else ''}:")
        _show_runs(runs)
        if aggregates[text]:
            say()
            _show_aggregates(aggregates[text])
    if not one.runs:
        say("\nno runs yet")
    print_problems([one.problem] if one.problem else [])


def _show_configuration(found: Configuration, label: str) -> None:
    say(f"{found.experiment}: {label}", bold=True)
    say(f"{found.fingerprint}\n")
    columns = [
        Column("parameter", fit="fold"),
        Column("value", fit="fold"),
        Column("note"),
    ]
    rows = [
        (name, json_line(value), "" if name in found.active else _shown_inactive_reason(found, name))
        for name, value in found.parameters.items()
    ]
    print_table(columns, rows)


def _shown_inactive_reason(found: Configuration, name: str) -> str:
    metadata = found.metadata.get(name, {})
    if metadata.get("disable_comparison"):
        return "not compared"
    parents = ", ".join(metadata.get("parents", {}))
    off = found.parameters[name] in (None, False)
    return "inactive" if off or not parents else f"inactive (depends on {parents})"


def _show_runs(runs: Sequence[RunResult]) -> None:
    from legm.core.texts import value_texts

    columns = [
        Column("run"),
        Column("status", paint=color_statuses),
        Column("step", right=True),
        Column("points", right=True),
    ]
    cells = [
        [run.run.run_id[-6:] for run in runs],  # the part that distinguishes runs; --json has all of it
        [run.status.value for run in runs],
        [printed_number(run.best_step if run.best_step is not None else run.last_step) for run in runs],
        [printed_number(run.points) for run in runs],
    ]
    for name in sorted({name for run in runs for name in run.run.parameters}):
        own = [run.run.parameters[name] for run in runs if name in run.run.parameters]
        texts = iter(value_texts(own))
        columns.append(Column(name, right=are_printed_as_numbers(own)))
        cells.append([next(texts) if name in run.run.parameters else "" for run in runs])
    for kind, values in (("best", [run.best for run in runs]), ("test", [run.test for run in runs])):
        for series in sorted({s for of in values for s in of if s.index is None}, key=lambda s: s.name):
            columns.append(Column(f"{kind} {series.name}", right=True))
            cells.append(printed_numbers([of.get(series) for of in values]))
    print_table(columns, list(zip(*cells, strict=True)))


def _show_aggregates(aggregates: dict[str, Any]) -> None:
    rows = []
    for name, value in aggregates.items():
        is_one = isinstance(value.get("method"), str)  # and not an index of that name
        for label, one in (
            {name: value} if is_one else {f"{name}[{i}]": v for i, v in value.items()}
        ).items():
            rows.append((label, *(printed_number(one[column]) for column in ("mean", "std", "n", "nan"))))
    print_table(
        [
            Column("metric", fit="fold"),
            *(Column(name, right=True) for name in ("mean", "std", "n", "nan")),
        ],
        rows,
    )
