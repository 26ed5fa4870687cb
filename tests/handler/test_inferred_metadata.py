"""What a handler infers of its parameters when it is asked to, and parameters that trainers set twice."""

from __future__ import annotations

import datetime
import logging

import pytest

from legm import ExperimentHandler, StateError

_TRAINER = {
    "learning_rate": 0.1,
    "seed": 3,
    "device": "cuda:1",
    "num_workers": 8,
    "hostname": "node-17",
    "output_dir": "/scratch/me/out",
    "run_name": "tired-owl-7",
    "start_time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    "data_dir": "/data/cifar10",
    "optimizer": "adam",
}


class Environment:
    """An object as trainers keep them: its text is another one in each process."""


def made(root, **parameters) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params(parameters)
    return handler


def test_what_only_distinguishes_runs_is_excluded_and_said_once(tmp_path, caplog):
    caplog.set_level(logging.INFO, "legm")
    environment = Environment()
    handler = made(tmp_path, **_TRAINER, env=repr(environment), wrapped=environment)
    found = handler.infer_metadata()
    assert found == {
        "seed": "looks like a seed",
        "device": "looks like a device",
        "num_workers": "looks like a number of workers",
        "hostname": "looks like a host",
        "output_dir": "looks like a path",
        "run_name": "looks like a run name",
        "start_time": "looks like a time",
        "env": "has a memory address",
        "wrapped": "has no value that is the same in every process",
    }
    assert handler.infer_metadata() == {}
    assert len([one for one in caplog.records if "infer_metadata()" in one.message]) == 1
    handler.start()
    other = made(tmp_path, **_TRAINER | {"seed": 4, "output_dir": "/elsewhere/out", "run_name": "calm-fox-1"})
    other.infer_metadata()
    assert handler == other
    assert handler != made(tmp_path, **_TRAINER)


def test_what_identifies_a_configuration_stays_compared(tmp_path):
    parameters = {"num_seeds": 5, "device": "iPhone", "data_dir": "/data/a", "epochs": 3, "time_steps": 10}
    parameters |= {"date": "2024-01-01", "cutoff": "2024-01-01 12:00:00", "max_time": 3600}
    assert made(tmp_path, **parameters).infer_metadata() == {}


def test_the_metadata_decides_before_what_a_parameter_looks_like(tmp_path):
    handler = made(tmp_path, **_TRAINER, rank_seed=1)
    handler.set_param_metadata(
        {
            "seed": {"disable_comparison": False},
            "device": {"name": True},
            "optimizer": {"parent": "num_workers"},
            "hostname": {"disable_comparison": True},
        }
    )
    assert set(handler.infer_metadata()) == {"output_dir", "run_name", "start_time", "rank_seed"}
    with handler.start():
        handler.set_metric("loss", 1.0)
        configuration = handler.log().run.configuration
    assert {"seed", "device", "num_workers", "optimizer"} <= set(configuration.active)


def test_inferred_exclusions_are_stored_with_the_configuration(tmp_path):
    handler = made(tmp_path, **_TRAINER)
    handler.infer_metadata()
    with handler.start():
        handler.set_metric("loss", 1.0)
    again = ExperimentHandler.load_existent(handler.configuration_folder)
    assert again == handler
    with pytest.raises(StateError, match=r"infer_metadata\(\) was called after start\(\)"):
        handler.infer_metadata()


# Set twice


def test_a_trainer_may_set_its_parameters_a_second_time(tmp_path):
    handler = made(tmp_path, lr=0.1, layers=(64, 64), name="x", seed=1)
    handler.set_param("momentum", 0.9, parent="lr")
    handler.start()
    assert handler.set_param("lr", 0.1) == 0.1
    handler.set_dict_params({"lr": 0.1, "layers": [64, 64], "seed": 1})
    handler.set_param("momentum", 0.9, parent="lr")


@pytest.mark.parametrize(
    "changed", [{"lr": 0.2}, {"lr": 0.1, "new": 1}, {"seed": 2}, {"lr": True}, {"lr": None}]
)
def test_another_value_is_an_error_and_changes_nothing(tmp_path, changed):
    handler = made(tmp_path, lr=0.1, seed=1)
    handler.start()
    with pytest.raises(StateError, match=r"after start\(\), which freezes the parameters"):
        handler.set_dict_params(changed)
    assert (handler.lr, handler.seed) == (0.1, 1)
    with pytest.raises(StateError):
        handler.set_param("lr", 0.1, parent="seed")


def test_a_credential_that_is_set_twice_is_the_same(tmp_path):
    handler = made(tmp_path, api_key="abc123secret")
    handler.start()
    handler.set_param("api_key", "abc123secret")
    assert handler.api_key == "abc123secret"
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"abc123secret" in path.read_bytes()
    ]
