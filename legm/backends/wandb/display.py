"""legm's records as W&B shows them: config, history rows, tables and summary values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import PurePath
from typing import Any

from legm.backends.wandb import names
from legm.core.effective_values import own_effective_values, parameters_with_absent_value
from legm.core.run_environment import STARTED, run_stretches
from legm.records import Aggregate, Configuration, Points, Run, RunResult, Series, Status, Summary

__all__ = [
    "display_config",
    "display_indexed_tables",
    "display_metadata",
    "display_native_config",
    "display_stretches",
    "display_summary_values",
    "display_wandb_history_rows",
]

_LONGEST_VALUE = 1_000  # characters of a parameter's text


def display_config(configuration: Configuration, own: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that have a value and a run's own, as W&B shows and filters them.

    Those that equal their absent value are listed in a config key of legm's.
    """
    values = {**own_effective_values(configuration), **own}
    config = {names.wandb_config_key(name): _display_value(value) for name, value in values.items()}
    if absent := parameters_with_absent_value(configuration):
        config[names.ABSENT_VALUES_KEY] = [names.wandb_config_key(name) for name in absent]
    return config


def display_native_config(run: Run, run_json: bytes) -> dict[str, Any]:
    """The config keys by which legm itself finds a run, and the whole run as JSON."""
    return {
        names.EXPERIMENT_KEY: run.configuration.experiment,
        names.FINGERPRINT_KEY: run.configuration.fingerprint,
        names.DESCRIPTION_KEY: run.description,
        names.RUN_KEY: json.dumps(json.loads(run_json), separators=(",", ":")),
    }


def display_metadata(run: Run) -> dict[str, Any]:
    """What W&B's own file of metadata has of where a run comes from."""
    known: Mapping[str, Any] = run.environment
    git, command = known.get("git"), known.get("command")
    started = datetime.fromtimestamp(run.started, timezone.utc)
    found: dict[str, Any] = {
        "os": known.get("os"),
        "python": known.get("python"),
        "host": known.get("host"),
        "program": known.get("script"),
        "root": known.get("folder"),
        "args": _displayed_arguments(command, known.get("script")) if isinstance(command, list) else None,
        "cpu_count_logical": known.get("cpu_count"),
        "memory": {"total": str(known["memory"])} if known.get("memory") else None,
        "startedAt": started.isoformat().replace("+00:00", "Z"),
    }
    if isinstance(git, dict):
        found["git"] = {"remote": git.get("remote") or "", "commit": git.get("commit") or ""}
    gpus = known.get("gpus")
    if isinstance(gpus, list) and gpus and isinstance(gpus[0], dict):
        found |= {"gpu": gpus[0].get("name"), "gpu_count": len(gpus)}
    return {name: value for name, value in found.items() if value}


def _displayed_arguments(command: Sequence[str], script: Any) -> list[str]:
    """The script's own arguments."""
    name = PurePath(str(script)).name if script else ""
    at = next((i for i, one in enumerate(command) if name and PurePath(str(one)).name == name), 0)
    return list(map(str, command[at + 1 :]))


def display_stretches(run: Run) -> list[dict[str, Any]]:
    """On which host each stretch of a run ran, and since when, in seconds since 1970."""
    return [{STARTED: one.get(STARTED), "host": one.get("host")} for one in run_stretches(run)]


def _display_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return value[: _LONGEST_VALUE - 1] + "…"
    if isinstance(value, (list, dict)):
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > _LONGEST_VALUE or "NaN" in text or "Infinity" in text:
            return text[: _LONGEST_VALUE - 1] + "…" if len(text) > _LONGEST_VALUE else text
    return value


def display_wandb_history_rows(points: Points) -> Iterator[dict[str, Any]]:
    """A row of W&B's history for each row with at least one metric that is not indexed, in order."""
    kept_by_layout: dict[tuple[Series, ...], tuple[list[str], list[int]]] = {}
    for layout in points.layouts:
        kept = [column for column, series in enumerate(layout) if series.index is None]
        kept_by_layout[layout] = [names.wandb_history_key(layout[column]) for column in kept], kept
    for layout, step, time, values in points.rows():
        keys, kept = kept_by_layout[layout]
        if keys:
            chosen = values if len(kept) == len(values) else [values[column] for column in kept]
            yield {**dict(zip(keys, chosen, strict=True)), names.STEP_KEY: step, "_timestamp": time}


def display_indexed_tables(result: RunResult) -> dict[str, list[tuple[str, float]]]:
    """The indexed metrics at the best step and of the test data: rows of index and value by summary key."""
    tables: dict[str, list[tuple[str, float]]] = {}
    for values in (result.best, result.test):
        for series, value in values.items():
            if series.index is not None:
                tables.setdefault(names.wandb_indexed_summary_key(series), []).append((series.index, value))
    return tables


def display_summary_values(summary: Summary) -> dict[str, float | int | str]:
    """Aggregates by keys such as ``best_loss/mean``, and what code they come from where it differs."""
    found: dict[str, float | int | str] = {
        names.wandb_status_count_key(Status.COMPLETED): summary.completed,
        **{names.wandb_status_count_key(Status(one)): count for one, count in summary.left_out.items()},
    }
    for name, value in summary.values.items():
        if isinstance(value, Aggregate):
            found |= {f"{name}/mean": value.mean, f"{name}/std": value.std, f"{name}/n": value.n}
            found |= {f"{name}/{field}": number for field, number in value.fields.items()}
    if summary.different_code:
        found[names.DIFFERENT_CODE_KEY] = summary.different_code
    return found
