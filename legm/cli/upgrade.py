"""``legm upgrade``: brings files that earlier versions wrote to the current format."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option, path_argument
from legm.cli.printing import print_problems, say

__all__ = ["upgrade_command"]


@click.command("upgrade")
@path_argument("root", default=Path())
@click.option("--dry-run", is_flag=True, help="Only report what would be done.")
@json_option
def upgrade_command(root: Path, *, dry_run: bool, as_json: bool) -> None:
    """Bring files that earlier versions wrote to the current format.

    Files of every version are read as they are, so this is never necessary. It adds checksums, by which
    damage and edits are found, to the files below ROOT that have none yet; what they say stays the same. The
    exit status is 1 if a file is damaged, or was written by a newer legm.
    """
    from legm.cli.locations import named_folder
    from legm.core.texts import counted
    from legm.delivery.folder_access import default_folder_access
    from legm.errors import LegmError
    from legm.runlog.configuration_folders import configuration_folders

    folders, root = default_folder_access(), named_folder(root)
    done: list[str] = []
    problems: list[str] = []
    number = 0
    for folder in configuration_folders(root):
        number += 1
        try:
            done += folders.upgrade(folder, dry_run=dry_run)
        except LegmError as error:
            problems.append(str(error))
    if as_json:
        print_json({"configurations": number, "upgraded": done, "problems": problems, "dry_run": dry_run})
    else:
        for line in done:
            say(f"{'would upgrade' if dry_run else 'upgraded'} {line}")
        if not done and not problems:
            say(f"nothing to upgrade in {counted(number, 'configuration')}")
        print_problems(problems)
    if problems:
        sys.exit(1)
