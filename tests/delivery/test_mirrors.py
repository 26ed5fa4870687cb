"""Several backends at once: a primary, and mirrors whose trouble is nobody else's."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from legm import BackendError, ExperimentHandler, hookimpl
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.cli import main
from legm.delivery import circuit_breaker
from legm.delivery import live_delivery as delivery
from legm.delivery.backlog import sync_backlog
from legm.delivery.client import BackendClient, connect_client
from legm.hooks import Capability
from legm.records import Display, Points, Query, Status
from tests.support.memory_backend import Memory
from tests.support.mlflow_store import prepare_store
from tests.support.sample_runs import comparable, script
from tests.support.waiting import until

QUIET_WANDB = {"mode": "offline", "settings": {"x_disable_stats": True, "x_disable_meta": True}}


class Mirror(Memory):
    """Keeps runs by the position of their records, and everything that is computed over them."""

    name = "mirror"
    capabilities = frozenset({Capability.SUMMARIES})

    def __init__(self, root, **options) -> None:
        super().__init__(root, **options)
        self.summaries: list = []

    @hookimpl
    def legm_write_summary(self, configuration, description, summary):
        self.summaries.append(summary)


class Flaky(Mirror):
    """Answers, raises, hangs, is slow or has lost the connection, as a seeded random number says."""

    name = "flaky"

    def __init__(self, root, seed: int = 0) -> None:
        super().__init__(root)
        self.chance = random.Random(seed)
        self.well = threading.Event()
        self.moods: dict[str, int] = {}
        self.known_positions: dict[str, int] = {}
        self.values: list[tuple[str, int, float]] = []
        self.away_until = 0.0

    def _weather(self) -> None:
        if self.well.is_set():
            return
        if time.monotonic() < self.away_until:
            raise ConnectionError("away")
        mood = self.chance.choice(["fine", "fine", "raises", "slow", "hangs", "goes away"])
        self.moods[mood] = self.moods.get(mood, 0) + 1
        if mood == "raises":
            raise RuntimeError("an error of its own")
        if mood == "slow":
            time.sleep(0.03)  # it is slow, which is what is tried
        elif mood == "hangs":
            self.well.wait(0.4)
        elif mood == "goes away":
            self.away_until = time.monotonic() + 0.2
            raise ConnectionError("away")

    @hookimpl
    def legm_open_run(self, run):
        self._weather()
        return self.known_positions.get(run.run_id, 0)

    @hookimpl
    def legm_write(self, run, records, position):
        self._weather()
        for record in records:
            if isinstance(record, Points):
                for series, step, _, values in record.rows():
                    self.values += [(str(s), step, v) for s, v in zip(series, values, strict=True)]
        self.known_positions[run.run_id] = position
        if not self.well.is_set() and self.chance.random() < 0.2:
            raise TimeoutError("it took the batch, and its answer was lost")

    @hookimpl
    def legm_close_run(self, run, result, records):
        self._weather()
        self.results[run.run_id] = result


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(delivery, "_GRACE", 0.3)
    monkeypatch.setattr(delivery, "_INTERVAL", 0.02)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(circuit_breaker, "PATIENCE", 2.0)


@pytest.fixture
def _patient(_impatient, monkeypatch):
    """Real backends may take their time on a busy machine, which is no outage."""
    monkeypatch.setattr(circuit_breaker, "PATIENCE", 60.0)


def read(backend, experiment: str = "e") -> list:
    found = BackendClient(backend, Path()).runs_as_stored(Query(experiment, histories=None))
    completed = (result for result in found if result.status is Status.COMPLETED)
    return sorted((comparable(result) for result in completed), key=repr)


@pytest.mark.usefixtures("_patient")
def test_every_backend_has_the_runs_bit_for_bit_and_what_was_computed(mlflow_store, tmp_path):
    mirror = Mirror(tmp_path)
    options = {"wandb": QUIET_WANDB}
    handler = ExperimentHandler(
        tmp_path, "e", backend=["local", "mlflow", "wandb", mirror], backend_options=options
    )
    script(handler)
    handler.aggregate_results()
    again = connect_client(tmp_path, ["local", "mlflow", "wandb", mirror], options).with_mirrors
    local, *others = (sorted(map(repr, read(client.backend))) for client in again)
    assert len(local) == 2
    assert [other == local for other in others] == [True, True, True]
    (summary,) = mirror.summaries
    assert summary.completed == 2
    of = MlflowClient(mlflow_sqlite_uri(tmp_path / "mlflow.db"))
    number = of.get_experiment_by_name("e").experiment_id
    (parent,) = of.search_runs([number], "tags.`legm.kind` = 'configuration'")
    assert parent.data.metrics["aggregate/best_acc/n"] == summary.values["best_acc"].n
    logs = [path for path in tmp_path.rglob("*.log") if "runs" in path.parts and "wandb" not in path.parts]
    assert len(logs) == 3
    (running,) = (path for path in logs if path.parent.name == "open")
    assert handler.run_id in running.name


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("primary", ["mlflow", "wandb"])
def test_any_backend_may_be_the_primary_and_the_folder_a_mirror(tmp_path, primary):
    options = {"wandb": QUIET_WANDB} if primary == "wandb" else {}
    if primary == "mlflow":
        prepare_store(tmp_path / "mlflow.db")
    several = ExperimentHandler(tmp_path, "e", backend=[primary, "local"], backend_options=options)
    script(several)
    found = several.aggregate_results()
    alone = ExperimentHandler(tmp_path, "e", backend="local")
    alone.set_dict_params({"lr": 0.1, "net": "lenet", "seed": 9})
    alone.disable_param("seed")
    alone.start()
    assert json.dumps(alone.aggregate_results()) == json.dumps(found)
    both = connect_client(tmp_path, [primary, "local"], options).with_mirrors
    assert read(both[0].backend) == read(both[1].backend)


@pytest.mark.parametrize("seed", range(3))
def test_chaos_in_a_mirror_leaves_the_local_result_untouched_and_the_mirror_complete(tmp_path, seed, caplog):
    """Says nothing about time: the benchmark's row ``several_slowest`` holds the slowest call."""
    flaky = Flaky(tmp_path, seed)
    with ExperimentHandler(tmp_path, "e", backend=["local", flaky]) as handler:
        handler.set_param("lr", 0.1)
        handler.start()
        for step in range(1_200):  # 20 minutes of a value a second
            handler.set_dict_metrics({"loss": step / 7, "acc": -float(step)}, step=step)
            time.sleep(0.004)  # the pace of a training
        result = handler.log()
        assert result.points == 2_400
        assert [len(history.steps) for history in result.histories.values()] == [1_200, 1_200]
        flaky.well.set()
        until(lambda: flaky.results)
    assert sum(flaky.moods.values()) > 10
    assert set(flaky.moods) >= {"raises", "hangs"} or len(flaky.moods) >= 4
    assert sorted(flaky.values) == sorted(
        (name, step, value)
        for step in range(1_200)
        for name, value in (("dev/loss", step / 7), ("dev/acc", -float(step)))
    )
    (theirs,) = flaky.results.values()
    assert comparable(theirs) == comparable(result)
    until(lambda: not list(tmp_path.glob("*/*/runs/open/*.log")))
    errors = [
        r.getMessage() for r in caplog.records if r.levelno == logging.ERROR and "flaky" in r.getMessage()
    ]
    assert errors
    assert all("Training continues" in error for error in errors)


