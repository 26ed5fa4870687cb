"""The index of an experiment's folder, as text."""

from __future__ import annotations

import zlib
from io import FileIO
from pathlib import Path

import pytest

from legm.backends.local.index_content import STALE_STAMP, IndexContent, index_line, index_stamp

LINES = index_line("v1-aa", "0.1_0") + index_line("v1-bb", 'a "b"_9') + index_line("v1-aa", "old/copy")


def stamped(lines: bytes, changed: int = 7) -> bytes:
    return index_stamp(changed, zlib.crc32(lines)) + lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


def read(path: Path, known: IndexContent | None = None) -> IndexContent:
    with FileIO(path) as file:
        return IndexContent.read(file, known)


def test_every_folder_of_a_fingerprint_is_known():
    index = IndexContent(stamped(LINES))
    assert list(index.names_with("v1-aa")) == ["0.1_0", "old/copy"]
    assert list(index.names_with("v1-a")) == []
    assert index.entries() == {"0.1_0": ("v1-aa",), 'a "b"_9': ("v1-bb",), "old/copy": ("v1-aa",)}


@pytest.mark.parametrize(("name", "number"), [("0.1", 1), ('a "b"', 10), ("0", 0), ("b", 0)])
def test_the_number_after_the_last_folder_with_a_name(name, number):
    assert IndexContent(stamped(LINES)).next_number(name) == number


@pytest.mark.parametrize("text", ['"../out"', '"/etc"', '"a/../.."', "[1]", '"cut'])
def test_a_line_that_leads_out_of_the_folder_or_is_damaged_is_left_out(text):
    line = f"v1-cc\t{text}\n".encode()
    index = IndexContent(stamped(line + LINES))
    assert not list(index.names_with("v1-cc"))
    assert "v1-cc" not in str(index.entries())


def test_only_the_stamp_of_this_change_and_of_these_lines_is_current():
    assert IndexContent(stamped(LINES, 7)).is_stamped(7)
    assert not IndexContent(stamped(LINES, 7)).is_stamped(8)
    assert not IndexContent(stamped(LINES, 7) + index_line("v1-cc", "new")).is_stamped(7)
    assert not IndexContent().is_stamped(0)


def test_folders_written_as_an_index_are_read_back():
    lines = [index_line(digest, name) for digest, name in (("v1-aa", "a"), ("v1-bb", "a"), ("v1-cc", "g/b"))]
    index = IndexContent.of_lines(b"".join(lines), {"g": 5})
    assert index.data.startswith(STALE_STAMP)
    assert dict(index.groups()) == {"g": 5}
    assert index.entries() == {"a": ("v1-aa", "v1-bb"), "g/b": ("v1-cc",)}


def test_an_index_that_is_still_the_same_is_not_read_again(path):
    path.write_bytes(stamped(LINES))
    known = read(path)
    assert read(path, known) is known


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            stamped(LINES),
            stamped(LINES) + index_line("v1-cc", "new"),
        ),  # its writer was killed
        (stamped(LINES), stamped(LINES, 8)),
        (STALE_STAMP + b"1", STALE_STAMP + b"2"),
        (stamped(LINES), b""),
        (b"", stamped(LINES)),
        (b"", b""),
    ],
)
def test_an_index_that_was_changed_or_may_have_been_is_read_again(path, before, after):
    path.write_bytes(before)
    known = read(path)
    path.write_bytes(after)
    again = read(path, known)
    assert again is not known
    assert again.data == after
