"""``legm resume``: runs a script that continues an earlier run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.errors import CommandError

if TYPE_CHECKING:
    from legm.runlog.log_folder import LogFolder

__all__ = ["resume_command"]


@click.command("resume", context_settings={"allow_interspersed_args": False})
@click.argument("run")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def resume_command(*, run: str, command: tuple[str, ...]) -> None:
    """Run a script that continues a run instead of beginning a new one.

    RUN is ROOT/ with a run's id or the end of it behind it, as for legm show; or a configuration's folder,
    for its newest run. COMMAND is run with LEGM_RESUME set to its id: legm resume results/3f2a1c -- python
    train.py. The script's parameters must be those of the run; it loads its own checkpoint. The exit status
    is that of COMMAND, or 1 where it did not resume the run.
    """
    from legm.capture.script_process import ScriptProcess
    from legm.delivery.resuming import RESUME
    from legm.runlog.log_folder import LogFolder, find_run_log

    command = command[command[0] == "--" :]  # after an argument, click leaves it where it is
    if not command:
        raise click.UsageError("a COMMAND is missing: legm resume ROOT/RUN -- python train.py")
    log = find_run_log(Path(), run)
    logs = LogFolder.containing(log)
    before = _stretches(logs, log.stem)
    process = ScriptProcess(command, {**os.environ, RESUME: log.stem})
    with process.signals_forwarded():
        status = process.status
    if not status and _stretches(logs, log.stem) == before:
        raise CommandError(
            f"{command[0]} ended without resuming the run {log.stem}: its parameters may be those of another "
            "configuration, or it passes resume= to start() itself",
            1,
        )
    raise SystemExit(status)


def _stretches(logs: LogFolder, run_id: str) -> int:
    """How many processes have written a run; 0 where it is not there any more."""
    from legm.records import Resumption

    known = logs.read(run_id)
    return 0 if known is None else 1 + sum(isinstance(one, Resumption) for one in known.records)
