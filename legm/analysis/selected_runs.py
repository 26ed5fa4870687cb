"""The runs that a selection leaves: their counts, and the runs themselves, of any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from legm.core.selection import BoundSelection, RunSelection, SelectionCandidate
from legm.errors import ParameterError
from legm.records import Configuration, RunCounts, RunResult
from legm.stats.run_counts import count_runs
from legm.util.progress import show_progress

__all__ = ["ReadRuns", "SelectedRuns", "nothing_selected"]

ReadRuns: TypeAlias = Callable[[Configuration, str, frozenset[str]], Iterable[RunResult]]
"""Reads runs, as :func:`legm.delivery.reading.read_runs` does for one backend."""


class SelectedRuns:
    """Reads the runs of a backend that a selection leaves; all of them where nothing is selected.

    Runs are read only of configurations of which the selection leaves some.

    Args:
        bound: what a user selects; None for everything.
        read: reads the runs of one configuration and description.
    """

    def __init__(self, bound: BoundSelection | None, read: ReadRuns) -> None:
        self._bound = bound
        self._read = read

    @classmethod
    def of(
        cls, selection: RunSelection, configurations: Iterable[Configuration], read: ReadRuns
    ) -> SelectedRuns:
        """The runs that a selection leaves of those of some configurations.

        Args:
            selection: what a user selects.
            configurations: those among which is selected.
            read: reads the runs of one configuration and description.

        Raises:
            ParameterError: no configuration has a parameter or value of the selection.
        """
        return cls(selection.bound(configurations) if selection else None, read)

    def counts(self, every: Sequence[RunCounts]) -> list[RunCounts]:
        """The counts of the selected runs.

        Args:
            every: of all configurations; those of which no run is selected are left out.

        Raises:
            ParameterError: nothing is selected.
            LegmError: runs cannot be read.
        """
        found = self.counts_if_any(every)
        if every and not found:
            assert self._bound is not None  # noqa: S101
            raise nothing_selected(self._bound, every)
        return found

    def counts_if_any(self, every: Sequence[RunCounts]) -> list[RunCounts]:
        """The counts of the selected runs; none where nothing is selected.

        Raises:
            LegmError: runs cannot be read.
        """
        if self._bound is None:
            return list(every)
        decided = [(one, self._bound.decides(SelectionCandidate.of_counts(one))) for one in every]
        unknown = sum(is_selected is None for _, is_selected in decided)
        steps = iter(show_progress(range(unknown), "selecting runs") if unknown else ())
        found = []
        for one, is_selected in decided:
            if is_selected is None:
                next(steps)
                own = self._count(one)
                found += [own] if own is not None else []
            elif is_selected:
                found.append(one)
        next(steps, None)
        return found

    def _count(self, one: RunCounts) -> RunCounts | None:
        runs = list(self.read(one.configuration, one.description, frozenset()))
        return count_runs(one.configuration, one.description, runs, one.folder) if runs else None

    def has_run(self, run: RunResult) -> bool:
        """Whether a run is selected."""
        return self._bound is None or self._bound.has_run(run)

    def read(
        self, configuration: Configuration, description: str, histories: frozenset[str]
    ) -> Iterator[RunResult]:
        """The selected runs of a configuration."""
        return filter(self.has_run, self._read(configuration, description, histories))


def nothing_selected(bound: BoundSelection, every: Iterable[RunCounts]) -> ParameterError:
    """The error that a selection leaves nothing.

    Args:
        bound: the selection.
        every: the counts of all runs.
    """
    is_of_runs = any(bound.decides(SelectionCandidate.of_counts(one)) is None for one in every)
    return ParameterError(f"no {'run' if is_of_runs else 'configuration'} has {bound.text}")
