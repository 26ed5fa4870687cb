"""``legm sync``: delivers to backends what they have not received."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.completion_values import complete_backend
from legm.cli.json_output import json_run, json_value, print_json
from legm.cli.options import json_option, path_argument
from legm.cli.printing import print_notes, say
from legm.core.texts import counted

if TYPE_CHECKING:
    from legm.compat.tracker_delivery import TrackerExport
    from legm.delivery.backlog import DeliveredLog

__all__ = ["sync_command"]


@click.command("sync")
@path_argument("root", default=Path())
@click.option(
    "--to",
    shell_complete=complete_backend,
    help="Only what is pending for this backend, or for this target: 'NAME OPTION=VALUE ...'.",
)
@click.option("--watch", is_flag=True, help="Keep delivering new values until Ctrl-C.")
@json_option
def sync_command(root: Path, to: str | None, *, watch: bool, as_json: bool) -> None:
    """Deliver to backends what they have not received.

    This covers all runs below ROOT and all remote backends, such as MLflow. Each value is delivered once,
    however often the command is repeated. What an interrupted command began to change is finished too. A
    target that a run log names, but with which no run was begun on this machine, is delivered to only if --to
    gives it. The exit status is 1 if something is still pending.

    With --watch the command keeps running as a service would; Ctrl-C or SIGTERM stops it with status 0, and
    --json prints a line for each delivery.
    """
    from legm.changes.amend import continue_changes
    from legm.changes.backend_deliveries import pending_in_backends
    from legm.cli.locations import require_location_folder
    from legm.compat.tracker_delivery import deliver_pending_to_trackers
    from legm.delivery import backlog

    require_location_folder(root)
    notes = continue_changes(root)
    if not as_json:
        print_notes(notes)
    if watch:
        _watch_and_sync(backlog.watch_backlog(root, to), as_json=as_json)
        return
    done = []
    for one in backlog.sync_backlog(root, to):
        done.append(one)
        if not as_json:
            _print_synced(one)
    exports = list(deliver_pending_to_trackers(root, to))
    if as_json:
        print_json([_synced_dict(one) for one in done] + [_exported_dict(one) for one in exports])
    else:
        for export in exports:
            problem = f"; not every run is there: {export.problem}" if export.problem else ""
            runs = counted(export.delivered, "run of a drop-in script", "runs of drop-in scripts")
            say(f"{export.tracker}: {runs} delivered{problem}")
        if not done and not exports and not pending_in_backends(root):
            say("nothing is pending")
    is_pending = any(one.problem for one in done) or any(one.problem for one in exports)
    if is_pending or pending_in_backends(root):
        sys.exit(1)


def _watch_and_sync(deliveries: Iterator[DeliveredLog], *, as_json: bool) -> None:
    from legm.util.child_processes import interrupted_by_signals

    runs = values = 0
    with interrupted_by_signals():
        try:
            if not as_json:
                say("waiting for runs with pending values (Ctrl-C stops it)")
            for one in deliveries:
                if one.result is not None:
                    runs, values = runs + 1, values + one.result.points
                if as_json:
                    say(json.dumps(json_value(_synced_dict(one))))
                else:
                    _print_synced(one)
        except KeyboardInterrupt:
            if not as_json:
                say(f"\n{counted(runs, 'delivery', 'deliveries')} with {counted(values, 'value')}")


def _print_synced(one: DeliveredLog) -> None:
    if one.result is not None:
        say(
            f"{one.backend}: run {one.result.run.run_id} with {counted(one.result.points, 'value')} delivered"
        )
    else:
        why = one.problem or "the running process delivers it itself"
        say(f"{one.backend or 'unknown'}: {one.path.stem} is still pending: {why}")


def _exported_dict(one: TrackerExport) -> dict[str, Any]:
    return {"backend": one.tracker, "exported_runs": one.delivered, "problem": one.problem or None}


def _synced_dict(one: DeliveredLog) -> dict[str, Any]:
    return {
        "log": str(one.path),
        "backend": one.backend,
        "run": json_run(one.result) if one.result else None,
        "problem": one.problem or None,
    }
