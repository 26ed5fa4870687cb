"""The numbers in a run's entry in ``metrics.yml`` and ``indexed_metrics.yml``: pure functions.

An entry, or for an indexed metric that of an example, has these keys: ``loss`` is a list of the values of a
metric, ``best_loss`` its value at the best step, ``test_loss`` a value on test data, and ``description``. A
metric whose own name starts with ``best_`` was renamed to ``_best_…``. ``steps.yml`` has the steps of each
metric in its longest run, with None where none was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.core.point_columns import points_from_columns
from legm.records import BestRule, Points, Series, Split

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = ["ClassicEntryNumbers", "parse_classic_entry"]

_STEP_LIMIT = 1 << 63


@dataclass(slots=True)
class ClassicEntryNumbers:
    """The parsed content of an entry.

    Args:
        dev: the steps and values of each dev series.
        test: the value of each test series.
        best: the values at the best step, of dev series without an index.
        not_numbers: other values, by ``metrics`` and metric, and by ``examples``, example and metric.
        with_guessed_steps: metrics without an index whose steps are not stored for all values; they get the
            steps 0, 1, ….
    """

    dev: dict[Series, tuple[IntArray, FloatArray]] = field(default_factory=dict)
    test: dict[Series, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    not_numbers: dict[str, Any] = field(default_factory=dict)
    with_guessed_steps: set[str] = field(default_factory=set)

    def points(self, time: float) -> Points:
        """All numbers, each with the same time (s)."""
        columns = {
            series: (steps, np.full(len(steps), time), values) for series, (steps, values) in self.dev.items()
        }
        last = max((int(steps.max()) for steps, _ in self.dev.values()), default=0)
        once = np.array([last], np.int64), np.array([time])
        columns |= {series: (*once, np.array([value])) for series, value in self.test.items()}
        return points_from_columns(columns, lambda series: series)

    def best_rule(self) -> BestRule | None:
        """A rule that selects a step with the best values; None if no step has them all."""
        expected = {Series(name): value for name, value in self.best.items() if Series(name) in self.dev}
        if not expected:
            return BestRule()
        steps = np.unique(np.concatenate([steps for steps, _ in self.dev.values()]))
        fits = np.ones(len(steps), bool)
        for series, value in expected.items():
            there, values = _last_classic_number_by_step(*self.dev[series])
            at = np.searchsorted(there, steps, side="right") - 1
            found = values[at]
            fits &= (at >= 0) & ((found == value) | (np.isnan(found) & np.isnan(value)))
        if not fits.any():
            return None
        return BestRule() if fits[-1] else BestRule("early_stopping", step=int(steps[fits][0]))


def parse_classic_entry(
    plain: Mapping[str, Any], indexed: Mapping[str, Any], steps: Mapping[str, Any]
) -> ClassicEntryNumbers:
    """Parse a run's entries.

    Args:
        plain: its entry in ``metrics.yml``.
        indexed: its entry in ``indexed_metrics.yml``, by example.
        steps: the content of ``steps.yml``.
    """
    metrics = {name: value for name, value in plain.items() if name != "description"}
    examples = {name: value for name, value in metrics.items() if isinstance(value, dict)}
    examples |= {name: value for name, value in indexed.items() if name != "description"}
    parser = _ClassicEntryParser(steps)
    parser.add({name: value for name, value in metrics.items() if name not in examples}, None)
    parser.note_common_steps()
    for index, metrics in examples.items():
        parser.add(metrics if isinstance(metrics, dict) else {"": metrics}, index)
    return parser.found


class _ClassicEntryParser:
    """Sorts the keys of an entry into dev, test and best values.

    Args:
        steps: the content of ``steps.yml``.
    """

    def __init__(self, steps: Mapping[str, Any]) -> None:
        self.found = ClassicEntryNumbers()
        self._steps = steps
        self._common: dict[int, IntArray] = {}

    def note_common_steps(self) -> None:
        """Note the steps of the series so far by their number, if all series of that length agree.

        Steps of examples are not stored: they were set together with the others.
        """
        by_count: dict[int, list[IntArray]] = {}
        for steps, _ in self.found.dev.values():
            by_count.setdefault(len(steps), []).append(steps)
        for count, same in by_count.items():
            if all(np.array_equal(one, same[0]) for one in same[1:]):
                self._common[count] = same[0]

    def add(self, metrics: Mapping[str, Any], index: str | None) -> None:
        """Add the metrics of the run, or of one of its examples."""
        for name, value in metrics.items():
            if isinstance(value, list) and _is_classic_dev_entry(name, metrics, self._steps, index):
                is_recorded = self._add_dev(name, value, index)
            elif name.startswith("best_"):
                is_recorded = self._add_best(name.removeprefix("best_"), value, index)
            else:
                is_recorded = self._add_test(name, value, index)
            if not is_recorded:
                section = "metrics" if index is None else "examples"
                not_numbers = self.found.not_numbers.setdefault(section, {})
                (not_numbers if index is None else not_numbers.setdefault(index, {}))[name] = value

    def _add_dev(self, name: str, values: list[Any], index: str | None) -> bool:
        numbers = np.array(
            [np.nan if (one := _classic_entry_number(value)) is None else one for value in values], np.float64
        )
        are_numbers = np.array([_classic_entry_number(value) is not None for value in values], bool)
        if are_numbers.any():
            steps = _classic_entry_steps(self._steps.get(name), len(values))
            if steps is None and index is None:
                self.found.with_guessed_steps.add(name)
            if steps is None:
                steps = self._common.get(len(values), np.arange(len(values)))
            self.found.dev[Series(_classic_metric_name(name), index=index)] = (
                steps[are_numbers],
                numbers[are_numbers],
            )
        return bool(are_numbers.all())

    def _add_best(self, name: str, value: Any, index: str | None) -> bool:
        number = _classic_entry_number(value)
        if number is not None and index is None:
            self.found.best[_classic_metric_name(name)] = number
        return True  # the metric's series has it already

    def _add_test(self, name: str, value: Any, index: str | None) -> bool:
        own = name.removeprefix("test_")
        number = _classic_entry_number(value) if own not in {name, ""} else None
        if number is not None:
            self.found.test[Series(own, Split.TEST, index)] = number
        return number is not None


def _classic_metric_name(name: str) -> str:
    """A dev metric's own name: one that starts with ``best_`` was renamed."""
    return name[1:] if name.startswith("_best_") else name


