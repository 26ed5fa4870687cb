"""What configurations and metrics are called where they are shown: by what differs, and short enough.

A name that is too long is cut in its middle, and different names never become equal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, TypeAlias

from legm.core.effective_values import EffectiveValues
from legm.core.missing import MISSING
from legm.core.naming import numbered_name, readable_name
from legm.core.texts import ENOUGH_DIGITS, rounded_text, value_texts
from legm.records import Configuration, Plain, RankedGroup

__all__ = [
    "MOST_IN_NAME",
    "NO_PARAMETERS",
    "configuration_labels",
    "differing_parameter_names",
    "display_names",
    "group_display_names",
    "matches_display_name",
    "truncate_display_name",
    "truncate_display_names",
]

_MAX_LETTERS = 400  # of a name: more than fit into any figure or line
_MAX_IN_NAME = 12  # letters of a value in a name that is too long
_PARTS = re.compile(r"([,/])")  # between the values in a configuration's name, or the levels of a metric's
_BETWEEN_ASSIGNMENTS = re.compile(r",\s*(?=[^\s,=\[\]{}]+=)")
NO_PARAMETERS = "no compared parameters"
"""What a configuration without a name is called that has none."""
_AND_MORE = ", …"
MOST_IN_NAME = 5  # parameters, where fewer distinguish configurations
Width: TypeAlias = Callable[[str], float]


def truncate_display_name(text: str, max_width: float, width: Width) -> str:
    """The text with "…" in its middle if it is too wide; the ends of names distinguish most of them.

    Args:
        text: the text, in which spaces and line breaks become single spaces.
        max_width: the available width.
        width: returns the width of a text, in the same unit.
    """
    text = " ".join(text.split())
    if len(text) <= _MAX_LETTERS and width(text) <= max_width:
        return text

    def shortened(letters: int) -> str:
        return text[: letters - letters // 2] + "…" + text[len(text) - letters // 2 :]

    low, high = 0, min(len(text) - 1, _MAX_LETTERS)
    while low < high:
        letters = (low + high + 1) // 2
        low, high = (letters, high) if width(shortened(letters)) <= max_width else (low, letters - 1)
    return shortened(low)


def truncate_display_names(names: Sequence[str], max_width: float, width: Width) -> list[str]:
    """Truncate names to a width so that different names stay different.

    Names that would become equal lose the parts that they have in common; if that is not enough, all but the
    values that differ; else their common start and end. Those that are still equal get a number.

    Args:
        names: the names; equal names stay equal.
        max_width: the available width.
        width: returns the width of a text, in the same unit.
    """
    short = {name: truncate_display_name(name, max_width, width) for name in dict.fromkeys(names)}
    alike = [name for same in _groups_of_equal_names(short) for name in same]

    def shorten_equal_ones(shorten: Callable[[Sequence[str]], list[str]]) -> None:
        for same in _groups_of_equal_names(short):
            for name, rest in zip(same, shorten(same), strict=True):
                short[name] = truncate_display_name(rest, max_width, width)

    shorten_equal_ones(_names_without_common_parts)
    if _groups_of_equal_names(short):
        values = [truncate_display_name(value, max_width, width) for value in _differing_values(alike)]
        taken = {short[name] for name in short.keys() - set(alike)}
        if len({*values, *taken}) == len(short):
            short.update(zip(alike, values, strict=True))
    shorten_equal_ones(_names_without_common_ends)
    for number, name in enumerate((name for same in _groups_of_equal_names(short) for name in same), 1):
        end = f" ({number})"
        short[name] = truncate_display_name(name, max_width - width(end), width) + end
    return [short[name] for name in names]


def _groups_of_equal_names(short: dict[str, str]) -> list[list[str]]:
    """The groups of names with equal short forms."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, label in short.items():
        groups[label].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _names_without_common_parts(names: Sequence[str]) -> list[str]:
    """The names with "…" for the parts that are equal in all of them, if all have equally many."""
    split = [_PARTS.split(name) for name in names]
    if len({len(parts) for parts in split}) > 1:
        return list(names)
    common = [len(set(column)) == 1 for column in zip(*split, strict=True)]
    kept = []
    for parts in split:
        marked = ["…" if same else part for part, same in zip(parts, common, strict=True)]
        kept.append(re.sub("…{2,}", "…", "".join(marked)))
    return kept


