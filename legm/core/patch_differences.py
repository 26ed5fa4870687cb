"""Which lines differ in two states of a code that are each known as a patch; ``-`` are those of the first."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from legm.core.patch_reading import NO_NEWLINE, FileChange, Hunk

__all__ = ["FileDifference", "change_lines", "patch_differences"]

_CONTEXT = 3  # equal lines that are shown around different ones
_MOST_COMPARED = (
    2_000  # lines of a region; of a longer one all that is not equal at its ends counts as different
)


@dataclass(frozen=True, slots=True)
class FileDifference:
    """How a file differs in two states of a code.

    Args:
        name: the file's.
        changed_in: "a" or "b" where one of the patches alone changes the file, else "both".
        lines: what leads from the first state to the second, in the form of a patch's lines.
        is_relative: whether the states are those before and after, as of a file of which both patches know
            the content that they change; otherwise the first change is taken back and the second one made,
            and these are of different contents.
    """

    name: str
    changed_in: str
    lines: tuple[str, ...]
    is_relative: bool = True


def patch_differences(a: Sequence[FileChange], b: Sequence[FileChange]) -> list[FileDifference]:
    """The files that differ, those in both patches first, then those in A, then those in B.

    Args:
        a, b: the patches.
    """
    ours, theirs = _patches_by_name(a), _patches_by_name(b)
    differences = [_both_patches(ours[name], theirs[name]) for name in ours if name in theirs]
    return [
        *(one for one in differences if one.lines),
        *(_patch_taken_back(change) for name, change in ours.items() if name not in theirs),
        *(FileDifference(name, "b", change_lines(c)) for name, c in theirs.items() if name not in ours),
    ]


def change_lines(change: FileChange) -> tuple[str, ...]:
    """The lines of a file's change, with what changed beside them.

    Args:
        change: the change.
    """
    return (*change.notes, *(change.raw or _patch_hunk_lines(change.hunks)))


def _patches_by_name(changes: Sequence[FileChange]) -> Mapping[str, FileChange]:
    return {change.name: change for change in changes}


def _patch_taken_back(change: FileChange) -> FileDifference:
    notes = [f"not in B: {note}" for note in change.notes]
    lines = _raw_patch_taken_back(change) if change.raw else _patch_hunk_lines(change.reversed().hunks)
    return FileDifference(change.name, "a", (*notes, *lines))


def _raw_patch_taken_back(change: FileChange) -> Iterator[str]:
    yield "what follows is not in B:"
    yield from change.raw


def _both_patches(a: FileChange, b: FileChange) -> FileDifference:
    if (a.base, a.notes, a.hunks, a.raw) == (b.base, b.notes, b.hunks, b.raw):
        return FileDifference(a.name, "both", ())
    notes = [
        *(f"only in A: {note}" for note in a.notes if note not in b.notes),
        *(f"only in B: {note}" for note in b.notes if note not in a.notes),
    ]
    if a.base is not None and a.base == b.base and not (a.raw or b.raw):
        try:
            return FileDifference(a.name, "both", (*notes, *_region_differences(a.hunks, b.hunks)))
        except ValueError:  # they contradict each other
            pass
    back = _raw_patch_taken_back(a) if a.raw else _patch_hunk_lines(a.reversed().hunks)
    return FileDifference(
        a.name, "both", (*notes, *back, *(b.raw or _patch_hunk_lines(b.hunks))), is_relative=False
    )


def _patch_hunk_lines(hunks: Sequence[Hunk]) -> Iterator[str]:
    moved = 0
    for hunk in hunks:
        yield _patch_heading(hunk.start, len(hunk.before), hunk.start + moved, len(hunk.after))
        for line in hunk.lines:
            yield from line.split("\n")
        moved += len(hunk.after) - len(hunk.before)


def _patch_heading(ours: int, our_length: int, theirs: int, their_length: int) -> str:
    pairs = ((ours, our_length), (theirs, their_length))
    shown = [f"{start + bool(length)}" + ("" if length == 1 else f",{length}") for start, length in pairs]
    return f"@@ -{shown[0]} +{shown[1]} @@"


def _region_differences(a: Sequence[Hunk], b: Sequence[Hunk]) -> Iterator[str]:
    """The different lines of two states of a file that are changes of the same content.

    Raises:
        ValueError: the hunks contradict each other.
    """
    moved_a = moved_b = 0
    for start, end, ours, theirs in _patch_regions(a, b):
        base = _known_patch_lines(start, end, [*ours, *theirs])
        first, second = _changed_patch_lines(base, start, ours), _changed_patch_lines(base, start, theirs)
        yield from _different_patch_lines(first, second, start + moved_a, start + moved_b)
        moved_a += len(first) - (end - start)
        moved_b += len(second) - (end - start)


def _patch_regions(a: Sequence[Hunk], b: Sequence[Hunk]) -> Iterator[tuple[int, int, list[Hunk], list[Hunk]]]:
    """The parts of a file that hunks of either side cover, with the hunks of each."""
    both = sorted([*((hunk, 0) for hunk in a), *((hunk, 1) for hunk in b)], key=lambda one: one[0].start)
    at = 0
    while at < len(both):
        start, end = both[at][0].start, both[at][0].end
        own: tuple[list[Hunk], list[Hunk]] = ([], [])
        while at < len(both) and both[at][0].start <= end:
            hunk, side = both[at]
            own[side].append(hunk)
            end = max(end, hunk.end)
            at += 1
        yield start, end, *own


def _known_patch_lines(start: int, end: int, hunks: Sequence[Hunk]) -> list[str]:
    """The lines of a region before either change."""
    known: dict[int, str] = {}
    for hunk in hunks:
        for at, line in enumerate(hunk.before, hunk.start):
            if known.setdefault(at, line) != line:
                raise ValueError(line)
    return [known[at] for at in range(start, end)]


def _changed_patch_lines(base: Sequence[str], start: int, hunks: Sequence[Hunk]) -> list[str]:
    """The lines of a region after one side's change."""
    changed: list[str] = []
    at = start
    for hunk in hunks:
        changed += [*base[at - start : hunk.start - start], *hunk.after]
        at = hunk.end
    return changed + list(base[at - start :])


