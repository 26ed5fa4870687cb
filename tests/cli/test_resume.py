"""``legm resume``, and what ``legm recover`` does with single runs."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from legm import BackendError, ExperimentHandler, hookimpl
from legm.delivery.client import connect_client
from legm.hooks import Capability
from legm.records import Query, Status
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log_head
from tests.support.calling import as_json, call, failed, shown
from tests.support.reading import runs_of
from tests.support.waiting import until

SCRIPT = """
import sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_param("lr", float(sys.argv[2]))
with handler.start():
    handler.set_metric("loss", 0.5)
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture
def interrupted(tmp_path) -> str:
    """The id of a run that was interrupted after its first value."""
    return begin(tmp_path, "interrupted")


def begin(root: Path, status: str, backend: object = "local", file: Path | None = None) -> str:
    handler = start(root, backend)
    handler.set_metric("loss", 1.0)
    if file is not None:
        handler.log_artifact(file)
    run_id = handler.run_id
    handler.end(status)
    assert run_id is not None
    return run_id


def start(root: Path, backend: object = "local", resume: bool = False) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e", backend=backend)
    handler.set_param("lr", 0.1)
    return handler.start(resume=resume)


TRACKERS = ["local", "mlflow", "wandb"]


@pytest.fixture
def tracked(mlflow_store, wandb_home, monkeypatch) -> Path:
    """A root directory for runs that MLflow and W&B, offline, keep too."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    return mlflow_store


def stored_ids(root: Path, backend: str) -> list[str]:
    return [run.run.run_id for run in runs_of(root, backend=backend)]


def resume(root: Path, run: str, *arguments: object) -> tuple[int, str]:
    script = root / "train.py"
    script.write_text(SCRIPT)
    done = call("resume", root / run, "--", sys.executable, script, root, *arguments)
    return done.exit_code, done.stderr


def test_a_script_that_does_not_ask_continues_the_run(tmp_path, interrupted):
    status, _ = resume(tmp_path, interrupted[-6:], 0.1, 0)

    (run,) = runs_of(tmp_path)
    assert (status, run.run.run_id, run.status, run.last_step) == (0, interrupted, Status.COMPLETED, 1)


def test_the_exit_status_is_that_of_the_script(tmp_path, interrupted):
    assert resume(tmp_path, interrupted, 0.1, 7)[0] == 7


def test_a_script_of_another_configuration_is_reported(tmp_path, interrupted):
    status, printed = resume(tmp_path, interrupted, 0.5, 0)

    assert status == 1
    assert f"ended without resuming the run {interrupted}" in printed
    assert sorted(run.status.value for run in runs_of(tmp_path)) == ["completed", "interrupted"]


def test_an_unknown_run_is_an_error_before_the_script_begins(tmp_path, interrupted):
    status, printed = resume(tmp_path, "nothing", 0.1, 0)

    assert status == 1
    assert f"there is no run 'nothing'; known: '{interrupted}'" in printed
    assert len(find_logs(tmp_path)) == 1


def test_a_run_is_marked_as_failed(tmp_path, interrupted):
    (row,) = as_json("recover", tmp_path, "--fail", interrupted)["runs"]

    assert (row["status"], runs_of(tmp_path)[0].status) == ("failed", Status.FAILED)
    assert "is failed already" in failed("recover", tmp_path, "--fail", interrupted)


@pytest.mark.parametrize("status", ["completed", "failed", "interrupted", "pruned"])
def test_a_run_is_deleted_with_its_files(tmp_path, status):
    other = begin(tmp_path, "completed")
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("lr", 0.1)
    handler.start()
    source = tmp_path / "weights.bin"
    source.write_bytes(b"1")
    kept = Path(handler.log_artifact(source))
    run_id = handler.run_id
    handler.end(status)
    assert run_id is not None

    assert shown("recover", tmp_path, "--discard", run_id) == f"deleted: {run_id}\n"

    assert [run.run.run_id for run in runs_of(tmp_path)] == [other]
    assert not kept.exists()
    assert not [path for path in tmp_path.rglob("*") if run_id in path.name]


@pytest.mark.libraries
def test_a_run_is_deleted_from_every_backend_for_good(tracked):
    file = tracked / "weights.bin"
    file.write_bytes(b"what no other file has")
    other = begin(tracked, "completed", TRACKERS)
    run_id = begin(tracked, "failed", TRACKERS, file)
    file.unlink()
    for backend in TRACKERS:
        until(lambda backend=backend: stored_ids(tracked, backend) == [other, run_id])

    assert shown("recover", tracked, "--discard", run_id) == f"deleted: {run_id}\n"

    for backend in TRACKERS:
        assert stored_ids(tracked, backend) == [other], backend
    files = [path for path in tracked.rglob("*") if path.is_file()]
    assert not [path for path in files if run_id in str(path)]
    assert not [path for path in files if b"what no other file has" in path.read_bytes()]
    with closing(sqlite3.connect(tracked / "mlflow.db")) as store:
        kept = "SELECT value FROM tags WHERE key = 'legm.run_id'"
        assert store.execute(kept).fetchall() == [(other,)]
        lost = "SELECT count(*) FROM metrics WHERE run_uuid NOT IN (SELECT run_uuid FROM runs)"
        assert store.execute(lost).fetchall() == [(0,)]
        assert store.execute("SELECT DISTINCT lifecycle_stage FROM runs").fetchall() == [("active",)]


@pytest.mark.libraries
@pytest.mark.parametrize("how", ["cannot delete", "does not answer"])
def test_nothing_is_deleted_where_one_backend_cannot(mlflow_store, monkeypatch, how):
    from legm.backends.mlflow import MlflowBackend

    run_id = begin(mlflow_store, "completed", ["local", "mlflow"])
    if how == "cannot delete":
        lacking = MlflowBackend.capabilities - {Capability.DISCARD}
        monkeypatch.setattr(MlflowBackend, "capabilities", lacking)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    before = sorted(mlflow_store.rglob("*"))

    said = failed("recover", mlflow_store, "--discard", run_id)

    assert ("does not support" if how == "cannot delete" else "127.0.0.1") in said
    assert sorted(mlflow_store.rglob("*")) == before
    assert stored_ids(mlflow_store, "local") == [run_id]


@pytest.mark.libraries
def test_a_run_that_one_backend_refused_to_delete_is_deleted_by_a_second_call(mlflow_store, monkeypatch):
    from legm.backends.mlflow import MlflowBackend

    @hookimpl
    def refuse(self, run):
        raise BackendError("the store is locked")

    run_id = begin(mlflow_store, "completed", ["local", "mlflow"])
    with monkeypatch.context() as patched:
        patched.setattr(MlflowBackend, "legm_discard_run", refuse)
        said = failed("recover", mlflow_store, "--discard", run_id)

    assert f"the run {run_id} was deleted from local, but not from mlflow" in said
    assert "the store is locked" in said
    assert shown("recover", mlflow_store, "--discard", run_id) == f"deleted: {run_id}\n"
    assert stored_ids(mlflow_store, "local") == stored_ids(mlflow_store, "mlflow") == []


@pytest.mark.libraries
def test_a_backend_that_was_added_when_the_run_was_resumed_deletes_it_too(mlflow_store):
    run_id = begin(mlflow_store, "interrupted")
    start(mlflow_store, ["local", "mlflow"], resume=True).log()
    until(lambda: stored_ids(mlflow_store, "mlflow") == [run_id])

    shown("recover", mlflow_store, "--discard", run_id)

    assert stored_ids(mlflow_store, "local") == stored_ids(mlflow_store, "mlflow") == []


@pytest.mark.libraries
def test_a_run_that_was_resumed_in_another_store_is_deleted_from_each(mlflow_store):
    from tests.support.mlflow_store import prepare_store

    addresses = [f"sqlite:///{mlflow_store / name}.db" for name in ("first", "second", "third")]
    run_ids = []
    for address in addresses:
        prepare_store(Path(address.removeprefix("sqlite:///")))
        options = {"tracking_uri": address}
        handler = ExperimentHandler(mlflow_store, "e", backend="mlflow", backend_options=options)
        handler.set_param("lr", 0.1)
        handler.start(resume=True)
        handler.set_metric("loss", 1.0)
        run_ids.append(handler.run_id)
        handler.end("interrupted")

    def stored_in(address: str) -> list[str]:
        client = connect_client(mlflow_store, "mlflow", {"tracking_uri": address})
        return [run.run.run_id for run in client.runs_as_stored(Query("e"))]

    (run_id,) = set(run_ids)
    assert [stored_in(address) for address in addresses] == [[run_id]] * 3
    (log,) = find_logs(mlflow_store)
    assert read_log_head(log).backends == {"mlflow": {"tracking_uri": addresses[2]}}

    shown("recover", mlflow_store, "--discard", run_id)

    assert [stored_in(address) for address in addresses] == [[]] * 3


def test_an_unknown_run_among_several_changes_none(tmp_path, interrupted):
    said = failed("recover", tmp_path, "--discard", interrupted, "--discard", "nothing")

    assert "there is no run 'nothing'" in said
    assert stored_ids(tmp_path, "local") == [interrupted]


@pytest.mark.libraries
@pytest.mark.parametrize(("option", "status"), [("--complete", "completed"), ("--fail", "failed")])
def test_a_run_is_ended_in_every_backend(tracked, option, status):
    from tests.support.wandb_log import records

    run_id = begin(tracked, "interrupted", TRACKERS)
    for backend in TRACKERS:
        until(lambda backend=backend: statuses(tracked, backend) == [(run_id, "interrupted")])

    (row,) = as_json("recover", tracked, option, run_id)["runs"][:1]

    assert (row["run_id"], row["status"]) == (run_id, status)
    for backend in TRACKERS:
        until(lambda backend=backend: statuses(tracked, backend) == [(run_id, status)])
        (run,) = runs_of(tracked, backend=backend)
        assert [one.values.tolist() for one in run.histories.values()] == [[1.0]], backend
    logs = sorted((tracked / "wandb").glob("*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    (exit_code,) = {one.exit.exit_code for one in records(logs[-1]) if one.HasField("exit")}
    assert exit_code == (0 if status == "completed" else 1)


@pytest.mark.libraries
@pytest.mark.parametrize("option", ["--complete", "--fail", "--discard"])
def test_a_run_that_only_wandb_has_is_ended_or_deleted(tracked, option):
    run_id = begin(tracked, "interrupted", "wandb")
    until(lambda: statuses(tracked, "wandb") == [(run_id, "interrupted")])

    shown("recover", tracked, option, run_id)

    expected = {"--complete": [(run_id, "completed")], "--fail": [(run_id, "failed")], "--discard": []}
    until(lambda: statuses(tracked, "wandb") == expected[option])
    assert not (option == "--discard" and [*(tracked / "wandb").glob(f"*{run_id}*")])


def statuses(root: Path, backend: str) -> list[tuple[str, str]]:
    return [(run.run.run_id, run.status.value) for run in runs_of(root, backend=backend)]


@pytest.mark.parametrize(
    "backend", ["local", pytest.param(["local", "mlflow"], marks=pytest.mark.libraries)], ids=str
)
def test_a_run_that_is_being_written_is_not_deleted(tmp_path, backend):
    if backend != "local":
        from tests.support.mlflow_store import prepare_store

        prepare_store(tmp_path / "mlflow.db")
    handler = start(tmp_path, backend)

    assert "is being written by another process" in failed("recover", tmp_path, "--discard", handler.run_id)
    assert handler.log().status is Status.COMPLETED
