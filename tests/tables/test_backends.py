"""The tables of runs in MLflow and W&B, beside those of the same runs in folders."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest

import legm
from legm import ExperimentHandler
from tests.support.mlflow_store import prepare_store
from tests.support.sample_runs import bits, script

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}


@pytest.fixture(params=["mlflow", "mlflow server", "wandb", "memory"])
def store(request, tmp_path) -> tuple[object, dict]:
    """A backend and its options."""
    if request.param == "mlflow":
        prepare_store(tmp_path / "mlflow.db")
        return "mlflow", {}
    if request.param == "mlflow server":
        return "mlflow", {"tracking_uri": request.getfixturevalue("mlflow_server").uri}
    if request.param == "wandb":
        request.getfixturevalue("wandb_home")
        return "wandb", {"mode": "offline", "settings": QUIET}
    from legm.testing import MemoryBackend

    return MemoryBackend(tmp_path), {}


def text(value: object) -> str:
    return bits(value).hex() if isinstance(value, float) else repr(value)


def content(table, *left_out: str) -> list[dict[str, str]]:
    """The rows bit for bit, in an order that does not depend on the store."""
    names = [name for name in table if name not in left_out]
    cells = zip(*(table.column(name).cells() for name in names), strict=True)
    rows = [dict(zip(names, map(text, row), strict=True)) for row in cells]
    return sorted(rows, key=lambda row: sorted(row.items()))


def test_tables_are_the_same_wherever_the_runs_are(store, tmp_path):
    backend, options = store
    experiment = f"e {uuid.uuid4().hex[:8]}"  # the server is everyone's
    named = backend if isinstance(backend, str) else "memory"
    handler = ExperimentHandler(
        tmp_path,
        experiment,
        backend=["local", backend],
        backend_options={named: options} if options else {},
    )
    script(handler)
    handler.start()
    handler.set_metric("loss", 0.5, step=1)
    handler.end("failed", "on purpose")
    ours, theirs = legm.open(tmp_path), legm.open(tmp_path, backend, **options)
    assert experiment in theirs.experiments()["experiment"].tolist()
    assert content(ours.runs(), "configuration") == content(theirs.runs(experiment), "configuration")
    for selection in ({}, {"where": "status:failed"}, {"seed": 1}):
        expected = content(ours.configurations(**selection), "configuration", "last")
        found = content(theirs.configurations(experiment, **selection), "configuration", "last")
        assert found == expected, selection
        expected = content(ours.history(**selection), "configuration", "time")
        assert content(theirs.history(None, experiment, **selection), "configuration", "time") == expected
    _without_logs(tmp_path)
    history = theirs.history(None, experiment, where="status:completed")
    expected = content(ours.history(where="status:completed"), "configuration", "time")
    assert content(history, "configuration", "time") == expected
    assert np.isnan(history["time"]).all()


def _without_logs(root: Path) -> None:
    """As on another machine, where the store has all there is."""
    for path in root.rglob("*.log"):
        path.unlink()
    shutil.rmtree(root / ".legm", ignore_errors=True)


@pytest.mark.parametrize("store", ["mlflow", "wandb"], indirect=True)
def test_media_are_in_a_table_with_their_contents_wherever_they_are(store, tmp_path):
    backend, options = store
    experiment, columns = f"e {uuid.uuid4().hex[:8]}", ("name", "kind", "step", "caption", "digest")
    with ExperimentHandler(
        tmp_path, experiment, backend=["local", backend], backend_options={backend: options}
    ).start() as handler:
        handler.set_metric("loss", 0.5)
        pictures = [np.full((4, 4), shade, np.uint8) for shade in (1, 2)]
        handler.log_image("samples", pictures, step=3, caption=["a", "b"])
        handler.log_text("notes", "of a step", step=4)
        handler.log_histogram("weights", np.arange(9.0), step=4)
        handler.log_html("page", "<b>x</b>", step=5)

    def rows(project: legm.Project) -> list[tuple[object, ...]]:
        table = project.media(experiment=experiment)
        return list(zip(*(table[name].tolist() for name in columns), strict=True))

    ours, theirs = legm.open(tmp_path), legm.open(tmp_path, backend, **options)
    contents = {row[-1]: ours.media_content(row[-1]) for row in rows(ours)}
    expected = rows(ours)
    assert len(expected) == 5
    _without_logs(tmp_path)
    shutil.rmtree(tmp_path / experiment)
    assert sorted(rows(theirs)) == sorted(expected)
    assert {digest: theirs.media_content(digest) for digest in contents} == contents
    assert theirs.media("notes", experiment=experiment)["step"].tolist() == [4]


@pytest.mark.parametrize("store", ["mlflow", "memory", "wandb"], indirect=True)
def test_what_is_running_in_a_store_is_in_the_tables(store, tmp_path):
    backend, options = store
    experiment = f"e {uuid.uuid4().hex[:8]}"
    handler = ExperimentHandler(tmp_path, experiment, backend=backend, backend_options=options)
    handler.set_param("rate", 0.5)
    handler.start()
    for step in range(3):
        handler.set_metric("loss", step, step=step)
    handler.flush()
    project = legm.open(tmp_path, backend, **options)
    assert project.runs(experiment)["status"].tolist() == ["running"]
    assert project.configurations(experiment)["running"].tolist() == [1]
    assert experiment in project.experiments()["experiment"].tolist()
    assert project.history("loss", experiment)["value"].tolist() == [0, 1, 2]
    handler.log()
    assert project.runs(experiment)["status"].tolist() == ["completed"]
    assert project.history("loss", experiment)["value"].tolist() == [0, 1, 2]
