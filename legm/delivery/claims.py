"""Decides which process may begin a run of a configuration when many ask at once.

A configuration has as many slots as runs are wanted. Each completed run, each running run and each claim
takes one slot. A claim is the file ``<id>.claim`` beside the logs of open runs; it belongs to a process
that has not begun its run yet. Slots are claimed, and claims become runs, under the lock of the
configuration's runs, so that each slot is taken once.

A claim is JSON: ``description``, ``timeout`` (seconds), ``host`` and ``pid``. Its process holds a lock on
the file, as the writer of a run log does. A claim is void where no process locks it, or where it is older
than its timeout. The next process that asks deletes void claims.
"""

from __future__ import annotations

import json
import logging
import operator
import os
import platform
import secrets
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from legm.core.naming import make_run_id
from legm.delivery.client import BackendClient
from legm.delivery.reading import read_runs
from legm.errors import ParameterError, storage_error
from legm.records import Configuration, Status
from legm.runlog.file_names import LOG_SUFFIX
from legm.runlog.log_folder import LogFolder
from legm.util.forks import close_unshared_with_forks, open_unshared_with_forks
from legm.util.locks import file_lock

__all__ = ["TIMEOUT", "Claim", "ClaimSlot", "Claims", "to_claimed_run_count"]

log = logging.getLogger(__name__)

TIMEOUT = 3600.0
"""Seconds after which a claim is void if its run has not begun."""

_TAKEN = frozenset({Status.COMPLETED, Status.RUNNING})


def to_claimed_run_count(n: Any) -> int:
    """Check how many runs are wanted.

    Raises:
        ParameterError: it is not a whole number of at least 0.
    """
    try:
        count = -1 if isinstance(n, bool) else operator.index(n)
    except TypeError:
        count = -1
    if count < 0:
        raise ParameterError(f"the number of runs must be a whole number of at least 0, not {n!r}")
    return count


def _claim_timeout(timeout: Any) -> float:
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        seconds = 0.0
    if not seconds > 0:
        raise ParameterError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    return seconds


class Claim:
    """A slot that this process holds until its run begins, or until it is released.

    Dropping the claim releases it, and so does any end of the process.

    Args:
        folder: where its file is created.
        description: of the run.
        timeout: seconds after which it is void.

    Raises:
        StorageError: the file cannot be written.
    """

    def __init__(self, folder: Path, description: str, timeout: float) -> None:
        from filelock import lock_descriptor

        self.path = folder / f"{make_run_id(time.time(), secrets.token_hex(3))}.claim"
        self._timeout = timeout
        content = {
            "description": description,
            "timeout": timeout,
            "host": platform.node(),
            "pid": os.getpid(),
        }
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            fd = open_unshared_with_forks(self.path, flags)
        except OSError as cause:
            raise storage_error("write the claim", self.path, cause) from cause
        self._finalizer = weakref.finalize(self, _delete_claim, self.path, fd, os.getpid())
        try:
            lock_descriptor(fd, blocking=False)
            os.write(fd, json.dumps(content).encode())
        except OSError as cause:
            self.release()
            raise storage_error("write the claim", self.path, cause) from cause

    def release(self) -> None:
        """Release the slot; a second call does nothing."""
        self._finalizer()

    @property
    def is_void(self) -> bool:
        """Whether its timeout has passed, so that others do not count it."""
        try:
            return _claim_age(self.path) > self._timeout
        except OSError:
            return True

    def renew(self) -> bool:
        """Start its timeout again.

        Returns:
            whether the slot is still held.
        """
        if self.is_void:
            return False
        try:
            os.utime(self.path)
        except OSError:
            return False
        return True


def _delete_claim(path: Path, fd: int, pid: int) -> None:
    close_unshared_with_forks(fd)
    if pid == os.getpid():  # a forked child leaves its parent's claim alone
        with suppress(OSError):
            path.unlink()


def _claim_age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _claimed_by(path: Path) -> str | None:
    """The description of a claim; None where it is void, and its file is then deleted."""
    try:
        about = json.loads(path.read_bytes())
        description = str(about["description"])
        if _claim_age(path) <= about["timeout"] and _is_claim_held(path):
            return description
    except FileNotFoundError:  # released just now
        return None
    except OSError as cause:
        raise storage_error("read the claim", path, cause) from cause
    except (ValueError, KeyError, TypeError) as cause:
        log.warning("the claim %s is damaged and is deleted: %r", path, cause)
    with suppress(OSError):
        path.unlink()
    return None


