"""legm's records as W&B shows them: config, history rows, tables and summary values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from legm.backends.wandb import names
from legm.records import Aggregate, Configuration, Points, Run, RunResult, Series, Status, Summary

__all__ = [
    "display_config",
    "display_history_rows",
    "display_native_config",
    "display_summary_values",
    "indexed_tables",
]

_LONGEST_VALUE = 1_000  # characters of a parameter's text


def display_config(configuration: Configuration, own: Mapping[str, Any]) -> dict[str, Any]:
    """The active parameters and a run's own, as W&B shows and filters them."""
    values = {**{name: configuration.parameters[name] for name in configuration.active}, **own}
    return {names.config_key(name): _display_value(value) for name, value in values.items()}


def display_native_config(run: Run, run_json: bytes) -> dict[str, Any]:
    """The config keys by which legm itself finds a run, and the whole run as JSON."""
    return {
        names.EXPERIMENT_KEY: run.configuration.experiment,
        names.FINGERPRINT_KEY: run.configuration.fingerprint,
        names.DESCRIPTION_KEY: run.description,
        names.RUN_KEY: json.dumps(json.loads(run_json), separators=(",", ":")),
    }


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


def display_history_rows(points: Points) -> Iterator[dict[str, Any]]:
    """A row of W&B's history for each row with at least one metric that is not indexed, in order."""
    kept_by_layout: dict[tuple[Series, ...], tuple[list[str], list[int]]] = {}
    for layout in points.layouts:
        kept = [column for column, series in enumerate(layout) if series.index is None]
        kept_by_layout[layout] = [names.history_key(layout[column]) for column in kept], kept
    for layout, step, time, values in points.rows():
        keys, kept = kept_by_layout[layout]
        if keys:
            chosen = values if len(kept) == len(values) else [values[column] for column in kept]
            yield {**dict(zip(keys, chosen, strict=True)), names.STEP_KEY: step, "_timestamp": time}


def indexed_tables(result: RunResult) -> dict[str, list[tuple[str, float]]]:
    """The indexed metrics at the best step and of the test data: rows of index and value by summary key."""
    tables: dict[str, list[tuple[str, float]]] = {}
    for values in (result.best, result.test):
        for series, value in values.items():
            if series.index is not None:
                tables.setdefault(names.indexed_summary_key(series), []).append((series.index, value))
    return tables


def display_summary_values(summary: Summary) -> dict[str, float | int]:
    """Aggregates as numbers by keys such as ``best_loss/mean``."""
    found: dict[str, float | int] = {
        names.wandb_status_count_key(Status.COMPLETED): summary.completed,
        **{names.wandb_status_count_key(Status(one)): count for one, count in summary.left_out.items()},
    }
    for name, value in summary.values.items():
        if isinstance(value, Aggregate):
            found |= {f"{name}/mean": value.mean, f"{name}/std": value.std, f"{name}/n": value.n}
            found |= {f"{name}/{field}": number for field, number in value.fields.items()}
    return found
