"""The rows of a run's history, in W&B's logs or from a server, as points and texts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from legm.core.points import points_from_rows
from legm.importers.wandb.items import VALUE_MARK, ItemReader, flatten, parse_json_value, set_at_path
from legm.records import Display, Points

__all__ = ["WANDB_KEYS", "HistoryRows", "display_text", "restore_non_finite", "to_float", "valid_time"]

_STEP, _TIME, _RUNTIME, _IGNORED = -1, -2, -3, -4
WANDB_KEYS = {"_step": _STEP, "_timestamp": _TIME, "_runtime": _RUNTIME, "_wandb": _IGNORED}
"""What W&B itself puts into a row or a summary."""
_STEP_LIMIT = 2**62
_MAX_STEP = 2**63 - 1
_LATEST_TIME = 2e11  # seconds: the year 8307
_NON_FINITE = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}  # in place of what is not finite
_FILES = frozenset({"path", "paths", "filenames", "artifact_path"})


class HistoryRows:
    """Takes the rows of a run, one after the other.

    Args:
        items: reads what rows hold.
        began: when the run began, where that is known: seconds since 1970.

    Attributes:
        step: the largest of a row; None before the first one.
        heard: when the last row was logged; 0 before the first one.
        row_step: the last row's step as it is in its log.
        last: by metric the last value, and the number of its row; of the rows that :meth:`take_new` gave.
        texts: the same of what is no number, as it is shown; None where it is in a file.
    """

    def __init__(self, items: ItemReader, start: float = 0.0) -> None:
        self.step: int | None = None
        self.last_time = 0.0
        self.row_step = -1
        self.last: dict[str, tuple[float, int]] = {}
        self.texts: dict[str, tuple[str | None, int]] = {}
        self.start = start
        self._shift: int | None = 0  # of the steps; None before the first row of a further log
        self._items = items
        self._metric_numbers: dict[bytes, int] = {}  # by how an item begins; negative for W&B's own
        self._names: dict[str, int] = {}
        self._given = 0  # rows
        self._clear()

    def _clear(self) -> None:
        self._metrics: list[int] = []
        self._values: list[float] = []
        self._rows: list[tuple[int, float, int]] = []  # step, time, how many numbers
        self._displays: list[Display] = []

    def begin_log(self) -> None:
        """The rows that follow are those of another log of the same run, which W&B went on with."""
        self._shift, self.row_step, self.start = None, -1, 0.0

    @property
    def count(self) -> int:
        """How many there were."""
        return self._given + len(self._rows)

    @property
    def pending(self) -> int:
        """How many numbers, texts and rows wait for :meth:`take_new`."""
        return len(self._values) + len(self._displays) + len(self._rows)

    def add_record(self, data: bytes) -> None:
        """Take a row of a log: a ``HistoryRecord``."""
        row = self._items.decode("HistoryRecord", data)
        if row is None:
            return
        numbers, add_metric, add_value = self._metric_numbers, self._metrics.append, self._values.append
        before = len(self._values)
        own: dict[int, float] = {}
        others: list[bytes] = []
        for item in row.item:
            head, _, tail = item.partition(VALUE_MARK)
            try:
                number, value = numbers[head], float(tail[1:])  # behind the length, which is one byte here
            except (KeyError, ValueError):
                others.append(item)
                continue
            if number >= 0:
                add_metric(number)
                add_value(value)
            else:
                own[number] = value
        told = self._decode_items(row.item, others, before, own) if others else {}
        step = row.step.num if row.HasField("step") else self._step_of(own.get(_STEP))
        self._end_row(told, before, step, own)

    def add_values(self, row: Mapping[str, Any]) -> None:
        """Take a row as a server gives it, which has words for what is not finite."""
        tree = {key: restore_non_finite(value) for key, value in row.items()}
        own = _pop_wandb_numbers(tree)
        self._end_row(flatten(tree), len(self._values), self._step_of(own.get(_STEP)), own)

    def _end_row(self, told: Mapping[str, Any], before: int, row_step: int, own: Mapping[int, float]) -> None:
        """Take the values of a row that were not read at once, and where and when all of it was logged."""
        step = self._step_in_run(row_step)
        time = valid_time(own.get(_TIME, self.start + own.get(_RUNTIME, 0.0)), self.start)
        self.last_time = max(self.last_time, time)
        for name, value in told.items():
            if isinstance(value, (bool, int, float)):
                self._metrics.append(self._names.setdefault(name, len(self._names)))
                self._values.append(to_float(value))
            elif value is not None:
                text = display_text(value)
                self.texts[name] = text, self.count
                if text is not None:
                    self.add_text(name, text, step, time)
        self._rows.append((step, time, len(self._values) - before))

    def _decode_items(
        self, row: Iterable[bytes], items: list[bytes], before: int, own: dict[int, float]
    ) -> dict[str, Any]:
        """What is no number of a metric that is known, by name; W&B's own numbers are put to the others.

        Args:
            row: all items of the row.
            items: those that were not understood.
            before: where the row's numbers begin; where items tell a type, they are a picture's, say.
            own: takes W&B's own numbers.
        """
        found = list(self._items.split(items))
        if any(path[-1] == "_type" for path, _ in found):
            del self._metrics[before:], self._values[before:]
            found = list(self._items.split(row))
        else:
            self._learn_metrics(items)
        tree: dict[str, Any] = {}
        for path, text in found:
            set_at_path(tree, path, parse_json_value(text))
        own |= _pop_wandb_numbers(tree)
        return flatten(tree)

    def _learn_metrics(self, items: Iterable[bytes]) -> None:
        """Know the metrics of items by how they begin, so that their next numbers are read at once."""
        for item in items:
            head = item.partition(VALUE_MARK)[0]
            path = self._items.known_path(head)
            if path is not None and head not in self._metric_numbers:
                number = WANDB_KEYS.get(path[0]) or self._names.setdefault(".".join(path), len(self._names))
                self._metric_numbers[head] = number

    def _step_of(self, told: float | None) -> int:
        """The step of a row: what its items say, or the next one."""
        if told is not None and abs(told) < _STEP_LIMIT:
            return int(told)
        return self.row_step + 1

    def _step_in_run(self, step: int) -> int:
        """A step of this fragment as one of the run."""
        self.row_step = step
        if self._shift is None:
            goes_on = step == 0 and self.step is not None and self.step < _STEP_LIMIT
            self._shift = self.step + 1 if goes_on and self.step is not None else 0
        step = min(step + self._shift, _MAX_STEP)
        self.step = step if self.step is None else max(step, self.step)
        return step

    def add_text(self, name: str, text: str, step: int, time: float) -> None:
        """Take a text that is in no row."""
        self._displays.append(Display(name, text, step, time))

    def take_new(self) -> Iterator[Points | Display]:
        """What was taken since the last call, each metric's numbers in their order."""
        metrics, values, rows, displays = self._metrics, self._values, self._rows, self._displays
        self._clear()
        if values:
            steps, times, counts = zip(*rows, strict=True)
            points = points_from_rows(
                self._names,
                np.array(metrics, np.int64),
                np.repeat(np.array(steps, np.int64), counts),
                np.repeat(np.array(times, np.float64), counts),
                np.array(values, np.float64),
            )
            names = list(self._names)
            row_numbers = np.repeat(np.arange(len(rows)) + self._given, counts)
            found, positions = np.unique(np.array(metrics[::-1]), return_index=True)
            for metric, position in zip(found.tolist(), (len(values) - 1 - positions).tolist(), strict=True):
                self.last[names[metric]] = values[position], int(row_numbers[position])
            yield points
        self._given += len(rows)
        yield from displays


def restore_non_finite(value: Any) -> Any:
    """A value as a server gives it, with numbers for its words for what is not finite."""
    if isinstance(value, dict):
        return {key: restore_non_finite(one) for key, one in value.items()}
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value


def _pop_wandb_numbers(tree: dict[str, Any]) -> dict[int, float]:
    """Takes W&B's own values out of a row, and gives the numbers among them."""
    taken = {number: tree.pop(key, None) for key, number in WANDB_KEYS.items()}
    return {number: to_float(one) for number, one in taken.items() if isinstance(one, (int, float))}


def display_text(value: Any) -> str | None:
    """What is no number as a text; None for what is in a file of the run."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "_type" in value and not _FILES.isdisjoint(value):
        return None
    return json.dumps(value, ensure_ascii=False)


def to_float(value: Any) -> float:
    """A number, infinite where it is too large; NaN for what is none."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
    except (TypeError, ValueError):
        return math.nan


def valid_time(value: float, instead: float = 0.0) -> float:
    """Seconds since 1970, if they can be that."""
    return value if 0 <= value < _LATEST_TIME else instead
