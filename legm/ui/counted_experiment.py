"""An experiment as it was counted last, and what its card and its views are made of."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from legm.records import Plain, RunCounts, RunResult, Status
from legm.report.counted_content import CountedContent
from legm.tables.sources import StoredConfiguration, TableSource
from legm.ui.experiment_cards import experiment_card, failed_runs_of_card

__all__ = ["CountedExperiment"]

_LATELY = 7 * 24 * 3600.0  # seconds
_MOST_FAILED = 3  # runs that failed lately on a card,
_MOST_LOOKED_AT = 50  # and configurations that are looked at for them


@dataclass(slots=True)
class CountedExperiment:
    """The counted runs of an experiment as they were read last, and what was made of them.

    Args:
        counts: of each configuration and description.
        problems: messages about what could not be read.
        version: of the experiment when it began to be read.
        read: when, on the monotonic clock (s).
        names: by fingerprint, what each configuration is called.
        contents: by the texts of a selection, what is shown.
    """

    counts: list[tuple[StoredConfiguration, RunCounts]]
    problems: list[str] = field(default_factory=list)
    version: int = 0
    read: float = field(default_factory=time.monotonic)
    names: dict[str, str] = field(default_factory=dict)
    contents: dict[tuple[str, ...], CountedContent] = field(default_factory=dict)
    _stored: dict[str, StoredConfiguration] = field(default_factory=dict)
    _card: dict[str, Plain] = field(default_factory=dict)
    _failed: list[RunResult] = field(default_factory=list)
    _looked_for_failed: int = 0

    def stored(self) -> dict[str, StoredConfiguration]:
        """The configurations, by fingerprint."""
        if not self._stored:
            self._stored = {one.configuration.fingerprint: one for one, _ in self.counts}
        return self._stored

    def card(self, name: str, source: TableSource) -> dict[str, Plain]:
        """The experiment as the first view has it.

        Args:
            name: its name.
            source: reads the runs that failed lately.
        """
        if not self._card:
            self._card = experiment_card(name, [counts for _, counts in self.counts], self.names)
        return {**self._card, "failed": [*failed_runs_of_card(self._failed_lately(source), self.names)]}

    def _failed_lately(self, source: TableSource) -> list[RunResult]:
        """The newest runs that failed in the last days, the newest first."""
        since = time.time() - _LATELY
        own = [one for one in self.counts if one[1].failed and (one[1].last or 0.0) > since]
        own.sort(key=lambda one: one[1].last or 0.0, reverse=True)
        for stored, counts in own[self._looked_for_failed : _MOST_LOOKED_AT]:
            newest = self._failed[:_MOST_FAILED]
            if len(newest) == _MOST_FAILED and _counted_run_end(newest[-1]) >= (counts.last or 0.0):
                break
            self._looked_for_failed += 1
            self._failed += [
                of.result
                for of in source.results(stored)
                if of.result.status is Status.FAILED and of.result.run.description == counts.description
            ]
            self._failed.sort(key=_counted_run_end, reverse=True)
        return [one for one in self._failed[:_MOST_FAILED] if _counted_run_end(one) > since]


def _counted_run_end(result: RunResult) -> float:
    return result.run.started if result.ended is None else result.ended
