"""The user's own environment variables, in a script that ``legm capture`` runs with others in their place.

This module imports the standard library alone, and works on old Pythons, since a captured script runs it too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

__all__ = ["GIVEN", "describe_replaced_variables", "keep_user_variables", "user_variable"]

GIVEN = "LEGM_CAPTURE_GIVEN"
"""The environment variable that has, by name, what replaces a variable and what the user gave instead."""


def describe_replaced_variables(given: Mapping[str, str], replaced: Mapping[str, str]) -> str:
    """The value of :data:`GIVEN`.

    Args:
        given: the user's environment.
        replaced: the variables that have other values in the script.
    """
    return json.dumps({name: [value, given.get(name)] for name, value in replaced.items()})


def _replaced_user_variables() -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = json.loads(os.environ.get(GIVEN) or "{}")
    return found


def user_variable(name: str) -> str | None:
    """A variable as it would be if the script were not captured; None if it is not set."""
    value = os.environ.get(name)
    replaced = _replaced_user_variables().get(name)
    return replaced[1] if replaced is not None and value == replaced[0] else value


def keep_user_variables() -> None:
    """Keep what the script itself has set, before the variables are replaced again."""
    replaced = _replaced_user_variables()
    if replaced:
        kept = {name: [value, user_variable(name)] for name, (value, _) in replaced.items()}
        os.environ[GIVEN] = json.dumps(kept)
