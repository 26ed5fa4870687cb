"""A run whose machine is about to be taken away: the state is saved once, and the run is marked."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from legm import ExperimentHandler, ParameterError, StateError
from legm.records import Status
from tests.support.prepared import Prepared
from tests.support.reading import runs_of
from tests.support.waiting import until

SCRIPT = """
import os, signal, sys
from pathlib import Path
from legm import ExperimentHandler
root = Path(sys.argv[1])
{before}
handler = ExperimentHandler(root, "e")
handler.set_param("lr", 0.1)
handler.start(resume=True)
def save():
    with open(root / "saved.txt", "a") as file:
        file.write(f"{{handler.last_step}} {{os.getpid()}}\\n")
    {inside}
handler.on_preemption(save)
step = (handler.last_step or 0) + 1
handler.set_metric("loss", 1.0, step=step)
print("ready", flush=True)
while True:
    step += 1
    handler.set_metric("loss", 1 / step, step=step)
    {after}
"""


def preempted(prepared: Prepared, root: Path, number: signal.Signals, before="", inside="", after="") -> int:
    """The exit code of a training that gets a signal."""
    script = SCRIPT.format(before=before, inside=inside, after=after)
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        process = prepared.begin(["-c", script, root], stdout=said, stderr=errors)
        until(lambda: os.pread(said.fileno(), 5, 0) == b"ready")
        os.kill(process.pid, number)
        return process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_the_state_is_saved_once_and_the_run_marked_and_resumed(tmp_path, number, prepared_core):
    again = f"os.kill(os.getpid(), signal.{number.name})"
    assert preempted(prepared_core, tmp_path, number, inside=again) == -number
    (first,) = runs_of(tmp_path)
    assert preempted(prepared_core, tmp_path, number) == -number

    (run,) = runs_of(tmp_path)
    assert run.run.run_id == first.run.run_id
    assert (run.status, run.error) == (Status.INTERRUPTED, f"preempted by {number.name}")
    saved = [int(line.split()[0]) for line in (tmp_path / "saved.txt").read_text().splitlines()]
    assert len(saved) == 2
    assert saved[0] <= first.last_step <= saved[1] <= run.last_step


def test_an_error_while_saving_still_marks_the_run(tmp_path, prepared_core):
    assert preempted(prepared_core, tmp_path, signal.SIGTERM, inside="1 / 0") == -signal.SIGTERM

    assert runs_of(tmp_path)[0].error == "preempted by SIGTERM"


def test_the_users_own_signal_handler_is_called_afterwards(tmp_path, prepared_core):
    before = "signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))"

    assert preempted(prepared_core, tmp_path, signal.SIGTERM, before=before) == 7
    assert runs_of(tmp_path)[0].status is Status.INTERRUPTED


def test_a_forked_worker_neither_saves_nor_marks(tmp_path, prepared_core):
    after = """
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    if not (root / "saved.txt").exists():
        handler.log()
        sys.exit()
"""
    script = SCRIPT.format(before="", inside="", after=after)
    done = prepared_core.run(["-c", script, tmp_path])

    assert done.returncode == 0
    assert runs_of(tmp_path)[0].status is Status.COMPLETED


def test_without_an_open_run_the_signal_does_what_it_did_before(tmp_path, prepared_core):
    before = "signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))"
    after = "handler.end(); os.kill(os.getpid(), signal.SIGTERM)"

    script = SCRIPT.format(before=before, inside="", after=after)
    done = prepared_core.run(["-c", script, tmp_path])

    assert done.returncode == 7
    assert not (tmp_path / "saved.txt").exists()
    assert runs_of(tmp_path)[0].status is Status.COMPLETED


def test_each_call_saves_in_order_and_the_run_is_marked_once(tmp_path, prepared_core):
    after = """
    handler.on_preemption(lambda: (root / "saved.txt").open("a").write("second "))
    handler.on_preemption(lambda: (root / "saved.txt").open("a").write("third"), "SIGTERM")
    os.kill(os.getpid(), signal.SIGTERM)
