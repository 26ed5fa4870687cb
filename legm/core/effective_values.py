"""The values that configurations have of their parameters, also where a parameter equals its absent value.

A parameter with its absent value, such as a library's default, is inactive, and one that did not exist yet is
absent. Both have a value all the same, which outputs show and selections meet: by this module alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from legm.core.missing import MISSING
from legm.records import Configuration, Plain

__all__ = [
    "EffectiveValues",
    "ineffective_value_note",
    "own_effective_values",
    "parameters_with_absent_value",
]


class EffectiveValues:
    """The values of parameters in configurations, of which each may say what is absent in the others.

    Args:
        configurations: all that are looked at together; also of several experiments.
    """

    def __init__(self, configurations: Iterable[Configuration]) -> None:
        self._configurations = list(configurations)

    @cached_property
    def absent(self) -> Mapping[str, Mapping[str, Plain]]:
        """By experiment, the absent value of each parameter that has one."""
        with_metadata = [one for one in self._configurations if one.metadata]
        if not with_metadata:  # without the imports, for listings
            return {}
        from legm.core.absent_values import stored_absent_values

        found: dict[str, dict[str, Plain]] = {}
        for one in with_metadata:
            found.setdefault(one.experiment, {}).update(stored_absent_values(one))
        return found

    @cached_property
    def _parents(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """By experiment and parameter, what it depends on where it exists."""
        return {
            (one.experiment, name): fields["parents"]
            for one in self._configurations
            for name, fields in one.metadata.items()
            if "parents" in fields
        }

    def value_of(self, configuration: Configuration, name: str) -> Any:
        """A configuration's value of a parameter.

        Args:
            configuration: one of those that are looked at.
            name: the parameter.

        Returns:
            the value, which is the absent value where the parameter equals an absent one and nothing else
            makes it inactive; ``MISSING`` where it has none.
        """
        if name in configuration.active:
            return configuration.parameters[name]
        absent = self.absent.get(configuration.experiment, {})
        if name not in absent:
            return MISSING
        from legm.core.absent_values import has_absent_value

        is_there = name in configuration.parameters
        fields = configuration.metadata.get(name, {})
        if is_there and (not has_absent_value(configuration, name) or fields.get("disable_comparison")):
            return MISSING
        parents = fields.get("parents") if is_there else self._parents.get((configuration.experiment, name))
        if all(_is_edge_effective(configuration, *edge) for edge in (parents or {}).items()):
            return absent[name]
        return MISSING

    def values(self, configurations: Sequence[Configuration], name: str) -> list[Any]:
        """The value of each configuration, as :meth:`value_of` returns it."""
        return [self.value_of(one, name) for one in configurations]

    def shown_values(self, configurations: Sequence[Configuration], name: str) -> list[Any]:
        """The same, for showing what makes configurations differ.

        Where an active value equals the absent one, which happens if its run gave no absent value, only the
        active one is shown: the configurations differ, and would look the same.
        """
        found = self.values(configurations, name)
        if all(
            value is MISSING or name in one.active for one, value in zip(configurations, found, strict=True)
        ):
            return found
        from legm.core.plain_form import canonical_plain_text

        active = [one.parameters[name] for one in self._configurations if name in one.active]
        texts = {canonical_plain_text(value) for value in active}

        def is_shown(one: Configuration, value: Any) -> bool:
            return name in one.active or (value is not MISSING and canonical_plain_text(value) not in texts)

        return [
            value if is_shown(one, value) else MISSING
            for one, value in zip(configurations, found, strict=True)
        ]

    def parameters_of(self, configuration: Configuration) -> dict[str, Plain]:
        """The values of all parameters of a configuration that have one, by name."""
        found = {name: configuration.parameters[name] for name in configuration.active}
        for name in self.absent.get(configuration.experiment, {}):
            if name not in found and (value := self.value_of(configuration, name)) is not MISSING:
                found[name] = value
        return found


def own_effective_values(configuration: Configuration) -> dict[str, Plain]:
    """The values of all parameters of a configuration that have one, as far as it says itself.

    Args:
        configuration: the configuration.
    """
    return EffectiveValues([configuration]).parameters_of(configuration)


def parameters_with_absent_value(configuration: Configuration) -> list[str]:
    """The parameters in :func:`own_effective_values` that do not count, as they equal an absent one.

    Args:
        configuration: the configuration.
    """
    return [name for name in own_effective_values(configuration) if name not in configuration.active]


def ineffective_value_note(configuration: Configuration, name: str) -> str:
    """Why a parameter of a configuration is not active; "" where it is.

    Args:
        configuration: the configuration.
        name: one of its parameters.
    """
    if name in configuration.active:
        return ""
    from legm.core.absent_values import has_absent_value

    fields = configuration.metadata.get(name, {})
    if fields.get("disable_comparison"):
        return "not compared"
    if has_absent_value(configuration, name):
        return "equals its absent value"
    parents = ", ".join(fields.get("parents", {}))
    value = configuration.parameters[name]
    is_off = value is None or value is False
    return "inactive" if is_off or not parents else f"inactive (depends on {parents})"


def _is_edge_effective(configuration: Configuration, parent: str, edge: Mapping[str, Plain]) -> bool:
    """Whether a stored dependence on a parent holds in a configuration."""
    if "equals" in edge or "holds" in edge:
        from legm.core.plain_form import are_equal_values

        expected = edge["equals"] if "equals" in edge else edge["for"]
        is_equal = parent in configuration.parameters and are_equal_values(
            configuration.parameters[parent], expected
        )
        return is_equal and bool(edge.get("holds", True))
    return not edge and parent in configuration.active
