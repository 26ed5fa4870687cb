"""A first scan of a folder's event files, without keeping numbers, texts and images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from legm.errors import LegmError, StorageError, storage_error
from legm.importers.import_notes import ImportNotes
from legm.importers.tensorboard.event_reader import (
    EventContent,
    EventReader,
    EventTime,
    HparamsSession,
    MediaEvent,
    TextEvent,
    UnsupportedEvent,
)
from legm.importers.tensorboard.hparams import parse_hparams_session_info
from legm.records import Plain, Points, Status

__all__ = ["EventFolderScan", "scan_event_files"]

_LATEST_TIME = 253_402_300_800.0  # the year 10000


@dataclass(slots=True)
class EventFolderScan:
    """The event files of a folder, as they were when they were scanned.

    Args:
        files: each with its size in bytes at that time; no more than that is ever read.
        parameters: those of the ``hparams`` plugin.
        details: what else the plugin has.
        status: how a session ended; None if unknown.
        ended: when, in seconds since 1970; None if unknown.
        first, last: the times of the first and the last event, in seconds since 1970.
        tags: the tags of numbers, at most two of them.
        has_media: whether there are images, sounds or histograms.
        has_more: whether there is anything but numbers and hyperparameters.
        others: the kinds of content that legm does not support.
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
        """The tag of the numbers, if there is only one and nothing else."""
        is_only = len(self.tags) == 1 and not self.has_more and not self.parameters
        return next(iter(self.tags)) if is_only else None

    @property
    def is_empty(self) -> bool:
        """Whether they contain nothing that belongs to a run."""
        return not (self.tags or self.has_more or self.parameters or self.status or self.problem)

    def add(self, content: EventContent, path: Path, notes: ImportNotes) -> None:
        """Add content of a file."""
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
            notes.add(f"event files with {content.kind}: copied as files below events/", str(path))
        elif isinstance(content, (TextEvent, MediaEvent)):
            self.has_more = True
            self.has_media = self.has_media or isinstance(content, MediaEvent)

    def _add_session(self, content: HparamsSession, path: Path, notes: ImportNotes) -> None:
        try:
            info = parse_hparams_session_info(content.content)
        except DecodeError:
            notes.add("damaged hyperparameters were skipped", str(path))
            return
        if info is not None:
            self.parameters |= info.parameters
            self.details |= info.details
            self.status, self.ended = info.status, info.ended

    def _note_time(self, time: float) -> None:
        if 0 < time < _LATEST_TIME:
            self.first = time if self.first is None else self.first
            self.last = time if self.last is None else max(self.last, time)


def scan_event_files(paths: Iterable[Path], notes: ImportNotes) -> EventFolderScan:
    """Scan the event files of one folder.

    Args:
        paths: the files, in order.
        notes: collects what cannot be read, or is left out.
    """
    scan, reader = EventFolderScan([]), EventReader(notes)
    try:
        for path in paths:
            try:
                size = path.stat().st_size
            except OSError as cause:
                raise storage_error("read", path, cause) from cause
            if not size:
                notes.add("empty event files were left out", str(path))
                continue
            scan.files.append((path, size))
            for content in reader.read(path, size):
                scan.add(content, path, notes)
    except StorageError as error:
        scan.problem = error
    return scan
