"""Prints the media of runs: what was logged under each name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.cli.printing import print_table, say
from legm.cli.terminal_tables import Column
from legm.errors import LegmError
from legm.runlog.log_folder import LogFolder

if TYPE_CHECKING:
    from legm.records import Media, RunResult

__all__ = ["json_media", "media_in_folder", "print_media"]


def media_in_folder(folder: Path, run_id: str) -> list[Media]:
    """The media of a run in a configuration's folder; none where its log cannot be read."""
    try:
        return LogFolder.of(folder).media(run_id)
    except LegmError:  # which is printed as a problem of the folder
        return []


def json_media(run: RunResult, medium: Media) -> dict[str, Any]:
    """A medium of a run for a program."""
    return {
        "run_id": run.run.run_id,
        "name": medium.name,
        "kind": medium.kind.value,
        "step": medium.step,
        "time": medium.time,
        "files": [
            {"path": one.path, "sha256": one.digest, "caption": one.caption, "details": dict(one.details)}
            for one in medium.files
        ],
    }


def print_media(media: Sequence[tuple[RunResult, Sequence[Media]]]) -> None:
    """Print how many media of each name and kind the runs have, and of which steps."""
    steps: dict[tuple[str, str], list[int]] = {}
    runs: dict[tuple[str, str], set[str]] = {}
    for run, every in media:
        for one in every:
            key = one.name, one.kind.value
            steps.setdefault(key, []).append(one.step)
            runs.setdefault(key, set()).add(run.run.run_id)
    if not steps:
        return
    say()
    rows = [
        (name, kind, str(len(runs[name, kind])), f"{len(found):,}", _run_media_range(found))
        for (name, kind), found in sorted(steps.items())
    ]
    columns = [
        Column("media", fit="fold", is_name=True),
        Column("kind"),
        Column("runs", right=True),
        Column("number", right=True),
        Column("steps", right=True),
    ]
    print_table(columns, rows)


def _run_media_range(steps: Sequence[int]) -> str:
    first, last = min(steps), max(steps)
    return str(first) if first == last else f"{first} to {last}"
