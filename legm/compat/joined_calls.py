"""What several processes log to one run: one of them owns it, and the others write their calls to files.

A run log has one writer. A process that joins a run of another one (``MLFLOW_RUN_ID``, an equal
``WANDB_RUN_ID``, a fork, a ``Run`` that was handed to a spawned process) therefore appends each of its calls
to a file of its own in the folder of the run below ``<root>/.legm/joined``. The owner makes these calls on
the run. Where the owner has gone, whoever logs last becomes the owner.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from legm.errors import storage_error
from legm.runlog.file_names import JOINED_RUNS, JOURNAL_SUFFIX, OWN_FOLDER
from legm.runlog.log_writer import is_log_locked, lock_log_descriptor
from legm.util.atomic_files import write_atomically
from legm.util.forks import close_unshared_with_forks, open_unshared_with_forks

__all__ = ["CallFile", "JoinedCall", "JoinedCalls", "abandoned_calls", "joined_folder"]

_OWNER_FILE = "owner"
_DESCRIPTION_FILE = "run.json"
_CALLS_SUFFIX = JOURNAL_SUFFIX
_POSITION_SUFFIX = ".position"


class JoinedCall(NamedTuple):
    """A call that another process made on a run.

    Args:
        process: names the process.
        name: of the call.
        time: when it was made, in seconds since 1970.
        arguments: of the call.
        folder: has the files that the call names.
    """

    process: str
    name: str
    time: float
    arguments: dict[str, Any]
    folder: Path


class CallFile:
    """The file of one process that joined a run.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"

    @property
    def path(self) -> Path:
        """The file."""
        return self._folder / f"{self._name}{_CALLS_SUFFIX}"

    def write(self, name: str, time: float, arguments: Mapping[str, Any]) -> None:
        """Append a call, which is on disk when this returns.

        Raises:
            StorageError: it cannot be written.
        """
        line = (json.dumps([name, time, arguments]) + "\n").encode()
        try:
            while not self._append(line):
                pass
        except OSError as cause:
            raise storage_error("write", self.path, cause) from cause

    def _append(self, line: bytes) -> bool:
        """Append a line; returns False where the owner deleted the file meanwhile, which it had read."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            _lock_call_file(file.fileno())
            if os.fstat(file.fileno()).st_nlink == 0:
                return False
            file.write(line)
            return True

    def keep(self, content: bytes | Path) -> Path:
        """Keep a file for the owner of the run, and return its path.

        Raises:
            StorageError: it cannot be copied.
        """
        folder = self._folder / self._name
        path = folder / secrets.token_hex(8)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                shutil.copyfile(content, path)
        except OSError as cause:
            raise storage_error("copy", content if isinstance(content, Path) else path, cause) from cause
        return path

    def is_read(self) -> bool:
        """Whether the owner has made every call of this file."""
        with contextlib.suppress(OSError):
            return _read_position(self.path) >= self.path.stat().st_size
        return True  # the owner deletes what it has read


class JoinedCalls:
    """The calls of the processes that join one run, as the run's owner sees them.

    Args:
        folder: of the run, as :func:`joined_folder` gives it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fd = -1
        self._positions: dict[Path, int] = {}

    def try_to_own(self, description: Mapping[str, Any]) -> bool:
        """Own the run, unless a living process does.

        Args:
            description: what others are told of the run before it is stored.

        Raises:
            StorageError: the folder cannot be written.
        """
        path = self.folder / _OWNER_FILE
        try:
            while self._fd < 0:
                self.folder.mkdir(parents=True, exist_ok=True)
                fd = open_unshared_with_forks(path, os.O_RDWR | os.O_CREAT)
                is_locked = lock_log_descriptor(fd)
                if is_locked and os.fstat(fd).st_nlink > 0:
                    self._fd = fd
                    break
                close_unshared_with_forks(fd)
                if not is_locked:
                    return False  # else the owner deleted the file meanwhile
        except OSError as cause:
            raise storage_error("write", path, cause) from cause
        self.describe(description)
        return True

    def describe(self, description: Mapping[str, Any]) -> None:
        """Say what the run has, for the processes that join it.

        Raises:
            StorageError: it cannot be written.
        """
        write_atomically(self.folder / _DESCRIPTION_FILE, json.dumps(description).encode(), sync=False)

    @property
    def is_owned(self) -> bool:
        """Whether a living process owns the run."""
        return is_log_locked(self.folder / _OWNER_FILE)

    def description(self) -> dict[str, Any] | None:
        """What the owner says of the run; None where nothing is known."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.folder / _DESCRIPTION_FILE).read_bytes())
            return found if isinstance(found, dict) else None
        return None

    def release(self) -> None:
        """Stop owning the run; what was read is deleted."""
        if self._fd < 0:
            return
        is_read = [self._delete_read(path) for path in self._files()]
        if all(is_read):
            with contextlib.suppress(OSError):
                (self.folder / _DESCRIPTION_FILE).unlink()
                (self.folder / _OWNER_FILE).unlink()
                self.folder.rmdir()
        close_unshared_with_forks(self._fd)
        self._fd = -1

    def _files(self) -> list[Path]:
        try:
            return sorted(self.folder.glob(f"*{_CALLS_SUFFIX}"))
        except OSError:
            return []

    def _delete_read(self, path: Path) -> bool:
        """Delete a file of calls unless there is one that was not read; returns whether it is deleted."""
        try:
            with path.open("ab") as file:
                _lock_call_file(file.fileno())
                if file.tell() > self._position(path):
                    return False
                path.unlink()
            path.with_suffix(_POSITION_SUFFIX).unlink(missing_ok=True)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        except OSError:
            return False
        return True

    def _is_read(self, path: Path) -> bool:
        with contextlib.suppress(OSError):
            return self._position(path) >= path.stat().st_size
        return True

    def _position(self, path: Path) -> int:
        return self._positions.setdefault(path, _read_position(path))

    def has_new(self) -> bool:
        """Whether there are calls that were not read."""
        return not all(map(self._is_read, self._files()))

    def new(self) -> Iterator[JoinedCall]:
        """The calls that were not read yet, in the order of each process."""
        for path in self._files():
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(self._position(path))
                for line in file:
                    if not line.endswith(b"\n"):  # it is being written
                        break
                    self._positions[path] += len(line)
                    with contextlib.suppress(ValueError, TypeError):
                        name, time, arguments = json.loads(line)
                        yield JoinedCall(path.stem, name, time, arguments, path.with_suffix(""))

    def note_read(self) -> None:
        """Note on disk what was read, once it is in the run log."""
        for path, position in self._positions.items():
            with contextlib.suppress(OSError):
                if path.exists() and _read_position(path) != position:
                    path.with_suffix(_POSITION_SUFFIX).write_text(str(position))


def joined_folder(root: Path, key: str) -> Path:
    """The folder by which processes share a run.

    Args:
        root: the root directory.
        key: identifies the run in it.
    """
    return root / OWN_FOLDER / JOINED_RUNS / hashlib.sha256(key.encode(errors="replace")).hexdigest()[:32]


def abandoned_calls(root: Path) -> Iterator[JoinedCalls]:
    """The calls on each run that nobody owns any more, where some are not in the run.

    Args:
        root: the root directory.
    """
    folder = root / OWN_FOLDER / JOINED_RUNS
    for path in sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
        calls = JoinedCalls(path)
        if path.is_dir() and not path.is_symlink() and calls.has_new() and not calls.is_owned:
            yield calls


def _read_position(path: Path) -> int:
    try:
        return int(path.with_suffix(_POSITION_SUFFIX).read_text())
    except (OSError, ValueError):
        return 0


def _lock_call_file(fd: int) -> None:
    from filelock import lock_descriptor

    lock_descriptor(fd)
