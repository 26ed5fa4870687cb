"""legm's records in W&B's words: names that it allows, and values that people read."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from legm.core.naming import short_name
from legm.records import Aggregate, Configuration, Points, Run, RunResult, Series, Split, Summary

__all__ = [
    "STEP",
    "display_config",
    "group_name",
    "indexed_tables",
    "other_run_id",
    "own_config",
    "project_name",
    "rows",
    "summary_values",
]

STEP = "legm/step"
"""The key of a row's step; W&B's own step counts rows."""

_LONGEST = 1_000  # characters of a parameter's text for display
_RESERVED = re.compile(r"legm_|_|wandb_version$")


def project_name(experiment: str) -> str:
    """The project of an experiment: W&B refuses slashes, ``# ? % :`` and more than 128 characters."""
    return short_name(experiment, 100).replace("%", "_x25_").replace("#", "_x23_")


def group_name(configuration: Configuration) -> str:
    """The group of a configuration's runs: its readable name and a piece of its fingerprint."""
    piece = configuration.fingerprint[:15]
    name = short_name(configuration.name, 100) if configuration.name else ""
    return f"{name}-{piece}" if name else piece


def other_run_id(kind: str, *parts: str) -> str:
    """The id of the one run that holds what was computed over runs."""
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
    return f"{kind}-{digest[:24]}"


def display_config(configuration: Configuration, own: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that count and a run's own, as W&B shows and filters them."""
    values = {**{name: configuration.parameters[name] for name in configuration.active}, **own}
    return {
        f"param/{name}" if _RESERVED.match(name) or not name else name: _shown(value)
        for name, value in values.items()
    }


def own_config(run: Run, run_json: bytes) -> dict[str, Any]:
    """What legm itself finds a run by, and the run losslessly."""
    return {
        "legm_experiment": run.configuration.experiment,
        "legm_fingerprint": run.configuration.fingerprint,
        "legm_description": run.description,
        "legm_run": json.dumps(json.loads(run_json), separators=(",", ":")),
    }


def _shown(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[: _LONGEST - 1] + "…"
    if isinstance(value, (list, dict)):
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > _LONGEST or "NaN" in text or "Infinity" in text:
            return text[: _LONGEST - 1] + "…" if len(text) > _LONGEST else text
    return value


def rows(points: Points) -> Iterator[dict[str, Any]]:
    """A row of W&B's history for each row that has a metric which is not indexed, in their order."""
    names: dict[tuple[Series, ...], tuple[list[str], list[int]]] = {}
    for layout in points.layouts:
        kept = [place for place, series in enumerate(layout) if series.index is None]
        names[layout] = [f"{layout[i].split.value}/{layout[i].name}" for i in kept], kept
    for layout, step, time, values in points.rows():
        keys, kept = names[layout]
        if keys:
            chosen = values if len(kept) == len(values) else [values[place] for place in kept]
            yield {**dict(zip(keys, chosen, strict=True)), STEP: step, "_timestamp": time}


def indexed_tables(result: RunResult) -> dict[str, list[tuple[str, float]]]:
    """The indexed metrics at the best step and of the test data: by metric, rows of index and value."""
    tables: dict[str, list[tuple[str, float]]] = {}
    for values in (result.best, result.test):
        for series, value in values.items():
            if series.index is not None:
                split = "test" if series.split is Split.TEST else "best"
                tables.setdefault(f"{split}_{series.name}", []).append((series.index, value))
    return tables


def summary_values(summary: Summary) -> dict[str, float | int]:
    """Aggregates as numbers by ``best_loss/mean``."""
    found: dict[str, float | int] = {
        "runs/completed": summary.completed,
        "runs/failed": summary.failed,
        "runs/interrupted": summary.interrupted,
    }
    for name, value in summary.values.items():
        if isinstance(value, Aggregate):
            found |= {f"{name}/mean": value.mean, f"{name}/std": value.std, f"{name}/n": value.n}
            found |= {f"{name}/{field}": number for field, number in value.fields.items()}
    return found
