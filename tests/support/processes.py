"""Processes that are forked from one that has imported what they need: each library is started once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.waiting import until

_AT_ONCE = """
import gc, json, os, sys
{imports}
gc.freeze()  # the processes that are forked leave alone what they share
everyone = json.loads(sys.argv[1])
for given in everyone:
    if os.fork() == 0:
        sys.argv[1:] = given
        break
else:
    codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in everyone]
    print(json.dumps(codes), flush=True)
    os._exit(0)
"""


def run_at_once(code: str, arguments: Sequence[Sequence[object]], imports: str, **options: Any) -> list[int]:
    """Run code in as many processes at once as there are lists of arguments.

    Args:
        code: What each process runs, to the end of the interpreter.
        arguments: For each process, what it has in ``sys.argv[1:]``.
        imports: A statement that imports what the code needs, before there are several processes.
        **options: Of ``subprocess.run``.

    Returns:
        The exit codes, in the order in which the processes ended.
    """
    given = json.dumps([[str(one) for one in each] for each in arguments])
    command = [sys.executable, "-c", _AT_ONCE.format(imports=imports) + code, given]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True, **options)
    return list(json.loads(done.stdout.splitlines()[-1]))


_SERVER = """
import gc, json, os, signal, sys
{imports}
gc.freeze()  # the processes that are forked leave alone what they share
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to wait for what was killed
for line in sys.stdin:
    output, *given = json.loads(line)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.argv[1:] = given
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), 1)
        os.close(0)
        break
    print(child, flush=True)
else:
    os._exit(0)
"""


class ForkServer:
    """Begins processes that run the same code, one after the other, until the end of the block.

    Args:
        code: What each of them runs.
        imports: A statement that imports what the code needs.
        environment: Environment variables that they have beside those of this process.
    """

    def __init__(self, code: str, imports: str, environment: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-c", _SERVER.format(imports=imports) + code]
        self._environment = {**os.environ, **(environment or {})}
        self._begun: list[int] = []

    def __enter__(self) -> ForkServer:
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, encoding="utf-8", env=self._environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._begun:
            if not _is_of_another(process, self._server.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        self._server.communicate()

    @property
    def process(self) -> int:
        """The id of the process from which the others are forked."""
        return self._server.pid

    def begin(self, output: Path, *arguments: object) -> int:
        """Begin a process whose standard output is a file.

        Returns:
            Its process id.
        """
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps([str(output), *map(str, arguments)]), file=self._server.stdin, flush=True)
        process = int(self._server.stdout.readline())
        self._begun.append(process)
        return process

    def kill(self, process: int) -> None:
        """Kill a process that was begun here, now."""
        os.kill(process, signal.SIGKILL)
        self._begun.remove(process)

    def begin_and_kill(self, seconds: float, output: Path, *arguments: object) -> None:
        """Begin a process as :meth:`begin` does, and kill it after some seconds, if it is not quicker."""
        process = self.begin(output, *arguments)
        time.sleep(seconds)  # the instant is the caller's choice
        with contextlib.suppress(ProcessLookupError):
            self.kill(process)
        wait_for_end(process)


def _is_of_another(process: int, parent: int) -> bool:
    """Whether a process that was begun has ended, and another one has been given its id."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:  # it is gone, or this system does not say
        return False
    return int(state.rpartition(")")[2].split()[1]) != parent


def wait_for_end(process: int) -> None:
    """Wait until a process is gone that is not a child of this one."""

    def is_gone() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        return False

    until(is_gone)


def is_running(pid: int) -> bool:
    """Whether a process is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # where no init asks for it, a process that ended is a zombie
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
