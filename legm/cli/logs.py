"""``legm logs``: what a run printed."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.json_output import print_json
from legm.cli.options import FOLDER, json_option
from legm.cli.printing import say
from legm.errors import ParameterError

if TYPE_CHECKING:
    from legm.console.console_reader import ConsoleLine, ConsoleTail
    from legm.runlog.log_folder import LogFolder

__all__ = ["logs_command"]

_PAUSE = 0.3  # seconds between two looks


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
    from legm.cli.locations import require_location_folder
    from legm.console.console_options import console_path
    from legm.console.console_reader import ConsoleTail
    from legm.runlog.log_folder import LogFolder, find_run_log

    if follow and as_json:
        raise click.UsageError("--follow shows lines as they come, and --json one answer: give one of them")
    require_location_folder(root)
    log = find_run_log(root, run)
    logs = LogFolder.containing(log)
    path = console_path(logs.folder.parent, log.stem)
    if not path.is_file() and path.with_name(CONSOLE_FILE).is_file():  # of a run that was imported
        path = path.with_name(CONSOLE_FILE)
    if not path.is_file() and not (follow and _is_run_written(logs, log.stem)):
        raise ParameterError(
            f"the run {log.stem} has no console: what a run prints is kept with "
            "ExperimentHandler(..., console=True)"
        )
    tail = ConsoleTail(path, last)
    if as_json:
        _, lines = tail.read()
        print_json(
            {
                "run_id": log.stem,
                "path": str(path),
                "lines": [{"time": line.time, "text": line.text} for line in lines],
            }
        )
    elif not follow:
        for line in tail.read()[1]:
            say(_line_text(line, times))
    else:
        _follow_lines(_changes(tail, logs, log.stem), times)


def _is_run_written(logs: LogFolder, run_id: str) -> bool:
    """Whether a process is still writing the run."""
    from legm.runlog.log_writer import logs_being_written

    path = logs.pending_path(run_id)
    return path in logs_being_written([path])


def _changes(
    tail: ConsoleTail, logs: LogFolder, run_id: str
) -> Iterator[tuple[int, list[ConsoleLine], bool]]:
    """What changes, and whether the run has ended, until then."""
    while True:
        is_running = _is_run_written(logs, run_id)  # asked first: what is read afterwards is all there is
        yield *tail.read(), not is_running
        if not is_running:
            return
        time.sleep(_PAUSE)


def _follow_lines(changes: Iterator[tuple[int, list[ConsoleLine], bool]], times: bool) -> None:
    """Show lines as they come. A terminal shows a line that changes in its place; elsewhere it comes again.

    Elsewhere the last line, which a progress bar may still change, is shown once another one follows it.
    """
    is_terminal = sys.stdout.isatty()
    held: list[ConsoleLine] = []
    for replaced, lines, is_end in changes:
        if is_terminal:
            size = shutil.get_terminal_size()
            if 0 < replaced < size.lines:
                click.echo(f"\x1b[{replaced}A\x1b[J", nl=False)
            for line in lines:
                text = _line_text(line, times)
                say(text if is_end else text[: size.columns - 1])  # a line that is wrapped would be several
        else:
            new = [*(held if not replaced else []), *lines] if lines or replaced else held
            held = [] if is_end else new[-1:]
            for line in new if is_end else new[:-1]:
                say(_line_text(line, times))
        sys.stdout.flush()


def _line_text(line: ConsoleLine, times: bool) -> str:
    if not times or line.time is None:
        return line.text
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(line.time))}  {line.text}"
