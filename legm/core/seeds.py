"""Which parameters are seeds, judging by their names, and which runs have equal ones."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Mapping

from legm.records import Plain

__all__ = ["looks_like_seed", "seed_key"]

_SEED = re.compile(r"(.*\.)?(seed|seed_[^.]*|[^.]*_seed|random_state)", re.IGNORECASE | re.DOTALL)
_REPETITION = re.compile(
    r"(.*\.)?([^.]*_)?(fold|split|repeat|repetition|replicate|trial)(_(id|index|idx|number|nr))?",
    re.IGNORECASE | re.DOTALL,
)

_SIMPLE = (int, float, str)  # but for NaN, Python compares these as identity does


@functools.lru_cache(maxsize=4096)
def looks_like_seed(name: str) -> bool:
    """Whether a parameter has the name of a seed; for a dotted name, the last part decides."""
    return _SEED.fullmatch(name) is not None


@functools.lru_cache(maxsize=4096)
def _allows_equal_seeds(name: str) -> bool:
    """Whether a parameter says which fold or repetition a run is: equal seeds are no repetition then."""
    return _REPETITION.fullmatch(name) is not None


def seed_key(parameters: Mapping[str, Plain]) -> Hashable | None:
    """Equal for two runs of one configuration that have equal seeds, and are the same fold if they have one.

    Args:
        parameters: the run's that are not compared.

    Returns:
        the key; None for a run without a seed.
    """
    seeds = [name for name, value in parameters.items() if value is not None and looks_like_seed(name)]
    if not seeds:
        return None
    seeds += [name for name in parameters if _allows_equal_seeds(name)]
    values = [parameters[name] for name in sorted(seeds)]
    if all(type(value) in _SIMPLE and value == value for value in values):  # noqa: PLR0124 - no NaN
        return (*sorted(seeds), *values)
    from legm.core.plain_form import canonical_text

    return canonical_text([sorted(seeds), values])
