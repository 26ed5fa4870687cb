"""What differs in the code of two runs: their commits, and the uncommitted changes of each, line by line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from legm.cli.printing import print_notes, say
from legm.core.patch_differences import FileDifference, change_lines, patch_differences
from legm.core.patch_reading import read_patch
from legm.core.texts import escape_unprintable_text

if TYPE_CHECKING:
    from legm.cli.run_locations import LocatedRun

__all__ = ["CodeDifferences", "print_code_differences", "read_code_differences"]

_MOST_LINES = 200  # of one file that are printed
_MOST_LINES_OF_ALL = 1_000
_MOST_CHARACTERS = 1_000  # of a line that are printed
_SHORT = 10  # characters of a commit's hash
_COLOURS = {"-": "red", "+": "green", "@": "cyan"}


@dataclass(frozen=True, slots=True)
class CodeDifferences:
    """What differs in the code of two runs.

    Args:
        runs: the ids of the two.
        commits: of the two; None where they are the same, or unknown.
        committed: the files that differ in the commits.
        uncommitted: the files that differ in what was not committed.
        notes: what is not known of it.
    """

    runs: tuple[str, str]
    commits: tuple[str, str] | None
    committed: Sequence[FileDifference]
    uncommitted: Sequence[FileDifference]
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "commits": None if self.commits is None else dict(zip("ab", self.commits, strict=True)),
            "committed": [_json_file_difference(one) for one in self.committed],
            "uncommitted": [_json_file_difference(one) for one in self.uncommitted],
            "notes": list(self.notes),
        }


def _json_file_difference(one: FileDifference) -> dict[str, Any]:
    return {"file": one.name, "changed_in": one.changed_in, "lines": list(one.lines)}


def read_code_differences(a: LocatedRun, b: LocatedRun) -> CodeDifferences:
    """Find out what differs in the code of two runs, as far as it was kept or git can say it.

    Args:
        a, b: the runs.
    """
    notes: list[str] = []
    commits, committed = _read_committed_code((_code_git_facts(a), _code_git_facts(b)), notes)
    patches = []
    for run in (a, b):
        content, problem = run.read_changes()
        run_id = run.result.run.run_id
        if problem:
            notes.append(f"the uncommitted changes of {run_id} are unknown: {problem}")
        if _code_git_facts(run).get("problem"):
            notes.append(
                f"what is changed in the code of {run_id} is not all known: {_code_git_facts(run)['problem']}"
            )
        left_out = _code_git_facts(run).get("left_out")
        for name, why in left_out.items() if isinstance(left_out, Mapping) else ():
            notes.append(f"{name} is not in the patch of {run_id}: it {why}")
        patches.append(None if problem else read_patch(content))
    ours, theirs = patches
    differences = patch_differences(ours or [], theirs or [])
    if ours is None or theirs is None:  # nothing can be said of what the other run has not
        notes.append("so only the changes of the other one are shown" if ours or theirs else "")
    if any(not one.is_relative for one in differences):
        notes.append(
            "files that were changed from different contents: first A's change taken back, then B's made"
        )
    runs = a.result.run.run_id, b.result.run.run_id
    return CodeDifferences(runs, commits, committed, differences, [note for note in notes if note])


def _code_git_facts(run: LocatedRun) -> Mapping[str, Any]:
    git = run.result.run.environment.get("git")
    return git if isinstance(git, Mapping) else {}


def _read_committed_code(
    git: tuple[Mapping[str, Any], Mapping[str, Any]], notes: list[str]
) -> tuple[tuple[str, str] | None, list[FileDifference]]:
    from legm.provenance.commit_difference import read_commit_difference

    a, b = (str(one.get("commit") or "") for one in git)
    if a == b or not a or not b:
        if a != b:
            notes.append(f"the commit of {'A' if b else 'B'} was not recorded")
        return None, []
    folders = [os.getcwd(), *(str(one.get("folder") or "") for one in git)]  # noqa: PTH109 - a text
    found = read_commit_difference(folders, a, b)
    if found.problem:
        notes.append(f"what differs in the commits is unknown: {found.problem}")
    if found.is_cut:
        notes.append(f"of what differs in the commits only the first {len(found.patch):,} bytes are known")
    changes = read_patch(found.patch)
    return (a, b), [FileDifference(one.name, "both", change_lines(one)) for one in changes]


def print_code_differences(differences: CodeDifferences) -> None:
    """Print what differs in the code of two runs: a readable part of it, and what is left out."""
    left = _MOST_LINES_OF_ALL
    if differences.committed or differences.uncommitted:
        for name, sign, run_id in zip("AB", "-+", differences.runs, strict=True):
            say(f"{name}, with lines that begin with {sign}: {run_id}")
        say()
    if differences.commits is not None:
        a, b = (escape_unprintable_text(one[:_SHORT]) for one in differences.commits)
        say(f"commits {a} and {b}: {_code_file_count(len(differences.committed))}", bold=True)
        left = _print_code_files(differences.committed, left, is_committed=True)
        say()
    if differences.uncommitted:
        say(f"uncommitted changes: {_code_file_count(len(differences.uncommitted))}", bold=True)
        _print_code_files(differences.uncommitted, left, is_committed=False)
        say()
    print_notes(escape_unprintable_text(note) for note in differences.notes)
    if differences.notes:
        say()


def _code_file_count(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'} with differences"


def _print_code_files(files: Sequence[FileDifference], left: int, *, is_committed: bool) -> int:
    """Print the lines of files while any are left; returns how many more may be printed."""
    for at, one in enumerate(files):
        if left <= 0:
            say(f"not shown: {_code_file_count(len(files) - at)}; --json has them", bold=True)
            break
        changed = {"a": ", changed only in A", "b": ", changed only in B"}.get(one.changed_in, "")
        say(escape_unprintable_text(one.name) + ("" if is_committed else changed), bold=True)
        shown = one.lines[: min(_MOST_LINES, left)]
        for line in shown:
            say("  " + _printed_code_line(line), fg=_COLOURS.get(line[:1]))
        if len(shown) < len(one.lines):
            say(f"not shown: {len(one.lines) - len(shown):,} more lines of it; --json has them", bold=True)
        left -= len(shown)
    return left


def _printed_code_line(line: str) -> str:
    """A line that does nothing to a terminal but show itself, and is not too long for one."""
    text = escape_unprintable_text(line[:_MOST_CHARACTERS], "\t")
    more = len(line) - _MOST_CHARACTERS
    return f"{text} (and {more:,} characters)" if more > 0 else text
