"""Where the newest runs of configurations come from, as far as they differ."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from legm.core.run_origin import origin_differences, origin_facts, versions_known_of_some
from legm.core.texts import exact_text, listed_names
from legm.records import Plain, RunResult, Status
from legm.ui.stored_runs import StoredRuns

__all__ = ["code_differences"]


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
        ``versions``, the distributions whose version is known of some of them only; and ``commands``, which
        show how the commits differ.

    Raises:
        StorageError: there is no such configuration.
    """
    newest = [_newest_code_run(stored, experiment, one, description) for one in fingerprints]
    environments = [{} if one is None else one.run.environment for one in newest]
    first, *others = environments
    names = {name: None for one in others for name, _, _ in origin_differences(first, one)}
    flat = [origin_facts(one) for one in environments]
    return {
        "runs": ["" if one is None else one.run.run_id for one in newest],
        "facts": [[name, *(_code_text(one.get(name)) for one in flat)] for name in names],
        "versions": listed_names(versions_known_of_some(environments)),
        "commands": _code_difference_commands(first, others),
    }


def _newest_code_run(
    stored: StoredRuns, experiment: str, fingerprint: str, description: str
) -> RunResult | None:
    _, runs = stored.runs_of_configuration(experiment, fingerprint)
    own = [one for one in runs if one.status is Status.COMPLETED and one.run.description == description]
    return max(own, key=lambda one: one.run.run_id, default=None)


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
    git: Any = environment.get("git")
    value = git.get(name) if isinstance(git, dict) else None
    return value if isinstance(value, str) else ""
