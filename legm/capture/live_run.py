"""A run that is still running in another tracker's store, as a live legm run."""

from __future__ import annotations

import time
from pathlib import Path

from legm.core.point_columns import columns_by_series, points_from_columns
from legm.delivery.client import BackendClient
from legm.delivery.run_session import RunSession, resume_as
from legm.importers.valid_names import valid_name
from legm.records import Points, Run, Series, Split

__all__ = ["LiveRun"]


class LiveRun:
    """Shows a run's numbers as they arrive, in its run log and in the backend.

    It never ends the run: once the run has ended in its own store, an import replaces it.

    Args:
        client: the backend to write to.
        run: the run as known now.
        parameters: a text of the parameters that it was made from.
        earlier: the live run that showed it so far, which this one replaces.

    Raises:
        LegmError: it cannot be started.
    """

    def __init__(
        self, client: BackendClient, run: Run, parameters: str, earlier: LiveRun | None = None
    ) -> None:
        self.run = run
        self.parameters = parameters
        self.started = self.fixed_until = time.monotonic()
        if earlier is None:
            self._session = RunSession(client, run)
        else:
            earlier.close()
            self._session, _ = resume_as(client, run, earlier.run, earlier.folder)

    @property
    def folder(self) -> Path:
        """The folder of the run's configuration."""
        return self._session.folder

    def add(self, points: Points) -> None:
        """Add numbers; they are on disk, and in TensorBoard, within a second."""
        if len(points):
            self._session.recorder.add_records(
                [points_from_columns(columns_by_series([points]), _live_dev_series)]
            )

    def close(self) -> None:
        """Write what is pending and release the run; its log says interrupted until it is replaced."""
        self._session.release()


def _live_dev_series(series: Series) -> Series:
    return Series(valid_name(series.name), Split.DEV, series.index)
