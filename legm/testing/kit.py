"""What the conformance tests share: what a subclass says of its backend, and how a store is looked at."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from legm.core.result_equality import RESULT_FIELDS
from legm.delivery.client import BackendClient
from legm.errors import LegmError
from legm.handler import ExperimentHandler
from legm.hooks import Backend
from legm.records import Query, Run, RunResult, Status
from legm.runlog.file_names import LOG_SUFFIX, OWN_FOLDER
from legm.stats import aggregate

__all__ = [
    "ConformanceKit",
    "kill_kit_process",
    "kit_expects",
    "kit_expects_refusal",
    "kit_expects_same",
    "kit_expects_same_pieces",
    "kit_png",
    "leave_kit_process",
]

_METHOD = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[1])
found = importlib.import_module(sys.argv[2])
for name in sys.argv[3].split("."):
    found = getattr(found, name)
getattr(found(), sys.argv[4])(sys.argv[5])
"""
"""Calls a method of a subclass of the kit's in another process."""


def _short_kit_text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def kit_expects(holds: object, otherwise: str) -> None:
    """Fail with a message unless something holds."""
    if not holds:
        raise AssertionError(otherwise)


def kit_expects_same(found: object, expected: object, what: str) -> None:
    """Fail unless what was found is what was expected."""
    kit_expects(
        found == expected, f"{what}: found {_short_kit_text(found)}, expected {_short_kit_text(expected)}"
    )


def kit_expects_same_pieces(found: RunResult, expected: RunResult, *pieces: str) -> None:
    """Fail unless two results are equal in some of :data:`legm.core.result_equality.RESULT_FIELDS`."""
    for piece in pieces:
        kit_expects_same(RESULT_FIELDS[piece](found), RESULT_FIELDS[piece](expected), f"the run's {piece}")


@contextmanager
def kit_expects_refusal(by: type[LegmError], call: str) -> Iterator[None]:
    """Fail unless what is inside raises an error that says that the capability is missing."""
    try:
        yield
    except by:
        return
    raise AssertionError(f"{call} must raise {by.__name__}: the backend does not have the capability")


def _kit_output(output: Path) -> str:
    """The end of what a process wrote."""
    return output.read_text(encoding="utf-8", errors="replace")[-2000:]


def kill_kit_process(store: Path) -> None:
    """Kill this process, and leave a mark in the store's folder that says so."""
    (store / "killed").touch()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def leave_kit_process(handler: ExperimentHandler) -> None:
    """Release a run that was logged."""
    with handler:
        pass


