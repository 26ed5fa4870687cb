"""A run that is still running in another tracker's store, as a live legm run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from legm.core.point_columns import columns_by_series, points_from_columns
from legm.core.system_names import is_system_name
from legm.delivery.client import BackendClient
from legm.delivery.run_session import RunSession, resume_session_as
from legm.importers.valid_names import valid_name
from legm.records import Points, Run, Series, Split

if TYPE_CHECKING:
    from legm.records import IntArray

__all__ = ["CapturedRun"]


class CapturedRun:
    """Shows a run's numbers as they arrive, in its run log and in the backend.

    It never ends the run: once the run has ended in its own store, an import replaces it.

    Args:
        client: the backend to write to.
        run: the run as known now.
        parameters: a text of the parameters and labels that it was made from.
        earlier: the live run that showed it so far, which this one replaces.

    Raises:
        LegmError: it cannot be started.
    """

    def __init__(
        self, client: BackendClient, run: Run, parameters: str, earlier: CapturedRun | None = None
    ) -> None:
        self.run = run
        self.parameters = parameters
        self.started = self.fixed_until = time.monotonic()
        self._unstepped: dict[Series, tuple[int, int | None]] = {}  # the first step, and how many had it
        if earlier is None:
            self._session = RunSession(client, run)
        else:
            earlier.close()
            self._unstepped = earlier._unstepped  # noqa: SLF001
            self._session, _ = resume_session_as(client, run, earlier.run, earlier.folder)

    @property
    def folder(self) -> Path:
        """The folder of the run's configuration."""
        return self._session.folder

    def add(self, points: Points) -> None:
        """Add numbers; they are on disk, and in TensorBoard, within a second."""
        if len(points):
            columns = {
                series: (self._stepped(series, steps), times, values)
                for series, (steps, times, values) in columns_by_series([points]).items()
                if not is_system_name(series.name)  # the import has them
            }
            if not columns:
                return
            self._session.recorder.add_records([points_from_columns(columns, _captured_dev_series)])

    def _stepped(self, series: Series, steps: IntArray) -> IntArray:
        """The steps; positions from the first step on, as long as all are at that one."""
        first, count = self._unstepped.setdefault(series, (int(steps[0]), 0))
        if count is None or (steps != first).any():
            self._unstepped[series] = first, None
            return steps
        self._unstepped[series] = first, count + len(steps)
        return steps + np.arange(count, count + len(steps))

    def close(self) -> None:
        """Write what is pending and release the run; its log says interrupted until it is replaced."""
        self._session.release()


def _captured_dev_series(series: Series) -> Series:
    return Series(valid_name(series.name), Split.DEV, series.index)
