"""The command line over another backend: MLflow's store beside the local folders."""

from __future__ import annotations

import signal

import pytest

from legm import ExperimentHandler
from legm.core.naming import safe_name
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import as_json, failed, shown
from tests.support.mlflow_store import prepare_store

MLFLOW = ("--backend", "mlflow")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The same runs in MLflow's store and in folders; only to be read."""
    base = tmp_path_factory.mktemp("backends")
    for backend in ("mlflow", "local"):
        fill(base / backend, backend)
    return base / "mlflow", base / "local"


@pytest.fixture
def path(roots):
    return roots[0] / safe_name(EXPERIMENT)


def test_ls_lists_the_experiments_of_a_root_directory_or_one_of_them(roots, path):
    found = as_json("ls", roots[0], *MLFLOW)
    assert found == as_json("ls", path, *MLFLOW)
    local = {one["fingerprint"]: one for one in as_json("ls", roots[1])}
    assert {one["fingerprint"] for one in found} == set(local)
    for one in found:
        for ours, theirs in zip(one["runs"], local[one["fingerprint"]]["runs"], strict=True):
            assert {key: ours[key] for key in ours if key not in {"last", "values"}} == {
                key: theirs[key] for key in theirs if key not in {"last", "values"}
            }
            assert {key: sorted(map(str, ours["values"][key])) for key in ours["values"]} == {
                key: sorted(map(str, theirs["values"][key])) for key in theirs["values"]
            }
    assert shown("ls", roots[0], *MLFLOW).splitlines()[0] == EXPERIMENT


def test_best_and_table_say_the_same_as_of_folders(roots, path):
    def answers(*arguments):
        return [(one["fingerprint"], one["value"]) for one in as_json(*arguments)]

    local = roots[1] / path.name
    assert answers("best", path, "loss", *MLFLOW) == answers("best", local, "loss")
    assert answers("best", path, "time", *MLFLOW) == answers("best", local, "time")
    assert shown("table", path, "loss", "test_accuracy", *MLFLOW) == shown(
        "table", local, "loss", "test_accuracy"
    )


def test_a_configuration_is_named_as_ls_prints_it_or_by_its_fingerprint(roots, path):
    one, other, *_ = as_json("ls", path, *MLFLOW)
    assert one["folder"] == str(path / "0.1,adam_0")
    found = as_json("show", path / "0.1,adam_0", *MLFLOW)
    assert found["fingerprint"] == one["fingerprint"]
    local = as_json("show", roots[1] / path.name / "0.1,adam_0")
    assert found["aggregates"] == local["aggregates"]
    assert sorted(run["status"] for run in found["runs"]) == sorted(run["status"] for run in local["runs"])
    assert as_json("show", path / one["fingerprint"], *MLFLOW) == found
    assert as_json("show", path / one["fingerprint"][-8:], *MLFLOW) == found
    assert shown("show", path / "0.1,adam_0", *MLFLOW).splitlines()[0] == f"{EXPERIMENT}: 0.1,adam_0"
    differences = as_json("diff", path / "0.1,adam_0", path / other["fingerprint"], *MLFLOW)
    assert {one["name"] for one in differences} == {"layers", "momentum", "solver"}


def test_compare_says_the_same_as_of_folders(roots, path):
    names = ("0.1,adam_0", "0.1,sgd_0")
    local = [roots[1] / path.name / name for name in names]
    found = as_json("compare", *(path / name for name in names), "loss", *MLFLOW)
    assert found == as_json("compare", *local, "loss")


def test_the_backends_options_are_read_as_yaml(roots, tmp_path):
    uri = f"sqlite:///{roots[0] / 'mlflow.db'}"
    found = as_json("ls", tmp_path, *MLFLOW, "--backend-option", f"tracking_uri={uri}")
    assert len(found) == 4
    message = failed("ls", tmp_path, *MLFLOW, "--backend-option", "uri=1")
    assert "the backend 'mlflow' has no option 'uri'" in message


def test_what_the_backend_has_not_is_reported_with_what_it_has(roots, path):
    assert f"known: {EXPERIMENT!r}" in failed("best", roots[0] / "Nets", "loss", *MLFLOW)
    assert "did you mean '0.1,adam_0'" in failed("show", path / "0.1,adm_0", *MLFLOW)
    assert f"known: {EXPERIMENT!r}" in failed("show", roots[0] / "Nets" / "x", *MLFLOW)
    assert "ROOT/EXPERIMENT/CONFIGURATION, and" in failed("show", path, *MLFLOW)


def test_looking_where_there_is_no_store_makes_none(tmp_path):
    assert shown("ls", tmp_path, *MLFLOW) == f"no configurations below {tmp_path}\n"
    assert "there is no experiment" in failed("best", tmp_path, "loss", *MLFLOW)
    failed("show", tmp_path / "e" / "c", *MLFLOW)
    assert list(tmp_path.iterdir()) == []


def test_a_backend_that_lists_no_experiments_is_asked_for_one_by_name(tmp_path, monkeypatch):
    from legm.backends.mlflow import MlflowBackend
    from legm.hooks import Capability

    fill(tmp_path, "mlflow")
    others = MlflowBackend.capabilities - {Capability.EXPERIMENTS}
    monkeypatch.setattr(MlflowBackend, "capabilities", others)
    monkeypatch.delattr(MlflowBackend, "legm_read_experiments")
    assert "does not list its experiments: name one, as in ROOT/EXPERIMENT" in failed("ls", tmp_path, *MLFLOW)
    assert len(as_json("best", tmp_path / EXPERIMENT, "loss", *MLFLOW)) == 4


KILLED = """
import os, signal, sys
from legm import ExperimentHandler

handler = ExperimentHandler(sys.argv[1], "e", backend="mlflow").start()
handler.set_metric("loss", 0.5)
assert handler.flush(60)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("command", ["ls", "show"])
def test_a_run_whose_process_died_is_not_running_any_more(tmp_path, prepared, command):
    prepare_store(tmp_path / "mlflow.db")
    assert prepared.run(["-c", KILLED, tmp_path]).returncode == -signal.SIGKILL
    if command == "ls":
        (found,) = as_json("ls", str(tmp_path), *MLFLOW)
        (counts,) = found["runs"]
        assert (counts["interrupted"], counts["running"]) == (1, 0)
    else:
        fingerprint = ExperimentHandler(tmp_path, "e").fingerprint
        (run,) = as_json("show", str(tmp_path / "e" / fingerprint), *MLFLOW)["runs"]
        assert run["status"] == "interrupted"


@pytest.mark.parametrize("backend", ["mlflow", "wandb"])
def test_show_lists_the_files_of_runs(tmp_path, backend):
    (tmp_path / "weights.pt").write_bytes(b"x" * 1234)
    handler = ExperimentHandler(tmp_path / "root", "e", backend=backend)
    handler.set_param("lr", 0.1)
    with handler.start():
        handler.set_metric("loss", 0.5)
        handler.log_artifact(tmp_path / "weights.pt", "models/ä b.pt")
        run_id = handler.run_id
    arguments = ("show", tmp_path / "root" / "e" / handler.fingerprint, "--backend", backend)
    assert as_json(*arguments)["files"] == [{"path": f"artifacts/{run_id}/models/ä b.pt", "bytes": 1234}]
    text = shown(*arguments)
    assert f"artifacts/{run_id}/models/" in text
    assert "1,234" in text
