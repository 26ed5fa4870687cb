"""The recorder: calls that interrupt one another, errors while frames are built, ever-new sets of names."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from legm.core.parameters import Parameters
from legm.delivery.client import connect_client
from legm.delivery.run_session import RunSession, new_run
from legm.hooks import hookimpl
from legm.records import BestRule, Outcome, Points, Record, Run, RunResult, Series, Status
from legm.runlog import recorder as recorder_module
from legm.runlog import row_encoder
from legm.runlog.log_reader import read_log
from legm.runlog.log_writer import LogWriter
from legm.testing import MemoryBackend


class InterruptedBackend(MemoryBackend):
    """A backend whose next call is interrupted by another one, on the same thread."""

    name = "interrupted"
    interruption: Callable[[], object] | None = None

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        interruption, self.interruption = self.interruption, None
        if interruption is not None:
            interruption()
        super().legm_write(run, records, position)


def begin(root, backend: object = "local") -> RunSession:
    return RunSession(connect_client(root, backend), new_run(Parameters().configuration("e"), "", {}))


def finish(session: RunSession) -> RunResult:
    return session.finish(Outcome(Status.COMPLETED, 0.0))


def curve(result: RunResult, name: str) -> list[tuple[int, float]]:
    history = result.histories[Series(name)]
    return list(zip(history.steps.tolist(), history.values.tolist(), strict=True))


# Calls that interrupt one another

STORM = """
import faulthandler, gc, itertools, json, signal, warnings
from legm import ExperimentHandler
from legm.compat import mlflow, wandb

faulthandler.dump_traceback_later(30, exit=True)  # a deadlock would last for ever
handler = ExperimentHandler("root", "native")
handler.start()
run = wandb.init(project="wandb")
mlflow.set_experiment("mlflow")
mlflow.start_run()
signals, hooks, finalized, loops = itertools.count(), itertools.count(), itertools.count(), 0

def interrupt(*_):
    number = next(signals)
    handler.set_dict_metrics({"signal": number, "twice": number})
    handler.set_metric("both", number)
    run.log({"signal": number})
    mlflow.log_metrics({"signal": number, "twice": number})
    if number % 10 == 0:
        handler.flush()
    if number % 25 == 0:
        handler.log()
    if number < 60:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
    else:
        ended.append(number)

def everywhere(name, value):
    handler.set_metric(name, value)
    wandb.log({name: value})
    mlflow.log_metric(name, value)

def hook(*_, **__):
    everywhere("hook", next(hooks))

class Dropped:
    def __init__(self):
        self.myself = self

    def __del__(self):
        everywhere("finalized", next(finalized))

class Warning:
    def __float__(self):
        warnings.warn("odd")
        return 0.5

warnings.simplefilter("always")
warnings.showwarning = hook
gc.set_threshold(50)
signal.signal(signal.SIGALRM, interrupt)
ended = []
signal.setitimer(signal.ITIMER_REAL, 0.002)
while not ended:
    handler.set_dict_metrics({"loss": loops, "same": loops})
    handler.set_metric("both", -1)
    run.log({"loss": loops})
    mlflow.log_metric("loss", loops)
    Dropped()
    if loops % 20 == 0:
        everywhere("odd", Warning())
    if loops % 100 == 0:
        handler.log()
    loops += 1
gc.collect()
gc.disable()
run.finish()
mlflow.end_run()
ends = {"loss": loops, "same": loops, "hook": next(hooks), "finalized": next(finalized)}
ends["signal"] = ends["twice"] = count = next(signals)
found = {s.name: h.values.tolist() for s, h in handler.log().histories.items()}
for name, end in ends.items():
    assert sorted(found[name]) == list(range(end)), (name, end, len(found[name]))
