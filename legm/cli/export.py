"""``legm export``: replays runs into another backend, or writes a table."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.completion_values import complete_backend
from legm.cli.json_output import print_json
from legm.cli.option_values import backend_option_values
from legm.cli.options import json_option, path_argument, selection_options
from legm.cli.printing import say
from legm.core.texts import counted

if TYPE_CHECKING:
    from legm.core.selection import RunSelection
    from legm.export import Report

__all__ = ["export_command"]

_SHOWN = 5  # runs listed below one message


@click.command("export")
@path_argument("root")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--to", required=True, metavar="NAME", shell_complete=complete_backend, help="The backend, or table."
)
@click.option(
    "--backend-option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=backend_option_values,
    help="An option of the backend, such as tracking_uri=…; may be given several times.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The backend's root directory; by default that of the runs.",
)
@click.option(
    "--rows",
    type=click.Choice(["runs", "points"]),
    help="The rows of a table: one for each run (the default), or for each value.",
)
@click.option(
    "--from",
    "source",
    default="local",
    show_default=True,
    metavar="NAME",
    help="The backend that stores the runs.",
)
@click.option(
    "--from-option",
    "source_options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=backend_option_values,
    help="An option of the backend that stores the runs; may be given several times.",
)
@click.option("--experiment", help="Only this experiment, where ROOT cannot name it.")
@selection_options
@json_option
def export_command(
    root: Path,
    out: Path | None,
    to: str,
    rows: str | None,
    options: dict[str, Any],
    into: Path | None,
    *,
    selection: RunSelection,
    as_json: bool,
    **where_from: Any,
) -> None:
    """Replay runs into another backend, or write them to a table.

    ROOT is a root directory, or an experiment or a configuration in it. The table OUT is a .csv or .parquet
    file. A backend receives each run once, however often the command is repeated; the runs are then read back
    from it and compared. The exit status is 1 if something is missing.
    """
    from legm import export
    from legm.cli.locations import named_folder, require_location_folder

    root = named_folder(root)
    require_location_folder(root)

    if to == "table":
        if out is None:
            raise click.UsageError("a table needs a file: legm export ROOT --to table OUT.csv")
        if options or into is not None:
            raise click.UsageError("--backend-option and --into are for backends, not for a table")
        report = export.export_table(root, out, rows or "runs", where=selection.texts, **where_from)
    else:
        if out is not None or rows is not None:
            raise click.UsageError("a file and --rows are for tables: --to table")
        report = export.export_runs(root, to, options, into=into, where=selection.texts, **where_from)
    if as_json:
        print_json(_export_dict(report))
    else:
        _print_export(report, is_table=to == "table")
    if not report.is_complete:
        sys.exit(1)


def _export_dict(report: Report) -> dict[str, Any]:
    from legm.export import State

    return {
        "target": report.target,
        **{state.name.lower(): report.states.get(state, 0) for state in State},
        "points": report.points,
        "equal": report.equal,
        "summaries": report.summaries,
        "runs": [
            {"run": one.where, "state": one.state.name.lower(), "points": one.points, "text": one.text}
            for one in report.runs
        ],
    }


def _print_export(report: Report, *, is_table: bool) -> None:
    from legm.export import State

    counts = {state: report.states.get(state, 0) for state in State}
    written = counts[State.DELIVERED] + (counts[State.RUNNING] if is_table else 0)
    delivered = f"{counted(written, 'run')} with {counted(report.points, 'value')}"
    if is_table:
        say(f"{report.target}: {delivered}")
    else:
        say(f"{report.target}: {delivered} delivered, {counted(counts[State.THERE], 'run')} already there")
        aggregates = f", {counted(report.summaries, 'aggregate')} written" if report.summaries else ""
        say(f"read back and compared: {counted(report.equal, 'run')} equal{aggregates}")
    if counts[State.RUNNING]:
        now = ", and in the table as of now" if is_table else ""
        say(f"{counted(counts[State.RUNNING], 'run')} still running{now}: export again later")
    by_message: defaultdict[tuple[State, str], list[str]] = defaultdict(list)
    for one in report.runs:
        if one.state is not State.RUNNING:
            by_message[one.state, one.text].append(one.where)
    for (state, text), names in by_message.items():
        problem = state is State.MISSING
        click.secho(f"{'missing' if problem else 'note'}: {text}", fg="red" if problem else None, err=problem)
        for name in names[:_SHOWN]:
            click.echo(f"  {name}", err=problem)
        if len(names) > _SHOWN:
            click.echo(f"  and {len(names) - _SHOWN} more", err=problem)
