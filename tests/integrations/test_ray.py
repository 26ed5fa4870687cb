"""Trials of Ray Tune and workers of Ray Train, compared with Ray's own tables of results."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray import cloudpickle, tune
from ray.train import RunConfig as TrainRunConfig
from ray.train import ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.tune.schedulers import (
    ASHAScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
)
from ray.tune.stopper import MaximumIterationStopper, Stopper

from legm import ExperimentHandler, ParameterError
from legm.backends.mlflow import MlflowBackend
from legm.integrations.ray import LegmLoggerCallback, setup_legm
from legm.records import Status
from tests.support.calling import as_json
from tests.support.mlflow_server import experiment_of
from tests.support.ray_trainings import (
    assert_as_ray_says,
    by_trial,
    checkpointed,
    cluster,
    reported,
    train_in_worker,
    tuned,
)
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points, test_values
from tests.support.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def _cluster():
    with cluster():
        yield


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_trials_are_runs_with_all_that_ray_has_of_them(tmp_path, backend):
    callback = LegmLoggerCallback(tmp_path / "root", "e", backend=backend)
    space = {"lr": tune.grid_search([0.5, 9.0, 0.25]), "model": {"depth": tune.choice([2])}, "seed": 1}
    grid = tuned(reported, space, tmp_path, [callback], max_concurrent_trials=2)
    found = by_trial(runs_of(tmp_path / "root", backend=backend))
    assert_as_ray_says(found, grid, "loss", "eval/accuracy")
    for result in grid:
        one = found[result.metrics["trial_id"]]
        configuration = one.run.configuration
        assert {name: configuration.parameters[name] for name in configuration.active} == {
            "lr": result.config["lr"],
            "model.depth": 2,
        }
        assert {series.name for series in one.histories} == {"loss", "eval/accuracy"}
        if result.error is None:
            assert (one.status, test_values(one)) == (Status.COMPLETED, {"accuracy": 0.5})
        else:
            assert (one.status, one.error) == (Status.FAILED, "ArithmeticError: diverged")
    best = as_json("best", tmp_path / "root" / "e", "loss", "--backend", backend)[0]
    assert best["parameters"]["lr"] == grid.get_best_result().config["lr"]
    assert best["value"]["mean"] == grid.get_best_result().metrics["loss"]


def test_what_was_chosen_is_in_the_name_and_seeds_are_runs_of_one_configuration(tmp_path):
    space = {"lr": 0.5, "width": tune.choice([8]), "seed": tune.grid_search([1, 2])}
    tuned(reported, space, tmp_path, [LegmLoggerCallback(tmp_path / "root", "e")])
    assert [one["completed"] for one in as_json("best", tmp_path / "root" / "e", "loss")] == [2]
    assert {one.run.configuration.name for one in runs_of(tmp_path / "root")} == {"8"}


def test_a_trial_that_its_scheduler_stops_early_is_pruned(tmp_path):
    space = {"lr": tune.grid_search([0.1, 0.2, 0.05, 0.4]), "epochs": 9}
    scheduler = ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2)
    grid = tuned(reported, space, tmp_path, [LegmLoggerCallback(tmp_path / "root", "e")], scheduler=scheduler)
    found = by_trial(runs_of(tmp_path / "root"))
    assert_as_ray_says(found, grid, "loss")
    ended = {result.metrics["trial_id"]: result.metrics["training_iteration"] for result in grid}
    assert {*ended.values()} == {1, 4}
    for trial, iteration in ended.items():
        assert found[trial].status is (Status.COMPLETED if iteration == 4 else Status.PRUNED)
        reason = f"stopped by AsyncHyperBandScheduler at training_iteration {iteration}"
        assert found[trial].error == (reason if iteration < 4 else None)


def test_a_trial_that_reached_its_own_criterion_is_completed(tmp_path):
    tuned(
        reported,
        {"lr": tune.grid_search([0.1, 0.2]), "epochs": 9},
        tmp_path,
        [LegmLoggerCallback(tmp_path / "root", "e")],
        run={"stop": {"training_iteration": 2}},
        scheduler=MedianStoppingRule(grace_period=99),
    )
    assert [one.status for one in runs_of(tmp_path / "root")] == [Status.COMPLETED] * 2


class Trained(tune.Trainable):
    """A trainable whose parameters a scheduler may change."""

    def setup(self, config):
        self.rate = config["lr"]

    def reset_config(self, new_config):
        self.rate = new_config["lr"]
        return True

    def step(self):
        return {"loss": self.rate / (self.iteration + 1)}

    def save_checkpoint(self, checkpoint_dir):
        Path(checkpoint_dir, "nothing").touch()

    def load_checkpoint(self, checkpoint_dir):
        pass


def at_second(trial_id, result):
    return result["training_iteration"] >= 2


@pytest.mark.parametrize(
    "stop", [MaximumIterationStopper(2), at_second, [MaximumIterationStopper(2), MaximumIterationStopper(9)]]
)
@pytest.mark.parametrize(
    "scheduler", [ASHAScheduler(max_t=9, grace_period=2, reduction_factor=2), MedianStoppingRule()]
)
def test_a_trial_that_the_users_stopper_ends_beside_a_scheduler_is_completed(tmp_path, stop, scheduler):
    """Of trials with one value after the other, the scheduler would stop those behind the first one."""
    tuned(
        reported,
        {"lr": tune.grid_search([0.1, 0.2]), "epochs": 9},
        tmp_path,
        [LegmLoggerCallback(tmp_path / "root", "e")],
        run={"stop": stop},
        scheduler=copy.deepcopy(scheduler),
    )
    found = runs_of(tmp_path / "root")
    assert [(one.status, one.error) for one in found] == [(Status.COMPLETED, None)] * 2
    assert [[step for step, _ in points(one, "loss")] for one in found] == [[1, 2]] * 2


def test_the_trials_that_hyperband_stops_while_they_are_paused_are_pruned(tmp_path):
    space = {"lr": tune.grid_search([0.1, 0.2, 0.05, 0.4, 0.3, 0.15, 0.25, 0.35])}
    grid = tuned(
        Trained,
        space,
        tmp_path,
        [LegmLoggerCallback(tmp_path / "root", "e")],
        scheduler=HyperBandScheduler(max_t=4, reduction_factor=2),
        max_concurrent_trials=None,  # it needs all trials of a bracket
    )
    found = by_trial(runs_of(tmp_path / "root"))
    assert_as_ray_says(found, grid, "loss")
    ended = {result.metrics["trial_id"]: result.metrics["training_iteration"] for result in grid}
    assert len({*ended.values()}) > 1
    for trial, iteration in ended.items():
        assert found[trial].status is (Status.COMPLETED if iteration >= 4 else Status.PRUNED)
        reason = f"stopped by HyperBandScheduler at training_iteration {iteration}"
        assert found[trial].error == (reason if iteration < 4 else None)


def test_trials_that_a_budget_of_time_ends_are_pruned(tmp_path):
    class Stop(Stopper):
        """Ends all trials at the second result of one, as a budget of time does."""

        is_reached = False

        def __call__(self, trial_id, result):
            self.is_reached = result["training_iteration"] >= 2
            return False

        def stop_all(self):
            return self.is_reached

    callback = LegmLoggerCallback(tmp_path / "root", "e")
    tuned(Trained, {"lr": 0.5}, tmp_path, [callback], run={"stop": Stop()})
    found = only_run(tmp_path / "root")
    assert (found.status, found.error) == (Status.PRUNED, "the experiment of Ray ended before the trial")


WEIGHTS = [0.75, 0.5625, 0.421875, 0.31640625, 0.2373046875, 0.177978515625]


@pytest.mark.parametrize("is_at_once", [True, False])
def test_a_failed_trial_that_is_restored_continues_its_run(tmp_path, is_at_once):
    """Ray restores it by itself, or a later ``Tuner.restore`` does."""
    callback = LegmLoggerCallback(tmp_path / "root", "e")
    failures = tune.FailureConfig(max_failures=1 if is_at_once else 0)
    space = {"lr": 0.25, "flags": str(tmp_path)}
    tuned(checkpointed, space, tmp_path, [callback], run={"failure_config": failures})
    if not is_at_once:
        first = only_run(tmp_path / "root")
        assert (first.status, first.error) == (Status.FAILED, "ArithmeticError: once")
        restored = tune.Tuner.restore(str(tmp_path / "study"), checkpointed, resume_errored=True)
        restored.fit()
        assert only_run(tmp_path / "root").run.run_id == first.run.run_id
    found = only_run(tmp_path / "root")
    assert found.status is Status.COMPLETED
    assert points(found, "loss") == list(enumerate(WEIGHTS, 1))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short path, which is removed with all that a killed program left."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


KILLED = """
import os, pathlib, sys
from ray import tune
from legm.integrations.ray import LegmLoggerCallback
from tests.support import ray_trainings

