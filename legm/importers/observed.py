"""What is observed of the runs of one experiment, as far as it can distinguish configurations. Pure."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from legm.core.parameter_kinds import is_own_time
from legm.core.parameters import Parameters
from legm.core.plain_form import canonical_plain_text, from_plain
from legm.core.value_parsing import parse_value_text
from legm.importers.labels import Label
from legm.records import Configuration, Plain

__all__ = ["ObservedRun", "ObservedRuns"]

_INACTIVE = "null"  # the text for None and False, and for runs without a parameter


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """What is kept of a run.

    Args:
        numbers: of each parameter's value, by the parameter's position; the last ones may be missing.
        labels: what may distinguish it besides its parameters.
        description: its description; runs with different ones are never aggregated together.
    """

    numbers: array[int]
    labels: Mapping[str, Label]
    description: str

    def value_number(self, position: int) -> int:
        """The number of a parameter's value; 0 for None and False, and without the parameter."""
        return self.numbers[position] if position < len(self.numbers) else 0


class ObservedRuns:
    """The parameters and labels of the runs of one experiment; equal runs are kept once."""

    def __init__(self) -> None:
        self.runs = 0
        self.labels: dict[str, Label] = {}
        """An example of each label."""
        self._kept: dict[tuple[bytes, tuple[tuple[str, str], ...], str], ObservedRun] = {}
        self._positions: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._values: list[dict[str, Plain]] = []  # by position, the values by their text
        self._numbers: list[dict[str, int]] = []
        self._votes: dict[str, set[bool]] = {}
        self._priorities: dict[str, float] = {}
        self._uses: dict[str, Counter[str]] = {}  # by parameter, the runs with each value, by its text
        self._first_with: dict[str, float] = {}  # when the first run with a parameter began
        self._last_without: dict[str, float] = {}
        self._last = -math.inf
        self._with_other_times: set[str] = set()  # what some run has a value of that is no time of its own

    def add(
        self,
        parameters: Mapping[str, Plain],
        metadata: Mapping[str, Mapping[str, Plain]] | None = None,
        labels: Mapping[str, Label] | None = None,
        description: str = "",
        started: float | None = None,
        ended: float | None = None,
    ) -> None:
        """Add a run.

        Args:
            parameters: in plain form.
            metadata: what its source knows about them.
            labels: what may distinguish it besides its parameters.
            description: its description.
            started: when it began, in seconds since 1970.
            ended: when it ended; None where that is not known.
        """
        self.runs += 1
        self._add_times(parameters, labels or {}, started, started if ended is None else ended)
        if started is not None:
            self._add_start(parameters, started)
        if metadata is not None:
            self._add_metadata(parameters, metadata)
        numbers = array("I", bytes(4 * len(self._positions)))
        for name, value in parameters.items():
            position = self._positions.setdefault(name, len(self._positions))
            if position == len(self._values):
                self._values.append({})
                self._numbers.append({_INACTIVE: 0})
            if position >= len(numbers):
                numbers.extend([0] * (position + 1 - len(numbers)))
            self._counts[name] = self._counts.get(name, 0) + 1
            text = _INACTIVE if value is False else canonical_plain_text(value)
            values = self._values[position]
            values[text] = value if isinstance(value, int) else values.get(text, value)  # 1 rather than 1.0
            known = self._numbers[position]
            numbers[position] = known.setdefault(text, len(known))
        labels = {name: one for name, one in (labels or {}).items() if name not in parameters}
        self.labels = {**labels, **self.labels}
        texts = tuple(sorted((name, str(one.value)) for name, one in labels.items()))
        key = numbers.tobytes().rstrip(b"\0"), texts, description
        self._kept.setdefault(key, ObservedRun(numbers, labels, description))

    def _add_times(
        self,
        parameters: Mapping[str, Plain],
        labels: Mapping[str, Label],
        started: float | None,
        ended: float | None,
    ) -> None:
        for name in (parameters.keys() | labels.keys()) - self._with_other_times:
            value = parameters[name] if name in parameters else parse_value_text(str(labels[name].value))
            is_own = started is not None and ended is not None and is_own_time(value, started, ended)
            if value is not None and value is not False and not is_own:
                self._with_other_times.add(name)

    def are_own_times(self, name: str) -> bool:
        """Whether all values of a parameter or a label are times of the very runs that have them."""
        return name not in self._with_other_times

    def _add_start(self, parameters: Mapping[str, Plain], started: float) -> None:
        for name, value in parameters.items():
            if name not in self._first_with:
                self._last_without[name] = self._last
                self._uses[name] = Counter()
            self._first_with[name] = min(started, self._first_with.get(name, started))
            self._uses[name][_INACTIVE if value is False else canonical_plain_text(value)] += 1
        for name in self._first_with.keys() - parameters.keys():
            self._last_without[name] = max(started, self._last_without[name])
        self._last = max(started, self._last)

    def dominating_value_of_newer_runs(self, name: str) -> Plain:
        """The value that most runs with a parameter have, where all runs without it are older than these.

        Returns:
            None where some runs without it are not older, or there are none; and where the value is None or
            False, or that of one run, or of half of them or fewer.
        """
        uses = self._uses.get(name, Counter())
        if not uses or not -math.inf < self._last_without[name] < self._first_with[name]:
            return None
        ((text, count),) = uses.most_common(1)
        dominates = count > 1 and 2 * count > uses.total() and text != _INACTIVE
        return self._values[self._positions[name]][text] if dominates else None

    def _add_metadata(
        self, parameters: Mapping[str, Plain], metadata: Mapping[str, Mapping[str, Plain]]
    ) -> None:
        known = Parameters()
        known.set({name: from_plain(value) for name, value in parameters.items()})
        known.restore(Configuration("", "", "", {}, (), metadata))
        for name in parameters:
            fields = metadata.get(name, {})
            votes = self._votes.setdefault(name, set())
            if fields.get("disable_comparison"):
                votes.add(False)
            elif known.is_active(name):
                votes.add(True)
            if "name" in fields:
                priority = fields["name"]["priority"]
                self._priorities[name] = max(priority, self._priorities.get(name, priority))

    def compared_by_source(self, name: str) -> set[bool] | None:
        """Which answers the source gives to whether a parameter is compared; None if it gives none."""
        return self._votes.get(name)

    def name_parameters(self) -> tuple[str, ...]:
        """The parameters that make up names in the source, most important first."""
        return tuple(sorted(self._priorities, key=lambda name: (-self._priorities[name], name)))

    def names(self) -> list[str]:
        """The parameters of all runs, by name."""
        return sorted(self._positions)

    def positions(self, names: Iterable[str]) -> list[int]:
        """The positions of those parameters that some run has."""
        return [self._positions[name] for name in names if name in self._positions]

    def values(self, name: str) -> list[Plain]:
        """The different values of a parameter; None and False count as one, also for runs without it."""
        known = dict(self._values[self._positions[name]])
        if self._counts[name] < self.runs:
            known.setdefault(_INACTIVE, None)
        return [known[text] for text in sorted(known)]

    def varying_names(self) -> list[str]:
        """The parameters that have different values, by name."""
        return [name for name in self.names() if len(self.values(name)) > 1]

    def __iter__(self) -> Iterator[ObservedRun]:
        """The different runs."""
        return iter(self._kept.values())

    def values_at(self, run: ObservedRun, positions: Iterable[int]) -> list[Plain]:
        """A run's values of parameters; those that are None or False are left out."""
        found = []
        for position in positions:
            number = run.value_number(position)
            if number:
                texts = self._numbers[position]
                found.append(self._values[position][list(texts)[number]])
        return found
