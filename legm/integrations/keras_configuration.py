"""The configuration of a compiled Keras model and of its optimizer, as parameters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from legm.integrations.lazy_classes import library_version
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters

__all__ = ["keras_model_parameters"]

log = logging.getLogger(__name__)

_UNCOMPARED = ("metrics", "weighted_metrics", "run_eagerly", "jit_compile")


def keras_model_parameters(model: Any, fit: Mapping[str, Any]) -> TrainerParameters:
    """What distinguishes trainings of a compiled model, with the optimizer's defaults.

    Args:
        model: of Keras.
        fit: what ``fit`` passes to its callbacks: epochs and steps.
    """
    values = {name: fit.get(name) for name in ("epochs", "steps")}
    values["model.layers"] = [type(layer).__name__ for layer in model.layers]
    if model.built:
        values["model.parameters"] = model.count_params()
    compiled = dict(model.get_compile_config() or {})
    compiled.pop("optimizer", None)
    values |= flat_parameters(_keras_typed_numbers(compiled))
    defaults: dict[str, Any] = {"steps_per_execution": 1}
    if (optimizer := getattr(model, "optimizer", None)) is not None:
        values |= {"optimizer": type(optimizer).__name__, **_keras_optimizer_values(optimizer)}
        try:
            defaults |= _keras_optimizer_values(type(optimizer)())
        except (TypeError, ValueError):  # it has arguments without a default
            log.debug("%s has no default configuration", type(optimizer).__name__)
    return TrainerParameters(values, defaults, library_version("keras"), _UNCOMPARED)


def _keras_optimizer_values(optimizer: Any) -> dict[str, Any]:
    """The configuration of an optimizer, but for its name, in which Keras counts them."""
    config = {name: value for name, value in optimizer.get_config().items() if name != "name"}
    return flat_parameters(_keras_typed_numbers(config), "optimizer.")


def _keras_typed_numbers(value: Any) -> Any:
    """A configuration with the numbers as they were typed: 0.01, which is 0.009999999776 in 32 bits."""
    import numpy as np

    if isinstance(value, Mapping):
        return {name: _keras_typed_numbers(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_keras_typed_numbers(one) for one in value]
    if isinstance(value, float) and float(np.float32(value)) == value:
        return float(str(np.float32(value)))
    return value
