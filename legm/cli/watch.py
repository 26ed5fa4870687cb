"""``legm watch``: the runs that are running, live in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.completion_values import complete_backend
from legm.cli.json_output import print_json
from legm.cli.options import json_option, path_argument, selection_options

if TYPE_CHECKING:
    from legm.core.selection import RunSelection

__all__ = ["watch_command"]


@click.command("watch")
@path_argument("path", default=Path())
@selection_options
@click.option(
    "--ended",
    "ended_minutes",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="MINUTES",
    help="Also show runs that ended within so many minutes before.",
)
@click.option(
    "--total",
    "total_name",
    metavar="NAME",
    help="The parameter that says how many steps a run has; by default max_steps, total_steps, num_steps, …",
)
@click.option(
    "--backend",
    metavar="NAME",
    shell_complete=complete_backend,
    help="Only the runs that go to this backend, such as mlflow; by default those of all.",
)
@json_option
def watch_command(
    path: Path,
    *,
    selection: RunSelection,
    ended_minutes: float,
    total_name: str | None,
    backend: str | None,
    as_json: bool,
) -> None:
    """Watch the runs that are running: status, step, speed, time left, last and best values, failures.

    PATH is a root directory, or an experiment in it; by default the current folder. The runs of every
    backend are shown whose logs this folder has: those of processes on this machine, or on others that share
    it. Nothing is written there. --json prints what there is once, without a terminal.
    """
    from legm.analysis.run_tailer import RunTailer
    from legm.cli.watch_rows import WatchedRuns
    from legm.errors import LegmError

    root, experiment = _watched_root(path)
    tailer = RunTailer(root, experiment, 60 * ended_minutes, total_name, backend)
    runs = WatchedRuns(tailer, selection)
    try:
        if as_json:
            print_json(runs.as_dicts())
            return
        if not _is_watched_in_terminal():
            raise LegmError("legm watch needs a terminal; legm watch --json prints what there is once")
        try:
            from legm.cli.watch_app import WatchApp
        except ImportError as cause:
            raise LegmError(
                f"legm watch needs Textual ({cause}): install it with: pip install 'legm[watch]'"
            ) from cause
        WatchApp(runs, str(path)).run_in_terminal()
    finally:
        tailer.close()


def _is_watched_in_terminal() -> bool:
    return sys.stdout.isatty()


def _watched_root(path: Path) -> tuple[Path, str | None]:
    """The root directory of a path, and the folder of the experiment that it names, if it names one.

    Raises:
        StorageError: there is no such folder.
    """
    from legm.cli.locations import existing_folder_at_location, require_location_folder
    from legm.core.naming import safe_name
    from legm.errors import StorageError
    from legm.runlog.configuration_folders import configuration_paths, is_configuration_folder
    from legm.runlog.file_names import OWN_FOLDER

    path = Path(existing_folder_at_location(path)).absolute()
    if path.is_dir():
        if is_configuration_folder(path):
            raise StorageError(f"{path} is one configuration: name its experiment, {path.parent}")
        is_experiment = next(configuration_paths(path), None) is not None
        return (path.parent, path.name) if is_experiment else (path, None)
    name = safe_name(path.name)
    if (path.parent / OWN_FOLDER / name).is_dir():  # of a backend without folders
        return path.parent, name
    require_location_folder(path)
    return path, None
