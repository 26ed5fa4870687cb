"""The arguments of a training with transformers and the model's configuration, as parameters."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from legm.integrations.calling_frames import find_in_calling_frames
from legm.integrations.lazy_classes import library_version
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters

__all__ = ["is_transformers_trial_pruned", "transformers_parameters"]

_UNCOMPARED = ("output_dir", "seed", "data_seed", "report_to", "run_name", "project", "use_cpu", "local_rank")
_UNCOMPARED_GROUPS = (
    *("logging_", "log_", "save_", "hub_", "push_to_hub", "trackio_", "disable_tqdm", "ddp_timeout", "debug"),
    *("dataloader_num_workers", "dataloader_p", "dataloader_multiprocessing", "skip_memory_metrics", "do_"),
    *("resume_from_checkpoint", "restore_callback_states", "ignore_data_skip", "overwrite_output_dir"),
    *("include_num_input", "_n_gpu", "enable_jit_checkpoint"),
    *("model.transformers_version", "model.problem_type", "model.use_cache"),  # the last two by the training
)
"""What arguments begin with that say where and how to report, save and load, and not what to train."""


def transformers_parameters(args: Any, model: Any) -> TrainerParameters:
    """The training arguments and the configurations of the model, with the defaults of the library.

    Args:
        args: the ``TrainingArguments``, or what is derived of them.
        model: the model; one without a configuration adds none.
    """
    arguments = args.to_dict()
    groups = [("", arguments, _default_transformers_arguments(args, arguments))]
    config = getattr(model, "config", None)
    adapters = (getattr(model, "peft_config", None) or {}).values()
    for prefix, one in (("model.", config), *(("peft.", adapter) for adapter in adapters)):
        if hasattr(one, "to_dict"):
            groups.append((prefix, one.to_dict(), _default_transformers_config(type(one))))
    values: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for prefix, given, default in groups:
        values |= flat_parameters(given, prefix)
        defaults |= flat_parameters(default, prefix)
    if "model.architectures" in values:  # None until the model is saved, as is the type of its weights
        values["model.architectures"] = [type(model).__name__]
        values["model.dtype"] = str(getattr(model, "dtype", None))
        defaults["model.dtype"] = "torch.float32"
    uncompared = [name for name in values if name in _UNCOMPARED or name.startswith(_UNCOMPARED_GROUPS)]
    return TrainerParameters(values, defaults, library_version("transformers"), uncompared)


def _default_transformers_arguments(args: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The declared defaults: to make other arguments would reset accelerate within the training."""
    defaults = {}
    for field in dataclasses.fields(args):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        given, value = getattr(args, field.name, None), values.get(field.name)
        if default is None and value is False:  # the arguments make False of it
            default = False
        elif default is None and dataclasses.is_dataclass(given) and isinstance(value, Mapping):
            default = _default_transformers_config(type(given))
        if default is not dataclasses.MISSING:
            defaults[field.name] = default.value if isinstance(default, enum.Enum) else default
    return defaults


def _default_transformers_config(kind: Any) -> dict[str, Any]:
    """The configuration of a kind without arguments; nothing where it cannot be made."""
    try:
        config: dict[str, Any] = kind().to_dict()
    except (TypeError, ValueError, AttributeError):
        return {}
    return config


def is_transformers_trial_pruned() -> bool:
    """Whether the trainer ends since its search of hyperparameters prunes a trial, which it tells nobody."""
    return find_in_calling_frames(_pruned_transformers_trial_among) is not None


def _pruned_transformers_trial_among(variables: Mapping[str, Any]) -> Any:
    """The trial, of the function that imports Optuna to report a step's metrics to it."""
    trial = variables.get("trial") if {"optuna", "metrics", "step"} <= variables.keys() else None
    return trial if hasattr(trial, "should_prune") else None
