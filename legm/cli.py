"""The command line: ``legm``, the same as ``python -m legm``."""

from __future__ import annotations

import io
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from legm.errors import LegmError
from legm.importers.command import import_command

if TYPE_CHECKING:
    from rich.table import Table

    from legm.overview import Overview
    from legm.owed import Delivered
    from legm.records import RunResult, Series

__all__ = ["main"]

F = TypeVar("F", bound=Callable[..., Any])

_STATUSES = ("completed", "failed", "interrupted", "running")
_STYLES = {"completed": "green", "failed": "red", "interrupted": "yellow", "running": "cyan"}


class _Group(click.Group):
    """Tells legm's own errors as messages, not as tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LegmError as error:
            raise click.ClickException(str(error)) from error


def _json_option(function: F) -> F:
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print JSON; NaN and infinities are the strings nan, inf, -inf.",
    )(function)


_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="legm", prog_name="legm")
def main() -> None:
    """Look at experiments that legm keeps in local folders."""
    import logging

    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.ERROR, format="legm: %(message)s")


main.add_command(import_command)


@main.command("ls")
@click.argument("root", type=_FOLDER, default=Path())
@_json_option
def list_command(root: Path, *, as_json: bool) -> None:
    """List the configurations below ROOT with their runs of each kind.

    ROOT is a root directory or the folder of an experiment; the current folder without one.
    """
    from legm.overview import configurations, look

    found = [look(folder) for folder in configurations(root)]
    if as_json:
        _print_json([_overview_dict(one, root) for one in found])
        return
    if not found:
        click.echo(f"no configurations below {root}")
        return
    by_experiment: dict[str, list[Overview]] = {}
    for one in found:
        experiment = one.configuration.experiment if one.configuration else one.folder.parent.name
        by_experiment.setdefault(experiment, []).append(one)
    for experiment, members in by_experiment.items():
        click.secho(experiment, bold=True)
        _print(_configurations_table(members))
        click.echo()
    _print_problems(found)


@main.command()
@click.argument("config", type=_FOLDER)
@_json_option
def show(config: Path, *, as_json: bool) -> None:
    """Show the configuration in the folder CONFIG: its parameters, runs and aggregates."""
    from legm.aggregate import summarise_runs, summary_as_dict
    from legm.overview import look
    from legm.tallies import POOLED

    one = look(config, POOLED)
    by_description: dict[str, list[RunResult]] = {}
    for run in one.runs:
        by_description.setdefault(run.run.description, []).append(run)
    aggregates = {text: summary_as_dict(summarise_runs(runs)) for text, runs in by_description.items()}
    if as_json:
        _print_json({**_overview_dict(one, None), "aggregates": aggregates})
        return
    if one.configuration is not None:
        found = one.configuration
        click.echo(f"{found.experiment}: {config.name}\n{found.fingerprint}\n")
        parameters = _table("parameter", "value", "")
        for name, value in found.parameters.items():
            note = "" if name in found.active else _why_inactive(one, name)
            parameters.add_row(_text(name), _text(_as_text(value)), _text(note))
        _print(parameters)
    for text, runs in by_description.items():
        click.echo(f"\nruns{f' with the description {text!r}' if text else ''}:")
        _print(_runs_table(runs))
        _print(_aggregates_table(aggregates[text]))
    if not one.runs:
        click.echo("\nno runs yet")
    _print_problems([one])


@main.command()
@click.argument("a", type=_FOLDER)
@click.argument("b", type=_FOLDER)
@_json_option
def diff(a: Path, b: Path, *, as_json: bool) -> None:
    """Say which parameters make the configurations in the folders A and B differ."""
    from legm.backends.local.folders import read_configuration
    from legm.overview import compare

    found = compare(read_configuration(a), read_configuration(b))
    if as_json:
        _print_json(
            [
                {
                    "name": one.name,
                    "a": one.ours,
                    "b": one.theirs,
                    "a_active": not one.our_note,
                    "b_active": not one.their_note,
                }
                for one in found
            ]
        )
        return
    if not found:
        click.echo("the same configuration")
        return
    table = _table("parameter", a.name, b.name)
    for one in found:
        table.add_row(
            _text(one.name),
            _text(one.our_note or _as_text(one.ours)),
            _text(one.their_note or _as_text(one.theirs)),
        )
    _print(table)


@main.command()
@click.argument("root", type=_FOLDER, default=Path())
@_json_option
def recover(root: Path, *, as_json: bool) -> None:
    """Find the runs below ROOT whose process ended without log(), and keep what they hold.

    A run that was completed but not stored is stored; another one is marked as interrupted. Damaged
    entries are taken from the run logs again.
    """
    from legm import overview

    rows, notes = [], []
    for folder, settled, messages in overview.recover(root):
        rows += [{"configuration": str(folder), **_run_dict(result)} for result in settled]
        notes += messages
    if as_json:
        _print_json({"runs": rows, "repairs": notes})
        return
    if rows:
        table = _table("configuration", "run", "status", "last step", "points", "started")
        for row in rows:
            table.add_row(
                _text(Path(row["configuration"]).name),
                _text(row["run_id"]),
                _status(row["status"]),
                _number(row["last_step"]),
                _number(row["points"]),
                _moment(row["started"]),
            )
        _print(table)
    for note in notes:
        click.echo(note)
    if not rows and not notes:
        click.echo("nothing to recover")


@main.command()
@click.argument("root", type=_FOLDER, default=Path())
@click.option("--to", help="Only what is owed to this backend.")
@click.option("--watch", is_flag=True, help="Go on delivering what runs come to owe, until Ctrl-C.")
@_json_option
def sync(root: Path, to: str | None, *, watch: bool, as_json: bool) -> None:
    """Deliver what runs below ROOT still owe to MLflow and other remote backends.

    Each value is delivered once, however often this is called. The exit status is 1 where something
    is still owed. With --watch this goes on as a service would; Ctrl-C or SIGTERM ends it with status 0,
    and --json prints a line for each delivery.
    """
    from legm import owed

    if watch:
        _watch(owed.watch(root, to), as_json=as_json)
        return
    done = []
    for one in owed.sync(root, to):
        done.append(one)
        if not as_json:
            _print_delivered(one)
    if as_json:
        _print_json([_delivered_dict(one) for one in done])
    elif not done:
        click.echo("nothing is owed")
    if any(one.problem for one in done):
        sys.exit(1)


def _watch(deliveries: Iterator[Delivered], *, as_json: bool) -> None:
    import signal

    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGINT, signal.SIGTERM)}
    runs = values = 0
    try:
        if not as_json:
            click.echo("waiting for runs that owe something (Ctrl-C ends it)")
        for one in deliveries:
            if one.result is not None:
                runs, values = runs + 1, values + one.result.points
            if as_json:
                click.echo(json.dumps(_printable(_delivered_dict(one))))
            else:
                _print_delivered(one)
    except KeyboardInterrupt:
        if not as_json:
            click.echo(f"\n{runs} {'delivery' if runs == 1 else 'deliveries'} with {values:,} values")
    finally:
        for one_signal, handler in before.items():
            signal.signal(one_signal, handler)


def _print_delivered(one: Delivered) -> None:
    if one.result is not None:
        click.echo(f"{one.backend}: run {one.result.run.run_id} with {one.result.points} values delivered")
    else:
        why = one.problem or "a living process delivers it itself"
        click.echo(f"{one.backend or 'unknown'}: {one.path.stem} is still owed: {why}")


def _delivered_dict(one: Delivered) -> dict[str, Any]:
    return {
        "log": str(one.path),
        "backend": one.backend,
        "run": _run_dict(one.result) if one.result else None,
        "problem": one.problem or None,
    }


@main.command()
@_json_option
def backends(*, as_json: bool) -> None:
    """List the backends that can be named, what each can do, and what keeps one from being used."""
    from dataclasses import asdict

    from legm.registry import installed

    found = installed()
    if as_json:
        _print_json([asdict(one) for one in found])
        return
    for one in found:
        click.echo(f"{one.name} ({one.package}): {one.problem or ', '.join(one.capabilities)}")


@main.command("mlflow-ui")
@click.argument("root", type=_FOLDER, default=Path())
@click.option("--port", default=5000, show_default=True, help="The port on 127.0.0.1.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
def mlflow_ui(root: Path, *, port: int, only_print: bool) -> None:
    """Open MLflow's page on the runs that the MLflow backend keeps in ROOT."""
    import os
    import shlex
    import subprocess

    from legm.overview import mlflow_ui_command

    command = mlflow_ui_command(root, port)
    if only_print:
        click.echo(shlex.join(command))
        return
    click.echo(f"MLflow's page will be at http://127.0.0.1:{port} (Ctrl-C ends it)")
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    try:
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603
    except KeyboardInterrupt:
        sys.exit(0)


