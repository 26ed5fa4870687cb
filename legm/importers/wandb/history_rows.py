"""The rows of a run's history, from W&B's logs or a server, as points and texts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from legm.core.point_columns import points_from_rows
from legm.importers.external_run import ExternalMedium
from legm.importers.wandb.json_items import (
    VALUE_MARK,
    WandbItemReader,
    flatten_json,
    parse_json_value,
    set_json_at_path,
)
from legm.importers.wandb.media_values import (
    captions_of_wandb_media,
    wandb_histogram,
    wandb_media,
    wandb_table_artifact,
)
from legm.records import Display, MediaKind, Points
from legm.runlog.recorded_values import EXACT

__all__ = [
    "WANDB_KEYS",
    "WandbHistoryRows",
    "history_number",
    "history_text",
    "history_time",
    "is_history_rounded",
    "restore_non_finite_history",
]

_STEP, _TIME, _RUNTIME, _IGNORED = -1, -2, -3, -4
WANDB_KEYS = {"_step": _STEP, "_timestamp": _TIME, "_runtime": _RUNTIME, "_wandb": _IGNORED}
"""The keys that W&B itself adds to a row or a summary."""
_STEP_LIMIT = 2**62
_MAX_STEP = 2**63 - 1
_LATEST_TIME = 2e11  # seconds since 1970: the year 8307
_NON_FINITE = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}  # W&B's texts for numbers that are not finite
_FILES = frozenset({"path", "paths", "filenames", "artifact_path"})


class WandbHistoryRows:
    """Collects the rows of a run, one after the other.

    Args:
        items: decodes the items of rows.
        start: when the run started, if known: seconds since 1970.

    Attributes:
        step: the largest step of a row; None before the first one.
        last_time: when the last row was logged; 0 before the first one.
        row_step: the last row's step as stored in its log.
        last: by metric the last value and the number of its row, for rows that :meth:`take_new` returned.
        texts: the same for values that are not numbers, as displayed; None for a value stored in a file.
        rounded: the metrics with a whole number that a float does not represent.
        media: what the run's files show, by their paths.
        table_artifacts: the ids of the artifacts with the media of tables, by the paths of these.
    """

    def __init__(self, items: WandbItemReader, start: float = 0.0) -> None:
        self.step: int | None = None
        self.last_time = 0.0
        self.row_step = -1
        self.last: dict[str, tuple[float, int]] = {}
        self.texts: dict[str, tuple[str | None, int]] = {}
        self.rounded: set[str] = set()
        self.media: dict[str, list[ExternalMedium]] = {}
        self.table_artifacts: dict[str, str] = {}
        self.start = start
        self._shift: int | None = 0  # of the steps; None before the first row of another log
        self._items = items
        self._metric_numbers: dict[bytes, int] = {}  # by the bytes before the value; negative for W&B's own
        self._names: dict[str, int] = {}
        self._given = 0  # rows returned so far
        self._clear()

    def _clear(self) -> None:
        self._metrics: list[int] = []
        self._values: list[float] = []
        self._rows: list[tuple[int, float, int]] = []  # step, time, number of values
        self._displays: list[Display] = []
        self._histograms: list[tuple[ExternalMedium, bytes]] = []

    def begin_log(self) -> None:
        """Start with the rows of another log of the same run, which W&B resumed."""
        self._shift, self.row_step, self.start = None, -1, 0.0

    @property
    def count(self) -> int:
        """The number of rows so far."""
        return self._given + len(self._rows)

    @property
    def pending(self) -> int:
        """The number of numbers, texts, histograms and rows waiting for :meth:`take_new`."""
        return len(self._values) + len(self._displays) + len(self._histograms) + len(self._rows)

    def add_record(self, data: bytes) -> None:
        """Add a row of a log: a ``HistoryRecord``."""
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
                number, value = numbers[head], float(tail[1:])  # after the length, which is one byte here
            except (KeyError, ValueError):
                others.append(item)
                continue
            if value >= EXACT or value <= -EXACT:  # it may have lost digits
                others.append(item)
            elif number >= 0:
                add_metric(number)
                add_value(value)
            else:
                own[number] = value
        values = self._decode_items(row.item, others, before, own) if others else {}
        step = row.step.num if row.HasField("step") else self._step_of(own.get(_STEP))
        self._end_row(values, before, step, own)

    def add_values(self, row: Mapping[str, Any]) -> None:
        """Add a row from a server, which has texts for numbers that are not finite."""
        tree = {key: restore_non_finite_history(value) for key, value in row.items()}
        own = _pop_wandb_numbers(tree)
        step = self._step_of(own.get(_STEP))
        self._end_row(flatten_json(tree), len(self._values), step, own)

    def _end_row(
        self,
        values: Mapping[str, Any],
        before: int,
        row_step: int,
        own: Mapping[int, float],
    ) -> None:
        """Add the values of a row that were not read directly, and the row's step and time.

        Args:
            values: by name.
            before: where the row's numbers begin.
            row_step: the step as stored.
            own: W&B's own numbers.
        """
        step = self._step_in_run(row_step)
        time = history_time(own.get(_TIME, self.start + own.get(_RUNTIME, 0.0)), self.start)
        self.last_time = max(self.last_time, time)
        for name, value in values.items():
            if isinstance(value, (bool, int, float)):
                self._metrics.append(self._names.setdefault(name, len(self._names)))
                self._values.append(history_number(value))
                if is_history_rounded(value):
                    self.rounded.add(name)
            elif value is not None:
                histogram = wandb_histogram(value)
                text = None if histogram is not None else history_text(value)
                self.texts[name] = text, self.count
                if histogram is not None:
                    self._histograms.append(
                        (ExternalMedium(name, MediaKind.HISTOGRAM, step, time), histogram)
                    )
                elif text is not None:
                    self.add_text(name, text, step, time)
                else:
                    self._add_media(name, value, step, time)
        self._rows.append((step, time, len(self._values) - before))

    def _add_media(self, name: str, value: Any, step: int, time: float) -> None:
        found = list(wandb_media(name, value, step, time))
        artifact = wandb_table_artifact(value)
        for path, medium in found:
            self.media.setdefault(path, []).append(medium)
            if artifact is not None:
                self.table_artifacts[path] = artifact
        captions = "\n".join(captions_of_wandb_media(value))
        if captions.strip() and not found:  # of what is no medium for legm
            self.add_text(f"{name}.caption", captions, step, time)

    def _decode_items(
        self, row: Iterable[bytes], items: list[bytes], before: int, own: dict[int, float]
    ) -> dict[str, Any]:
        """The values of a row that are not numbers of known metrics, by name; W&B's own go into ``own``.

        Args:
            row: all items of the row.
            items: the items that were not read directly.
            before: where the row's numbers begin. They are dropped if the items are those of a media object.
            own: receives W&B's own numbers.
        """
        found = list(self._items.split(items))
        if any(path[-1] == "_type" for path, _ in found):
            del self._metrics[before:], self._values[before:]
            found = list(self._items.split(row))
        else:
            self._learn_metrics(items)
        tree: dict[str, Any] = {}
        for path, text in found:
            set_json_at_path(tree, path, parse_json_value(text))
        own |= _pop_wandb_numbers(tree)
        return flatten_json(tree)

    def _learn_metrics(self, items: Iterable[bytes]) -> None:
        """Learn the bytes with which these items start, so that their next numbers are read directly."""
        for item in items:
            head = item.partition(VALUE_MARK)[0]
            path = self._items.known_path(head)
            if path is not None and head not in self._metric_numbers:
                number = WANDB_KEYS.get(path[0]) or self._names.setdefault(".".join(path), len(self._names))
                self._metric_numbers[head] = number

    def _step_of(self, given: float | None) -> int:
        """The step of a row from its items, else the next one."""
        if given is not None and abs(given) < _STEP_LIMIT:
            return int(given)
        return self.row_step + 1

    def _step_in_run(self, step: int) -> int:
        """Convert a step of this fragment to one of the run."""
        self.row_step = step
        if self._shift is None:
            continues = step == 0 and self.step is not None and self.step < _STEP_LIMIT
            self._shift = self.step + 1 if continues and self.step is not None else 0
        step = min(step + self._shift, _MAX_STEP)
        self.step = step if self.step is None else max(step, self.step)
        return step

    def add_text(self, name: str, text: str, step: int, time: float) -> None:
        """Add a text that is not in a row."""
        self._displays.append(Display(name, text, step, time))

    def add_display(self, name: str, value: float, step: int, time: float) -> None:
        """Add a number that is not in a row and is not a metric."""
        self._displays.append(Display(name, value, step, time))

    def take_histograms(self) -> list[tuple[ExternalMedium, bytes]]:
        """The histograms that were added since the last call, with their contents; all else is dropped."""
        found = self._histograms
        self._clear()
        return found

    def take_new(self) -> Iterator[Points | Display]:
        """What was added since the last call, each metric's numbers in order."""
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


