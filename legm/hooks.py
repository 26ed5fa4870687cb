"""The hooks of a backend: what legm asks of a place that keeps runs.

A backend is a class. It is made with the root directory and its options, has a ``name`` and a set of
``capabilities``, and implements hooks by methods marked :data:`hookimpl`. Hooks take and return the
records of :mod:`legm.records`. What a backend can rely on, and what it owes:

- Hooks of one run come one after the other, never two at once, but on any thread. Different runs may
  come interleaved, and other processes may use the same store at the same time.
- Records given to a backend never change, and must not be changed by it.
- Every batch comes with the run log's position after it. After a crash or an outage records come again
  from the last position that was noted, so a backend must take a batch twice without counting it twice.
- A backend stores and returns; it never compares, selects or averages.
- A backend may have a mapping ``options``: those, plain and without credentials, that make it
  again for the same store. They are noted in the run log, so that ``legm sync`` finds the way later.
- What goes wrong is raised as a :class:`~legm.errors.LegmError`, with the cause chained.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import pluggy

from legm.records import Configuration, Curve, Query, Record, Run, RunCounts, RunResult, Summary

__all__ = ["Backend", "Capability", "Hooks", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("legm")
hookimpl = pluggy.HookimplMarker("legm")
"""Marks a backend's method as the implementation of a hook."""


class Capability(enum.Enum):
    """What a backend may or may not be able to do beside keeping runs."""

    FOLDERS = "folders"
    """Every configuration has a folder; run logs, plots and the user's files live in it."""
    SUMMARIES = "summaries"
    FIGURES = "figures"
    ARTIFACTS = "artifacts"
    """Files given to a run are kept; :class:`~legm.records.Artifact` records come with the others."""
    CURVES = "curves"
    """The aggregated curves behind a plot are kept as numbers."""
    REMOTE = "remote"
    """Calls may take long or fail for a while. They come on a thread of their own for each run, never on
    the training's; what fails comes again from the run log; credentials among the parameters are
    redacted before they come here."""
    DISPLAYS = "displays"
    """Scalars and texts that are no metrics, shown beside the run's own."""
    EXPERIMENTS = "experiments"
    """The names of its experiments can be listed."""
    DISCARD = "discard"
    """A run can be deleted, with all that was kept of it."""


class Backend(Protocol):
    """What is known of a backend beside its hooks."""

    name: str
    """Also the name by which it is asked for."""
    capabilities: frozenset[Capability]


class Hooks:
    """The hooks' signatures.

    Required are open, write, close and the two that read; the rest goes with a capability.
    """

    @hookspec(firstresult=True)
    def legm_open_run(self, run: Run) -> int | None:
        """A run begins, or goes on after it was left; nothing of it need be visible yet.

        Returns:
            the position of the last batch that is kept of the run, 0 for a new one: delivery goes on
            from there. None where the backend does not say; then from where the run log says.
        """

    @hookspec
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Take records of an open run, in their order.

        Args:
            run: the run.
            records: what came since the last batch.
            position: the run log's position after them, in bytes.
        """

    @hookspec
    def legm_close_run(self, run: Run, result: RunResult, records: Sequence[Record]) -> None:
        """A run ended: keep its result, in place of an earlier one of the same run.

        Should more of it come after all, a remote backend is asked to open it again first.

        Args:
            run: the run.
            result: with every dev series.
            records: all of the run's records, for a backend that wants to write something anew.
        """

    @hookspec
    def legm_release_run(self, run: Run) -> None:
        """Nothing more of the run comes from this process: let go of what was held for it (optional)."""

    @hookspec
    def legm_discard_run(self, run: Run) -> None:
        """Delete a run, with all that was kept of it (DISCARD); it was released before."""

    @hookspec(firstresult=True)
    def legm_read_runs(self, query: Query) -> Iterable[RunResult] | None:
        """The runs of an experiment, each once, also failed and interrupted ones.

        Only the series that the query names need be filled in. Runs may come in any order and as an
        iterator, so that not all of them are in memory at once.
        """

    @hookspec(firstresult=True)
    def legm_read_configurations(self, experiment: str) -> Iterable[Configuration] | None:
        """Every configuration of an experiment that has a run, each once."""

    @hookspec(firstresult=True)
    def legm_read_experiments(self) -> Iterable[str] | None:
        """The names of all experiments that have a run (EXPERIMENTS)."""

    @hookspec(firstresult=True)
    def legm_read_counts(self, experiment: str) -> Iterable[RunCounts] | None:
        """The runs of every configuration of an experiment, counted by description (optional).

        It is for a backend that knows this without reading every run; where it is missing, counts are made
        of :meth:`legm_read_configurations` and :meth:`legm_read_runs`. A configuration without a run has an
        empty count.
        """

    @hookspec(firstresult=True)
    def legm_folder(self, configuration: Configuration, create: bool) -> Path | None:
        """The configuration's folder (FOLDERS); None where there is none and none is to be made."""

    @hookspec
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Keep aggregates, in place of earlier ones of this description (SUMMARIES)."""

    @hookspec
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Keep aggregated curves, in place of earlier ones of their metrics and this description (CURVES)."""

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
        """Keep a picture, in place of an earlier one of this name and format (FIGURES).

        Args:
            experiment: the experiment.
            configuration: whose picture it is; None for one that compares configurations.
            description: of the runs shown; "" for none.
            name: what is shown, not yet safe as a file name.
            content: the file's.
            format: what kind of file it is: "png", "pdf" or "svg".

        Returns:
            where it is, for a person.
        """
