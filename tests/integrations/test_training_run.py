"""The run of a training, as integrations begin, fill and end it."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path

import pytest

from legm import ExperimentHandler, ParameterError, StateError, StorageError
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters
from legm.integrations.training_run import TrainingRun, split_training_metrics
from legm.records import RunResult, Status
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points


@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


def values_of(found: RunResult) -> tuple[float, ...]:
    return tuple(value for _, value in points(found, "loss"))


def trained(run: TrainingRun, parameters: TrainerParameters | dict, losses=(3.0, 2.0)) -> ExperimentHandler:
    if isinstance(parameters, dict):
        parameters = TrainerParameters(parameters)
    handler = run.begin(parameters)
    for step, loss in enumerate(losses):
        run.log_metrics({"loss": loss}, step)
    run.complete()
    run.end("completed")
    return handler


def of_library(values: dict, defaults: dict, version: str = "trainer 1.0") -> TrainerParameters:
    return TrainerParameters(values, defaults, version)


def test_a_training_is_a_run_with_its_parameters_and_values(tmp_path):
    run = TrainingRun(tmp_path, "e", params={"dropout": 0.5}, description="d")
    trained(run, flat_parameters({"model": {"optimizer": Optimizer()}, "seed": 3, "output_dir": "out/3"}))
    (found,) = runs_of(tmp_path)
    configuration = found.run.configuration
    names = ("dropout", "model.optimizer.betas", "model.optimizer.class", "model.optimizer.lr")
    assert configuration.active == names
    assert configuration.parameters["seed"] == 3
    assert found.status is Status.COMPLETED
    assert found.run.description == "d"
    assert values_of(found) == (3.0, 2.0)


def test_a_relative_root_is_that_of_the_folder_in_which_the_object_was_made(tmp_path, monkeypatch):
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path)
    run = TrainingRun("results", "e")
    monkeypatch.chdir("job")
    trained(run, {"lr": 0.1})
    assert len(runs_of(tmp_path / "results")) == 1
    assert list((tmp_path / "job").iterdir()) == []


def test_every_training_with_one_object_is_a_run_of_its_own(tmp_path):
    run = TrainingRun(tmp_path, "e")
    first = trained(run, {"lr": 0.1, "seed": 0})
    second = trained(run, {"lr": 0.1, "seed": 1})
    third = trained(run, {"lr": 0.2, "seed": 0})
    assert first == second != third
    assert first.aggregate_results()["best_loss"]["n"] == 2
    assert len(runs_of(tmp_path)) == 3


def test_every_training_with_one_given_handler_is_a_run_of_its_own(tmp_path, caplog):
    run = TrainingRun(ExperimentHandler(tmp_path, "e"))
    trained(run, {"lr": 0.1})
    trained(run, {"lr": 0.1})
    assert not caplog.records
    trained(run, {"lr": 0.5})
    assert [one.status for one in runs_of(tmp_path)] == [Status.COMPLETED] * 3
    assert "'lr' = 0.5 is not recorded: the run began with other parameters" in caplog.text


def test_a_run_that_the_user_started_is_filled_and_left_open(tmp_path, caplog):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("lr", 0.1)
    with handler.start():
        trained(TrainingRun(handler), {"lr": 0.1})
        handler.set_metric("loss", 1.0, step=2)
        run = TrainingRun(handler)
        run.begin(TrainerParameters())
        run.fail(ValueError("caught by the user"))
    (found,) = runs_of(tmp_path)
    assert (found.status, values_of(found)) == (Status.COMPLETED, (3.0, 2.0, 1.0))
    assert not caplog.records


class TrialPruned(Exception):
    """What Optuna's callbacks for trainers raise."""


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("no data"), Status.FAILED, "ValueError: no data"),
        (KeyboardInterrupt(), Status.INTERRUPTED, "KeyboardInterrupt"),
        (TrialPruned("too slow"), Status.PRUNED, "too slow"),
        (TrialPruned(), Status.PRUNED, "pruned by Optuna"),
    ],
)
def test_what_ends_a_training_is_the_status_of_its_run(tmp_path, error, status, reason):
    run = TrainingRun(tmp_path, "e")
    run.begin(TrainerParameters({"lr": 0.1}))
    run.log_metrics({"loss": 1.0}, 0)
    run.fail(error)
    (found,) = runs_of(tmp_path)
    assert (found.status, found.error) == (status, reason)
    assert values_of(found) == (1.0,)


