"""What legm takes from the configuration of a Hydra job: parameters, what its overrides name, its folders."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from legm.errors import ParameterError
from legm.integrations.hydra_names import hydra_groups, hydra_named_parameters
from legm.integrations.hydra_values import hydra_values, values_that_differ_by_job
from legm.integrations.lazy_classes import import_library_lazily
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters

__all__ = [
    "hydra_callback",
    "hydra_job_parameters",
    "hydra_launch_path",
    "hydra_returned_metrics",
    "hydra_settings",
    "task_configuration",
]

log = logging.getLogger(__name__)

_JOB, _OUTPUT = "hydra_job", "hydra_output_dir"  # parameters that are not compared


def hydra_settings() -> Any:
    """Hydra's own part of the job's configuration; None outside of a job."""
    config = import_library_lazily(
        "hydra.core.hydra_config", "hydra-core", "legm.integrations.hydra"
    ).HydraConfig
    return config.get() if config.initialized() else None


def hydra_launch_path(path: str | os.PathLike[str]) -> str:
    """A path as it was where Hydra was launched: a job may be in another folder (``hydra.job.chdir``)."""
    settings = hydra_settings()
    return os.path.abspath(path if settings is None else os.path.join(settings.runtime.cwd, path))  # noqa: PTH100, PTH118


def hydra_job_parameters(config: Any) -> TrainerParameters:
    """The parameters of a job, nested ones with joined names.

    Its overrides are in the configuration's name; of a chosen group that is the name of the choice. Not
    compared are the job's number and output folder, what is derived from these or from the time, and the
    choices of groups, of which the parameters are compared. What has no value (``???``) is left out.

    Args:
        config: the ``cfg`` that Hydra passes to the job.

    Raises:
        ParameterError: it is not a configuration of names and values.
        UnstableValue: an interpolation cannot be resolved.
    """
    omegaconf = import_library_lazily("omegaconf", "hydra-core", "legm.integrations.hydra")
    if not isinstance(config, omegaconf.DictConfig):
        raise ParameterError(f"the configuration of a job is a DictConfig, not {type(config).__qualname__}")
    missing: list[str] = []
    values = flat_parameters(hydra_values(config, "", missing))
    if missing:
        log.warning("without a value, only '???', and so no parameter: %s", ", ".join(sorted(missing)))
    uncompared = values_that_differ_by_job(config)
    settings = hydra_settings()
    if settings is None:
        return TrainerParameters(values, uncompared=uncompared)
    select = omegaconf.OmegaConf.select
    output, number = select(settings, "runtime.output_dir"), select(settings, "job.num")
    uncompared |= {name for name, value in values.items() if output and output in str(value)}
    choices = hydra_groups(settings)
    own = {name: choice for name, choice in choices.items() if name not in values}
    own |= {_OUTPUT: output} | ({} if number is None else {_JOB: number})
    names = hydra_named_parameters(settings, values, choices)
    return TrainerParameters({**values, **own}, uncompared=uncompared | {*own}, names=names)


def task_configuration(config: Any) -> Any:
    """A copy of a whole configuration without Hydra's own part, as the job gets it."""
    from omegaconf import open_dict, read_write

    task = copy.deepcopy(config)
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task


def hydra_callback(config: Any, kind: type) -> Any:
    """A callback as the job's own configuration makes it; None where it has none of the class, or several.

    Args:
        config: the whole configuration.
        kind: the class.
    """
    from hydra.utils import instantiate

    target = f"{kind.__module__}.{kind.__qualname__}"
    known = [one for one in config.hydra.callbacks.values() if one and one.get("_target_") == target]
    return instantiate(known[0]) if len(known) == 1 else None


def hydra_returned_metrics(returned: Any, names: Sequence[str] | None) -> dict[str, Any]:
    """What a job returned as metrics by name; without names, only what is a number counts.

    Args:
        returned: a number, several in a sequence, or a mapping; anything else is left out.
        names: of a number, or of those in a sequence.
    """
    if returned is None:
        return {}
    if isinstance(returned, Mapping):
        found = {str(name): value for name, value in returned.items()}
    else:
        values = [*returned] if isinstance(returned, (list, tuple)) else [returned]
        default = ["value"] if len(values) == 1 else [f"value_{index}" for index in range(len(values))]
        found = dict(zip(names or default, values, strict=False))
    return found if names else {name: value for name, value in found.items() if _is_hydra_number(value)}


def _is_hydra_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, bool)
