"""``legm amend``: changes the configurations that an experiment has already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.json_output import print_json, print_json_of_many
from legm.cli.option_values import name_value_pairs
from legm.cli.options import backend_options, json_option, path_argument, selection_options
from legm.cli.printing import print_notes, print_table, say
from legm.cli.terminal_tables import Column
from legm.core.value_texts import parse_value_text

if TYPE_CHECKING:
    from legm.changes.amend import Amended
    from legm.changes.plan import AmendmentPlan
    from legm.cli.locations import Location
    from legm.core.selection import RunSelection

__all__ = ["amend_command", "confirmed_amend_plan", "print_amend_plan", "print_amended"]

_SHOWN = 20  # configurations in the table


def _amend_option(name: str, metavar: str, text: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", f"{name.replace('-', '_')}_", metavar=metavar, multiple=True, help=text)


@click.command("amend")
@path_argument("experiment", default=Path())
@_amend_option("set", "NAME=VALUE", "Give a parameter this value in the configurations that do not have it.")
@_amend_option("correct", "NAME=VALUE", "Give a parameter this value where it has another one.")
@_amend_option("rename", "OLD=NEW", "Rename a parameter.")
@_amend_option("drop", "NAME", "Remove a parameter.")
@_amend_option("ignore", "NAME", "Do not compare a parameter any more; each run keeps its value.")
@_amend_option("compare", "NAME", "Compare a parameter again, by the value that each run has.")
@_amend_option(
    "parent",
    "CHILD=PARENT[:VALUE]",
    "Let a parameter count only where its parent has this value; without one, any value but null and false.",
)
@_amend_option(
    "no-parent",
    "CHILD[=PARENT]",
    "Let a parameter count whatever this parent has; without a parent, whatever any of them has.",
)
@_amend_option(
    "name",
    "NAME[=PRIORITY]",
    "Put a parameter into the configurations' names; those with a higher priority come first.",
)
@_amend_option("no-name", "NAME", "Take a parameter out of the configurations' names.")
@_amend_option(
    "absent",
    "NAME[=VALUE]",
    "Say which value runs from before a parameter had; without one, accept what an import proposed.",
)
@_amend_option("no-absent", "NAME", "Take an absent value away, or refuse what an import proposed.")
@click.option(
    "--describe", "describe", metavar="TEXT", help="Give the runs this description; '' takes it away."
)
@click.option("--to", "to", metavar="EXPERIMENT", help="Move the configurations to this experiment.")
@selection_options
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@click.option(
    "--continue", "is_continued", is_flag=True, help="Only finish what an interrupted command began."
)
@backend_options
@json_option
def amend_command(
    experiment: Path,
    *,
    set_: tuple[str, ...],
    correct_: tuple[str, ...],
    rename_: tuple[str, ...],
    drop_: tuple[str, ...],
    ignore_: tuple[str, ...],
    compare_: tuple[str, ...],
    parent_: tuple[str, ...],
    no_parent_: tuple[str, ...],
    name_: tuple[str, ...],
    no_name_: tuple[str, ...],
    absent_: tuple[str, ...],
    no_absent_: tuple[str, ...],
    describe: str | None,
    to: str | None,
    selection: RunSelection,
    dry_run: bool,
    is_sure: bool,
    is_continued: bool,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Change the configurations that an experiment has already.

    Configurations that become equal are united, and those that become different are parted. Every run keeps
    its id, its numbers and its files. Runs that are running are left as they are. What was there before stays
    in the trash: see legm restore and legm trash. After a command that was interrupted, --continue finishes
    it; so does the next command that changes something.
    """
    from legm.changes.absent_values_change import decided_absent_values
    from legm.changes.amend import amend_experiment, continue_changes
    from legm.cli.changing import experiment_to_change, root_of_changes
    from legm.core.amendment_changes import AmendmentChanges
    from legm.core.naming import readable_name

    if is_continued:
        notes = continue_changes(root_of_changes(experiment))
        if as_json:
            print_json({"notes": notes})
        else:
            print_notes(notes or ["nothing was interrupted"])
        return
    folder = experiment_to_change(at(experiment))
    pairs = name_value_pairs(tuple(one for one in absent_ if "=" in one))
    given = {name: parse_value_text(text) for name, text in pairs}
    accepted = [one for one in absent_ if "=" not in one]
    names = dict(map(_name_and_priority, name_))
    changes = AmendmentChanges(
        rename=dict(name_value_pairs(rename_)),
        set={name: parse_value_text(text) for name, text in name_value_pairs(set_)},
        correct={name: parse_value_text(text) for name, text in name_value_pairs(correct_)},
        drop=drop_,
        no_parent=_parents_to_take_away(no_parent_),
        parent=_parents_to_amend(parent_),
        ignore=ignore_,
        compare=compare_,
        name=tuple(names),
        name_priority={name: priority for name, priority in names.items() if priority is not None},
        no_name=no_name_,
        describe=describe,
        experiment=to,
        new_absent=decided_absent_values(folder, given, accepted),
        no_absent=no_absent_,
    )
    done = amend_experiment(
        folder,
        changes,
        title=f"amend {readable_name(folder.name)}: {changes.summary()}",
        selection=selection,
        confirm=lambda plan: confirmed_amend_plan(plan, is_sure=is_sure, is_quiet=as_json),
        dry_run=dry_run,
    )
    print_amended(done, folder.parent, is_dry=dry_run, as_json=as_json)


