"""``legm watch``: runs of real processes, followed while they are written."""

from __future__ import annotations

import asyncio
import contextlib
import html
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler
from legm.analysis import run_tailer
from legm.analysis.live_runs import LiveRun, LiveSeries
from legm.analysis.run_tailer import RunTailer
from legm.cli import watch
from legm.cli.watch_app import WatchApp
from legm.cli.watch_rows import WatchedRuns, rows_in_order, watched_duration_text
from legm.core.selection import RunSelection
from legm.records import BestRule, Configuration, Outcome, Points, Resumption, Run, Series, Split, Status
from legm.runlog.log_frames import MAGIC
from tests.support.calling import as_json, call, failed
from tests.support.waiting import until

TRAINING = """
import os, sys
from legm import ExperimentHandler

root, lr = sys.argv[1], float(sys.argv[2])
handler = ExperimentHandler(root, "e", console=lr == 0.5)
handler.set_dict_params({"lr": lr, "max_steps": 100, "text": "a" * 40 + "[red]" + str(lr)})
handler.disable_param("max_steps")
handler.name_params(["lr", "text"])
with handler.start():
    for line in sys.stdin:
        step, loss = line.split()
        if loss == "kill":
            os.kill(os.getpid(), 9)
        if loss == "raise":
            raise RuntimeError("out of memory [bold]\\x1b[31m")
        print("at step", step, flush=True)
        handler.set_metric("loss", float(loss), step=int(step))
        handler.flush()
        print("done", file=sys.stderr, flush=True)
"""


class Training:
    """A process that sets what it is told to."""

    def __init__(self, root: Path, lr: float) -> None:
        command = [sys.executable, "-c", TRAINING, str(root), str(lr)]
        pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, **pipes)

    def say(self, *lines: str) -> None:
        for line in lines:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()

    def set(self, step: int, loss: float) -> None:
        self.say(f"{step} {loss}")
        while (line := self.process.stderr.readline()) != "done\n":
            assert line

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stderr.close()


@pytest.fixture
def trainings(tmp_path):
    """Four processes, of which each has set two values; they end with the test."""
    every = [Training(tmp_path, lr) for lr in (0.5, 0.1, 0.01, 0.001)]
    for at, one in enumerate(every):
        one.set(0, 1.0)
        one.set(1, 0.5 - at / 10)
    yield every
    for one in every:
        one.end()


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Every file, with its size and time of change."""
    found = {}
    for path in root.rglob("*"):
        about = path.stat()
        found[str(path)] = about.st_size, about.st_mtime_ns
    return found


def screen(app: WatchApp) -> str:
    """What is on the screen, as text."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", app.export_screenshot())
    return html.unescape(" ".join(texts)).replace("\xa0", " ")


async def until_on_screen(app: WatchApp, pilot, *texts: str, without: str = "\0") -> str:
    end = time.monotonic() + 30
    while without in (shown := screen(app)) or not all(text in shown for text in texts):
        assert time.monotonic() < end, shown
        app.look()
        await pilot.pause(0.05)
    return shown


@contextlib.contextmanager
def app_of(root: Path) -> Iterator[WatchApp]:
    tailer = RunTailer(root, ended_within=600)
    yield WatchApp(WatchedRuns(tailer, RunSelection()), str(root))
    tailer.close()


