"""The script that is captured, as a process of the same terminal: its signals, and its exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType

from legm.errors import CommandError

__all__ = ["ScriptProcess"]

_FORWARDED_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_NOT_FOUND, _NOT_EXECUTABLE, _BY_SIGNAL = 127, 126, 128  # exit statuses as POSIX shells have them


class ScriptProcess:
    """A command that runs.

    Args:
        command: the program and its arguments.
        environment: its environment variables.
        lock: a descriptor that it holds open as well.

    Raises:
        CommandError: it cannot be run.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], lock: int) -> None:
        inherited = (lock,) if os.name == "posix" else ()
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - it is asked for
                list(command), env=dict(environment), pass_fds=inherited
            )
        except FileNotFoundError as cause:
            raise CommandError(f"there is no command {command[0]!r}", _NOT_FOUND) from cause
        except (OSError, ValueError) as cause:
            raise CommandError(f"cannot run {command[0]!r}: {cause}", _NOT_EXECUTABLE) from cause

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end, but not for longer."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def status(self) -> int:
        """Its exit status; as in a shell 128 and the signal's number where a signal ended it."""
        code = self._process.wait()
        return code if code >= 0 else _BY_SIGNAL - code

    @property
    def end_description(self) -> str:
        """Its end in words."""
        code = self._process.wait()
        if code < 0:
            return f"the script was ended by {signal.Signals(-code).name}"
        return f"the script ended with status {code}"

    @contextlib.contextmanager
    def signals_forwarded(self) -> Iterator[None]:
        """Signals are the script's: it decides what becomes of them."""

        def forward(number: int, _: FrameType | None) -> None:
            # What was typed at the terminal has reached the script as well.
            if number not in (signal.SIGINT, getattr(signal, "SIGQUIT", None)) or not _has_terminal():
                with contextlib.suppress(OSError):
                    self._process.send_signal(number)

        before = {}
        if threading.current_thread() is threading.main_thread():
            for name in _FORWARDED_SIGNALS:
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    before[number] = signal.signal(number, forward)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _has_terminal() -> bool:
    """Whether this process is in the foreground of a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
