"""What users note about runs: tags, of which one marks favourites, and a note."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from legm.errors import InvalidName
from legm.records import Plain, RunMarks

__all__ = [
    "FAVOURITE",
    "TAGS_VARIABLE",
    "changed_marks",
    "checked_mark_tag",
    "joined_marks",
    "mark_tag_from_text",
    "mark_tags_of_variable",
    "marks_as_dict",
    "marks_from_dict",
    "marks_from_json",
    "marks_from_texts",
    "marks_json",
    "merged_marks",
    "shown_marks",
]

FAVOURITE = "favourite"
"""The tag of favourites, which outputs show as a star."""

TAGS_VARIABLE = "LEGM_TAGS"
"""The environment variable with tags, joined by commas, for each run that a process begins."""

_STAR = "★"
_TAG = re.compile(r"\w[\w.:/-]{0,63}")
_MAX_NOTE = 100_000  # characters
_MAX_TAGS = 1000


def checked_mark_tag(tag: object) -> str:
    """A tag that can be typed, selected and stored everywhere.

    Raises:
        InvalidName: it is not a text of letters, digits and . _ : / -, or too long.
    """
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise InvalidName(
            f"the tag {tag!r} has to begin with a letter, digit or _ and consist of these and . : / -, with "
            "at most 64 characters"
        )
    return tag


def mark_tags_of_variable(text: str | None) -> tuple[str, ...]:
    """The tags in the value of the environment variable.

    Raises:
        InvalidName: one of them is not a tag.
    """
    tags = [one.strip() for one in (text or "").split(",")]
    try:
        return changed_marks(RunMarks(), filter(None, tags)).tags
    except InvalidName as error:
        raise InvalidName(f"{TAGS_VARIABLE}: {error}") from error


def mark_tag_from_text(text: str) -> str | None:
    """The tag for a text that another program calls one; None where nothing of it can be in a tag."""
    found = re.sub(r"[^\w.:/-]+", "-", text).strip("-.:/")[:64]
    return found if _TAG.fullmatch(found) else None


def changed_marks(
    marks: RunMarks, add: Iterable[str] = (), remove: Iterable[str] = (), note: str | None = None
) -> RunMarks:
    """Marks with tags added and removed, and another note.

    Args:
        marks: as they were.
        add, remove: tags; removing one that is not there changes nothing.
        note: None for the same one.

    Raises:
        InvalidName: one is not a tag, or is both added and removed, or the note is too long.
    """
    added, removed = set(map(checked_mark_tag, add)), set(map(checked_mark_tag, remove))
    if added & removed:
        raise InvalidName(f"the tag {min(added & removed)!r} cannot be added and removed at once")
    from legm.core.credentials import redact_text  # only for who changes them

    if note is not None and (not isinstance(note, str) or len(note) > _MAX_NOTE):
        raise InvalidName(f"a note is a text of at most {_MAX_NOTE:,} characters")
    tags = tuple(sorted({*marks.tags, *added} - removed))
    if len(tags) > max(_MAX_TAGS, len(marks.tags)):
        raise InvalidName(f"a run has at most {_MAX_TAGS:,} tags, and would have {len(tags):,}")
    return RunMarks(tags, marks.note if note is None else redact_text(note))


def joined_marks(own: RunMarks, others: RunMarks) -> RunMarks:
    """The tags of both; the own note, or where there is none the other one."""
    return RunMarks(tuple(sorted({*own.tags, *others.tags})[:_MAX_TAGS]), own.note or others.note)


def merged_marks(own: RunMarks, stored: RunMarks, sent: RunMarks | None) -> RunMarks:
    """Marks of a file and of a backend, in both of which a user may have changed them.

    A tag that was removed on one side is gone, and one that was added on one side is there. Of two notes the
    one that was changed counts; the own one if both were.

    Args:
        own: those of the file.
        stored: those of the backend.
        sent: those that legm last wrote to the backend; None where unknown, and nothing counts as removed.
    """
    if sent is None:
        return joined_marks(own, stored)
    mine, theirs, before = set(own.tags), set(stored.tags), set(sent.tags)
    tags = (mine & theirs) | (mine - before) | (theirs - before)
    return RunMarks(tuple(sorted(tags)[:_MAX_TAGS]), stored.note if own.note == sent.note else own.note)


def marks_from_texts(tags: Iterable[str], note: str = "") -> RunMarks:
    """Marks from what another program calls tags and a note, as far as they can be that here."""
    found = {tag for text in tags if (tag := mark_tag_from_text(text)) is not None}
    return RunMarks(tuple(sorted(found)[:_MAX_TAGS]), note[:_MAX_NOTE])


def marks_as_dict(marks: RunMarks) -> dict[str, Plain]:
    """Marks as a user reads and edits them."""
    return {"tags": list(marks.tags), **({"note": marks.note} if marks.note else {})}


def marks_json(marks: RunMarks) -> str:
    """Marks as a text, for a backend that keeps what was last written to it."""
    return json.dumps(marks_as_dict(marks), ensure_ascii=False)


def marks_from_json(text: object) -> RunMarks | None:
    """Marks from such a text; None where it is none, such as one that the backend cut off."""
    try:
        return marks_from_dict(json.loads(text)) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def marks_from_dict(stored: object) -> RunMarks:
    """Marks from a file that anybody may have written.

    Raises:
        ValueError: they are not a mapping with a list of tags and a note, or one is not a tag.
    """
    if not isinstance(stored, dict) or not isinstance(stored.get("note") or "", str):
        raise ValueError(  # noqa: TRY004 - a user wrote it
            "it has to be a mapping with tags, a list, and note, a text"
        )
    tags = stored.get("tags") or []
    tags = [tags] if isinstance(tags, str) else tags
    if not isinstance(tags, list) or len(tags) > _MAX_TAGS:
        raise ValueError(f"tags has to be a list of at most {_MAX_TAGS:,} tags")
    try:
        return changed_marks(RunMarks(), map(str, tags), note=stored.get("note") or "")
    except InvalidName as error:
        raise ValueError(str(error)) from error


def shown_marks(marks: Iterable[RunMarks]) -> str:
    """The tags of runs as outputs show them: a star for favourites, and how many runs have each if not one.

    Args:
        marks: of one run, or of several.
    """
    counts: dict[str, int] = {}
    for one in marks:
        for tag in one.tags:
            counts[tag] = counts.get(tag, 0) + 1
    names = sorted(counts, key=lambda tag: (tag != FAVOURITE, tag))
    texts = [(_STAR if name == FAVOURITE else name, counts[name]) for name in names]
    return ", ".join(f"{text} ({count})" if count > 1 else text for text, count in texts)
