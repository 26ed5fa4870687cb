"""``legm note``: notes a text about runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.options import (
    backend_options,
    dry_run_option,
    json_option,
    path_argument,
    selection_options,
    sure_option,
)

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.core.selection import RunSelection

__all__ = ["note_command"]


@click.command("note")
@path_argument("path", metavar="RUN|PATH")
@click.argument("text", required=False)
@selection_options
@sure_option
@dry_run_option
@backend_options
@json_option
def note_command(
    *,
    path: Path,
    text: str | None,
    selection: RunSelection,
    is_sure: bool,
    dry_run: bool,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Note a text about a run: legm note ROOT/RUN "diverges without warmup".

    RUN and PATH are as for legm tag. TEXT replaces the note of each run, and "" deletes it. Without it the
    notes are printed.
    """
    from legm.cli.marking import change_or_print_marks, runs_to_mark
    from legm.core.run_marks import changed_marks
    from legm.core.texts import escape_unprintable_text
    from legm.records import RunMarks

    changed_marks(RunMarks(), note=text)
    change_or_print_marks(
        runs_to_mark(at(path), selection),
        (lambda marks: changed_marks(marks, note=text)) if text is not None else None,
        lambda marks: escape_unprintable_text(marks.note, "\n\t") or "no note",
        is_sure=is_sure,
        dry_run=dry_run,
        as_json=as_json,
    )
