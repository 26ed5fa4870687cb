"""Which parameters are seeds, judging by their names."""

from __future__ import annotations

import re

__all__ = ["looks_like_seed"]

_SEED = re.compile(r"(.*\.)?(seed|seed_[^.]*|[^.]*_seed|random_state)", re.IGNORECASE | re.DOTALL)


def looks_like_seed(name: str) -> bool:
    """Whether a parameter has the name of a seed; for a dotted name, the last part decides."""
    return _SEED.fullmatch(name) is not None
