"""The runs of a source that a user selects."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from legm.core.selection import BoundSelection, RunSelection, SelectionCandidate
from legm.errors import ParameterError
from legm.export.sources import ConfigurationRuns, ExportSource, LoadedRun, UnavailableRun
from legm.records import Plain

__all__ = ["SelectedSource", "selected_source"]


def selected_source(source: ExportSource, where: Iterable[str] | str | None) -> ExportSource:
    """A source of the selected runs; the source itself where nothing is selected.

    Args:
        source: of all runs.
        where: texts as :class:`legm.core.selection.RunSelection` has them.

    Raises:
        ParameterError: a text is not a selection, or no configuration has a parameter or value of it.
    """
    selection = RunSelection.parse(where)
    if not selection:
        return source
    every = [one.configuration for one in source.configurations() if one.configuration is not None]
    return SelectedSource(source, selection.bound(every))


class SelectedSource:
    """The selected runs of a source.

    Args:
        source: of all runs.
        bound: what is selected.
    """

    def __init__(self, source: ExportSource, bound: BoundSelection) -> None:
        self._source = source
        self._bound = bound

    @property
    def backend(self) -> tuple[str, dict[str, Plain]]:
        """The backend's name and options."""
        return self._source.backend

    def number_of_runs(self) -> int | None:
        """None: the runs would have to be read to know."""
        return None

    def configurations(self) -> Iterator[ConfigurationRuns]:
        """The configurations of which runs may be selected; aggregates over more than these are left out.

        Raises:
            ParameterError: nothing is selected.
        """
        has_some = False
        for group in self._source.configurations():
            if group.configuration is None:
                continue
            is_selected = self._bound.decides(SelectionCandidate(group.configuration))
            if is_selected:
                yield group
            elif is_selected is None:
                runs = self._selected(group.runs)
                first = next(runs, None)
                if first is None:
                    continue
                yield ConfigurationRuns(group.where, itertools.chain([first], runs), group.configuration)
            has_some = has_some or is_selected is not False
        if not has_some:
            raise ParameterError(f"no run has {self._bound.text}")

    def _selected(self, runs: Iterable[LoadedRun | UnavailableRun]) -> Iterator[LoadedRun | UnavailableRun]:
        for one in runs:
            if isinstance(one, UnavailableRun) or self._bound.has_run(one.result):
                yield one
