"""Encoding and decoding of a run's result in ``metrics.yml`` and ``steps.yml``."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from legm.backends.local.entry_file import Entry, EntryFile
from legm.core.code_versions import count_code
from legm.core.credentials import redact_run
from legm.core.naming import best_key
from legm.errors import CorruptFile, StorageError
from legm.records import (
    BestRule,
    Configuration,
    History,
    Plain,
    Run,
    RunCounts,
    RunResult,
    Series,
    Split,
    Status,
    is_record_file_name,
)
from legm.runlog.file_names import METRICS_FILE, STEPS_FILE
from legm.runlog.log_folder import LogFolder
from legm.stats.run_counts import ALL_VALUES_METRICS, count_by_description, count_repeated
from legm.util.locks import file_lock
from legm.util.yaml_files import MOST_ALIASED
from legm.util.yaml_text import is_yaml_number, yaml_array, yaml_flow_key

if TYPE_CHECKING:
    from legm.records import IntArray

__all__ = [
    "count_yaml_entries",
    "earlier_series_yaml",
    "metrics_yaml_head",
    "own_yaml_series_keys",
    "read_result_yaml",
    "series_yaml",
    "steps_yaml_head",
]

_OWN_KEYS = frozenset({"run_id", "description", "best_step", "legm"})
_PREFIXES = ("best_", "test_", "dev/")
_RULE_TYPES: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    "step": (int, type(None)),
    "metric": (str, type(None)),
    "higher_better": (bool,),
}
_SHARED_LENGTH = 16  # steps; the names of an anchor and its alias take as many bytes as fewer
T = TypeVar("T")


def series_yaml_key(metric: str) -> str:
    """The key of a dev metric's series; a name that the entry uses otherwise gets the prefix ``dev/``."""
    return f"dev/{metric}" if metric in _OWN_KEYS or metric.startswith(_PREFIXES) else metric


def _metric_of_yaml_key(key: str) -> str | None:
    if key.startswith("dev/"):
        return key.removeprefix("dev/")
    return None if key in _OWN_KEYS or key.startswith(_PREFIXES) else key


def own_yaml_series_keys(content: Mapping[str, Any]) -> list[str]:
    """The keys of the series in an entry that a user wrote by hand, with everything at one level."""
    return [key for key in content if _metric_of_yaml_key(key) is not None]


def _yaml_values_by_name(values: Mapping[Series, T]) -> dict[str, T | dict[str, T]]:
    """Values by metric; those of an indexed metric by its index."""
    nested: dict[str, Any] = {}
    for series, value in values.items():
        if series.index is None:
            nested[series.name] = value
        else:
            nested.setdefault(series.name, {})[series.index] = value
    return nested


def _yaml_values_by_series(
    nested: Mapping[str, Any], split: Split, convert: Callable[[Any], T]
) -> dict[Series, T]:
    values: dict[Series, T] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            values |= {Series(name, split, str(index)): convert(v) for index, v in value.items()}
        else:
            values[Series(name, split)] = convert(value)
    return values


def metrics_yaml_head(result: RunResult) -> dict[str, Plain]:
    """An entry of ``metrics.yml`` without the series."""
    run = result.run
    head: dict[str, Plain] = {
        "run_id": run.run_id,
        "description": run.description,
        "best_step": result.best_step,
    }
    head |= {best_key(name): value for name, value in _yaml_values_by_name(result.best).items()}
    head |= {f"test_{name}": value for name, value in _yaml_values_by_name(result.test).items()}
    head["legm"] = {
        "series": sorted({series_yaml_key(series.name) for series in result.histories}),
        "rule": asdict(result.rule),
        "best_steps": _yaml_values_by_name(result.best_steps),
        "points": result.points,
        "last_step": result.last_step,
        "started": run.started,
        "ended": result.ended,
        "parameters": dict(run.parameters),
        "environment": dict(run.environment),
    }
    return head


def steps_yaml_head(result: RunResult) -> dict[str, Plain]:
    """An entry of ``steps.yml`` without the steps."""
    return {"run_id": result.run.run_id}


