"""Work that processes share is done whole, whatever becomes of one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from legm.changes.shared_work import share_work, wait_for_workers
from legm.errors import StorageError
from legm.util.forked_calls import number_of_forked_processes
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    return path


def noted_in(folder: Path):
    def work(pieces):
        done = []
        for piece in pieces:
            (folder / f"{piece}-{os.getpid()}").touch()
            done.append(piece)
        return {"done": done, "process": os.getpid()}

    return work


def test_each_piece_is_done_once_by_as_many_processes_as_are_wanted(tmp_path, lock):
    folder = tmp_path / "done"
    folder.mkdir()
    found = share_work(range(20), noted_in(folder), lock, 3)
    assert sorted(piece for one in found for piece in one["done"]) == list(range(20))
    assert len({one["process"] for one in found}) == 3
    assert sorted(int(path.name.partition("-")[0]) for path in folder.iterdir()) == list(range(20))
    assert wait_for_workers(lock)


def test_what_a_process_that_is_killed_should_have_done_is_done(lock):
    parent = os.getpid()

    def work(pieces):
        found = []
        for piece in pieces:
            if piece == 3 and os.getpid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)
            found.append(piece)
        return {"done": found}

    found = share_work(range(8), work, lock, 2)
    assert sorted(piece for one in found for piece in one["done"]) == list(range(8))


def test_an_error_of_any_process_is_raised_and_none_works_on(lock):
    def work(pieces):
        (lock.parent / f"{os.getpid()}.worker").touch()
        for piece in pieces:
            if piece in {1, 5}:
                raise StorageError(f"piece {piece}")
        return {}

    with pytest.raises(StorageError, match="piece 1"):
        share_work(range(8), work, lock, 2)
    assert wait_for_workers(lock)
    workers = {int(path.stem) for path in lock.parent.glob("*.worker")} - {os.getpid()}
    assert len(workers) == 1
    for worker in workers:
        with pytest.raises(ChildProcessError):  # it has ended, and was waited for
            os.waitpid(worker, os.WNOHANG)


COMMAND = """
import os, sys, time
from pathlib import Path
from legm.changes.shared_work import share_work

folder, parent = Path(sys.argv[1]), os.getpid()

def work(pieces):
    for piece in pieces:
        (folder / f"{piece}.begun").touch()
        while os.getpid() != parent and not (folder / "go").exists() or os.getpid() == parent:
            time.sleep(0.001)
    return {}

share_work(range(8), work, folder / "lock", 2)
"""


def test_a_process_whose_parent_was_killed_ends_before_its_next_piece(tmp_path, lock):
    process = subprocess.Popen([sys.executable, "-c", COMMAND, str(tmp_path)])
    until(lambda: len([*tmp_path.glob("*.begun")]) == 2)
    process.kill()
    process.wait()
    waiting = threading.Thread(target=wait_for_workers, args=(lock,))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive(), "the process is at work on its first piece"
    (tmp_path / "go").touch()
    waiting.join(30)
    assert not waiting.is_alive()
    assert sorted(path.name for path in tmp_path.glob("*.begun")) == ["0.begun", "1.begun"]


def test_nothing_is_shared_where_another_thread_is():
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    try:
        assert number_of_forked_processes() == 1
    finally:
        ended.set()
        other.join()
