"""``legm trash``: what was changed or deleted, and how to delete it for good."""

from __future__ import annotations

from pathlib import Path

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option, path_argument
from legm.cli.printing import print_table, printed_number, printed_time, say
from legm.cli.terminal_tables import Column

__all__ = ["trash_command"]


@click.command("trash")
@path_argument("root", default=Path())
@click.option("--empty", is_flag=True, help="Delete all of it for good.")
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@json_option
def trash_command(root: Path, *, empty: bool, is_sure: bool, as_json: bool) -> None:
    """Show what commands below ROOT changed or deleted.

    legm restore brings it back.
    """
    from legm.changes.amend import continue_changes
    from legm.changes.journal import locked_root
    from legm.changes.trash import empty_trash, trash_items
    from legm.cli.changing import root_of_changes
    from legm.core.naming import readable_name

    root = root_of_changes(root)
    if empty:
        continue_changes(root)
    items = [(one, one.content()) for one in trash_items(root)]
    is_emptied = empty and bool(items)
    if is_emptied:
        runs = sum(content.runs or 0 for _, content in items)
        left = f"{len(items):,} command{'s' * (len(items) != 1)}"
        text = f"Delete for good what {left} left, of {runs:,} run{'s' * (runs != 1)}?"
        if is_sure or click.confirm(text, err=as_json):
            with locked_root(root):
                empty_trash(root)
        else:
            is_emptied = False
    if as_json:
        rows = [
            {"id": one.name, "what": readable_name(one.title), "time": one.time, "runs": runs, "bytes": size}
            for one, (runs, size) in items
        ]
        print_json({"trash": rows, "emptied": is_emptied})
    elif is_emptied:
        say("the trash is empty")
    elif items:
        columns = [Column("id"), Column("when"), Column("runs", right=True), Column("bytes", right=True)]
        print_table(
            [*columns, Column("what", fit="fold")],
            [
                (
                    one.name,
                    printed_time(one.time),
                    printed_number(runs),
                    printed_number(size),
                    readable_name(one.title),
                )
                for one, (runs, size) in items
            ],
        )
    else:
        say("the trash is empty")
