"""``legm tag``: marks runs with tags, and removes them."""

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

__all__ = ["tag_command"]


@click.command("tag", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@path_argument("path", metavar="RUN|PATH")
@click.argument("tags", nargs=-1, type=click.UNPROCESSED, metavar="[+TAG | -TAG]...")
@selection_options
@sure_option
@dry_run_option
@backend_options
@json_option
def tag_command(
    *,
    path: Path,
    tags: tuple[str, ...],
    selection: RunSelection,
    is_sure: bool,
    dry_run: bool,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Mark runs with tags, and remove them: legm tag ROOT/RUN +good -bad.

    RUN is the run's id, or the end of it, behind ROOT/ or the path of its experiment or configuration. PATH
    is a root directory, an experiment or a configuration: all its runs, or those that --where and --tag
    select.
    A tag without + is added too. The tag favourite is shown as a star. Without tags, those of the runs are
    printed. Commands select by them with --tag and --where.
    """
    from legm.cli.marking import change_or_print_marks, runs_to_mark
    from legm.core.run_marks import changed_marks, shown_marks
    from legm.records import RunMarks

    add = [one.removeprefix("+") for one in tags if not one.startswith("-")]
    remove = [one[1:] for one in tags if one.startswith("-")]
    changed_marks(RunMarks(), add, remove)  # a mistake is reported before anything is read
    change_or_print_marks(
        runs_to_mark(at(path), selection),
        (lambda marks: changed_marks(marks, add, remove)) if tags else None,
        lambda marks: shown_marks([marks]) or "no tags",
        is_sure=is_sure,
        dry_run=dry_run,
        as_json=as_json,
    )