def test_processes_are_followed_and_their_failures_are_in_sight(trainings, tmp_path):
    first, failing, killed, completing = trainings

    async def watch_them() -> None:
        async with contextlib.AsyncExitStack() as stack:
            app = stack.enter_context(app_of(tmp_path))
            pilot = await stack.enter_async_context(app.run_test(size=(200, 40)))
            shown = await until_on_screen(app, pilot, "▶ 4 running", "2/100", "0.2")
            assert "[red]" in shown  # markup of others is only text
            first.set(2, 0.25)
            failing.say("2 raise")
            killed.say("2 kill")
            completing.end()
            counts = ("▶ 1 running", "✗ 1 failed", "‖ 1 interrupted", "✓ 1 completed")
            error = r"RuntimeError: out of memory [bold]\x1b[31m"
            await until_on_screen(app, pilot, *counts, "3/100", "0.25", error)
            await pilot.press("f")
            await pilot.press(*"status:failed", "enter")
            await until_on_screen(app, pilot, "filter status:failed", "✗ 1 failed", without="running")
            await pilot.press("f")
            await pilot.press(*"lr<", "enter")  # what is there is selected
            await until_on_screen(app, pilot, "filter status:failed", "a value is missing after 'lr<'")
            await pilot.press("backspace", *"=0.5", "enter")
            await until_on_screen(app, pilot, "▶ 1 running", "filter lr=0.5")
            await pilot.press("d")
            shown = await until_on_screen(app, pilot, "console", "at step 2", "3/100")
            assert "max_steps" in shown
            await pilot.press("f", "s", "d")  # those of the table do nothing here
            assert len(app.screen_stack) == 2
            await pilot.press("escape")
            await pilot.press("s")
            await until_on_screen(app, pilot, "sorted by started")
            await pilot.press("r")
            await until_on_screen(app, pilot, "sorted by started reversed")
            await pilot.press("q")
        assert app.return_code == 0

    asyncio.run(watch_them())
    found = {one["configuration"].split(",")[0]: one for one in as_json("watch", tmp_path)}
    statuses = {name: one["status"] for name, one in found.items()}
    assert statuses == {"0.5": "running", "0.1": "failed", "0.01": "interrupted", "0.001": "completed"}
    assert found["0.5"]["metrics"] == {"loss": {"last": 0.25, "best": 0.25}}
    assert (found["0.5"]["done"], found["0.5"]["total"]) == (3, 100)
    assert "out of memory" in found["0.1"]["error"]
    assert [one["status"] for one in as_json("watch", tmp_path, "--where", "lr<0.2 and lr>0.02")] == [
        "failed"
    ]
    assert [one["status"] for one in as_json("watch", tmp_path / "e", "--ended", "0")] == [
        "running",
        "interrupted",
    ]


def test_a_log_is_read_once_unless_its_run_was_rewound_and_nothing_is_written(tmp_path, monkeypatch):
    opened, again = [], []
    tail, whole = run_tailer.LogTail, run_tailer.read_log
    monkeypatch.setattr(run_tailer, "LogTail", lambda *given: opened.append(given) or tail(*given))
    monkeypatch.setattr(run_tailer, "read_log", lambda *given: again.append(given) or whole(*given))
    handler = ExperimentHandler(tmp_path, "e", provenance=False).start()
    tailer = RunTailer(tmp_path)
    for step in range(5):
        handler.set_metric("loss", float(5 - step), step=step)
        handler.flush()
        before = snapshot(tmp_path)
        tailer.poll()
        assert snapshot(tmp_path) == before  # nothing is written
        (one,) = tailer.runs.values()
        assert one.live.series[Series("loss")].last == 5 - step
    assert (len(opened), again) == (1, [])
    handler.rewind(2)
    handler.set_metric("loss", 9.0, step=3)
    handler.flush()
    tailer.poll()
    assert one.live.series[Series("loss")].last == 9
    assert one.live.best("loss") == 3  # 2 and 1 are void
    assert one.live.last_step == 3
    assert (len(opened), len(again)) == (2, 1)
    handler.log()
    tailer.poll()
    assert one.live.status is Status.COMPLETED
    tailer.close()


def test_a_run_that_begins_and_ends_between_two_looks_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(run_tailer, "_SCAN_PAUSE", 0.0)
    monkeypatch.setattr(run_tailer, "_SCAN_SHARE", 0.0)
    old = ExperimentHandler(tmp_path, "e").start()
    old.log()
    os.utime(next(tmp_path.glob("e/*/runs/*.log")), (1, 1))  # it ended long ago
    tailer = RunTailer(tmp_path, ended_within=60)
    tailer.poll()
    assert tailer.runs == {}
    handler = ExperimentHandler(tmp_path, "e").start()
    handler.set_metric("loss", math.nan)
    handler.end("failed", "it diverged")
    tailer.poll()
    (one,) = tailer.runs.values()
    assert (one.live.status, one.live.error) == (Status.FAILED, "it diverged")
    assert math.isnan(one.live.best("loss"))
    tailer.close()


