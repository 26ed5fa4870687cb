"""Which lines differ in two codes of which patches are known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.patch_differences import FileDifference, patch_differences
from legm.core.patch_reading import FileChange, read_patch

BASE = [str(number) for number in range(60)]
HASH = "a" * 40


def patch(before: Sequence[str], after: Sequence[str], name: str = "x.py", base: str = HASH) -> bytes:
    """What git says of a file whose lines have changed."""
    lines = list(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm=""))
    head = [f"diff --git a/{name} b/{name}", f"index {base}..{'b' * 40} 100644"]
    return "\n".join([*head, *lines, ""]).encode()


def new_file(content: str, name: str = "new.py") -> bytes:
    lines = content.split("\n")
    ends = "" if not lines[-1] else "\\ No newline at end of file\n"
    lines = lines if lines[-1] else lines[:-1]
    head = f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n"
    text = f"{head}@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines) + ends
    return text.encode()


def applied(lines: Sequence[str], difference: FileDifference) -> list[str]:
    """A file after the lines of a difference, which name each line and repeat it."""
    found: list[str] = []
    at = 0
    for line in difference.lines:
        if heading := re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line):
            start = int(heading[1]) - (heading[2] != "0")
            found += lines[at:start]
            at = start
            assert len(found) == int(heading[3]) - (heading[4] != "0")
        elif line[0] == "+":
            found.append(line[1:])
        else:
            assert lines[at] == line[1:]
            found += [] if line[0] == "-" else [lines[at]]
            at += 1
    return [*found, *lines[at:]]


edits = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 8), st.lists(st.sampled_from("abc"), max_size=4)), max_size=4
)


def edited(changes: list[tuple[int, int, list[str]]]) -> list[str]:
    lines = list(BASE)
    for at, removed, added in changes:
        lines[at : at + removed] = added
    return lines


@given(edits, edits)
def test_the_lines_lead_from_one_state_to_the_other(ours, theirs):
    a, b = edited(ours), edited(theirs)
    both = [read_patch(patch(BASE, lines)) if lines != BASE else [] for lines in (a, b)]
    differences = patch_differences(*both)
    if a == b:
        assert differences == []
        return
    (one,) = differences
    assert applied(a, one) == b
    assert one.changed_in == ("b" if a == BASE else "a" if b == BASE else "both")


def test_equal_changes_beside_different_ones_are_not_shown():
    a, b = list(BASE), list(BASE)
    a[10] = b[10] = "equal"
    a[40], b[40] = "ours", "theirs"
    (one,) = patch_differences(read_patch(patch(BASE, a)), read_patch(patch(BASE, b)))
    assert [line for line in one.lines if line[0] in "+-"] == ["-ours", "+theirs"]
    assert one.lines[0] == "@@ -38,7 +38,7 @@"


def test_untracked_files_are_compared_with_their_last_line_breaks():
    (one,) = patch_differences(read_patch(new_file("a\nb\n")), read_patch(new_file("a\nc")))
    assert one.lines == ("@@ -1,2 +1,2 @@", " a", "-b", "+c", "\\ No newline at end of file")
    assert patch_differences(read_patch(new_file("a")), read_patch(new_file("a"))) == []
    (one,) = patch_differences(read_patch(new_file("a")), read_patch(new_file("a\n")))
    assert one.lines == ("@@ -1 +1 @@", "-a", "\\ No newline at end of file", "+a")


def test_a_file_that_only_one_has_is_taken_back_or_made():
    changed = read_patch(patch(BASE, ["first", *BASE[:30], *BASE[31:]]))
    (gone,), (made,) = patch_differences(changed, []), patch_differences([], changed)
    assert (gone.changed_in, made.changed_in) == ("a", "b")
    assert [line for line in gone.lines if line[0] in "+-"] == ["-first", "+30"]
    assert [line for line in made.lines if line[0] in "+-"] == ["+first", "-30"]
    assert made.lines[0].startswith("@@ -1,3 +1,4 @@")
    assert gone.lines[0].startswith("@@ -1,4 +1,3 @@")


def test_what_changed_beside_the_lines_is_said():
    renamed = b"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n"
    mode = b"diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
    found = patch_differences(read_patch(renamed + mode), read_patch(mode.replace(b"755", b"600")))
    assert [(one.name, one.changed_in) for one in found] == [("run.sh", "both"), ("y", "a")]
    assert found[0].lines == ("only in A: new mode 100755", "only in B: new mode 100600")
    assert found[1].lines == ("not in B: rename from x", "not in B: rename to y")


@pytest.mark.parametrize("other", ["c" * 40, None])
def test_changes_of_different_contents_are_shown_one_after_the_other(other):
    a = read_patch(patch(BASE, ["ours", *BASE]))
    b = read_patch(patch(BASE, ["theirs", *BASE], base=other or HASH))
    if other is None:  # of a patch that does not say it
        b = [FileChange(b[0].name, None, (), b[0].hunks)]
    (one,) = patch_differences(a, b)
    assert not one.is_relative
    assert [line for line in one.lines if line[0] in "+-"] == ["-ours", "+theirs"]


def test_hunks_that_contradict_each_other_are_shown_one_after_the_other():
    a, b = read_patch(patch(BASE, ["x", *BASE])), read_patch(patch(["?", *BASE[1:]], ["y", *BASE]))
    (one,) = patch_differences(a, b)
    assert not one.is_relative


@pytest.mark.parametrize(
    "text",
    [
        "@@ nothing @@\n+a\n",
        "@@ -1,5 +1,5 @@\n+a\n",
        "@@ -1 +1 @@\n*a\n",
        "@@ -1 +1 @@\n-a\n+b\n+c\n",
        "@@ -9 +9 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n",
        "@@ -1 +1 @@\n\\ No newline\n",
        "@@ -999999999999999999 +1 @@\n-a\n+b\n",
    ],
)
def test_what_is_not_gits_is_shown_as_it_is(text):
    broken = f"diff --git a/x b/x\n--- a/x\n+++ b/x\n{text}".encode()
    (change,) = read_patch(broken)
    assert change.raw
    (one,) = patch_differences([], [change])
    assert one.lines == change.raw
    (one,) = patch_differences([change], [])
    assert one.lines == ("what follows is not in B:", *change.raw)
    (one,) = patch_differences([change], read_patch(patch(["a"], ["b"], "x")))
    assert not one.is_relative


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content):
    assert read_patch(content) == [] or content.startswith(b"diff --git ") or b"\ndiff --git " in content
    found = read_patch(b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n" + content)
    patch_differences(found, found)
    patch_differences(found, read_patch(patch(BASE, ["x"])))


@pytest.mark.slow
def test_a_region_of_many_lines_that_are_all_different_takes_no_time_of_its_square():
    many = [read_patch(new_file("".join(f"{kind}{n % 7}\n" for n in range(200_000)))) for kind in "ab"]
    (one,) = patch_differences(*many)
    assert len(one.lines) == 400_001
    lines = [str(n) for n in range(100_000)]
    changed = [*lines[:50_000], "other", *lines[50_001:]]
    files = ["\n".join([*one, ""]) for one in (lines, changed)]
    (one,) = patch_differences(*(read_patch(new_file(text)) for text in files))
    assert [line for line in one.lines if line[0] in "+-"] == ["-50000", "+other"]
