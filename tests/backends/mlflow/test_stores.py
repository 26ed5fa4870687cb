"""What the MLflow backend asks of a store, and puts into its database."""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

import legm
from legm import BackendError, ExperimentHandler
from legm.backends.mlflow import MlflowBackend, names, table_creation
from legm.backends.mlflow.bulk_insert import bulk_insert_points, can_bulk_insert
from legm.backends.mlflow.names import mlflow_experiment_name, mlflow_sqlite_uri
from legm.backends.mlflow.stores import open_mlflow_store, sqlite_store_path
from legm.backends.mlflow.table_creation import create_sqlite_store
from legm.records import Configuration, Run
from tests.support.mlflow_store import history, only_run, runs


def test_points_reach_the_database_as_mlflow_itself_would_have_put_them(tmp_path):
    uri = mlflow_sqlite_uri(tmp_path / "mlflow.db")
    client = MlflowClient(uri)
    experiment = client.create_experiment("e", artifact_location=str(tmp_path))
    odd = [0.1, -0.0, math.nan, math.inf, -math.inf, 5e-324, -1.5]
    points = [
        Metric(key, value, 1_000 + at % 3, step)
        for key in ("a", "b")
        for step in (3, 1, -2, 2**62)
        for at, value in enumerate(odd)
    ]
    ours, theirs = (client.create_run(experiment).info.run_id for _ in range(2))
    store = open_mlflow_store(uri, None)
    assert can_bulk_insert(store)
    given: list[Metric] = []
    for batch in (points[:20], points[10:], points[:5], [Metric("a", 7.0, 1, 2**62)]):
        bulk_insert_points(store, ours, batch)
        # MLflow 3.10 refuses a batch with a NaN that it has already, since that is not equal to itself.
        client.log_batch(theirs, [one for one in batch if not math.isnan(one.value) or one not in given])
        given += batch
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:

        def rows(table, run):
            columns = "key, value, timestamp, step, is_nan"
            found = database.execute(f"select {columns} from {table} where run_uuid = ?", [run])
            return sorted(map(repr, found))

        for table in ("metrics", "latest_metrics"):
            assert rows(table, ours) == rows(table, theirs) != []


def test_a_step_that_is_set_twice_is_once_in_the_database_during_the_run(mlflow_store, tmp_path):
    with ExperimentHandler(mlflow_store, "e", backend="mlflow").start() as handler:

        def points(key: str) -> list[tuple[int, float]]:
            assert handler.flush(30)
            reader = MlflowClient(mlflow_sqlite_uri(tmp_path / "mlflow.db"))
            run = only_run(reader)
            found = sorted(history(reader, run, key))
            assert run.data.metrics[key] == found[-1][1]
            return found

        for step in range(4):
            handler.set_metric("loss", float(step), step=step)
        handler.set_metric("loss", -9.0, step=3)  # in one batch
        assert points("dev/loss") == [(0, 0), (1, 1), (2, 2), (3, -9)]
        handler.set_metric("loss", 8.0, step=2)  # in later ones
        handler.flush(30)
        handler.set_metric("loss", -8.0, step=3)
        assert points("dev/loss") == [(0, 0), (1, 1), (2, 8), (3, -8)]
        handler.end("failed", "to be resumed")
    with ExperimentHandler(mlflow_store, "e", backend="mlflow").start(resume=True) as handler:
        handler.set_metric("loss", 7.0, step=1)
        assert points("dev/loss") == [(0, 0), (1, 7), (2, 8), (3, -8)]


@pytest.mark.parametrize(
    "uri", ["ftp://127.0.0.1/x", "/results/mlruns", "file:///results", "postgrsql://h/d"]
)
def test_an_address_where_there_can_be_no_store_is_refused_at_once(tmp_path, uri):
    with pytest.raises(BackendError, match="tracking_uri"):
        ExperimentHandler(tmp_path, "e", backend="mlflow", backend_options={"tracking_uri": uri})
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_the_backend_has_not_is_named_with_the_nearest(tmp_path):
    with pytest.raises(
        BackendError, match="'mlflow' has no option 'tracking_url'; did you mean 'tracking_uri'"
    ):
        ExperimentHandler(tmp_path, "e", backend="mlflow", backend_options={"tracking_url": "http://x"})