@pytest.mark.parametrize("width", [80, 200])
def test_every_width_has_last_and_best_values_with_a_curve(tmp_path, width):
    for at in range(30):
        handler = ExperimentHandler(tmp_path, "e" if at % 2 else "f")
        handler.set_param("model.encoder.kind", f"a-very-long-name-of-an-encoder-{at}-of-many")
        handler.name_params("model.encoder.kind")
        with handler.start():
            for step in range(3):
                handler.set_metric("loss", math.nan if at == 3 else 1.5 / (step + 1), step=step)

    async def watch_them() -> None:
        before = snapshot(tmp_path)
        async with contextlib.AsyncExitStack() as stack:
            app = stack.enter_context(app_of(tmp_path))
            pilot = await stack.enter_async_context(app.run_test(size=(width, 40)))
            shown = await until_on_screen(app, pilot, "✓ 30 completed")
            assert snapshot(tmp_path) == before
            for text in ("configuration", "step", "last", "best", "curve", "0.5", "nan"):
                assert text in shown, text
            assert any("\u2801" <= one <= "\u28ff" for one in shown)
            assert ("silent" in shown) == (width == 200)
            table = app.query_one("#runs")
            assert table.virtual_size.width <= width
            names = [str(table.get_row_at(at)[1 if width == 80 else 2]) for at in range(30)]
            assert len(set(names)) == 30  # different ones stay different

    asyncio.run(watch_them())


def test_it_needs_a_terminal_a_folder_and_textual(tmp_path, monkeypatch):
    assert "needs a terminal" in failed("watch", tmp_path)
    assert "there is no folder" in failed("watch", tmp_path / "nowhere")
    monkeypatch.setattr(watch, "_is_watched_in_terminal", lambda: True)
    monkeypatch.setitem(sys.modules, "legm.cli.watch_app", None)
    assert "pip install 'legm[watch]'" in failed("watch", tmp_path)
    assert as_json("watch", tmp_path) == []
    assert call("watch", tmp_path, "--where", "lr<").exit_code == 2


def points(series: Series, steps: list[int], values: list[float], times: list[float]) -> Points:
    layout = np.zeros(len(steps), np.uint32)
    return Points(((series,),), layout, np.array(steps), np.array(times), np.array(values, np.float64))


def live(total_name: str | None = None, **parameters) -> LiveRun:
    names = tuple(parameters)
    return LiveRun(Run("r", Configuration("e", "c", "v1-0", parameters, names, {}), "", 0.0), total_name)


def test_time_left_is_known_where_a_parameter_says_the_total():
    run = live(**{"trainer.max_steps": 100})
    run.add([points(Series("loss"), [0, 1, 2, 3], [4, 3, 2, 1], [0.0, 2.0, 4.0, 6.0])])
    progress = run.progress(6.0)
    assert (progress.done, progress.total, progress.per_second) == (4, 100, 0.5)
    assert progress.seconds_left == 192
    assert run.progress(60.0).per_second == pytest.approx(3 / 60)  # nothing has come for long
    for parameters in ({"epochs": 10}, {"max_steps": 2}, {"max_steps": True}, {"max_steps": "100"}, {}):
        other = live(**parameters)
        other.add([points(Series("loss"), [0, 1, 2, 3], [4, 3, 2, 1], [0.0, 2.0, 4.0, 6.0])])
        assert other.progress(6.0).seconds_left is None, parameters
    assert live("epochs", epochs=8).progress(0.0).total == 8
    epochs = live(epochs=10)
    epochs.add([points(Series("epoch"), [0, 100, 200], [0, 1, 2], [0.0, 10.0, 20.0])])
    assert (epochs.progress(20.0).unit, epochs.progress(20.0).seconds_left) == ("epoch", 80)


def test_a_resumed_run_is_running_again_and_measured_anew():
    run = live(max_steps=10)
    run.add([points(Series("loss"), [0, 1], [2, 1], [0.0, 1.0]), Outcome(Status.FAILED, 2.0, "boom")])
    assert (run.status, run.error) == (Status.FAILED, "boom")
    run.add([Resumption(100.0), points(Series("loss"), [2, 3], [2, 1], [101.0, 105.0])])
    assert (run.status, run.error) == (Status.RUNNING, None)
    assert run.progress(105.0).per_second == 0.25
    run.is_written = False
    assert run.status is Status.INTERRUPTED


