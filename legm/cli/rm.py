"""``legm rm``: deletes runs, configurations and experiments, into the trash."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option, selection_options
from legm.cli.printing import print_notes, say

if TYPE_CHECKING:
    from legm.changes.remove import Deletion, Removed
    from legm.core.selection import RunSelection

__all__ = ["rm_command"]

_END_OF_ID = re.compile(r"[0-9a-f-]+")


@click.command("rm")
@click.argument("what", metavar="RUN|CONFIGURATION|EXPERIMENT", nargs=-1, required=True)
@selection_options
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask before more than one run is deleted.")
@json_option
def rm_command(
    what: tuple[str, ...], *, selection: RunSelection, dry_run: bool, is_sure: bool, as_json: bool
) -> None:
    """Delete runs, with all that belongs to them.

    A run is named by its id or the end of it, behind the path of its root directory; a configuration and an
    experiment by their folders. With --where or --tag only the selected runs below the folders are deleted,
    also below a root directory, and the configurations of which no run is left. A run that is running is
    refused. What is deleted stays in the trash of the root directory: legm restore brings it back, and legm
    trash --empty deletes it for good. A run that is in MLflow or W&B too is deleted there, and legm restore
    writes it there anew.
    """
    from legm.changes.remove import delete

    def confirm(deletion: Deletion, runs: list[str]) -> bool:
        if not as_json:
            print_notes(deletion.in_backends.sentences())
        return is_sure or len(runs) <= 1 or click.confirm(f"Delete {len(runs):,} runs?", err=as_json)

    from legm.cli.changing import short_path

    removed: list[tuple[Deletion, Removed]] = []
    title = f"rm {' '.join(what)}" + (f" where {selection}" if selection else "")
    for deletion in _selected_deletions(what, selection) if selection else _rm_deletions(what):
        done = delete(deletion, title=title, confirm=partial(confirm, deletion), dry_run=dry_run)
        removed.append((deletion, done))
    if as_json:
        print_json(
            [
                {
                    "root": str(deletion.root),
                    "runs": list(one.runs),
                    "trash": one.trash or None,
                    "notes": list(one.notes),
                    "backends": deletion.in_backends.as_list(),
                    "backend_notes": list(deletion.in_backends.notes),
                }
                for deletion, one in removed
            ]
        )
        return
    for deletion, one in removed:
        print_notes([*(deletion.in_backends.sentences() if dry_run else ()), *one.notes])
        runs = f"{len(one.runs):,} run{'s' * (len(one.runs) != 1)}"
        if dry_run:
            say(f"{runs} would be deleted")
        elif one.trash:
            say(f"deleted {runs}; legm restore {short_path(deletion.root)} {one.trash}")
        else:
            say("nothing was deleted")


def _selected_deletions(what: tuple[str, ...], selection: RunSelection) -> list[Deletion]:
    """The runs to be deleted in each root directory, of those in some folders.

    Raises:
        ParameterError: nothing is selected, or no configuration has one of the parameters or values.
        StorageError: a path is not that of a folder with experiments.
    """
    from legm.changes.remove import Deletion
    from legm.cli.changing import root_of_changes
    from legm.cli.locations import Location, require_location_folder
    from legm.cli.marking import runs_to_mark
    from legm.errors import ParameterError

    found: dict[Path, Deletion] = {}
    for text in what:
        if not text:
            raise ParameterError("a path is empty; nothing was deleted")
        require_location_folder(Path(text))
        for run in runs_to_mark(Location(Path(text).absolute()), selection):
            assert run.logs is not None  # noqa: S101 - of folders
            folder = run.logs.folder.parent
            root = root_of_changes(folder)
            deletion = found.setdefault(root, Deletion(root))
            deletion.runs.setdefault(folder, []).append(run.run_id)
            deletion.selected.add(folder)
    return list(found.values())


def _rm_deletions(what: tuple[str, ...]) -> list[Deletion]:
    """What is to be deleted in each root directory."""
    from legm.changes.remove import Deletion
    from legm.cli.changing import backend_without_folders, root_of_changes
    from legm.errors import ParameterError, StorageError
    from legm.runlog.configuration_folders import configuration_paths, is_configuration_folder
    from legm.runlog.log_folder import LogFolder, find_run_log

    found: dict[Path, Deletion] = {}
    for text in what:
        if not text:
            raise ParameterError("a path is empty; nothing was deleted")
        path = _path_to_remove(text)
        if path.is_dir() and not is_configuration_folder(path):
            if next(configuration_paths(path), None) is None:
                raise StorageError(
                    f"{text} is neither a configuration nor an experiment: name one of those in it"
                )
            root = root_of_changes(path)
            found.setdefault(root, Deletion(root)).add_experiment(path)
            continue
        if backend := backend_without_folders(path):
            raise StorageError(
                f"only {backend} has the runs of {text}: legm recover --discard deletes each of them there"
            )
        folder = path
        if not is_configuration_folder(path):
            log = find_run_log(Path.cwd(), text if path == Path(text).absolute() else str(path))
            folder = LogFolder.containing(log).folder.parent.absolute()
            if not is_configuration_folder(folder):
                raise StorageError(
                    f"the run {log.stem} is in a backend without folders: "
                    "legm recover --discard deletes it there"
                )
        root = root_of_changes(folder)
        deletion = found.setdefault(root, Deletion(root))
        if folder == path:
            deletion.folders.append(folder)
        else:
            deletion.runs.setdefault(folder, []).append(log.stem)
    return list(found.values())


def _path_to_remove(text: str) -> Path:
    """The path of a text, in which experiments and configurations may be called as ``legm ls`` prints them.

    What may be the end of a run's id is no piece of a configuration's fingerprint here.
    """
    from legm.cli.locations import named_folder
    from legm.errors import ParameterError
    from legm.runlog.log_folder import find_run_log

    path = Path(text).absolute()
    if path.is_dir():
        return path
    above = named_folder(path.parent)
    named_run = above / path.name
    with contextlib.suppress(ParameterError):
        if above.is_dir():
            find_run_log(Path.cwd(), str(named_run))
            return named_run
    return path if _END_OF_ID.fullmatch(path.name) else named_folder(path)
