"""The arguments of an algorithm of Stable-Baselines3 and its environment, as parameters."""

from __future__ import annotations

import inspect
from typing import Any

from legm.integrations.lazy_classes import library_version
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters

__all__ = ["stable_baselines_model_parameters"]

_OF_THE_PROCESS = {
    "self",
    "env",
    "policy",
    "verbose",
    "tensorboard_log",
    "_init_setup_model",
    "monitor_wrapper",
}


_SEEDS = "env.seed"
_MOST_SEEDS = 2**32
"""Seeds that a user or Stable-Baselines3 gives are below; Gymnasium's own ones have 128 bits."""


def stable_baselines_model_parameters(model: Any, timesteps: int | None) -> TrainerParameters:
    """The parameters of a training.

    Args:
        model: of any algorithm.
        timesteps: how many it is trained for.
    """
    algorithm = type(model).__name__  # in front, since each has other defaults
    values: dict[str, Any] = {
        "algorithm": algorithm,
        "total_timesteps": timesteps,
        **_model_environment(model),
    }
    defaults: dict[str, Any] = {}
    for name, argument in inspect.signature(type(model).__init__).parameters.items():
        if name in _OF_THE_PROCESS or not hasattr(model, name):
            continue
        value, default = _given_model_value(getattr(model, name)), _given_model_value(argument.default)
        if name == "policy_kwargs":
            value = {one: given for one, given in (value or {}).items() if one != "use_sde"}  # given twice
        if default is None and (isinstance(value, type) or value == {}):
            continue  # the model has chosen it
        if name in {"seed", "device"}:
            values[name] = value if name == "seed" else str(value)
            continue
        values |= flat_parameters({name: value}, f"{algorithm}.")
        if argument.default is not argument.empty:
            defaults[f"{algorithm}.{name}"] = default
    policy = getattr(model, "policy_class", None)
    aliases = [name for name, one in getattr(model, "policy_aliases", {}).items() if one is policy]
    values["policy"] = aliases[0] if aliases else getattr(policy, "__name__", None)
    uncompared = ("seed", _SEEDS, "device", f"{algorithm}.stats_window_size")
    return TrainerParameters(values, defaults, library_version("stable_baselines3"), uncompared)


def _given_model_value(value: Any) -> Any:
    """A value as it was given: the model makes schedules of numbers, and tuples of frequencies."""
    schedule = getattr(value, "value_schedule", value)
    constant = getattr(schedule, "val", None)
    if isinstance(constant, (int, float)):
        return constant
    if (
        callable(schedule)
        and not isinstance(schedule, type)
        and hasattr(schedule, "__dict__")
        and vars(schedule)
    ):
        return {"schedule": type(schedule).__name__, **vars(schedule)}
    if hasattr(value, "frequency") and hasattr(value, "unit"):
        unit = getattr(value.unit, "value", value.unit)
        return value.frequency if unit == "step" else [value.frequency, unit]
    return value


def _model_environment(model: Any) -> dict[str, Any]:
    """The environment's id with its arguments, or its class, and how many there are."""
    environment = model.get_env()
    if environment is None:
        return {}
    found: dict[str, Any] = {"n_envs": environment.num_envs}
    try:
        (spec, *_), inners = environment.get_attr("spec"), environment.get_attr("unwrapped")
    except AttributeError:  # an environment that makes its own vector
        spec, inners = None, [environment]
    inner, *_ = inners
    seeds = [getattr(one, "np_random_seed", None) for one in inners]
    if all(isinstance(one, int) and 0 <= one < _MOST_SEEDS for one in seeds):
        found[_SEEDS] = seeds
    found["env"] = getattr(spec, "id", None) or type(inner).__name__
    arguments = getattr(spec, "kwargs", None) or {}
    found |= flat_parameters(
        {name: value for name, value in arguments.items() if name != "render_mode"}, "env."
    )
    return found
