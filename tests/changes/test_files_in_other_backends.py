"""Files and media of runs that are amended are in MLflow and W&B bit for bit, as in their folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler
from legm.backends.portable import ARTIFACTS
from legm.delivery.client import connect_client
from legm.delivery.trusted import trust
from legm.records import Query
from tests.support.calling import as_json, shown
from tests.support.mlflow_store import client as mlflow_client
from tests.support.mlflow_store import prepare_store
from tests.support.mlflow_store import runs as mlflow_runs
from tests.support.shared import once

MIRRORS = {"mlflow": {}, "wandb": {"mode": "offline"}}


def train(root: Path, rate: float) -> None:
    handler = ExperimentHandler(
        root, "e", backend=["local", *MIRRORS], backend_options=dict(MIRRORS), strict=True, provenance=False
    )
    handler.set_param("rate", rate)
    handler.name_param("rate")
    with handler.start():
        own = root / "own.bin"
        own.write_bytes(np.float64([rate, 0.1]).tobytes() * 10)
        handler.log_artifact(own, "last.bin")
        own.unlink()
        for step in range(2):
            handler.set_metric("loss", rate / (step + 1), step=step)
            handler.log_image("common", np.full((8, 8, 3), step, np.uint8), step=step, caption=f"step {step}")
        handler.log_text("own", f"{rate}")
        handler.log_table("own", {"rate": [rate, 1.5], "name": ["a", "b"]})


@pytest.fixture
def root(tmp_path, wandb_home):
    """A root directory with two runs, each with a file and media, in folders, MLflow and W&B."""

    def make(folder: Path) -> None:
        prepare_store(folder / "root" / "mlflow.db")
        for rate in (0.125, 0.25):
            train(folder / "root", rate)
        (folder / "root").rename(folder / "moved")

    trust(MIRRORS)  # another worker may have made it
    shutil.copytree(once("files-in-backends", make) / "moved", tmp_path / "root", symlinks=True)
    return tmp_path / "root"


def media(root: Path, backend: str) -> dict[str, list[tuple]]:
    """By run, its media with the contents that the backend returns."""
    client = connect_client(root, backend, MIRRORS.get(backend, {}))
    runs = (one.run for name in client.experiments() for one in client.runs_as_stored(Query(name)))
    return {
        run.run_id: sorted(
            (
                one.kind.value,
                one.name,
                one.step,
                *((f.caption, client.media_content(run, f)) for f in one.files),
            )
            for one in client.media(run)
        )
        for run in runs
    }


def files(root: Path, backend: str) -> dict[str, dict[str, bytes]]:
    """By run, the contents of its files where the tracker keeps them."""
    if backend == "mlflow":
        of = mlflow_client(root)
        found = [run for name in "ef" for run in mlflow_runs(of, name, "tags.`legm.kind` = 'run'")]
        folders = {
            run.data.tags["legm.run_id"]: next(root.glob(f"mlartifacts/*/{run.info.run_id}/artifacts"))
            for run in found
        }
    elif backend == "wandb":
        folders = {path.name.rsplit("-", 1)[-1]: path / "files" for path in root.glob("wandb/offline-run-*")}
    else:
        folders = {path.parent.name: path.parent for path in root.glob("[ef]/*/artifacts/*/last.bin")}
        return {run_id: {"last.bin": (path / "last.bin").read_bytes()} for run_id, path in folders.items()}
    return {
        run_id: {path.name: path.read_bytes() for path in Path(folder, ARTIFACTS).iterdir() if path.is_file()}
        for run_id, folder in folders.items()
    }


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (("--where", "rate=0.25"), ("--to", "e")),
        (("--ignore", "rate"), ("--to", "e", "--compare", "rate")),
    ],
)
def test_runs_that_are_moved_to_another_experiment(root, there, back):
    before = {backend: (media(root, backend), files(root, backend)) for backend in ("local", *MIRRORS)}
    assert before["mlflow"][0] == before["wandb"][0] == before["local"][0]
    assert all(len(one) == 4 for one in before["local"][0].values())

    done = as_json("amend", root / "e", "--to", "f", *there, "--yes")

    assert done["notes"] == []
    assert {one["kind"] for one in done["backends"]} == {"replaced"}
    for backend, expected in before.items():
        assert (media(root, backend), files(root, backend)) == expected, backend
    assert as_json("amend", root / "f", *back, "--yes")["notes"] == []
    shown("trash", root, "--empty", "--yes")
    for backend, expected in before.items():
        assert (media(root, backend), files(root, backend)) == expected, backend


def test_runs_that_are_deleted_and_brought_back(root):
    before = {backend: (media(root, backend), files(root, backend)) for backend in ("local", *MIRRORS)}
    shown("rm", root / "e", "--yes")
    assert [media(root, backend) for backend in before] == [{}] * 3
    shown("restore", root)
    for backend, expected in before.items():
        assert (media(root, backend), files(root, backend)) == expected, backend
