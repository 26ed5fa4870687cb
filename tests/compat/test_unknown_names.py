"""Public names of wandb and mlflow that no module of legm has."""

from __future__ import annotations

import pickle

import pytest

from legm.compat import mlflow, wandb
from legm.compat.null_objects import NullObject
from legm.compat.public_names import public_names, table_path
from legm.compat.unknown_names import unknown_name
from tests.support.compat_play import played, snapshots


def test_a_constant_has_its_value():
    assert mlflow.utils.validation.MAX_PARAM_VAL_LENGTH == 6000
    assert mlflow.utils.mlflow_tags.MLFLOW_RUN_NAME == "mlflow.runName"
    assert mlflow.store.tracking.SEARCH_MAX_RESULTS_DEFAULT == 1000
    assert mlflow.entities.SourceType.NOTEBOOK == 1
    assert wandb.env.PROJECT == "WANDB_PROJECT"
    assert unknown_name("mlflow.utils.validation.MAX_NEW_LENGTH") > 10**9
    assert unknown_name("wandb.env.SOMETHING_NEW") == "SOMETHING_NEW"


def test_an_object_is_the_same_under_all_its_names():
    assert wandb.sdk.wandb_run.Run is wandb.wandb_run.Run is wandb.Run
    assert wandb.data_types.Table is wandb.sdk.data_types.table.Table is wandb.Table
    assert mlflow.models.signature.infer_signature is mlflow.models.infer_signature
    assert mlflow.tracking.MlflowClient is mlflow.tracking.client.MlflowClient is mlflow.MlflowClient
    assert mlflow.exceptions.MlflowException is mlflow.MlflowException
    assert mlflow.tracking.fluent.log_metric is mlflow.log_metric
    assert mlflow.tracking.context.resolve_tags is mlflow.tracking.context.registry.resolve_tags


def test_an_error_is_caught_as_what_it_is_below():
    assert issubclass(wandb.errors.AuthenticationError, wandb.CommError)
    assert issubclass(mlflow.exceptions.RestException, mlflow.MlflowException)
    with pytest.raises(wandb.errors.SomethingNew):
        raise wandb.errors.SomethingNew("x")
    assert wandb.errors.AuthenticationError is wandb.errors.errors.AuthenticationError


@pytest.mark.parametrize("name", ["wandb.sdk.data_types.base_types.wb_value.WBValue", "mlflow.NewThing"])
def test_a_class_is_one_class(name):
    assert isinstance(unknown_name(name), type)
    assert unknown_name(name) is unknown_name(name)
    assert pickle.loads(pickle.dumps(unknown_name(name))) is unknown_name(name)


def test_every_name_of_the_tables_is_answered():
    for library in ("wandb", "mlflow"):
        table = public_names(library)
        classes = {"class": type, "error": type, "value": object, "function": object, "object": object}
        for name, row in table.by_name.items():
            if row.kind in classes and "." not in row.name and "sb3" not in name:
                found = unknown_name(name)
                assert isinstance(found, classes[row.kind]), name
                if row.kind == "error":
                    assert issubclass(found, BaseException)
                if row.kind == "function":
                    assert callable(found)


def test_the_stand_ins_have_the_versions_of_the_tables():
    for library, module in (("wandb", wandb), ("mlflow", mlflow)):
        assert module.__version__.startswith(table_path(library).stem.removeprefix(f"{library}-"))


SCRIPT = """
import importlib.metadata, importlib.util, pickle, subprocess, sys
import cloudpickle
import mlflow, wandb
from wandb.sdk.lib import RunDisabled
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

assert importlib.metadata.version("wandb") == wandb.__version__
assert importlib.metadata.version("mlflow") == mlflow.__version__
assert importlib.metadata.metadata("mlflow")["Name"] == "mlflow"
assert importlib.metadata.version("numpy")
assert importlib.util.find_spec("wandb") and importlib.util.find_spec("mlflow")
code = "from importlib import metadata as m, util as u; print(m.version('wandb'), u.find_spec('mlflow').name)"
subprocess.run([sys.executable, "-c", code], check=True)

def train():
    return wandb, mlflow.log_metric, wandb.unknown

assert cloudpickle.loads(cloudpickle.dumps(train))()[0] is wandb
assert pickle.loads(pickle.dumps(mlflow)) is mlflow
assert not isinstance(3, RunDisabled) and len("abc") < MAX_PARAM_VAL_LENGTH

run = wandb.init(project="p", config={"known": 1, "unknown": wandb.unknown, "list": [wandb.unknown()]})
run._label(code="x")
assert isinstance(run, wandb.sdk.wandb_run.Run)
run.log({"a": 1, "b": wandb.unknown(), "c": [wandb.unknown]})
run.finish()
with mlflow.start_run():
    mlflow.log_param("unknown", mlflow.unknown)
    mlflow.set_tags({mlflow.unknown: 1, "x": mlflow.unknown(), "good": 2})
    mlflow.log_metrics({"m": 1, "n": mlflow.unknown()})
"""


def test_a_script_finds_the_libraries_installed_and_unknown_values_become_nothing(tmp_path):
    assert played(tmp_path, SCRIPT) == f"{wandb.__version__} mlflow\n"
    (run,) = snapshots(tmp_path, "p")
    assert run.parameters == {"known": 1}
    assert list(run.latest) == ["a"]
    (run,) = snapshots(tmp_path, "Default")
    assert run.parameters == {}
    assert run.notes["tags"]["good"] == "2"
    assert {"x", "unknown"}.isdisjoint(run.notes["tags"])
    assert not [key for key in run.notes["tags"] if "not recorded" in key]
    assert list(run.latest) == ["m"]


def test_what_is_unknown_is_reported_by_name(tmp_path):
    assert isinstance(wandb.unknown, NullObject)
    assert repr(wandb.unknown) == "<wandb.unknown: not recorded by legm>"


TAGGED = """
import mlflow
from mlflow.tracking.context.registry import resolve_tags

client = mlflow.MlflowClient()
for tags in (resolve_tags({"a": 1}), mlflow.utils.something_new(), {"b": mlflow.something_new(), "c": 2}):
    run = client.create_run("0", tags=tags)
    print(sorted(client.get_run(run.info.run_id).data.tags.keys() - {"mlflow.runName"}))
"""


def test_tags_may_be_unknown(tmp_path):
    known = ["a", "mlflow.source.name", "mlflow.source.type", "mlflow.user"]
    assert played(tmp_path, TAGGED) == f"{known}\n['mlflow.user']\n['c', 'mlflow.user']\n"
