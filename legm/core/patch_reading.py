"""Reads patches as git writes them, of which somebody else may have made any byte."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

__all__ = [
    "NO_NEWLINE",
    "FileChange",
    "Hunk",
    "patch_file_name",
    "read_patch",
    "split_patch_changes",
    "unprefixed_patch_name",
]

NO_NEWLINE = "\n\\ No newline at end of file"
"""Follows the last line of a file that does not end in a line break."""

_SCANNED = 65_536  # bytes that are searched at once for the changes in a patch
_DIFF = b"diff --git "
_NEXT_DIFF = b"\n" + _DIFF
_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_INDEX = re.compile(r"index ([0-9a-f]+)\.\.([0-9a-f]+)")
_NOWHERE = "/dev/null"
_NOTABLE = (
    *("old mode ", "new mode ", "deleted file mode ", "rename from ", "rename to ", "copy from "),
    *("copy to ", "Binary files ", "Submodule "),
)


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that follow each other in a file, before and after a change.

    Args:
        start: how many lines stand before them, in the file before the change.
        before, after: the lines.
        lines: both with their signs, as in the patch.
    """

    start: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def end(self) -> int:
        """How many lines stand before the next one, in the file before the change."""
        return self.start + len(self.before)

    def reversed(self, start: int) -> Hunk:
        """What takes the change back.

        Args:
            start: how many lines stand before it in the file after the change.
        """
        removed, kept = [], []
        for line in self.lines:  # removed lines stand before added ones
            if line[:1] == "+":
                removed.append("-" + line[1:])
            elif line[:1] == "-":
                kept.append("+" + line[1:])
            else:
                removed += [*kept, line]
                kept = []
        return Hunk(start, self.after, self.before, (*removed, *kept))


@dataclass(frozen=True, slots=True)
class FileChange:
    """The change of one file.

    Args:
        name: the file's, after the change; of a deleted one before it.
        base: what it is a change of: the hash of the file's content before, "" for a new file; None where
            the patch does not say.
        notes: what changed beside the lines: renamed, deleted, another mode.
        hunks: the changed lines.
        raw: all lines of the change as they are, where they could not be understood; else empty.
    """

    name: str
    base: str | None
    notes: tuple[str, ...]
    hunks: tuple[Hunk, ...]
    raw: tuple[str, ...] = ()

    def reversed(self) -> FileChange:
        """What takes the change back."""
        hunks, moved = [], 0
        for hunk in self.hunks:
            hunks.append(hunk.reversed(hunk.start + moved))
            moved += len(hunk.after) - len(hunk.before)
        return replace(self, hunks=tuple(hunks))


def read_patch(patch: bytes) -> list[FileChange]:
    """The changes of the files in a patch; what is not git's is passed over.

    Args:
        patch: as ``git diff`` writes it.
    """
    return [_read_patch_change(change) for change in split_patch_changes(patch)]


def split_patch_changes(patch: bytes, pause: Callable[[], None] = lambda: None) -> list[bytes]:
    """What a patch says of each file.

    Args:
        patch: as ``git diff`` writes it.
        pause: is called after each piece of work.
    """
    starts = [0] if patch.startswith(_DIFF) else []
    for at in range(0, len(patch), _SCANNED):
        end = at + _SCANNED + len(_NEXT_DIFF) - 1
        while (found := patch.find(_NEXT_DIFF, at, end)) >= 0:
            starts.append(found + 1)
            at = found + 1  # noqa: PLW2901 - the rest of this piece
        pause()
    return [patch[a:b] for a, b in itertools.pairwise([*starts, len(patch)])]


def patch_file_name(head: bytes) -> str:
    """The name of the file that is changed.

    Args:
        head: what the patch says before the first changed line.
    """
    for start in (b"+++ ", b"--- ", b"rename to "):
        for line in head.splitlines():
            if line.startswith(start) and line != start + b"/dev/null":
                return unprefixed_patch_name(line[len(start) :])
    line = head.partition(b"\n")[0].removeprefix(_DIFF)
    return unprefixed_patch_name(line[len(line) // 2 + 1 :])  # both names are the same


def unprefixed_patch_name(name: bytes) -> str:
    """A name as git prints it, without ``a/`` or ``b/`` before it and the tab after it.

    Args:
        name: the name.
    """
    text = name.decode("utf-8", "replace").rstrip("\t")
    quote = '"' if text.startswith('"') else ""
    text = text.removeprefix(quote)
    return quote + (text[2:] if text[:2] in ("a/", "b/") else text)


def _read_patch_change(change: bytes) -> FileChange:
    at = change.find(b"\n@@ ")
    head = change if at < 0 else change[: at + 1]
    lines = change.decode("utf-8", "backslashreplace").removesuffix("\n").split("\n")
    heading = head.decode("utf-8", "backslashreplace").splitlines()
    is_new = any(line.startswith("new file mode ") or line == f"--- {_NOWHERE}" for line in heading)
    index = next((found for line in heading if (found := _INDEX.match(line))), None)
    notes = tuple(line for line in heading if line.startswith(_NOTABLE))
    name, base = patch_file_name(head), "" if is_new else index and index[1]
    try:
        hunks = () if at < 0 else tuple(_read_patch_hunks(lines[head.count(b"\n") :]))
    except ValueError:
        return FileChange(name, base, notes, (), tuple(lines))
    return FileChange(name, base, notes, hunks)


def _read_patch_hunks(lines: Sequence[str]) -> Iterator[Hunk]:
    """The hunks in the lines behind a change's head.

    Raises:
        ValueError: they are not what git writes.
    """
    at, end = 0, 0
    while at < len(lines):
        found = _HUNK.match(lines[at])
        if found is None:
            raise ValueError(lines[at])
        first, before, after = int(found[1]), int(found[2] or 1), int(found[4] or 1)
        own: list[str] = []
        at += 1
        while before or after or (at < len(lines) and lines[at].startswith("\\")):
            line = lines[at] if at < len(lines) else "?"
            sign = line[:1] or " "  # some programs strip the space of an empty line
            if sign == "\\" and own:
                own[-1] += NO_NEWLINE
            elif sign in " -+":
                before -= sign != "+"
                after -= sign != "-"
                own.append(line or " ")
            else:
                raise ValueError(line)
            if before < 0 or after < 0:
                raise ValueError(line)
            at += 1
        removed = tuple(line[1:] for line in own if line[0] != "+")
        hunk = Hunk(
            first - bool(removed), removed, tuple(line[1:] for line in own if line[0] != "-"), tuple(own)
        )
        if hunk.start < end:
            raise ValueError(lines[at - 1])
        end = hunk.end
        yield hunk
