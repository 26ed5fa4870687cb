"""The configuration of a booster of LightGBM as parameters, with LightGBM's defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from legm.integrations.lazy_classes import import_library_lazily, library_version
from legm.integrations.trainer_parameters import TrainerParameters

__all__ = ["lightgbm_booster_parameters"]

_LINE = re.compile(r"^\[(\w+): (.*)\]$", re.MULTILINE)
_UNCOMPARED = (
    *(
        "verbosity",
        "metric",
        "seed",
        "num_threads",
        "device_type",
        "data",
        "valid",
        "machines",
        "num_machines",
    ),
    *(
        "local_listen_port",
        "time_out",
        "machine_list_filename",
        "gpu_platform_id",
        "gpu_device_id",
        "num_gpu",
    ),
    *(
        "gpu_device_id_list",
        "saved_feature_importance_type",
        "force_col_wise",
        "force_row_wise",
        "pre_partition",
    ),
    *("histogram_pool_size", "two_round"),
)
"""What says how to compute and report, and not what to train."""


def lightgbm_booster_parameters(booster: Any, env: Any, arguments: Mapping[str, Any]) -> TrainerParameters:
    """The parameters of a training.

    Args:
        booster: that is trained.
        env: what LightGBM passes to callbacks.
        arguments: of ``lightgbm.train`` or ``cv``, by name.
    """
    lightgbm = import_library_lazily("lightgbm", "lightgbm", "LegmCallback")
    names_of = getattr(getattr(lightgbm.basic, "_ConfigAliases", None), "get", lambda name: {name})
    values = {}
    for name, text in _lightgbm_configured(booster).items():
        given = next((env.params[one] for one in names_of(name) if one in env.params), None)
        if given is None and name.endswith("_seed"):
            continue  # LightGBM derives it from the seed
        # The configuration has six digits of a number.
        is_cut = isinstance(given, float) and f"{given:.6g}" == text
        values[name] = given if is_cut else _lightgbm_parsed(text)
    values["num_iterations"] = env.end_iteration - env.begin_iteration
    for name in ("nfold", "stratified"):
        if name in arguments:
            values[name] = arguments[name]
    usual = {
        name: _lightgbm_parsed(text)
        for name, text in _default_lightgbm_configuration(lightgbm, env.params).items()
    }
    del usual["num_iterations"]
    for callback in arguments["callbacks_set"] if arguments else ():
        if (rounds := getattr(callback, "stopping_rounds", None)) is not None:
            values["early_stopping_round"] = rounds
    return TrainerParameters(values, usual, library_version("lightgbm"), _UNCOMPARED)


def _lightgbm_configured(booster: Any) -> dict[str, str]:
    _, _, text = booster.model_to_string(num_iteration=1).partition("\nparameters:\n")
    return dict(_LINE.findall(text))


def _default_lightgbm_configuration(lightgbm: Any, given: Mapping[str, Any]) -> dict[str, str]:
    """What a booster has that was given nothing, but as many classes as the training has."""
    import numpy as np

    shape = {"verbosity": -1, "num_threads": 1}
    data = {"data": np.arange(4.0).reshape(4, 1), "label": [0, 1, 0, 1]}
    found = _lightgbm_configured(lightgbm.Booster(shape, lightgbm.Dataset(**data)))
    loudness = next((given[one] for one in ("verbosity", "verbose") if one in given), 1)
    shape |= {"verbosity": loudness, "min_data_in_bin": 1, "min_data_in_leaf": 1}
    lightgbm.Dataset(**data, params=shape).construct()  # the level of LightGBM's messages is the process's
    return found


def _lightgbm_parsed(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
