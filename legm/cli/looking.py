"""``legm ls``, ``legm show``, ``legm diff``: what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.options import backend_options, json_option, path_argument
from legm.cli.output import (
    are_numbers,
    as_text,
    configuration_dict,
    differing,
    moment,
    number,
    paint_statuses,
    parameters_text,
    print_json,
    print_problems,
    print_table,
    run_dict,
    say,
    statuses_text,
)
from legm.cli.tables import Column

if TYPE_CHECKING:
    from legm.backends.local.catalogue import Holding
    from legm.cli.sources import Place
    from legm.records import Configuration, RunResult, Tally

__all__ = ["diff_command", "ls_command", "show_command"]

At = Callable[[Path], "Place"]


@click.command("ls")
@path_argument("path", default=Path())
@backend_options
@json_option
def ls_command(path: Path, *, at: At, as_json: bool) -> None:
    """List configurations and how many runs each has.

    PATH is a root directory or an experiment in it, ROOT/EXPERIMENT; the current folder without one.
    Configurations without a run are only counted; --json has them.
    """
    from legm.cli.sources import experiments_at

    found = list(experiments_at(at(path)))
    if as_json:
        print_json([_holding_dict(one) for of in found for one in of.members])
        return
    if not found:
        say(f"no configurations below {path}")
        return
    for number_of, one in enumerate(found):
        if number_of:
            say()
        say(one.title, bold=True)
        _print_members(one.members)
    print_problems(problem for one in found for problem in one.problems)


def _print_members(members: Sequence[Holding]) -> None:
    empty = [one for one in members if one.configuration and not any(_counts(one.tallies).values())]
    shown = [one for one in members if one not in empty]
    if shown:
        _print_counted(shown)
    if empty:
        say(f"{len(empty)} configuration{'s' if len(empty) > 1 else ''} without runs")


def _print_counted(members: Sequence[Holding]) -> None:
    # What tells configurations apart comes first, where the terminal has room.
    apart = set(differing([one.configuration for one in members if one.configuration]))
    names = {
        active: sorted(active, key=lambda name: (name not in apart, name))
        for active in {one.configuration.active for one in members if one.configuration}
    }
    rows = []
    for one in members:
        counts = _counts(one.tallies)
        last = max([tally.last or 0.0 for tally in one.tallies], default=None)
        found = one.configuration
        parameters = parameters_text(found, names[found.active]) if found else "?"
        rows.append((one.label, f"{counts['completed']:,}", statuses_text(counts), moment(last), parameters))
    columns = [
        Column("configuration", fit="fold"),
        Column("runs", right=True),
        Column("others", fit="fold", paint=paint_statuses),
        Column("last run"),
        Column("parameters", fit="cut"),
    ]
    print_table(columns, rows)


def _counts(tallies: Sequence[Tally]) -> dict[str, int]:
    """How many runs of each kind there are, whatever their description."""
    return {
        "completed": sum([one.completed for one in tallies]),
        "failed": sum([one.failed for one in tallies]),
        "interrupted": sum([one.interrupted for one in tallies]),
        "running": sum([one.running for one in tallies]),
    }


def _holding_dict(one: Holding) -> dict[str, Any]:
    return {
        "folder": one.folder,
        **configuration_dict(one.configuration),
        "runs": [
            {
                "description": tally.description,
                **_counts([tally]),
                "last": tally.last,
                "values": {key: list(values) for key, values in tally.values.items()},
            }
            for tally in one.tallies
        ],
        "problem": str(one.problem) if one.problem else None,
    }


@click.command("show")
@path_argument("config")
@backend_options
@json_option
def show_command(config: Path, *, at: At, as_json: bool) -> None:
    """Show a configuration: its parameters, runs and aggregates.

    CONFIG is its folder, or ROOT/EXPERIMENT/NAME with the name that legm ls prints or a piece of the
    fingerprint.
    """
    from legm.aggregate import summarise_runs, summary_as_dict
    from legm.cli.sources import configuration_at, overview_of

    label, one = overview_of(*configuration_at(at(config)))
    by_description: dict[str, list[RunResult]] = {}
    for run in one.runs:
        by_description.setdefault(run.run.description, []).append(run)
    aggregates = {text: summary_as_dict(summarise_runs(runs)) for text, runs in by_description.items()}
    if as_json:
        print_json(
            {
                "folder": str(one.folder),
                **configuration_dict(one.configuration),
                "runs": [run_dict(run) for run in one.runs],
                "aggregates": aggregates,
                "problem": one.problem or None,
            }
        )
        return
    if one.configuration is not None:
        _print_configuration(one.configuration, label)
    for text, runs in by_description.items():
        say(f"\nruns{f' with the description {text!r}' if text else ''}:")
        _print_runs(runs)
        if aggregates[text]:
            say()
            _print_aggregates(aggregates[text])
    if not one.runs:
        say("\nno runs yet")
    print_problems([one.problem] if one.problem else [])


def _print_configuration(found: Configuration, label: str) -> None:
    say(f"{found.experiment}: {label}", bold=True)
    say(f"{found.fingerprint}\n")
    columns = [Column("parameter", fit="fold"), Column("value", fit="fold"), Column("note")]
    rows = [
        (name, as_text(value), "" if name in found.active else _why_inactive(found, name))
        for name, value in found.parameters.items()
    ]
    print_table(columns, rows)


def _why_inactive(found: Configuration, name: str) -> str:
    metadata = found.metadata.get(name, {})
    if metadata.get("disable_comparison"):
        return "not compared"
    parents = ", ".join(metadata.get("parents", {}))
    off = found.parameters[name] in (None, False)
    return "inactive" if off or not parents else f"inactive (depends on {parents})"


def _print_runs(runs: Sequence[RunResult]) -> None:
    best = sorted({s.name for run in runs for s in run.best if s.index is None})
    test = sorted({s.name for run in runs for s in run.test if s.index is None})
    own = sorted({name for run in runs for name in run.run.parameters})
    columns = [
        Column("run"),
        Column("status", paint=paint_statuses),
        Column("step", right=True),
        Column("points", right=True),
        *(Column(name, right=are_numbers(run.run.parameters.get(name) for run in runs)) for name in own),
        *(Column(f"best {name}", right=True) for name in best),
        *(Column(f"test {name}", right=True) for name in test),
    ]
    rows = []
    for run in runs:
        values = {s.name: v for s, v in run.best.items() if s.index is None}
        tests = {s.name: v for s, v in run.test.items() if s.index is None}
        cells = [
            run.run.run_id[-6:],  # the piece that tells runs apart; --json has all of it
            run.status.value,
            number(run.best_step if run.best_step is not None else run.last_step),
            number(run.points),
            *(str(run.run.parameters.get(name, "")) for name in own),
            *(number(values.get(name)) for name in best),
            *(number(tests.get(name)) for name in test),
        ]
        rows.append(cells)
    print_table(columns, rows)


def _print_aggregates(aggregates: dict[str, Any]) -> None:
    rows = []
    for name, value in aggregates.items():
        is_one = isinstance(value.get("method"), str)  # and no example that is called so
        for label, one in (
            {name: value} if is_one else {f"{name}[{i}]": v for i, v in value.items()}
        ).items():
            rows.append((label, *(number(one[column]) for column in ("mean", "std", "n", "nan"))))
    print_table(
        [Column("metric", fit="fold"), *(Column(name, right=True) for name in ("mean", "std", "n", "nan"))],
        rows,
    )


@click.command("diff")
@path_argument("a")
@path_argument("b")
@backend_options
@json_option
def diff_command(a: Path, b: Path, *, at: At, as_json: bool) -> None:
    """Say which parameters make the configurations A and B differ.

    Each is a folder, or ROOT/EXPERIMENT/NAME as for legm show.
    """
    from legm.cli.sources import configuration_at, known_configuration
    from legm.overview import compare

    one, other = (configuration_at(at(path))[1] for path in (a, b))
    found = compare(known_configuration(one), known_configuration(other))
    if as_json:
        print_json(
            [
                {
                    "name": difference.name,
                    "a": difference.ours,
                    "b": difference.theirs,
                    "a_active": not difference.our_note,
                    "b_active": not difference.their_note,
                }
                for difference in found
            ]
        )
        return
    if not found:
        say("the same configuration")
        return
    print_table(
        [Column("parameter", fit="fold"), Column(one.label, fit="fold"), Column(other.label, fit="fold")],
        [(d.name, d.our_note or as_text(d.ours), d.their_note or as_text(d.theirs)) for d in found],
    )
