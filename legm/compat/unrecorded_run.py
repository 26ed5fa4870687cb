"""A run of a process that does not record: it answers the script like any other, and nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from legm.compat.run_snapshot import LoggedNumber
from legm.compat.script_run import ScriptRun
from legm.delivery.run_session import RunSession
from legm.records import Status

if TYPE_CHECKING:
    from legm.core.point_columns import Columns

__all__ = ["UnrecordedRun"]


class UnrecordedRun(ScriptRun):
    """A :class:`~legm.compat.script_run.ScriptRun` of a process whose rank is not 0."""

    def _prepare(self) -> None:
        pass

    def _begin_within(self, seconds: float) -> None:
        pass

    def _record(self, call: Callable[[RunSession], object]) -> None:
        pass

    def _keep(self, path: Path, name: str) -> None:
        self._files[name] = path

    def correct_steps(self, change: Callable[[Columns], Columns]) -> None:
        """There are no numbers whose steps could be corrected."""

    def end(self, status: Status, error: str | None = None) -> None:
        """End the run for the script."""
        self.status, self.ended, self.changed = status, time.time(), False

    def release(self) -> None:
        """There is nothing to close."""

    def history(self) -> dict[str, list[LoggedNumber]]:
        """The last value of every dev metric; the earlier ones are not kept."""
        return {name: [number] for name, number in self._latest.items()}
