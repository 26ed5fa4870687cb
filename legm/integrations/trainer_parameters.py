"""What a trainer's configuration becomes: parameters by name, of which a library's defaults do not count."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from legm.errors import ParameterError, UnstableValue

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["TrainerParameters", "flat_parameters", "set_trainer_parameters"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainerParameters:
    """The hyperparameters that an integration reads from a trainer.

    Args:
        values: by name, as :func:`flat_parameters` returns them.
        defaults: by name, the value that the library uses where the user gives none. A parameter with it is
            inactive, so that a release with more parameters makes no other configuration. Where a release
            changes a default, the value counts, which is logged.
        library: the library with its version.
        uncompared: names of parameters that only distinguish runs: seeds, output folders, names of runs. What
            looks like one of these is not compared anyway.
        compared: names of parameters that count, whatever they look like.
        names: those that are in the configuration's name where they are compared, with their metadata.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    library: str = ""
    uncompared: Iterable[str] = ()
    compared: Iterable[str] = ()
    names: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def flat_parameters(config: Any, prefix: str = "") -> dict[str, Any]:
    """The parameters in a configuration object, nested ones with joined names such as ``model.depth``.

    Args:
        config: a mapping, dataclass, attrs class, pydantic model, OmegaConf container or namespace.
        prefix: comes before each name, as ``model.``.

    Raises:
        ParameterError: it is none of these, or has a value that is missing.
    """
    from legm.core.config_objects import parameters_from_config

    if isinstance(config, Mapping):
        config = {str(name): value for name, value in config.items()}
    try:
        values = parameters_from_config(
            "the trainer's configuration", config, flatten=True, with_class_names=True
        )
    except UnstableValue:
        raise
    except ParameterError:  # two joined names are equal
        values = parameters_from_config("the trainer's configuration", config)
    return {f"{prefix}{name}": value for name, value in values.items()}


def set_trainer_parameters(
    handler: ExperimentHandler, parameters: TrainerParameters, metadata: Mapping[str, Mapping[str, Any]]
) -> None:
    """Set a trainer's parameters, and exclude from the comparison what only distinguishes runs.

    Args:
        handler: it has not been started.
        parameters: of the trainer.
        metadata: of the user, which takes precedence.

    Raises:
        ParameterError: a name or the metadata is invalid.
    """
    from legm.core.absent_values import LibraryDefault
    from legm.core.plain_form import parameter_to_plain

    given = {_unreserved_trainer_parameter(name): value for name, value in parameters.values.items()}
    kept = handler.kept_absent_values()
    defaults = {}
    for name, default in parameters.defaults.items():
        if (own := _unreserved_trainer_parameter(name)) in given:
            try:
                plain = parameter_to_plain(own, default)
            except UnstableValue:  # it equals no other value
                continue
            defaults[own] = default
            given[own] = _counted_trainer_value(own, given[own], kept.get(own, plain))
    handler.set_dict_params(given)
    fields: dict[str, dict[str, Any]] = {
        name: {"absent_value": LibraryDefault(default, parameters.library)}
        for name, default in defaults.items()
    }
    for names, is_disabled in ((parameters.compared, False), (parameters.uncompared, True)):
        for name in map(_unreserved_trainer_parameter, names):
            if name in given:
                fields.setdefault(name, {})["disable_comparison"] = is_disabled
    for name, own_fields in metadata.items():
        fields[name] = {**fields.get(name, {}), **own_fields}
    handler.set_param_metadata(fields)
    inferred = handler.infer_metadata()
    left_out = {*inferred, *map(_unreserved_trainer_parameter, parameters.uncompared), *metadata}
    named = {_unreserved_trainer_parameter(name): own_fields for name, own_fields in parameters.names.items()}
    handler.set_param_metadata(
        {name: named[name] for name in named if name in given and name not in left_out}
    )


def _unreserved_trainer_parameter(name: str) -> str:
    """A parameter's name, with an underscore behind it where the handler has a method of that name."""
    from legm.handler import ExperimentHandler

    return f"{name}_" if hasattr(ExperimentHandler, name) else name


def _counted_trainer_value(name: str, value: Any, default: Any) -> Any:
    """A library's value; None and False are texts, which count, where the default is another value."""
    from legm.core.absent_values import equals_absent_value
    from legm.core.plain_form import parameter_to_plain

    if value is None or value is False:
        return value if equals_absent_value(parameter_to_plain(name, value), default) else str(value)
    return value
