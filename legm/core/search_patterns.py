"""Regular expressions that a user gives: only such as are searched in a limited time.

``re`` backtracks, so that a short pattern such as ``(a+)+b`` can take longer than anybody waits. An upper
limit of the steps is known before: the number of choices that the pattern leaves, for a text of some length.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from legm.errors import ParameterError

__all__ = ["compile_pattern"]

_MAX_LENGTH = 1000  # characters of a pattern
_MAX_STEPS = 10**8  # of a search, about a second
_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<group>\((?:\?[^)(:=!<>]*[:=!<>]?)?)"
    r"|(?P<close>\))|(?P<repeat>[*+?]|\{\d*,?\d*\})(?P<kind>[?+]?)|(?P<branch>\|)|(?P<other>.)",
    re.DOTALL,
)
_EXACT_REPEAT = re.compile(r"\{(\d+)\}")


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether a regular expression is found in a text.

    Args:
        pattern: as ``re`` has it.

    Returns:
        a function of the text, which raises ParameterError for a text that is too long for the pattern.

    Raises:
        ParameterError: it is not a regular expression, it is too long, or it repeats a group in which there
            is a choice.
    """
    if len(pattern) > _MAX_LENGTH:
        raise ParameterError(f"the pattern has {len(pattern):,} characters, more than {_MAX_LENGTH:,}")
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as cause:
        raise ParameterError(f"{pattern!r} is not a regular expression: {cause}") from cause
    powers, factor = _pattern_choices(pattern)

    @functools.lru_cache(maxsize=4096)
    def is_found(text: str) -> bool:
        if factor * max(len(text), 1) ** (1 + powers) > _MAX_STEPS:
            raise ParameterError(
                f"searching {pattern!r} in a text of {len(text):,} characters could take for ever: it has "
                f"{powers} repetitions and {factor:,} choices beside"
            )
        return compiled.search(text) is not None

    return is_found


def _pattern_choices(pattern: str) -> tuple[int, int]:
    """How many parts match a text of any length, and at most how many ways there are beside.

    Raises:
        ParameterError: a group is repeated in which there is a choice.
    """
    powers, factor = 0, 1
    open_groups = [_OpenGroup()]
    closed: _OpenGroup | None = None  # the group that ended right before
    for token in _TOKEN.finditer(pattern):
        repeat, text = token["repeat"], token[0]
        if repeat is not None:
            is_optional = repeat in {"?", "{0,1}", "{,1}"}
            if closed is not None and closed.has_choice and not is_optional:
                raise ParameterError(
                    f"{pattern!r} repeats a group that has repetitions or alternatives in it, which could "
                    "take for ever: repeat single characters, such as [ab]*"
                )
            exact = _EXACT_REPEAT.fullmatch(repeat)
            if exact:
                factor *= max(int(exact[1]), 1)
            else:
                factor, powers = (factor * 2, powers) if is_optional else (factor, powers + 1)
                for group in open_groups:
                    group.has_choice = True
        elif token["branch"]:
            open_groups[-1].alternatives += 1
            for group in open_groups:
                group.has_choice = True
        elif (token["escape"] and text[1].isdigit()) or text == "(?P=":  # what a group matched, again
            powers += 1
        if token["group"]:
            open_groups.append(_OpenGroup())
        closed = open_groups.pop() if token["close"] and len(open_groups) > 1 else None
        factor *= closed.alternatives if closed is not None else 1
    return powers, factor * open_groups[0].alternatives


@dataclass(slots=True)
class _OpenGroup:
    """What was seen of a group of a pattern."""

    alternatives: int = 1
    has_choice: bool = False
