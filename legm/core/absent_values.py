"""Absent values: the value that runs from before a parameter existed had.

A parameter with its absent value is inactive, so that it equals an absent one: the runs from before are of
the same configuration as those that set it to this value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from legm.core.plain_form import are_equal_values, parameter_to_plain
from legm.errors import ParameterError, UnstableValue
from legm.records import Configuration, Plain

__all__ = [
    "AbsentValue",
    "LibraryDefault",
    "changed_default_absent_value",
    "conflicting_absent_value",
    "equals_absent_value",
    "given_absent_value",
    "has_absent_value",
    "parse_absent_value",
    "stored_absent_values",
]


_SIMPLE = (float, int, str, bool)  # but for NaN, Python compares two of one type as identity does


@dataclass(frozen=True, slots=True)
class LibraryDefault:
    """An absent value that a library's default gives, not the user: for integrations of trainers.

    A library may change its default. Where the experiment then has another absent value, that one stays, the
    new default counts like any other value, and this is logged once; another value of a user's is an error.

    Args:
        value: the default.
        library: the library with its version, for the message.
    """

    value: Any
    library: str = "the library"


@dataclass(frozen=True, slots=True)
class AbsentValue:
    """The absent value of a parameter.

    Args:
        value: in plain form.
        library: the library whose default it is; None where the user gave it.
    """

    value: Plain
    library: str | None = None


def parse_absent_value(name: str, given: object) -> AbsentValue:
    """The absent value of a parameter, as a user or an integration gives it.

    Args:
        name: the parameter.
        given: the value, or a :class:`LibraryDefault`.

    Raises:
        ParameterError: it has no form that is the same in every process.
    """
    value, library = (given.value, given.library) if isinstance(given, LibraryDefault) else (given, None)
    try:
        return AbsentValue(parameter_to_plain(name, value), library)
    except UnstableValue as cause:
        raise ParameterError(
            f"the absent_value of {name!r} must be a value that is the same in every process, such as a "
            f"number or a text, not {value!r:.80}"
        ) from cause


def given_absent_value(name: str, value: object) -> Plain:
    """An absent value, in plain form, as a user gives it to a command.

    Raises:
        ParameterError: it is None, or has no form that is the same in every process.
    """
    if value is None:
        raise ParameterError(
            f"the absent_value of {name!r} cannot be None, which equals an absent parameter in any case"
        )
    return parse_absent_value(name, value).value


def equals_absent_value(value: Plain, absent: Plain) -> bool:
    """Whether two plain values are equal; see :func:`~legm.core.plain_form.are_equal_values`."""
    kind = type(value)
    is_simple = kind is type(absent) and kind in _SIMPLE
    if is_simple and value == value and absent == absent:  # noqa: PLR0124 - no NaN
        return bool(value == absent)
    return are_equal_values(value, absent)


def conflicting_absent_value(name: str, known: Plain, new: Plain, where: str) -> ParameterError:
    """The error for a parameter that has another absent value already.

    Args:
        name: the parameter.
        known: the absent value that it has.
        new: the other one.
        where: where the known one is kept.
    """
    return ParameterError(
        f"the absent_value of {name!r} is {known!r} {where}, and cannot be {new!r} too: the runs from before "
        f"{name!r} existed had one value. Give {known!r}, or correct it if it was wrong: "
        "legm amend … --absent"
    )


def stored_absent_values(configuration: Configuration) -> Mapping[str, Plain]:
    """The absent values in the metadata of a stored configuration, by parameter."""
    return {
        name: fields["absent_value"]
        for name, fields in configuration.metadata.items()
        if "absent_value" in fields
    }


def has_absent_value(configuration: Configuration, name: str) -> bool:
    """Whether a parameter of a stored configuration has its absent value."""
    fields = configuration.metadata.get(name, {})
    return (
        name in configuration.parameters
        and "absent_value" in fields
        and equals_absent_value(configuration.parameters[name], fields["absent_value"])
    )


def changed_default_absent_value(name: str, known: Plain, new: AbsentValue) -> str:
    """What to say of a library's default that is not the absent value of a parameter any more."""
    return (
        f"{new.library} has the default {new.value!r} for {name!r} now, while runs from before it was "
        f"recorded had {known!r}: {new.value!r} counts like any other value"
    )
