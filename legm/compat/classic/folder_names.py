"""The names that the original legm gave to the folders of configurations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from legm.errors import ParameterError

__all__ = ["name_from_template", "name_value_text"]

_REPLACED = ((",", "---"), ("/", "--"), ("=", "--eq--"))


def name_value_text(value: Any) -> str:
    """A parameter's value in a folder's name: items joined by ``+``, without the characters of paths."""
    text = "+".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    for character, replacement in _REPLACED:
        text = text.replace(character, replacement)
    return text


def name_from_template(template: str, values: Mapping[str, Any], names: Iterable[str]) -> str:
    """A folder's name from a template such as ``run/lr={lr}``; a nested one becomes one folder's name.

    Args:
        template: with the names of parameters in braces, as for ``str.format``.
        values: the parameters by name.
        names: the names that may be in the template, for the error message.

    Raises:
        ParameterError: it names a parameter that was not set, or is not a template.
    """
    try:
        return template.format_map(values).strip("/").replace("/", "--")
    except KeyError as error:
        known = ", ".join(sorted(names)) or "none"
        raise ParameterError(
            f"alternative_experiment_name {template!r} names the parameter {error.args[0]!r}, which was not "
            f"set; set are: {known}"
        ) from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ParameterError(
            f"alternative_experiment_name {template!r} is not a template: {error}. Write the names of "
            "parameters in braces, such as 'lr={lr}'"
        ) from None