def restore_non_finite_history(value: Any) -> Any:
    """A value from a server, with numbers instead of its texts for what is not finite."""
    if isinstance(value, dict):
        return {key: restore_non_finite_history(one) for key, one in value.items()}
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value


def _pop_wandb_numbers(tree: dict[str, Any]) -> dict[int, float]:
    """Remove W&B's own values from a row, and return the numbers among them."""
    taken = {number: tree.pop(key, None) for key, number in WANDB_KEYS.items()}
    return {number: history_number(one) for number, one in taken.items() if isinstance(one, (int, float))}


def history_text(value: Any) -> str | None:
    """The text for a value that is not a number; None for a value stored in a file of the run."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "_type" in value and not _FILES.isdisjoint(value):
        return None
    return json.dumps(value, ensure_ascii=False)


def history_number(value: Any) -> float:
    """A number as a float: infinite if it is too large, NaN if it is not a number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan


def is_history_rounded(value: Any) -> bool:
    """Whether a value is a whole number that a float does not represent."""
    return isinstance(value, int) and abs(value) > EXACT and history_number(value) != value


def history_time(value: float, instead: float = 0.0) -> float:
    """A time in seconds since 1970 if it is valid, else a replacement."""
    return value if 0 <= value < _LATEST_TIME else instead
