"""What became of runs that were exported."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Exported", "Report", "State"]


class State(enum.Enum):
    """What became of one run."""

    DELIVERED = "delivered"
    THERE = "there"
    """The target had all of it."""
    GOES_ON = "goes on"
    """It is not over, so that it waits for another export."""
    MISSING = "missing"
    """The target has not all of it."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of one run.

    Args:
        where: which run it is, for a person.
        state: what became of it.
        points: how many numbers it has.
        text: why it is missing, or what a person should know of it; "" for nothing.
    """

    where: str
    state: State
    points: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all the runs.

    Args:
        target: where they went.
        states: how many there are of each kind.
        points: how many numbers those have that were delivered now.
        equal: how many were read back, and were equal to the last bit.
        summaries: how many aggregates were written.
        runs: those of which there is something to say.
    """

    target: str
    states: Mapping[State, int] = field(default_factory=Counter)
    points: int = 0
    equal: int = 0
    summaries: int = 0
    runs: Sequence[Exported] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing, but for runs that go on."""
        return not self.states.get(State.MISSING)
