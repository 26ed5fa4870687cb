"""``legm note``: notes a text about a run."""

from __future__ import annotations

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option
from legm.cli.printing import say

__all__ = ["note_command"]


@click.command("note")
@click.argument("run")
@click.argument("text", required=False)
@json_option
def note_command(*, run: str, text: str | None, as_json: bool) -> None:
    """Note a text about a run: legm note ROOT/RUN "diverges without warmup".

    RUN is as for legm tag. TEXT replaces the run's note, and "" deletes it. Without it the note is printed.
    """
    from pathlib import Path

    from legm.core.run_marks import changed_marks
    from legm.delivery.marking import mark_stored_run, stored_marks

    if text is None:
        run_id, marks = stored_marks(Path(), run)
    else:
        run_id, marks = mark_stored_run(Path(), run, lambda one: changed_marks(one, note=text))
    if as_json:
        print_json({"run_id": run_id, "tags": list(marks.tags), "note": marks.note})
    else:
        say(f"{run_id}: {marks.note or 'no note'}")