def _differing_values(names: Sequence[str]) -> list[str]:
    """The values alone of assignments that differ, long ones shortened; the names where a part is none."""
    split = [name.split(",") for name in names]
    if len({len(parts) for parts in split}) > 1:
        return list(names)
    differing = [column for column in zip(*split, strict=True) if len(set(column)) > 1]
    if not all("=" in part for column in differing for part in column):
        return list(names)
    values = [
        [truncate_display_name(part.rpartition("=")[2].strip(), _MAX_IN_NAME, len) for part in column]
        for column in differing
    ]
    return [", ".join(row) for row in zip(*values, strict=True)]


def _names_without_common_ends(names: Sequence[str]) -> list[str]:
    """The names with "…" for most of their common start and end."""
    start = _common_name_prefix_length(names)
    end = _common_name_prefix_length([name[start:][::-1] for name in names])
    before, after = max(start - 8, 0), max(end - 8, 0)
    return ["…" * bool(before) + name[before : len(name) - after] + "…" * bool(after) for name in names]


def _common_name_prefix_length(names: Iterable[str]) -> int:
    """The length of the names' common prefix."""
    first, *_, last = sorted(names)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def differing_parameter_names(configurations: Sequence[Configuration]) -> list[str]:
    """The names of the parameters by which configurations differ, sorted.

    One is among them where it is active in some only, or its values are not all the same.
    """
    if not configurations:
        return []
    actives = {one.active for one in configurations}
    everywhere = set.intersection(*map(set, actives))
    found = set().union(*actives) - everywhere
    first = configurations[0].parameters
    for name in everywhere:
        value = first[name]
        if any(one.parameters[name] != value for one in configurations):
            found.add(name)
    return sorted(found)


def group_display_names(groups: Sequence[RankedGroup]) -> list[str]:
    """What groups of configurations are called where they are shown together, by their parameters."""
    stand_ins = [
        replace(
            one.members[0].configuration,
            name="",
            parameters=one.parameters,
            active=tuple(sorted(one.parameters)),
        )
        for one in groups
    ]
    found = display_names(stand_ins, {one.fingerprint: "" for one in stand_ins})
    return [found[one.fingerprint] for one in stand_ins]


def configuration_labels(
    configurations: Iterable[tuple[Configuration, str | PurePath | None]],
) -> dict[str, str]:
    """What configurations of an experiment are called in paths, for :func:`display_names`.

    Args:
        configurations: each with its folder; None without one that users see. Of those, all of the experiment
            have to be given, since they get the numbers that folders would have: in the order of their names,
            and of their fingerprints where names are equal.

    Returns:
        by fingerprint, the folder's name, of copies that of the first; without a folder the numbered name, or
        the fingerprint where there is no name.
    """
    every = list(configurations)
    labels: dict[str, str] = {}
    for one, folder in every:
        if folder is not None:
            labels.setdefault(one.fingerprint, PurePath(folder).name)
    numbers: defaultdict[str, int] = defaultdict(int)
    others = {one.fingerprint: one for one, _ in every if one.fingerprint not in labels}
    for one in sorted(others.values(), key=lambda one: (one.name, one.fingerprint)):
        labels[one.fingerprint] = numbered_name(one.name, numbers[one.name]) if one.name else one.fingerprint
        numbers[one.name] += 1
    return labels


