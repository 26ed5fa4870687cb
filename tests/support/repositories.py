"""Real git repositories, made on the spot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["Repository", "run_git"]

_SETTINGS = ("user.name=Test", "user.email=test@example.org", "init.defaultBranch=main")
_SETTINGS += ("protocol.file.allow=always", "commit.gpgSign=false", "core.autocrlf=false")


def run_git(folder: Path, *arguments: str) -> str:
    """Run git as a user would, without the settings of whoever runs the tests; returns what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    options = [part for one in _SETTINGS for part in ("-c", one)]
    done = subprocess.run(
        ["git", *options, *arguments],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Repository:
    """A repository with one commit of a script.

    Args:
        folder: where it is made.
        files: by path, what is in it beside ``train.py``.
    """

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q")
        self.write({"train.py": "print('first')\n", **files})
        self.commit()

    @property
    def script(self) -> Path:
        """The script that is in it."""
        return self.folder / "train.py"

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        return run_git(self.folder, *arguments)

    def write(self, files: dict[str, str | bytes]) -> None:
        """Write files, by path."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self) -> str:
        """Commit everything; returns the hash."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a change")
        return self.head

    @property
    def head(self) -> str:
        """The hash of the commit."""
        return self.git("rev-parse", "HEAD").strip()

    def contents(self) -> dict[str, bytes]:
        """Every file in the working tree, by path, without git's own."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(self.folder).parts
        }
