"""Redirects what this process and its children print through an output pump, and back.

A process of its own passes the output on (``pump_process.py``). A thread of this one could not do it while
a library prints from C without releasing the interpreter's lock: once the pipe is full, both would wait
forever. The descriptors 1 and 2 are replaced, so that children and libraries in C are included. Where one is
a terminal, its replacement is one too, of the same size. Streams of Python's that do not lead to a
descriptor (a notebook's, pytest's) are included by their ``write``.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from legm.console.output_pump import OutputPump

__all__ = ["REDIRECTION", "ConsoleRedirection"]

log = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds to wait until all that was printed is in the file
_PIPE_SIZE = 1 << 20
_STANDARD = (1, 2)


class ConsoleRedirection:
    """The redirection of this process, for as long as a file is kept; several files may be."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._active: _ActiveConsoleRedirection | None = None

    def keep(self, path: Path, limit: int, *, outlives: bool = False) -> None:
        """Begin to keep what is printed in a file.

        Args:
            path: the file.
            limit: its size in bytes.
            outlives: whether what children print is kept even after this process was killed.

        Raises:
            OSError: the output cannot be redirected.
        """
        with self._lock:
            active = self._of_this_process()
            if active is not None and active.is_working:
                active.open(path, limit, outlives)
                active.wait_until_open()
            else:  # all that is printed into a new one belongs to the file
                self._active = _ActiveConsoleRedirection()
                self._active.open(path, limit, outlives)

    def move(self, path: Path, to: Path) -> bool:
        """Continue a file at another path, behind what is there; returns whether it is there now."""
        with self._lock:
            active = self._of_this_process()
            return active is not None and str(path) in active.files and active.move(str(path), str(to))

    def note(self, path: Path, text: str) -> None:
        """Keep a text that was not printed, in every file that is kept."""
        with self._lock:
            active = self._of_this_process()
            if active is not None and str(path) in active.files:
                active.record(text)

    def end(self, path: Path) -> None:
        """End a file, once all that was printed before is in it; the last one restores the descriptors."""
        with self._lock:
            active = self._of_this_process()
            if active is None or str(path) not in active.files:
                return
            active.close(path)
            if not active.files:
                active.end()
                self._active = None

    def _of_this_process(self) -> _ActiveConsoleRedirection | None:
        """The active redirection, unless it was begun by the process that this one was forked from."""
        return self._active if self._active is not None and self._active.pid == os.getpid() else None

    def forget_in_child(self) -> None:
        """Begin anew after a fork: the child prints into the parent's redirection, which is not its own."""
        self._lock = threading.RLock()
        if self._active is not None:
            self._active.release_in_child()
            self._active = None


