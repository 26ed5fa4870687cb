"""``legm capture``: run an unchanged script that logs to wandb or mlflow."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from pathlib import Path

import click

from legm.cli.import_ import import_parameter_options, import_report_dict
from legm.cli.json_output import json_value
from legm.cli.options import FOLDER, json_option
from legm.cli.printing import say
from legm.errors import CommandError

__all__ = ["capture_command"]


@click.command("capture", context_settings={"allow_interspersed_args": False})
@click.option(
    "--root",
    type=FOLDER,
    envvar="LEGM_ROOT",
    default=Path("legm-runs"),
    show_default=True,
    help="The root directory for the runs; also set by LEGM_ROOT.",
)
@click.option("--experiment", metavar="NAME", help="The experiment of all runs, instead of the script's own.")
@import_parameter_options
@click.option(
    "--console/--no-console", default=True, help="Whether what COMMAND prints is kept with its runs."
)
@json_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def capture_command(
    *,
    root: Path,
    experiment: str | None,
    seed_param: tuple[str, ...],
    ignore: tuple[str, ...],
    compare: tuple[str, ...],
    name_param: tuple[str, ...],
    console: bool,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run a script and capture what it logs to wandb or mlflow.

    COMMAND runs with its own wandb and mlflow, which log to private stores instead of a server:
    legm capture -- python train.py --lr 0.1. Its runs appear in the root directory while it is running.
    When it has ended, they are compared with what it logged. The exit status is that of COMMAND. What
    --json prints is the last line of the standard output.
    """
    from legm.capture.capture_report import capture_report_lines
    from legm.capture.capturing import capture

    logging.getLogger("legm.capture").setLevel(logging.WARNING)
    try:
        done = capture(
            command,
            root,
            experiment=experiment,
            seed_params=seed_param,
            ignore=ignore,
            compare=compare,
            name_params=name_param,
            console=console,
        )
    except CommandError as error:
        click.echo(f"legm: {error}", err=True)
        sys.exit(error.status)
    if as_json:
        stores = done.kept_stores and str(done.kept_stores)
        reports = [import_report_dict(report) for report in done.reports]
        say(json.dumps(json_value({**dataclasses.asdict(done), "reports": reports, "kept_stores": stores})))
    else:
        for line in capture_report_lines(done, root):
            click.echo(f"legm: {line}", err=True)
    sys.exit(done.status)
