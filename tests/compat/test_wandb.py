"""Scripts that call wandb leave the same in legm as the real wandb leaves in its own store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from tests.support.compat_stores import (
    Held,
    comparable,
    in_legm,
    scripts,
    with_stand_ins,
)
from tests.support.originals import wandb_logs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", scripts("wandb"), ids=lambda path: path.stem)
def test_an_unchanged_script_leaves_the_same_parameters_and_points(
    script: Path, wandb_originals: dict[str, list[Held]]
) -> None:
    ours, theirs = in_legm(with_stand_ins("wandb"), script.stem), wandb_originals[script.stem]
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our.parameters == their.parameters
        points = {name.replace("/", "."): values for name, values in our.points.items()}
        assert comparable(points) == comparable(their.points)


def test_a_watched_model_leaves_the_same_histograms():
    (log,) = (one for one in wandb_logs() if one.run.project == "watch_model")
    theirs = {
        f"media/{name}_{row['_step']}.json": (row[f"{name}/values"], row[f"{name}/bins"])
        for row in log.rows
        for name in {key.rpartition("/")[0] for key in row if key.endswith("/_type")}
    }
    (run,) = stored_snapshots(Settings(with_stand_ins("wandb")), ["watch_model"])
    ours = {name: json.loads(path.read_text()) for name, path in run.files.items() if name[:5] == "media"}
    assert len(ours) == 24  # gradients and parameters, two weights and two biases, three times
    assert set(ours) == set(theirs)
    for name, (values, bins) in theirs.items():
        assert ours[name]["values"] == values, name
        assert np.allclose(ours[name]["bins"], bins), name