def series_yaml(result: RunResult) -> tuple[Iterator[str], Iterator[str]]:
    """The series and their steps as YAML flow text, in pieces that are made one at a time.

    Steps that several series have are there once, with an anchor; the others are aliases of it.
    """
    return (
        _series_yaml_flow(result.histories, lambda history: yaml_array(history.values)),
        _series_yaml_flow(result.histories, _YamlSharedSteps(result).yaml),
    )


def earlier_series_yaml(result: RunResult) -> tuple[Iterator[str], Iterator[str]]:
    """The same as earlier versions wrote it: with a space after each comma, and without aliases."""
    return (
        _series_yaml_flow(result.histories, lambda history: yaml_array(history.values, ", ")),
        _series_yaml_flow(result.histories, lambda history: yaml_array(history.steps, ", ")),
    )


class _YamlSharedSteps:
    """The steps of a run's series, each list written once.

    YAML allows an anchor once in a file: its name is made of the run, so that runs have different ones, and
    of when it ended, so that the entry that replaces another one does.
    """

    def __init__(self, result: RunResult) -> None:
        self._owner = f"{result.run.run_id} {result.ended}".encode()
        self._keys: dict[int, bytes] = {}  # by the identity of the array, since most are shared
        self._uses = Counter(self._key(history.steps) for history in result.histories.values())
        self._anchors: dict[bytes, str] = {}
        self._aliased = 0

    def _key(self, steps: IntArray) -> bytes:
        key = self._keys.get(id(steps))
        if key is None:
            key = hashlib.blake2b(steps.tobytes(), digest_size=16).digest()
            self._keys[id(steps)] = key
        return key

    def yaml(self, history: History) -> Iterator[str]:
        """The steps of the next series."""
        key, length = self._key(history.steps), len(history.steps)
        anchor = self._anchors.get(key)
        if anchor is not None and self._aliased + length < MOST_ALIASED:
            self._aliased += length
            yield f"*{anchor}"
            return
        if anchor is None and self._uses[key] > 1 and length >= _SHARED_LENGTH:
            name = hashlib.blake2b(self._owner + key, digest_size=8).hexdigest()
            self._anchors[key] = f"s{name}"
            yield f"&s{name} "
        yield from yaml_array(history.steps)


def _series_yaml_flow(
    histories: Mapping[Series, History], array: Callable[[History], Iterable[str]]
) -> Iterator[str]:
    by_key: dict[str, list[tuple[str | None, History]]] = {}
    for series, history in histories.items():
        by_key.setdefault(series_yaml_key(series.name), []).append((series.index, history))
    before = ""
    for key, parts in by_key.items():
        yield f"{before}{yaml_flow_key(key)}: "
        before = ", "
        if parts[0][0] is None:
            yield from array(parts[0][1])
            continue
        # No space after these commas: EntryFile.series thus distinguishes an index from a metric.
        for position, (index, history) in enumerate(parts):
            yield f"{',' if position else '{'}{yaml_flow_key(str(index))}: "
            yield from array(history)
        yield "}"


def read_result_yaml(
    metrics: EntryFile,
    entry: Entry,
    steps: tuple[EntryFile, Mapping[str, Entry]] | None,
    configuration: Configuration,
    names: frozenset[str] | None,
) -> RunResult:
    """Read a completed run from the two files.

    Args:
        metrics: ``metrics.yml``.
        entry: the run's entry in it.
        steps: ``steps.yml`` and its entries by run id; None without series.
        configuration: the configuration of the folder.
        names: the dev metrics whose series are read; None for all.

    Raises:
        CorruptFile: an entry is damaged, or a value in it is not a number.
    """
    try:
        return _parse_result_yaml(metrics, entry, steps, configuration, names)
    except CorruptFile:
        # The run may have been logged (again) between reading the two files: retry, with writers locked out.
        try:
            with file_lock(LogFolder.of(metrics.path.parent).lock):
                now = _yaml_entries_by_run(metrics).get(str(entry.head.get("run_id")))
                if now is not None:
                    then = (steps[0], _yaml_entries_by_run(steps[0])) if steps else None
                    return _parse_result_yaml(metrics, now, then, configuration, names)
        except CorruptFile:
            raise
        except StorageError:  # there is nothing to lock, or no permission
            pass
        raise


