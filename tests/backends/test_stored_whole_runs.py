"""Media, tags, notes, rewinds and amendments that earlier versions of legm stored are read for ever.

``tests/samples/schema/whole`` has a small root directory of each, in folders, MLflow and W&B, which
``tests/support/schema_samples.py`` wrote.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from legm.delivery.client import connect_client
from legm.records import RunResult, Series, Split, Status
from tests.support.calling import as_json, shown
from tests.support.paths import ROOT
from tests.support.reading import runs_of

SAMPLES = sorted((ROOT / "tests" / "samples" / "schema" / "whole").glob("*.tar.xz"))
pytestmark = [pytest.mark.libraries, pytest.mark.usefixtures("wandb_home")]


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def sample(request, tmp_path, monkeypatch) -> tuple[Path, str]:
    """A root directory that was written elsewhere, and the backend to read it from."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "root", request.param.name.partition("-")[0]


def test_there_is_a_sample_of_each_backend():
    assert {path.name.partition("-")[0] for path in SAMPLES} == {"local", "mlflow", "wandb"}


def test_every_run_is_there_with_all_of_it(sample):
    root, backend = sample
    runs = sorted(runs_of(root, "Whole", backend), key=lambda one: one.run.parameters["seed"])
    assert [one.run.parameters["seed"] for one in runs] == [0, 1]
    for seed, one in enumerate(runs):
        assert one.status is Status.COMPLETED
        assert {name: one.run.configuration.parameters[name] for name in one.run.configuration.active} == {
            "rate": 0.1
        }
        history = one.histories[Series("loss")]
        assert history.steps.tolist() == [0, 1, 2, 3]
        assert history.values.tolist() == [seed + 1 / (step + 1) for step in range(3)] + [0.25]
        assert one.test[Series("acc", Split.TEST)] == 0.5 + seed / 4
        require_media(root, backend, one, seed)
    # W&B's offline folders cannot be changed later: what users note of their runs is in the folders beside.
    options = ["--backend", "mlflow"] if backend == "mlflow" else []
    noted = as_json("tag", root / "Whole", *options)
    assert sorted(tuple(one["tags"]) for one in noted) == [("good", "seed:0"), ("good", "seed:1")]
    (best,) = as_json("best", root / "Whole", "loss", "--where", "tag:seed:1", *options)
    assert best["value"]["mean"] == 0.25
    assert "of seed 1" in shown("note", f"{root}/{runs[1].run.run_id}")


def require_media(root: Path, backend: str, one: RunResult, seed: int) -> None:
    """The pictures up to the step that the run went back to, and what came after it."""
    client = connect_client(root, backend)
    found = {(medium.name, medium.step): medium for medium in client.media(one.run)}
    pictures = {step: medium for (name, step), medium in found.items() if name == "picture"}
    assert sorted(pictures) == [0, 1, 2]

    def content(medium):
        return client.media_content(one.run, medium.files[0])

    for step, medium in pictures.items():
        (folder := root.parent / "pictures").mkdir(exist_ok=True)
        (folder / "picture.png").write_bytes(content(medium))
        with Image.open(folder / "picture.png") as picture:
            assert np.array(picture).tolist() == np.full((4, 4, 3), 10 * step + seed).tolist()
    assert content(found["said", 3]).decode() == f"text of {seed}"
    (table,) = (content(medium) for (name, _), medium in found.items() if name == "table")
    assert json.loads(table)["columns"] == ["a", "b"]
    assert ("weights" in {name for name, _ in found}) is True