# What is shown


def _overview_dict(one: Overview, root: Path | None) -> dict[str, Any]:
    found = one.configuration
    return {
        "folder": str(one.folder if root is None else one.folder.relative_to(root)),
        "experiment": found.experiment if found else None,
        "name": found.name if found else None,
        "fingerprint": found.fingerprint if found else None,
        "parameters": found.parameters if found else None,
        "active": list(found.active) if found else None,
        "runs": [_run_dict(run) for run in one.runs],
        "problem": one.problem or None,
    }


def _run_dict(result: RunResult) -> dict[str, Any]:
    return {
        "run_id": result.run.run_id,
        "status": result.status.value,
        "description": result.run.description,
        "started": result.run.started,
        "ended": result.ended,
        "points": result.points,
        "last_step": result.last_step,
        "best_step": result.best_step,
        "best": _by_text(result.best),
        "test": _by_text(result.test),
        "parameters": result.run.parameters,
        "error": result.error,
    }


def _by_text(values: Any) -> dict[str, Any]:
    return {_series_text(series): value for series, value in values.items()}


def _series_text(series: Series) -> str:
    return series.name if series.index is None else f"{series.name}[{series.index}]"


def _configurations_table(members: Sequence[Overview]) -> Table:
    table = _table("configuration", "runs", "", "last run", "parameters")
    for one in members:
        counts = Counter(run.status.value for run in one.runs)
        others = ", ".join(
            f"[{_STYLES[status]}]{counts[status]} {status}[/]" for status in _STATUSES[1:] if counts[status]
        )
        last = max((run.ended or run.run.started for run in one.runs), default=None)
        completed = _number(counts["completed"])
        table.add_row(_text(one.folder.name), completed, others, _moment(last), _text(_parameters(one)))
    return table


