"""Remote backends: away, hanging or slow, they cost the run nothing; credentials stay on this machine."""

from __future__ import annotations

import logging
import threading

import pytest
from test_backend_boundary import Memory, flat

from legm import CorruptFile, ExperimentHandler, delivery, hookimpl, runlog
from legm.credentials import REDACTED, is_credential, without_password
from legm.hooks import Capability
from legm.logs import LogFolder
from legm.records import Configuration, Outcome, Run, Status


class Remote(Memory):
    """A server in memory, which can be away and can hang."""

    capabilities = frozenset({Capability.REMOTE})

    def __init__(self, root) -> None:
        super().__init__(root)
        self.away = False
        self.answers = threading.Event()
        self.answers.set()
        self.seen: list = []

    def _reached(self) -> None:
        self.answers.wait()
        if self.away:
            raise ConnectionError("no route to host")

    @hookimpl
    def legm_open_run(self, run):
        self._reached()
        self.seen.append(run)
        return max(self.batches.setdefault(run.run_id, {}), default=0)

    @hookimpl
    def legm_write(self, run, records, position):
        self._reached()
        self.batches[run.run_id][position] = list(records)

    @hookimpl
    def legm_close_run(self, run, result, records):
        self._reached()
        super().legm_close_run(run, result, records)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(delivery, "_GRACE", 0.2)
    monkeypatch.setattr(delivery, "_LONGEST_CALL", 0.5)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(delivery, "_INTERVAL", 0.05)


def test_an_absent_backend_gets_every_run_with_the_next_one(tmp_path, caplog):
    remote = Remote(tmp_path)
    remote.away = True
    with ExperimentHandler(tmp_path, "e", backend=remote) as first:
        first.start()
        for step in range(10):
            first.set_metric("loss", step, step=step)
    assert sum(record.levelno >= logging.ERROR for record in caplog.records) == 1
    assert "10 values are owed" in caplog.text
    assert not remote.results
    assert len(list(tmp_path.rglob("open/*.log"))) == 1
    remote.away = False
    with ExperimentHandler(tmp_path, "e", backend=remote) as second:
        second.start()
        second.set_metric("loss", 3, step=0)
    (ranked,) = second.get_best("loss")
    assert (ranked.completed, ranked.value.mean) == (2, 6.0)
    batches = remote.batches[min(remote.batches)]
    assert flat(r for at in sorted(batches) for r in batches[at]) == [
        ("dev/loss", step, step) for step in range(10)
    ]
    assert not list(tmp_path.rglob("open/*.log"))


def test_what_comes_in_an_outage_is_delivered_once_and_in_order(tmp_path, caplog):
    remote = Remote(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    for step in range(40):
        remote.away = step % 20 >= 10
        handler.set_metric("loss", step, step=step)
        handler._live.recorder.flush()
        if step % 10 == 5:
            threading.Event().wait(0.12)
    remote.away = False
    handler.log()
    assert remote.written() == [("dev/loss", step, step) for step in range(40)]
    assert "it gets what is owed" in caplog.text


def test_a_hanging_backend_holds_up_neither_metrics_nor_the_log(tmp_path, caplog):
    remote = Remote(tmp_path)
    remote.answers.clear()
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    for step in range(100):
        handler.set_metric("loss", step)
    handler._live.recorder.flush()
    assert handler.log().points == 100
    assert "100 values are owed" in caplog.text
    remote.answers.set()
    handler.log()
    assert len(remote.written()) == 100


def test_a_large_burst_comes_in_several_batches(tmp_path):
    remote = Remote(tmp_path)
    with ExperimentHandler(tmp_path, "e", backend=remote) as handler:
        handler.start()
        for step in range(60_000):
            handler.set_metric("loss", step, step=step)
    (batches,) = remote.batches.values()
    assert len(batches) > 3
    assert remote.written() == [("dev/loss", step, step) for step in range(60_000)]


def test_a_damaged_log_is_told_when_the_run_ends(tmp_path):
    remote = Remote(tmp_path)
    remote.answers.clear()
    handler = ExperimentHandler(tmp_path, "e", backend=remote).start()
    handler.set_metric("loss", 1)
    position = handler._live.recorder.flush()
    handler.set_metric("loss", 2)
    handler._live.recorder.flush()
    path = handler._live.recorder._writer.path
    with path.open("r+b") as file:
        file.seek(position - 1)
        file.write(b"\x00\x01")
    with pytest.raises(CorruptFile):
        handler.log()
    remote.answers.set()
    assert not remote.results


@pytest.mark.parametrize(
    "name", ["api_key", "API_KEY", "apiKey", "db_password", "clientSecret", "hf_token", "token"]
)
def test_a_text_under_such_a_name_is_a_credential(name):
    assert is_credential(name, "abcdefgh1234")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 512),
        ("tokenizer", "bert-base"),
        ("pad_token", "<pad>"),
        ("eos_token", "<|endoftext|>"),
        ("token_dim", 3),
        ("secretary", "somebody"),
        ("api_key", ""),
        ("password", None),
        ("keyboard", "qwertyuiop"),
    ],
)
def test_what_tells_models_apart_is_none(name, value):
    assert not is_credential(name, value)


@pytest.mark.parametrize(("patterns", "hidden"), [(None, "key"), (["*lr*"], "lr"), ((), None)])
def test_a_credential_tells_no_configurations_apart_and_stays_here(tmp_path, patterns, hidden):
    texts = {"my_lr": "slow-slow-slow", "api_key": "geheim-geheim"}
    remote = Remote(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=remote, credentials=patterns)
    handler.set_dict_params(texts)
    other = ExperimentHandler(tmp_path, "e", credentials=patterns)
    other.set_dict_params({**texts, **{name: "another-text" for name in texts if hidden and hidden in name}})
    assert handler == other
    with handler.start():
        handler.set_metric("loss", 1)
    (path,) = tmp_path.rglob("*.log")
    for name, text in texts.items():
        assert text.encode() in path.read_bytes()
        given = repr((remote.seen, remote.results))
        assert (text in given) is not bool(hidden and hidden in name)
    assert (REDACTED in given) is bool(hidden)


def test_a_password_is_taken_out_of_an_address():
    assert without_password("postgresql://me:pw@host/db?x=1") == "postgresql://me:***@host/db?x=1"
    assert without_password("http://host:5000/a@b") == "http://host:5000/a@b"


def test_a_tail_reads_on_while_the_log_is_written_and_moved(tmp_path):
    run = Run("run", Configuration("e", "v1-0", "", {}, (), {}), "", 0.0)
    logs = LogFolder(tmp_path)
    writer = logs.create(run, {"there": {"option": "x"}})
    assert runlog.read_head(writer.path).run == run
    assert runlog.read_head(writer.path).places == {"there": {"option": "x"}}
    tail = runlog.LogTail(writer.path)
    assert tail.read(1 << 20) == []
    frames = [runlog.record_frame(Outcome(Status.FAILED, float(n))) for n in range(3)]
    writer.append(frames[0], frames[1][:20])
    assert [record.time for record in tail.read(1 << 20)] == [0.0]
    writer.append(frames[1][20:])
    logs.settle(writer)
    writer.append(frames[2])
    assert [record.time for record in tail.read(10)] == [1.0]
    assert [record.time for record in tail.read(10)] == [2.0]
    assert tail.position == writer.position
    tail.close()
    late = runlog.LogTail(writer.path, writer.position - len(frames[2]))
    assert [record.time for record in late.read(1 << 20)] == [2.0]
    late.close()
