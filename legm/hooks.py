"""The hooks that a backend implements.

A backend is a class. It is constructed with the root directory and its options, has a ``name`` and a set of
``capabilities``, and implements hooks as methods marked with :data:`hookimpl`. Hooks take and return the
records of :mod:`legm.records`. What a backend can rely on, and what is expected of it:

- The hooks of one run are called one after the other, never two at once, but on any thread. Calls for
  different runs may be interleaved, and other processes may use the same store at the same time.
- The records passed to a backend never change, and the backend must not change them.
- Every batch comes with the run log's position after it. After a crash or an outage, records are sent again
  from the last position that was stored, so a batch that arrives twice must be stored only once.
- A backend stores and returns; it never compares, selects or averages.
- A backend may have a mapping ``options``, in plain form and without credentials, with which it can be
  constructed again for the same store. The run log keeps these options for ``legm sync``.
- Errors are raised as a :class:`~legm.errors.LegmError`, with the cause chained.
- A hook that works for long calls :func:`still_working` each few seconds. One that is silent for ten seconds
  counts as a backend that does not answer: nobody waits for it any longer. A backend whose calls may be
  silent for longer although it is there has another number of seconds as ``patience``.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pluggy

from legm.records import (
    Configuration,
    ConfigurationStatus,
    Curve,
    Query,
    Record,
    Run,
    RunCounts,
    RunResult,
    StoredRun,
    Summary,
)

__all__ = [
    "Backend",
    "Capability",
    "FolderReader",
    "Hooks",
    "hookimpl",
    "hookspec",
    "still_working",
]

hookspec = pluggy.HookspecMarker("legm")
hookimpl = pluggy.HookimplMarker("legm")
"""Marks a method of a backend as the implementation of a hook."""

_of_thread = threading.local()


def still_working() -> None:
    """Report, from inside of a hook and on its thread, that the store answered and the work continues."""
    report = getattr(_of_thread, "report", None)
    if report is not None:
        report()


@contextmanager
def progress_reported_to(report: Callable[[], None]) -> Iterator[None]:
    """Have :func:`still_working` call a function while a hook runs on this thread; not for backends."""
    before = getattr(_of_thread, "report", None)
    _of_thread.report = report
    try:
        yield
    finally:
        _of_thread.report = before


class Capability(enum.Enum):
    """What a backend may support in addition to storing runs."""

    FOLDERS = "folders"
    """Every configuration has a folder for its run logs, plots and the user's files."""
    SUMMARIES = "summaries"
    FIGURES = "figures"
    ARTIFACTS = "artifacts"
    """Files of a run are stored; the backend also receives :class:`~legm.records.Artifact` records."""
    CURVES = "curves"
    """The aggregated curves of a plot are stored as numbers."""
    REMOTE = "remote"
    """Calls may take long or fail temporarily. They are made on one background thread per run, never on the
    training thread; failed batches are sent again from the run log."""
    DISPLAYS = "displays"
    """Scalars and texts that are shown with the run but are not metrics."""
    EXPERIMENTS = "experiments"
    """The names of all experiments can be listed."""
    DISCARD = "discard"
    """A run can be deleted, with everything stored of it."""


class Backend(Protocol):
    """The attributes of a backend, in addition to its hooks."""

    name: str
    """The name by which users select it."""
    capabilities: frozenset[Capability]


class FolderReader(Protocol):
    """What a backend with FOLDERS can say of the folders that a user names, without a root directory.

    Such a backend may have one as ``folder_reader``; commands that take a folder's path use it. The local
    backend's functions of the same names say what is returned and raised.
    """

    def read_configuration(self, folder: Path) -> Configuration:
        """The configuration in a folder."""

    def backend_of(self, folder: Path) -> tuple[Path, Backend]:
        """The root directory of a configuration's folder, and a backend that keeps its runs in this one."""

    def read_status(self, folder: Path) -> ConfigurationStatus:
        """A configuration's folder as it is; damage is in the answer, and not raised."""

    def read_statuses(self, experiment: Path) -> list[ConfigurationStatus]:
        """The configurations in an experiment's folder, by the folders' names."""

    def counted_once(self, statuses: Iterable[ConfigurationStatus]) -> Iterator[RunCounts]:
        """The runs in folders, counted; those in copies of a folder once."""

    def experiment_in(self, folder: Path) -> str | None:
        """The name by which the backend finds an experiment's folder."""

    def read_runs(self, folder: Path, histories: frozenset[str] = frozenset()) -> Iterator[RunResult]:
        """The runs in a configuration's folder."""

    def read_stored_runs(
        self, folder: Path, configuration: Configuration | None, *, series: bool = True
    ) -> Iterator[StoredRun]:
        """The completed runs in a configuration's folder, each by itself."""

    def repair(self, folder: Path) -> list[str]:
        """Make what is damaged in a configuration's folder again."""


