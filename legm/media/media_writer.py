"""Encodes and writes the media of a run behind the training, within a limit of memory."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from legm.core.rewinding import without_rewound
from legm.errors import LegmError, MediaError, StorageError
from legm.media.content_files import keep_content
from legm.media.pending_file import PendingFile
from legm.records import Media, MediaKind, Record
from legm.runlog.recorder import Recorder
from legm.runlog.user_files import UserFiles

__all__ = ["MEMORY_LIMIT", "MediaWriter"]

log = logging.getLogger(__name__)

MEMORY_LIMIT = 64 << 20  # bytes of media that wait; a caller who adds more encodes some of them itself
_LEAST = 16 << 10  # bytes that each medium counts as
_HIGHEST_STEP = 2**63 - 1
_RETRY_PAUSE = 1.0  # seconds between two attempts on a disk that refuses


@dataclass(frozen=True, slots=True)
class _PendingMedia:
    name: str
    kind: MediaKind
    files: tuple[PendingFile, ...]
    step: int
    time: float

    @property
    def size(self) -> int:
        return max(_LEAST, sum(file.size for file in self.files))


class MediaWriter:
    """Keeps media as files of a run, and adds a record for each.

    It may be used from any thread, and from a signal handler: what interrupts the writing of the same thread
    writes the next medium itself.

    Args:
        files: of the run, which are in the folder of its configuration.
        run_id: the run's id.
        recorder: gets a record of each medium that is written.
    """

    def __init__(self, files: UserFiles, run_id: str, recorder: Recorder) -> None:
        self._files = files
        self._run_id = run_id
        self._recorder = recorder
        self._pending: list[_PendingMedia] = []
        self._earlier: Sequence[Record] = ()
        self._steps: dict[str, list[int]] = {}
        self._highest: dict[str, int] = {}
        self._writing = threading.RLock()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() may interrupt itself
        self._thread: threading.Thread | None = None
        self._is_slow = False
        self._is_troubled = False
        self._lost = 0

    def continue_after(self, records: Sequence[Record]) -> None:
        """Count the media of a resumed run too, for steps that are not given."""
        self._earlier = records

    def rewind(self, step: int) -> None:
        """Forget the media at later steps."""
        self._require_steps()
        earlier, self._steps, self._highest = self._steps, {}, {}
        for name, steps in earlier.items():
            for one in steps:
                if one <= step:
                    self._note_step(name, one)

    def _require_steps(self) -> None:
        earlier, self._earlier = self._earlier, ()
        for record in without_rewound(earlier):
            if isinstance(record, Media):
                self._note_step(record.name, record.step)

    def _note_step(self, name: str, step: int) -> None:
        self._steps.setdefault(name, []).append(step)
        self._highest[name] = max(step, self._highest.get(name, step))

    def add(self, name: str, kind: MediaKind, files: Iterable[PendingFile], step: int | None) -> None:
        """Add a medium, which is written soon after.

        Args:
            name: under which it is shown.
            kind: what it is.
            files: at least one.
            step: the step; None for the one after the last of this name, 0 at first.

        Raises:
            MediaError: there is no step after the last one.
        """
        self._require_steps()
        at = self._highest.get(name, -1) + 1 if step is None else step
        if at > _HIGHEST_STEP:
            raise MediaError(f"{name!r} has a medium at the highest step, {_HIGHEST_STEP}: give a step")
        self._note_step(name, at)
        new = _PendingMedia(name, kind, tuple(files), at, time.time())
        while self._pending and self._waiting_bytes() + new.size > MEMORY_LIMIT:
            self._report_slow()
            if not self._write_next():
                self._drop(new)
                return
        self._pending.append(new)
        if self._thread is None:
            self._start_thread()
        self._wake.put(None)

    def _waiting_bytes(self) -> int:
        return sum(one.size for one in self._pending[:])

    def _report_slow(self) -> None:
        if not self._is_slow:
            self._is_slow = True
            log.warning(
                "media are logged faster than they are written: more than %d MiB wait in memory, so that "
                "logging them takes as long as writing them. Nothing is lost; log fewer or smaller ones.",
                MEMORY_LIMIT >> 20,
            )

    def _drop(self, lost: _PendingMedia) -> None:
        self._lost += 1
        if self._lost == 1:
            log.error(
                "%r at step %d is lost: it cannot be written, and memory is limited", lost.name, lost.step
            )

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._work, name="legm-media-writer", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is shutting down: drain() writes what is left
            self._thread = None

    def _work(self) -> None:
        while self._thread is threading.current_thread():
            self._wake.get()
            while self._pending and self._thread is threading.current_thread():
                if not self._write_next():
                    time.sleep(_RETRY_PAUSE)

    def _write_next(self) -> bool:
        """Write the oldest medium that waits; whether that worked, or there was none."""
        with self._writing:
            if not self._pending:
                return True
            one = self._pending.pop(0)
            try:
                self._write(one)
            except StorageError as error:
                self._pending.insert(0, one)
                if not self._is_troubled:
                    log.error("%s. Training continues; media wait in memory until writing works.", error)  # noqa: TRY400
                self._is_troubled = True
                return False
            except Exception as error:  # noqa: BLE001 - training continues, and the error is reported
                self._lost += 1
                log.error("%r at step %d is lost: it cannot be encoded: %r", one.name, one.step, error)  # noqa: TRY400
                return True
            if self._is_troubled:
                log.warning("media can be written again%s", f"; {self._lost} were lost" if self._lost else "")
            self._is_troubled = False
            return True

    def _write(self, one: _PendingMedia) -> None:
        files = []
        for pending in one.files:
            content = pending.encode()
            kept = keep_content(self._files.folder, self._run_id, content, pending.extension)
            files.append(replace(kept, caption=pending.caption, details=dict(pending.details)))
        self._recorder.add_record(Media(one.name, one.kind, tuple(files), one.step, one.time))

    def drain(self) -> None:
        """Write everything that was added before; what the disk refuses stays, and is reported."""
        while self._pending and self._write_next():
            pass
        with self._writing:  # what another thread is writing
            pass

    def close(self) -> None:
        """Write what is left, and end the thread; closing twice does nothing."""
        try:
            self.drain()
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
        if self._pending:
            names = ", ".join(sorted({one.name for one in self._pending}))
            log.error(
                "%d media of the run are lost, which could not be written: %s", len(self._pending), names
            )
            self._pending.clear()
        self._thread = None
        self._wake.put(None)