def test_parameters_that_another_process_logs_at_the_same_moment_are_no_failure(
    mlflow_store, monkeypatch, caplog
):
    log, refused = SqlAlchemyStore.log_batch, []

    def log_at_once(self, run_id, metrics, params, tags):
        log(self, run_id, metrics, params, tags)
        if params and not refused:
            refused.extend(params)
            raise MlflowException("duplicate key value violates unique constraint", BAD_REQUEST)

    monkeypatch.setattr(SqlAlchemyStore, "log_batch", log_at_once)
    with ExperimentHandler(mlflow_store, "e", backend="mlflow") as handler:
        handler.set_param("lr", 0.5)
        handler.start()
        handler.set_metric("loss", 0.25)
    assert [(one.key, one.value) for one in refused] == [("lr", "0.5")]
    assert caplog.text == ""
    assert handler.aggregate_results()["best_loss"]["n"] == 1


def test_an_mlflow_run_whose_creation_was_given_up_hides_no_run(mlflow_store, monkeypatch):
    create = SqlAlchemyStore.create_run

    def create_late(self, experiment, user, started, tags, name):
        """The request of a process that gave up is carried out just before the next one's."""
        if any((tag.key, tag.value) == (names.KIND_TAG, names.RUN_KIND) for tag in tags):
            create(self, experiment, user, started, tags, name)
        return create(self, experiment, user, started, tags, name)

    with monkeypatch.context() as patched:
        patched.setattr(SqlAlchemyStore, "create_run", create_late)
        for loss in (0.25, 0.75):
            with ExperimentHandler(mlflow_store, "e", backend="mlflow") as handler:
                handler.set_param("lr", 0.5)
                handler.start()
                handler.set_metric("loss", loss)
    client = MlflowClient(mlflow_sqlite_uri(mlflow_store / "mlflow.db"))
    made = runs(client, "e", f"tags.`{names.KIND_TAG}` = '{names.RUN_KIND}'")
    assert [run.info.status for run in made] == ["FINISHED"] * 2

    for run in made:  # one that is carried out when all is over: nobody is there to delete it
        tags = {**run.data.tags, names.POSITION_TAG: "0"}
        del tags[names.STATUS_TAG]
        for started in (run.info.start_time - 1, run.info.start_time + 1):
            client.create_run(run.info.experiment_id, started, tags)
    summary = handler.aggregate_results()["best_loss"]
    assert (summary["n"], summary["mean"]) == (2, 0.5)
    runs_table = legm.open(mlflow_store, backend="mlflow").runs()
    assert sorted(zip(runs_table["status"], runs_table["best_loss"], strict=True)) == [
        ("completed", 0.25),
        ("completed", 0.75),
    ]


class Bucket(ArtifactRepository):
    """An object store: MLflow calls it by the address alone."""

    folder: Path

    def log_artifact(self, local_file, artifact_path=None):
        target = self.folder / urlsplit(self.artifact_uri).path.strip("/") / (artifact_path or "")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(local_file, target)

    def _download_file(self, remote_file_path, local_path):
        shutil.copy(self.folder / urlsplit(self.artifact_uri).path.strip("/") / remote_file_path, local_path)

    def log_artifacts(self, local_dir, artifact_path=None):
        raise AssertionError("files are written one by one")

    def list_artifacts(self, path=None):
        return []