def test_a_training_that_did_not_end_is_interrupted_by_the_next_one(tmp_path):
    run = TrainingRun(tmp_path, "e")
    run.begin(TrainerParameters({"lr": 0.1}))
    run.log_metrics({"loss": 1.0}, 0)
    trained(run, {"lr": 0.1})
    assert [one.status for one in runs_of(tmp_path)] == [Status.INTERRUPTED, Status.COMPLETED]


def test_a_completed_training_stays_so_when_values_follow_and_another_begins(tmp_path):
    run = TrainingRun(tmp_path, "e")
    run.begin(TrainerParameters({"lr": 0.1}))
    run.log_metrics({"loss": 1.0}, 0)
    run.complete()
    run.log_metrics({"loss": 2.0}, 1)
    trained(run, {"lr": 0.1})
    assert [one.status for one in runs_of(tmp_path)] == [Status.COMPLETED] * 2
    assert values_of(runs_of(tmp_path)[0]) == (1.0, 2.0)


def test_a_training_that_continues_resumes_its_run(tmp_path, caplog):
    run = TrainingRun(tmp_path, "e")
    handler = run.begin(TrainerParameters({"lr": 0.1}))
    first = handler.run_id
    for step in range(4):
        run.log_metrics({"loss": float(step)}, step)
    run.fail(KeyboardInterrupt())
    run.begin(TrainerParameters({"lr": 0.1}), resume=True, rewind_to=1)
    assert (run.handler.run_id, run.handler.last_step) == (first, 1)
    run.log_metrics({"loss": 9.0}, 2)
    run.end("completed")
    run.begin(TrainerParameters({"lr": 0.1}), resume=first)  # it is completed; its checkpoint says its id
    run.log_metrics({"loss": 10.0}, 3)
    run.end("completed")
    (found,) = runs_of(tmp_path)
    assert values_of(found) == (0.0, 1.0, 9.0, 10.0)
    assert not [one for one in caplog.records if one.name.startswith("legm.integrations")]
    run.begin(TrainerParameters({"lr": 0.2}), resume=first)
    assert run.handler.run_id != first
    assert "a new run begins, although the training resumes a checkpoint" in caplog.text
    run.end("completed")


# What equals the library's default


def test_a_librarys_defaults_do_not_count(tmp_path):
    old = trained(TrainingRun(tmp_path, "e"), of_library({"lr": 0.1}, {"lr": 0.01}))
    values = {"lr": 0.1, "eps": 1e-8, "fused": True, "bf16": False, "warmup": None, "labels": {0: "a"}}
    new = trained(
        TrainingRun(tmp_path, "e"),
        of_library(values, {**values, "lr": 0.01}),
    )
    assert old == new
    again = trained(TrainingRun(tmp_path, "e"), of_library(values, {**values, "lr": 0.01}))  # what is kept
    assert again == new
    assert new.aggregate_results()["best_loss"]["n"] == 3


@pytest.mark.parametrize(
    ("default", "value"),
    [(True, False), (False, True), (None, 0.1), (0.1, None), (None, False), (False, None), (True, None)],
)
def test_what_is_not_the_librarys_default_counts(tmp_path, default, value):
    usual = trained(TrainingRun(tmp_path, "e"), of_library({"x": default}, {"x": default}))
    other = trained(TrainingRun(tmp_path, "e"), of_library({"x": value}, {"x": default}))
    assert usual != other


@pytest.mark.parametrize("old", [True, False, None, 0.1, "linear"])
@pytest.mark.parametrize("new", [True, False, None, 0.1, "linear"])
def test_a_new_default_of_the_library_counts_and_the_old_one_does_not(tmp_path, old, new, caplog):
    before = trained(TrainingRun(tmp_path, "e"), of_library({"x": old}, {"x": old}))
    caplog.clear()
    run = TrainingRun(tmp_path, "e")
    after = trained(run, of_library({"x": new}, {"x": new}, "trainer 2.0"))
    again = trained(run, of_library({"x": new}, {"x": new}, "trainer 2.0"))
    asked = trained(TrainingRun(tmp_path, "e"), of_library({"x": old}, {"x": new}, "trainer 2.0"))
    assert (before == after) is (old is new)
    assert (after, asked) == (again, before)
    assert caplog.text.count("trainer 2.0 has the default") == (old is not new)


