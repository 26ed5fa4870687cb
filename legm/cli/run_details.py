"""Prints one run with where it comes from, how to bring that back, and what differs in two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.cli.json_output import json_configuration, json_run, print_json
from legm.cli.printing import print_notes, print_table, printable_text, printed_number, printed_time, say
from legm.cli.terminal_tables import Column
from legm.core.run_marks import shown_marks
from legm.core.run_origin import (
    commands_to_reproduce_origin,
    origin_differences,
    origin_facts,
    origin_notes,
    versions_known_of_some,
)
from legm.core.texts import listed_names, readable_text
from legm.records import RunMarks

if TYPE_CHECKING:
    from legm.cli.run_locations import LocatedRun
    from legm.records import Plain

__all__ = ["print_run", "print_run_differences", "print_run_reproduction"]

_HIDDEN = "distributions."  # many; they are counted
_SHOWN_AS_LINES = ("git.patch.", "git.changes", "git.left_out.", "git.problem")


def _shown_run_detail(value: Plain) -> str:
    return value if isinstance(value, str) else readable_text(value)


def _run_detail_cell(value: Plain) -> str:
    return "" if value is None else _shown_run_detail(value)


def print_run(run: LocatedRun, *, as_json: bool) -> None:
    """Print a run and where it comes from."""
    result = run.result
    environment = result.run.environment
    if as_json:
        print_json(
            {
                "folder": str(run.folder),
                "configuration": json_configuration(result.run.configuration),
                **json_run(result),
                "environment": environment,
                "changes": None if run.changes is None else str(run.changes),
            }
        )
        return
    say(f"run {result.run.run_id} of {result.run.configuration.experiment}", bold=True)
    say(f"{run.folder}\n")
    facts = {
        "status": result.status.value,
        "description": result.run.description,
        "started": printed_time(result.run.started),
        "ended": "" if result.ended is None else printed_time(result.ended),
        "last step": printed_number(result.last_step),
        "error": result.error or "",
        "tags": printable_text(shown_marks([result.marks])),
        "note": result.marks.note,
        **{name: _shown_run_detail(value) for name, value in result.run.parameters.items()},
    }
    _print_run_facts(facts)
    flat = origin_facts(environment)
    versions = sum(name.startswith(_HIDDEN) for name in flat)
    origin = {name: _run_detail_cell(value) for name, value in flat.items() if not name.startswith(_HIDDEN)}
    if versions:
        origin["distributions"] = f"{versions} versions: --json has them"
    if run.changes is not None:
        origin["git.patch.path"] = str(run.changes)
    say()
    if origin:
        _print_run_facts(origin)
    else:
        say("where it comes from was not recorded")
    notes = origin_notes(environment)
    if notes:
        say()
        print_notes(notes)


def _print_run_facts(facts: dict[str, str]) -> None:
    rows = [(name, text) for name, text in facts.items() if text]
    print_table([Column("what"), Column("value", fit="fold")], rows)


def print_run_reproduction(run: LocatedRun, *, as_json: bool) -> None:
    """Print the commands that bring a run's code back and run it again."""
    environment = run.result.run.environment
    git: Any = environment.get("git")
    git = git if isinstance(git, dict) else {}
    folder, commit = str(git.get("folder") or ""), str(git.get("commit") or "")
    target = Path.cwd() / f"{Path(folder).name or 'code'}-{commit[:7]}"
    has_folder = bool(folder) and (Path(folder) / ".git").exists()
    patch = None if run.changes is None else str(run.changes)
    lines = commands_to_reproduce_origin(environment, target, patch, has_folder=has_folder)
    if as_json:
        print_json({"run_id": run.result.run.run_id, "commands": lines})
    elif lines:
        for line in lines:
            say(line)
    else:
        say(f"# the command of run {run.result.run.run_id} was not recorded")


def print_run_differences(a: LocatedRun, b: LocatedRun, *, as_json: bool) -> None:
    """Print what differs in two runs: parameters, tags, notes, code, command, machine and versions."""
    from legm.cli.code_differences import print_code_differences, read_code_differences
    from legm.core.identity import configuration_differences

    marks = [one.result.marks for one in (a, b)]
    runs = [one.result.run for one in (a, b)]
    compared = configuration_differences(runs[0].configuration, runs[1].configuration)
    own = origin_differences(runs[0].parameters, runs[1].parameters)
    found = origin_differences(runs[0].environment, runs[1].environment)
    versions = versions_known_of_some([run.environment for run in runs])
    code = read_code_differences(a, b)
    if as_json:
        print_json(
            {
                "parameters": [
                    *({"name": one.name, "a": one.ours, "b": one.theirs} for one in compared),
                    *({"name": name, "a": ours, "b": theirs} for name, ours, theirs in own),
                ],
                "marks": [{"name": name, "a": x, "b": y} for name, x, y in _noted_run_differences(*marks)],
                "environment": [{"name": name, "a": ours, "b": theirs} for name, ours, theirs in found],
                "versions_of_one": versions,
                "code": code.as_dict(),
            }
        )
        return
    titles = [Column(run.run_id, fit="fold") for run in runs]
    rows = [
        (one.name, one.our_note or readable_text(one.ours), one.their_note or readable_text(one.theirs))
        for one in compared
    ]
    rows += [(name, _run_detail_cell(ours), _run_detail_cell(theirs)) for name, ours, theirs in own]
    if rows:
        print_table([Column("parameter", fit="fold"), *titles], rows)
    else:
        say("the same parameters")
    say()
    noted = _noted_run_differences(*marks)
    if noted:
        rows = [(name, _shown_run_notes(ours), _shown_run_notes(theirs)) for name, ours, theirs in noted]
        print_table([Column("what is noted"), *titles], rows)
        say()
    shown = [one for one in found if not one[0].startswith(_SHOWN_AS_LINES)]
    if shown:
        rows = [(name, _run_detail_cell(ours), _run_detail_cell(theirs)) for name, ours, theirs in shown]
        print_table([Column("code and environment", fit="fold"), *titles], rows)
    elif not found:
        say("the same code and environment, as far as they were recorded")
    if versions:
        say()
        names = listed_names(versions)
        print_notes([f"imported by one of the runs only, so that the other's version is unknown: {names}"])
    if any(name.startswith("git.") for name, _, _ in found):
        if shown:
            say()
        print_code_differences(code)


def _noted_run_differences(a: RunMarks, b: RunMarks) -> list[tuple[str, Any, Any]]:
    pairs = [("tags", list(a.tags), list(b.tags)), ("note", a.note, b.note)]
    return [(name, ours, theirs) for name, ours, theirs in pairs if ours != theirs]


def _shown_run_notes(value: str | list[str]) -> str:
    return printable_text(value if isinstance(value, str) else shown_marks([RunMarks(tuple(value))]))
