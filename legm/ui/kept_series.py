"""The series that were read last, within a bound, so that another part of them is shown at once."""

from __future__ import annotations

from collections import OrderedDict

from legm.records import RunResult, Status
from legm.ui.kept_curves import KeptCurves

__all__ = ["KeptSeries"]


class KeptSeries:
    """Runs with their series by configuration; those that were asked for longest ago are forgotten first.

    Args:
        most_values: of all series together.
    """

    def __init__(self, most_values: int) -> None:
        self._most = most_values
        self._runs: OrderedDict[tuple[str, str], tuple[list[RunResult], KeptCurves]] = OrderedDict()
        self._sizes: dict[tuple[str, str], int] = {}

    def get(self, key: tuple[str, str]) -> tuple[list[RunResult], KeptCurves] | None:
        """The runs and curves of a configuration, by its experiment and fingerprint; None of one not kept."""
        found = self._runs.get(key)
        if found is not None:
            self._runs.move_to_end(key)
        return found

    def put(self, key: tuple[str, str], runs: list[RunResult]) -> None:
        """Keep runs, except of a configuration in which one is still running, or that has too many values."""
        size = sum(len(history.values) for run in runs for history in run.histories.values())
        if size > self._most or any(run.status is Status.RUNNING for run in runs):
            return
        self._runs[key], self._sizes[key] = (runs, KeptCurves()), size
        while sum(self._sizes.values()) > self._most:
            oldest, _ = self._runs.popitem(last=False)
            del self._sizes[oldest]

    def forget(self, experiment: str) -> None:
        """Forget the runs of an experiment, since something in it has changed."""
        for key in [key for key in self._runs if key[0] == experiment]:
            del self._runs[key], self._sizes[key]
