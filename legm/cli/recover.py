"""``legm recover``: finalizes runs whose process died, and repairs damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from legm.cli.json_output import json_run, print_json
from legm.cli.options import json_option, path_argument
from legm.cli.printing import color_statuses, print_table, printed_number, printed_time, say
from legm.cli.terminal_tables import Column

__all__ = ["recover_command"]


@click.command("recover")
@path_argument("root", default=Path())
@click.option(
    "--complete",
    "completed",
    metavar="RUN",
    multiple=True,
    help="Complete this interrupted or failed run, so that it counts: its id, or the end of it.",
)
@click.option(
    "--fail",
    "failed",
    metavar="RUN",
    multiple=True,
    help="Mark this interrupted or pruned run as failed: its id, or the end of it.",
)
@click.option(
    "--discard",
    "discarded",
    metavar="RUN",
    multiple=True,
    help="Delete this run, whatever its status, with its files, in every backend; there is no way back. "
    "An MLflow server keeps its numbers until mlflow gc.",
)
@json_option
def recover_command(
    root: Path,
    *,
    completed: tuple[str, ...],
    failed: tuple[str, ...],
    discarded: tuple[str, ...],
    as_json: bool,
) -> None:
    """Finalize runs whose process died, and repair damaged files.

    A run below ROOT whose process died without calling log() is stored if it was completed, and marked as
    interrupted otherwise. Damaged entries are restored from the run logs. Interrupted runs that another
    command or run finalized earlier are listed too. With --complete, --fail or --discard, only these runs
    are changed.
    """
    from legm.analysis import recovery
    from legm.cli.locations import named_folder, require_location_folder
    from legm.compat.killed_runs import name_tests_of_killed_runs
    from legm.compat.run_owner import take_over_abandoned_runs
    from legm.compat.tracker_delivery import pending_tracker_exports
    from legm.delivery.run_endings import discard_stored_run, end_stored_run
    from legm.records import Status
    from legm.runlog.log_folder import LogFolder, find_run_log

    root = named_folder(root)
    require_location_folder(root)
    rows, notes = [], []
    for run in (*completed, *failed, *discarded):
        find_run_log(root, run)  # nothing is changed where one is unknown
    chosen = [(run, Status.COMPLETED) for run in completed] + [(run, Status.FAILED) for run in failed]
    for run, status in chosen:
        for one in end_stored_run(root, run, status):
            if one.result is None:
                notes.append(f"{one.backend} has not received the run yet: {one.problem}; see legm sync")
            else:
                configuration = str(LogFolder.containing(one.path).folder.parent)
                rows.append({"configuration": configuration, **json_run(one.result)})
    deleted = [discard_stored_run(root, run).run_id for run in discarded]
    are_chosen = bool(chosen or deleted)
    notes += [] if are_chosen else take_over_abandoned_runs(root)
    for folder, finalized, messages in () if are_chosen else recovery.recover_folders(root):
        rows += [{"configuration": str(folder), **json_run(result)} for result in finalized]
        notes += messages
    notes += [] if are_chosen else name_tests_of_killed_runs(root)
    notes += [
        f"{one.tracker} lacks the runs of a drop-in script that was killed or still runs: legm sync {root}"
        for one in pending_tracker_exports(root)
    ]
    known = {row["run_id"] for row in rows}
    earlier = [
        {"configuration": str(folder), **json_run(result)}
        for folder, runs in (() if are_chosen else recovery.interrupted_runs(root))
        for result in runs
        if result.run.run_id not in known
    ]
    if as_json:
        print_json({"runs": rows, "repairs": notes, "interrupted_earlier": earlier, "deleted": deleted})
        return
    _print_recovered_runs(rows)
    for note in notes:
        say(note)
    for run_id in deleted:
        say(f"deleted: {run_id}")
    if not rows and not notes and not deleted:
        say("nothing to recover")
    if earlier:
        say("interrupted earlier, and finalized by another command or run:")
        _print_recovered_runs(earlier)


def _print_recovered_runs(rows: list[dict[str, Any]]) -> None:
    from legm.core.naming import readable_name

    if rows:
        columns = [
            Column("configuration", fit="fold"),
            Column("run"),
            Column("status", paint=color_statuses),
            Column("last step", right=True),
            Column("points", right=True),
            Column("started"),
        ]
        cells = [
            (
                readable_name(Path(row["configuration"]).name),
                row["run_id"],
                row["status"],
                printed_number(row["last_step"]),
                printed_number(row["points"]),
                printed_time(row["started"]),
            )
            for row in rows
        ]
        print_table(columns, cells)
