"""Reports of an export."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Exported", "Report", "State"]


class State(enum.Enum):
    """The outcome of one run."""

    DELIVERED = "delivered"
    THERE = "there"
    """The target already had all of it."""
    RUNNING = "running"
    """It is still running, so that a backend gets it in a later export; a table has it as it is now."""
    MISSING = "missing"
    """The target does not have all of it."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The outcome of one run.

    Args:
        where: the run's folder or configuration, and its id, for a user.
        state: whether the target has it.
        points: how many values it has.
        text: why it is missing, or what a user should know about it; "" for nothing.
    """

    where: str
    state: State
    points: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of all runs.

    Args:
        target: the backend or the file that received them.
        states: how many runs have each state.
        points: how many values were delivered by this export.
        equal: how many runs were read back and were equal bit for bit.
        summaries: how many aggregates were written.
        runs: the runs with a text.
    """

    target: str
    states: Mapping[State, int] = field(default_factory=Counter)
    points: int = 0
    equal: int = 0
    summaries: int = 0
    runs: Sequence[Exported] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing, except runs that are still running."""
        return not self.states.get(State.MISSING)
