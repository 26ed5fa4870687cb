"""``legm resume``: runs a script that continues an earlier run."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.core.origins import IMPORTED
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
    train.py. The script's parameters must be those of the run; it loads its own checkpoint. A script of wandb
    or mlflow is recorded as it was for the run, by legm capture or the stand-ins, in the same root directory.
    The exit status is that of COMMAND, or 1 where it did not resume the run.
    """
    from legm.delivery.resuming import RESUME
    from legm.runlog.log_folder import LogFolder, find_run_log

    command = command[command[0] == "--" :]  # after an argument, click leaves it where it is
    if not command:
        raise click.UsageError("a COMMAND is missing: legm resume ROOT/RUN -- python train.py")
    log = find_run_log(Path(), run)
    logs = LogFolder.containing(log)
    before = _stretches_to_resume(logs, log.stem)
    asked_before = os.environ.get(RESUME)
    os.environ[RESUME] = log.stem
    try:
        status = _resume_run_as_before(log, command)
    finally:
        del os.environ[RESUME]
        if asked_before is not None:
            os.environ[RESUME] = asked_before
    if not status and _stretches_to_resume(logs, log.stem) == before:
        raise CommandError(
            f"{command[0]} ended without resuming the run {log.stem}: its parameters may be those of another "
            "configuration, or it passes resume= to start() itself",
            1,
        )
    raise SystemExit(status)


def _resume_run_as_before(log: Path, command: Sequence[str]) -> int:
    """Run a command as the one that began a run was: captured, with stand-ins, or as it is.

    Returns:
        its exit status.
    """
    from legm.capture.script_process import ScriptProcess
    from legm.cli.run import command_with_stand_ins
    from legm.core.origins import DROP_IN
    from legm.delivery.script_runs import LAUNCH
    from legm.runlog.log_reader import read_log_head

    known, root, environment = read_log_head(log).run.environment, _root_of_resumed_log(log), dict(os.environ)
    imported = known.get(IMPORTED)
    if _runs_legm(command):  # which says itself how, and maybe where
        environment.setdefault("LEGM_ROOT", str(root))
    elif isinstance(imported, dict) and LAUNCH in imported:
        from legm.cli.capture import capture_script, report_capture

        experiment = str(imported["experiment"]) if "captured_experiment" in imported else None
        done = capture_script(command, root, experiment=experiment)
        report_capture(done, root)
        return done.status
    elif DROP_IN in known:
        command, environment = command_with_stand_ins(command, {"LEGM_ROOT": str(root)})
    process = ScriptProcess(command, environment)
    with process.signals_forwarded():
        return process.status


def _runs_legm(command: Sequence[str]) -> bool:
    """Whether a command is one of legm, which records a script."""
    names = {Path(command[0]).name, *(b for a, b in itertools.pairwise(command) if a == "-m")}
    return bool(names & {"legm", "legm.compat"})


def _root_of_resumed_log(log: Path) -> Path:
    """The root directory that a run is in."""
    from legm.cli.changing import root_of_changes
    from legm.runlog.configuration_folders import is_configuration_folder
    from legm.runlog.log_folder import LogFolder

    folder = LogFolder.containing(log).folder.parent.absolute()
    return root_of_changes(folder) if is_configuration_folder(folder) else folder.parent.parent.parent


def _stretches_to_resume(logs: LogFolder, run_id: str) -> tuple[int, int]:
    """How many processes have written a run, and when it was written last; 0 where it is not there any more.

    A captured run that was resumed is written anew, and a script's stand-in gives it another id.
    """
    from legm.records import Resumption

    known = logs.read(run_id)
    if known is None:
        return 0, 0
    stretches = 1 + sum(isinstance(one, Resumption) for one in known.records)
    return stretches, known.path.stat().st_mtime_ns if IMPORTED in known.run.environment else 0