def _is_classic_dev_entry(
    name: str, metrics: Mapping[str, Any], steps: Mapping[str, Any], index: str | None
) -> bool:
    """Whether a list holds the values of a dev metric, instead of the one value of a test metric."""
    if name.startswith("best_"):
        return False
    return not name.startswith("test_") or f"best_{name}" in metrics or (index is None and name in steps)


def _classic_entry_number(value: Any) -> float | None:
    """The value as a number, True and False as 1 and 0; None if it is not a number."""
    try:
        return float(value) if isinstance(value, (int, float)) else None
    except OverflowError:
        return None


def _classic_entry_steps(given: Any, count: int) -> IntArray | None:
    """The steps of this many values: 0, 1, … if none were given; None if they are unknown."""
    if not isinstance(given, list) or len(given) < count:
        return None
    if all(one is None for one in given[:count]):
        return np.arange(count)
    whole = [_classic_entry_step(one) for one in given[:count]]
    return None if None in whole else np.array(whole, np.int64)


def _classic_entry_step(value: Any) -> int | None:
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if is_whole and -_STEP_LIMIT <= value < _STEP_LIMIT else None


def _last_classic_number_by_step(steps: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Strictly increasing steps, each with the value that was set last."""
    unique, first = np.unique(steps[::-1], return_index=True)
    return unique, values[::-1][first]
