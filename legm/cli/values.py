"""Values of parameters and options as a user types them."""

from __future__ import annotations

from typing import Any

__all__ = ["scalar"]


def scalar(text: str) -> Any:
    """The value of a text on the command line: a number, a list, true, null; anything else is text."""
    import json

    try:
        return json.loads(text)  # also 1e-3, which is text in YAML
    except ValueError:
        pass
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
