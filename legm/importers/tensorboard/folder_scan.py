"""What the event files of a folder say, but for their numbers, texts and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from legm.errors import LegmError, StorageError, storage_error
from legm.importers.notes import Notes
from legm.importers.tensorboard.events import EventReader, Media, Other, Said, Seen, Session, Text
from legm.importers.tensorboard.hparams import session_info
from legm.records import Plain, Points, Status

__all__ = ["Look", "looked"]

_LAST_TIME = 253_402_300_800.0  # the year 10000


@dataclass(slots=True)
class Look:
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

    def take(self, said: Said, path: Path, notes: Notes) -> None:
        """Take note of what a file says."""
        if isinstance(said, Points):
            self._see(float(said.times[0]))
            self._see(float(said.times.max()))
            for (series,) in said.layouts:
                if len(self.tags) < 2:
                    self.tags.add(series.name)
        elif isinstance(said, Session):
            self._take_session(said, path, notes)
        elif isinstance(said, Seen):
            self._see(said.time)
        elif isinstance(said, Other):
            self.has_more = True
            self.others.add(said.kind)
            notes.add(f"event files with {said.kind}: kept as they are, below events/", str(path))
        elif isinstance(said, (Text, Media)):
            self.has_more = True
            self.has_media = self.has_media or isinstance(said, Media)

    def _take_session(self, said: Session, path: Path, notes: Notes) -> None:
        try:
            info = session_info(said.content)
        except DecodeError:
            notes.add("damaged hyperparameters were passed over", str(path))
            return
        if info is not None:
            self.parameters |= info.parameters
            self.details |= info.details
            self.status, self.ended = info.status, info.ended

    def _see(self, time: float) -> None:
        if 0 < time < _LAST_TIME:
            self.first = time if self.first is None else self.first
            self.last = time if self.last is None else max(self.last, time)


def looked(paths: Iterable[Path], notes: Notes) -> Look:
    """Look at the event files of one folder.

    Args:
        paths: the files, in their order.
        notes: takes what cannot be read, or is left out.
    """
    look, reader = Look([]), EventReader(notes)
    try:
        for path in paths:
            try:
                size = path.stat().st_size
            except OSError as cause:
                raise storage_error("read", path, cause) from cause
            if not size:
                notes.add("event files that are empty were left out", str(path))
                continue
            look.files.append((path, size))
            for said in reader.read(path, size):
                look.take(said, path, notes)
    except StorageError as error:
        look.problem = error
    return look
