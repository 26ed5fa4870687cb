"""What every source of runs gives: external runs as records, and the files that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol

from legm.errors import LegmError
from legm.importers.notes import Notes
from legm.records import BestRule, Display, Plain, Points, Run, Status

__all__ = ["ExternalFile", "ExternalRun", "Source", "unreadable_run"]


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A file of a external run.

    Args:
        name: the source's; folders are parted by ``/``.
        open: opens it for reading.
    """

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]

    @classmethod
    def from_path(cls, name: str, path: Path) -> ExternalFile:
        """A file of this machine."""
        return cls(name, lambda: path.open("rb"))


@dataclass(frozen=True, slots=True)
class ExternalRun:
    """A run as its source tells it. What is large is read when it is asked for, and again each time.

    Args:
        key: the run's identity, unique and the same whenever the source is read.
        experiment: the source's name of what legm calls an experiment.
        name: the source's name of the run; "" for none.
        parameters: typed where the source knows types.
        tags: short texts about the run.
        status: RUNNING where the source does not know of an end.
        started: seconds since 1970 (UTC).
        ended: seconds since 1970; None where it is unknown.
        error: what ended a failed run, where it is known.
        records: numbers in batches of bounded size, displays, and how the best step was chosen. A series of
            a metric comes in the order in which it was set, without an index; which dev series are test
            metrics by their names is decided on ingestion, but for runs that are legm's own.
        files: the run's files.
        details: what else the source says of where the run came from.
        description: what tells the run apart from others of its configuration; "" for nothing.
        own: the run as legm once wrote it: then nothing of it is inferred or renamed.
        can_grow: whether its source cannot say that it has ended: then it is taken again where it has grown.
        metadata: what its source knows of the parameters, in the form of
            :attr:`legm.records.Configuration.metadata`; None where it knows nothing, and that is inferred.
        marks_test_metrics: whether its source tells test metrics and examples apart itself.
        has_shared_parameters: whether the parameters are the configuration's, and those of them that are not
            compared may be another run's: then these are left out.
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
    description: str = ""
    native_run: Run | None = None
    can_grow: bool = False
    metadata: Mapping[str, Mapping[str, Plain]] | None = None
    marks_test_metrics: bool = False
    has_shared_parameters: bool = False


def unreadable_run(key: str, experiment: str, error: LegmError) -> ExternalRun:
    """A run of which no more is known than that it is there, and why it cannot be read."""

    def records() -> NoReturn:
        raise error

    return ExternalRun(key, experiment, "", {}, {}, Status.RUNNING, 0.0, None, None, records)


class Source(Protocol):
    """A external store that is only read."""

    kind: str
    """What it is, in a word: ``mlflow``."""
    location: str
    """Where it is, for a person; without passwords."""
    notes: Notes
    """What of it is left out, or could not be read."""

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, in an order that stays.

        Raises:
            LegmError: the store cannot be read.
        """

    def run(self, key: str) -> ExternalRun:
        """The run with a key that :meth:`runs` gave.

        Raises:
            LegmError: the store cannot be read.
        """

    def close(self) -> None:
        """Let go of what is held."""
