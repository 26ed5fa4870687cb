"""Remote backends: they may be away or hang, get everything once all the same, and see no credentials."""

from __future__ import annotations

import logging
from array import array
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from legm import CorruptFile, ExperimentHandler, StorageError, hookimpl
from legm.core.credentials import REDACTED
from legm.delivery import circuit_breaker
from legm.delivery import live_delivery as delivery
from legm.records import BestRule, Configuration, Outcome, Points, Run, RunResult, Series, Status
from legm.runlog import log_frames, log_reader
from legm.runlog.log_reader import LogTail, read_log_head
from legm.runlog.log_writer import LogWriter
from tests.support.memory_backend import flat
from tests.support.remote_backend import Remote, leave
from tests.support.sample_runs import comparable, script
from tests.support.waiting import until

TEXT = "abcdefgh1234"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Tries come quickly one after the other."""
    monkeypatch.setattr(delivery, "_INTERVAL", 0.02)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.02)


@pytest.fixture
def _impatient(monkeypatch):
    """log() gives up soon on a backend that is in trouble."""
    monkeypatch.setattr(circuit_breaker, "PATIENCE", 0.5)
    monkeypatch.setattr(delivery, "_GRACE", 0.2)


def at_level(caplog, level: int) -> list[str]:
    return [
        r.getMessage()
        for r in caplog.records
        if r.name == "legm.delivery.live_delivery" and r.levelno == level
    ]


def losses(values, first: int = 0) -> list:
    return [("dev/loss", step, value) for step, value in enumerate(values, first)]


# Away


@pytest.mark.usefixtures("_impatient")
def test_a_run_without_its_backend_continues_and_a_later_handler_delivers_it(tmp_path, caplog):
    remote = Remote(tmp_path)
    remote.away = True
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    for step in range(5):
        handler.set_metric("loss", step, step=step)
    until(lambda: remote.refused > 3)
    result = handler.log()
    assert isinstance(result, RunResult)
    assert (result.status, result.points, result.best_step) == (Status.COMPLETED, 5, 4)
    run_id = result.run.run_id
    leave(handler)
    (error,) = at_level(caplog, logging.ERROR)
    assert "no route to host" in error
    assert "Training continues" in error
    (warning,) = at_level(caplog, logging.WARNING)
    assert run_id in warning
    assert "5 values are undelivered" in warning
    assert "or by the next run with this backend" in warning
    (path,) = tmp_path.rglob("*.log")
    assert (path.stem, path.parent.name) == (run_id, "open")
    assert not remote.results

    remote.away = False
    other = ExperimentHandler(tmp_path, "e", backend=remote).start()
    other.set_metric("loss", 8, step=0)
    own = other.log().run.run_id
    leave(other)
    assert remote.of(run_id) == losses(range(5))
    assert remote.of(own) == [("dev/loss", 0, 8)]
    assert comparable(remote.results[run_id]) == comparable(result)
    assert sorted(remote.results) == sorted([run_id, own])
    assert not list(path.parent.iterdir())
    assert {p.stem for p in path.parents[1].glob("*.log")} == {run_id, own}
    (ranked,) = other.get_best("loss")
    assert (ranked.completed, ranked.interrupted, ranked.value.mean) == (2, 0, 6)
    assert remote.of(run_id) == losses(range(5))
    assert len(at_level(caplog, logging.ERROR)) == 1


@pytest.mark.usefixtures("_impatient")
def test_reading_the_configuration_delivers_its_backlog(tmp_path):
    remote = Remote(tmp_path)
    first = ExperimentHandler(tmp_path, "e", backend=remote).start()
    first.set_metric("loss", 1, step=0)
    first.log()
    first.reset()
    remote.away = True
    first.set_metric("loss", 3, step=0)
    owed = first.log().run.run_id
    leave(first)
    assert owed not in remote.results
    remote.away = False
    (ranked,) = ExperimentHandler(tmp_path, "e", backend=remote).get_best("loss")
    assert (ranked.completed, ranked.value.mean) == (2, 2)
    assert remote.of(owed) == losses([3])
    assert not list(tmp_path.rglob("open/*"))


@pytest.mark.parametrize("how", ["refused", "the answer is lost"])
def test_what_was_recorded_during_an_outage_arrives_once_and_in_order(tmp_path, caplog, how):
    remote = Remote(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    run_id = handler.run_id
    expected: list = []

    def work():
        first = len(expected)
        new = [(f"dev/m{first}", step, step / 8) for step in range(first, first + 10)]
        for _, step, value in new:
            handler.set_metric(f"m{first}", value, step=step)
        handler.flush()
        handler.set_best("early_stopping", step=first)
        handler.flush()
        expected.extend([*new, BestRule("early_stopping", first)])

    for outage in (1, 2):
        work()
        until(lambda: len(remote.of(run_id)) == len(expected))
        refused = remote.refused
        if how == "refused":
            remote.away = True
        else:
            remote.loses_answers = True
        work()
        until(lambda: remote.refused > refused + 3)  # noqa: B023
        work()
        assert len(at_level(caplog, logging.ERROR)) == outage
        remote.away = False
        work()
    result = handler.log()
    assert remote.of(run_id) == expected
    numbers = [entry for entry in expected if not isinstance(entry, BestRule)]
    assert remote.results[run_id].points == result.points == len(numbers)
    assert not list(tmp_path.rglob("open/*"))


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("hook", ["legm_write", "legm_close_run"])
def test_a_backend_that_opens_runs_and_refuses_the_rest_does_not_hold_up_log(tmp_path, caplog, hook):
    class Refusing(Remote):
        pass

    def refuse(self, run):
        raise OSError("no")

    setattr(Refusing, hook, hookimpl(refuse))
    handler = ExperimentHandler(tmp_path, "e", backend=Refusing(tmp_path)).start()
    handler.set_metric("loss", 0, step=0)
    handler.log()
    (error,) = at_level(caplog, logging.ERROR)
    assert "Training continues" in error
    (warning,) = at_level(caplog, logging.WARNING)
    assert "undelivered" in warning


# Hanging


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("hook", ["open", "write", "close"])
def test_a_backend_that_hangs_delays_neither_training_nor_log(tmp_path, caplog, hook):
    remote = Remote(tmp_path)
    remote.hangs_in = hook
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    try:
        handler.set_metric("loss", 0, step=0)
        if hook != "close":
            handler.flush()
            (path,) = tmp_path.rglob("*.log")
            before = path.stat().st_size
            assert remote.hanging.wait(60)
            for step in range(1, 1000):
                handler.set_metric("loss", step, step=step)
            handler.flush()
            assert path.stat().st_size > before
        result = handler.log()
        assert remote.hanging.is_set()
        assert not remote.continued.is_set()
        assert not remote.results
        run_id = result.run.run_id
        (path,) = tmp_path.rglob("*.log")
        assert path.parent.name == "open"
        (warning,) = at_level(caplog, logging.WARNING)
        missing = "the end of the run is" if hook == "close" else f"{result.points:,} values are"
        assert f"{missing} undelivered" in warning
    finally:
        remote.hangs_in = None
        remote.continued.set()
    until(lambda: remote.results)  # delivery continues as long as the process lives
    assert remote.of(run_id) == losses(range(result.points))
    assert comparable(remote.results[run_id]) == comparable(result)
    leave(handler)


# The same answers


def test_a_remote_backend_gets_the_same_results_as_the_local_one(tmp_path):
    remote = Remote(tmp_path / "remote")
    ours = ExperimentHandler(tmp_path / "local", "e", "d")
    theirs = ExperimentHandler(tmp_path / "remote", "e", "d", backend=remote)
    expected = [comparable(result) for result in script(ours)]
    assert [comparable(result) for result in script(theirs)] == expected
    kept = sorted(remote.results.values(), key=lambda result: result.run.run_id)
    assert [comparable(r) for r in kept if r.status is Status.COMPLETED] == [expected[1], expected[3]]
    for metric, test in (("loss", False), ("acc", False), ("f1", False), ("acc", True)):
        local, far = (handler.get_best(metric, test=test)[0] for handler in (ours, theirs))
        assert repr(far.value) == repr(local.value)  # in which NaN is NaN
        assert far.completed == local.completed == 2
        assert far.configuration.fingerprint == local.configuration.fingerprint


def test_a_long_run_arrives_complete_in_several_batches(tmp_path):
    remote = Remote(tmp_path)
    remote.away = True
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    expected = []
    for step in range(30_000):
        handler.set_dict_metrics({"a": step, "b": -step}, step=step)
        expected += [("dev/a", step, step), ("dev/b", step, -step)]
    handler.flush()
    remote.away = False
    result = handler.log()
    (batches,) = remote.batches.values()
    assert len(batches) > 2
    for records in batches.values():
        assert 0 < sum(len(record) for record in records) < 30_000
    assert remote.of(result.run.run_id) == expected
    assert remote.results[result.run.run_id].points == result.points == 60_000


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("later", [False, True], ids=["by its own run", "by a later handler"])
def test_a_run_whose_series_need_more_than_a_batch_to_name_arrives_complete(tmp_path, later):
    remote = Remote(tmp_path)
    remote.away = True
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    examples = {f"example number {number:06} of the data": {"iou": number} for number in range(8000)}
    for step in range(2):
        handler.set_dict_metrics(examples, step=step)
    handler.flush()
    run_id = handler.run_id
    if later:
        handler.log()
        leave(handler)
        remote.away = False
        with ExperimentHandler(tmp_path, "e", backend=remote) as other:
            other.start()
            other.set_metric("loss", 1)
    else:
        remote.away = False
        handler.log()
    expected = [(f"dev/iou[{name}]", step, v["iou"]) for step in range(2) for name, v in examples.items()]
    assert len(remote.of(run_id)) == len(expected)
    assert remote.of(run_id) == expected
    assert remote.results[run_id].points == len(expected)


# Credentials


def with_parameters(root: Path, backend: object, parameters: dict, **options) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e", backend=backend, **options)
    handler.set_dict_params({"lr": 0.1, **parameters})
    return handler


def test_a_credential_does_not_change_the_fingerprint(tmp_path):
    without = with_parameters(tmp_path, Remote, {})
    handlers = [with_parameters(tmp_path, Remote, {"hf_token": text}) for text in (TEXT, "ijklmnop5678")]
    assert {handler.fingerprint for handler in handlers} == {without.fingerprint}
    assert handlers[0] == handlers[1] == without
    assert handlers[0] != with_parameters(tmp_path, Remote, {"tokenizer": TEXT})
    assert handlers[0].hf_token == TEXT


def run_with(handler: ExperimentHandler) -> RunResult:
    handler.start()
    handler.set_metric("loss", 1, step=0)
    return handler.log()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("away", [False, True], ids=["at once", "delivered later"])
def test_a_credential_is_neither_stored_nor_sent(tmp_path, away):
    remote = Remote(tmp_path)
    remote.away = away
    handler = with_parameters(tmp_path, remote, {"hf_token": TEXT, "net": "lenet"})
    run_id = run_with(handler).run.run_id
    leave(handler)
    remote.away = False
    later = with_parameters(tmp_path, remote, {"net": "lenet"})
    later.start()
    later.set_metric("loss", 3, step=0)
    later.log()
    leave(later)
    (ranked,) = later.get_best("loss")
    assert (ranked.completed, ranked.value.mean) == (2, 2)
    path = next(tmp_path.rglob(f"{run_id}.log"))
    assert TEXT.encode() not in path.read_bytes()
    opened = [given[0] for given in remote.got if len(given) == 1 and given[0].run_id == run_id]
    assert opened
    for run in opened:
        assert dict(run.configuration.parameters) == {"lr": 0.1, "hf_token": REDACTED, "net": "lenet"}
        assert dict(run.parameters) == {"hf_token": REDACTED}
    assert run_id in remote.results
    for given in remote.got:
        assert TEXT not in repr(given)
    assert TEXT not in repr(remote.results)


def test_credentials_can_be_switched_off(tmp_path):
    remote = Remote(tmp_path)
    handler = with_parameters(tmp_path, remote, {"hf_token": TEXT}, credentials=())
    other = with_parameters(tmp_path, remote, {"hf_token": "ijklmnop5678"}, credentials=())
    assert handler.fingerprint != other.fingerprint
    run_with(handler)
    (result,) = remote.results.values()
    assert result.run.configuration.parameters["hf_token"] == TEXT
    assert REDACTED not in repr(remote.got)
    leave(handler)


def test_patterns_say_which_parameters_are_redacted(tmp_path):
    remote = Remote(tmp_path)
    parameters = {"base_lr": "very secret", "hf_token": TEXT}
    handler = with_parameters(tmp_path, remote, parameters, credentials=["*lr*"])
    other = with_parameters(tmp_path, remote, {**parameters, "base_lr": "x"}, credentials=["*lr*"])
    assert handler == other
    run_with(handler)
    (opened,) = {given[0].run_id: given[0] for given in remote.got}.values()
    expected = {"lr": 0.1, "base_lr": REDACTED, "hf_token": TEXT}
    assert dict(opened.configuration.parameters) == expected
    assert "very secret" not in repr(remote.got)
    leave(handler)


# Reading on in a log


def a_run() -> Run:
    configuration = Configuration("e", "f" * 32, "name", {"lr": 0.1}, ("lr",), {})
    return Run("20240101-000000-abcdef", configuration, "d", 1.5, {"seed": 1}, {"host": "h"})


def points(*steps: int, layout: int = 0) -> bytes:
    """A frame with one number at each step, which is the step."""
    floats = array("d", map(float, steps))
    return log_frames.points_frame(array("I", [layout] * len(steps)), array("q", steps), floats, floats)


PLACES = {"remote": {"address": "http://h", "port": 3}, "other": {}}
LOSS = log_frames.layout_frame([Series("loss")])


@pytest.fixture
def writer(tmp_path):
    made = LogWriter(tmp_path / "a.log", create=True)
    made.append(log_frames.run_frame(a_run()), log_frames.backends_frame(PLACES))
    yield made
    made.close()


def test_a_tail_reads_on_in_a_growing_log(writer):
    tail = LogTail(writer.path)
    assert tail.read(1 << 20) == []
    writer.append(LOSS, points(0, 1))
    assert flat(tail.read(1 << 20)) == losses([0, 1])
    assert tail.position == writer.position
    assert tail.read(1 << 20) == []
    rule, outcome = BestRule("early_stopping", 2), Outcome(Status.COMPLETED, 2.5)
    writer.append(
        points(2), log_frames.record_frame(rule), log_frames.cursors_frame({"remote": 3}), points(3)
    )
    writer.append(log_frames.record_frame(outcome))
    records = tail.read(1 << 20)
    assert flat(records) == [*losses([2], 2), rule, *losses([3], 3)]
    assert records[-1] == outcome
    assert tail.position == writer.position
    tail.close()


def test_a_tail_takes_at_least_a_frame_and_no_more_than_it_was_asked_for(writer):
    writer.append(LOSS)
    begun = writer.position
    ends = [writer.append(points(*range(first, first + 100))) for first in range(0, 500, 100)]
    for frames in (1, 2):
        tail = LogTail(writer.path)
        while tail.position < begun:
            assert tail.read(1) == []
        found = []
        for end in [*ends[frames - 1 :: frames], ends[-1]]:
            found += flat(tail.read(1 if frames == 1 else 2 * 100 * 28))  # bytes of two, unpacked
            assert tail.position == end
        assert found == losses(range(500))
        tail.close()


@pytest.mark.parametrize("skipped", range(4))
def test_a_tail_gives_every_record_from_where_it_begins_once(writer, skipped):
    starts = [writer.append(LOSS)]
    starts += [writer.append(points(*range(first, first + 100))) for first in range(0, 400, 100)]
    tail = LogTail(writer.path, starts[skipped])
    found = []
    while tail.position < writer.position or not found:
        found += flat(tail.read(1))
    found += flat(tail.read(1))
    assert found == losses(range(100 * skipped, 400), 100 * skipped)
    tail.close()


def test_a_tail_that_begins_later_knows_the_earlier_layouts(writer):
    since = writer.append(LOSS, points(0), log_frames.record_frame(BestRule()), points(1))
    tail = LogTail(writer.path, since)
    assert tail.position == since
    assert tail.read(1 << 20) == []
    writer.append(points(2, 3), log_frames.layout_frame([Series("acc")]), points(4, layout=1))
    assert flat(tail.read(1 << 20)) == [*losses([2, 3], 2), ("dev/acc", 4, 4)]
    tail.close()


def test_a_half_written_frame_is_read_when_it_is_complete(writer):
    writer.append(LOSS)
    tail = LogTail(writer.path)
    assert tail.read(1 << 20) == []
    step = 0
    with writer.path.open("ab", buffering=0) as file:
        for most in (1, 1 << 20):
            for cut in (1, 4, 12, 13, 20, len(points(0)) - 1):
                frame, before = points(step), tail.position
                file.write(frame[:cut])
                assert tail.read(most) == []
                assert tail.position == before
                file.write(frame[cut:])
                (record,) = tail.read(most)
                assert isinstance(record, Points)
                assert flat([record]) == losses([step], step)
                step += 1
        whole, half = points(step), points(step + 1)
        file.write(whole + half[:-5])
        assert flat(tail.read(1 << 20)) == losses([step], step)
        file.write(half[-5:])
        assert flat(tail.read(1 << 20)) == losses([step + 1], step + 1)
    assert tail.position == writer.path.stat().st_size
    tail.close()


def test_a_tail_reads_on_after_the_log_got_another_name(writer, tmp_path):
    writer.append(LOSS, points(0))
    tail = LogTail(writer.path)
    assert flat(tail.read(1 << 20)) == losses([0])
    writer.append(points(1))
    writer.move(tmp_path / "b.log")
    writer.append(points(2))
    assert not (tmp_path / "a.log").exists()
    assert flat(tail.read(1 << 20)) == losses([1, 2], 1)
    tail.close()


def test_a_tail_of_no_log_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="read the run log"):
        LogTail(tmp_path / "none.log")


@pytest.mark.parametrize("places", [PLACES, {}])
def test_the_head_gives_run_and_targets_without_records(tmp_path, places):
    run = replace(a_run(), description="ä")
    log = LogWriter(tmp_path / "a.log", create=True)
    end = log.append(log_frames.run_frame(run), log_frames.backends_frame(places))
    log.append(LOSS, points(*range(100)), log_frames.record_frame(BestRule()))
    log.close()
    head = read_log_head(tmp_path / "a.log")
    assert (head.run, head.backends, head.records, head.end) == (run, places, [], end)
    assert log_reader.read_log(tmp_path / "a.log").backends == places


def test_the_head_of_a_log_without_targets_has_none(tmp_path):
    log = LogWriter(tmp_path / "a.log", create=True)
    log.append(log_frames.run_frame(a_run()), LOSS, points(0))
    log.close()
    head = read_log_head(tmp_path / "a.log")
    assert (head.run, head.backends, head.records) == (a_run(), {}, [])


@pytest.mark.parametrize("kept", [0, 5, 15, 20, 40])
def test_the_head_of_a_log_that_ends_too_early_is_an_error(writer, kept):
    writer.path.write_bytes(writer.path.read_bytes()[:kept])
    with pytest.raises(CorruptFile):
        read_log_head(writer.path)


# What goes wrong on this machine


@pytest.mark.usefixtures("_impatient")
def test_a_damaged_log_is_reported_when_the_run_ends(tmp_path):
    remote = Remote(tmp_path)
    remote.hangs_in = "open"
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    handler.set_metric("loss", 1)
    handler.flush()
    (path,) = tmp_path.rglob("*.log")
    position = path.stat().st_size
    handler.set_metric("loss", 2)
    handler.flush()
    with path.open("r+b") as file:
        file.seek(position - 1)
        file.write(b"\x00\x01")
    with pytest.raises(CorruptFile):
        handler.log()
    remote.continued.set()
    assert not remote.results
    with suppress(CorruptFile), handler:  # it is released, with its thread
        pass


def test_a_backend_is_opened_again_for_what_comes_after_the_end(tmp_path):
    remote = Remote(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    handler.set_metric("loss", 1)
    handler.log()
    handler.set_metric("loss", 2)
    result = handler.log()
    assert remote.of(result.run.run_id) == losses([1, 2])
    hooks = [type(given[-1]).__name__ for given in remote.got]
    assert hooks.count("Run") == 2
    leave(handler)
