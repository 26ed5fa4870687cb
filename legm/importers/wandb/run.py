"""What W&B's log says of a run, record by record: a pure fold, over a whole log or a growing one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from legm.importers.columns import points_of
from legm.importers.wandb.items import VALUE, ItemReader, flat, put, take_out, value_in
from legm.records import BestRule, Display, Points

__all__ = ["LoggedArtifact", "LoggedFile", "Told", "finite_or_not"]

_STEP, _TIME, _RUNTIME, _IGNORED = -1, -2, -3, -4
_OWN = {"_step": _STEP, "_timestamp": _TIME, "_runtime": _RUNTIME, "_wandb": _IGNORED}
_MADE = (b"\x12\x05_step\x82\x01", b"\x12\x06_wandb\x12\x07runtime\x82\x01")
"""Paths of which one is in every summary that wandb-core makes by itself, and in none that a script sets."""
_STATISTICS = frozenset({"min", "max", "mean", "best", "last", "first"})
_MAXIMIZE = 2
_MOST_STEPS = 2**62
_LATEST = 2e11  # seconds: the year 8307
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # in place of what is not finite
_FILES = frozenset({"path", "paths", "filenames", "artifact_path"})


@dataclass(frozen=True, slots=True)
class LoggedFile:
    """A file in an artifact.

    Args:
        path: where it was on this machine; "" where that is unknown.
        digest: of its content, in base 64; or of its address.
        is_reference: whether it is elsewhere, and only its address is in the artifact.
    """

    path: str
    digest: str
    is_reference: bool


@dataclass(frozen=True, slots=True)
class LoggedArtifact:
    """An artifact that the run logged.

    Args:
        name, type: W&B's.
        aliases: such as ``latest``; the version is known to a server only.
        files: by their path in it.
    """

    name: str
    type: str
    aliases: tuple[str, ...]
    files: Mapping[str, LoggedFile]


class Told:
    """What the records of a run said so far.

    Args:
        started: when the run began, where that is known before its records are.
        skims: whether only what describes the run is wanted, and neither its numbers nor its texts.

    Attributes:
        run_id, project, entity, name, group, job_type, notes, host, sweep: texts of W&B's, "" for none.
        tags: W&B's.
        started: when its first fragment began, in seconds since 1970; 0 while it is unknown.
        ended: when the last number was logged, or the run ended.
        exit_code: None while there is no end.
        origin: what else is known of where the run comes from.
        artifacts: those that were logged.
        has_statistics: whether there are measurements of the machine.
        step: the largest of a row; None before the first one.
    """

    def __init__(self, started: float = 0.0, *, skims: bool = False) -> None:
        self._skims = skims
        self._unread = b""  # the last row, where it skims
        self.run_id = self.project = self.entity = self.name = self.group = ""
        self.job_type = self.notes = self.host = self.sweep = ""
        self.tags: tuple[str, ...] = ()
        self.started = self.ended = started
        self.exit_code: int | None = None
        self.origin: dict[str, Any] = {}
        self.artifacts: list[LoggedArtifact] = []
        self.has_statistics = False
        self.step: int | None = None
        self._shift: int | None = 0  # of this fragment's steps; None before its first row
        self._row_step = -1  # the last row's in this fragment, before it was shifted
        self._began = started  # this fragment
        self._items = ItemReader()
        self._config: dict[str, Any] = {}
        self._summary: dict[bytes, bytes] = {}  # see ItemReader.keep
        self._rules: list[tuple[str, bool]] = []
        self._last: dict[str, tuple[float, int]] = {}  # the last value of a metric, and in which row it was
        self._rows_before = 0
        self._set_after: dict[str, int] = {}  # how many rows there were when a script set the summary's value
        self._texts: dict[str, tuple[str | None, int]] = {}  # the same of what is no number
        self._numbers: dict[bytes, int] = {}  # by how an item begins; negative for W&B's own
        self._names: dict[str, int] = {}
        self._clear()

    def _clear(self) -> None:
        self._metrics: list[int] = []
        self._values: list[float] = []
        self._rows: list[tuple[int, float, int]] = []  # step, time, how many numbers
        self._displays: list[Display] = []

    def begin_fragment(self) -> None:
        """The records that follow are those of another log of the same run, which W&B went on with.

        W&B counts its steps from 0 again where it goes on without a server: they continue behind those that
        there are. A log whose first step is another one knew of them, and keeps its steps.
        """
        self.exit_code = None
        self._shift, self._row_step, self._began = None, -1, 0.0

    # Records

    def take(self, record: Any) -> None:
        """Take the next record, as :class:`legm.importers.wandb.log.LogReader` gives it."""
        kind = record.WhichOneof("record_type")
        if kind == "history":
            self._unread = record.history
            if not self._skims:
                self._history(record.history)
        elif kind == "summary":
            self._take_summary(record.summary)
        elif kind == "config":
            self._take_config(record.config)
        elif kind == "run":
            self._run(record.run)
        elif kind == "exit":
            self.exit_code = record.exit.exit_code
            self.ended = _time(max(self.ended, self._began + record.exit.runtime), self.ended)
        elif kind == "metric":
            self._metric(record.metric)
        elif kind == "artifact":
            self._artifact(record.artifact)
        elif kind == "alert":
            self._show("alert", f"{record.alert.title}: {record.alert.text}", self.step or 0, self.ended)
        elif kind == "environment":
            self._environment(record.environment)
        elif kind == "stats":
            self.has_statistics = True

    def _run(self, run: Any) -> None:
        self.run_id, self.project, self.entity = run.run_id, run.project, run.entity
        self.name, self.group, self.job_type = run.display_name, run.run_group, run.job_type
        self.notes, self.host, self.sweep = run.notes, run.host, run.sweep_id
        self.tags = tuple(run.tags)
        if run.HasField("start_time"):
            self._began = _time(run.start_time.seconds + run.start_time.nanos / 1e9)
            self.started = self.started or self._began
            self.ended = max(self.ended, self._began)
        self._git(run)
        self._take_config(run.config)
        self._take_summary(run.summary)

    def _environment(self, told: Any) -> None:
        known = {name: getattr(told, name) for name in ("os", "python", "program", "username", "host")}
        self.origin |= {name: value for name, value in known.items() if value}
        if told.args:
            self.origin["args"] = list(told.args)
        self._git(told)

    def take_last_row(self) -> None:
        """Take the last row, where it skims: it tells when the run was last heard of."""
        if self._skims and self._unread:
            self._history(self._unread)

    def _git(self, told: Any) -> None:
        if told.git.commit:
            self.origin["git"] = {"commit": told.git.commit, "remote": told.git.remote_url}

    def _take_config(self, config: Any) -> None:
        for path, text in self._items.split(config.update):
            put(self._config, path, value_in(text))
        for path, _ in self._items.split(config.remove):
            take_out(self._config, path)

    def _take_summary(self, data: bytes) -> None:
        if any(mark in data for mark in _MADE):
            return
        summary = self._items.decoded("SummaryRecord", data)
        if summary is None:
            return
        self._items.keep(summary.update, self._summary)
        self._items.keep(summary.remove, self._summary, removed=True)
        if b"_step" not in data:
            rows = self._rows_before + len(self._rows)
            self._set_after |= {path[0]: rows for path, _ in self._items.split(summary.update)}

    def _metric(self, metric: Any) -> None:
        chosen = metric.summary
        higher = chosen.max or (chosen.best and metric.goal == _MAXIMIZE)
        if higher or chosen.min or chosen.best:
            self.add_rule(metric.name or metric.glob_name, higher=higher)

    def add_rule(self, metric: str, *, higher: bool) -> None:
        """Say that the script asked for a metric's greatest or least value; a pattern names several."""
        self._rules.append((metric, higher))

    def _artifact(self, told: Any) -> None:
        files = {
            one.path: LoggedFile(one.local_path, one.digest, bool(one.ref)) for one in told.manifest.contents
        }
        self.artifacts.append(LoggedArtifact(told.name, told.type, tuple(told.aliases), files))

    # Rows

    def _history(self, data: bytes) -> None:
        row = self._items.decoded("HistoryRecord", data)
        if row is None:
            return
        numbers, metrics, values = self._numbers, self._metrics, self._values
        before = len(values)
        own: dict[int, float] = {}
        others: list[bytes] = []
        for item in row.item:
            head, _, tail = item.partition(VALUE)
            number = numbers.get(head)
            if number is None or not tail or tail[0] != len(tail) - 1:
                others.append(item)
                continue
            try:
                value = float(tail[1:])
            except ValueError:
                others.append(item)
                continue
            if number >= 0:
                metrics.append(number)
                values.append(value)
            else:
                own[number] = value
        told = self._slow(row.item, others, before, own) if others else {}
        step = row.step.num if row.HasField("step") else self._step_of(own.get(_STEP))
        self._end_row(told, before, step, own)

    def take_row(self, row: Mapping[str, Any]) -> None:
        """Take a row of the history as a server gives it, which has words for what is not finite."""
        tree = {key: finite_or_not(value) for key, value in row.items()}
        own = _own_numbers(tree)
        self._end_row(flat(tree), len(self._values), self._step_of(own.get(_STEP)), own)

    def _end_row(self, told: Mapping[str, Any], before: int, row_step: int, own: Mapping[int, float]) -> None:
        """Take the values of a row that were not read at once, and where and when all of it was logged."""
        step = self._shifted(row_step)
        time = _time(own.get(_TIME, self._began + own.get(_RUNTIME, 0.0)), self._began)
        self.ended = max(self.ended, time)
        for name, value in told.items():
            if isinstance(value, (bool, int, float)):
                self._metrics.append(self._names.setdefault(name, len(self._names)))
                self._values.append(_as_float(value))
            elif value is not None:
                text = _shown(value)
                self._texts[name] = text, self._rows_before + len(self._rows)
                if text is not None:
                    self._show(name, text, step, time)
        self._rows.append((step, time, len(self._values) - before))

    def _slow(
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
            self._learn(items)
        tree: dict[str, Any] = {}
        for path, text in found:
            put(tree, path, value_in(text))
        own |= _own_numbers(tree)
        return flat(tree)

    def _learn(self, items: Iterable[bytes]) -> None:
        """Know the metrics of items by how they begin, so that their next numbers are read at once."""
        for item in items:
            head = item.partition(VALUE)[0]
            path = self._items.path_of(head)
            if path is not None and head not in self._numbers:
                number = _OWN.get(path[0]) or self._names.setdefault(".".join(path), len(self._names))
                self._numbers[head] = number

    def _step_of(self, told: float | None) -> int:
        """The step of a row: what its items say, or the next one."""
        if told is not None and abs(told) < _MOST_STEPS:
            return int(told)
        return self._row_step + 1

    def _shifted(self, step: int) -> int:
        """A step of this fragment as one of the run."""
        self._row_step = step
        if self._shift is None:
            self._shift = self.step + 1 if step == 0 and self.step is not None else 0
        step += self._shift
        self.step = step if self.step is None else max(step, self.step)
        return step

    def _show(self, name: str, text: str, step: int, time: float) -> None:
        self._displays.append(Display(name, text, step, time))

    # What is known

    @property
    def undecoded(self) -> int:
        """How many values were no messages of W&B's, and are left out."""
        return self._items.undecoded

    @property
    def pending(self) -> int:
        """How many numbers and texts :meth:`new` would give."""
        return len(self._values) + len(self._displays)

    def new(self) -> Iterator[Points | Display]:
        """What was logged since the last call."""
        metrics, values, rows, displays = self._metrics, self._values, self._rows, self._displays
        self._clear()
        if values:
            steps, times, counts = zip(*rows, strict=True)
            points = points_of(
                self._names,
                np.array(metrics, np.int64),
                np.repeat(np.array(steps, np.int64), counts),
                np.repeat(np.array(times, np.float64), counts),
                np.array(values, np.float64),
            )
            names = list(self._names)
            row_numbers = np.repeat(np.arange(len(rows)) + self._rows_before, counts)
            found, places = np.unique(np.array(metrics[::-1]), return_index=True)
            for metric, place in zip(found.tolist(), (len(values) - 1 - places).tolist(), strict=True):
                self._last[names[metric]] = values[place], int(row_numbers[place])
            yield points
        self._rows_before += len(rows)
        yield from displays

    @property
    def parameters(self) -> dict[str, Any]:
        """The configuration as it is now; names of nested ones are joined with ``.``."""
        return flat({key: value for key, value in self._config.items() if key != "_wandb"})

    @property
    def summary(self) -> dict[str, Any]:
        """What the summary says beside the last values of the metrics, which :meth:`new` gave.

        Names of nested ones are joined with ``.``. What W&B makes of a metric by itself is left out: its last
        value, or its least and so on (``loss.min``).
        """
        return self.beside(self._items.tree(self._summary))

    def beside(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """The same of a summary that is given."""
        step = tree.get("_step")
        is_ahead = isinstance(step, int) and step > self._row_step  # the row itself is cut
        return {
            name: value
            for key, told in tree.items()
            if key not in _OWN
            for name, value in flat({key: told}).items()
            if not self._is_made(name, value, is_ahead, self._set_after.get(key))
        }

    def _is_made(self, name: str, value: Any, is_ahead: bool, set_after: int | None) -> bool:
        metric, _, statistic = name.rpartition(".")
        if statistic in _STATISTICS and metric in self._last:
            return True
        if name in self._texts:
            text, row = self._texts[name]
            is_same = isinstance(value, dict) or text == _shown(value)
        elif name in self._last:
            last, row = self._last[name]
            is_same = _is_same(value, last)
        else:
            return False
        return is_same or is_ahead or (set_after is not None and row >= set_after)

    @property
    def best(self) -> BestRule | None:
        """The first metric whose least or greatest value the script asked for, of those that it logged."""
        for pattern, higher in self._rules:
            for name in [pattern] if pattern in self._last else sorted(self._last):
                if name == pattern or fnmatchcase(name, pattern):
                    return BestRule("early_stopping", metric=name, higher_better=higher)
        return None


def finite_or_not(value: Any) -> Any:
    """A value as a server gives it, with numbers for its words for what is not finite."""
    if isinstance(value, dict):
        return {key: finite_or_not(one) for key, one in value.items()}
    return _WORDS.get(value, value) if isinstance(value, str) else value


def _own_numbers(tree: dict[str, Any]) -> dict[int, float]:
    """Takes W&B's own values out of a row, and gives the numbers among them."""
    taken = {number: tree.pop(key, None) for key, number in _OWN.items()}
    return {number: _as_float(one) for number, one in taken.items() if isinstance(one, (int, float))}


def _shown(value: Any) -> str | None:
    """What is no number as a text; None for what is in a file of the run."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "_type" in value and not _FILES.isdisjoint(value):
        return None
    return json.dumps(value, ensure_ascii=False)


def _is_same(value: Any, last: float) -> bool:
    if not isinstance(value, (bool, int, float)):
        return False
    number = _as_float(value)
    return number == last or (math.isnan(number) and math.isnan(last))


def _as_float(value: Any) -> float:
    """A number, infinite where it is too large; NaN for what is none."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
    except (TypeError, ValueError):
        return math.nan


def _time(value: float, instead: float = 0.0) -> float:
    """Seconds since 1970, if they can be that."""
    return value if 0 <= value < _LATEST else instead
