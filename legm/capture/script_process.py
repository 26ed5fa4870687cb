"""The captured script as a process on the same terminal: its signals and its exit status."""

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
_NOT_FOUND, _NOT_EXECUTABLE, _BY_SIGNAL = 127, 126, 128  # exit statuses as in POSIX shells


class ScriptProcess:
    """A running command.

    Args:
        command: the program and its arguments.
        environment: its environment variables.
        lock: a file descriptor that it inherits; None for none.

    Raises:
        CommandError: it cannot be run.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], lock: int | None = None
    ) -> None:
        self.received: int | None = None
        """The last signal that came to this process, while signals were forwarded."""
        inherited = (lock,) if lock is not None and os.name == "posix" else ()
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - it is asked for
                list(command), env=dict(environment), pass_fds=inherited
            )
        except FileNotFoundError as cause:
            raise CommandError(f"the command {command[0]!r} does not exist", _NOT_FOUND) from cause
        except (OSError, ValueError) as cause:
            raise CommandError(f"cannot run {command[0]!r}: {cause}", _NOT_EXECUTABLE) from cause

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end, but no longer than this; returns whether it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, seconds: float) -> None:
        """Ask it to end, and kill it if it has not done so within this time."""
        self._process.terminate()
        if not self.ends_within(seconds):
            self._process.kill()
            self._process.wait()

    @property
    def status(self) -> int:
        """Its exit status; as in a shell, 128 plus the signal's number if a signal ended it."""
        code = self._process.wait()
        return code if code >= 0 else _BY_SIGNAL - code

    @property
    def end_description(self) -> str:
        """How it ended, as text."""
        code = self._process.wait()
        if code < 0:
            return f"the script was ended by {signal.Signals(-code).name}"
        return f"the script ended with status {code}"

    @contextlib.contextmanager
    def signals_forwarded(self) -> Iterator[None]:
        """Forward signals to the script, which decides how to handle them."""

        def forward(number: int, _: FrameType | None) -> None:
            self.received = number
            # Keys typed at the terminal have reached the script as well.
            if number not in (signal.SIGINT, getattr(signal, "SIGQUIT", None)) or not _script_has_terminal():
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


def _script_has_terminal() -> bool:
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