def _is_claim_held(path: Path) -> bool:
    """Whether a process locks a claim; True where that is unknown, so that only its timeout decides."""
    from filelock import lock_descriptor

    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # another user's file
        return True
    try:
        return not lock_descriptor(fd, blocking=False)
    finally:
        os.close(fd)


class Claims:
    """The slots of one configuration, for runs of one description.

    Args:
        client: of the backend that has the runs.
        configuration: of the runs.
        description: of the runs; "" for none.
    """

    def __init__(self, client: BackendClient, configuration: Configuration, description: str) -> None:
        self._client = client
        self._configuration = configuration
        self._description = description

    def take(self, n: int, timeout: float) -> Claim | None:
        """Claim a slot if fewer than ``n`` are taken.

        The slow steps come first: finalizing runs whose process died, and reading the backend. Then, under
        the lock, only claims and run logs are read to find what has changed since.

        Returns:
            the claim; None where no slot is free.

        Raises:
            BackendError, StorageError: the backend cannot be read, or the root directory not written.
        """
        folder = self._client.folder(self._configuration)
        finalized = (
            {path.name for path in LogFolder.of(folder).folder.glob(f"*{LOG_SUFFIX}")}
            if folder
            else set[str]()
        )
        runs = read_runs(self._client, self._configuration, self._description)
        known = {result.run.run_id: result.status for result in runs}
        if sum(status is Status.COMPLETED for status in known.values()) >= n:
            return None
        logs = LogFolder.of(self._client.make_folder(self._configuration))
        logs.create_folders()
        with file_lock(logs.lock):
            taken = self._count_claims(logs) + self._count_runs(logs, known, finalized)
            return Claim(logs.open_folder, self._description, timeout) if taken < n else None

    def _count_claims(self, logs: LogFolder) -> int:
        """Count the claims of other processes that are not void."""
        return sum(_claimed_by(path) == self._description for path in logs.open_folder.glob("*.claim"))

    def _count_runs(self, logs: LogFolder, known: dict[str, Status], finalized: set[str]) -> int:
        """Count the runs that are completed or running.

        The logs show the runs that began or continued since the backend was read. A user has deleted a run
        whose log was finalized before and that the backend does not have.
        """
        statuses = dict(known)
        for path in logs.logs_except(one for one, status in known.items() if status is not Status.RUNNING):
            if path.name in finalized and path.stem not in known:
                continue
            found = logs.read_run_status(path)
            if found is not None and found[0].description == self._description:
                statuses[path.stem] = found[1]
        return sum(status in _TAKEN for status in statuses.values())


class ClaimSlot:
    """The slot of one handler among its configuration's runs: at most one claim, from any thread."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._claim: Claim | None = None
        self._terms: tuple[object, ...] = ()

    def ask(
        self, client: BackendClient, configuration: Configuration, description: str, n: int, timeout: float
    ) -> bool:
        """Whether this handler has one of ``n`` slots: it keeps the one that it holds, or claims one now.

        Raises:
            ParameterError: the number or the timeout is invalid.
            BackendError, StorageError: as :meth:`Claims.take`.
        """
        count, seconds = to_claimed_run_count(n), _claim_timeout(timeout)
        terms = (configuration.fingerprint, count, seconds, os.getpid())
        with self._asking:
            if self._claim is not None and self._terms == terms and self._claim.renew():
                return True
            self._release()
            self._claim = Claims(client, configuration, description).take(count, seconds)
            self._terms = terms
            return self._claim is not None

    @contextmanager
    def becoming_run(self, logs: LogFolder, configuration: Configuration) -> Iterator[bool]:
        """Create the run's log inside this context: no process counts both the claim and its run, or neither.

        Yields:
            whether there was a claim.
        """
        with self._asking:
            claim = self._claim if self._terms[:1] == (configuration.fingerprint,) else None
            if claim is None or self._terms[-1] != os.getpid():
                self._release()
                yield False
                return
            with file_lock(logs.lock):
                if claim.is_void:
                    log.warning(
                        "the claim %s expired before its run began, and another process may have its slot: "
                        "call start() sooner, or claim with a longer timeout",
                        claim.path,
                    )
                try:
                    yield True
                finally:
                    self._release()

    def release(self) -> None:
        """Release the claim, if there is one."""
        with self._asking:
            self._release()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None
