"""``legm restore``: brings back what was changed or deleted."""

from __future__ import annotations

from pathlib import Path

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option, path_argument
from legm.cli.printing import print_notes, say

__all__ = ["restore_command"]


@click.command("restore")
@path_argument("root")
@click.argument("name", metavar="ID", required=False)
@click.option("--run", metavar="RUN", help="Only this run, by its id or the end of it.")
@json_option
def restore_command(root: Path, name: str | None, *, run: str | None, as_json: bool) -> None:
    """Bring back what a command below ROOT changed or deleted.

    ID is that of the command in legm trash, or the end of it; the newest one by default.
    """
    from legm.changes.amend import continue_changes
    from legm.changes.remove import restore
    from legm.changes.trash import find_trash_item, trash_items
    from legm.cli.changing import root_of_changes
    from legm.core.texts import counted
    from legm.errors import ParameterError

    root = root_of_changes(root)
    notes = continue_changes(root)
    if name is None:
        items = trash_items(root)
        if not items:
            raise ParameterError(f"the trash of {root} is empty")
        item = items[-1]
    else:
        item = find_trash_item(root, name)
    done = restore(root, item, run)
    if as_json:
        print_json({"restored": item.name, "runs": list(done.runs), "notes": [*notes, *done.notes]})
        return
    print_notes([*notes, *done.notes])
    restored = counted(len(done.runs), "run as it was", "runs as they were")
    say(f"restored {restored} before: {item.title}")
