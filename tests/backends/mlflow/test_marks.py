"""Tags and notes in MLflow: written by legm, and read back when a user sets them there."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from legm import ExperimentHandler
from legm.backends.mlflow.names import NOTE_TAG, RUN_ID_TAG, mlflow_sqlite_uri
from legm.importers import import_runs
from tests.support.calling import as_json, shown

pytestmark = pytest.mark.libraries


def test_tags_and_notes_are_written_to_mlflow_and_read_from_it(mlflow_store, tmp_path):
    handlers = {}
    for name in ("one", "two"):
        with ExperimentHandler(mlflow_store, "net", backend="mlflow") as handler:
            handler.set_dict_params({"seed": name})
            handler.disable_param("seed")
            handler.start()
            handler.tag("all", name)
            handler.set_metric("loss", float(len(handlers)))
            handlers[name] = handler.run_id
    shown("tag", mlflow_store / handlers["one"], "+good", "-all")
    shown("note", mlflow_store / handlers["one"], "look here")
    client = MlflowClient(mlflow_sqlite_uri(mlflow_store / "mlflow.db"))
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = {
        one.data.tags[RUN_ID_TAG]: one
        for one in client.search_runs(experiments)
        if one.data.tags.get(RUN_ID_TAG) in handlers.values()
    }
    own = {
        key: {tag: value for tag, value in run.data.tags.items() if not tag.startswith(("legm.", "mlflow."))}
        for key, run in runs.items()
    }
    assert own == {
        handlers["one"]: {"one": "true", "good": "true"},
        handlers["two"]: {"all": "true", "two": "true"},
    }
    assert runs[handlers["one"]].data.tags[NOTE_TAG] == "look here"

    client.set_tag(runs[handlers["two"]].info.run_id, "team", "nlp, x")
    reader = ExperimentHandler(mlflow_store, "net", backend="mlflow")
    for where, loss in (("tag:good", 0.0), ("tag:team:nlp-x", 1.0), ("tag:all", 1.0)):
        (found,) = reader.get_best("loss", where=where)
        assert (found.value.mean, found.value.n) == (loss, 1), where
    import_runs(mlflow_store / "mlflow.db", tmp_path / "imported")
    (folder,) = [path.parent for path in (tmp_path / "imported").rglob("params.yml")]
    assert sorted((one["tags"], one["note"]) for one in as_json("show", folder)["runs"]) == [
        (["all", "team:nlp-x", "two"], ""),
        (["good", "one"], "look here"),
    ]
