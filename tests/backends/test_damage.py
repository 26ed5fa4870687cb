"""Stored files of a run that are damaged: an error that names backend, hook and run, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from legm import BackendError, ExperimentHandler
from legm.backends.portable import RESULT_FILE, RUN_FILE, SERIES_FILE
from legm.delivery.client import connect_client
from legm.records import Query
from tests.support.calling import failed
from tests.support.mlflow_store import prepare_store

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True}
OPTIONS = {"mlflow": {}, "wandb": {"mode": "offline", "settings": QUIET}}


def logged(root: Path, backend: str, count: int = 2) -> tuple[ExperimentHandler, list[str]]:
    """Runs of one configuration, and their ids."""
    if backend == "mlflow":
        prepare_store(root / "mlflow.db")
    ids = []
    for _ in range(count):
        handler = ExperimentHandler(root, "e", backend=backend, backend_options=OPTIONS[backend])
        with handler.start():
            handler.set_metric("loss", 0.5, step=0)
            ids.append(handler.log().run.run_id)
    return handler, ids


def stored_file(root: Path, name: str, run_id: str) -> Path:
    """The file of a run in the store; the files beside it say whose it is."""
    found = [path for path in root.rglob(name) if run_id in path.with_name(Path(RUN_FILE).name).read_text()]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("name", [RESULT_FILE, SERIES_FILE])
@pytest.mark.parametrize("backend", ["mlflow", "wandb"])
def test_a_stored_file_that_was_cut_is_an_error_that_names_backend_hook_and_run(
    tmp_path, wandb_home, backend, name
):
    handler, (_, damaged) = logged(tmp_path, backend)
    path = stored_file(tmp_path, Path(name).name, damaged)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BackendError) as raised:
        list(connect_client(tmp_path, backend, OPTIONS[backend]).runs_as_stored(Query("e", histories=None)))
    assert f"the backend '{backend}' failed in legm_read_runs for the experiment 'e'" in str(raised.value)
    assert f"the stored files of the run {damaged} are damaged" in str(raised.value)
    assert raised.value.__cause__ is not None
    if name == RESULT_FILE:  # a ranking reads no series
        with pytest.raises(BackendError, match=damaged):
            handler.get_best("loss")


@pytest.mark.parametrize("backend", ["mlflow"])
def test_a_command_says_it_in_a_sentence(tmp_path, backend):
    _, (damaged, _) = logged(tmp_path, backend)
    path = stored_file(tmp_path, Path(RESULT_FILE).name, damaged)
    path.write_bytes(path.read_bytes()[:40])
    message = failed("best", str(tmp_path / "e"), "loss", "--backend", backend)
    assert damaged in message
    assert "Traceback" not in message
