"""Which names mlflow refuses, so that a script meets the same errors with and without it."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from legm.compat.mlflow.exceptions import invalid_value_exception

__all__ = [
    "check_alias",
    "check_experiment_name",
    "check_key",
    "check_model_name",
]

_KEY = re.compile(r"[/\w.\- :]*")
_ALIAS = re.compile(r"[\w\-]+")
_MOST_CHARACTERS = 250
_MOST_OF_EXPERIMENT = 500


def _is_other_file_name(name: str) -> bool:
    """Whether a name means another file than it says."""
    resolved = posixpath.normpath(name)
    return resolved != name or resolved == "." or resolved.startswith(("..", "/"))


def check_key(kind: str, name: Any) -> str:
    """The name of a metric, parameter or tag.

    Args:
        kind: "metric", "parameter" or "tag".
        name: what the script gave.

    Raises:
        MlflowException: mlflow refuses it.
    """
    if name is None:
        raise invalid_value_exception(f"The name of a {kind} must be given, not None")
    text = str(name)
    if not _KEY.fullmatch(text):
        raise invalid_value_exception(
            f"Invalid name of a {kind}: {text!r}. It may have letters, digits, underscores, dashes, periods, "
            "spaces, colons and slashes"
        )
    if _is_other_file_name(text):
        raise invalid_value_exception(
            f"Invalid name of a {kind}: {text!r}. As the path of a file it would be "
            f"{posixpath.normpath(text)!r}"
        )
    if len(text) > _MOST_CHARACTERS:
        raise invalid_value_exception(
            f"Invalid name of a {kind}: it has {len(text)} characters, the most are {_MOST_CHARACTERS}: "
            f"{text[:60]!r}…"
        )
    return text


def check_experiment_name(name: Any) -> None:
    """Check the name of an experiment.

    Raises:
        MlflowException: mlflow refuses it.
    """
    if not isinstance(name, str) or not name:
        raise invalid_value_exception(f"Invalid experiment name: {name!r}. It must be a non-empty text")
    if len(name) > _MOST_OF_EXPERIMENT:
        raise invalid_value_exception(
            f"Invalid experiment name: it has {len(name)} characters, the most are {_MOST_OF_EXPERIMENT}"
        )


def check_model_name(name: Any) -> None:
    """Check the name of a registered model.

    Raises:
        MlflowException: mlflow refuses it.
    """
    if not isinstance(name, str) or not name.strip():
        raise invalid_value_exception(
            f"Invalid name of a registered model: {name!r}. It must be a non-empty text"
        )
    if "/" in name or ":" in name or _is_other_file_name(name):
        raise invalid_value_exception(
            f"Invalid name of a registered model: {name!r}. It must have no slash and no colon"
        )


def check_alias(alias: Any) -> None:
    """Check an alias of a version of a registered model.

    Raises:
        MlflowException: mlflow refuses it.
    """
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
        raise invalid_value_exception(
            f"Invalid alias: {alias!r}. It may have letters, digits, underscores and dashes"
        )
    if alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        raise invalid_value_exception(f"Invalid alias: {alias!r} has a meaning of its own")
