"""What the event files of a folder say, but for their numbers, texts and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from legm.errors import LegmError, StorageError, storage_error
from legm.importers.notes import Notes
from legm.importers.tensorboard.events import (
    EventContent,
    EventReader,
    EventTime,
    HparamsSession,
    MediaEvent,
    TextEvent,
    UnsupportedEvent,
)
from legm.importers.tensorboard.hparams import parse_session_info
from legm.records import Plain, Points, Status

__all__ = ["FolderScan", "scan_event_files"]

_LATEST_TIME = 253_402_300_800.0  # the year 10000


@dataclass(slots=True)
class FolderScan:
    """The event files of a folder as they were when they were looked at.

    Args:
        files: each with how much of it there was, in bytes; that much is ever read.
        parameters: of the plugin ``hparams``.
        details: what else it says.
        status: how a session ended; None where that is not said.
        ended: when, in seconds; None where that is not said.
        first, last: the times of the first and the last event, in seconds.
        tags: the tags of numbers, two of them at most.
        has_media: whether there are pictures or sounds.
        has_more: whether there is anything but numbers and hyperparameters.
        others: what legm has no word for.
        problem: why the files cannot be read.
    """

    files: list[tuple[Path, int]]
    parameters: dict[str, Plain] = field(default_factory=dict)
    details: dict[str, Plain] = field(default_factory=dict)
    status: Status | None = None
    ended: float | None = None
    first: float | None = None
    last: float | None = None
    tags: set[str] = field(default_factory=set)
    has_media: bool = False
    has_more: bool = False
    others: set[str] = field(default_factory=set)
    problem: LegmError | None = None

    @property
    def only_tag(self) -> str | None:
        """The tag of the numbers, where there is just one, and nothing else."""
        is_only = len(self.tags) == 1 and not self.has_more and not self.parameters
        return next(iter(self.tags)) if is_only else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a run is in them."""
        return not (self.tags or self.has_more or self.parameters or self.status or self.problem)

    def add(self, content: EventContent, path: Path, notes: Notes) -> None:
        """Take note of what a file says."""
        if isinstance(content, Points):
            self._note_time(float(content.times[0]))
            self._note_time(float(content.times.max()))
            for (series,) in content.layouts:
                if len(self.tags) < 2:
                    self.tags.add(series.name)
        elif isinstance(content, HparamsSession):
            self._add_session(content, path, notes)
        elif isinstance(content, EventTime):
            self._note_time(content.time)
        elif isinstance(content, UnsupportedEvent):
            self.has_more = True
            self.others.add(content.kind)
            notes.add(f"event files with {content.kind}: kept as they are, below events/", str(path))
        elif isinstance(content, (TextEvent, MediaEvent)):
            self.has_more = True
            self.has_media = self.has_media or isinstance(content, MediaEvent)

    def _add_session(self, content: HparamsSession, path: Path, notes: Notes) -> None:
        try:
            info = parse_session_info(content.content)
        except DecodeError:
            notes.add("damaged hyperparameters were passed over", str(path))
            return
        if info is not None:
            self.parameters |= info.parameters
            self.details |= info.details
            self.status, self.ended = info.status, info.ended

    def _note_time(self, time: float) -> None:
        if 0 < time < _LATEST_TIME:
            self.first = time if self.first is None else self.first
            self.last = time if self.last is None else max(self.last, time)


def scan_event_files(paths: Iterable[Path], notes: Notes) -> FolderScan:
    """Look at the event files of one folder.

    Args:
        paths: the files, in their order.
        notes: takes what cannot be read, or is left out.
    """
    scan, reader = FolderScan([]), EventReader(notes)
    try:
        for path in paths:
            try:
                size = path.stat().st_size
            except OSError as cause:
                raise storage_error("read", path, cause) from cause
            if not size:
                notes.add("event files that are empty were left out", str(path))
                continue
            scan.files.append((path, size))
            for content in reader.read(path, size):
                scan.add(content, path, notes)
    except StorageError as error:
        scan.problem = error
    return scan
