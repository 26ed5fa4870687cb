"""The repository that a folder is in, found and read without the git command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GitFolder", "find_git_folder"]

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LARGEST = 10_000_000  # bytes of a file with packed references that are read


@dataclass(frozen=True, slots=True)
class GitFolder:
    """A repository's folders.

    Args:
        top: the folder with the files.
        own: the folder with git's data of this working tree.
        common: that of all working trees of the repository.
    """

    top: Path
    own: Path
    common: Path

    def head(self) -> tuple[str, str]:
        """The commit and branch as git's files say, each "" where it is unknown or there is none."""
        head = _read_git_file(self.own / "HEAD")
        if not head.startswith("ref: "):
            return (head if _HASH.fullmatch(head) else ""), ""
        name = head.removeprefix("ref: ").strip()
        if not name.startswith("refs/") or ".." in name:
            return "", ""
        branch = name.removeprefix("refs/heads/")
        for folder in (self.own, self.common):
            commit = _read_git_file(folder / name)
            if _HASH.fullmatch(commit):
                return commit, branch
        for line in _read_git_file(self.common / "packed-refs").splitlines():
            commit, _, packed = line.partition(" ")
            if packed == name and _HASH.fullmatch(commit):
                return commit, branch
        return "", "" if branch == ".invalid" else branch  # so it is called where git keeps tables instead

    def owners(self) -> set[int]:
        """The ids of the users who own the repository."""
        return {path.stat().st_uid for path in (self.top, self.top / ".git", self.own)}


def find_git_folder(folder: Path) -> GitFolder | None:
    """The repository whose working tree a folder is in; None without one, as in a bare repository."""
    for top in (folder, *folder.parents):
        link = top / ".git"
        try:
            own = link
            if link.is_file():  # of another working tree, or of a submodule
                text = _read_git_file(link)
                if not text.startswith("gitdir: "):
                    continue
                own = top / text.removeprefix("gitdir: ")
            if (own / "HEAD").is_file() or (own / "HEAD").is_symlink():
                common = _read_git_file(own / "commondir")
                return GitFolder(top, own, own / common if common else own)
        except OSError:  # without permission there is nothing to find
            continue
    return None


def _read_git_file(path: Path) -> str:
    """A file's text without the space around it; "" where there is none that can be read."""
    try:
        if not path.is_file():  # a named pipe would be waited for
            return ""
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""
