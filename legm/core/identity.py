"""The identity of a configuration: its fingerprint, and how it differs from another.

The **fingerprint** is the digest of the canonical form of the experiment's name and the active parameters:
:mod:`legm.core.plain_form`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping

from legm.core.absent_values import has_absent_value
from legm.core.plain_form import canonical_plain_text, encode_plain_json
from legm.records import Configuration, Plain

__all__ = ["ParameterDifference", "configuration_differences", "fingerprint", "identity_differences"]

VERSION = "v1"


def fingerprint(experiment: str, active: Mapping[str, Plain]) -> str:
    """The identity of a configuration.

    Args:
        experiment: the experiment's name.
        active: the plain values of the active parameters, by name.

    Returns:
        ``v1-`` and 32 hexadecimal digits: the first half of the SHA-256 of the canonical form.
    """
    pairs = sorted(
        [f"[{_identity_name_text(name)},{canonical_plain_text(value)}]" for name, value in active.items()]
    )
    # The same as canonical_plain_text([experiment, {"legm:map": …}]), but faster.
    text = f'[{_identity_name_text(experiment)},{{"legm:map":[{",".join(pairs)}]}}]'
    return f"{VERSION}-{hashlib.sha256(text.encode('ascii')).hexdigest()[:32]}"


@functools.lru_cache(maxsize=1024)
def _identity_name_text(name: str) -> str:
    """The canonical form of a name, which many configurations have."""
    return encode_plain_json(name)


@dataclasses.dataclass(frozen=True, slots=True)
class ParameterDifference:
    """One parameter in which two configurations differ.

    Args:
        name: the parameter's name, or "experiment".
        ours, theirs: the plain values; None where it is not active.
        our_note, their_note: why it is not active; "" where it is.
    """

    name: str
    ours: Plain
    theirs: Plain
    our_note: str = ""
    their_note: str = ""

    def __str__(self) -> str:
        ours = self.our_note or repr(self.ours)
        theirs = self.their_note or repr(self.theirs)
        return f"{self.name}: {ours} | {theirs}"


def identity_differences(
    ours: Mapping[str, Plain],
    theirs: Mapping[str, Plain],
    our_notes: Callable[[str], str],
    their_notes: Callable[[str], str],
) -> tuple[ParameterDifference, ...]:
    """The differences between two mappings of active parameters, sorted by name.

    Args:
        ours, theirs: the active parameters in plain form, by name.
        our_notes, their_notes: return why a parameter is not active.
    """
    return tuple(
        ParameterDifference(
            name,
            ours.get(name),
            theirs.get(name),
            "" if name in ours else our_notes(name),
            "" if name in theirs else their_notes(name),
        )
        for name in sorted({*ours, *theirs})
        if (name in ours) != (name in theirs)
        or canonical_plain_text(ours[name]) != canonical_plain_text(theirs[name])
    )


def configuration_differences(ours: Configuration, theirs: Configuration) -> tuple[ParameterDifference, ...]:
    """What makes two stored configurations differ."""

    def note(configuration: Configuration, name: str) -> str:
        if name not in configuration.parameters:
            return "absent"
        is_absent = has_absent_value(configuration, name)
        return f"equals its absent value {configuration.parameters[name]!r}" if is_absent else "inactive"

    found = identity_differences(
        {name: ours.parameters[name] for name in ours.active},
        {name: theirs.parameters[name] for name in theirs.active},
        lambda name: note(ours, name),
        lambda name: note(theirs, name),
    )
    if ours.experiment != theirs.experiment:
        return (ParameterDifference("experiment", ours.experiment, theirs.experiment), *found)
    return found
