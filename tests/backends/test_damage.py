"""Stored files of a run that are damaged: the damage is reported, the other runs count, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from legm import BackendError, ExperimentHandler, LegmError
from legm.backends.portable import RESULT_FILE, RUN_FILE, SERIES_FILE
from legm.delivery.client import connect_client
from legm.delivery.reading import read_runs
from legm.export import export_runs
from legm.records import Query
from tests.support.calling import call
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
    tmp_path, wandb_home, backend, name, caplog
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
        caplog.clear()
        assert [one.completed for one in handler.get_best("loss")] == [1]
        assert f"the stored files of the run {damaged} are damaged" in caplog.text


@pytest.mark.parametrize("name", [RUN_FILE, RESULT_FILE, SERIES_FILE])
@pytest.mark.parametrize("backend", OPTIONS)
def test_a_damaged_run_hides_no_other_one(tmp_path, wandb_home, backend, name, caplog):
    damaged = logged(tmp_path, backend, 3)[1][0]
    path = stored_file(tmp_path, Path(name).name, damaged)
    path.write_bytes(path.read_bytes()[:40])
    client = connect_client(tmp_path, backend, OPTIONS[backend])
    assert client.experiments() == ["e"]
    (configuration,) = client.configurations("e")
    is_lost = name != RUN_FILE or backend == "wandb"  # in MLflow the others say what it was begun with
    for _ in range(2):
        found = [one.run.run_id for one in read_runs(client, configuration, histories=None)]
        assert len(found) == 3 - is_lost
        assert (damaged in found) != is_lost
    assert caplog.text.count("it is left out, and the other runs count") == is_lost
    assert (path.parents[2].name in caplog.text or damaged in caplog.text) == is_lost


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """By backend, a root directory with two runs, the second of which has damaged files; only to be read."""
    base, damaged = tmp_path_factory.mktemp("damaged"), {}
    for backend in OPTIONS:
        with pytest.MonkeyPatch.context() as patched:
            for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
                patched.setenv(name, str(base))
            _, (_, damaged[backend]) = logged(base / backend, backend)
        for name in (RESULT_FILE, SERIES_FILE):
            path = stored_file(base / backend, Path(name).name, damaged[backend])
            path.write_bytes(path.read_bytes()[:40])
    return base, damaged


COMMANDS = {
    "ls": lambda e, _: ("ls", e.parent),
    "ls of an experiment": lambda e, _: ("ls", e),
    "best": lambda e, _: ("best", e, "loss"),
    "best without a metric": lambda e, _: ("best", e),
    "show": lambda e, _: ("show", e / ExperimentHandler(e.parent, "e").fingerprint),
    "table": lambda e, _: ("table", e, "loss"),
    "plot": lambda e, out: ("plot", e, "loss", "-o", out / "plot.png"),
    "report": lambda e, out: ("report", e.parent, "-o", out / "report.html"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("backend", OPTIONS)
def test_a_command_says_it_in_a_sentence_and_shows_the_other_runs(
    stores, tmp_path, wandb_home, backend, command, caplog
):
    base, damaged = stores
    given = COMMANDS[command](base / backend / "e", tmp_path)
    options = [f"{name}={json.dumps(value)}" for name, value in OPTIONS[backend].items()]
    done = call(*given, "--backend", backend, *(f"--backend-option={one}" for one in options))
    assert done.exit_code == 0, done.output
    said = (tmp_path / "report.html").read_text() if command == "report" else caplog.text
    assert said.count(f"the stored files of the run {damaged[backend]} are damaged") == 1
    if command in {"plot", "report"}:
        assert [path.stem for path in tmp_path.glob("*.*")] == [command]
    elif command == "show":
        assert damaged[backend][-6:] not in done.stdout
    else:
        (row,) = [line for line in done.stdout.splitlines() if " 1 " in f"{line} "]
        assert " 2 " not in row


@pytest.mark.parametrize("backend", OPTIONS)
def test_an_export_says_which_run_it_could_not_read(stores, tmp_path, wandb_home, backend):
    base, damaged = stores
    report = export_runs(
        *(base / backend, "local"), into=tmp_path, source=backend, source_options=OPTIONS[backend]
    )
    assert not report.is_complete
    assert any(damaged[backend] in one.text for one in report.runs)


def test_an_export_replaces_a_damaged_run_of_its_target_and_that_one_alone(tmp_path):
    for loss in (0.5, 0.25):
        with ExperimentHandler(tmp_path / "root", "e").start() as handler:
            handler.set_metric("loss", loss)
    prepare_store(tmp_path / "to" / "mlflow.db")
    first = export_runs(tmp_path / "root", "mlflow", into=tmp_path / "to")
    assert first.is_complete, first
    (kept, path) = sorted((tmp_path / "to").rglob(Path(RESULT_FILE).name))
    path.write_bytes(path.read_bytes()[:40])
    before = kept.stat().st_mtime_ns
    assert export_runs(tmp_path / "root", "mlflow", into=tmp_path / "to").is_complete
    assert kept.stat().st_mtime_ns == before
    there = ExperimentHandler(tmp_path / "to", "e", backend="mlflow")
    assert there.aggregate_results()["best_loss"]["mean"] == 0.375


@pytest.mark.parametrize("backend", OPTIONS)
def test_what_a_run_was_begun_with_is_an_error_that_says_where_it_is(tmp_path, wandb_home, backend):
    logged(tmp_path, backend, 1)
    found = list(tmp_path.rglob(Path(RUN_FILE).name))
    for path in found:
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LegmError) as raised:
        list(connect_client(tmp_path, backend, OPTIONS[backend]).configurations("e"))
    if isinstance(raised.value, BackendError):
        assert f"the backend '{backend}' failed in legm_read_configurations" in str(raised.value)
    assert any(part in str(raised.value) for path in found for part in (str(path), path.parents[2].name))