def display_names(configurations: Sequence[Configuration], labels: Mapping[str, str]) -> dict[str, str]:
    """What configurations are called where they are shown together.

    One without a name is called by what makes it differ from the others: ``depth=3, lr=0.1``; alone, by its
    parameters. Where these are more than five, only as many are named as distinguish all of them.

    Args:
        configurations: those that are shown.
        labels: by fingerprint, what one is called that has a name: see :func:`configuration_labels`.

    Returns:
        the names by fingerprint.
    """
    shown = {one.fingerprint: one for one in configurations}
    found = {key: readable_name(labels[key]) for key in shown}
    if all(one.name for one in shown.values()):
        return found
    every = list(shown.values())
    names = differing_parameter_names(every) if len(every) > 1 else sorted(every[0].active)
    effective = EffectiveValues(every)
    texts = {name: _display_texts_of(effective.shown_values(every, name)) for name in names}
    rest = ""
    if len(names) > MOST_IN_NAME and len(every) > 1:
        names = _fewest_display_names(names, texts)
    elif len(names) > MOST_IN_NAME:
        names, rest = names[:MOST_IN_NAME], _AND_MORE
    short = dict(zip(names, _last_display_name_parts(names), strict=True))
    for i, one in enumerate(every):
        own = [f"{short[name]}={text}" for name in names if (text := texts[name][i]) is not None]
        if not one.name:
            nothing = f"no {' or '.join(short.values())}" if names else NO_PARAMETERS
            found[one.fingerprint] = ", ".join(own) + rest or nothing
    return found


def matches_display_name(configuration: Configuration, text: str, effective: EffectiveValues) -> bool:
    """Whether a configuration has all the values in a text such as ``depth=3, lr=0.1``.

    Args:
        configuration: the configuration.
        text: names, of which leading levels may be left out, with values as in :func:`display_names`.
        effective: the values of all configurations of the experiment.
    """
    if text == NO_PARAMETERS:
        return not configuration.active
    values = effective.parameters_of(configuration)
    pairs = [pair.partition("=") for pair in _assignments_in(text.removesuffix(_AND_MORE))]
    return all(
        equals
        and any(
            _is_displayed_as(own, value)
            for known, own in values.items()
            if _ends_with_display_name(known, name)
        )
        for name, equals, value in pairs
    )


def _assignments_in(text: str) -> list[str]:
    """The ``name=value`` of a text; those inside the parentheses of an object belong to its value."""
    found: list[str] = []
    for pair in _BETWEEN_ASSIGNMENTS.split(text):
        if found and found[-1].count("(") > found[-1].count(")"):
            found[-1] += f", {pair}"
        else:
            found.append(pair)
    return found


def _ends_with_display_name(known: str, name: str) -> bool:
    return known == name or known.endswith(f".{name}")


def _is_displayed_as(value: Plain, text: str) -> bool:
    return text in {str(value), *(rounded_text(value, digits) for digits in (None, *ENOUGH_DIGITS))}


def _display_texts_of(values: Sequence[Any]) -> list[str | None]:
    """The texts of a parameter's values, None where it has none."""
    texts = iter(value_texts([value for value in values if value is not MISSING]))
    return [None if value is MISSING else next(texts) for value in values]


def _fewest_display_names(names: Sequence[str], texts: Mapping[str, Sequence[str | None]]) -> list[str]:
    """A few of the parameters that together distinguish as many configurations as all of them do."""
    count = len(next(iter(texts.values())))
    every = len(set(zip(*(texts[name] for name in names), strict=True)))
    chosen: list[str] = []
    groups = [0] * count
    while len(set(groups)) < every:
        best = max(names, key=lambda name: len(set(zip(groups, texts[name], strict=True))))
        numbers: dict[tuple[int, str | None], int] = {}
        groups = [numbers.setdefault(pair, len(numbers)) for pair in zip(groups, texts[best], strict=True)]
        chosen.append(best)
    return sorted(chosen)


def _last_display_name_parts(names: Sequence[str]) -> list[str]:
    """Dotted names without the leading levels that are not needed to distinguish them."""
    split = [name.split(".") for name in names]
    found = []
    for parts in split:
        for start in range(len(parts) - 1, -1, -1):
            end = parts[start:]
            if all(end) and sum(other[-len(end) :] == end for other in split) == 1:
                break
        found.append(".".join(parts[start:]))
    return found