class Hooks:
    """The hooks' signatures.

    Required are open, write, close, and reading runs and configurations; the others are optional or belong to
    a capability.
    """

    @hookspec(firstresult=True)
    def legm_open_run(self, run: Run) -> int | None:
        """Open a run that starts or is resumed; nothing of it need be visible yet.

        Args:
            run: the run.

        Returns:
            the position of the last batch that is stored, 0 for a new run; delivery continues from there.
            None if the backend does not know it; delivery then continues from the run log's position.
        """

    @hookspec
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Store records of an open run, in order.

        Args:
            run: the run.
            records: the records since the last batch.
            position: the run log's position after them, in bytes.
        """

    @hookspec
    def legm_close_run(self, run: Run, result: RunResult, records: Sequence[Record]) -> None:
        """Store the result of a run that ended, replacing an earlier result of the same run.

        If the run is resumed later, a remote backend is asked to open it again first.

        Args:
            run: the run.
            result: the result, with every dev series.
            records: all records of the run, for a backend that rewrites something.
        """

    @hookspec
    def legm_release_run(self, run: Run) -> None:
        """Release what is held for a run: this process sends nothing more of it (optional)."""

    @hookspec
    def legm_discard_run(self, run: Run) -> None:
        """Delete a run and everything stored of it (DISCARD); it was released before."""

    @hookspec(firstresult=True)
    def legm_read_runs(self, query: Query) -> Iterable[RunResult] | None:
        """Read the runs of an experiment, each once, including failed and interrupted ones.

        Only the series that the query names are required. Runs may be returned in any order, and as an
        iterator, so that not all of them are in memory at once.
        """

    @hookspec(firstresult=True)
    def legm_read_configurations(self, experiment: str) -> Iterable[Configuration] | None:
        """Read every configuration of an experiment that has a run, each once."""

    @hookspec(firstresult=True)
    def legm_read_experiments(self) -> Iterable[str] | None:
        """Read the names of all experiments that have a run (EXPERIMENTS)."""

    @hookspec(firstresult=True)
    def legm_read_counts(self, experiment: str) -> Iterable[RunCounts] | None:
        """Count the runs of every configuration of an experiment by description (optional).

        This is for a backend that knows the counts without reading every run. Without it they are computed
        from :meth:`legm_read_configurations` and :meth:`legm_read_runs`. A configuration without runs has an
        empty count. ``rules`` says which values of a metric are better, and ``repeated`` which runs have the
        seed of another one.
        """

    @hookspec(firstresult=True)
    def legm_folder(self, configuration: Configuration, create: bool) -> Path | None:
        """The configuration's folder (FOLDERS); None if there is none and ``create`` is false."""

    @hookspec
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Store aggregates, replacing earlier ones of this description (SUMMARIES)."""

    @hookspec
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Store aggregated curves, replacing earlier ones of the same metrics and description (CURVES)."""

    @hookspec(firstresult=True)
    def legm_write_figure(
        self,
        experiment: str,
        configuration: Configuration | None,
        description: str,
        name: str,
        content: bytes,
        format: str,
    ) -> str | None:
        """Store a figure, replacing an earlier one of the same name and format (FIGURES).

        Args:
            experiment: the experiment's name.
            configuration: the configuration that it shows; None for a figure that compares configurations.
            description: the description of the runs shown; "" for none.
            name: what it shows; not yet safe as a file name.
            content: the file's content.
            format: the file's format: "png", "pdf" or "svg".

        Returns:
            where it is stored, as a readable text.
        """
