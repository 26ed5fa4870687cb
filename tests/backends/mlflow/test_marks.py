"""Tags and notes in MLflow: written by legm, and read back when a user sets them there."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun

from legm import ExperimentHandler
from legm.backends.mlflow.names import KIND_TAG, NOTE_TAG, RUN_ID_TAG, RUN_KIND, mlflow_sqlite_uri
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


def noted_run(root, experiment, *tags, **options):
    with ExperimentHandler(root, experiment, backend="mlflow", backend_options=options or None) as handler:
        handler.set_dict_params({"seed": len(tags), "rate": 0.25})
        handler.disable_param("seed")
        handler.start()
        handler.tag(*tags)
        handler.set_metric("loss", float(len(tags)))
        return handler.run_id


def in_mlflow(client, run_id) -> MlflowRun:
    query = f"tags.`{RUN_ID_TAG}` = '{run_id}' and tags.`{KIND_TAG}` = '{RUN_KIND}'"
    (found,) = client.search_runs([one.experiment_id for one in client.search_experiments()], query)
    return found


def check_that_both_sides_change_tags(root, experiment, client, *options):
    """What is deleted or added in MLflow is so in legm, and what legm notes later counts again."""
    backend = ("--backend", "mlflow", *options)
    first, second = (
        noted_run(root, experiment, *tags, **dict(o.split("=", 1) for o in options[1::2]))
        for tags in (("kept", "wrong"), ("kept", "wrong", "more"))
    )
    row = in_mlflow(client, first)
    client.delete_tag(row.info.run_id, "wrong")
    client.set_tag(row.info.run_id, "team", "nlp")
    assert as_json("tag", root / first)["tags"] == ["kept", "team:nlp"]
    (one,) = as_json("best", root / experiment, "loss", "--tag", "wrong", *backend)
    assert (one["value"]["mean"], one["value"]["n"]) == (3.0, 1)
    listed = {
        one["run_id"]: one["tags"] for of in as_json("ls", root / experiment, *backend) for one in of["marks"]
    }
    assert listed == {first: ["kept", "team:nlp"], second: ["kept", "more", "wrong"]}
    assert "kept (2), more, team:nlp, wrong" in shown("ls", root / experiment, *backend)
    shown("tag", root / first, "+good")  # does not bring back what was deleted
    assert "wrong" not in in_mlflow(client, first).data.tags
    assert as_json("tag", root / first)["tags"] == ["good", "kept", "team:nlp"]
    shown("tag", root / first, "+wrong", "-kept")  # which side changed last wins
    assert as_json("tag", root / first)["tags"] == ["good", "team:nlp", "wrong"]
    tags = in_mlflow(client, first).data.tags
    assert (tags.get("wrong"), tags.get("kept"), tags["team"], tags.get("team:nlp")) == (
        *("true", None, "nlp"),
        None,
    )
    shown("tag", root / first, "-team:nlp", "+legm.kind")  # which is no tag of a user in MLflow
    tags = in_mlflow(client, first).data.tags
    assert ("team" in tags, tags[KIND_TAG]) == (False, RUN_KIND)
    assert as_json("tag", root / first)["tags"] == ["good", "legm.kind", "wrong"]
    client.set_tag(row.info.run_id, NOTE_TAG, "by hand")
    assert as_json("note", root / first)["note"] == "by hand"
    shown("tag", root / experiment, "--where", "rate=0.25", "--tag", "wrong", *backend, "--yes", "+all")
    assert {in_mlflow(client, one).data.tags.get("all") for one in (first, second)} == {"true"}


def test_a_tag_that_is_deleted_in_mlflow_is_deleted_in_legm(mlflow_store):
    client = MlflowClient(mlflow_sqlite_uri(mlflow_store / "mlflow.db"))
    check_that_both_sides_change_tags(mlflow_store, "net", client)


@pytest.mark.servers
def test_a_tag_that_is_deleted_on_a_server_is_deleted_in_legm(mlflow_server, tmp_path):
    uri = mlflow_server.uri
    client = MlflowClient(uri)
    check_that_both_sides_change_tags(tmp_path, "noted", client, "--backend-option", f"tracking_uri={uri}")


def test_a_run_whose_log_is_elsewhere_is_marked_in_mlflow_alone(mlflow_store):
    run_id = noted_run(mlflow_store, "net", "a")
    for path in mlflow_store.rglob(f"{run_id}*"):
        if path.suffix in {".log", ".yml"}:
            path.unlink()
    select = (mlflow_store / "net", "--backend", "mlflow", "--where", f"run:{run_id}")
    assert as_json("tag", *select, "+b", "-a")["tags"] == ["b"]
    assert as_json("tag", *select)["tags"] == ["b"]
    assert not list(mlflow_store.rglob(f"{run_id}*.yml"))


def test_a_resumed_run_does_not_bring_back_what_was_deleted_in_mlflow(mlflow_store):
    def begun():
        handler = ExperimentHandler(mlflow_store, "net", backend="mlflow")
        handler.set_param("rate", 0.5)
        return handler

    with begun() as first:
        first.start()
        first.tag("kept", "wrong")
        first.set_metric("loss", 1.0, step=0)
        run_id = first.run_id
        first.end("interrupted", "no reason")
    client = MlflowClient(mlflow_sqlite_uri(mlflow_store / "mlflow.db"))
    client.delete_tag(in_mlflow(client, run_id).info.run_id, "wrong")
    with begun() as again:
        again.start(resume=True)
        again.tag("again")
        again.set_metric("loss", 2.0, step=1)
    tags = in_mlflow(client, run_id).data.tags
    assert ("wrong" in tags, tags["kept"], tags["again"]) == (False, "true", "true")
    assert as_json("tag", mlflow_store / run_id)["tags"] == ["again", "kept"]
