"""The configuration of a booster of XGBoost as parameters, with XGBoost's defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from legm.integrations.lazy_classes import import_library_lazily, library_version
from legm.integrations.trainer_parameters import TrainerParameters

__all__ = ["xgboost_booster_parameters"]

_ALIASES = {"eta", "alpha", "lambda", "min_split_loss", "n_jobs", "random_state", "updater_seq"}
"""What the configuration has under a second name too: learning_rate, reg_alpha, reg_lambda, gamma, …"""
_OF_THE_DATA = {"num_feature", "num_target", "num_trees"}
_UNCOMPARED = ("nthread", "device", "seed", "validate_parameters", "fail_on_invalid_gpu_id", "eval_metric")
_ARGUMENTS = ("num_boost_round", "early_stopping_rounds", "nfold", "stratified", "obj", "custom_metric")
"""Arguments of the training that are hyperparameters, beside those of the booster."""
_FLOAT32_DIGITS = 9
"""XGBoost writes as many for a number of 32 bits, and more for one of 64."""


def xgboost_booster_parameters(booster: Any, arguments: Mapping[str, Any]) -> TrainerParameters:
    """The parameters of a training.

    Args:
        booster: configured, before its first round.
        arguments: of ``xgboost.train`` or ``cv``, by name.
    """
    xgboost = import_library_lazily("xgboost", "xgboost", "LegmCallback")
    values = dict(_xgboost_configured(booster))
    with ThreadPoolExecutor(1) as other_thread:  # a new booster sets the state of its thread's random numbers
        of_kind = other_thread.submit(_default_xgboost_configuration, xgboost, values).result()
        usual = {**of_kind, **other_thread.submit(_default_xgboost_configuration, xgboost, {}).result()}
    for name in _ARGUMENTS:
        if (value := arguments.get(name)) is not None and value is not False:
            values[name] = value
    for callback in arguments.get("callbacks") or ():
        if isinstance(callback, xgboost.callback.EarlyStopping):
            values["early_stopping_rounds"] = callback.rounds
    return TrainerParameters(values, usual, library_version("xgboost"), _UNCOMPARED)


def _default_xgboost_configuration(xgboost: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a booster has that was given nothing, or only what decides which parameters there are."""
    given = {
        name: values[name] for name in ("booster", "objective", "num_class", "tree_method") if name in values
    }
    if given.get("num_class") == 0:
        del given["num_class"]
    data = xgboost.DMatrix([[0.0]], label=[0.0], nthread=1)
    try:
        usual = dict(
            _xgboost_configured(xgboost.Booster({**given, "nthread": 1, "verbosity": 0}, cache=[data]))
        )
    except xgboost.core.XGBoostError:  # an objective that takes more than a label
        return {}
    return {name: value for name, value in usual.items() if name not in given and name != "nthread"}


def _xgboost_configured(booster: Any) -> Iterator[tuple[str, Any]]:
    learner = json.loads(booster.save_config())["learner"]
    metrics = [one["name"] for one in learner.pop("metrics", ())]
    yield from _xgboost_in_groups(learner)
    if metrics:
        yield "eval_metric", metrics


def _xgboost_in_groups(group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parameters of a group and the groups in it; a group's own name and state are none."""
    for name, value in group.items():
        for inner in value if isinstance(value, list) else [value]:
            if not isinstance(inner, dict):
                continue
            if name.endswith("_param"):
                yield from (
                    (one, _xgboost_parsed(text))
                    for one, text in inner.items()
                    if one not in _ALIASES and one not in _OF_THE_DATA and isinstance(text, str)
                )
            else:
                yield from _xgboost_in_groups(inner)


def _xgboost_parsed(text: str) -> Any:
    """A number as it was given: 0.1, and not 0.100000001, which is that of 32 bits."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") and "," not in text else text
    try:
        return int(bare)
    except ValueError:
        pass
    try:
        value = float(bare)
    except ValueError:
        return text
    digits = bare.lower().partition("e")[0].lstrip("-0.").replace(".", "")
    if len(digits) != _FLOAT32_DIGITS:
        return value
    import numpy as np

    return float(str(np.float32(value)))