"""
    done = prepared_core.run(["-c", SCRIPT.format(before="", inside="", after=after), tmp_path])

    assert done.returncode == -signal.SIGTERM
    assert "could not be marked" not in done.stderr
    (first, others) = (tmp_path / "saved.txt").read_text().splitlines()
    assert (len(first.split()), others) == (2, "second third")
    assert runs_of(tmp_path)[0].error == "preempted by SIGTERM"


@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))"])
def test_a_save_that_leaves_the_process_does_not_complete_the_run(tmp_path, prepared_core, before):
    assert preempted(prepared_core, tmp_path, signal.SIGTERM, before=before, inside="sys.exit(0)") == 0

    (run,) = runs_of(tmp_path)
    assert (run.status, run.error) == (Status.INTERRUPTED, "preempted by SIGTERM")


def test_an_end_of_the_run_in_save_stays(tmp_path, prepared_core):
    script = SCRIPT.format(
        before="",
        inside="handler.end('failed', 'no space')",
        after="os.kill(os.getpid(), signal.SIGTERM)",
    )
    done = prepared_core.run(["-c", script, tmp_path])

    assert done.returncode == -signal.SIGTERM
    assert "could not be marked" not in done.stderr
    assert runs_of(tmp_path)[0].error == "no space"


CONTINUES = "signal.signal(signal.SIGTERM, lambda number, frame: None)"


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("handler.set_metric('loss', 0.0, step=step + 1); handler.log()", Status.COMPLETED),
        ("handler.set_metric('loss', 0.0, step=step + 1)", Status.COMPLETED),
        ("handler.log()", Status.COMPLETED),
        ("pass", Status.INTERRUPTED),
        ("handler.end('interrupted', 'at the end of a step')", Status.INTERRUPTED),
        ("handler.end('failed', 'no checkpoint')", Status.FAILED),
    ],
)
@pytest.mark.parametrize("before", [CONTINUES, "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_a_training_that_continues_after_the_signal_is_not_stopped(
    tmp_path, prepared_core, before, last, status
):
    after = f"os.kill(os.getpid(), signal.SIGTERM); {last}; sys.exit()"
    done = prepared_core.run(["-c", SCRIPT.format(before=before, inside="", after=after), tmp_path])

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    (run,) = runs_of(tmp_path)
    assert run.status is status
    assert run.last_step == (3 if "set_metric" in last else 2)
    assert len((tmp_path / "saved.txt").read_text().splitlines()) == 1


def test_a_later_signal_ends_a_training_that_continued(tmp_path, prepared_core):
    before = "signal.signal(signal.SIGUSR1, lambda number, frame: None)"
    after = """
    os.kill(os.getpid(), signal.SIGUSR1)
    handler.set_metric("loss", 0.5, step=9)
    os.kill(os.getpid(), signal.SIGTERM)
"""
    done = prepared_core.run(["-c", SCRIPT.format(before=before, inside="", after=after), tmp_path])

    assert done.returncode == -signal.SIGTERM
    (run,) = runs_of(tmp_path)
    assert (run.status, run.error, run.last_step) == (Status.INTERRUPTED, "preempted by SIGTERM", 9)
    assert len((tmp_path / "saved.txt").read_text().splitlines()) == 1  # once a run


def test_what_cannot_be_watched_is_an_error(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    with pytest.raises(ParameterError, match="takes a function that saves the training, not 'save'"):
        handler.on_preemption("save")
    with pytest.raises(ParameterError, match="no program is told of SIGKILL"):
        handler.on_preemption(signals=["SIGTERM", "SIGKILL"])
    with pytest.raises(ParameterError, match="no signal 99"):
        handler.on_preemption(signals=99)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with pytest.raises(ParameterError, match=r"no signal 'SIGTERN'.*SIGTERM"):
        handler.on_preemption(signals=["SIGTERN"])
    found: list[BaseException] = []

    def watch() -> None:
        try:
            handler.on_preemption()
        except StateError as error:
            found.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert "main thread" in str(found[0])
