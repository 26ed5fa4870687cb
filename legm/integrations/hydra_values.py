"""The values in the configuration of a Hydra job, and which of them are others in another job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from legm.errors import UnstableValue

__all__ = ["hydra_values", "values_that_differ_by_job"]

_OF_JOB = re.compile(r"\$\{\s*(now|hydra):(?!runtime\.choices|job\.(config_)?name)")
"""Interpolations that differ by job."""


def hydra_values(config: Any, prefix: str, missing: list[str]) -> dict[str, Any]:
    """The resolved values of a configuration, nested as it is.

    Args:
        config: the configuration, or a part of it.
        prefix: comes before each name.
        missing: gets the full names of those that have no value.

    Raises:
        UnstableValue: an interpolation cannot be resolved.
    """
    from omegaconf import DictConfig
    from omegaconf.errors import (
        InterpolationToMissingValueError,
        MissingMandatoryValue,
        OmegaConfBaseException,
    )

    found: dict[str, Any] = {}
    for key in config:
        name = f"{prefix}{key}"
        try:
            value = config[key]
        except (MissingMandatoryValue, InterpolationToMissingValueError):
            missing.append(name)
            continue
        except OmegaConfBaseException as error:
            reason = str(error).partition("\n")[0]
            raise UnstableValue(f"{name!r} of the configuration cannot be resolved: {reason}") from error
        is_nested = isinstance(value, DictConfig)
        found[str(key)] = hydra_values(value, f"{name}.", missing) if is_nested else value
    return found


def values_that_differ_by_job(config: Any) -> set[str]:
    """The parameters that are interpolated from the time or the job, directly or from others that are.

    They are those that are different, or that cannot be resolved, when each interpolation of the time or the
    job has another result.

    Args:
        config: the configuration that the job got.
    """
    from omegaconf import OmegaConf

    raw = OmegaConf.to_container(config, resolve=False)
    other = _with_another_job(raw)
    if other == raw:
        return set()
    before, after = (dict(_resolved_texts(OmegaConf.create(one))) for one in (raw, other))
    return {name for name in before if before[name] != after.get(name)}


def _with_another_job(raw: Any) -> Any:
    """An unresolved configuration with a text for each value that names the time or the job."""
    if isinstance(raw, dict):
        return {key: _with_another_job(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_with_another_job(value) for value in raw]
    return "of another job" if isinstance(raw, str) and _OF_JOB.search(raw) else raw


def _resolved_texts(config: Any, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """The resolved values of a configuration as texts, by full name; None for what cannot be resolved."""
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for key in config:
        name = f"{prefix}{key}"
        try:
            value = config[key]
            if isinstance(value, DictConfig):
                yield from _resolved_texts(value, f"{name}.")
                continue
            is_nested = OmegaConf.is_config(value)
            yield name, repr(OmegaConf.to_container(value, resolve=True) if is_nested else value)
        except OmegaConfBaseException:
            yield name, None
