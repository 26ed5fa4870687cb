"""``legm mv``: renames an experiment or the folder of a configuration, or moves a configuration."""

from __future__ import annotations

from pathlib import Path

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option, path_argument
from legm.cli.printing import print_notes, say

__all__ = ["mv_command"]


@click.command("mv")
@path_argument("source")
@click.argument("target")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@json_option
def mv_command(source: Path, target: str, *, dry_run: bool, is_sure: bool, as_json: bool) -> None:
    """Rename SOURCE, or move it to another experiment.

    SOURCE is an experiment's folder: TARGET is its new name. Or it is a configuration's: TARGET is the new
    name of the folder, or the path of another experiment in the same root directory. What runs stays where it
    is.
    """
    from legm.changes.move import move_configuration, rename_configuration, rename_experiment
    from legm.cli.amend import confirmed_amend_plan, print_amended
    from legm.cli.changing import root_of_changes
    from legm.cli.locations import named_folder
    from legm.core.naming import readable_name
    from legm.delivery.folder_access import default_folder_access
    from legm.errors import StorageError
    from legm.runlog.configuration_folders import is_configuration_folder

    source = named_folder(source.absolute())
    root = root_of_changes(source)
    is_configuration, is_path = is_configuration_folder(source), "/" in target
    if is_configuration and not is_path:
        now, notes = rename_configuration(source, target, dry_run=dry_run)
        if as_json:
            print_json({"folder": str(now), "notes": notes})
        else:
            print_notes(notes)
            say(f"{'would be ' if dry_run else ''}renamed to {readable_name(str(now))}")
        return
    name = Path(target).name if is_path else target
    there = named_folder(Path(target).absolute()) if is_path else root / target
    if is_path and there.parent != root:
        raise StorageError(f"{target} is not an experiment in {root}: legm merge unites root directories")
    if is_path and there.is_dir():
        name = default_folder_access().experiment_in(there) or readable_name(name)

    def confirm(plan: object) -> bool:
        return confirmed_amend_plan(plan, is_sure=is_sure, is_quiet=as_json)  # type: ignore[arg-type]

    if is_configuration:
        done = move_configuration(source, name, confirm=confirm, dry_run=dry_run)
    elif source == root:
        raise StorageError(f"{source} is neither a configuration nor an experiment: name one of those in it")
    else:
        done = rename_experiment(source, name, confirm=confirm, dry_run=dry_run)
    print_amended(done, root, is_dry=dry_run, as_json=as_json)
