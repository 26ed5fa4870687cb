"""The git repository that a script lives in: its commit, branch, remote and uncommitted changes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from legm.core.credentials import redact_source, redact_url_user
from legm.core.patch_reading import split_patch_changes
from legm.provenance.git_commands import GitCommands, GitProblem
from legm.provenance.git_folder import GitFolder, find_git_folder
from legm.provenance.patches import LARGEST_PATCH, Patch, in_patch_order, is_source_code
from legm.records import Plain

__all__ = ["TIME_LIMIT", "GitState", "read_git_head", "read_git_state"]

TIME_LIMIT = 10.0
"""Seconds after which git is not waited for any longer."""

_MOST_UNTRACKED = 1000  # files
_MOST_SUBMODULES = 50
_MOST_NAMED = 50
_INSTALLED = re.compile(r"(?:^|/)(?:site-packages|node_modules|__pycache__)/")
_DIFF = (
    *("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index", "--no-relative", "-U3"),
    *("--find-renames", "-l400", "--ignore-submodules=all", "--submodule=short", "--inter-hunk-context=0"),
)


@dataclass(slots=True)
class GitState:
    """What became known of a repository.

    Args:
        folder: its working tree.
        commit: the hash; "" before the first commit, and where it is unknown.
        branch: "" for none.
        remote: the address that it is exchanged with, without user and password; "" for none.
        is_dirty: whether the code differs from the commit; None where that is unknown.
        submodules: the changed ones, by path, with their commits.
        patch: the uncommitted changes.
        problem: why not all of it is known; "" where it is.
    """

    folder: str
    commit: str = ""
    branch: str = ""
    remote: str = ""
    is_dirty: bool | None = None
    submodules: dict[str, str] = field(default_factory=dict)
    patch: Patch = field(default_factory=Patch)
    problem: str = ""

    def as_environment(self) -> dict[str, Plain]:
        """What is kept of it, without the patch itself."""
        found: dict[str, Plain] = {
            "folder": self.folder,
            "commit": self.commit,
            "branch": self.branch,
            "remote": self.remote,
            "dirty": self.is_dirty,
            "changes": self.patch.changes,
            "submodules": self.submodules,
            "left_out": _first_git_names(self.patch.left_out),
            "redacted_lines": self.patch.redacted,
            "problem": self.problem,
        }
        return {name: value for name, value in found.items() if value not in ("", {}, 0) or value is False}


def _first_git_names(left_out: dict[str, str]) -> dict[str, str]:
    if len(left_out) <= _MOST_NAMED:
        return left_out
    named = dict(list(left_out.items())[:_MOST_NAMED])
    return named | {"…": f"{len(left_out) - _MOST_NAMED:,} more"}


def read_git_head(script: Path | None, folder: Path) -> GitState | None:
    """The repository, commit and branch as its files say, at once and without git.

    Args:
        script: the program's file, whose repository it is; None without one.
        folder: the working folder, whose repository it is where the script is in none.

    Returns:
        None where neither is in the working tree of a repository.
    """
    found = _find_git_repository(script, folder)
    return None if found is None else _read_repository_git_head(found[1])


def read_git_state(
    script: Path | None,
    folder: Path,
    leave_out: Path | None = None,
    redact: Callable[[str], str] = redact_source,
    pause: Callable[[], None] = lambda: None,
) -> GitState | None:
    """The state of the repository of a script, with the uncommitted changes.

    Nothing in it is changed. Where git is not installed, refuses, or does not end within the time limit,
    what :func:`read_git_head` says is known all the same.

    Args:
        script: as for :func:`read_git_head`.
        folder: as for :func:`read_git_head`.
        leave_out: a folder whose files are none of its changes: the runs themselves.
        redact: gives a text without the credentials in it.
        pause: is called after each piece of work, so that other threads may run.
    """
    deadline = time.monotonic() + TIME_LIMIT
    found = _find_git_repository(script, folder)
    if found is None:
        return None
    owner, repository = found

    def redact_piece(text: str) -> str:
        clean = redact(text)
        pause()
        return clean

    state = _read_repository_git_head(repository, redact_piece)
    state.problem = ""
    try:
        is_readable = _git_belongs_to_owner(owner, repository)
        git = GitCommands(repository.top, deadline, any_owner=is_readable, pause=pause)
        _read_git_changes(state, git, repository.top, leave_out)
    except GitProblem as problem:
        state.problem = redact(str(problem))
    return state


def _find_git_repository(script: Path | None, folder: Path) -> tuple[Path | None, GitFolder] | None:
    """The repository of the script, with the script, or else that of the folder."""
    repository = None if script is None else find_git_folder(script.parent)
    if repository is not None:
        return script, repository
    repository = find_git_folder(folder)
    return None if repository is None else (None, repository)


def _read_repository_git_head(
    repository: GitFolder, redact: Callable[[str], str] = redact_source
) -> GitState:
    commit, branch = repository.head()
    return GitState(
        os.path.realpath(repository.top),
        commit,
        branch,
        patch=Patch(redact=redact),
        problem="the run ended before git said what is changed",
    )


def _git_belongs_to_owner(script: Path | None, repository: GitFolder) -> bool:
    """Whether a script and the repository around it belong to one user, as in a container's mounted folder.

    Git does not read the repository of another user, whose settings may name programs. But whoever owns the
    script that runs here has no need of them.
    """
    if script is None or os.name == "nt":
        return False
    try:
        return repository.owners() == {script.stat().st_uid}
    except OSError:
        return False


def _read_git_changes(state: GitState, git: GitCommands, top: Path, leave_out: Path | None) -> None:
    entries = list(_read_git_status(state, git))
    state.remote = _read_git_remote(git, state.branch)
    base = state.commit or git.output("hash-object", "-t", "tree", os.devnull).decode().strip()
    changed = {path: code for path, code in entries if code.startswith("S")}
    state.is_dirty = bool(entries)
    if len(changed) < len(entries):
        _add_git_tracked(state.patch, git, base)
    for path in list(changed)[:_MOST_SUBMODULES]:
        _add_git_submodule(state, git, path, is_modified="M" in changed[path])
    if Path(state.folder) != Path.home().resolve():  # a folder with everything that a user has
        _add_git_untracked(state, git, top, leave_out)


def _read_git_status(state: GitState, git: GitCommands) -> Iterator[tuple[str, str]]:
    """Note commit and branch; give each changed file that git knows, and what is changed of a submodule."""
    entries = git.entries(
        *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no", "--no-renames"),
        *("--ignore-submodules=none", "--no-ahead-behind"),
    )
    for entry in entries:
        words = entry.split(" ")
        if entry.startswith("# branch.oid "):
            state.commit = "" if words[2] == "(initial)" else words[2]
        elif entry.startswith("# branch.head "):
            state.branch = "" if words[2] in {"(detached)", "(unknown)"} else words[2]
        elif entry.startswith("1 "):
            yield " ".join(words[8:]), words[2]
        elif entry.startswith("u "):
            yield " ".join(words[10:]), words[2]


def _read_git_remote(git: GitCommands, branch: str) -> str:
    """The address of the branch's remote, else of origin, else of the first one."""
    try:
        output = git.output("config", "--null", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$")
    except GitProblem:  # there is none
        return ""
    pairs = [one.partition("\n") for one in output.decode("utf-8", "replace").split("\0") if one]
    settings: dict[str, str] = {}
    for name, _, value in pairs:
        settings.setdefault(name, value)
    of_branch = settings.get(f"branch.{branch}.remote", "origin")
    addresses = {name: value for name, value in settings.items() if name.endswith(".url")}
    address = addresses.get(f"remote.{of_branch}.url") or addresses.get("remote.origin.url")
    address = address or next(iter(addresses.values()), "")
    return redact_url_user(address)


def _add_git_tracked(
    patch: Patch, git: GitCommands, base: str, folder: Path | None = None, prefix: str = ""
) -> None:
    prefixes = (f"--src-prefix=a/{prefix}", f"--dst-prefix=b/{prefix}")
    with git.reading(*_DIFF, *prefixes, base, "--", folder=folder) as stream:
        diff = stream.read(4 * LARGEST_PATCH + 1)
    changes = split_patch_changes(diff, git.pause)
    if len(diff) > 4 * LARGEST_PATCH:
        changes.pop()
        patch.left_out["…"] = f"all after the first {4 * LARGEST_PATCH:,} bytes of changes"
    for change in changes:
        patch.add_tracked(change)


def _add_git_submodule(state: GitState, git: GitCommands, path: str, *, is_modified: bool) -> None:
    folder = Path(state.folder) / path
    commit = ""
    if find_git_folder(folder) != find_git_folder(folder.parent):  # it is there
        commit = git.output("rev-parse", "HEAD", folder=folder).decode().strip()
    state.submodules[path] = commit
    state.patch.note_change(f"{path} {commit}")
    if is_modified and commit:
        _add_git_tracked(state.patch, git, commit, folder, f"{path}/")


def _add_git_untracked(state: GitState, git: GitCommands, top: Path, leave_out: Path | None) -> None:
    without = []
    if leave_out is not None:
        inside = os.path.relpath(os.path.realpath(leave_out), state.folder)
        if inside == os.curdir:
            return
        if not inside.startswith(os.pardir):
            without = [".", f":(exclude,literal){Path(inside).as_posix()}"]
    names = [
        name
        for name in git.entries("ls-files", "--others", "--exclude-standard", "-z", "--", *without)
        if not _INSTALLED.search(name)
    ]
    if len(names) > _MOST_UNTRACKED:
        state.patch.left_out["…"] = f"{len(names):,} untracked files, of which only programs are looked at"
        names = [name for name in names if is_source_code(name)][:_MOST_UNTRACKED]
    before = state.patch.changes
    for name in in_patch_order(names):
        if name.endswith("/"):
            state.patch.left_out[name] = "is a repository of its own"
        else:
            state.patch.add_untracked(top, name)
    state.is_dirty = state.is_dirty or state.patch.changes != before
