"""A run that is still running in another tracker's store, as a run of legm's that is running as well."""

from __future__ import annotations

import time
from pathlib import Path

from legm.core.points import columns_by_series, points_from_columns
from legm.delivery.client import BackendClient
from legm.delivery.session import RunSession, resume_as
from legm.importers.names import valid_name
from legm.records import Points, Run, Series, Split

__all__ = ["LiveRun"]


class LiveRun:
    """Shows a run's numbers while they come: in its run log, and in the backend.

    It never ends the run: when that has ended in its own store, an import replaces it as a whole.

    Args:
        client: of the backend.
        run: as it is known now.
        parameters: a text of those that it was made of.
        earlier: what showed the run so far, and is replaced by this one.

    Raises:
        LegmError: it cannot be begun.
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
        """The configuration's."""
        return self._session.folder

    def add(self, points: Points) -> None:
        """Take numbers, which are on disk, and in TensorBoard, within a second."""
        if len(points):
            self._session.recorder.add_records(
                [points_from_columns(columns_by_series([points]), _dev_series)]
            )

    def close(self) -> None:
        """Write what is left, and release it; its log says that it was interrupted until it is replaced."""
        self._session.release()


def _dev_series(series: Series) -> Series:
    return Series(valid_name(series.name), Split.DEV, series.index)