def test_the_best_value_follows_the_rule_and_never_is_nan():
    run = live()
    run.add([points(Series("acc"), [0, 1, 2], [0.5, math.nan, 0.75], [0, 1, 2])])
    assert run.best("acc") == 0.75
    run.add([BestRule("early_stopping", None, "acc", higher_better=False)])
    assert run.best("acc") == 0.5
    assert run.main_metric() == "acc"
    run.add([points(Series("t", Split.TEST), [0], [1], [3])])
    assert run.result().test == {Series("t", Split.TEST): 1}
    assert math.isnan(live().best("acc"))


def test_a_long_series_is_kept_in_little_memory_with_its_extremes():
    series = LiveSeries(Series("loss"))
    values = np.sin(np.arange(100_000) / 100)
    values[54_321] = -7.0
    for start in range(0, len(values), 500):
        series.add(list(range(start, start + 500)), values[start : start + 500].tolist())
    curve = series.curve()
    assert len(curve.steps) <= 1024
    assert series.lowest == curve.center.min() == -7
    assert series.last == values[-1]
    assert (np.diff(curve.steps) > 0).all()


def test_rows_are_sorted_with_missing_values_last(tmp_path):
    for lr, loss in ((1, 0.5), (2, math.nan), (3, 0.25)):
        handler = ExperimentHandler(tmp_path, "e")
        handler.set_param("lr", lr)
        handler.name_params("lr")
        with handler.start():
            handler.set_metric("loss", loss, step=0)
    tailer = RunTailer(tmp_path, ended_within=600)
    rows = WatchedRuns(tailer, RunSelection()).poll()
    assert [one.name[0] for one in rows_in_order(rows, "last", is_reversed=False)] == ["3", "1", "2"]
    assert [one.name[0] for one in rows_in_order(rows, "name", is_reversed=True)] == ["3", "2", "1"]
    tailer.close()


def test_durations_have_two_units():
    texts = [watched_duration_text(one) for one in (0.4, 59, 61, 3600, 90061, None, math.inf)]
    assert texts == ["0 s", "59 s", "1 m 01 s", "1 h 00 m", "1 d 01 h", "", ""]


def test_runs_of_other_backends_are_seen_by_their_logs(tmp_path):
    from legm.testing.memory import MemoryBackend

    handler = ExperimentHandler(tmp_path, "far", backend=MemoryBackend)
    handler.set_param("lr", 1)
    handler.start()
    handler.set_metric("loss", 2.0, step=0)
    handler.flush()
    (one,) = until(lambda: as_json("watch", tmp_path))
    assert (one["experiment"], one["status"], one["metrics"]["loss"]["last"]) == ("far", "running", 2.0)
    assert len(as_json("watch", tmp_path / "far")) == 1
    near = ExperimentHandler(tmp_path, "near").start()
    near.set_metric("loss", 1.0)
    near.flush()
    for backend, experiment in ((MemoryBackend.name, "far"), ("local", "near")):
        (only,) = as_json("watch", tmp_path, "--backend", backend)
        assert only["experiment"] == experiment
    handler.log()
    near.log()


def test_damage_in_the_middle_of_a_log_is_said_and_the_rest_is_shown(tmp_path, caplog):
    handler = ExperimentHandler(tmp_path, "e").start()
    tailer = RunTailer(tmp_path)
    for step in range(3):
        handler.set_metric("loss", float(step), step=step)
        handler.flush()
        if step == 0:
            tailer.poll()
            (one,) = tailer.runs.values()
            before = one.tail.position
        if step == 1:
            content = one.path.read_bytes()
            damaged = content.rindex(MAGIC)  # the newest numbers
            assert damaged > before
            with one.path.open("r+b") as file:  # as a failing disk does it
                file.seek(damaged + 20)
                file.write(b"damage")
            tailer.poll()
            assert one.live.series[Series("loss")].last == 0
            assert "damaged" not in caplog.text  # it could still be incomplete
    tailer.poll()
    assert one.live.series[Series("loss")].last == 2
    assert f"{one.path}, byte {damaged}: the next" in caplog.text
    assert "damaged" in caplog.text
    assert "What is intact of it is shown." in caplog.text
    said = caplog.text
    tailer.poll()
    assert caplog.text == said
    tailer.close()
    with one.path.open("r+b") as file:
        file.seek(damaged + 20)
        file.write(content[damaged + 20 :])
    handler.log()
