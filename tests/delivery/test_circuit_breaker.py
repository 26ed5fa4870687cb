"""A backend that is away costs a few seconds once: not each run, not each call, and no thread a run."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import pytest

from legm import BackendError, ExperimentHandler, hookimpl
from legm.delivery import circuit_breaker, registry
from legm.delivery import live_delivery as delivery
from legm.delivery.backlog import sync_backlog
from legm.delivery.client import connect_client
from legm.hooks import Capability, still_working
from legm.records import Query
from tests.support.memory_backend import Memory
from tests.support.remote_backend import Remote
from tests.support.waiting import until

PATIENCE = 0.6


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(circuit_breaker, "PATIENCE", PATIENCE)
    monkeypatch.setattr(circuit_breaker, "LONG_WAIT", 0.2)
    monkeypatch.setattr(circuit_breaker, "_CHECK_INTERVAL", 0.02)
    monkeypatch.setattr(registry, "PATIENCE", PATIENCE)
    monkeypatch.setattr(delivery, "_CHECK_INTERVAL", 0.02)
    monkeypatch.setattr(delivery, "_GRACE", 0.1)
    monkeypatch.setattr(delivery, "_INTERVAL", 0.02)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.02)


class Away(Remote):
    """Hangs in the hooks that it is told to, and computes over runs."""

    capabilities = frozenset({Capability.REMOTE, Capability.SUMMARIES})
    takes = 0.0
    """Seconds that a call takes."""

    @hookimpl
    def legm_write_summary(self, configuration, description, summary):
        self._reached("summary")

    @hookimpl
    def legm_read_runs(self, query):
        self._reached("read")
        for number, result in enumerate(super().legm_read_runs(query)):
            self._reached(f"read {number}")
            yield result

    @hookimpl
    def legm_read_configurations(self, experiment):
        until_then = time.monotonic() + self.takes
        while time.monotonic() < until_then:
            time.sleep(0.02)  # it works
            still_working()
        return super().legm_read_configurations(experiment)


@pytest.fixture
def away(tmp_path):
    made = Away(tmp_path)
    yield made
    made.hangs_in = None
    made.continued.set()


def seconds(act) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def run(root: Path, backend: object, **options) -> tuple[ExperimentHandler, float]:
    """A run of one value, and how long log() took."""
    handler = ExperimentHandler(root, "e", backend=backend, **options).start()
    handler.set_metric("loss", 1.0)
    taken = seconds(handler.log)
    with handler:
        pass
    return handler, taken


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("legm-")}


@pytest.mark.parametrize("hook", ["open", "write", "close"])
def test_a_hanging_mirror_costs_the_first_log_alone_and_one_thread(tmp_path, away, hook):
    others = threads()  # of what the worker has for several tests, such as the server of a page
    away.hangs_in = hook
    handler, first = run(tmp_path, ["local", away])
    assert PATIENCE / 2 < first < 5 * PATIENCE
    until(lambda: len(threads() - others) == 1)
    later = [run(tmp_path, ["local", away])[1] for _ in range(5)]
    assert sum(later) < 3 * PATIENCE
    assert seconds(handler.aggregate_results) < PATIENCE
    assert handler.aggregate_results()["best_loss"]["n"] == 6
    until(lambda: len(threads() - others) == 1)
    away.hangs_in = None
    away.continued.set()
    last = ExperimentHandler(tmp_path, "e", backend=["local", away]).start()
    last.set_metric("loss", 1.0)
    last.log()
    until(lambda: len(away.results) == 7)  # the backlog too


def test_a_mirror_that_hangs_in_what_is_computed_is_waited_for_once(tmp_path, away, caplog):
    handler, _ = run(tmp_path, ["local", away])
    away.hangs_in = "summary"
    assert seconds(handler.aggregate_results) < 4 * PATIENCE
    assert "'remote' has not answered for 0.6 s" in caplog.text
    assert seconds(handler.aggregate_results) < PATIENCE
    assert "'remote' does not answer: an earlier call still waits" in caplog.text


def test_a_backend_that_hangs_while_it_is_read_is_an_error_in_time_until_it_answers(tmp_path, away):
    handler, _ = run(tmp_path, away)
    away.hangs_in = "read 0"
    for limit in (4 * PATIENCE, PATIENCE, PATIENCE):

        def read():
            with pytest.raises(BackendError, match=r"'remote' (has not answered|does not answer)"):
                handler.aggregate_results()

        assert seconds(read) < limit
    away.hangs_in = None
    away.continued.set()
    until(lambda: not connect_client(tmp_path, away).breaker.is_open)
    assert handler.aggregate_results()["best_loss"]["n"] == 1


class Stuck(Memory):
    """On this machine, as it says, and hangs in one hook until the log names it."""

    name = "stuck"
    hook = ""
    caplog = None

    def _reached(self, hook):
        if hook == self.hook:
            until(lambda: f"the backend 'stuck' is still at work in {hook} after" in self.caplog.text)

    @hookimpl
    def legm_open_run(self, run):
        self._reached("legm_open_run")
        return super().legm_open_run(run)

    @hookimpl
    def legm_write(self, run, records, position):
        self._reached("legm_write")
        return super().legm_write(run, records, position)

    @hookimpl
    def legm_close_run(self, run, result, records):
        self._reached("legm_close_run")
        return super().legm_close_run(run, result, records)


@pytest.mark.parametrize("hook", ["legm_open_run", "legm_write", "legm_close_run"])
def test_a_primary_on_this_machine_that_hangs_is_named_while_it_is_waited_for(tmp_path, caplog, hook):
    stuck = Stuck(tmp_path)
    stuck.hook, stuck.caplog = hook, caplog
    run(tmp_path, stuck)
    assert len(stuck.results) == 1
    assert f"in {hook} after {PATIENCE:g} s, and is waited for" in caplog.text


def test_a_backend_that_hangs_forever_is_tried_again_now_and_then(tmp_path, away, monkeypatch):
    monkeypatch.setattr(circuit_breaker, "TRIALS", (0.1, 0.2))
    run(tmp_path, ["local", away])
    away.hangs_in = "open"
    run(tmp_path, ["local", away])
    away.hangs_in = None  # but the call that hangs still hangs
    handler = ExperimentHandler(tmp_path, "e", backend=["local", away]).start()
    handler.set_metric("loss", 1.0)
    result = handler.log()
    until(lambda: result.run.run_id in away.results)
    assert not connect_client(tmp_path, away).breaker.is_open
    last = ExperimentHandler(tmp_path, "e", backend=["local", away]).start()
    last.set_metric("loss", 1.0)
    assert last.log().run.run_id in away.results  # it was waited for again


def test_a_call_that_failed_after_a_long_wait_is_not_repeated_at_once(tmp_path):
    class Slow(Away):
        asked = 0

        @hookimpl
        def legm_read_runs(self, query):
            if self.away:
                self.asked += 1
                time.sleep(0.3)  # as a connection that cannot be made
                raise OSError("no connection")
            return super().legm_read_runs(query)

    slow = Slow(tmp_path)
    handler, _ = run(tmp_path, slow)
    slow.away = True
    for _ in range(3):
        with pytest.raises(BackendError, match="no connection"):
            handler.aggregate_results()
    assert slow.asked == 1


def test_a_backend_that_is_slow_and_says_so_is_waited_for(tmp_path, away):
    run(tmp_path, away)
    away.takes = 3 * PATIENCE
    client = connect_client(tmp_path, away)
    assert len(list(client.configurations("e"))) == 1
    assert len(list(client.runs_as_stored(Query("e")))) == 1


@pytest.mark.parametrize("kind", [asyncio.CancelledError, SystemExit, GeneratorExit])
@pytest.mark.parametrize("hook", ["open", "write", "close", "summary", "read"])
def test_a_hook_may_raise_whatever_it_likes(tmp_path, caplog, kind, hook):
    class Raising(Away):
        raises = hook

        def _reached(self, hook, *given):
            if hook == self.raises:
                raise kind("its own")

    backend = Raising(tmp_path)
    handler, taken = run(tmp_path, ["local", backend])
    assert taken < 1
    handler.aggregate_results()
    if hook != "read":
        (error, *_) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
        assert kind.__name__ in error
    backend.raises = "read"
    with pytest.raises(BackendError, match=kind.__name__):
        list(connect_client(tmp_path, backend).runs_as_stored(Query("e")))


# Mirrors that cannot be made


class Unmade(Memory):
    """Cannot be made, or slowly, until ``well`` is set."""

    name = "unmade"
    well = threading.Event()
    how = ""

    def __init__(self, root, **options):
        if not self.well.is_set():
            if self.how == "slow":
                self.well.wait(60)
            else:
                raise RuntimeError("no such driver")
        super().__init__(root, **options)
        type(self).made = self


@pytest.mark.parametrize("how", ["raises", "slow"])
def test_a_mirror_that_cannot_be_made_ends_no_run_and_gets_it_when_it_can(tmp_path, caplog, how):
    kind = type("Made", (Unmade,), {"well": threading.Event(), "how": how})
    began = time.monotonic()
    handler = ExperimentHandler(tmp_path, "e", backend=["local", kind])
    handler.start()
    handler.set_metric("loss", 1.0)
    result = handler.log()
    assert time.monotonic() - began < 6 * PATIENCE
    problems = {
        "raises": "'unmade' cannot be created: RuntimeError('no such driver')",
        "slow": "still being imported or created",
    }
    assert problems[how] in caplog.text
    assert "The run continues without the mirror 'unmade'" in caplog.text
    assert handler.aggregate_results()["best_loss"]["n"] == 1
    kind.well.set()
    until(lambda: getattr(kind, "made", None) and result.run.run_id in kind.made.results)
    with handler:
        pass
    until(lambda: not list(tmp_path.glob("*/*/runs/open/*.log")))


def test_a_mirror_whose_library_is_missing_gets_the_run_from_sync_later(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(vars(registry)["_BUILT_IN"], "gone", "no_such_library:Backend")
    options = {
        "gone": {"uri": "http://me:secret@host", "api_key": "abcdefgh1234", "tags": {"a": 1}, "o": open}
    }
    _, taken = run(tmp_path, ["local", "gone"], backend_options=options)
    assert taken < 1
    assert "'gone' cannot be used (No module named 'no_such_library')" in caplog.text
    (log,) = tmp_path.glob("*/*/runs/open/*.log")
    assert b"secret" not in log.read_bytes()
    assert b"abcdefgh1234" not in log.read_bytes()

    class Gone(Memory):
        name = "gone"

    monkeypatch.setattr("tests.support.memory_backend.Gone", Gone, raising=False)
    monkeypatch.setitem(vars(registry)["_BUILT_IN"], "gone", "tests.support.memory_backend:Gone")
    (delivered,) = sync_backlog(tmp_path)
    assert (delivered.backend, delivered.problem) == ("gone", "")
    monkeypatch.setitem(vars(registry)["_BUILT_IN"], "gone", "no_such_library:Backend")
    with pytest.raises(BackendError, match="no_such"):
        ExperimentHandler(tmp_path, "e", backend=["local", "gone"], strict=True)


def test_what_a_user_did_wrong_with_a_mirror_is_an_error_at_once(tmp_path):
    with pytest.raises(BackendError, match="no options, but was given colour"):
        ExperimentHandler(tmp_path, "e", backend=["local", Strict], backend_options={"strict": {"colour": 1}})


class Strict(Memory):
    name = "strict"

    def __init__(self, root):
        super().__init__(root)
