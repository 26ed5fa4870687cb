"""``legm recover``, ``legm sync``: what processes left behind is made good again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.options import json_option, path_argument
from legm.cli.output import moment, number, paint_statuses, print_json, print_table, printable, run_dict, say
from legm.cli.tables import Column

if TYPE_CHECKING:
    from legm.owed import Delivered

__all__ = ["recover_command", "sync_command"]


@click.command("recover")
@path_argument("root", default=Path())
@json_option
def recover_command(root: Path, *, as_json: bool) -> None:
    """Settle the runs of killed processes, mend damaged files.

    Of the runs below ROOT whose process ended without log(), one that was completed but not stored is
    stored; another one is marked as interrupted. Damaged entries are taken from the run logs again.
    """
    from legm import overview
    from legm.cli.sources import require_folder

    require_folder(root)
    rows, notes = [], []
    for folder, settled, messages in overview.recover(root):
        rows += [{"configuration": str(folder), **run_dict(result)} for result in settled]
        notes += messages
    if as_json:
        print_json({"runs": rows, "repairs": notes})
        return
    if rows:
        columns = [
            Column("configuration", fit="fold"),
            Column("run"),
            Column("status", paint=paint_statuses),
            Column("last step", right=True),
            Column("points", right=True),
            Column("started"),
        ]
        cells = [
            (
                Path(row["configuration"]).name,
                row["run_id"],
                row["status"],
                number(row["last_step"]),
                number(row["points"]),
                moment(row["started"]),
            )
            for row in rows
        ]
        print_table(columns, cells)
    for note in notes:
        say(note)
    if not rows and not notes:
        say("nothing to recover")


@click.command("sync")
@path_argument("root", default=Path())
@click.option("--to", help="Only what is owed to this backend.")
@click.option("--watch", is_flag=True, help="Go on delivering what runs come to owe, until Ctrl-C.")
@json_option
def sync_command(root: Path, to: str | None, *, watch: bool, as_json: bool) -> None:
    """Deliver what runs owe to a server that was away.

    These are the runs below ROOT, and MLflow and other remote backends. Each value is delivered once, however
    often this is called. The exit status is 1 where something is still owed. With --watch this goes on as a
    service would; Ctrl-C or SIGTERM ends it with status 0, and --json prints a line for each delivery.
    """
    from legm import owed
    from legm.cli.sources import require_folder

    require_folder(root)
    if watch:
        _watch(owed.watch(root, to), as_json=as_json)
        return
    done = []
    for one in owed.sync(root, to):
        done.append(one)
        if not as_json:
            _print_delivered(one)
    if as_json:
        print_json([_delivered_dict(one) for one in done])
    elif not done:
        say("nothing is owed")
    if any(one.problem for one in done):
        sys.exit(1)


def _watch(deliveries: Iterator[Delivered], *, as_json: bool) -> None:
    import signal

    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGINT, signal.SIGTERM)}
    runs = values = 0
    try:
        if not as_json:
            say("waiting for runs that owe something (Ctrl-C ends it)")
        for one in deliveries:
            if one.result is not None:
                runs, values = runs + 1, values + one.result.points
            if as_json:
                say(json.dumps(printable(_delivered_dict(one))))
            else:
                _print_delivered(one)
    except KeyboardInterrupt:
        if not as_json:
            say(f"\n{runs} {'delivery' if runs == 1 else 'deliveries'} with {values:,} values")
    finally:
        for one_signal, handler in before.items():
            signal.signal(one_signal, handler)


def _print_delivered(one: Delivered) -> None:
    if one.result is not None:
        say(f"{one.backend}: run {one.result.run.run_id} with {one.result.points} values delivered")
    else:
        why = one.problem or "a living process delivers it itself"
        say(f"{one.backend or 'unknown'}: {one.path.stem} is still owed: {why}")


def _delivered_dict(one: Delivered) -> dict[str, Any]:
    return {
        "log": str(one.path),
        "backend": one.backend,
        "run": run_dict(one.result) if one.result else None,
        "problem": one.problem or None,
    }
