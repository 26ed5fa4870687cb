"""Readable names that are safe as file names, in TensorBoard and in remote stores.

Everything except letters and digits of any script, ``. _ - + = , @ ( ) [ ]`` and inner spaces is escaped as
``_x<hex>_``. A ``_x`` that could be read as such an escape is escaped itself, so that different texts always
have different names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from legm.errors import InvalidName
from legm.records import Configuration

__all__ = [
    "best_key",
    "check_name",
    "configuration_name",
    "escape_name",
    "make_run_id",
    "numbered_name",
    "readable_name",
    "run_title",
    "safe_name",
    "short_name",
    "shorten_name",
    "unescape_name",
    "utc_time",
]

_MAX_NAME_LENGTH = 250

_KEPT_CHARACTERS = frozenset("._-+=,@()[] ")
_MAX_BYTES = 180  # bytes; file systems allow 255, and a number, a description or an extension may follow
_RESERVED_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # by Windows
_ESCAPE_LIKE = re.compile(r"_(?=x[0-9a-f]+_)")
_LAST_CODE = 0x10FFFF  # of Unicode
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ESCAPED = re.compile(r"_x([0-9a-f]{1,6})_")


def _escape_name_character(character: str) -> str:
    return f"_x{ord(character):x}_"


def _is_kept_in_name(character: str) -> bool:
    if character in _KEPT_CHARACTERS:
        return True
    # A combining mark is not a letter and so never kept: macOS treats "e" with a mark as "é".
    return character.isalnum() and unicodedata.is_normalized("NFC", character)


def escape_name(text: str, is_kept: Callable[[str], bool]) -> str:
    """The text with each character that is not kept as ``_x<hex>_``; different texts stay different.

    Args:
        text: any text.
        is_kept: whether a character is kept.
    """
    return "".join(
        c if is_kept(c) else _escape_name_character(c)
        for c in _ESCAPE_LIKE.sub(_escape_name_character("_"), text)
    )


def unescape_name(name: str) -> str:
    """The text that :func:`escape_name` was given, for names of letters, digits and what was kept."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def readable_name(name: str) -> str:
    """A safe name as people read it: with the characters that it stands for, if they can be printed."""
    return _ESCAPED.sub(_printable_or_escape, name)


def _printable_or_escape(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    return chr(code) if code <= _LAST_CODE and chr(code).isprintable() else escape[0]


def run_title(configuration: Configuration, parameters: Iterable[str] = ()) -> str:
    """What a run is called where people see it; a name has no escapes.

    Args:
        configuration: the run's.
        parameters: texts of the parameters that distinguish the runs of the configuration.
    """
    return ", ".join([readable_name(configuration.name) or configuration.fingerprint[:15], *parameters])


def safe_name(text: str) -> str:
    """The text as a file name; different texts have different names.

    Raises:
        InvalidName: the text is empty.
    """
    if not text:
        raise InvalidName("a name must not be empty")
    name = escape_name(text, _is_kept_in_name)
    if not unicodedata.is_normalized("NFC", name):  # letters whose combination is normalized differently
        name = "".join(c if c.isascii() else _escape_name_character(c) for c in name)
    if name[0] in ". -" or _RESERVED_ON_WINDOWS.fullmatch(name):
        name = _escape_name_character(name[0]) + name[1:]
    if name[-1] in ". ":
        name = name[:-1] + _escape_name_character(name[-1])
    return name


def shorten_name(name: str, digest: str, longest: int = _MAX_BYTES, mark: str = "~") -> str:
    """A safe name, truncated and made unique again by the end of a digest if it is too long.

    Args:
        name: the safe name.
        digest: a digest of what it names.
        longest: the maximal length in bytes of UTF-8.
        mark: what separates the name from the digest.
    """
    data = name.encode()
    if len(data) <= longest:
        return name
    piece = mark + digest[-12:]
    return data[: longest - len(piece)].decode(errors="ignore").rstrip(". ") + piece


def short_name(text: str, longest: int = 120, *, without: str = "") -> str:
    """A safe name of limited length; a truncated one has a piece of the text's digest and its extension.

    Args:
        text: what is named.
        longest: the maximal length in bytes of UTF-8.
        without: characters that are escaped although a file name may have them.

    Raises:
        InvalidName: the text is empty.
    """
    name = safe_name(text)
    for character in without:
        name = name.replace(character, _escape_name_character(character))
    if len(name.encode()) <= longest:
        return name
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 10:
        stem, dot, extension = name, "", ""
    return shorten_name(stem, digest, longest - len((dot + extension).encode())) + dot + extension


def configuration_name(values: list[str], fingerprint: str) -> str:
    """The name of a configuration.

    Args:
        values: the values of the parameters in its name, as texts.
        fingerprint: the configuration's.

    Returns:
        the values joined with commas, safe as a file name and of limited length; "" without values.
    """
    joined = ",".join(values)
    return shorten_name(safe_name(joined), fingerprint) if joined else ""


def numbered_name(name: str, k: int) -> str:
    """The name of the k-th configuration with an equal name."""
    return f"{name}_{k}"


def utc_time(seconds: float) -> datetime:
    """A time (s since 1970) in UTC; the nearest one that there is for what no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=timezone.utc) if seconds > 0 else _EPOCH


def make_run_id(started: float, unique: str) -> str:
    """The id of a run: its start in UTC, to the millisecond, so that ids sort by time, and a unique suffix.

    Args:
        started: seconds since 1970.
        unique: the suffix.
    """
    moment = utc_time(started)
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}-{unique}"


def best_key(metric: str) -> str:
    """The key of a metric's best value; ``best_step`` is the step itself."""
    return f"best_dev/{metric}" if metric == "step" or metric.startswith("dev/") else f"best_{metric}"


def check_name(what: str, name: object, error: type[Exception]) -> None:
    """Check that a name is a non-empty Unicode string of at most 250 characters.

    Args:
        what: the kind of thing that is named, for the error message.
        name: the name.
        error: the type of error to raise.

    Raises:
        Exception: of the type ``error``, if it is not.
    """
    named = f"the name of {'an' if what[:1] in 'aeiou' else 'a'} {what}"
    if not isinstance(name, str):
        raise error(f"{named} must be a string, not {name!r} of type {type(name).__name__}")
    if not name:
        raise error(f"{named} must not be empty")
    if len(name) > _MAX_NAME_LENGTH:
        raise error(
            f"{named} may have at most {_MAX_NAME_LENGTH} characters, not {len(name)}: {name[:40]!r}…"
        )
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as cause:
            raise error(f"{named} must be valid Unicode; {name!r} contains a lone surrogate") from cause
