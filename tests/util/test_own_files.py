"""A file below a folder is opened, and nothing outside of the folder is, whatever links lead there."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from legm.errors import StorageError
from legm.util import own_files
from legm.util.own_files import is_own_file, open_own_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a right there")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "configuration" / "artifacts" / "run"
    own.mkdir(parents=True)
    (own / "file.txt").write_text("own")
    outside = tmp_path / "outside" / "run"
    outside.mkdir(parents=True)
    (outside / "file.txt").write_text("outside")
    return tmp_path / "configuration"


@pytest.fixture(params=[True, False], ids=["descriptors", "paths"])
def _has_folder_descriptors(request, monkeypatch):
    monkeypatch.setattr(own_files, "_HAS_FOLDER_DESCRIPTORS", request.param)


def content(folder: Path) -> bytes:
    with open_own_file(folder, folder / "artifacts" / "run" / "file.txt") as file:
        return file.read()


@pytest.mark.usefixtures("_has_folder_descriptors")
def test_the_folder_may_be_a_link_and_nothing_below_it(folder, tmp_path):
    (tmp_path / "linked").symlink_to(folder, target_is_directory=True)
    assert content(folder) == content(tmp_path / "linked") == b"own"
    artifacts = folder / "artifacts"
    for link, target in (
        (artifacts / "run" / "file.txt", tmp_path / "outside" / "run" / "file.txt"),
        (artifacts / "run", tmp_path / "outside" / "run"),
        (artifacts, tmp_path / "outside"),
    ):
        link.rename(tmp_path / "kept")
        link.symlink_to(target)
        assert not is_own_file(folder, artifacts / "run" / "file.txt")
        with pytest.raises(StorageError, match="link"):
            content(folder)
        link.unlink()
        (tmp_path / "kept").rename(link)
    assert content(folder) == b"own"


@pytest.mark.usefixtures("_has_folder_descriptors")
def test_what_is_no_file_is_none(folder):
    with pytest.raises(FileNotFoundError):
        open_own_file(folder, folder / "nothing")
    for path in (folder, folder / "artifacts", folder / ".." / "outside" / "run" / "file.txt"):
        with pytest.raises(StorageError):
            open_own_file(folder, path)
        assert not is_own_file(folder, path)


def test_a_pipe_is_no_file_and_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    assert not is_own_file(folder, folder / "pipe")


def test_a_folder_that_is_exchanged_by_a_link_meanwhile_leads_nowhere(folder, tmp_path):
    artifacts, is_over, found = folder / "artifacts", threading.Event(), set()

    def exchange() -> None:
        while not is_over.is_set():
            artifacts.rename(tmp_path / "kept")
            artifacts.symlink_to(tmp_path / "outside")
            artifacts.unlink()
            (tmp_path / "kept").rename(artifacts)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(2000):
            try:
                found.add(content(folder))
            except (FileNotFoundError, StorageError):
                found.add(b"")
    finally:
        is_over.set()
        thread.join()
    assert found - {b""} == {b"own"}
