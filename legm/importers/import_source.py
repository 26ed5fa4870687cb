"""What a source of runs of another tracker gives, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from legm.importers.external_run import ExternalRun
from legm.importers.import_notes import ImportNotes

__all__ = [
    "CountedSource",
    "FolderNamedSource",
    "GroupedSource",
    "ImportSource",
    "RunGroup",
    "SelectiveSource",
]


class ImportSource(Protocol):
    """An external store, which is only read."""

    kind: str
    """The kind of store in one word: ``mlflow``."""
    location: str
    """Its path or address for messages, without passwords."""
    notes: ImportNotes
    """What was left out, or could not be read."""

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, in a stable order.

        Raises:
            LegmError: the store cannot be read.
        """

    def run(self, key: str) -> ExternalRun:
        """The run with a key that :meth:`runs` returned.

        Raises:
            LegmError: the store cannot be read.
        """

    def close(self) -> None:
        """Release files and connections."""


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs whose files tell, without being read, whether anything about the runs has changed.

    Args:
        key: the group's identity, unique and the same every time the source is read.
        paths: the files and folders that determine the runs.
        runs: reads the runs.
        outside: further ones, which are known once the runs were read; None if these may change although all
            files stay as they are.
    """

    key: str
    paths: Sequence[Path]
    runs: Callable[[], Iterator[ExternalRun]]
    outside: Callable[[], Iterable[Path] | None] = tuple


@runtime_checkable
class GroupedSource(ImportSource, Protocol):
    """A source of many files, of which those that have not changed need not be read again."""

    def groups(self) -> Iterator[RunGroup]:
        """Every group of runs, in a stable order; :meth:`ImportSource.runs` returns the runs of them all."""


@runtime_checkable
class CountedSource(Protocol):
    """A source whose runs can be counted without reading them."""

    def number_of_runs(self) -> int:
        """About how many runs :meth:`Source.runs` returns."""


@runtime_checkable
class SelectiveSource(Protocol):
    """A source that can leave out experiments without reading their runs."""

    def select_experiments(self, names: Collection[str]) -> None:
        """Let :meth:`ImportSource.runs` return only the runs of these experiments, if all of them exist."""


@runtime_checkable
class FolderNamedSource(Protocol):
    """A source whose folders name experiments and runs, so that it must be decided which name what."""

    def use_run_folders(self, given: int | None, known: Mapping[str, int]) -> None:
        """Say how many of the last folders of a run's path name the run; those above are its experiment.

        Args:
            given: the number; None to infer it.
            known: by experiment, the number with which earlier imports were made.
        """

    def run_folders(self) -> dict[str, int]:
        """By experiment, how many folders name its runs; known once :meth:`ImportSource.runs` was called."""

    def confirms_experiments(self, experiments: Mapping[str, str]) -> bool:
        """Whether all of its runs still belong to these experiments, which nothing but their paths decides.

        Args:
            experiments: by the runs' keys. If it does, :meth:`run_folders` is known too.
        """
