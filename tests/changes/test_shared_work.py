"""Work that processes share is done whole, whatever becomes of one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from legm.changes.shared_work import map_in_order, share_work, wait_for_shared_work
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
    assert wait_for_shared_work(lock)


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
    assert wait_for_shared_work(lock)
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
    waiting = threading.Thread(target=wait_for_shared_work, args=(lock,))
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


def found_in_order(pieces, work, processes):
    return map_in_order(pieces, work, processes, list, tuple)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_what_is_found_of_each_piece_is_in_order(processes):
    def work(pieces):
        for piece in pieces:
            yield piece, os.getpid()

    found = [*found_in_order(range(50), work, processes)]
    assert [piece for piece, _ in found] == [*range(50)]
    assert len({process for _, process in found}) == processes
    assert ({process for _, process in found} == {os.getpid()}) == (processes == 1)


def test_the_error_of_a_piece_is_raised_here_and_no_process_is_left():
    def work(pieces):
        for piece in pieces:
            if piece == 7:
                raise ValueError(piece)
            yield piece, os.getpid()

    found = found_in_order(range(50), work, 2)
    first = [next(found) for _ in range(7)]
    assert [piece for piece, _ in first] == [*range(7)]
    with pytest.raises(ValueError, match="7"):
        next(found)
    for process in {process for _, process in first} - {os.getpid()}:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_what_a_process_that_is_killed_should_have_found_is_found_here():
    parent = os.getpid()

    def work(pieces):
        for piece in pieces:
            if piece == 9 and os.getpid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)
            yield piece, os.getpid()

    assert [piece for piece, _ in found_in_order(range(30), work, 2)] == [*range(30)]


KILLED = """
import os, sys
from legm.changes.shared_work import map_in_order

def work(pieces):
    for piece in pieces:
        yield str(os.getpid()) + " " * 300_000  # more than a pipe holds

found = map_in_order(range(100), work, 2, lambda one: one, str)
print(next(found).strip(), next(found).strip(), flush=True)
sys.stdin.read()  # until it is killed
"""


def test_processes_whose_parent_is_killed_end_also_while_they_wait_for_it(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", KILLED], text=True, **pipes) as process:
        assert process.stdout is not None
        children = [int(one) for one in process.stdout.readline().split()]
        process.kill()
    assert len({*children}) == 2
    for child in children:
        until(lambda child=child: not is_alive(child))


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