def _different_patch_lines(a: Sequence[str], b: Sequence[str], start_a: int, start_b: int) -> Iterator[str]:
    for group in _grouped_patch_lines(_patch_operations(a, b)):
        (_, a0, _, b0, _), (_, _, a1, _, b1) = group[0], group[-1]
        yield _patch_heading(start_a + a0, a1 - a0, start_b + b0, b1 - b0)
        for kind, i, j, k, m in group:
            if kind == "equal":
                yield from _signed_patch_lines(" ", a[i:j])
            else:
                yield from _signed_patch_lines("-", a[i:j])
                yield from _signed_patch_lines("+", b[k:m])


_Operation = tuple[str, int, int, int, int]


def _patch_operations(a: Sequence[str], b: Sequence[str]) -> list[_Operation]:
    """How one list of lines becomes another, as :meth:`difflib.SequenceMatcher.get_opcodes` says it."""
    least = min(len(a), len(b))
    before = next((at for at in range(least) if a[at] != b[at]), least)
    least -= before
    after = next((at for at in range(least) if a[-1 - at] != b[-1 - at]), least)
    end_a, end_b = len(a) - after, len(b) - after
    inner = [("replace", before, end_a, before, end_b)]
    if max(end_a, end_b) - before <= _MOST_COMPARED:
        inner = [
            (kind, i + before, j + before, k + before, m + before)
            for kind, i, j, k, m in difflib.SequenceMatcher(
                None, a[before:end_a], b[before:end_b]
            ).get_opcodes()
        ]
    ends = [("equal", 0, before, 0, before)], [("equal", end_a, len(a), end_b, len(b))]
    return [one for one in (*ends[0], *inner, *ends[1]) if one[1] < one[2] or one[3] < one[4]]


def _grouped_patch_lines(operations: Sequence[_Operation]) -> Iterator[list[_Operation]]:
    """Changes with a few equal lines around them; those that are near each other are together."""
    group: list[_Operation] = []
    for at, (kind, i, j, k, m) in enumerate(operations):
        if kind != "equal":
            group.append((kind, i, j, k, m))
            continue
        is_first, is_last = at == 0, at == len(operations) - 1
        if not (is_first or is_last) and j - i <= 2 * _CONTEXT:
            group.append((kind, i, j, k, m))
            continue
        if not is_first:
            group.append((kind, i, min(i + _CONTEXT, j), k, min(k + _CONTEXT, m)))
            yield group
        group = [] if is_last else [(kind, max(j - _CONTEXT, i), j, max(m - _CONTEXT, k), m)]
    if group and any(one[0] != "equal" for one in group):
        yield group


def _signed_patch_lines(sign: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        text, marker, _ = line.partition(NO_NEWLINE)
        yield sign + text
        if marker:
            yield marker[1:]