def print_amended(done: Amended, root: Path, *, is_dry: bool, as_json: bool) -> None:
    """Print what an amendment did, or would do."""
    from legm.cli.changing import short_path

    if as_json:
        _print_amended_json(done)
        return
    if is_dry or not done.plan.changes:
        print_amend_plan(done.plan)
    print_notes(done.notes)
    if done.trash:
        say(f"done; legm restore {short_path(root)} {done.trash} brings back what was there")


def _parents_to_amend(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By child, its parents, each with the value that makes it active; a child may be given several times."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        ((child, condition),) = name_value_pairs((text,))
        parent, sign, value = condition.partition(":")
        found.setdefault(child, {})[parent] = parse_value_text(value) if sign else None
    return found


def _parents_to_take_away(texts: Sequence[str]) -> dict[str, list[str]]:
    """By child, the parents that it does not depend on any more; none for all."""
    found: dict[str, list[str]] = {}
    for text in texts:
        child, _, parent = text.partition("=")
        found.setdefault(child, []).extend([parent] if parent else [])
    return {child: [] if child in texts else parents for child, parents in found.items()}


def _name_and_priority(text: str) -> tuple[str, float | None]:
    """A parameter of the name with its priority there; None for the one that it has."""
    name, sign, priority = text.rpartition("=")
    try:
        return (name, float(priority)) if sign else (text, None)
    except ValueError:  # a parameter's name may have an equals sign in it
        return text, None


def confirmed_amend_plan(plan: AmendmentPlan, *, is_sure: bool, is_quiet: bool) -> bool:
    """Show what becomes of each configuration, and ask whether to go ahead."""
    if not is_quiet:
        print_amend_plan(plan)
    return is_sure or click.confirm("Change them?", err=is_quiet)


def print_amend_plan(plan: AmendmentPlan) -> None:
    """Print what becomes of each configuration, and how many are united, parted and untouched."""
    from legm.core.naming import readable_name

    rows = [
        (
            readable_name(change.folder),
            plan.kind(change),
            str(runs),
            readable_name(plan.label(change, digest)),
            change.differences[digest],
        )
        for change in plan.changes[:_SHOWN]
        for digest, runs in change.becomes.items()
    ]
    if rows:
        columns = [
            Column("configuration", fit="fold", is_name=True),
            Column("is"),
            Column("runs", right=True),
            Column("becomes", fit="fold", is_name=True),
            Column("before | after", fit="fold"),
        ]
        print_table(columns, rows)
    from legm.core.texts import counted

    if len(plan.changes) > _SHOWN:
        say(f"… and {counted(len(plan.changes) - _SHOWN, 'more configuration')}")
    for run_id in plan.running:
        say(f"the run {run_id} is running, and is left as it is")
    counts = plan.counts()
    say(
        f"{counted(plan.runs, 'run changes', 'runs change')}; configurations: "
        + ", ".join(f"{number:,} {kind}" for kind, number in counts.items())
    )
    print_notes(plan.in_backends.sentences())


def _print_amended_json(done: Amended) -> None:
    """Print what an amendment did for a program, one configuration at a time."""
    from legm.core.naming import readable_name

    plan = done.plan
    configurations = (
        {
            "configuration": readable_name(change.folder),
            "folder": change.folder,
            "kind": plan.kind(change),
            "becomes": [
                {
                    "configuration": readable_name(plan.label(change, digest)),
                    "fingerprint": digest,
                    "runs": runs,
                    "difference": change.differences[digest],
                }
                for digest, runs in change.becomes.items()
            ],
            "staying": change.staying,
        }
        for change in plan.changes
    )
    rest = {
        "counts": plan.counts(),
        "runs": plan.runs,
        "running": plan.running,
        "backends": plan.in_backends.as_list(),
        "backend_notes": plan.in_backends.notes,
        "trash": done.trash or None,
        "notes": done.notes,
    }
    print_json_of_many("configurations", configurations, rest)