def _runs_table(runs: Sequence[RunResult]) -> Table:
    best = sorted({s.name for run in runs for s in run.best if s.index is None})
    test = sorted({s.name for run in runs for s in run.test if s.index is None})
    own = sorted({name for run in runs for name in run.run.parameters})
    headers = [*own, *(f"best {name}" for name in best), *(f"test {name}" for name in test)]
    table = _table("run", "status", "step", "points", *headers)
    for run in runs:
        values = {s.name: v for s, v in run.best.items() if s.index is None}
        tests = {s.name: v for s, v in run.test.items() if s.index is None}
        step = run.best_step if run.best_step is not None else run.last_step
        table.add_row(
            _text(run.run.run_id[-6:]),  # the piece that tells runs apart; --json has all of it
            _status(run.status.value),
            _number(step),
            _number(run.points),
            *(_text(str(run.run.parameters.get(name, ""))) for name in own),
            *(_number(values.get(name)) for name in best),
            *(_number(tests.get(name)) for name in test),
        )
    return table


def _aggregates_table(aggregates: dict[str, Any]) -> Table:
    table = _table("metric", "mean", "std", "n", "nan")
    for name, value in aggregates.items():
        is_one = isinstance(value.get("method"), str)  # and no example that is called so
        rows = {name: value} if is_one else {f"{name}[{index}]": v for index, v in value.items()}
        for label, one in rows.items():
            table.add_row(_text(label), *(_number(one[column]) for column in ("mean", "std", "n", "nan")))
    return table


def _why_inactive(one: Overview, name: str) -> str:
    assert one.configuration is not None  # noqa: S101
    metadata = one.configuration.metadata.get(name, {})
    if metadata.get("disable_comparison"):
        return "not compared"
    parents = ", ".join(metadata.get("parents", {}))
    off = one.configuration.parameters[name] in (None, False)
    return "inactive" if off or not parents else f"inactive (depends on {parents})"


def _parameters(one: Overview) -> str:
    found = one.configuration
    if found is None:
        return "?"
    return ", ".join(f"{name}={found.parameters[name]}" for name in found.active)


def _printable(value: Any) -> Any:
    """A value in which NaN and infinities are text, since JSON has none."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _as_text(value: Any) -> str:
    return json.dumps(_printable(value), ensure_ascii=False)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(_printable(value), indent=2))


_NUMBERS = ("runs", "step", "last step", "points", "mean", "std", "n", "nan")
_FOLDED = ("configuration", "parameters", "parameter", "value")


def _table(*headers: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in headers:
        right = header in _NUMBERS or header.startswith(("best ", "test "))
        table.add_column(
            _text(header),
            justify="right" if right else "left",
            no_wrap=header not in _FOLDED,
            overflow="fold" if header in _FOLDED else "ellipsis",
        )
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:  # nobody's screen: as wide as it needs
        console.width = 10_000
    console.print(table)


def _print_problems(found: Sequence[Overview]) -> None:
    for one in found:
        if one.problem:
            click.secho(f"damaged: {one.problem}", fg="red", err=True)


def _text(text: str) -> Any:
    """Text in which brackets are no markup."""
    from rich.text import Text

    return Text(text)


def _status(status: str) -> str:
    return f"[{_STYLES[status]}]{status}[/]"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _moment(seconds: float | None) -> str:
    if not seconds:
        return ""
    return f"{datetime.fromtimestamp(seconds, timezone.utc).astimezone():%Y-%m-%d %H:%M}"
