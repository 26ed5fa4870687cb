"""Values that do not count because of a parent or an absent value: runs of one configuration differ in them.

A configuration that is stored has those of its first run. What another run set is in its log, and from its
first amendment on among its own parameters, so that a value that counts later is the run's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from legm.core.absent_values import has_absent_value
from legm.core.parameters import Parameters
from legm.core.plain_form import canonical_plain_text
from legm.errors import ParameterError
from legm.records import Configuration, Plain

__all__ = [
    "inactive_parameters",
    "own_inactive_values",
    "with_inactive_parameters_of",
    "with_own_inactive_values",
]


def inactive_parameters(configuration: Configuration) -> frozenset[str]:
    """The parameters whose values do not count because of a parent or an absent value."""
    active = {*configuration.active}
    return frozenset(
        name
        for name, about in configuration.metadata.items()
        if name in configuration.parameters
        and name not in active
        and not (about.get("disable_comparison") or about.get("credential"))
        and (about.get("parents") or has_absent_value(configuration, name))
    )


def with_own_inactive_values(configuration: Configuration, own: Mapping[str, Plain]) -> Configuration:
    """A run's configuration with the values that the run itself has of parameters that do not count.

    Args:
        configuration: what the run is of.
        own: the run's own parameters.
    """
    values = {name: own[name] for name in inactive_parameters(configuration) if name in own}
    if not values:
        return configuration
    return replace(configuration, parameters={**configuration.parameters, **values})


def own_inactive_values(run: Configuration, stored: Configuration) -> dict[str, Plain]:
    """The values of parameters that do not count in which a run differs from what is stored for it.

    Args:
        run: the run's configuration with its own values.
        stored: the same configuration, as it is stored for several runs.

    Returns:
        by parameter; None for one that the run does not have, which equals an absent one.
    """
    own = {name: run.parameters[name] for name in inactive_parameters(run)}
    missing = dict.fromkeys(inactive_parameters(stored) - run.parameters.keys())
    differing = {
        name: value
        for name, value in own.items()
        if name not in stored.parameters
        or canonical_plain_text(stored.parameters[name]) != canonical_plain_text(value)
    }
    return {**differing, **missing}


def with_inactive_parameters_of(
    configuration: Configuration, others: Iterable[Configuration]
) -> Configuration:
    """A configuration with the parameters that do not count and that only others, equal to it, have."""
    values, metadata = {**configuration.parameters}, {**configuration.metadata}
    for other in others:
        for name in inactive_parameters(other) - values.keys():
            values[name], metadata[name] = other.parameters[name], other.metadata[name]
    if len(values) == len(configuration.parameters):
        return configuration
    parameters = Parameters()
    try:
        parameters.restore(replace(configuration, parameters=values, metadata=metadata))
        found = parameters.configuration(configuration.experiment)
    except ParameterError:  # what was recorded of a function holds for another value
        return configuration
    return found if found.fingerprint == configuration.fingerprint else configuration
