"""Passes on what is printed, at once, and keeps it in files.

It runs in a process of its own (``pump_process.py``), which no lock of the training's interpreter delays,
and which outlives the training for as long as a child of it prints; in a thread where no process can be
started. One thread passes on, another one writes the files: a disk that is slow or full delays no output.

Orders arrive on a socket as lines of JSON: ``{"open": path, "limit": bytes, "outlives": bool}``, which says
whether the file is kept after the process that ordered it has ended, ``{"move": path, "to": path}``, and
``{"close": path}``. They are answered by ``{"opened": path}`` when what is printed from now on is kept, by
``{"moved": path}`` with the path at which the file is then, and by ``{"closed": path}`` when all that was
printed before is in the file. A ``problem`` of a file is reported once.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from legm.console.console_file import ConsoleFile

__all__ = ["OutputPump"]

_CHUNK = 1 << 16
_INTERVAL = 0.1  # seconds between two writes of the files
_RETRY = 1.0  # seconds until a file that could not be written is tried again
_LONGEST_QUEUE = 16 << 20  # bytes that wait to be written
_MOST_UNWRITTEN = 1 << 20  # bytes that are taken from the queue before the files are written
_AFTER_END = 5.0  # seconds for which a file is written after the process that ordered it has ended
_SIZE_INTERVAL = 1.0  # seconds between two looks at the size of a terminal
_STILL = 0.02  # seconds without output after which a terminal has nothing more to give


class OutputPump:
    """Passes on what arrives on descriptors.

    Args:
        sources: descriptors to read, each with the one to pass it on to; None for output that has arrived
            where it belongs.
        orders: the socket of the orders.
        closed_at_end: descriptors that are closed when all output has ended.
    """

    def __init__(
        self,
        sources: Sequence[tuple[int, int | None]],
        orders: socket.socket,
        closed_at_end: Sequence[int] = (),
    ) -> None:
        self._sources = dict(sources)
        self._orders: socket.socket | None = orders
        self._answers = orders
        self._closed_at_end = closed_at_end
        self._terminals = [
            (fd, to) for fd, to in sources if to is not None and _are_terminals_to_pump(fd, to)
        ]
        self._sized = 0.0
        self._rest = b""
        self._queue: deque[Any] = deque()
        self._size = 0
        self._lost = 0
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._open_files: dict[str, bool] = {}  # by path, whether it outlives the process that ordered it
        self._writer: threading.Thread | None = None

    def run(self) -> None:
        """Pass on until every source has ended."""
        until: float | None = None
        try:
            while self._sources:
                if self._orders is None and until is None:
                    until = time.monotonic() + _AFTER_END
                if until is not None and time.monotonic() > until:
                    self._close_files(but_outliving=True)
                self._pass_on(None if until is None or all(self._open_files.values()) else 1.0)
                if self._terminals and time.monotonic() > self._sized + _SIZE_INTERVAL:
                    self._sized = time.monotonic()
                    _copy_size_to_pump(self._terminals)
        finally:
            self._close_files()
            self._put(None)
            if self._writer is not None:
                self._writer.join()
            self._answers.close()
            for fd in self._closed_at_end:
                with contextlib.suppress(OSError):
                    os.close(fd)

    def _close_files(self, *, but_outliving: bool = False) -> None:
        for path, outlives in list(self._open_files.items()):
            if not (outlives and but_outliving):
                del self._open_files[path]
                self._put({"close": path})

    def _pass_on(self, timeout: float | None) -> None:
        """Wait for output or an order, and deal with it."""
        watched: list[Any] = [*self._sources, *([self._orders] if self._orders is not None else [])]
        ready = _readable_output(watched, timeout)
        if self._orders is not None and self._orders in ready:  # before the output that follows it
            self._take_orders()
            return
        self._pass_on_sources([one for one in ready if isinstance(one, int)])

    def _pass_on_sources(self, ready: Sequence[int]) -> bool:
        some = False
        for fd in ready:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                continue
            except OSError:  # how a terminal says that its last writer is gone
                data = b""
            if not data:
                del self._sources[fd]
                continue
            some = True
            target = self._sources[fd]
            if target is not None and not _write_all_output(target, data):
                self._sources[fd] = None  # nobody reads it any more
            if self._open_files:
                self._put((0 if target is None else target, data, time.time()))
        return some

    def _take_orders(self) -> None:
        assert self._orders is not None  # noqa: S101
        try:
            data = self._orders.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._orders = None
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "close" in order or self._open_files:
                for _ in range(1000):  # what was printed before the order
                    if not self._pass_on_sources(_readable_output(list(self._sources), _STILL)):
                        break
            if "open" in order:
                self._open_files[order["open"]] = order["outlives"]
                self._put(order)
                self._answer({"opened": order["open"]})
            elif "move" in order:
                self._put(order)
            else:
                self._open_files.pop(order["close"], None)
                self._put(order)

    def _put(self, one: Any) -> None:
        """Hand something to the thread that writes the files."""
        if isinstance(one, tuple):
            if self._size > _LONGEST_QUEUE:
                self._lost += len(one[1])
                return
            if self._lost:
                lost, self._lost = self._lost, 0
                self._queue.append(lost)
            self._size += len(one[1])
        elif self._writer is None and one is not None:
            self._writer = threading.Thread(target=self._write_files, name="legm-console", daemon=True)
            self._writer.start()
        self._queue.append(one)
        if not isinstance(one, tuple) or self._size > _LONGEST_QUEUE // 16:
            self._urgent.set()
        self._wake.set()

    def _write_files(self) -> None:
        """The other thread: write what was passed on."""
        files: dict[str, ConsoleFile | None] = {}
        troubled: set[str] = set()
        while True:
            if self._wake.wait(_RETRY if troubled else None):
                self._urgent.wait(_INTERVAL)
            self._wake.clear()
            self._urgent.clear()
            unwritten = 0
            while self._queue:
                one = self._queue.popleft()
                if one is None:
                    return
                if isinstance(one, dict):
                    self._obey(one, files, troubled)
                    continue
                if isinstance(one, tuple):
                    self._size -= len(one[1])
                    unwritten += len(one[1])
                for path, file in files.items():
                    if file is not None:
                        self._attempt(path, troubled, _pump_into, file, one)
                if unwritten > _MOST_UNWRITTEN:
                    unwritten = 0
                    self._write_all(files, troubled)
            self._write_all(files, troubled)

    def _write_all(self, files: dict[str, ConsoleFile | None], troubled: set[str]) -> None:
        for path, file in files.items():
            if file is not None:
                self._attempt(path, troubled, type(file).write, file)

    def _obey(self, order: dict[str, Any], files: dict[str, ConsoleFile | None], troubled: set[str]) -> None:
        from pathlib import Path

        from legm.console.console_file import ConsoleFile

        if "open" in order:
            path = order["open"]

            def begin() -> None:
                files[path] = ConsoleFile(Path(path), order["limit"])

            self._attempt(path, troubled, begin)
            return
        if "move" in order:
            self._move(order["move"], order["to"], files)
            return
        path = order["close"]
        file = files.pop(path, None)
        if file is not None:
            self._attempt(path, troubled, file.close)
        troubled.discard(path)
        self._answer({"closed": path})

    def _move(self, path: str, to: str, files: dict[str, ConsoleFile | None]) -> None:
        from pathlib import Path

        file, at = files.get(path), path
        if file is not None:
            try:
                file.move(Path(to))
            except OSError as error:
                self._answer({"problem": f"{to}: {error}"})
            else:
                at = to
                files[to] = files.pop(path)
                self._open_files[to] = self._open_files.pop(path, False)
                with contextlib.suppress(OSError):
                    os.unlink(path)  # noqa: PTH108 - quicker to import
        self._answer({"moved": at})

    def _attempt(self, path: str, troubled: set[str], call: Any, *arguments: Any) -> None:
        """Do something with a file; what goes wrong is reported once, until it works again."""
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - the output is passed on whatever happens here
            if path not in troubled:
                troubled.add(path)
                self._answer({"problem": f"{path}: {error or type(error).__name__}"})
        else:
            troubled.discard(path)

    def _answer(self, answer: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the process that asked is gone
            self._answers.sendall(json.dumps(answer).encode() + b"\n")


def _pump_into(file: ConsoleFile, one: Any) -> None:
    if isinstance(one, int):
        file.note_lost(one)
    else:
        file.feed(*one)


def _are_terminals_to_pump(*fds: int) -> bool:
    try:
        return all(map(os.isatty, fds))
    except OSError:
        return False


def _copy_size_to_pump(terminals: Sequence[tuple[int, int]]) -> None:
    """Give terminals the size of those that they stand in for: a user may have changed that of the window."""
    import fcntl
    import termios

    for fd, to in terminals:
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(to, termios.TIOCGWINSZ, b"\0" * 8)
            if size != fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8):
                fcntl.ioctl(fd, termios.TIOCSWINSZ, size)


def _readable_output(watched: Sequence[Any], timeout: float | None) -> list[Any]:
    """Those from which something can be read, or that have ended."""
    if not watched:
        return []
    if not hasattr(select, "poll"):
        return select.select(watched, [], [], timeout)[0]
    poll, by_fd = select.poll(), {}
    for one in watched:
        fd = one if isinstance(one, int) else one.fileno()
        by_fd[fd] = one
        poll.register(fd, select.POLLIN)
    return [by_fd[fd] for fd, _ in poll.poll(None if timeout is None else timeout * 1000)]


def _write_all_output(fd: int, data: bytes) -> bool:
    """Write to a descriptor, however long that takes; returns whether anybody still reads it."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # a terminal or pipe that another program made non-blocking
            time.sleep(0.01)
        except OSError:
            return False
    return True
