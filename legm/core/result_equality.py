"""Whether two results of a run are equal bit for bit, and if not, in which field."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from legm.core.plain_form import canonical_plain_text
from legm.records import Plain, Run, RunResult, Series

__all__ = ["RESULT_FIELDS", "RUN_FIELDS", "differing_result_fields", "float_equality_bits", "result_digests"]

RESULT_FIELDS: Mapping[str, Callable[[RunResult], Plain]] = {
    "run id": lambda result: result.run.run_id,
    "experiment": lambda result: result.run.configuration.experiment,
    "fingerprint": lambda result: result.run.configuration.fingerprint,
    "configuration's name": lambda result: result.run.configuration.name,
    "active parameters": lambda result: _active_result_parameters(result.run),
    "metadata": lambda result: {k: dict(v) for k, v in result.run.configuration.metadata.items()},
    "own parameters": lambda result: dict(result.run.parameters),
    "description": lambda result: result.run.description,
    "start": lambda result: result.run.started,
    "status": lambda result: result.status.value,
    "error": lambda result: result.error,
    "rule": lambda result: asdict(result.rule),
    "best step": lambda result: result.best_step,
    "best values": lambda result: _equality_bits_by_series(result.best),
    "steps used instead": lambda result: {str(s): step for s, step in result.best_steps.items()},
    "test values": lambda result: _equality_bits_by_series(result.test),
    "number of points": lambda result: result.points,
    "last step": lambda result: result.last_step,
    "steps": lambda result: {str(s): h.steps.tolist() for s, h in result.histories.items()},
    "values": lambda result: {
        str(s): float_equality_bits(h.values.tolist()) for s, h in result.histories.items()
    },
}
"""By name, each field of a run's result in a form that can be compared."""

RUN_FIELDS = frozenset(RESULT_FIELDS) - {"configuration's name", "metadata"}
"""The fields of the run itself; the others are the configuration's, as its first run recorded them."""


def result_digests(result: RunResult, fields: Collection[str] = RUN_FIELDS) -> dict[str, str]:
    """The SHA-256 digests of fields of a result, by name.

    Args:
        result: the result, with every dev series.
        fields: names in :data:`RESULT_FIELDS`.
    """
    return {
        name: hashlib.sha256(canonical_plain_text(RESULT_FIELDS[name](result)).encode()).hexdigest()
        for name in sorted(fields)
    }


def differing_result_fields(found: RunResult, expected: Mapping[str, str]) -> list[str]:
    """The names of the fields that differ from those of an earlier result.

    Args:
        found: the result.
        expected: what :func:`result_digests` returned for the earlier result.
    """
    own = result_digests(found, expected.keys())
    return [name for name in RESULT_FIELDS if name in expected and own[name] != expected[name]]


def float_equality_bits(values: Iterable[float]) -> list[str]:
    """The bytes of floats as hexadecimal texts; all NaN are equal."""
    return ["nan" if math.isnan(value) else struct.pack(">d", value).hex() for value in values]


def _equality_bits_by_series(values: Mapping[Series, float]) -> dict[str, str]:
    return dict(zip(map(str, values), float_equality_bits(values.values()), strict=True))


def _active_result_parameters(run: Run) -> dict[str, Any]:
    return {name: run.configuration.parameters[name] for name in run.configuration.active}