class Hanging(Mirror):
    name = "hanging"

    def __init__(self, root) -> None:
        super().__init__(root)
        self.ended = threading.Event()

    @hookimpl
    def legm_open_run(self, run):
        self.ended.wait(60)
        raise ConnectionError("it never answered")


def test_a_mirror_that_hangs_never_ends_the_run_and_the_report_says_what_is_undelivered(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(circuit_breaker, "PATIENCE", 0.5)
    caplog.set_level(logging.INFO, "legm")
    hanging = Hanging(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=["local", hanging, Mirror])
    handler.set_param("lr", 0.1)
    handler.start()
    for step in range(50):
        handler.set_metric("loss", float(step))
    handler.log()
    assert "local: complete; hanging: 50 values are undelivered; mirror: complete" in caplog.text
    assert handler.aggregate_results()["best_loss"]["n"] == 1
    (kept,) = tmp_path.glob("*/*/runs/open/*.log")
    hanging.ended.set()
    handler.reset()  # closes the log
    assert kept.exists()


@pytest.mark.parametrize("hook", ["legm_write", "legm_close_run"])
def test_strict_raises_where_a_mirror_has_not_all(tmp_path, hook):
    class Refusing(Mirror):
        name = "refusing"

    def refuse(self, run):
        raise OSError("no")

    setattr(Refusing, hook, hookimpl(refuse))

    handler = ExperimentHandler(tmp_path, "e", backend=["local", Refusing], strict=True)
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_metric("loss", 0.5)
    missing = "(1 value is|the end of the run is) undelivered"
    with pytest.raises(BackendError, match=rf"refusing has not received all of run .*: {missing}"):
        handler.log()


def test_a_mirror_gets_everything_but_what_it_cannot_store(tmp_path):
    mirror = Mirror(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=["local", mirror])
    handler.set_param("lr", 0.1)
    handler.start()
    handler.tensorboard_write("shown", "a text", step=0)
    handler.set_metric("loss", 0.5)
    handler.log()
    (batches,) = mirror.batches.values()
    kinds = {type(record) for records in batches.values() for record in records}
    assert kinds == {Points}
    assert Display not in kinds
    handler.plot()  # it has no pictures


KILLED = """
import os, signal, sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e", backend=["local", "mlflow"])
handler.set_param("lr", 0.1)
handler.start()
for step in range(300):
    handler.set_metric("loss", step / 7, step=step)
handler.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sync_brings_a_killed_run_to_each_backend_once(mlflow_store, tmp_path, prepared):
    prepared.run(["-c", KILLED, tmp_path])
    first = [(one.backend, one.problem, one.result.points) for one in sync_backlog(tmp_path, "mlflow")]
    assert first == [("mlflow", "", 300)]
    assert len(list(tmp_path.glob("*/*/runs/open/*.log"))) == 1
    assert [one.backend for one in sync_backlog(tmp_path)] == ["local"]
    assert list(sync_backlog(tmp_path)) == []
    of = MlflowClient(mlflow_sqlite_uri(tmp_path / "mlflow.db"))
    number = of.get_experiment_by_name("e").experiment_id
    (run,) = of.search_runs([number], "tags.`legm.kind` = 'run'")
    history = of.get_metric_history(run.info.run_id, "dev/loss")
    assert [(m.step, m.value) for m in history] == [(step, step / 7) for step in range(300)]


def test_watching_delivers_what_becomes_pending_until_it_is_interrupted(mlflow_store, tmp_path, prepared):
    def kill_one():
        prepared.run(["-c", KILLED, tmp_path])

    kill_one()
    watched = tmp_path / "watched.txt"
    with watched.open("wb") as output:
        command = ["-m", "legm", "sync", tmp_path, "--watch"]
        watching = prepared.begin(command, stdout=output, stderr=output)

    def delivered() -> list[str]:
        return [line for line in watched.read_text().splitlines() if "300 values delivered" in line]

    try:
        until(lambda: len(delivered()) == 2)
        first, *said = watched.read_text().splitlines()
        assert "Ctrl-C stops it" in first
        assert [line.split(":")[0] for line in said] == ["local", "mlflow"]
        kill_one()
        until(lambda: len(delivered()) == 4)
        os.kill(watching.pid, signal.SIGINT)
        assert watching.wait() == 0
    finally:
        watching.kill()
    assert watched.read_text().endswith("4 deliveries with 1,200 values\n")
    assert len({line.split()[2] for line in delivered()}) == 2
    of = MlflowClient(mlflow_sqlite_uri(tmp_path / "mlflow.db"))
    number = of.get_experiment_by_name("e").experiment_id
    for run in of.search_runs([number], "tags.`legm.kind` = 'run'"):
        assert [m.step for m in of.get_metric_history(run.info.run_id, "dev/loss")] == list(range(300))


def test_watching_reports_a_reason_once_and_pauses_longer(tmp_path, monkeypatch):
    folder = tmp_path / "e" / "c_0" / "runs" / "open"
    folder.mkdir(parents=True)
    (folder / "damaged.log").write_bytes(b"no log")
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr("legm.delivery.backlog.time", SimpleNamespace(sleep=sleep))
    done = CliRunner().invoke(main, ["sync", str(tmp_path), "--watch", "--json"])
    assert done.exit_code == 0
    (line,) = done.stdout.splitlines()
    assert "damaged.log" in json.loads(line)["problem"]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_handlers_root_with_another_backend_is_not_delivered_to_it(tmp_path, prepared):
    prepared.run(["-c", KILLED.replace('["local", "mlflow"]', '"mlflow"'), tmp_path])
    mirror = Mirror(tmp_path)
    other = ExperimentHandler(tmp_path, "e", backend=mirror)
    other.set_param("lr", 0.1)
    other.start()
    other.set_metric("loss", 1.0)
    other.log()
    assert other.aggregate_results()["best_loss"]["n"] == 1
    assert len(mirror.results) == 1


@pytest.mark.parametrize(
    ("backend", "options", "said"),
    [
        ([], {}, "names no backend"),
        (["local", "local"], {}, "'local' was named twice"),
        (["local", "mlflow"], {"tracking_uri": "x"}, "'tracking_uri' is not one of them"),
        (["local", "mlflow"], {"mlfow": {}}, "did you mean 'mlflow'"),
        (["local", "mlflow"], {"mlflow": "x"}, "must be a mapping, not 'x'"),
        (["local", "mlfow"], {}, "there is no backend 'mlfow'; did you mean 'mlflow'"),
    ],
)
def test_lists_that_make_no_sense_are_refused(tmp_path, backend, options, said):
    with pytest.raises(BackendError, match=said):
        ExperimentHandler(tmp_path, "e", backend=backend, backend_options=options)
    assert not list(tmp_path.iterdir())
