"""What a run has to do with other processes: nothing, unless they share it (:mod:`legm.compat.run_owner`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm.compat.script_run import ScriptRun

__all__ = ["OtherProcesses"]


class OtherProcesses:
    """The other processes of a run that no other process shares."""

    def __init__(self) -> None:
        self.next_row: Callable[[], int] | None = None
        """Gives the step of a row that another process logs; None where rows have no steps of their own."""
        self.have_logged = False
        """Whether other processes have logged to the run."""

    def make_calls(self) -> None:
        """Make the calls that other processes have made on the run, before it is read or ends."""

    def release(self) -> None:
        """Let another process own the run, once it is released."""

    def in_fork(self) -> ScriptRun | None:
        """The run that joins this one in a fork of the process that owns it; None where there is none."""
        return None