class _ActiveConsoleRedirection:
    """One redirection, from its begin to its end."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.files: dict[str, threading.Event] = {}
        self._saved: dict[int, int] = {}  # by standard descriptor, a copy of what it was
        self._sources: list[tuple[int, int]] = []  # kept open, so that nothing breaks if the pump ends
        self._wrapped: list[tuple[Any, Any]] = []
        self._opening = ""
        self._opened = threading.Event()
        self._moved_to, self._moved = "", threading.Event()
        self._is_ending = False
        self.is_working = True
        self._is_recording = True
        self._unrecorded = 0
        self._orders, orders = socket.socketpair()
        self._record, record = socket.socketpair()
        self._record.setblocking(False)
        _flush_before_redirection()
        try:
            if os.name == "posix":
                self._redirect()
            sources = [*self._sources, (record.fileno(), None)]
            self._process = _start_redirecting_pump(sources, orders)
        except BaseException:
            self._restore()
            for one in (self._orders, self._record, orders, record):
                one.close()
            raise
        if self._process is None:
            _redirect_in_thread(sources, orders)
        else:
            orders.close()
        record.close()
        for stream in (sys.stdout, sys.stderr):
            self._wrap(stream)
        threading.Thread(target=self._listen, name="legm-console", daemon=True).start()

    # Files

    def open(self, path: Path, limit: int, outlives: bool) -> None:
        """Begin a file."""
        self.files[str(path)] = threading.Event()
        self._opening = str(path)
        self._opened.clear()
        _flush_before_redirection()
        self._order({"open": str(path), "limit": limit, "outlives": outlives})

    def wait_until_open(self) -> None:
        """Wait until what was printed before is passed on, which does not belong to the file opened last."""
        self._opened.wait(_PATIENCE)

    def move(self, path: str, to: str) -> bool:
        """Continue a file at another path."""
        self.files[to] = threading.Event()  # until it has moved: where the pump ends, both are over
        self._moved_to, self._moved = path, threading.Event()
        self._order({"move": path, "to": to})
        if self.is_working:
            self._moved.wait(_PATIENCE)
        has_moved = self._moved_to == to
        del self.files[path if has_moved else to]
        return has_moved

    def close(self, path: Path) -> None:
        """End a file, and wait until all of it is written."""
        _flush_before_redirection()
        self._order({"close": str(path)})
        if self.is_working and not self.files[str(path)].wait(_PATIENCE):
            log.warning("%s may lack the last lines: they could not be written in time", path)
        del self.files[str(path)]

    def _order(self, order: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the pump ended, which the listener deals with
            self._orders.sendall(json.dumps(order).encode() + b"\n")

    def _listen(self) -> None:
        """What the pump answers; its end gives this process its descriptors back."""
        rest = b""
        while data := self._receive():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                answer = json.loads(line)
                if "problem" in answer:
                    log.error(
                        "the console cannot be kept: %s. legm tries again; the output itself is passed on.",
                        answer["problem"],
                    )
                elif "opened" in answer:
                    if answer["opened"] == self._opening:
                        self._opened.set()
                elif "moved" in answer:
                    self._moved_to = answer["moved"]
                    self._moved.set()
                elif (closed := self.files.get(answer["closed"])) is not None:
                    closed.set()
        if self._process is not None:
            self._process.wait()
        if not self._is_ending:
            self.is_working = False
            self._restore()
            for waited_for in (self._opened, self._moved, *list(self.files.values())):
                waited_for.set()
            log.error("the console is no longer kept: the process that passed it on has ended")
            self._pass_on_by_itself()
        self._orders.close()

    def _receive(self) -> bytes:
        try:
            return self._orders.recv(1 << 16)
        except OSError:
            return b""

    def _pass_on_by_itself(self) -> None:
        """Pass on what children still print into the descriptors that they inherited."""
        ours, theirs = socket.socketpair()
        _redirect_in_thread(self._sources, ours)
        theirs.close()

    # Descriptors

    def _redirect(self) -> None:
        """Replace the standard descriptors."""
        by_file: dict[tuple[int, int, int], int] = {}
        for fd in _STANDARD:
            try:
                stat = os.fstat(fd)
            except OSError:  # it is closed
                continue
            self._saved[fd] = saved = os.dup(fd)
            key = stat.st_dev, stat.st_ino, stat.st_rdev
            if key in by_file:  # the same terminal, file or pipe: one stream, whose order is kept
                os.dup2(by_file[key], fd)
                continue
            reading, writing = _redirection_terminal(saved) if os.isatty(saved) else _redirection_pipe()
            self._sources.append((reading, saved))
            os.dup2(writing, fd)
            os.close(writing)
            by_file[key] = fd

    def _restore(self) -> None:
        for stream, wrapped in self._wrapped:
            with contextlib.suppress(AttributeError):
                if vars(stream).get("write") is wrapped:
                    del stream.write
        self._is_recording = False
        _flush_before_redirection()
        for fd, saved in self._saved.items():
            os.dup2(saved, fd)

    def end(self) -> None:
        """Restore the descriptors; what children still print is passed on as before."""
        self._is_ending = True
        self._restore()
        self._release()

    def _release(self) -> None:
        self._close_descriptors()
        with contextlib.suppress(OSError):
            self._orders.shutdown(socket.SHUT_WR)
        self._record.close()

    def release_in_child(self) -> None:
        """Close in a forked child what belongs to the parent; its descriptors 1 and 2 stay as they are."""
        self._is_recording = False
        self._close_descriptors()
        self._orders.close()
        self._record.close()

    def _close_descriptors(self) -> None:
        for fd in (*self._saved.values(), *(reading for reading, _ in self._sources)):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._saved, self._sources = {}, []

    # Streams of Python's

    def _wrap(self, stream: Any) -> None:
        if stream is None or (os.name == "posix" and _leads_to_redirected(stream)):
            return
        write = stream.write

        def record_too(text: Any) -> Any:
            done = write(text)
            if isinstance(text, str):
                self.record(text)
            return done

        try:
            stream.write = record_too
        except AttributeError:
            log.warning("what is printed to %r is not kept: its write() cannot be observed", stream)
        else:
            self._wrapped.append((stream, record_too))

    def record(self, text: str) -> None:
        """Keep a text that is passed on by others; where the pump is too slow, it is left out."""
        if not self._is_recording or os.getpid() != self.pid:
            return
        if self._unrecorded:
            text = f"\n[... {self._unrecorded:,} bytes left out]\n{text}"
        data = text.encode(errors="backslashreplace")
        self._unrecorded = 0
        try:
            while data:
                data = data[self._record.send(data) :]
        except OSError:
            self._unrecorded = len(data)


def _redirect_in_thread(sources: Sequence[tuple[int, int | None]], orders: socket.socket) -> None:
    """Run a pump in a thread of this process, with descriptors of its own."""
    own = {fd: os.dup(fd) for pair in sources for fd in pair if fd is not None}
    pump = OutputPump(
        [(own[reading], None if target is None else own[target]) for reading, target in sources],
        orders,
        list(own.values()),
    )
    threading.Thread(target=pump.run, name="legm-pump", daemon=True).start()


def _start_redirecting_pump(
    sources: Sequence[tuple[int, int | None]], orders: socket.socket
) -> subprocess.Popen[bytes] | None:
    """Start the process that passes on; None where there is none, and a thread has to do it."""
    if os.name != "posix" or getattr(sys, "frozen", False) or not sys.executable:
        return None
    given = {"sources": sources, "orders": orders.fileno()}
    fds = [fd for pair in sources for fd in pair if fd is not None]
    try:
        return subprocess.Popen(  # noqa: S603 - this very interpreter
            [
                sys.executable,
                "-IS",
                str(Path(__file__).resolve().with_name("pump_process.py")),
                json.dumps(given),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[*fds, orders.fileno()],
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        log.warning("no process can be started to keep the console, so a thread does it: %s", error)
        return None


def _redirection_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return reading, writing


def _redirection_terminal(terminal: int) -> tuple[int, int]:
    """A terminal that passes on exactly what is printed, as large as another one; a pipe if none can be."""
    try:
        import fcntl
        import termios
        import tty

        reading, writing = os.openpty()
    except (ImportError, OSError):
        return _redirection_pipe()
    with contextlib.suppress(OSError, termios.error):
        tty.setraw(writing)
        fcntl.ioctl(writing, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"\0" * 8))
    return reading, writing


def _flush_before_redirection() -> None:
    """Write what Python and C have buffered for the standard descriptors."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or this interrupts its writing
            stream.flush()
    ctypes = sys.modules.get("ctypes")
    if ctypes is None:  # then no library printed through it
        return
    with contextlib.suppress(Exception):
        c = ctypes.CDLL(None)
        for name in ("stdout", "stderr"):
            c.fflush(ctypes.c_void_p.in_dll(c, name))


def _leads_to_redirected(stream: Any, depth: int = 3) -> bool:
    """Whether what is written to a stream of Python's arrives on descriptor 1 or 2."""
    binary = getattr(stream, "buffer", stream)
    raw = getattr(binary, "raw", binary)
    if isinstance(raw, io.FileIO):
        with contextlib.suppress(ValueError, OSError):
            return raw.fileno() in _STANDARD
        return False
    if not depth:
        return False
    inner = getattr(stream, "__dict__", {})
    for value in list(inner.values()) if isinstance(inner, dict) else ():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if callable(getattr(one, "write", None)) and _leads_to_redirected(one, depth - 1):
                return True
    return False


REDIRECTION = ConsoleRedirection()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=REDIRECTION.forget_in_child)
