"""What a configuration *is*: plain form, canonical form, fingerprint, and what makes two differ.

A value is first brought into **plain** form: None, bool, int, float, str, list and dict by str, which
YAML and JSON can hold. What these cannot say is wrapped in a dict with a single tag: ``legm:set``,
``legm:map`` (keys that are not text), ``legm:bytes``, ``legm:complex``, ``legm:number`` (exact numbers
that are no float). The **canonical** form is a text of the plain one in which equal values are equal
texts: whole floats are integers, sets and mappings have an order. The **fingerprint** is its digest.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import fractions
import functools
import hashlib
import inspect
import json
import math
import numbers
import os
import types
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from legm.core.config_objects import fields_of, is_omegaconf, resolved
from legm.errors import UnstableValue
from legm.records import Plain

__all__ = ["Difference", "canonical", "check_text", "differences", "fingerprint", "from_plain", "plain"]

VERSION = "v1"
_TAG = "legm:"
_DEEPEST = 100
_LARGEST_INT_BITS = 4096


def plain(name: str, value: object) -> Plain:
    """The plain form of a parameter's value.

    Args:
        name: the parameter, for the error's message.
        value: anything.

    Raises:
        UnstableValue: the value, or one in it, has no form that is the same in every process.
    """
    return _plain(value, name, 0)


def _plain(value: Any, place: str, depth: int) -> Plain:
    if value is None or type(value) in (bool, str):
        return value
    if depth > _DEEPEST:
        raise UnstableValue(
            f"parameter {place[:80]!r} is nested more than {_DEEPEST} deep or contains itself"
        )

    def inner(item: object, where: str) -> Plain:
        return _plain(item, f"{place}{where}", depth + 1)

    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, str):
        return str(value)
    if isinstance(value, numbers.Number) and not hasattr(value, "dtype"):
        return _plain_number(value, place)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # NumPy, PyTorch and JAX, arrays and scalars
        return inner(value.tolist(), "")
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if (fields := fields_of(value)) is not None:
        return inner(fields, "")
    if is_omegaconf(value):
        return inner(resolved(value, place), "")
    if isinstance(value, Mapping):
        return _plain_mapping(value, inner)
    if isinstance(value, (list, tuple, deque, range)):
        return [inner(item, f"[{i}]") for i, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return {"legm:set": sorted((inner(item, "{}") for item in value), key=canonical)}
    if isinstance(value, (bytes, bytearray)):
        return {"legm:bytes": value.hex()}
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, datetime.timedelta)):
        return str(value)
    if isinstance(value, functools.partial):
        call = {"function": value.func, "arguments": value.args, "keywords": value.keywords}
        return inner(call, "")
    return _qualified_name(value, place)


def _plain_number(value: Any, place: str) -> Plain:
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        value = int(value)
        return value if value.bit_length() <= _LARGEST_INT_BITS else {"legm:number": hex(value)}
    if isinstance(value, complex):
        if value.imag == 0:
            return value.real
        return {"legm:complex": [value.real, value.imag]}
    try:
        number = float(value)
        if math.isnan(number) or number == value:
            return number
        return {"legm:number": str(fractions.Fraction(value))}
    except (TypeError, ValueError, OverflowError) as error:
        raise _unstable(place, value) from error


def _plain_mapping(value: Mapping[Any, Any], inner: Callable[[object, str], Plain]) -> Plain:
    keys = list(value)
    by_text = all(type(key) is str for key in keys)
    if by_text and not (len(keys) == 1 and keys[0].startswith(_TAG)):
        return {key: inner(value[key], f"[{key!r}]") for key in keys}
    pairs = [[inner(key, " (a key)"), inner(value[key], f"[{key!r}]")] for key in keys]
    return {"legm:map": sorted(pairs, key=canonical)}


def _qualified_name(value: Any, place: str) -> str:
    """``module.name`` of a function or class, the same in every process."""
    name = getattr(value, "__qualname__", None)
    owner = getattr(value, "__self__", None)
    bound = owner is not None and not isinstance(owner, (type, types.ModuleType))
    if not isinstance(name, str) or not callable(value) or "<lambda>" in name or bound:
        raise _unstable(place, value)
    module = getattr(value, "__module__", None)
    return f"{module}.{name}" if module else name


def _unstable(place: str, value: object) -> UnstableValue:
    kind = type(value).__qualname__
    if inspect.isfunction(value):
        kind = "lambda"
    return UnstableValue(
        f"parameter {place!r} has a value of type {kind}, which has no form that is the same in every "
        f"process, so it cannot tell configurations apart: pass a string or a number that says what it is, "
        f"or keep it out of the comparison with disable_param({place.split('[', maxsplit=1)[0]!r})"
    )


def from_plain(value: Plain) -> Any:
    """The value that a plain form stands for: sets, mappings and exact numbers are themselves again."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "legm:set":
            return {_hashable(from_plain(item)) for item in content}
        if tag == "legm:map":
            return {_hashable(from_plain(key)): from_plain(item) for key, item in content}
        if tag == "legm:bytes":
            return bytes.fromhex(content)
        if tag == "legm:complex":
            return complex(*content)
        if tag == "legm:number":
            return int(content, 16) if "x" in content else fractions.Fraction(content)
    return {key: from_plain(item) for key, item in value.items()}


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_hashable(item) for item in value)
    return frozenset(value) if isinstance(value, set) else value


