"""What earlier versions of legm wrote to MLflow and W&B is read for ever, with the same answers.

``tests/samples/schema/trackers`` has a small store by the code of a few commits: the first that could write
to the tracker, and later ones. ``tests/support/schema_samples.py`` wrote them.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest

from legm.importers import import_runs
from legm.records import RunResult, Series, Split, Status
from tests.support.calling import as_json
from tests.support.paths import ROOT
from tests.support.reading import runs_of
from tests.support.schema_samples import begin

SAMPLES = sorted((ROOT / "tests" / "samples" / "schema" / "trackers").glob("*.tar.xz"))
STORES = {"mlflow": "mlflow.db", "wandb": "wandb"}
FINGERPRINTS = {0.1: "v1-ff379a339837d3748f1091ccb2124623", 0.2: "v1-93efd9f981ce227d5a532b47463b2064"}
pytestmark = [pytest.mark.libraries, pytest.mark.usefixtures("wandb_home")]


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def sample(request, tmp_path, monkeypatch) -> tuple[Path, str]:
    """A root directory with a store in it that was written elsewhere, and its backend."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "root", request.param.name.partition("-")[0]


def values_of(runs: list[RunResult]) -> list[tuple]:
    """What the runs of a sample say, whatever their ids and times."""
    return sorted(
        (
            *(one.run.configuration.fingerprint, one.run.description, one.run.parameters["seed"]),
            *(one.status.value, one.best_step, repr(sorted(one.best.items(), key=str))),
            *(repr(sorted(one.test.items(), key=str)), one.error or ""),
            repr({str(series): (h.steps.tolist(), h.values.tolist()) for series, h in one.histories.items()}),
        )
        for one in runs
        if one.run.parameters["seed"] != 5  # its process was killed
    )


def test_every_stored_version_opens_with_the_same_answers(sample):
    root, backend = sample
    ranked = as_json("best", root / "Le Net", "loss", "--backend", backend)
    assert [(one["fingerprint"], one["value"]["mean"], one["value"]["n"]) for one in ranked] == [
        (FINGERPRINTS[0.1], (0.1 + 1 / 3 + (0.1 + 1 / 4)) / 2, 2),
        (FINGERPRINTS[0.2], (0.2 + 1 / 3 + (0.2 + 1 / 4)) / 2, 2),
    ]
    assert [(one["failed"], one["interrupted"]) for one in ranked] == [(1, 0), (0, 1)]
    runs = runs_of(root, "Le Net", backend)
    assert len(runs) == 7
    (described,) = (one for one in runs if one.run.description == "try")
    assert described.histories[Series("loss")].values.tolist() == [0.1 + 1 / (step + 1) for step in range(3)]
    assert repr(described.test[Series("score", Split.TEST, "a")]) == "nan"
    assert [one.error for one in runs if one.status is Status.FAILED] == ["ValueError: broke"]


def test_it_is_imported_and_takes_further_runs(sample, tmp_path, monkeypatch):
    root, backend = sample
    before = values_of(runs_of(root, "Le Net", backend))
    report = import_runs(root / STORES[backend], tmp_path / "imported")
    assert (report.is_complete, report.created) == (True, 7)
    assert values_of(runs_of(tmp_path / "imported", "Le Net")) == before
    monkeypatch.setattr(sys, "argv", ["schema_samples.py", str(root), "in", backend])
    with begin(0.1, seed=7) as handler:
        handler.set_metric("loss", 0.5)
    assert handler.fingerprint == FINGERPRINTS[0.1]
    completed = {one.configuration.fingerprint: one.completed for one in handler.get_best("loss")}
    assert completed == {FINGERPRINTS[0.1]: 3, FINGERPRINTS[0.2]: 2}