def test_files_may_be_in_an_object_store(mlflow_store, tmp_path, monkeypatch):
    bucket = type("Mine", (Bucket,), {"folder": tmp_path / "bucket"})
    registered = _artifact_repository_registry._registry  # noqa: SLF001 - it has no way to unregister
    monkeypatch.setitem(registered, "bucket", bucket)
    given = {"backend": "mlflow", "backend_options": {"artifact_location": "bucket://ours/mlflow"}}
    with ExperimentHandler(mlflow_store, "e", **given).start() as handler:
        handler.set_metric("loss", 0.5)
        handler.log()
        handler.set_metric("loss", 0.25)  # replaces files of the run
        (mlflow_store / "w.bin").write_bytes(b"weights")
        handler.log_artifact(mlflow_store / "w.bin")
    again = ExperimentHandler(mlflow_store, "e", **given)
    assert again.aggregate_results()["best_loss"]["mean"] == 0.25
    assert all(place.startswith("bucket://ours/mlflow/") for place in again.plot())
    stored = {path.name for path in bucket.folder.rglob("*") if path.is_file()}
    assert {"run.json", "result.json", "series.npz", "w.bin", "loss.png"} <= stored
    assert not (mlflow_store / "mlartifacts").exists()


FRESH = """
import sys
from pathlib import Path
import mlflow
from legm import ExperimentHandler

root = Path(sys.argv[1])
handlers = [ExperimentHandler(root / name, "e", backend="mlflow").start() for name in ("a", "b")]
mlflow.set_tracking_uri(f"sqlite:///{root / 'own.db'}")
mlflow.create_experiment("mine")  # while the tables of the others are created
for handler in handlers:
    handler.set_metric("loss", 1.0)
    handler.log()
print([handler.aggregate_results()["best_loss"]["n"] for handler in handlers])
"""


@pytest.mark.slow
def test_several_fresh_stores_in_one_process_and_the_users_own_do_not_meet(tmp_path, prepared):
    done = prepared.run(["-c", FRESH, tmp_path], cwd=tmp_path, check=True)
    assert done.stdout.splitlines() == ["[1, 1]"]
    assert "undelivered" not in done.stderr
    for store, experiment in (("a/mlflow.db", "e"), ("b/mlflow.db", "e"), ("own.db", "mine")):
        with contextlib.closing(sqlite3.connect(tmp_path / store)) as database:
            found = {name for (name,) in database.execute("SELECT name FROM experiments")}
        assert found - {"Default"} == {experiment}


def test_a_store_that_mlflow_made_meanwhile_is_left_as_it_is(tmp_path, monkeypatch):
    def create(uri):
        (tmp_path / "mlflow.db").write_bytes(b"the user's own")
        sqlite_store_path(uri).write_bytes(b"new")

    monkeypatch.setattr(table_creation, "_create_tables", create)
    create_sqlite_store(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == b"the user's own"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


def test_tables_that_cannot_be_created_are_an_error_that_says_why(tmp_path):
    (tmp_path / "no").write_text("a file")
    with pytest.raises(
        BackendError, match=r"could not create its tables at .*no/mlflow.db: .*unable to open"
    ):
        table_creation._create_tables(mlflow_sqlite_uri(tmp_path / "no" / "mlflow.db"))  # noqa: SLF001 - no store is in a file


def test_a_store_in_the_root_directory_does_not_decide_where_artifacts_are_stored(mlflow_store, tmp_path):
    theirs = tmp_path.parent / f"{tmp_path.name}-theirs"
    client = MlflowClient(mlflow_sqlite_uri(tmp_path / "mlflow.db"))
    client.create_experiment(mlflow_experiment_name("e"), artifact_location=theirs.as_uri())
    run = Run("r", Configuration("e", "v1-0", "", {}, (), {}), "", 0.0)
    with pytest.raises(BackendError, match=r"keeps artifacts elsewhere.*artifact_location"):
        MlflowBackend(tmp_path).legm_open_run(run)
    assert not theirs.exists()
    MlflowBackend(tmp_path, artifact_location=theirs.as_uri()).legm_open_run(run)
    assert theirs.exists()
