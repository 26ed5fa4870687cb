"""Many folders that nobody has read yet are read beside the server, and never for nothing."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from legm.runlog.file_names import CATALOGUE, OWN_FOLDER
from legm.tables.sources import FolderTableSource
from legm.ui import first_reading
from legm.ui.first_reading import FirstReading
from legm.ui.stored_runs import StoredRuns
from tests.support.local_runs import train

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs processes that fork")

CONFIGURATIONS = 3


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "results"
    for number in range(CONFIGURATIONS):
        train(folder, "net", rate=number / 10)
    monkeypatch.setattr(first_reading, "_WORTH_PROCESSES", CONFIGURATIONS)
    monkeypatch.setattr(first_reading, "number_of_forked_processes", lambda: 2)  # the tests may have threads
    monkeypatch.setattr("legm.backends.local.status_cache._TIMESTAMP_RESOLUTION", -60.0)  # of any age
    return folder


def completed_runs(stored: StoredRuns) -> int:
    (card,) = stored.cards()
    assert card["configurations"] == CONFIGURATIONS
    return card["counts"]["completed"]


def first_reading_of(stored: StoredRuns) -> FirstReading:
    assert stored.first_reading is not None
    return stored.first_reading


def is_cached(root: Path) -> bool:
    return (root / "net" / OWN_FOLDER / CATALOGUE).exists()


def test_another_process_reads_first_and_whoever_asks_waits_for_it(root, tmp_path, monkeypatch):
    stored, was_cached, counts = StoredRuns(root), [], FolderTableSource.counts

    def counted(self, experiment):
        was_cached.append(is_cached(root))
        return counts(self, experiment)

    monkeypatch.setattr(FolderTableSource, "counts", counted)
    assert first_reading_of(stored).begin(lambda: (tmp_path / "process").write_text(str(os.getpid())))
    assert completed_runs(stored) == CONFIGURATIONS
    assert was_cached == [True]
    assert int((tmp_path / "process").read_text()) != os.getpid()


def test_a_process_that_is_killed_leaves_the_reading_to_the_server(root):
    stored = StoredRuns(root)
    assert first_reading_of(stored).begin(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert completed_runs(stored) == CONFIGURATIONS


def test_a_server_that_ends_lets_nobody_wait(root):
    stored, found = StoredRuns(root), []
    assert first_reading_of(stored).begin(signal.pause)
    asking = threading.Thread(target=lambda: found.append(completed_runs(stored)))
    asking.start()
    first_reading_of(stored).stop()
    asking.join()
    assert found == [CONFIGURATIONS]


def test_what_was_read_before_is_not_read_by_another_process(root, monkeypatch):
    first = first_reading_of(StoredRuns(root))
    assert completed_runs(StoredRuns(root)) == CONFIGURATIONS
    assert is_cached(root)
    assert not first.begin()
    (root / "net" / OWN_FOLDER / CATALOGUE).unlink()
    monkeypatch.setattr(first_reading, "_WORTH_PROCESSES", CONFIGURATIONS + 1)
    assert not first.begin()  # few are read as quickly here
    monkeypatch.setattr(first_reading, "_WORTH_PROCESSES", CONFIGURATIONS)
    monkeypatch.setattr(first_reading, "number_of_forked_processes", lambda: 1)
    assert not first.begin()  # this process has threads


def test_where_nothing_can_be_left_nothing_is_read_first(root, monkeypatch):
    monkeypatch.setattr(
        "os.access", lambda path, mode: not (mode == os.W_OK and Path(path).name == OWN_FOLDER)
    )
    assert not first_reading_of(StoredRuns(root)).begin()
