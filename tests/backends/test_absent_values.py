"""Parameters that equal their absent value, such as a library's default, as MLflow and W&B show them."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from legm import ExperimentHandler
from legm.changes.amend import amend
from legm.integrations.trainer_parameters import TrainerParameters, set_trainer_parameters
from tests.support.mlflow_server import experiment_of
from tests.support.mlflow_store import client, runs
from tests.support.waiting import until
from tests.support.wandb_log import RunLog

USUAL = {"depth": None, "warm": False, "a@b": 0.5, "name": "sgd"}
QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}


def record(root: Path, experiment: str, backend: object, options: object, **values: object):
    """The handler of a completed run with a library's parameters, the others at their defaults."""
    handler = ExperimentHandler(
        root, experiment, backend=backend, backend_options=options, provenance=False, console=False
    )
    parameters = TrainerParameters({"lr": 0.1, "seed": 3, **USUAL, **values}, USUAL, "library 1")
    set_trainer_parameters(handler, parameters, {})
    with handler.start():
        handler.set_metric("loss", 1.0)
    return handler


@pytest.fixture(params=["sqlite", "server"])
def options(request, mlflow_store) -> dict:
    return {"tracking_uri": request.getfixturevalue("mlflow_server").uri} if request.param == "server" else {}


def test_mlflow_has_params_at_their_defaults_which_do_not_count(tmp_path, options):
    name = experiment_of(tmp_path)
    usual = record(tmp_path, name, "mlflow", options)
    other = record(tmp_path, name, "mlflow", options, depth=5)
    bare = ExperimentHandler(tmp_path, name, backend="mlflow", backend_options=options)
    bare.set_param("lr", 0.1)
    assert usual.fingerprint == bare.fingerprint != other.fingerprint
    reader = MlflowClient(options["tracking_uri"]) if options else client(tmp_path)
    shown = {"lr": "0.1", "depth": "null", "warm": "false", "a_x40_b": "0.5", "name": "sgd"}
    for kind, own in (("run", {"seed": "3"}), ("configuration", {})):
        (found,) = runs(reader, name, f"tags.`legm.kind` = '{kind}' and params.depth = 'null'")
        assert found.data.params == {**shown, **own}
        assert found.data.tags["legm.absent_values"] == "depth, warm, a_x40_b, name"
        (found,) = runs(reader, name, f"tags.`legm.kind` = '{kind}' and params.depth = '5'")
        assert found.data.params == {**shown, **own, "depth": "5"}
        assert found.data.tags["legm.absent_values"] == "warm, a_x40_b, name"
    (best,) = bare.get_best("loss", depth=5)
    assert (best.configuration.fingerprint, best.value.n) == (other.fingerprint, 1)


def test_an_absent_value_that_is_decided_later_is_marked_in_mlflow_too(mlflow_store, tmp_path):
    for rate in (0.1, 0.2):
        with ExperimentHandler(tmp_path, "e", backend=["local", "mlflow"], provenance=False) as handler:
            handler.set_dict_params({"depth": 1, "rate": rate})
            handler.start().set_metric("loss", 1.0)
    for given, marked in (({"absent": {"rate": 0.1}}, "rate"), ({"no_absent": ["rate"]}, "")):
        amend(tmp_path / "e", **given)
        for kind in ("run", "configuration"):
            (found,) = runs(client(tmp_path), "e", f"tags.`legm.kind` = '{kind}' and params.rate = '0.1'")
            assert found.data.params == {"depth": "1", "rate": "0.1"}
            assert found.data.tags.get("legm.absent_values", "") == marked


@pytest.mark.usefixtures("wandb_home")
def test_wandb_has_config_at_its_defaults_which_does_not_count(tmp_path):
    made = record(tmp_path, "e", "wandb", {"mode": "offline", "settings": QUIET})
    made.aggregate_results()
    for job, own in (("run", {"seed": 3}), ("aggregate", {})):
        folders = [one for one in (tmp_path / "wandb").glob("*run-*-*") if not one.is_symlink()]
        (folder,) = (one for one in folders if ("aggregate" in one.name) == (job == "aggregate"))
        log = until(lambda folder=folder: (read := RunLog(folder)).exit_code is not None and read, pause=0.05)
        shown = {key: value for key, value in log.config.items() if key in {"lr", "seed", *USUAL}}
        assert shown == {"lr": 0.1, **USUAL, **own}
        assert log.config["legm_absent_values"] == [*USUAL]
    assert made.get_best("loss", depth=None)[0].value.n == 1
