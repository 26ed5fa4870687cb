"""Names of other trackers as names that legm takes: pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

__all__ = ["is_reserved", "valid_name", "valid_names"]

_MAX_LENGTH = 250  # characters, as legm.core.identity.check_text has it


def is_reserved(name: str) -> bool:
    """Whether a parameter cannot have a name: it is one of the handler's own, and would not be read."""
    from legm.handler import ExperimentHandler

    return hasattr(ExperimentHandler, name)


def valid_name(name: str) -> str:
    """A name that is text, not empty and not too long; different names stay different."""
    clean = name.encode("utf-8", "backslashreplace").decode()
    if clean and len(clean) <= _MAX_LENGTH and clean == name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{clean[: _MAX_LENGTH - 13]}~{digest}"


def valid_names(names: Iterable[str], is_reserved: Callable[[str], bool] = lambda _: False) -> dict[str, str]:
    """For each name the one that legm takes; a reserved one gets ``_`` behind it.

    Args:
        names: different ones.
        is_reserved: which names cannot be had.
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