# What does not fit


def test_what_is_no_number_is_left_out_and_reported_once(tmp_path, caplog):
    run = TrainingRun(tmp_path, "e")
    run.begin(TrainerParameters())
    for step in range(3):
        run.log_metrics({"loss": 1.0 + step, "text": f"abc {step}", "rows": [step, step]}, step)
    run.end("completed")
    (found,) = runs_of(tmp_path)
    assert values_of(found) == (1.0, 2.0, 3.0)
    first, second = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert "'text'" in first
    assert "'rows'" in second


def test_what_comes_outside_of_a_training_is_reported(tmp_path, caplog):
    run = TrainingRun(tmp_path, "e")
    with pytest.raises(StateError, match="before the training begins"):
        _ = run.handler
    run.log_metrics({"loss": 1.0}, 0)
    assert "loss came outside of a training and was not recorded" in caplog.text
    run.complete()
    run.end("failed")
    run.fail(ValueError())
    assert runs_of(tmp_path) == []


def test_trouble_of_the_tracker_ends_no_training_unless_it_is_strict(tmp_path, caplog, monkeypatch):
    for strict in (False, True):
        run = TrainingRun(tmp_path, "e", strict=strict)
        run.begin(TrainerParameters())

        def full(*_: object) -> None:
            raise StorageError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(ExperimentHandler, "set_dict_metrics", full)
            if strict:
                with pytest.raises(StorageError):
                    run.log_metrics({"loss": 1.0}, 0)
            else:
                run.log_metrics({"loss": 1.0}, 0)
                assert "the disk is full" in caplog.text
        run.end("completed")


def test_names_of_the_handlers_own_methods_are_changed(tmp_path):
    handler = trained(TrainingRun(tmp_path, "e"), {"log": 5, "tag": "a"})
    assert (handler.log_, handler.tag_) == (5, "a")


@pytest.mark.parametrize("arguments", [("h", "e"), ("h", None, {"description": "d"}), ("root", None)])
def test_a_handler_or_a_root_directory_with_an_experiment_is_needed(tmp_path, arguments):
    first, experiment, *options = arguments
    root = ExperimentHandler(tmp_path, "e") if first == "h" else tmp_path
    with pytest.raises(ParameterError, match=r"a handler alone|the experiment is missing"):
        TrainingRun(root, experiment, **(options[0] if options else {}))


def test_other_ranks_record_nothing(tmp_path):
    run = TrainingRun(tmp_path, "e")
    run.begin(TrainerParameters({"lr": 0.1}), main_process=False)
    run.log_metrics({"loss": 1.0}, 0)
    run.set_best_step(0)
    run.complete()
    run.end("completed")
    assert not [*Path(tmp_path).rglob("*")]
    assert not run.handler.is_main_process


def test_metrics_of_the_test_are_recognized_by_their_names():
    metrics = {"loss": 1, "test_loss": 2, "test/acc": 3, "test_": 4, "testing": 5}
    assert split_training_metrics(metrics) == ({"loss": 1, "test_": 4, "testing": 5}, {"loss": 2, "acc": 3})


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_names_with_slashes_and_spaces_and_values_that_are_not_finite_are_kept(tmp_path, backend):
    run = TrainingRun(tmp_path, "e", backend=backend)
    run.begin(TrainerParameters({"model.hidden size": 3}))
    names = ["val/top 5 acc", "a/b/c", "loss (train)", "größe", "x=1,y"]
    run.log_metrics(dict.fromkeys(names, math.nan), 0)
    run.log_metrics(dict.fromkeys(names, math.inf), 1)
    run.log_metrics({"test/top 5 acc": math.nan}, test=True)
    run.end("completed")
    found = only_run(tmp_path, backend=backend)
    assert {series.name for series in found.histories} == {*names}
    for name in names:
        (first, nan), (second, infinite) = points(found, name)
        assert (first, second, infinite) == (0, 1, math.inf)
        assert math.isnan(nan)
