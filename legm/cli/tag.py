"""``legm tag``: marks a run with tags, and removes them."""

from __future__ import annotations

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option
from legm.cli.printing import say

__all__ = ["tag_command"]


@click.command("tag", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("run")
@click.argument("tags", nargs=-1, type=click.UNPROCESSED, metavar="[+TAG | -TAG]...")
@json_option
def tag_command(*, run: str, tags: tuple[str, ...], as_json: bool) -> None:
    """Mark a run with tags, and remove them: legm tag ROOT/RUN +good -bad.

    RUN is the run's id, or the end of it, behind ROOT/ or the path of its experiment or configuration. A
    tag without + is added too. The tag favourite is shown as a star. Without tags, those of the run are
    printed. Commands select by them with --tag and --where.
    """
    from pathlib import Path

    from legm.core.run_marks import changed_marks, shown_tags
    from legm.delivery.marking import mark_stored_run, stored_marks

    add = [one.removeprefix("+") for one in tags if not one.startswith("-")]
    remove = [one[1:] for one in tags if one.startswith("-")]
    if tags:
        run_id, marks = mark_stored_run(Path(), run, lambda one: changed_marks(one, add, remove))
    else:
        run_id, marks = stored_marks(Path(), run)
    if as_json:
        print_json({"run_id": run_id, "tags": list(marks.tags), "note": marks.note})
    else:
        say(f"{run_id}: {shown_tags([marks]) or 'no tags'}")
