"""A run that is still running in another tracker's store, as a live legm run."""

from __future__ import annotations

import time

from legm.core.points import columns_of, gathered
from legm.delivery.client import BackendClient
from legm.delivery.live import begin
from legm.importers.names import valid_name
from legm.records import Points, Run, Series, Split
from legm.runlog.folder import LogFolder
from legm.runlog.recorder import Recorder

__all__ = ["LiveRun"]


class LiveRun:
    """Shows a run's numbers as they arrive, in its run log and in the backend.

    It never ends the run: once the run has ended in its own store, an import replaces it.

    Args:
        client: the backend to write to.
        run: the run as known now.
        parameters: a text of the parameters that it was made from.

    Raises:
        LegmError: it cannot be started.
    """

    def __init__(self, client: BackendClient, run: Run, parameters: str) -> None:
        folder = client.folder(run.configuration, create=True)
        assert folder is not None  # noqa: S101 - it was made
        self.run = run
        self.parameters = parameters
        self.started = self.fixed_until = time.monotonic()
        self._client = client
        self._logs = LogFolder(folder / "runs")
        writer = self._logs.create(run, client.backend_options)
        try:
            self._deliveries = begin(client, run, writer)
        except BaseException:
            writer.close()
            writer.path.unlink(missing_ok=True)
            raise
        self._recorder = Recorder(writer, self._deliveries)

    def add(self, points: Points) -> None:
        """Add numbers; they are on disk, and in TensorBoard, within a second."""
        if len(points):
            self._recorder.take([gathered(columns_of([points]), _dev_series)])

    def close(self) -> None:
        """Write what is pending and release the run; its log says interrupted until it is replaced."""
        self._recorder.close()
        self._deliveries.release(self._logs)


def _dev_series(series: Series) -> Series:
    return Series(valid_name(series.name), Split.DEV, series.index)