os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "0"
folder, is_first = pathlib.Path(sys.argv[1]), sys.argv[2] == "first"

def train(config):
    import threading
    for epoch in range(4):
        tune.report({"loss": 1.0 / (epoch + 1)})
        if is_first and epoch == 2:
            (folder / "reached").touch()
            threading.Event().wait()

with ray_trainings.cluster():
    if is_first:
        ray_trainings.tuned(train, {"lr": 0.5}, folder, [LegmLoggerCallback(folder / "root", "e")])
    else:
        tune.Tuner.restore(str(folder / "study"), train).fit()
"""


def test_an_experiment_whose_program_was_killed_continues_its_runs(tmp_path, monkeypatch, short_folder):
    monkeypatch.setenv("RAY_TRAININGS_FOLDER", str(short_folder))
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with (tmp_path / "said").open("wb") as said:
        killed = subprocess.Popen([*command, "first"], stdout=said, stderr=said, start_new_session=True)
        try:
            until(lambda: (tmp_path / "reached").exists() or killed.poll() is not None, 120)
        finally:
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
    first = only_run(tmp_path / "root")
    assert first.status is Status.INTERRUPTED
    done = subprocess.run([*command, "second"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = only_run(tmp_path / "root")
    assert (found.run.run_id, found.status) == (first.run.run_id, Status.COMPLETED)
    assert points(found, "loss") == [(1, 1.0), (2, 1 / 2), (3, 1 / 3), (4, 1 / 4)]


def test_where_a_scheduler_changes_parameters_another_run_begins(tmp_path):
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=2,
        hyperparam_mutations={"lr": [0.25, 0.5, 0.75, 8.0]},
        quantile_fraction=0.5,
        synch=True,
    )
    grid = tuned(
        Trained,
        {"lr": tune.grid_search([0.5, 8.0])},
        tmp_path,
        [LegmLoggerCallback(tmp_path / "root", "e")],
        run={"stop": {"training_iteration": 4}},
        scheduler=scheduler,
        max_concurrent_trials=2,
    )
    found = runs_of(tmp_path / "root")
    assert len(found) > len(grid)
    for one in found:
        rate = one.run.configuration.parameters["lr"]
        assert points(one, "loss") == [(step, rate / step) for step, _ in points(one, "loss")]
    changed = [one for one in found if one.status is Status.PRUNED]
    assert {one.error for one in changed} == {"the scheduler changed the trial's parameters"}


def test_of_the_workers_of_a_training_only_one_records(tmp_path):
    config = {"params": {"lr": 0.5, "seed": 1}, "root": str(tmp_path / "root")}
    DataParallelTrainer(
        train_in_worker,
        train_loop_config=config,
        scaling_config=ScalingConfig(num_workers=2),
        run_config=TrainRunConfig(name="train", storage_path=str(tmp_path)),
    ).fit()
    found = only_run(tmp_path / "root")
    assert found.status is Status.COMPLETED
    assert points(found, "loss") == [(0, 0.5), (1, 0.25), (2, 0.5 / 3)]
    assert found.run.configuration.active == ("lr",)


@pytest.mark.parametrize("is_remote", [False, True])
def test_two_workers_at_once_record_into_one_root_or_one_server(tmp_path, request, is_remote):
    """By handlers in the workers, and by the callback of the program that begins them."""
    options, backend = {}, "local"
    if is_remote:
        server = request.getfixturevalue("mlflow_server")
        options = {"backend": "mlflow", "backend_options": {"tracking_uri": server.uri}}
        backend = MlflowBackend(tmp_path, tracking_uri=server.uri)
    experiment = experiment_of(tmp_path) if is_remote else "e"
    callback = LegmLoggerCallback(tmp_path, f"{experiment} of trials", **options)

    def train(config):
        with setup_legm(config, str(tmp_path), experiment, **options) as handler:
            for step in range(3):
                handler.set_metric("loss", config["lr"] / (step + 1), step=step)
                tune.report({"loss": config["lr"] / (step + 1)})

    rates = [0.5, 0.25, 0.125, 1.0]
    grid = tuned(train, {"lr": tune.grid_search(rates)}, tmp_path, [callback], max_concurrent_trials=2)
    found = {
        one.run.configuration.parameters["lr"]: points(one, "loss")
        for one in runs_of(tmp_path, experiment, backend)
    }
    assert found == {rate: [(0, rate), (1, rate / 2), (2, rate / 3)] for rate in rates}
    trials = by_trial(runs_of(tmp_path, f"{experiment} of trials", backend))
    assert_as_ray_says(trials, grid, "loss")
    assert [one.status for one in trials.values()] == [Status.COMPLETED] * 4
    if is_remote:
        handler = ExperimentHandler(tmp_path, experiment, **options)
        ranking = [one.configuration.parameters["lr"] for one in handler.get_best("loss")]
    else:
        ranking = [one["parameters"]["lr"] for one in as_json("best", tmp_path / "e", "loss")]
    assert ranking == [0.125, 0.25, 0.5, 1.0]
    assert grid.get_best_result().config["lr"] == ranking[0]


def test_an_experiment_with_open_runs_is_pickled_without_them(tmp_path):
    callback = LegmLoggerCallback(tmp_path / "root", "e", params={"task": "digits"})

    class Trial:
        trial_id, experiment_dir_name, config, evaluated_params, experiment_tag = (
            "t",
            "s",
            {"lr": 1.0},
            {},
            "0",
        )

    callback.log_trial_start(Trial())
    for dumps in (cloudpickle.dumps, pickle.dumps):
        loaded = pickle.loads(dumps(callback))
        assert type(loaded) is type(callback)
        loaded.log_trial_end(Trial())
        assert loaded.get_state() == callback.get_state()
    callback.log_trial_result(1, Trial(), {"training_iteration": 1, "loss": 0.5})
    callback.log_trial_end(Trial())
    assert points(only_run(tmp_path / "root"), "loss") == [(1, 0.5)]


def test_a_started_handler_in_a_task_reads_and_records_nothing(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("lr", 0.5)

    @ray.remote
    def read():
        handler.set_metric("loss", 9.0)
        return handler.lr, handler.run_id

    with handler.start():
        handler.set_metric("loss", 1.0, step=0)
        assert ray.get(read.remote()) == (0.5, None)
    assert points(only_run(tmp_path), "loss") == [(0, 1.0)]


def test_trouble_of_legms_own_ends_no_trial_and_wrong_arguments_no_experiment(tmp_path, caplog):
    (tmp_path / "root").write_text("a file")
    callback = LegmLoggerCallback(tmp_path / "root", "e")
    grid = tuned(reported, {"lr": 0.5}, tmp_path, [callback])
    assert grid.num_errors == 0
    assert "of Ray is not recorded" in caplog.text
    with pytest.raises(ParameterError, match="each trial gets a handler of its own"):
        LegmLoggerCallback(ExperimentHandler(tmp_path, "e"))
    with pytest.raises(ParameterError, match="is relative, but each worker of Ray is in a folder of its own"):
        setup_legm({}, "results", "e")
