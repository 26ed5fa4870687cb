"""The runs of a script that a sweep calls: found by their tag, read while they are written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from legm.analysis.run_tailer import RunTailer, TailedLog
from legm.errors import LegmError
from legm.records import RunResult, Series, Status
from legm.runlog.log_folder import LogFolder, read_result_from_log
from legm.runlog.marks_files import read_marks

__all__ = ["ScriptRuns", "TrialValue"]


@dataclass(frozen=True, slots=True)
class TrialValue:
    """What the completed runs of a trial have in common.

    Args:
        value: the mean of the metric at each run's best step; NaN where one does not have it.
        runs: the ids of the runs.
        fingerprint: of the configuration of the first one.
    """

    value: float
    runs: tuple[str, ...]
    fingerprint: str


class ScriptRuns:
    """The runs with a tag, from now on and those that ended before.

    Args:
        root: the root directory.
        experiment: the experiment.
        tag: the runs' tag.
        since: seconds since 1970, before which none of them had begun.
    """

    def __init__(self, root: Path, experiment: str, tag: str, since: float) -> None:
        self._arguments, self._since = (root, experiment), since
        self._tailer = self._new_tailer()
        self._tag = tag
        self._is_own: dict[str, bool] = {}
        self._reported: dict[str, int] = {}

    def _new_tailer(self) -> RunTailer:
        return RunTailer(*self._arguments, max(0.0, time.time() - self._since))

    def look_again(self) -> None:
        """Look for new runs at once: those that the last second brought are not known yet."""
        self._tailer.close()
        self._tailer = self._new_tailer()

    def close(self) -> None:
        """Close the logs."""
        self._tailer.close()

    def poll(self) -> list[TailedLog]:
        """Read what has come; returns the runs with the tag, oldest first."""
        self._tailer.poll()
        return [one for run_id, one in sorted(self._tailer.runs.items()) if self._has_tag(run_id, one)]

    def _has_tag(self, run_id: str, one: TailedLog) -> bool:
        """Whether a run has the tag, which its first process writes at once."""
        if not self._is_own.get(run_id):
            try:
                self._is_own[run_id] = self._tag in read_marks(LogFolder.containing(one.path), run_id).tags
            except LegmError:
                self._is_own[run_id] = False
        return self._is_own[run_id]

    def new_points(self, metric: str, interval: int) -> list[tuple[int, float]]:
        """The steps and values that the first run has had since the last call.

        Args:
            metric: a dev metric.
            interval: only steps that this divides.
        """
        runs = self.poll()
        series = runs[0].live.series.get(Series(metric)) if runs else None
        if series is None:
            return []
        run_id, curve = runs[0].live.run.run_id, series.curve()
        last = self._reported.get(run_id, -1)
        found = [
            (step, value)
            for step, value in zip(curve.steps.tolist(), curve.center.tolist(), strict=True)
            if step > last and step % interval == 0
        ]
        if found:
            self._reported[run_id] = int(found[-1][0])
        return [(int(step), value) for step, value in found]

    def results(self) -> list[RunResult]:
        """The results of the runs, oldest first, read whole."""
        self.look_again()
        found = (read_result_from_log(one.path, live=False) for one in self.poll())
        return [one for one in found if one is not None]

    def value(self, metric: str) -> TrialValue | None:
        """The value of the completed runs; None where there is none.

        Args:
            metric: a dev metric.
        """
        completed = [one for one in self.results() if one.status is Status.COMPLETED]
        if not completed:
            return None
        values = [one.best.get(Series(metric), float("nan")) for one in completed]
        ids = tuple(one.run.run_id for one in completed)
        return TrialValue(sum(values) / len(values), ids, completed[0].run.configuration.fingerprint)
