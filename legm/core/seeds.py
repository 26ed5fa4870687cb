"""Which parameters are seeds, judging by their names, and which runs have equal ones."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Mapping

from legm.records import Plain

__all__ = ["looks_like_seed", "seed_key"]

_SEED = re.compile(
    r"(.*[./:])?"
    r"(seed\d*|seed[_-][^./:]*|[^./:]*[_-]seed(\d*|[_-](value|number|nr|id|init))|random[_-]?(seed|state)"
    r"|(global|base|initial|manual|init|rng|np|numpy|torch|data|train|env)seed)",
    re.IGNORECASE | re.DOTALL,
)
_SEED_IN_CAMEL_CASE = re.compile(r"(.*[./:])?[^./:]*[a-z]Seed", re.DOTALL)
_REPETITION = re.compile(
    r"(.*\.)?([^.]*_)?(fold|split|repeat|repetition|replicate|trial)(_(id|index|idx|number|nr))?",
    re.IGNORECASE | re.DOTALL,
)

_SIMPLE = frozenset((int, float, str))  # but for NaN, Python compares these as identity does


@functools.lru_cache(maxsize=4096)
def looks_like_seed(name: str) -> bool:
    """Whether a parameter has the name of a seed; of a name like ``data/seed``, the last part decides."""
    return bool(_SEED.fullmatch(name) or _SEED_IN_CAMEL_CASE.fullmatch(name))


@functools.lru_cache(maxsize=4096)
def _allows_equal_seeds(name: str) -> bool:
    """Whether a parameter says which fold or repetition a run is: equal seeds are no repetition then."""
    return _REPETITION.fullmatch(name) is not None


@functools.lru_cache(maxsize=256)
def _seeds_and_repetitions(names: tuple[str, ...]) -> tuple[str, ...]:
    """Which parameters are seeds or say what fold or repetition a run is, sorted; none without a seed."""
    if not any(map(looks_like_seed, names)):
        return ()
    return tuple(sorted(name for name in names if looks_like_seed(name) or _allows_equal_seeds(name)))


def seed_key(parameters: Mapping[str, Plain]) -> Hashable | None:
    """Equal for two runs of one configuration that have equal seeds, and are the same fold if they have one.

    Args:
        parameters: the run's that are not compared.

    Returns:
        the key; None for a run without a seed.
    """
    names = _seeds_and_repetitions(tuple(parameters))
    values = [parameters[name] for name in names]
    if not names:
        return None
    if None in values:  # it has no such seed or fold
        return seed_key({name: parameters[name] for name in names if parameters[name] is not None})
    if _SIMPLE.issuperset(map(type, values)) and not any([value != value for value in values]):  # noqa: C419, PLR0124 - no NaN
        return (*names, *values)
    from legm.core.plain_form import canonical_plain_text

    return canonical_plain_text([[*names], values])