_encode = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":")).encode


def canonical(value: Plain) -> str:
    """One text for all plain values that are equal."""
    kind = type(value)
    if kind is float and value.is_integer():
        return repr(int(value))
    if kind is str or kind is int:
        return _encode(value) if kind is str else repr(value)
    return _encode(_normal(value))


def _normal(value: Plain) -> Plain:
    if isinstance(value, float):
        if math.isfinite(value):
            return int(value) if value.is_integer() else value
        return {"legm:number": "nan" if math.isnan(value) else str(value)}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "legm:set":
            return {tag: [json.loads(text) for text in sorted({canonical(item) for item in content})]}
        if tag == "legm:map":
            return {tag: sorted(([_normal(k), _normal(v)] for k, v in content), key=canonical)}
    return {key: _normal(item) for key, item in value.items()}


def fingerprint(experiment: str, active: Mapping[str, Plain]) -> str:
    """The identity of a configuration.

    Args:
        experiment: the experiment's name.
        active: the plain values of the parameters that count.

    Returns:
        ``v1-`` and 32 hexadecimal digits: half of the SHA-256 of the canonical form.
    """
    pairs = sorted([f"[{_encode(name)},{canonical(value)}]" for name, value in active.items()])
    text = f'[{_encode(experiment)},{{"legm:map":[{",".join(pairs)}]}}]'  # canonical() of both, but quicker
    return f"{VERSION}-{hashlib.sha256(text.encode('ascii')).hexdigest()[:32]}"


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One parameter that makes two configurations differ.

    Args:
        name: the parameter, or "experiment".
        ours, theirs: the values; None where it does not count there.
        our_note, their_note: why it does not count, where it does not.
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


def differences(
    ours: Mapping[str, Plain],
    theirs: Mapping[str, Plain],
    our_notes: Callable[[str], str],
    their_notes: Callable[[str], str],
) -> tuple[Difference, ...]:
    """What makes two mappings of active parameters differ, by name.

    Args:
        ours, theirs: the active parameters in plain form.
        our_notes, their_notes: say why a parameter is not among them.
    """
    return tuple(
        Difference(
            name,
            ours.get(name),
            theirs.get(name),
            "" if name in ours else our_notes(name),
            "" if name in theirs else their_notes(name),
        )
        for name in sorted({*ours, *theirs})
        if (name in ours) != (name in theirs) or canonical(ours[name]) != canonical(theirs[name])
    )


_LONGEST_NAME = 250


def check_text(what: str, name: object, error: type[Exception]) -> None:
    """Refuse a name that is no text, empty, too long, or no Unicode.

    Args:
        what: what is named, for the message.
        name: the name.
        error: the type of error to raise.
    """
    if not isinstance(name, str):
        raise error(f"the name of a {what} must be a string, not {name!r} of type {type(name).__name__}")
    if not name:
        raise error(f"the name of a {what} must not be empty")
    if len(name) > _LONGEST_NAME:
        raise error(
            f"the name of a {what} may have {_LONGEST_NAME} characters, not {len(name)}: {name[:40]!r}…"
        )
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as cause:
            raise error(
                f"the name of a {what} must be Unicode text; {name!r} holds a lone surrogate"
            ) from cause
