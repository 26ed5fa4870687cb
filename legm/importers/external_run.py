"""What every source of runs returns: external runs as records, and the files that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from legm.errors import LegmError
from legm.importers.labels import Label
from legm.records import BestRule, Display, MediaKind, Plain, Points, Run, RunMarks, Status

__all__ = [
    "ExternalFile",
    "ExternalMedium",
    "ExternalRun",
    "unreadable_run",
]


@dataclass(frozen=True, slots=True)
class ExternalMedium:
    """What a file shows, where its source knows that it is a picture, a sound, a table or the like.

    Files that follow each other and have equal names, kinds, steps and times are one medium.

    Args:
        name: under which the source shows it.
        kind: what it is.
        step: the step.
        time: seconds since 1970 (UTC).
        caption: of this file; "" for none.
        details: of this file, as of :class:`legm.records.MediaFile`.
    """

    name: str
    kind: MediaKind
    step: int
    time: float
    caption: str = ""
    details: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, MediaKind, int, float]:
        """What files of one medium have in common."""
        return self.name, self.kind, self.step, self.time


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A file of an external run.

    Args:
        name: its name in the source, with ``/`` between folders.
        open: opens it for reading.
        medium: what it shows; None for any other file.
    """

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]
    medium: ExternalMedium | None = None

    @classmethod
    def from_path(cls, name: str, path: Path, medium: ExternalMedium | None = None) -> ExternalFile:
        """A file on this machine."""
        return cls(name, lambda: path.open("rb"), medium)


_NO_MARKS = RunMarks()


@dataclass(frozen=True, slots=True)
class ExternalRun:
    """A run as its source describes it. Large parts are read on demand, and again each time.

    Args:
        key: the run's identity, unique and the same every time the source is read.
        experiment: the source's name for what legm calls an experiment.
        name: the source's name for the run; "" for none.
        parameters: typed if the source has types.
        tags: short texts about the run.
        status: RUNNING if the source has not recorded an end.
        started: seconds since 1970 (UTC).
        ended: seconds since 1970; None if unknown.
        error: why a failed run failed, if known.
        records: numbers in batches of limited size, displays, and how the best step was chosen. The series of
            a metric are in the order in which they were set, and have no index. Unless the run is a native
            one, translation decides by name which dev series are test metrics.
        files: the run's files.
        details: further facts from the source about the run's origin.
        origin: gives what the source knows of where the run ran, by the names of a run's environment.
        description: what distinguishes the run from others of its configuration; "" for nothing.
        native_run: the run as legm once wrote it; nothing of such a run is inferred or renamed.
        can_grow: whether the source cannot record that the run has ended. Such a run is imported again once
            it has grown.
        metadata: what the source knows about the parameters, in the form of
            :attr:`legm.records.Configuration.metadata`; None if it knows nothing, so that it is inferred.
        marks_test_metrics: whether the source itself distinguishes test metrics and examples.
        labels: what may distinguish the run besides its parameters.
        marks: what a user noted about the run.
        counted_metrics: gives the metrics whose steps are counted by another metric, instead of being the
            numbers of the source's rows.
        has_shared_parameters: whether the parameters are stored per configuration, so that those which are
            not compared may belong to another run. Those are left out.
    """

    key: str
    experiment: str
    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    status: Status
    started: float
    ended: float | None
    error: str | None
    records: Callable[[], Iterator[Points | Display | BestRule]]
    files: Callable[[], Iterable[ExternalFile]] = tuple
    details: Mapping[str, Plain] = field(default_factory=dict)
    origin: Callable[[], Mapping[str, Plain]] = dict
    description: str = ""
    native_run: Run | None = None
    can_grow: bool = False
    metadata: Mapping[str, Mapping[str, Plain]] | None = None
    marks_test_metrics: bool = False
    counted_metrics: Callable[[], frozenset[str]] = frozenset
    has_shared_parameters: bool = False
    labels: Mapping[str, Label] = field(default_factory=dict)
    marks: RunMarks = _NO_MARKS


def unreadable_run(key: str, experiment: str, error: LegmError) -> ExternalRun:
    """A placeholder for a run that cannot be read: only its existence and the error are known."""

    def records() -> NoReturn:
        raise error

    return ExternalRun(key, experiment, "", {}, {}, Status.RUNNING, 0.0, None, None, records)
