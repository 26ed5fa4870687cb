"""What real clients of wandb and mlflow touch beside the obvious calls, under all its public paths."""

from __future__ import annotations

from pkgutil import resolve_name

import pytest

from legm.compat.null_objects import NullObject
from legm.compat.public_names import PublicName, public_names
from legm.compat.stand_in_modules import StandInModule, stand_in_module
from legm.compat.unsupported_names import reason_for
from tests.support.compat_play import played, snapshots

ANSWERED = {
    "transformers": (
        *("wandb.define_metric", "wandb.watch", "wandb.init", "wandb.sdk.lib.config_util.ConfigError"),
        *("wandb.Artifact", "mlflow.is_tracking_uri_set", "mlflow.pyfunc.log_model", "mlflow.log_params"),
        *("mlflow.start_run", "mlflow.set_experiment", "mlflow.active_run", "mlflow.set_tags"),
    ),
    "accelerate": (
        *("wandb.Image", "wandb.Table", "wandb.init", "mlflow.search_experiments", "mlflow.log_figure"),
        *("mlflow.create_experiment", "mlflow.log_artifacts", "mlflow.set_tracking_uri"),
    ),
    "Lightning": (
        *("wandb.wandb_run.Run", "wandb.sdk.wandb_run.Run", "wandb.define_metric", "wandb.watch"),
        *("wandb.use_artifact", "wandb.Api", "mlflow.tracking.context.registry.resolve_tags"),
        *("mlflow.tracking.MlflowClient", "mlflow.entities.Metric", "mlflow.entities.Param"),
    ),
    "Optuna": ("wandb.sdk.wandb_run.Run", "mlflow.start_run", "mlflow.set_tags", "mlflow.log_metrics"),
    "CatBoost": ("wandb.integration.catboost.WandbCallback", "wandb.integration.catboost.log_summary"),
    "Ray": ("wandb.Artifact", "wandb.finish", "mlflow.MlflowClient"),
    "ultralytics": (
        "wandb.plot_table",
        "wandb.Table",
        "mlflow.autolog",
        "mlflow.log_artifact",
        "mlflow.end_run",
    ),
    "torchrun and joblib": ("wandb.log", "mlflow.log_metric"),
}
"""By client, names that legm records."""
ABSORBED = {
    "transformers": ("wandb.termwarn", "wandb.env.set_project"),
    "Lightning": ("wandb.require", "wandb.sdk.lib.RunDisabled", "wandb._attach"),
    "Ray": (
        *("wandb.util.json_dumps_safer", "wandb.util.ensure_configured"),
        "wandb.sdk.data_types.base_types.wb_value.WBValue",
    ),
    "Keras": ("mlflow.utils.autologging_utils.ExceptionSafeClass",),
}
"""By client, names that do nothing in legm, and no harm."""
CONSTANTS = {
    "mlflow.utils.validation.MAX_PARAMS_TAGS_PER_BATCH": 100,
    "mlflow.utils.validation.MAX_PARAM_VAL_LENGTH": 6000,
    "mlflow.utils.validation.MAX_TAG_VAL_LENGTH": 8000,
    "mlflow.utils.validation.MAX_METRICS_PER_BATCH": 1000,
    "mlflow.utils.mlflow_tags.MLFLOW_RUN_NAME": "mlflow.runName",
    "mlflow.utils.mlflow_tags.MLFLOW_PARENT_RUN_ID": "mlflow.parentRunId",
}


def names_in(table: dict[str, tuple[str, ...]]) -> list[str]:
    return sorted({name for names in table.values() for name in names})


def paths_of(name: str) -> list[str]:
    table = public_names(name.partition(".")[0])
    row = table.by_name.get(name)
    return sorted({name, *(table.paths[row.origin or name] if row else ())})


def found_by_attribute(path: str) -> object:
    library, _, rest = path.partition(".")
    found = stand_in_module(library)
    for part in rest.split("."):
        found = getattr(found, part)
    return found


