"""What differs in two commits of a repository that is at hand."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from legm.provenance.git_commands import GitCommands, GitProblem
from legm.provenance.git_folder import find_git_folder

__all__ = ["CommitDifference", "read_commit_difference"]

_MOST_BYTES = 4_194_304
_TIME_LIMIT = 10.0  # seconds
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_DIFF = (
    *("diff-tree", "-p", "-r", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index", "-U3"),
    *("--find-renames", "-l400", "--no-relative", "--src-prefix=a/", "--dst-prefix=b/"),
)


@dataclass(frozen=True, slots=True)
class CommitDifference:
    """What leads from one commit to another.

    Args:
        patch: as git writes it.
        is_cut: whether more differs than is read.
        problem: why it is unknown; "" where it is known.
    """

    patch: bytes = b""
    is_cut: bool = False
    problem: str = ""


def read_commit_difference(folders: Iterable[str], a: str, b: str) -> CommitDifference:
    """Ask git what differs in two commits, in the first repository that has both; nothing in it is changed.

    Args:
        folders: in which to look; each may be in no repository, or missing.
        a, b: the commits. Both these and the folders may come from somebody else.
    """
    if not (_COMMIT.fullmatch(a) and _COMMIT.fullmatch(b)):
        return CommitDifference(problem="the commits are not hashes of git")
    problem = "no repository that has both is on this machine"
    deadline = time.monotonic() + _TIME_LIMIT
    for top in dict.fromkeys(filter(None, map(_repository_of_difference, folders))):
        try:
            git = GitCommands(top, deadline)
            for commit in (a, b):
                git.output("cat-file", "-e", f"{commit}^{{commit}}")
        except GitProblem as error:
            if "is not installed" in str(error) or "dubious ownership" in str(error):
                problem = str(error)
            continue
        try:
            with git.reading(*_DIFF, a, b, "--") as stream:
                patch = stream.read(_MOST_BYTES + 1)
        except GitProblem as error:
            return CommitDifference(problem=str(error))
        return CommitDifference(patch[:_MOST_BYTES], len(patch) > _MOST_BYTES)
    return CommitDifference(problem=problem)


def _repository_of_difference(folder: str) -> Path | None:
    """The working tree that a folder on this machine is in; None without one."""
    path = Path(folder)
    if not path.is_absolute() or path.drive.startswith(("\\\\", "//")):
        return None
    try:
        found = find_git_folder(path) if path.is_dir() else None
    except (OSError, ValueError):
        return None
    return None if found is None else found.top
