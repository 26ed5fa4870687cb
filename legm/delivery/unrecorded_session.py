"""The run of a process that does not record: it accepts every call, and nothing of it is stored."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from legm.delivery.client import BackendClient
from legm.errors import StateError
from legm.records import Configuration, MediaKind, Outcome, Record, Run, RunResult

__all__ = ["UnrecordedSession", "wait_for_recorded_folder"]

_LONGEST_START = 60.0  # seconds until the process that records has begun its run


class UnrecordedSession:
    """Stands in for a :class:`~legm.delivery.run_session.RunSession` in a process that does not record.

    Args:
        run: the run as this process knows it; it has no log.
    """

    is_resumed = False

    def __init__(self, run: Run) -> None:
        self.run = run
        self.is_logged = self.is_preempted = False
        self.recorder = self.delivery = self.files = self.media = _UnrecordedRecorder()

    def rewind(self, step: int) -> None:
        """Do nothing."""

    def keep_file(self, source: Path, name: str | None = None) -> Path:  # noqa: ARG002
        """Return the file itself, of which no copy is kept."""
        return source

    def keep_data(self, data: Any, basename: str) -> None:
        """Do nothing."""

    def finish(self, outcome: Outcome) -> RunResult:
        """The result of a run without any values."""
        from legm.core import results  # needs NumPy

        return results.run_result(self.run, [outcome])

    def end(self, outcome: Outcome) -> None:
        """Do nothing."""


class _UnrecordedRecorder:
    """The recorder, the delivery, the files and the media of a run that is not recorded."""

    is_empty = True
    last_step = None

    def add_metrics(self, metrics: Mapping[str, Any], step: Any, *, test: bool) -> None:
        """Do nothing."""

    def add_record(self, record: Record) -> None:
        """Do nothing."""

    def add(self, name: str, kind: MediaKind, files: Iterable[object], step: int | None) -> None:
        """Do nothing."""

    def drain(self) -> None:
        """Do nothing."""

    def expect_metric(self, name: str) -> None:
        """Do nothing."""

    def require_own_process(self) -> None:
        """Do nothing: a forked process does not record either."""

    def flush(self) -> int:
        """There is nothing to write."""
        return 0

    def wait_until_delivered(self, position: int, timeout: float) -> bool:  # noqa: ARG002
        """There is nothing to deliver."""
        return True


def wait_for_recorded_folder(client: BackendClient, configuration: Configuration) -> Path:
    """The folder of a configuration, which the process that records creates.

    Raises:
        StateError: that process has not begun a run of it within a minute.
    """
    until = time.monotonic() + _LONGEST_START
    while (folder := client.folder(configuration)) is None:
        if time.monotonic() > until:
            raise StateError(
                f"the process with rank 0 has not begun a run of the configuration {configuration.name!r} "
                f"within {_LONGEST_START:.0f} s, so there is no folder yet: call start() in every process "
                f"with the same parameters, or pass the path on from rank 0"
            )
        time.sleep(0.05)
    return folder
