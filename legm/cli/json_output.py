"""What commands print for a program: JSON, of which the names and forms are public.

The names in it are those that people read, as in tables: ``org/net``. Paths are as they are in the file
system, where a slash in a name is ``_x2f_``.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from legm.cli.printing import printed_series, say

if TYPE_CHECKING:
    from legm.records import Aggregate, Configuration, RunResult, Series

__all__ = [
    "json_aggregate",
    "json_configuration",
    "json_run",
    "json_value",
    "print_json",
    "print_json_of_many",
]


def json_value(value: Any) -> Any:
    """A value with NaN and infinities as text, since JSON does not have them."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: json_value(item) for key, item in value.items()}
    return [json_value(item) for item in value] if isinstance(value, (list, tuple)) else value


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    say(json.dumps(json_value(value), indent=2))


def print_json_of_many(name: str, items: Iterable[Any], rest: Mapping[str, Any]) -> None:
    """Print an object as :func:`print_json` does, of which one list may be too long for the memory.

    Args:
        name: the name of the list, which comes first.
        items: what is in it, made one at a time.
        rest: the object's other values, of which there is at least one.
    """
    texts = (textwrap.indent(json.dumps(json_value(one), indent=2), " " * 4) for one in items)
    before = next(texts, None)
    say(f'{{\n  "{name}": [' + ("]," if before is None else ""))
    if before is not None:
        for text in texts:
            say(f"{before},")
            before = text
        say(f"{before}\n  ],")
    say(json.dumps(json_value(rest), indent=2).removeprefix("{\n"))


def json_configuration(found: Configuration | None) -> dict[str, Any]:
    """What identifies a configuration, with its name as people read it; None for all if it cannot be read."""
    from legm.core.naming import readable_name  # ls needs it for JSON alone

    return {
        "experiment": found.experiment if found else None,
        "name": readable_name(found.name) if found else None,
        "fingerprint": found.fingerprint if found else None,
        "parameters": found.parameters if found else None,
        "active": list(found.active) if found else None,
    }


def json_aggregate(value: Aggregate) -> dict[str, Any]:
    """An aggregate with its method's own fields."""
    own = {"mean": value.mean, "std": value.std, "n": value.n, "nan": value.nan, "method": value.method}
    return {**own, **value.fields}


def json_run(result: RunResult) -> dict[str, Any]:
    """A run without its series."""
    return {
        "run_id": result.run.run_id,
        "status": result.status.value,
        "description": result.run.description,
        "started": result.run.started,
        "ended": result.ended,
        "points": result.points,
        "last_step": result.last_step,
        "best_step": result.best_step,
        "best": _json_values_by_series(result.best),
        "test": _json_values_by_series(result.test),
        "parameters": result.run.parameters,
        "error": result.error,
        "rule": asdict(result.rule),
        "tags": list(result.marks.tags),
        "note": result.marks.note,
    }


def _json_values_by_series(values: Mapping[Series, float]) -> dict[str, float]:
    return {printed_series(series): value for series, value in values.items()}
