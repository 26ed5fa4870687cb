"""Who may begin a run: real processes that ask at once, are killed, or never begin."""

from __future__ import annotations

import gc
import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from legm import BackendError, ExperimentHandler, ParameterError, StateError, StorageError, hookimpl
from legm.delivery import live_delivery as delivery
from legm.delivery.client import connect_client
from legm.records import Query, Status
from legm.runlog.log_folder import LogFolder
from legm.testing import MemoryBackend
from tests.support.mlflow_store import prepare_store
from tests.support.remote_backend import Remote, leave
from tests.support.waiting import until


def handler_of(root: Path, description: str | None = None, lr: float = 0.1, **options) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e", description, **options)
    handler.set_dict_params({"lr": lr, "seed": 0})
    handler.disable_param("seed")
    return handler


def run(handler: ExperimentHandler) -> None:
    with handler.start():
        handler.set_metric("loss", 0.5)


def statuses(root: Path, handler: ExperimentHandler | None = None, backend: object = "local") -> list[Status]:
    handler = handler or handler_of(root)
    query = Query("e", handler.fingerprint)
    return [result.status for result in connect_client(root, backend).runs_as_stored(query)]


def claims(root: Path) -> list[Path]:
    return list(root.rglob("*.claim"))


def may_run(handler: ExperimentHandler, n: int) -> bool:
    with handler.claim(n) as ok:
        return ok