def kit_png(note: bytes) -> bytes:
    """A PNG image of one pixel that contains a note (ISO/IEC 15948)."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixel = chunk(b"IDAT", zlib.compress(b"\x00\x00"))
    text = chunk(b"tEXt", b"Comment\x00" + note)
    return b"\x89PNG\r\n\x1a\n" + header + text + pixel + chunk(b"IEND", b"")


class ConformanceKit:
    """What every group of conformance tests needs; :class:`~legm.testing.BackendTests` has all groups."""

    patience = 120.0
    """Seconds to wait for another process."""
    many = 100_000
    """Points in a long run."""
    is_shared_by_processes = True
    """Whether a process finds in the store what another one has stored. False for a backend that keeps runs
    in the memory of its process: tests with a second process then look in each process for its own runs."""

    def make_backend(self, store: Path) -> Backend:
        """A new instance of the backend on a store; several instances may use the same store.

        Args:
            store: a temporary folder, which is the root directory. Data stored elsewhere, such as on a
                server, must be separated by the experiment's name, which differs for each store.

        Returns:
            the backend.

        Raises:
            NotImplementedError: a subclass does not override this.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how to construct its backend on {store}")

    def make_unreachable(self, store: Path) -> Backend:
        """A backend whose store cannot be used; by default one whose folder is a file.

        Args:
            store: a temporary folder, as for :meth:`make_backend`.

        Returns:
            the backend, every call of which must fail.
        """
        file = store / "no-folder"
        file.write_text("a file where a folder should be", encoding="utf-8")
        return self.make_backend(file)

    def stored_points(self, store: Path, run: Run) -> list[tuple[str, int, float]] | None:  # noqa: ARG002
        """The dev points in the store, each as often as it is stored, without those that are marked as void.

        Args:
            store: the folder that :meth:`make_backend` was given.
            run: the run.

        Returns:
            metric, step and value of each point; None (the default) if the store cannot be inspected.
        """
        return None

    def holds(self, store: Path, value: float | bytes) -> bool:
        """Whether the store contains a number, a text or the content of a file.

        By default: whether a file of the backend in ``store`` contains it; numbers as text or as their eight
        bytes, as in SQLite.

        Args:
            store: the folder that :meth:`make_backend` was given.
            value: the number, or the bytes of a text or file.

        Returns:
            whether it was found.
        """
        if isinstance(value, bytes):
            forms = [value]
        else:
            forms = [repr(value).encode(), struct.pack(">d", value), struct.pack("<d", value)]
        files = (
            path for path in store.rglob("*") if path.is_file() and not _is_legm_file_of_kit(path, store)
        )
        return any(form in content for content in map(Path.read_bytes, files) for form in forms)

    def experiment(self, store: Path) -> str:
        """The name of the experiment that the tests use on a store.

        Args:
            store: the folder that :meth:`make_backend` was given.

        Returns:
            a name that differs for each store.
        """
        return f"kit {hashlib.sha256(os.fsencode(store)).hexdigest()[:12]}"

    def run_python(self, arguments: Sequence[str], output: Path) -> int:
        """Run Python in another process; by default a fresh interpreter.

        Args:
            arguments: what the interpreter is given.
            output: the file for all that the process writes. A pipe could be kept open by the children
                of a killed process.

        Returns:
            the exit status, as ``subprocess`` gives it.
        """
        with output.open("wb") as said:
            return subprocess.run(  # noqa: S603 - this Python, and our own code
                [sys.executable, *arguments],
                timeout=self.patience,
                check=False,
                stdout=said,
                stderr=said,
            ).returncode

    # How a store is looked at

    def _made(self, store: Path) -> Backend:
        return self.make_backend(store)

    def _handler(self, store: Path, backend: Backend, description: str = "") -> _KitHandler:
        return _KitHandler(store, self.experiment(store), description or None, backend=backend)

    def _killed(self, folder: Path, act: str) -> Path:
        """Call a method in a process that is killed in it.

        Returns:
            the store that it used.
        """
        store, output = folder / "store", folder / "output.txt"
        store.mkdir()
        status = self._call_in_process(store, act, output)
        kit_expects((store / "killed").exists(), f"the process ended early ({status}): {_kit_output(output)}")
        return store

    def _call_in_process(self, store: Path, act: str, output: Path) -> int:
        """Call a method with a store in another process, and wait for its end.

        Returns:
            the exit status.
        """
        of = type(self)
        kit_expects(
            "<locals>" not in of.__qualname__, f"{of.__qualname__} must be at the top level of a module"
        )
        arguments = [json.dumps(sys.path), of.__module__, of.__qualname__, act, str(store)]
        return self.run_python(["-c", _METHOD, *arguments], output)

    @contextmanager
    def _in_another_process(self, store: Path, act: str) -> Iterator[None]:
        """Call a method in another process meanwhile, which ends before this does."""
        output, statuses = store.parent / "output.txt", list[int]()
        thread = threading.Thread(target=lambda: statuses.append(self._call_in_process(store, act, output)))
        thread.start()
        try:
            yield
        finally:
            thread.join(self.patience)
        kit_expects_same(statuses, [0], f"how the other process ended, which wrote {_kit_output(output)!r}")

    def _leave_message(self, store: Path, name: str, text: str) -> None:
        """Leave a message to another process that uses the store."""
        message = store.parent / f"{name}.message"
        message.with_suffix(".new").write_text(text, encoding="utf-8")
        message.with_suffix(".new").replace(message)

    def _wait_for_message(self, store: Path, name: str) -> str:
        """The message that another process leaves."""
        message, deadline = store.parent / f"{name}.message", time.monotonic() + self.patience / 2
        while not message.exists():
            kit_expects(time.monotonic() < deadline, f"the other process did not get to {name!r}")
            time.sleep(0.01)
        return message.read_text(encoding="utf-8")

    def _read(self, store: Path, backend: Backend, experiment: str = "", **query: Any) -> list[RunResult]:
        asked = Query(experiment or self.experiment(store), **{"histories": None, **query})
        return list(BackendClient(backend, store).runs_as_stored(asked))

    def _until(
        self, store: Path, backend: Backend, true: Callable[[Sequence[RunResult]], bool]
    ) -> list[RunResult]:
        """The runs, once they are as expected, or as they are after a timeout."""
        deadline = time.monotonic() + self.patience / 4
        while not true(found := self._read(store, backend)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _logged(self, store: Path) -> tuple[Backend, _KitHandler]:
        """Two runs of one configuration, whose mean and deviation differ from their values."""
        backend = self._made(store)
        handler = self._handler(store, backend)
        handler.start_with({"rate": 0.5})
        for loss in (0.1, 0.8232):
            handler.set_dict_metrics({"loss": loss / 3, "accuracy": loss}, step=0)
            handler.log()
            if loss < 0.5:
                handler.reset()
        return backend, handler

    def _summary(self, store: Path, backend: Backend) -> list[str]:
        """The statistics over the runs as text, with all digits."""
        runs = [run for run in self._read(store, backend) if run.status is Status.COMPLETED]
        lines = [f"{len(runs)} runs"]
        for method in ("mean", "median", "outlier_mean", "confidence_0.9"):
            found = aggregate.aggregated_summary_as_dict(aggregate.aggregate_runs(runs, method))
            lines += [f"{method} {name}: {value!r}" for name, value in sorted(found.items())]
        for curve in sorted(aggregate.aggregate_curves(runs, None, "mean"), key=lambda curve: curve.metric):
            columns = (curve.steps, curve.center, curve.lower, curve.upper, curve.runs)
            lines += [f"curve {curve.metric}: {[column.tolist() for column in columns]!r}"]
        return lines

    def _shows(self, store: Path, run: Run, expected: list[tuple[str, int, float]]) -> None:
        """The store contains each point of a run once."""
        wanted = Counter(expected)
        until = time.monotonic() + self.patience / 4  # a library may write what it was given a little later
        while (shown := self.stored_points(store, run)) is not None and wanted - Counter(shown):
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        if shown is None:
            return
        found = Counter(shown)
        kit_expects(
            not wanted - found, f"points are missing in the store: {_short_kit_text(sorted(wanted - found))}"
        )
        kit_expects(
            not found - wanted, f"points are in the store twice: {_short_kit_text(sorted(found - wanted))}"
        )

    def _flush(self, handlers: Iterable[ExperimentHandler], *, delivered: bool = False) -> None:
        """Flush all values; optionally wait until the backend has them."""
        for handler in handlers:
            handler.flush(self.patience / 4 if delivered else 0.0)


class _KitHandler(ExperimentHandler):
    """A handler whose parameters are set before it starts."""

    __slots__ = ()

    def start_with(self, parameters: Mapping[str, Any]) -> ExperimentHandler:
        self.set_dict_params(dict(parameters))
        return self.start()


def _is_legm_file_of_kit(path: Path, store: Path) -> bool:
    """Whether a file in the store was written by legm itself, not by the backend."""
    return path.suffix == LOG_SUFFIX or path.relative_to(store).parts[0].startswith(OWN_FOLDER)
