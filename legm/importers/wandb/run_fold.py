"""Folds the records of a W&B log into a description of the run: pure, over a whole log or a growing one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from legm.backends.wandb.names import system_metric_from_wandb
from legm.core.step_metrics import MetricDefinition, MetricDefinitions
from legm.importers.external_run import ExternalMedium
from legm.importers.wandb.history_rows import (
    WANDB_KEYS,
    WandbHistoryRows,
    history_number,
    history_text,
    history_time,
    restore_non_finite_history,
)
from legm.importers.wandb.json_items import (
    WandbItemReader,
    delete_json_at_path,
    flatten_json,
    parse_json_value,
    set_json_at_path,
)
from legm.records import BestRule, Display, Points

__all__ = ["FoldedFile", "FoldedWandbArtifact", "WandbRunFold"]

_COMPUTED_MARKS = (b"\x12\x05_step\x82\x01", b"\x12\x06_wandb\x12\x07runtime\x82\x01")
"""Paths of which one is in every summary that wandb-core creates itself, and in none that a script sets."""
_HISTOGRAM = b'"histogram"'
_STATISTICS = frozenset({"min", "max", "mean", "best", "last", "first"})
_MAXIMIZE = 2


@dataclass(frozen=True, slots=True)
class FoldedFile:
    """A file in an artifact.

    Args:
        path: its path on this machine; "" if unknown.
        digest: the digest of its content, or of its address, in base 64.
        is_reference: whether it is stored elsewhere and the artifact only has its address.
    """

    path: str
    digest: str
    is_reference: bool


@dataclass(frozen=True, slots=True)
class FoldedWandbArtifact:
    """An artifact that the run logged.

    Args:
        name, type: W&B's name and type.
        aliases: such as ``latest``; only a server knows the version.
        description: the script's text about it; "" for none.
        metadata: the script's metadata as JSON; "" for none.
        files: by their path in the artifact.
        client_id: by which rows of the history name it.
    """

    name: str
    type: str
    aliases: tuple[str, ...]
    files: Mapping[str, FoldedFile]
    description: str = ""
    metadata: str = ""
    client_id: str = ""

    @property
    def origin(self) -> dict[str, Any]:
        """What is noted about it with the run."""
        metadata = parse_json_value(self.metadata.encode()) if self.metadata else None
        return {
            "name": self.name,
            "type": self.type,
            "aliases": list(self.aliases),
            **({"description": self.description} if self.description else {}),
            **({"metadata": metadata} if metadata else {}),
        }


class WandbRunFold:
    """The state of a run according to its records so far.

    Args:
        started: when the run started, if known before its records are read.
        skim: whether only the description of the run is wanted, without its numbers and texts.

    Attributes:
        run_id, project, entity, name, group, job_type, notes, host, sweep: W&B's texts, "" for none.
        tags: its tags.
        started: when its first fragment started, in seconds since 1970; 0 if unknown.
        exit_code: None until the run has ended.
        origin: further facts about where the run comes from.
        artifacts: the artifacts that it logged.
        has_histograms: whether there may be histograms in its rows.
        definitions: what the script said about its metrics.
    """

    def __init__(self, started: float = 0.0, *, skim: bool = False) -> None:
        self._skims = skim
        self._unread = b""  # the last row, when skimming
        self.run_id = self.project = self.entity = self.name = self.group = ""
        self.job_type = self.notes = self.host = self.sweep = ""
        self.tags: tuple[str, ...] = ()
        self.started = started
        self._ended = 0.0
        self.exit_code: int | None = None
        self.origin: dict[str, Any] = {}
        self.artifacts: list[FoldedWandbArtifact] = []
        self.has_histograms = False
        self._items = WandbItemReader()
        self._rows = WandbHistoryRows(self._items, started)
        self._config: dict[str, Any] = {}
        self._summary: dict[bytes, bytes] = {}  # see WandbItemReader.keep_latest
        self._set_after: dict[str, int] = {}  # the number of rows before a script set a summary value
        self.definitions = MetricDefinitions()

    def begin_fragment(self) -> None:
        """Start with the records of another log of the same run, which W&B resumed.

        When W&B resumes without a server, it counts steps from 0 again; they are shifted behind the existing
        ones. A log whose first step is not 0 continues the steps, and they stay as they are.
        """
        self.exit_code = None
        self._rows.begin_log()

    # Records

    def add_record(self, record: Any) -> None:
        """Add the next record from :class:`legm.importers.wandb.transaction_log.TransactionLogReader`."""
        kind = record.WhichOneof("record_type")
        if kind == "history":
            self._unread = record.history
            self.has_histograms = self.has_histograms or _HISTOGRAM in record.history
            if not self._skims:
                self._rows.add_record(record.history)
        elif kind == "summary":
            self._add_summary(record.summary)
        elif kind == "config":
            self._add_config(record.config)
        elif kind == "run":
            self._add_run(record.run)
        elif kind == "exit":
            self.exit_code = record.exit.exit_code
            self._ended = history_time(self._rows.start + record.exit.runtime, 0.0)
        elif kind == "metric":
            self._add_metric(record.metric)
        elif kind == "artifact":
            self._add_artifact(record.artifact)
        elif kind == "alert":
            self._rows.add_text(
                "alert", f"{record.alert.title}: {record.alert.text}", self.step or 0, self.ended
            )
        elif kind == "environment":
            self._add_environment(record.environment)
        elif kind == "stats":
            self._add_statistics(record.stats)

    def _add_statistics(self, stats: Any) -> None:
        """Add system metrics; the step of one is the number of whole seconds since the run started."""
        if self._skims:
            return
        time = history_time(stats.timestamp.seconds + stats.timestamp.nanos / 1e9, self._rows.start)
        for item in stats.item:
            value = parse_json_value(item.value_json.encode())
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self._add_system_metric(item.key, float(value), time - self._rows.start, time)

    def add_system_row(self, row: Mapping[str, Any]) -> None:
        """Add a row of the system metrics from a server, which has ``system.`` before the name of each."""
        values = {name: restore_non_finite_history(value) for name, value in row.items()}
        time = history_time(history_number(values.get("_timestamp")), self._rows.start)
        passed = history_time(history_number(values.get("_runtime")), time - self._rows.start)
        for key, value in values.items():
            name = key.removeprefix("system.")
            if name != key and isinstance(value, (int, float)) and not isinstance(value, bool):
                self._add_system_metric(name, history_number(value), passed, time)

    def _add_system_metric(self, name: str, value: float, passed: float, time: float) -> None:
        own, value = system_metric_from_wandb(name, value)
        self._rows.add_display(own, value, max(0, int(passed)), time)

    def _add_run(self, run: Any) -> None:
        self.run_id, self.project, self.entity = run.run_id, run.project, run.entity
        self.name, self.group, self.job_type = run.display_name, run.run_group, run.job_type
        self.notes, self.host, self.sweep = run.notes, run.host, run.sweep_id
        self.tags = tuple(run.tags)
        if run.HasField("start_time"):
            self._rows.start = history_time(run.start_time.seconds + run.start_time.nanos / 1e9, 0.0)
            self.started = self.started or self._rows.start
        self._add_git(run)
        self._add_config(run.config)
        self._add_summary(run.summary)

    def _add_environment(self, record: Any) -> None:
        known = {name: getattr(record, name) for name in ("os", "python", "program", "username", "host")}
        self.origin |= {name: value for name, value in known.items() if value}
        if record.args:
            self.origin["args"] = list(record.args)
        self._add_git(record)

    def add_last_row(self) -> None:
        """Add the last row when skimming: its time says how long the run was active."""
        if self._skims and self._unread:
            self._rows.add_record(self._unread)

    def _add_git(self, record: Any) -> None:
        if record.git.commit:
            self.origin["git"] = {"commit": record.git.commit, "remote": record.git.remote_url}

    def _add_config(self, config: Any) -> None:
        for path, text in self._items.split(config.update):
            set_json_at_path(self._config, path, parse_json_value(text))
        for path, _ in self._items.split(config.remove):
            delete_json_at_path(self._config, path)

    def _add_summary(self, data: bytes) -> None:
        if any(mark in data for mark in _COMPUTED_MARKS):
            return
        summary = self._items.decode("SummaryRecord", data)
        if summary is None:
            return
        self._items.keep_latest(summary.update, self._summary)
        self._items.keep_latest(summary.remove, self._summary, removed=True)
        if b"_step" not in data:
            self._set_after |= {path[0]: self._rows.count for path, _ in self._items.split(summary.update)}

    def _add_metric(self, metric: Any) -> None:
        chosen = metric.summary
        summary = tuple(name for name in sorted(_STATISTICS | {"none"}) if getattr(chosen, name, False))
        self.definitions.define(
            MetricDefinition(
                metric.name or metric.glob_name,
                metric.step_metric or None,
                metric.options.step_sync,
                summary,
                metric.goal == _MAXIMIZE,
            ),
            overwrite=metric._control.overwrite,  # noqa: SLF001 - W&B's name of the field
        )

    def _add_artifact(self, record: Any) -> None:
        files = {
            one.path: FoldedFile(one.local_path, one.digest, bool(one.ref))
            for one in record.manifest.contents
        }
        self.artifacts.append(
            FoldedWandbArtifact(
                record.name,
                record.type,
                tuple(record.aliases),
                files,
                record.description,
                record.metadata,
                record.client_id,
            )
        )

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Add a row of the history from a server, which has texts for numbers that are not finite."""
        self._rows.add_values(row)

    # The state

    @property
    def step(self) -> int | None:
        """The largest step of a row; None before the first one."""
        return self._rows.step

    @property
    def ended(self) -> float:
        """When the last row was logged or the run ended, whichever is later; else its start."""
        return max(self._rows.last_time, self._ended, self._rows.start, self.started)

    @property
    def undecoded(self) -> int:
        """The number of values that could not be decoded and are left out."""
        return self._items.undecoded

    @property
    def media(self) -> Mapping[str, Sequence[ExternalMedium]]:
        """What the run's files show, by their paths; a file that was logged twice shows two media."""
        return self._rows.media

    @property
    def table_artifacts(self) -> Mapping[str, str]:
        """The ids of the artifacts with the media of tables, by the paths of the tables."""
        return self._rows.table_artifacts

    @property
    def rounded(self) -> set[str]:
        """The metrics with a whole number that a float does not represent."""
        return self._rows.rounded

    @property
    def pending(self) -> int:
        """The number of numbers, texts and rows waiting for :meth:`take_new`."""
        return self._rows.pending

    def take_histograms(self) -> list[tuple[ExternalMedium, bytes]]:
        """The histograms since the last call, with their contents; other values of rows are dropped."""
        return self._rows.take_histograms()

    def take_new(self) -> Iterator[Points | Display]:
        """What was logged since the last call, each metric's numbers in order."""
        return self._rows.take_new()

    @property
    def parameters(self) -> dict[str, Any]:
        """The current configuration, with nested names joined by ``.``."""
        return flatten_json({key: value for key, value in self._config.items() if key != "_wandb"})

    @property
    def summary(self) -> dict[str, Any]:
        """The summary without the last values of metrics, which :meth:`take_new` returned.

        Nested names are joined by ``.``. What W&B itself computes from a metric is left out: its last value,
        its minimum and so on (``loss.min``).
        """
        return self.own_summary(self._items.tree(self._summary))

    def own_summary(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """The same for a given summary."""
        step = tree.get("_step")
        is_ahead = isinstance(step, int) and step > self._rows.row_step  # the row itself is missing
        return {
            name: value
            for key, content in tree.items()
            if key not in WANDB_KEYS
            for name, value in flatten_json({key: content}).items()
            if not self._is_computed_by_wandb(name, value, is_ahead, self._set_after.get(key))
        }

    def _is_computed_by_wandb(self, name: str, value: Any, is_ahead: bool, set_after: int | None) -> bool:
        metric, _, statistic = name.rpartition(".")
        if statistic in _STATISTICS and metric in self._rows.last:
            return True
        if name in self._rows.texts:
            text, row = self._rows.texts[name]
            is_same = isinstance(value, dict) or text == history_text(value)
        elif name in self._rows.last:
            last, row = self._rows.last[name]
            is_same = _is_last_logged_value(value, last)
        else:
            return False
        return is_same or is_ahead or (set_after is not None and row >= set_after)

    @property
    def best(self) -> BestRule | None:
        """The first logged metric whose minimum or maximum the script asked for."""
        found = self.definitions.best(self._rows.last)
        return None if found is None else BestRule("early_stopping", metric=found[0], higher_better=found[1])


def _is_last_logged_value(value: Any, last: float) -> bool:
    if not isinstance(value, (bool, int, float)):
        return False
    number = history_number(value)
    return number == last or (math.isnan(number) and math.isnan(last))
