"""Where a run comes from, as W&B's file ``wandb-metadata.json`` says, in a folder and on a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["parse_wandb_json_mapping", "wandb_origin_in_metadata"]


def parse_wandb_json_mapping(content: bytes) -> dict[str, Any]:
    """Parse a mapping in JSON.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise ValueError(f"it is not valid JSON: {cause}") from cause
    if not isinstance(found, dict):
        raise ValueError("it is not a mapping")  # noqa: TRY004 - of what was written, not of an argument
    return found


def wandb_origin_in_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The program, its arguments, git, host, system and Python; what is not of its kind is left out.

    Args:
        metadata: what is in the file.
    """
    texts = _wandb_metadata_texts(metadata, "os", "python", "program", "host")
    git, arguments = metadata.get("git"), metadata.get("args")
    known = _wandb_metadata_texts(git, "commit", "remote") if isinstance(git, dict) else {}
    found = {**texts, "args": arguments if isinstance(arguments, list) else [], "git": known}
    return {name: value for name, value in found.items() if value}


def _wandb_metadata_texts(facts: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: value for name in names if isinstance(value := facts.get(name), str) and value}
