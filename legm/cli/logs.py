"""``legm logs``: what a run printed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.json_output import print_json
from legm.cli.options import FOLDER, json_option
from legm.cli.printing import say
from legm.errors import ParameterError

if TYPE_CHECKING:
    from legm.console.console_reader import ConsoleLine

__all__ = ["logs_command"]


@click.command("logs")
@click.argument("run")
@click.argument("root", type=FOLDER, default=Path())
@click.option("-f", "--follow", is_flag=True, help="Show what comes, until the run ends.")
@click.option("-t", "--times", is_flag=True, help="Show when each line was printed.")
@click.option("-n", "--lines", "last", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@json_option
def logs_command(run: str, *, root: Path, follow: bool, times: bool, last: int | None, as_json: bool) -> None:
    """Show what a run and its processes printed.

    RUN is ROOT/ with a run's id or the end of it behind it, as for legm show, or the id alone; or a
    configuration's folder, for its newest run. What is printed is kept with console=True, and of scripts that
    are captured. Progress bars are in their last state.
    """
    from legm.backends.wandb.names import CONSOLE_FILE
    from legm.cli.console_following import FollowedRun, follow_console
    from legm.cli.locations import named_folder, require_location_folder
    from legm.console.console_reader import ConsoleTail

    if follow and as_json:
        raise click.UsageError("--follow shows lines as they come, and --json one answer: give one of them")
    root = named_folder(root)
    require_location_folder(root)
    found = FollowedRun(_log_of_named_run(root, run))
    path = found.console
    if not path.is_file() and path.with_name(CONSOLE_FILE).is_file():  # of a run that was imported
        path = path.with_name(CONSOLE_FILE)
    if not path.is_file() and not (follow and found.is_written()):
        raise ParameterError(
            f"the run {found.run_id} has no console: what a run prints is kept with "
            "ExperimentHandler(..., console=True)"
        )
    tail = ConsoleTail(path, last, folder=found.folder)
    if as_json:
        _, lines = tail.read()
        print_json(
            {
                "run_id": found.run_id,
                "path": str(path),
                "lines": [{"time": line.time, "text": line.text} for line in lines],
            }
        )
    elif not follow:
        for line in tail.read()[1]:
            say(_logs_line_text(line, times))
    else:
        follow_console(found, tail, lambda line: _logs_line_text(line, times))


def _log_of_named_run(root: Path, run: str) -> Path:
    """The log of the run that a text names; names are as ``legm ls`` prints them.

    Raises:
        ParameterError: no run has this id, or several do; or the configuration has none.
    """
    from legm.cli.locations import named_folder
    from legm.runlog.configuration_folders import is_configuration_folder
    from legm.runlog.log_folder import find_run_log

    try:
        return find_run_log(root, run)
    except ParameterError:
        folder, path = named_folder(Path(run)), Path(run)
        if is_configuration_folder(folder):
            return find_run_log(root, str(folder))
        above = named_folder(path.parent)
        if above == path.parent or not above.is_dir():
            raise
        return find_run_log(root, str(above / path.name))


def _logs_line_text(line: ConsoleLine, times: bool) -> str:
    if not times or line.time is None:
        return line.text
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(line.time))}  {line.text}"