assert found["loss"] == found["same"] == sorted(found["loss"])
assert found["signal"] == found["twice"]
assert sorted(found["both"]) == [-1] * loops + list(range(count))
print(json.dumps({name: ends[name] for name in ("loss", "signal", "hook", "finalized")}))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers that send signals")
def test_what_a_signal_handler_a_finalizer_and_a_warning_hook_record_is_complete(tmp_path):
    from tests.support.compat_stores import environment, in_legm

    done = subprocess.run(
        [sys.executable, "-c", STORM],
        cwd=tmp_path,
        env=environment(LEGM_ROOT="root"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert min(counts.values()) > 1
    for library in ("wandb", "mlflow"):
        (held,) = in_legm(tmp_path / "root", library)
        values = {name: [value for _, value in held.points[name]] for name in counts}
        assert values["loss"] == sorted(values["loss"])
        for name, count in counts.items():
            assert sorted(values[name]) == list(range(count)), (library, name)


def test_a_run_that_is_logged_while_its_log_is_written_ends_when_that_has_ended(tmp_path):
    backend = InterruptedBackend(tmp_path)
    session = begin(tmp_path, backend)
    shown = []

    def interrupt() -> None:
        assert session.recorder.is_interrupted
        session.recorder.add_metrics({"late": 7}, None, test=False)
        shown.append(finish(session))
        session.recorder.flush()

    backend.interruption = interrupt
    session.recorder.add_metrics({"loss": 0.5}, None, test=False)
    session.recorder.flush()
    (result,) = shown
    assert (result.status, curve(result, "loss")) == (Status.COMPLETED, [(0, 0.5)])
    log = read_log(session.recorder.path)
    assert sum(isinstance(one, Outcome) for one in log.records) == 1
    assert curve(finish(session), "late") == [(0, 7)]
    session.release()


# Errors while frames are built


@pytest.mark.parametrize("where", ["points_frame", "layout_frame", "record_frame", "_Batch", "append"])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_error_while_a_frame_is_built_loses_nothing(tmp_path, monkeypatch, where, error):
    session = begin(tmp_path)
    recorder = session.recorder
    owner = {"_Batch": recorder_module, "append": LogWriter}.get(where, row_encoder)
    original = getattr(owner, where)

    def failing(*arguments):
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError  # the recorder's own thread writes nothing meanwhile
        if where == "append":
            original(*arguments)  # and interrupted right after it
        raise error

    for number in range(3):
        with monkeypatch.context() as patched:
            patched.setattr(owner, where, failing)
            recorder.add_metrics({"loss": number, f"new{number}": number}, None, test=False)
            recorder.add_metrics({"loss": number}, 10 + number, test=False)
            recorder.add_record(BestRule("early_stopping", number))
            with pytest.raises(error):
                recorder.flush()
        read_log(recorder.path)
    result = finish(session)
    assert curve(result, "loss") == [(0, 0), (2, 1), (4, 2), (10, 0), (11, 1), (12, 2)]
    assert [curve(result, f"new{number}") for number in range(3)] == [[(0, 0)], [(0, 1)], [(0, 2)]]
    assert (result.points, result.rule.step) == (9, 2)
    session.release()


# Growth


@pytest.mark.slow
def test_ever_new_sets_of_names_cost_the_same_each(tmp_path):
    def seconds(count: int) -> float:
        session = begin(tmp_path / str(count))
        began = time.process_time()
        for number in range(count):
            session.recorder.add_metrics({"loss": number, f"m{number}": number}, None, test=False)
        result = finish(session)
        spent = time.process_time() - began
        session.release()
        assert result.histories[Series("loss")].values.tolist() == list(range(count))
        assert np.all(result.histories[Series("loss")].steps == np.arange(count))
        return spent

    seconds(100)
    few, many = seconds(250), seconds(1500)
    assert many < 15 * few  # 6 times as many; the square is 36


@pytest.mark.slow
def test_the_memory_that_ending_a_run_takes_is_a_few_numbers_a_point(tmp_path):
    session, count, series = begin(tmp_path), 60_000, ((Series("loss"),),)
    columns = (np.zeros(count, np.uint32), np.arange(count), np.full(count, 1.5e9), np.linspace(0, 1, count))
    session.recorder.add_records([Points(series, *columns)])
    session.recorder.flush()
    tracemalloc.start()
    finish(session)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    session.release()
    assert most / count < 120  # bytes; 180 with a Python object for each number
