"""Child processes that end with this one: their whole group, however this process is told to end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["interrupted_by_signals", "process_group"]

_PATIENCE = 10.0  # seconds that a group may take to end by itself


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP where there is one, raise KeyboardInterrupt inside the block, as Ctrl-C does.

    It must be called on the main thread.
    """
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {one: signal.signal(one, signal.default_int_handler) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def process_group(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A child process in a group of its own, which ends with the block, with all that it started.

    Args:
        command: the program with its arguments.
        **options: of :class:`subprocess.Popen`.
    """
    with subprocess.Popen(command, start_new_session=True, **options) as process:  # noqa: S603 - the caller's
        try:
            yield process
        finally:
            _end_process_group(process)


def _end_process_group(process: subprocess.Popen[Any]) -> None:
    if os.name == "nt":
        process.terminate()
        return
    _signal_process_group(process, signal.SIGTERM)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        process.poll()  # a child that ended belongs to its group until it is asked for
        if not _signal_process_group(process, 0):
            return
        time.sleep(0.02)
    _signal_process_group(process, signal.SIGKILL)


def _signal_process_group(process: subprocess.Popen[Any], number: int) -> bool:
    """Send a signal to a group; returns whether there is one."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS refuses for a group of which only a zombie is left
        return False
    return True
