"""``legm capture``: run an unchanged script that logs to wandb or mlflow."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.basic_options import script_options
from legm.errors import CommandError

if TYPE_CHECKING:
    from legm.capture import Capture

__all__ = ["capture_as_dict", "capture_command", "capture_script", "report_capture"]


@click.command("capture", context_settings={"allow_interspersed_args": False})
@script_options
def capture_command(*, as_json: bool, root: Path, command: tuple[str, ...], **options: Any) -> None:
    """Run a script and capture what it logs to wandb or mlflow.

    COMMAND runs with its own wandb and mlflow, which log to private stores instead of a server:
    legm capture -- python train.py --lr 0.1. Its runs appear in the root directory while it is running.
    When it has ended, they are compared with what it logged. The exit status is that of COMMAND. What
    --json prints is the last line of the standard output.
    """
    done = capture_script(command, root, **options)
    if as_json:
        click.echo(json.dumps(capture_as_dict(done)))
    else:
        report_capture(done, root)
    sys.exit(done.status)


def capture_script(
    command: Sequence[str],
    root: Path,
    *,
    experiment: str | None = None,
    seed_param: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    compare: tuple[str, ...] = (),
    name_param: tuple[str, ...] = (),
    console: bool | None = None,
) -> Capture:
    """Capture a script with the options of the command; exits where the script cannot be run."""
    from legm.capture.capturing import capture

    logging.getLogger("legm.capture").setLevel(logging.WARNING)
    try:
        return capture(
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


def capture_as_dict(done: Capture) -> Any:
    """What a capture did, for JSON."""
    from legm.cli.import_ import import_report_dict
    from legm.cli.json_output import json_value

    stores = done.kept_stores and str(done.kept_stores)
    reports = [import_report_dict(report) for report in done.reports]
    return json_value({**dataclasses.asdict(done), "reports": reports, "kept_stores": stores})


def report_capture(done: Capture, root: Path) -> None:
    """Print what a capture did on standard error."""
    from legm.capture.capture_report import capture_report_lines

    for line in capture_report_lines(done, root):
        click.echo(f"legm: {line}", err=True)
