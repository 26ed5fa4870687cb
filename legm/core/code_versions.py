"""Which code runs come from: a short label for each, and what to say where averaged runs differ in it.

A label is the start of the commit's hash; ``+`` and the start of a hash of the changes follow where some were
not committed, and ``?`` where it is unknown whether there were any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from legm.core.run_environment import STRETCHES
from legm.records import Plain

__all__ = ["code_label", "count_code", "different_code_note", "different_code_text"]

_THEN = " then "  # between the labels of a resumed run
_SHORT = 7  # characters of a commit's hash


def code_label(environment: Mapping[str, Plain]) -> str:
    """The label of the code that a run comes from; "" where it is unknown.

    A run that was resumed with other code has the labels of both.

    Args:
        environment: of the run.
    """
    stretches = environment.get(STRETCHES)
    if not isinstance(stretches, list) or not stretches:
        return _code_version_label(environment.get("git"))
    labels = [_code_version_label(one.get("git")) if isinstance(one, Mapping) else "" for one in stretches]
    return "" if "" in labels else _THEN.join(dict.fromkeys(labels))


def _code_version_label(git: Plain) -> str:
    if not isinstance(git, dict):
        return ""
    commit, changes = git.get("commit") or "", git.get("changes") or ""
    if not isinstance(commit, str) or not isinstance(changes, str) or not (commit or changes):
        return ""
    if changes:
        return f"{commit[:_SHORT]}+{changes[:_SHORT]}"
    return commit[:_SHORT] + ("" if git.get("dirty") is False else "?")


def count_code(environments: Iterable[Mapping[str, Plain]]) -> dict[str, int]:
    """The number of runs by the label of their code, without those of which it is unknown.

    Args:
        environments: of each run.
    """
    labels: dict[str, int] = {}
    before: Mapping[str, Plain] | None = None
    label = ""
    for one in environments:
        if one is not before:  # runs of one process often share it
            label, before = code_label(one), one
        if label:
            labels[label] = labels.get(label, 0) + 1
    return dict(sorted(labels.items())) if len(labels) > 1 else labels


def different_code_text(code: Mapping[str, int]) -> str:
    """What to say of averaged runs: "3 runs of 1f3a9c2, 2 of 1f3a9c2 with changes"; "" of equal code.

    Args:
        code: the number of runs by label.
    """
    if len({label.rstrip("?") for label in code}) < 2:  # what is unknown is not different
        return ""
    shown: list[str] = []
    with_changes = Counter(label.partition("+")[0] for label in code if "+" in label)
    order = sorted(code, key=lambda label: (label.partition("+")[0], "+" in label, -code[label], label))
    for label in order:
        runs = f"{code[label]}{'' if shown else ' run' if code[label] == 1 else ' runs'}"
        shown.append(f"{runs} of {_readable_code_label(label, with_changes)}")
    return ", ".join(shown)


def different_code_note(codes: Iterable[Mapping[str, int]]) -> list[str]:
    """The note that averaged runs come from different code; nothing where none do.

    Args:
        codes: of each configuration, the number of runs by the label of their code.
    """
    texts = list(filter(None, map(different_code_text, codes)))
    if not texts:
        return []
    others = f"; so do those of {len(texts) - 1} other configuration{'s' * (len(texts) > 2)}"
    return [f"averaged runs come from different code: {texts[0]}{others * (len(texts) > 1)}"]


def _readable_code_label(label: str, with_changes: Mapping[str, int]) -> str:
    if _THEN in label:
        return _THEN.join(_readable_code_label(one, {}) for one in label.split(_THEN))
    commit, sign, changes = label.partition("+")
    if sign:
        which = f" {changes[:4]}" if with_changes.get(commit, 0) > 1 else ""
        return f"{commit or 'no commit'} with changes{which}"
    return f"{commit[:-1]}, changes unknown" if commit.endswith("?") else commit
