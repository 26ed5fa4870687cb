"""Where the newest runs of configurations come from, as far as they differ."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from legm.core.patch_differences import patch_differences
from legm.core.patch_reading import FileChange, read_patch
from legm.core.run_origin import origin_differences, origin_facts, versions_known_of_some
from legm.core.texts import exact_text, listed_names
from legm.errors import LegmError
from legm.records import Plain, RunResult, Status
from legm.ui.run_files import read_run_patch, run_patch_path
from legm.ui.stored_runs import StoredRuns

__all__ = ["code_differences"]

_MOST_FILES = 50  # with different uncommitted changes,
_MOST_LINES = 200  # of each,
_MOST_CHARACTERS = 1000  # and of each line


@dataclass(frozen=True, slots=True)
class _UncommittedChanges:
    """What was changed in the code of a run and not committed.

    Args:
        files: the changes of each file.
        problem: why they are not known; "" where they are.
    """

    files: Sequence[FileChange]
    problem: str = ""


def code_differences(
    stored: StoredRuns, experiment: str, fingerprints: Sequence[str], description: str
) -> dict[str, Plain]:
    """Compare the code, the command and the machine of the newest completed run of each configuration.

    Args:
        stored: where they are.
        experiment: theirs.
        fingerprints: theirs; the first one is what the others are compared with.
        description: of the runs.

    Returns:
        ``runs``, the id of each one's, "" without one; ``facts``, each a name and a text for each of them;
        ``versions``, the distributions whose version is known of some of them only; ``commands``, which show
        how the commits differ; and ``changes``, how the uncommitted changes of each of the others differ from
        those of the first, where they do.
    """
    found = [_newest_code_run(stored, experiment, one, description) for one in fingerprints]
    newest, folders = [run for _, run in found], [folder for folder, _ in found]
    environments = [{} if one is None else one.run.environment for one in newest]
    first, *others = environments
    names = {name: None for one in others for name, _, _ in origin_differences(first, one)}
    flat = [origin_facts(one) for one in environments]
    return {
        "runs": ["" if one is None else one.run.run_id for one in newest],
        "facts": [[name, *(_code_text(one.get(name)) for one in flat)] for name in names],
        "versions": listed_names(versions_known_of_some(environments)),
        "commands": _code_difference_commands(first, others),
        "changes": _uncommitted_differences(newest, folders),
    }


def _newest_code_run(
    stored: StoredRuns, experiment: str, fingerprint: str, description: str
) -> tuple[Path | None, RunResult | None]:
    """The folder of a configuration and its newest completed run; none of one that is not there any more."""
    try:
        configuration, runs = stored.runs_of_configuration(experiment, fingerprint)
    except LegmError:
        return None, None
    own = [one for one in runs if one.status is Status.COMPLETED and one.run.description == description]
    return configuration.folder, max(own, key=lambda one: one.run.run_id, default=None)


def _uncommitted_differences(
    runs: Sequence[RunResult | None], folders: Sequence[Path | None]
) -> list[dict[str, Plain]]:
    """What ``legm diff`` shows of the uncommitted changes of each of the others and the first one."""
    patches = [_uncommitted_changes(run, folder) for run, folder in zip(runs, folders, strict=True)]
    first = patches[0]
    if runs[0] is None:
        return []
    found: list[dict[str, Plain]] = []
    for other, (run, patch) in enumerate(zip(runs[1:], patches[1:], strict=True), start=1):
        problems = [] if run is None else [*filter(None, dict.fromkeys((first.problem, patch.problem)))]
        is_known = run is not None and not problems
        differences = patch_differences(first.files, patch.files) if is_known else []
        if differences or problems:
            shown = differences[:_MOST_FILES]
            found.append(
                {
                    "other": other,
                    "files": [
                        {
                            "name": one.name,
                            "changed_in": one.changed_in,
                            "lines": [line[:_MOST_CHARACTERS] for line in one.lines[:_MOST_LINES]],
                            "more": max(0, len(one.lines) - _MOST_LINES),
                        }
                        for one in shown
                    ],
                    "more": len(differences) - len(shown),
                    "problems": problems,
                }
            )
    return found


def _uncommitted_changes(run: RunResult | None, folder: Path | None) -> _UncommittedChanges:
    if run is None:
        return _UncommittedChanges([])
    path, git = run_patch_path(folder, run), _code_git(run.run.environment)
    whose = f"the uncommitted changes of {run.run.run_id}"
    if folder is None or path is None:
        return _UncommittedChanges([], f"{whose} were not kept" if git.get("dirty") is True else "")
    try:
        content = read_run_patch(folder, path)
    except LegmError as error:
        return _UncommittedChanges([], str(error))
    if sha256(content).hexdigest() != git["patch"].get("sha256"):
        return _UncommittedChanges([], f"{whose} are unknown: {path.name} is not the one that was recorded")
    return _UncommittedChanges(read_patch(content))


def _code_text(value: Plain) -> str:
    return "" if value is None else value if isinstance(value, str) else exact_text(value)


def _code_difference_commands(first: Mapping[str, Plain], others: Sequence[Mapping[str, Plain]]) -> list[str]:
    """How git shows what was changed between the commits, where both are of one folder."""
    folder, commit = _code_git_fact(first, "folder"), _code_git_fact(first, "commit")
    found = [
        shlex.join(["git", "-C", folder, "diff", commit, _code_git_fact(one, "commit")])
        for one in others
        if folder
        and commit
        and _code_git_fact(one, "folder") == folder
        and _code_git_fact(one, "commit") not in {"", commit}
    ]
    return list(dict.fromkeys(found))


def _code_git_fact(environment: Mapping[str, Plain], name: str) -> str:
    value = _code_git(environment).get(name)
    return value if isinstance(value, str) else ""


def _code_git(environment: Mapping[str, Plain]) -> Mapping[str, Any]:
    git: Any = environment.get("git")
    return git if isinstance(git, dict) else {}