def answers(handlers: list[ExperimentHandler], n: int) -> list[bool]:
    """What the handlers answer when each asks in a thread of its own, all at once."""
    barrier, found = threading.Barrier(len(handlers)), []

    def ask(handler: ExperimentHandler) -> None:
        barrier.wait()
        found.append(handler.should_run(n))

    threads = [threading.Thread(target=ask, args=(handler,)) for handler in handlers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


# Many at once

CROWD = """
import multiprocessing, sys
from pathlib import Path
import numpy, legm.backends.local
from legm import ExperimentHandler

def ask(root, together, answers):
    handler = ExperimentHandler(root, "e")
    handler.set_param("lr", 0.1)
    together.wait()
    answers.put(handler.should_run(5))
    together.wait()
    together.wait()

context = multiprocessing.get_context("fork")
together, answers = context.Barrier(41), context.Queue()
crowd = [context.Process(target=ask, args=(sys.argv[1], together, answers)) for _ in range(40)]
for process in crowd:
    process.start()
together.wait()
together.wait()
held = len(list(Path(sys.argv[1]).rglob("*.claim")))
together.wait()
print(sum(answers.get() for _ in crowd), held)
for process in crowd:
    process.join()
"""


def test_of_forty_processes_that_ask_at_once_exactly_five_may_run_and_no_claim_stays(tmp_path):
    command = [sys.executable, "-c", CROWD, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "5 5\n"
    assert not claims(tmp_path)


THREADS = """
import sys, threading
from legm import ExperimentHandler

handlers = [ExperimentHandler(sys.argv[1], "e") for _ in range(5)]
for handler in handlers:
    handler.set_param("lr", 0.1)
print("ready", flush=True)
sys.stdin.readline()
answers = []
threads = [threading.Thread(target=lambda h=handler: answers.append(h.should_run(7))) for handler in handlers]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(answers), flush=True)
sys.stdin.readline()
"""


def test_forty_handlers_in_threads_of_eight_processes_get_exactly_the_free_slots(tmp_path):
    command = [sys.executable, "-c", THREADS, str(tmp_path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert sum(int(process.stdout.readline()) for process in processes) == 7
    assert len(claims(tmp_path)) == 7
    for process in processes:
        process.communicate("\n")
        assert process.returncode == 0
    assert not claims(tmp_path)


RUNS = """
import sys
from legm import ExperimentHandler

print("ready", flush=True)
sys.stdin.readline()
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_dict_params({"lr": 0.1, "seed": 0})
handler.disable_param("seed")
while handler.should_run(30):
    try:
        with handler.start():
            handler.set_metric("loss", 0.5)
            if sys.argv[2] == "fails":
                raise RuntimeError
    except RuntimeError:
        break
"""


def test_processes_that_run_as_long_as_a_run_is_missing_complete_exactly_as_many(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RUNS, str(tmp_path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for how in ("works", "works", "fails", "works", "works", "fails")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    found = statuses(tmp_path)
    assert found.count(Status.COMPLETED) == 30
    assert set(found) <= {Status.COMPLETED, Status.FAILED}
    assert not claims(tmp_path)


@pytest.mark.parametrize("backend", ["memory", "mlflow"])
def test_backends_without_folders_share_slots_by_the_root_directory(tmp_path, backend):
    shared = MemoryBackend(tmp_path) if backend == "memory" else backend
    if backend == "mlflow":
        prepare_store(tmp_path / "mlflow.db")
    run(handler_of(tmp_path, backend=shared))
    handlers = [handler_of(tmp_path, backend=shared) for _ in range(8)]
    assert sorted(answers(handlers, 4)) == [False] * 5 + [True] * 3
    for handler in handlers:
        if handler.should_run(4):
            run(handler)
    assert statuses(tmp_path, handlers[0], shared) == [Status.COMPLETED] * 4
    assert not any(answers(handlers, 4))
    assert not claims(tmp_path)


# What takes a slot


def test_there_is_a_slot_for_each_missing_run(tmp_path):
    for missing in (3, 2, 1):
        waiting = [handler_of(tmp_path) for _ in range(4)]
        assert [handler.should_run(3) for handler in waiting] == [True] * missing + [False] * (4 - missing)
        run(waiting[0])
        del waiting
    assert not handler_of(tmp_path).should_run(3)
    assert statuses(tmp_path) == [Status.COMPLETED] * 3


def test_a_completed_run_keeps_its_slot_and_a_failed_one_takes_none(tmp_path):
    run(handler_of(tmp_path))
    with pytest.raises(RuntimeError), handler_of(tmp_path).start():
        raise RuntimeError
    interrupted = handler_of(tmp_path).start()
    interrupted.reset()
    interrupted.log()
    assert sorted(s.value for s in statuses(tmp_path)) == ["completed", "completed", "failed", "interrupted"]
    assert not handler_of(tmp_path).should_run(2)
    assert handler_of(tmp_path).should_run(3)


def test_a_claim_and_the_run_that_it_became_are_counted_once(tmp_path):
    first, second, third = (handler_of(tmp_path) for _ in range(3))
    assert first.should_run(2)
    first.start()
    assert not claims(tmp_path)
    assert second.should_run(2)
    assert not third.should_run(2)
    first.log()
    assert not third.should_run(2)
    second.start().log()
    assert not third.should_run(2)


def test_who_asks_while_a_claim_becomes_a_run_gets_the_answer_when_it_has(tmp_path, monkeypatch):
    create, made, continued = LogFolder.create_log, threading.Event(), threading.Event()

    def slow(*given):
        writer = create(*given)
        made.set()
        continued.wait(60)
        return writer

    first, second = handler_of(tmp_path), handler_of(tmp_path)
    assert first.should_run(2)
    monkeypatch.setattr(LogFolder, "create_log", slow)
    begins = threading.Thread(target=first.start)
    begins.start()
    assert made.wait(60)
    assert len(claims(tmp_path)) == len(list(tmp_path.rglob("*.log"))) == 1
    threading.Timer(0.3, continued.set).start()
    assert second.should_run(2)
    begins.join()


def test_a_run_that_nobody_claimed_is_counted_while_it_is_running(tmp_path):
    running = handler_of(tmp_path).start()
    assert not handler_of(tmp_path).should_run(1)
    with pytest.raises(RuntimeError), running:
        raise RuntimeError
    assert handler_of(tmp_path).should_run(1)


def test_descriptions_and_configurations_are_counted_separately(tmp_path):
    run(handler_of(tmp_path))
    running = handler_of(tmp_path, "other code")
    assert running.should_run(1)
    assert not handler_of(tmp_path).should_run(1)
    assert not handler_of(tmp_path, "other code").should_run(1)
    running.start()
    assert handler_of(tmp_path, "third code").should_run(1)
    assert not handler_of(tmp_path, "other code").should_run(1)
    assert handler_of(tmp_path, lr=0.2).should_run(1)


def test_a_run_that_a_user_deleted_takes_no_slot(tmp_path):
    run(handler_of(tmp_path))
    (metrics,) = tmp_path.rglob("metrics.yml")
    metrics.write_bytes(b"".join(metrics.read_bytes().splitlines(keepends=True)[1:]))
    assert not statuses(tmp_path)
    assert handler_of(tmp_path).should_run(1)


def test_a_seed_that_is_not_compared_makes_no_other_slots(tmp_path):
    ran = []
    for seed in range(4):
        handler = handler_of(tmp_path)
        handler.set_param("seed", seed)
        with handler.claim(3) as ok:
            if ok:
                run(handler)
                ran.append(seed)
    assert ran == [0, 1, 2]


# Asking


def test_asking_twice_is_answered_the_same_and_takes_one_slot(tmp_path):
    first, second = handler_of(tmp_path), handler_of(tmp_path)
    assert [first.should_run(1), first.should_run(1)] == [True, True]
    assert len(claims(tmp_path)) == 1
    assert [second.should_run(1), second.should_run(1)] == [False, False]
    first.start()
    assert first.should_run(1)


def test_one_handler_asked_from_many_threads_takes_one_slot(tmp_path):
    handler = handler_of(tmp_path)
    assert answers([handler] * 8, 3) == [True] * 8
    assert len(claims(tmp_path)) == 1


def test_asking_for_fewer_runs_asks_anew(tmp_path):
    run(handler_of(tmp_path))
    handler = handler_of(tmp_path)
    assert handler.should_run(2)
    assert not handler.should_run(1)
    assert not claims(tmp_path)


def test_no_runs_are_never_missing(tmp_path):
    assert not handler_of(tmp_path).should_run(0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [-1, 2.0, "3", None, True])
def test_a_number_that_counts_nothing_is_an_error_that_says_so(tmp_path, n):
    handler = handler_of(tmp_path)
    with pytest.raises(ParameterError, match=rf"a whole number of at least 0, not {n!r}"):
        handler.should_run(n)
    with pytest.raises(ParameterError), handler.claim(n):
        pytest.fail("it was entered")
    assert handler.should_run(np.int64(1))


@pytest.mark.parametrize("timeout", [0, -1.0, math.nan, "soon", None])
def test_a_timeout_that_is_no_time_is_an_error_that_says_so(tmp_path, timeout):
    with pytest.raises(ParameterError, match="seconds above 0"):
        handler_of(tmp_path).should_run(1, timeout=timeout)


def test_asking_during_a_run_that_was_not_asked_for_is_an_error(tmp_path):
    handler = handler_of(tmp_path).start()
    with pytest.raises(StateError, match=r"call it before start\(\)"):
        handler.should_run(5)
    handler.log()
    assert handler.should_run(2)


def test_a_loop_in_one_process_ends_when_every_run_is_there(tmp_path):
    handler = handler_of(tmp_path)
    rounds = 0
    while handler.should_run(4):
        run(handler)
        rounds += 1
        assert rounds <= 4
    assert statuses(tmp_path) == [Status.COMPLETED] * 4
    assert not claims(tmp_path)


def test_reset_turns_the_claim_into_the_next_run(tmp_path):
    handler, other = handler_of(tmp_path), handler_of(tmp_path)
    assert handler.should_run(3)
    handler.start()
    for seed in (1, 2, 3):
        handler.set_metric("loss", seed)
        handler.log()
        if not handler.should_run(3):
            break
        assert len(claims(tmp_path)) == 1
        handler.reset(seed=seed)
        assert not claims(tmp_path)
        assert other.should_run(3) == (seed == 1)
        with other:  # releases its slot
            pass
    assert seed == 3
    assert statuses(tmp_path) == [Status.COMPLETED] * 3


def test_a_claim_on_another_configuration_than_the_one_that_is_run_is_given_up(tmp_path):
    handler = handler_of(tmp_path)
    assert handler.should_run(1)
    handler.set_param("lr", 0.5)
    assert handler.should_run(1)
    assert len(claims(tmp_path)) == 1
    handler.set_param("lr", 0.7)
    handler.start()
    assert not claims(tmp_path)
    assert handler_of(tmp_path).should_run(1)
    assert handler_of(tmp_path, lr=0.5).should_run(1)


# The end of a claim

HOLDER = """
import sys
from legm import ExperimentHandler

handler = ExperimentHandler(sys.argv[1], "e")
handler.set_dict_params({"lr": 0.1, "seed": 0})
handler.disable_param("seed")
print(handler.should_run(1), flush=True)
if sys.argv[2] == "runs":
    handler.start()
    handler.set_metric("loss", 0.5)
print("there", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(root: Path, does: str = "waits") -> Iterator[subprocess.Popen]:
    """Another process that got the only slot."""
    command = [sys.executable, "-c", HOLDER, str(root), does]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        assert process.stdout.readline() == "there\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("does", "by"), [("waits", "SIGKILL"), ("waits", "SIGTERM"), ("runs", "SIGKILL")])
def test_the_slot_of_a_process_that_was_killed_is_free_at_once(tmp_path, does, by):
    with holder(tmp_path, does) as process:
        assert not handler_of(tmp_path).should_run(1)
        process.send_signal(signal.Signals[by])
        process.wait()
        handler = handler_of(tmp_path)
        assert handler.should_run(1)
    assert len(claims(tmp_path)) == 1
    run(handler)
    killed = [Status.INTERRUPTED] if does == "runs" else []
    assert statuses(tmp_path) == [Status.COMPLETED, *killed]
    assert not claims(tmp_path)


def test_a_process_that_ends_without_a_run_gives_its_claim_back(tmp_path):
    with holder(tmp_path) as process:
        process.communicate("\n")
        assert process.returncode == 0
        assert not claims(tmp_path)
    assert handler_of(tmp_path).should_run(1)


def test_a_handler_that_is_dropped_gives_its_claim_back_without_a_collection(tmp_path):
    gc.disable()
    try:
        assert handler_of(tmp_path).should_run(1)
        assert not claims(tmp_path)
    finally:
        gc.enable()


def test_a_claim_is_void_after_its_time_though_its_process_lives(tmp_path):
    first, second = handler_of(tmp_path), handler_of(tmp_path)
    assert first.should_run(1, timeout=0.01)
    until(lambda: second.should_run(1))
    assert not first.should_run(1, timeout=0.01)
    assert len(claims(tmp_path)) == 1


def test_a_claim_expires_after_its_own_timeout_whatever_others_pass(tmp_path):
    first, second = handler_of(tmp_path), handler_of(tmp_path)
    assert first.should_run(1, timeout=math.inf)
    (claim,) = claims(tmp_path)
    os.utime(claim, (0, 0))
    assert not second.should_run(1, timeout=1)
    first.start()
    assert not second.should_run(1, timeout=1)


def test_asking_again_renews_the_claim(tmp_path):
    handler = handler_of(tmp_path)
    assert handler.should_run(1)
    (claim,) = claims(tmp_path)
    made = claim.stat().st_mtime
    os.utime(claim, (made - 3000, made - 3000))
    assert handler.should_run(1)
    assert claims(tmp_path) == [claim]
    assert claim.stat().st_mtime >= made


def test_a_run_begun_with_a_void_claim_begins_and_a_warning_says_so(tmp_path, caplog):
    handler = handler_of(tmp_path)
    assert handler.should_run(1)
    (claim,) = claims(tmp_path)
    os.utime(claim, (0, 0))
    other = handler_of(tmp_path)
    assert other.should_run(1)
    run(handler)
    (warning,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert warning.getMessage().startswith(f"the claim {claim} expired before its run began")
    assert statuses(tmp_path) == [Status.COMPLETED]
    assert claims(tmp_path) != [claim]


def test_a_claim_file_says_whose_it_is(tmp_path):
    handler = handler_of(tmp_path, "why")
    assert handler.should_run(1, timeout=60)
    (claim,) = claims(tmp_path)
    about = json.loads(claim.read_text())
    assert (about["description"], about["timeout"], about["pid"]) == ("why", 60, os.getpid())


def test_a_damaged_claim_file_is_reported_and_claims_nothing(tmp_path, caplog):
    run(handler_of(tmp_path))
    (folder,) = tmp_path.rglob("open")
    (folder / "x.claim").write_text('{"description": ')
    assert handler_of(tmp_path).should_run(2)
    assert not claims(tmp_path)
    assert "x.claim is damaged" in caplog.text


FORK = """
import os, sys
from pathlib import Path
from legm import ExperimentHandler

handler = ExperimentHandler(sys.argv[1], "e")
handler.set_param("lr", 0.1)
print(handler.should_run(1), flush=True)
if os.fork() == 0:
    print(handler.should_run(1), flush=True)  # it asks for itself
    sys.exit()
os.wait()
print(len(list(Path(sys.argv[1]).rglob("*.claim"))), handler.should_run(1))
"""


def test_a_forked_child_has_not_its_parents_claim_and_leaves_it_alone(tmp_path):
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "1", "True"]
    assert not claims(tmp_path)


OUTLIVED = """
import os, signal, sys
from legm import ExperimentHandler

running, asking = (ExperimentHandler(sys.argv[1], "e", name) for name in ("running", "asking"))
assert running.should_run(1) and asking.should_run(1)
running.start()
running.set_metric("loss", 0.5)
running.flush()
child = os.fork()
if child == 0:
    signal.pause()  # as a worker does that waits for its parent
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_and_a_claim_end_with_their_process_although_a_forked_child_lives_on(tmp_path):
    command = [sys.executable, "-c", OUTLIVED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        try:
            parent.wait()
            os.kill(child, 0)  # it lives
            for name in ("running", "asking"):
                assert ExperimentHandler(tmp_path, "e", name).should_run(1)
            (run,) = connect_client(tmp_path, "local").runs_as_stored(Query("e", description="running"))
            assert run.status is Status.INTERRUPTED
        finally:
            os.kill(child, signal.SIGKILL)


# As a context manager


def test_claim_says_whether_to_run_and_gives_up_what_was_not_used(tmp_path):
    first, second = handler_of(tmp_path), handler_of(tmp_path)
    with first.claim(1) as ok, second.claim(1) as also:
        assert (ok, also) == (True, False)
    assert not claims(tmp_path)
    with second.claim(1) as ok:
        assert ok is True
        run(second)
    with first.claim(1) as ok:
        assert ok is False


def test_claim_leaves_the_run_alone_and_lets_exceptions_through(tmp_path):
    handler = handler_of(tmp_path)
    with pytest.raises(RuntimeError, match="mine"), handler.claim(1):
        raise RuntimeError("mine")
    assert not claims(tmp_path)
    with pytest.raises(RuntimeError, match="mine"), handler.claim(1), handler.start().claim(1):
        raise RuntimeError("mine")
    assert statuses(tmp_path) == [Status.RUNNING]
    handler.set_metric("loss", 0.5)
    handler.log()
    assert statuses(tmp_path) == [Status.COMPLETED]


def test_claim_can_be_combined_with_the_handlers_own_block(tmp_path):
    def attempt(error: type[Exception] | None) -> bool:
        with handler_of(tmp_path) as handler, handler.claim(1) as ok:
            if ok:
                handler.start()
                handler.set_metric("loss", 0.5)
                if error is not None:
                    raise error
        return ok

    with pytest.raises(RuntimeError):
        attempt(RuntimeError)
    assert [attempt(None), attempt(None)] == [True, False]
    assert statuses(tmp_path) == [Status.COMPLETED, Status.FAILED]
    assert not claims(tmp_path)


def test_leaving_the_handlers_block_gives_up_a_claim_that_was_not_used(tmp_path):
    with handler_of(tmp_path) as handler:
        assert handler.should_run(1)
    assert not claims(tmp_path)
    assert handler_of(tmp_path).should_run(1)


# Where it is unknown


def test_a_root_directory_that_cannot_be_written_is_an_error_that_says_so(tmp_path):
    (tmp_path / "e").write_text("a file where the experiment's folder would be")
    with pytest.raises(StorageError, match=r"cannot .*e.* a part of the path is a file"):
        handler_of(tmp_path).should_run(1)
    with pytest.raises(StorageError, match="cannot create the folder /proc/nothing"):
        handler_of(Path("/proc/nothing")).should_run(1)


def test_a_folder_of_runs_that_cannot_be_written_is_an_error_unless_no_run_is_missing(tmp_path):
    run(handler_of(tmp_path))
    (lock,) = tmp_path.rglob("runs/.lock")
    lock.unlink()
    lock.mkdir()  # for root, too, it cannot be opened to be written
    with pytest.raises(StorageError, match=r"cannot create the lock .*\.lock"):
        handler_of(tmp_path).should_run(2)
    assert not claims(tmp_path)
    assert not handler_of(tmp_path).should_run(1)


@pytest.fixture
def _impatient(monkeypatch):
    """log() gives up soon on a backend that is in trouble, and tries come quickly."""
    for name, seconds in (("_GRACE", 0.2), ("_FIRST_PAUSE", 0.02), ("_LONGEST_PAUSE", 0.02)):
        monkeypatch.setattr(delivery, name, seconds)


@pytest.mark.usefixtures("_impatient")
def test_a_completed_run_that_a_store_was_not_given_yet_is_counted_once_before_and_after(tmp_path):
    remote = Remote(tmp_path)
    remote.away = True  # for what is written
    handler = handler_of(tmp_path, backend=remote).start()
    handler.set_metric("loss", 0.5)
    handler.log()
    assert not remote.results
    other = handler_of(tmp_path, backend=remote)
    assert [may_run(other, n) for n in (1, 2)] == [False, True]
    leave(handler)
    assert not remote.results
    assert [may_run(other, n) for n in (1, 2)] == [False, True]
    remote.away = False
    assert [may_run(other, n) for n in (1, 2)] == [False, True]
    assert len(remote.results) == 1  # asking has delivered it
    assert [may_run(other, n) for n in (1, 2)] == [False, True]


def test_a_run_that_is_running_only_in_the_store_is_counted(tmp_path):
    elsewhere = MemoryBackend(tmp_path)
    run(handler_of(tmp_path / "elsewhere", backend=elsewhere))
    ((run_id, result),) = elsewhere.results.items()
    elsewhere.results[run_id] = replace(result, status=Status.RUNNING)
    assert not handler_of(tmp_path / "here", backend=elsewhere).should_run(1)
    elsewhere.results[run_id] = replace(result, status=Status.FAILED)
    assert handler_of(tmp_path / "here", backend=elsewhere).should_run(1)


class AwayForReaders(MemoryBackend):
    """A store that answers no question."""

    name = "away"

    @hookimpl
    def legm_read_runs(self, query):
        raise ConnectionError("no route to host")


def test_a_store_that_does_not_answer_is_an_error_and_nothing_is_claimed(tmp_path):
    handler = handler_of(tmp_path, backend=AwayForReaders)
    with pytest.raises(BackendError, match="no route to host"):
        handler.should_run(5)
    assert not claims(tmp_path)
