"""Which parameters are taken for seeds by their names: a pure function."""

from __future__ import annotations

import re

__all__ = ["looks_like_seed"]

_SEED = re.compile(r"(.*\.)?(seed|seed_[^.]*|[^.]*_seed|random_state)", re.IGNORECASE | re.DOTALL)


def looks_like_seed(name: str) -> bool:
    """Whether a parameter is called like a seed; of a dotted name the last part counts."""
    return _SEED.fullmatch(name) is not None
