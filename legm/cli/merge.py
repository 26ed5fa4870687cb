"""``legm merge``: merges a root directory into another one."""

from __future__ import annotations

from pathlib import Path

import click

from legm.cli.json_output import print_json
from legm.cli.options import FOLDER, json_option
from legm.cli.printing import print_notes, say

__all__ = ["merge_command"]


@click.command("merge")
@click.argument("root_a", type=FOLDER)
@click.argument("root_b", type=FOLDER)
@json_option
def merge_command(root_a: Path, root_b: Path, *, as_json: bool) -> None:
    """Copy into ROOT_A what ROOT_B has.

    A run that both have is there once, and the same configuration of both is united. ROOT_B stays as it is;
    runs of it that are running are left out.
    """
    from legm.changes.merge import merge_roots

    done = merge_roots(root_a, root_b)
    if as_json:
        print_json(
            {"runs": done.runs, "known": done.known, "running": done.running, "notes": list(done.notes)}
        )
        return
    print_notes(done.notes)
    for run_id in done.running:
        say(f"the run {run_id} is running, and was left out")
    plural = "s" * (len(done.runs) != 1)
    say(f"copied {len(done.runs):,} run{plural}; {done.known:,} were there before")
