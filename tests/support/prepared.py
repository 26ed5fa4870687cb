"""A process that has imported heavy libraries once, for all workers: tests' processes are forked from it.

They are real processes, which may be killed: each has its own folder, environment and output, and its
interpreter ends as ever. A test of what is imported, or when, needs a fresh interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import hashlib
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

TRACKERS = (
    "wandb",
    "mlflow.cli",
    "mlflow.server.fastapi_app",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn.neural_network",
    "uvicorn.main",
    "legm.backends.local.backend",
    "legm.backends.mlflow",
    "legm.backends.wandb",
    "legm.cli",
    "legm.handler",
    "legm.importers",
    "tests.backends.test_conformance",
)
"""What the processes need that write to MLflow and W&B, and MLflow's servers."""
CAPTURED = (
    *("wandb", "wandb.sdk.wandb_run", "mlflow", "mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store"),
    *("numpy", "-wandb", "-mlflow"),
)
"""What MLflow and W&B import: a captured script imports these two itself, and the capture patches them."""
CORE = ("numpy", "legm.backends.local.backend", "legm.cli", "legm.handler", "legm.testing", "pytest")
"""What the processes need that use no further library."""

_USER, _FORK = b"u", b"f"
"""What a connection is for: as long as one is open for a user, the prepared process lives."""

