"""The git command, run so that it changes nothing, asks nothing, reaches nobody and ends in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from legm.util.child_processes import process_group

__all__ = ["GitCommands", "GitProblem"]

_SETTINGS = (
    "core.fsmonitor=false",  # starts a process that stays
    "core.quotePath=true",
    "core.hooksPath=/dev/null",
    "protocol.allow=never",  # what a partial clone has not got is not fetched
    "diff.autoRefreshIndex=false",  # which writes although GIT_OPTIONAL_LOCKS forbids it
    "gc.auto=0",
    "maintenance.auto=false",
)
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}
_KEPT_VARIABLES = ("GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_SSL_")
_MOST_OUTPUT = 32_000_000
_PIECE = 16_384  # bytes of what it prints that are taken at once


class GitProblem(Exception):
    """Git is not there, refuses, or does not answer in time; the text says which."""


class GitCommands:
    """Runs git in one repository until a point in time.

    Args:
        folder: where it runs.
        deadline: when all must have ended, by ``time.monotonic()``.
        any_owner: whether git reads a repository that belongs to another user.
        pause: is called after each piece of what git printed.

    Raises:
        GitProblem: git is not installed.
    """

    def __init__(
        self,
        folder: Path,
        deadline: float,
        *,
        any_owner: bool = False,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        program = shutil.which("git")
        if program is None:
            raise GitProblem("git is not installed")
        settings = [*_SETTINGS, "safe.directory=*"] if any_owner else _SETTINGS
        self._command = [program, "--no-pager", *(part for one in settings for part in ("-c", one))]
        self._folder = folder
        self._deadline = deadline
        self.pause = pause
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name.startswith(_KEPT_VARIABLES)
        } | _ENVIRONMENT

    def output(self, *arguments: str, folder: Path | None = None) -> bytes:
        """What a command prints.

        Raises:
            GitProblem: it failed, prints too much, or did not end in time.
        """
        with self.reading(*arguments, folder=folder) as stream:
            found = stream.read(_MOST_OUTPUT + 1)
            if len(found) > _MOST_OUTPUT:
                raise GitProblem(f"git {arguments[0]} printed more than {_MOST_OUTPUT:,} bytes")
        return found

    def entries(self, *arguments: str) -> Iterator[str]:
        """What a command prints with a NUL after each entry, such as the names of files, while it runs.

        Raises:
            GitProblem: as :meth:`output`, after the last entry.
        """
        size, begun = 0, b""
        with self.reading(*arguments) as stream:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > _MOST_OUTPUT:
                    raise GitProblem(f"git {arguments[0]} printed more than {_MOST_OUTPUT:,} bytes")
                *whole, begun = (begun + piece).split(b"\0")
                for entry in whole:
                    yield entry.decode("utf-8", "surrogateescape")
                self.pause()

    @contextmanager
    def reading(self, *arguments: str, folder: Path | None = None) -> Iterator[IO[bytes]]:
        """Read what a command prints while it runs; what is not read is not waited for.

        Raises:
            GitProblem: as :meth:`output`, after the last byte was read.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise GitProblem(f"git {arguments[0]} was not reached in time")
        with tempfile.TemporaryFile() as errors:
            try:
                with (
                    process_group(
                        [*self._command, *arguments],
                        cwd=folder or self._folder,
                        env=self._environment,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=errors,
                    ) as process,
                    _git_killed_after(process, left) as is_late,
                ):
                    stream: IO[bytes] | None = process.stdout
                    assert stream is not None  # noqa: S101 - it is a pipe
                    yield stream
                    is_read = not stream.read(1)
                    if not is_read:
                        process.kill()
                    code = process.wait()
            except OSError as cause:
                raise GitProblem(f"git {arguments[0]} cannot run: {cause}") from cause
            if is_late.is_set():
                raise GitProblem(f"git {arguments[0]} did not end in time")
            if is_read and code:
                errors.seek(0)
                printed = errors.read(2000).decode("utf-8", "replace").strip().splitlines()
                raise GitProblem(f"git {arguments[0]}: {printed[0] if printed else f'exit code {code}'}")


@contextmanager
def _git_killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kill a process that has not ended in time; yields what is set then."""
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield is_late
    finally:
        timer.cancel()
