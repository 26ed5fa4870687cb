"""The index by which media are read back from stores that keep files with runs."""

from __future__ import annotations

import hashlib
import json
import logging

import pytest

from legm.backends.portable_media import (
    BLOCK,
    StoredMedia,
    content_of_portable_media,
    counting_media,
    media_block_file,
    media_entries_from,
    media_entries_json,
    name_of_portable_media,
    read_media_entries,
    written_media_blocks,
)
from legm.records import Media, MediaFile, MediaKind, Rewind


def medium(step: int, name: str = "a", content: bytes = b"x", **details) -> Media:
    digest = hashlib.sha256(content).hexdigest()
    return Media(name, MediaKind.AUDIO, (MediaFile("media/a.wav", digest, "ü", details),), step, 0.1 + step)


def test_entries_come_back_as_they_are():
    entries = [
        StoredMedia(medium(-3, "ü/a", rate=8000), ("images/x",)),
        Rewind(2, 0.3),
        StoredMedia(medium(5)),
    ]
    assert media_entries_from(media_entries_json(entries)) == entries


def test_entries_of_many_batches_are_in_blocks_of_limited_size():
    files: dict[str, bytes] = {}
    entries = [StoredMedia(medium(step)) for step in range(2 * BLOCK + 30)]
    for start in range(0, len(entries), 70):
        first = start // BLOCK * BLOCK
        files |= written_media_blocks(entries[first : start + 70], first)
    assert list(files) == [media_block_file(0), media_block_file(1), media_block_file(2)]
    assert read_media_entries(files.get) == read_media_entries(files.get, len(entries)) == entries
    assert read_media_entries(files.get, 150) == entries[:150]
    with pytest.raises(ValueError, match="230 of 231"):
        read_media_entries(files.get, 231)
    with pytest.raises(ValueError, match=r"no file .*1\.json"):
        read_media_entries({media_block_file(0): files[media_block_file(0)]}.get, 230)


def test_a_block_that_is_full_may_be_the_last_one():
    entries = [StoredMedia(medium(step)) for step in range(BLOCK)]
    assert read_media_entries(dict(written_media_blocks(entries, 0)).get) == entries
    assert read_media_entries({}.get) == []


def test_what_a_rewind_made_void_does_not_count():
    entries = [*(StoredMedia(medium(step)) for step in range(4)), Rewind(1, 9.0), StoredMedia(medium(2, "b"))]
    assert [(one.name, one.step) for one in counting_media(entries)] == [("a", 0), ("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../../other/secret"},
        {"path": "/etc/passwd"},
        {"path": "C:\\x"},
        {"path": "c:x"},
        {"path": "a//b"},
        {"path": "a/./b"},
        {"path": ""},
        {"path": 3},
        {"digest": "../x"},
        {"digest": None},
        {"details": 5},
    ],
)
def test_an_index_that_names_what_is_not_in_the_run_is_refused(change):
    (entry,) = json.loads(media_entries_json([StoredMedia(medium(1))]))
    entry["files"][0] |= change
    with pytest.raises((ValueError, TypeError)):
        media_entries_from(json.dumps([entry]).encode())


@pytest.mark.parametrize("change", [{"step": 0.5}, {"step": 2**70}, {"kind": "?"}, {"shown": ["../x"]}])
def test_a_damaged_entry_is_refused(change):
    (entry,) = json.loads(media_entries_json([StoredMedia(medium(1))]))
    with pytest.raises((ValueError, TypeError)):
        media_entries_from(json.dumps([entry | change]).encode())


def test_a_file_that_is_missing_or_changed_is_reported_and_has_no_content(tmp_path, caplog):
    caplog.set_level(logging.WARNING, logger="legm")
    path = tmp_path / "a.wav"
    file = MediaFile(str(path), hashlib.sha256(b"x").hexdigest())
    one = Media("beep", MediaKind.AUDIO, (file,), 4, 0.0)
    assert content_of_portable_media(one, file) is None
    path.write_bytes(b"x")
    assert content_of_portable_media(one, file) == b"x"
    path.write_bytes(b"y")
    assert content_of_portable_media(one, file) is None
    assert [record.getMessage().split(" and ")[0] for record in caplog.records] == [
        f"{path} no longer exists,",
        f"{path} is not what was logged any more,",
    ]


def test_a_digest_of_a_log_of_others_is_no_path():
    assert name_of_portable_media(MediaFile("x", "../../x")) == hashlib.sha256(b"../../x").hexdigest()