def _yaml_entries_by_run(file: EntryFile) -> dict[str, Entry]:
    return {str(entry.head.get("run_id")): entry for entry in file.entries()}


def _parse_result_yaml(
    metrics: EntryFile,
    entry: Entry,
    steps: tuple[EntryFile, Mapping[str, Entry]] | None,
    configuration: Configuration,
    names: frozenset[str] | None,
) -> RunResult:
    head = entry.head
    run_id = str(head.get("run_id", f"experiment_{entry.number}"))

    def wrong_yaml(value: Any, what: str) -> CorruptFile:
        return _corrupt_yaml_value(metrics.path, f"experiment_{entry.number}", value, what)

    def yaml_number(value: Any) -> float:
        if not is_yaml_number(value):
            raise wrong_yaml(value, "a number")
        return float(value)

    def yaml_whole_number(value: Any) -> int:
        if type(value) is not int:
            raise wrong_yaml(value, "a whole number")
        return value

    def yaml_mapping(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong_yaml(value, "a mapping")
        return value

    _require_entry_of_run(metrics.path, entry)
    if not is_record_file_name(run_id):
        raise wrong_yaml(run_id, "the id of a run")
    own = yaml_mapping(head.get("legm") or {})
    best = {
        key.removeprefix("best_").removeprefix("dev/"): value
        for key, value in head.items()
        if key.startswith("best_") and key != "best_step"
    }
    test = {key.removeprefix("test_"): value for key, value in head.items() if key.startswith("test_")}
    run = Run(
        run_id=run_id,
        configuration=configuration,
        description=str(head.get("description") or ""),
        started=yaml_number(own.get("started", 0.0)),
        parameters=yaml_mapping(own.get("parameters") or {}),
        environment=yaml_mapping(own.get("environment") or {}),
    )
    return RunResult(
        run=redact_run(run),
        status=Status.COMPLETED,
        rule=_rule_from_yaml(own.get("rule") or {}, metrics.path, f"experiment_{entry.number}"),
        best_step=None if head.get("best_step") is None else yaml_whole_number(head["best_step"]),
        best=_yaml_values_by_series(best, Split.DEV, yaml_number),
        best_steps=_yaml_values_by_series(
            yaml_mapping(own.get("best_steps") or {}), Split.DEV, yaml_whole_number
        ),
        test=_yaml_values_by_series(test, Split.TEST, yaml_number),
        histories=_parse_yaml_histories(
            metrics, entry, steps, run_id, _selected_yaml_keys(metrics.path, entry, names)
        )
        if steps
        else {},
        points=yaml_whole_number(own.get("points", 0)),
        last_step=None if own.get("last_step") is None else yaml_whole_number(own["last_step"]),
        ended=None if own.get("ended") is None else yaml_number(own["ended"]),
    )


def _selected_yaml_keys(path: Path, entry: Entry, names: frozenset[str] | None) -> frozenset[str]:
    """The requested keys of series that exist."""
    known: Any = entry.head if entry.trailer is None else dict(entry.head.get("legm") or {}).get("series")
    if not isinstance(known, (dict, list)):
        raise _corrupt_yaml_value(path, f"experiment_{entry.number}", [*entry.head], "the entry of a run")
    return frozenset(
        key for key in known if (m := _metric_of_yaml_key(key)) is not None and (names is None or m in names)
    )


def count_yaml_entries(
    folder: str, configuration: Configuration, entries: Iterable[Entry], others: Iterable[RunResult]
) -> tuple[RunCounts, ...]:
    """Count the runs of a configuration by description, without reading more than the entries' heads.

    Args:
        folder: the configuration's.
        configuration: the configuration.
        entries: the entries in it.
        others: the runs that are not in it.

    Raises:
        CorruptFile: a value in an entry is not a number.
    """
    path = f"{folder}/{METRICS_FILE}"
    heads: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        _require_entry_of_run(path, entry)
        heads.setdefault(str(entry.head.get("description") or ""), []).append(entry.head)
    others = list(others)
    counted: dict[str, RunCounts] = {}
    if others or not heads:
        counted = {one.description: one for one in count_by_description(configuration, others, folder)}
    for description, found in heads.items():
        known = counted.get(description) or RunCounts(configuration, description, folder=folder)
        more = [one for one in others if one.run.description == description]
        counted[description] = _count_yaml_heads(known, found, more, path)
    return tuple(counted[description] for description in sorted(counted))


def _count_yaml_heads(
    counted: RunCounts, heads: Sequence[Mapping[str, Any]], others: Sequence[RunResult], path: str
) -> RunCounts:
    """A count with the completed runs of some entries' heads added.

    Args:
        counted: the count of the runs that are in no entry.
        heads: of the entries.
        others: the runs that are in no entry.
        path: of the entries' file.
    """
    values = {key: list(found) for key, found in counted.values.items()}
    indexed, last = set(counted.indexed), counted.last or 0.0
    rules, used = dict(counted.rules), list[BestRule]()
    completed = [one.run for one in others if one.status is Status.COMPLETED]
    parameters = [run.parameters for run in completed]
    environments = [run.environment for run in completed]
    rule_as_stored: Any = {}
    rule = BestRule()  # runs of a configuration mostly share one
    for head in heads:
        own = _require_yaml_mapping(head.get("legm") or {}, path, head)
        stored = own.get("rule") or {}
        if stored != rule_as_stored:
            rule, rule_as_stored = _rule_from_yaml(stored, path, str(head.get("run_id"))), stored
        used.append(rule)
        parameters.append(_require_yaml_mapping(own.get("parameters") or {}, path, head))
        environments.append(_require_yaml_mapping(own.get("environment") or {}, path, head))
        ended = own.get("ended") or own.get("started") or 0.0
        if not is_yaml_number(ended):
            raise _corrupt_yaml_value(path, str(head.get("run_id")), ended, "a time")
        last = max(last, ended)
        for key, name in _summary_keys_of_yaml(tuple(head)):
            value = head[key]
            if type(value) is float or is_yaml_number(value):
                values.setdefault(name, []).append(float(value))
            elif isinstance(value, dict):
                indexed.add(name)
            else:
                raise _corrupt_yaml_value(path, str(head.get("run_id")), value, "a number")
    for rule, same in itertools.groupby(used):
        rules[rule] = rules.get(rule, 0) + len([*same])
    return RunCounts(
        configuration=counted.configuration,
        description=counted.description,
        completed=counted.completed + len(heads),
        failed=counted.failed,
        interrupted=counted.interrupted,
        running=counted.running,
        values=values,
        indexed=frozenset(indexed),
        last=last or None,
        folder=counted.folder,
        rules=rules,
        repeated=count_repeated(parameters) if len(parameters) > 1 else 0,
        pruned=counted.pruned,
        code=count_code(environments),
        marks=counted.marks,
    )


def _require_entry_of_run(path: Path | str, entry: Entry) -> None:
    """Refuse an entry that looks like a run's and is of another file, such as ``steps.yml``.

    Raises:
        CorruptFile: it is of another file.
    """
    head = entry.head
    if "legm" in head:
        return
    is_by_hand = entry.trailer is None
    if is_by_hand and any(key == "description" or key.startswith(("best_", "test_")) for key in head):
        return
    series = {key: value for key, value in head.items() if key != "run_id"}
    has_series = all(isinstance(value, (list, dict)) for value in series.values())
    steps = Path(path).with_name(STEPS_FILE)
    if not is_by_hand or not has_series or _is_entry_of_steps(steps, head.get("run_id"), series):
        raise _corrupt_yaml_value(path, f"experiment_{entry.number}", [*head], "the entry of a run")


def _is_entry_of_steps(path: Path, run_id: Any, series: Mapping[str, Any]) -> bool:
    """Whether the series of an entry that a user wrote are the steps of its run."""
    steps = EntryFile(path)
    return bool(series) and any(
        entry.head.get("run_id") == run_id and _as_lists(steps.series(entry, None)) == series
        for entry in steps.entries()
    )


def _as_lists(series: Mapping[str, Any]) -> dict[str, Any]:
    def as_list(value: Any) -> Any:
        if isinstance(value, dict):
            return _as_lists(value)
        return [*value] if isinstance(value, Iterable) else value

    return {key: as_list(value) for key, value in series.items() if key != "run_id"}


def _require_yaml_mapping(value: Any, path: str, head: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _corrupt_yaml_value(path, str(head.get("run_id")), value, "a mapping")
    return value


def _rule_from_yaml(stored: Any, path: Path | str, where: str) -> BestRule:
    """The best rule in an entry; fields of a newer version are passed over.

    Raises:
        CorruptFile: it is not a mapping, or a field has another type.
    """
    is_rule = isinstance(stored, dict)
    known = {name: stored[name] for name in _RULE_TYPES if name in stored} if is_rule else {}
    if not is_rule or any(type(value) not in _RULE_TYPES[name] for name, value in known.items()):
        raise _corrupt_yaml_value(path, where, stored, "a rule that chooses the best step")
    return BestRule(**known)


@functools.lru_cache(maxsize=256)  # runs of a configuration mostly have the same keys
def _summary_keys_of_yaml(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """The keys of an entry that counts contain, each with its summary key."""
    return [(key, name) for key in keys if (name := _summary_key_of_yaml(key)) is not None]


def _summary_key_of_yaml(key: str) -> str | None:
    """The summary key for a key of an entry; None for what counts do not contain."""
    if key.startswith("test_"):
        return key
    if not key.startswith("best_") or key == "best_step":
        return None
    name = key.removeprefix("best_").removeprefix("dev/")
    return None if name in ALL_VALUES_METRICS else f"best_{name}"


def _corrupt_yaml_value(path: Path | str, where: str, value: Any, what: str) -> CorruptFile:
    return CorruptFile(
        Path(path),
        where,
        f"{str(value)[:60]!r} is not {what}",
        "Repair it, or delete the entry.",
    )


def _parse_yaml_histories(
    metrics: EntryFile,
    entry: Entry,
    steps: tuple[EntryFile, Mapping[str, Entry]],
    run_id: str,
    wanted: frozenset[str],
) -> dict[Series, History]:
    if not wanted:
        return {}
    import numpy as np

    from legm.core.results import StepDeduplicator

    steps_file, step_entries = steps
    if run_id in step_entries and "legm" in step_entries[run_id].head:
        where = f"experiment_{step_entries[run_id].number}"
        raise _corrupt_yaml_value(steps_file.path, where, [*step_entries[run_id].head], "the steps of a run")
    if run_id not in step_entries:
        raise CorruptFile(
            steps_file.path,
            "the end",
            f"it has no entry of the run {run_id}, experiment_{entry.number} in {metrics.path.name}",
            "Restore it from a copy.",
        )
    every = (
        None if entry.trailer is not None and wanted == frozenset(entry.head["legm"]["series"]) else wanted
    )
    values = metrics.series(entry, every)
    steps_by_key = steps_file.series(step_entries[run_id], every)
    found: dict[Series, History] = {}
    shared = StepDeduplicator()
    by_hand = step_entries[run_id].trailer is None
    for key in values:
        metric = _metric_of_yaml_key(key)
        if metric is None:
            continue
        of_values, of_steps = values[key], steps_by_key.get(key)
        indexed = isinstance(of_values, dict)
        for index, series_values in of_values.items() if indexed else [(None, of_values)]:
            series_steps = of_steps.get(index) if isinstance(of_steps, dict) else of_steps
            try:
                if by_hand and any(type(step) is not int for step in series_steps or ()):
                    raise TypeError("a step is not a whole number")
                history = History(
                    shared(np.asarray(series_steps, np.int64)), np.asarray(series_values, np.float64)
                )
            except (TypeError, ValueError, OverflowError) as cause:
                raise _missing_yaml_series(metrics, entry, key) from cause
            if history.steps.shape != history.values.shape or history.values.ndim != 1:
                raise _missing_yaml_series(metrics, entry, key)
            found[Series(metric, Split.DEV, None if index is None else str(index))] = history
    return found


def _missing_yaml_series(metrics: EntryFile, entry: Entry, key: str) -> CorruptFile:
    return CorruptFile(
        metrics.path,
        f"experiment_{entry.number}",
        f"{key!r} is not a list of numbers with as many steps in {STEPS_FILE}",
        "Repair both, or delete the entry.",
    )