_COMMAND = """
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(b"f")
socket.send_fds(connection, [b"o"], [1, 2])
wish = {"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}
connection.sendall(json.dumps(wish).encode() + b"\\n")
_, status = map(int, connection.makefile("rb"))
if status < 0:
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class Forked:
    """A process that was forked from a prepared one."""

    def __init__(self, connection: socket.socket) -> None:
        self._answers = connection.makefile("rb", buffering=0)
        try:
            self.pid = int(self._answers.readline())
        except BaseException:
            self._answers.close()
            raise
        self._status: int | None = None

    def wait(self) -> int:
        """Its exit status, as ``subprocess`` gives it, when it has ended."""
        if self._status is None:
            with self._answers:
                self._status = int(self._answers.readline())
        return self._status

    def has_ended(self) -> bool:
        """Whether it has ended: another process may have its id then."""
        return self._status is not None or bool(select.select([self._answers], [], [], 0)[0])

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        if not self.has_ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def release(self) -> None:
        """Let it continue without being waited for: what only garbage collection closes is a warning."""
        self._answers.close()


class Prepared:
    """Begins processes whose interpreter has imported what they need.

    Args:
        modules: What it has imported; what has ``-`` in front is forgotten, but not what that imported.
        folder: Where the first user starts the prepared process, which the last one ends.
        python: The interpreter.
    """

    def __init__(self, modules: Sequence[str], folder: Path, python: Path | str) -> None:
        from filelock import FileLock

        self._python = str(python)
        number = hashlib.sha256(" ".join([self._python, *modules]).encode()).hexdigest()[:6]
        self._address = folder / f"prepared-{number}"
        with FileLock(f"{self._address}.lock"):
            try:
                self._use()
            except OSError:
                self._start(modules)
                self._use()

    def _start(self, modules: Sequence[str]) -> None:
        from tests.support.paths import ROOT

        self._address.unlink(missing_ok=True)
        command = [self._python, "-m", "tests.support.prepared", str(self._address), *modules]
        with self._address.with_suffix(".log").open("ab") as log:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            subprocess.run(command, cwd=ROOT, start_new_session=True, check=True, **quiet)

    def _use(self) -> None:
        self._user = self._connected(_USER)
        try:
            if not self._user.recv(1):
                raise ConnectionResetError
        except OSError:
            self._user.close()
            raise

    def _connected(self, kind: bytes) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(str(self._address))
            made.sendall(kind)
        except OSError:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Say that no more processes are begun here."""
        self._user.close()

    def begin(
        self,
        arguments: Sequence[object],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: IO[Any],
        stderr: IO[Any],
    ) -> Forked:
        """Begin what ``python`` would be given: a script, or what follows ``-c`` or ``-m``."""
        wish = {
            "arguments": [*map(str, arguments)],
            "folder": str(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
        }
        with self._connected(_FORK) as connection:
            socket.send_fds(connection, [b"o"], [stdout.fileno(), stderr.fileno()])
            connection.sendall(json.dumps(wish).encode() + b"\n")
            return Forked(connection)

    def run(
        self,
        arguments: Sequence[object],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """The same, when it has ended, with what it wrote."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            status = self.begin(arguments, cwd=cwd, env=env, stdout=out, stderr=err).wait()
            said = []
            for file in (out, err):
                file.seek(0)
                text = file.read().decode(errors="replace")
                said.append(text.replace("\r\n", "\n").replace("\r", "\n"))  # as subprocess does
        done = subprocess.CompletedProcess([*map(str, arguments)], status, *said)
        if check:
            assert status == 0, done.stderr
        return done

    def command(self, *arguments: object) -> list[str]:
        """A command that does the same with the folder, environment and output of whoever runs it."""
        return [sys.executable, "-S", "-c", _COMMAND, str(self._address), *map(str, arguments)]

    def run_at_once(
        self, code: str, arguments: Sequence[Sequence[object]], log: Path, **options: Any
    ) -> list[int]:
        """Run code in as many processes at once as there are lists of arguments.

        Returns:
            Their exit statuses.
        """
        with log.open("ab") as said:
            begun = [self.begin(["-c", code, *one], stdout=said, stderr=said, **options) for one in arguments]
            return [one.wait() for one in begun]


@functools.cache
def prepared_processes(modules: Sequence[str], python: Path | str = sys.executable) -> Prepared:
    """The one of this process, which is closed when the process ends."""
    from tests.support.shared import shared_folder

    made = Prepared(modules, shared_folder(), python)
    atexit.register(made.close)
    return made


# The prepared process


def _serve(listener: socket.socket) -> socket.socket | None:
    """Wait for users and wishes.

    Returns:
        In a process that was forked for a wish, the connection that brings it; nothing when there are no
        users any more.
    """
    users = 0
    with listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not listener:  # a user closed its connection
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    users -= 1
                    continue
                connection, _ = listener.accept()
                kind = connection.recv(1)
                if kind == _USER:
                    connection.sendall(b"!")
                    selector.register(connection, selectors.EVENT_READ)
                    users += 1
                elif kind == _FORK and os.fork() == 0:
                    return connection
                else:
                    connection.close()
            if not users:
                return None


def _fork_for(connection: socket.socket) -> dict[str, Any]:
    """Return in a process that is to do what was wished; this one tells its process id and its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, outputs, _, _ = socket.recv_fds(connection, 1, 2)
    with connection.makefile("rb") as lines:
        wish: dict[str, Any] = json.loads(lines.readline())
    child = os.fork()
    if child == 0:
        connection.close()
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
            os.close(output)
        return wish
    for output in outputs:
        os.close(output)
    with contextlib.suppress(OSError):  # nobody may wait for it
        connection.sendall(b"%d\n" % child)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(b"%d\n" % status)
    os._exit(0)


def _give_temporary_folders() -> None:
    """Let a forked process choose its temporary folders, and that of W&B's media, which it deletes."""
    tempfile.tempdir = None
    media = sys.modules.get("wandb.sdk.data_types._private")
    if media is not None:
        media.MEDIA_TMP.name = tempfile.mkdtemp("wandb-media")


def _do(wish: dict[str, Any]) -> None:
    """Do what an interpreter does that was started with the arguments, in the folder and environment."""
    os.environ.clear()
    os.environ.update(wish["environment"])
    if given := os.environ.get("PYTHONWARNINGS"):
        warnings._processoptions(given.split(","))  # type: ignore[attr-defined]  # noqa: SLF001
    _give_temporary_folders()
    os.chdir(wish["folder"])
    kind, *arguments = wish["arguments"]
    sys.orig_argv = [sys.executable, *wish["arguments"]]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    first = {"-c": "", "-m": wish["folder"]}.get(kind, str(Path(kind).absolute().parent))
    sys.path[:1] = [first, *(path for path in paths if path not in sys.path[1:])]
    if any(Path(path, "sitecustomize.py").exists() for path in paths):
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    if kind == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if kind == "-c":
        sys.argv = ["-c", *arguments[1:]]
        code = compile(arguments[0], "<string>", "exec")
    else:
        sys.argv, main.__file__ = [kind, *arguments], str(Path(kind).absolute())
        code = compile(Path(kind).read_bytes(), kind, "exec")
    exec(code, main.__dict__)


def _status_of(wish: dict[str, Any]) -> int:
    """Do what was wished; the exit status, as an interpreter decides it."""
    try:
        _do(wish)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001 - as an interpreter does
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _end(status: int) -> None:
    """End as an interpreter does, but for the memory that it frees, which takes most of the time."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for the threads
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _prepare(address: str, modules: Sequence[str]) -> None:
    for module in modules:
        if module[0] == "-":
            for name in [name for name in sys.modules if f"{name}.".startswith(f"{module[1:]}.")]:
                del sys.modules[name]
        else:
            importlib.import_module(module)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    if os.fork():
        os._exit(0)  # the prepared process is nobody's child: any worker may be the last that uses it
    gc.freeze()  # the processes that are forked leave alone what they share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    connection = _serve(listener)
    if connection is not None:
        _end(_status_of(_fork_for(connection)))


if __name__ == "__main__":
    _prepare(sys.argv[1], sys.argv[2:])