def found_by_import(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(stand_in_module(module), name)


def is_recorded(found: object) -> bool:
    return not {type(found).__name__, type(type(found)).__name__} & {
        "NullObject",
        "NullClass",
        "NullClientClass",
    }


@pytest.mark.parametrize("name", names_in(ANSWERED))
def test_what_a_client_calls_is_recorded_under_all_its_paths(name):
    found = found_by_import(name)
    assert is_recorded(found)
    for path in paths_of(name):
        assert found_by_import(path) is found_by_attribute(path) is found, path


@pytest.mark.parametrize("name", names_in(ABSORBED))
def test_what_a_client_only_touches_is_one_harmless_object(name):
    found = found_by_import(name)
    assert not is_recorded(found)
    assert callable(found)
    assert bool(found)
    for path in paths_of(name):
        assert found_by_import(path) is found_by_attribute(path) is found, path


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_limit_or_a_key_has_the_librarys_value(name):
    assert found_by_import(name) == found_by_attribute(name) == CONSTANTS[name]
    assert CONSTANTS[name] == resolve_name(name)  # of the real library


def _rows_with_several_paths() -> list[tuple[str, list[str]]]:
    return [
        (origin, [path for path in paths if "." not in table.by_name[path].name])
        for table in map(public_names, ("wandb", "mlflow"))
        for origin, paths in table.paths.items()
        if len(paths) > 1 and table.by_name[paths[0]].kind != "value" and "sb3" not in origin
    ]


def test_each_name_is_one_object_under_all_its_paths_by_attribute_and_by_import():
    several = _rows_with_several_paths()
    assert len(several) > 500
    for origin, paths in several:
        found = {id(one) for path in paths for one in (found_by_attribute(path), found_by_import(path))}
        assert len(found) == 1, (origin, paths)


def test_a_name_of_another_call_is_not_answered_by_it():
    """W&B's functions that are made by one function share its name, and are not the same."""
    assert isinstance(found_by_import("wandb.pin_config_keys"), NullObject)
    assert reason_for("wandb.pin_config_keys").startswith("legm keeps the code")
    assert found_by_import("wandb.mark_preempting") is not found_by_import("wandb.alert")
    assert isinstance(stand_in_module("mlflow").tracking, StandInModule)
    rows: list[PublicName] = [
        *public_names("wandb").by_name.values(),
        *public_names("mlflow").by_name.values(),
    ]
    assert not [row for row in rows if "<locals>" in row.origin]


TOUCHED = """
import wandb, mlflow
from packaging.requirements import Requirement
from importlib.metadata import version
for needed in ("wandb>=0.12.10", "mlflow>=2.0"):
    needed = Requirement(needed)
    assert needed.specifier.contains(version(needed.name))

# transformers and Lightning
run = wandb.init(project="p", config={"id2label": {0: "cat", 1: "dog"}, "lr": 0.1})
run._label(code="transformers_trainer")
wandb.define_metric("train/global_step")
wandb.define_metric("*", step_metric="train/global_step", step_sync=True)
run.config.update({"lr": 0.2}, allow_val_change=True)
run.config.setdefaults({"lr": 0.3, "epochs": 3})
wandb.termwarn("told"); wandb.env.set_project("other"); wandb.require("core")
assert not isinstance(run, wandb.sdk.lib.RunDisabled)
try:
    run.config.update({"lr": 0.4})
except wandb.sdk.lib.config_util.ConfigError:
    print("refused")
for step in (5, 10):
    run.log({"train/loss": 1 / step, "train/global_step": step})
run.summary["best"] = 0.5
class Callback(wandb.integration.catboost.WandbCallback):
    pass
run.finish()

# transformers and accelerate
tags = {"long": "x" * (mlflow.utils.validation.MAX_TAG_VAL_LENGTH - 1)}
params = [(str(at), at) for at in range(mlflow.utils.validation.MAX_PARAMS_TAGS_PER_BATCH + 1)]
experiment = mlflow.create_experiment("mine")
(found,) = mlflow.search_experiments(filter_string="name = 'mine'")
assert found.experiment_id == experiment and not mlflow.is_tracking_uri_set()
with mlflow.start_run(experiment_id=found.experiment_id, tags=tags):
    size = mlflow.utils.validation.MAX_PARAMS_TAGS_PER_BATCH
    for at in range(0, len(params), size):
        mlflow.log_params(dict(params[at : at + size]))
    mlflow.log_metrics({"loss": 1}, step=1)
with mlflow.start_run(experiment_id=experiment):  # one for evaluate, after the training
    mlflow.log_metrics({"eval_loss": 2}, step=1)

# Lightning
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.entities import Metric, Param
client = mlflow.tracking.MlflowClient()
run = client.create_run(experiment, tags=resolve_tags({MLFLOW_RUN_NAME: "named"}))
client.log_batch(run.info.run_id, metrics=[Metric("loss", 0.5, 0, 2)], params=[Param("lr", "0.1")])
client.set_terminated(run.info.run_id, "FINISHED")
print(client.get_run(run.info.run_id).data.tags[MLFLOW_RUN_NAME])
"""


def test_each_behaviour_that_clients_rely_on_is_the_librarys(tmp_path):
    assert played(tmp_path, TOUCHED).split() == ["refused", "named"]
    (run,) = snapshots(tmp_path, "p")
    assert run.parameters == {"id2label.0": "cat", "id2label.1": "dog", "lr": 0.2, "epochs": 3}
    assert run.latest["train/loss"].step == 10
    training, evaluation, batch = snapshots(tmp_path, "mine")
    assert len(training.parameters) == 101
    assert [list(one.latest) for one in (training, evaluation, batch)] == [["loss"], ["eval_loss"], ["loss"]]
    assert batch.parameters == {"lr": 0.1}
    assert batch.latest["loss"].step == 2
