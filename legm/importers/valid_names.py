"""Valid names in legm for the names of other trackers: pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

__all__ = ["is_reserved_name", "valid_name", "valid_names"]

_MAX_LENGTH = 250  # characters, as in legm.core.naming.check_name


def is_reserved_name(name: str) -> bool:
    """Whether a parameter cannot have this name, because it is an attribute of the handler."""
    from legm.handler import ExperimentHandler

    return hasattr(ExperimentHandler, name)


def valid_name(name: str) -> str:
    """A valid name: not empty, not too long, encodable. Different names stay different."""
    clean = name.encode("utf-8", "backslashreplace").decode()
    if clean and len(clean) <= _MAX_LENGTH and clean == name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{clean[: _MAX_LENGTH - 13]}~{digest}"


def valid_names(names: Iterable[str], is_reserved: Callable[[str], bool] = lambda _: False) -> dict[str, str]:
    """The valid name for each name; reserved ones get ``_`` appended.

    Args:
        names: different names.
        is_reserved: which names are not available.
    """
    names = list(names)
    given = set(names)
    found: dict[str, str] = {}
    for name in names:
        new = valid_name(name)
        while is_reserved(new) or (new != name and new in given):
            new += "_"
        given.add(new)
        found[name] = new
    return found
