"""Trainings with the clients of both libraries leave the same with stand-ins, captured and natively.

scikit-learn, LightGBM, PyTorch and Lightning take most of a minute to be imported and wrapped in six
processes. So these tests run where the module is named, as in ``nox -s clients``; the other scripts
are always compared.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from tests.support.captured_scripts import require_same_captured, require_same_with_stand_ins
from tests.support.compat_stores import scripts, with_stand_ins
from tests.support.originals import of_mlflow, of_wandb, wandb_logs

ORIGINALS = {"mlflow_clients": of_mlflow, "wandb_clients": of_wandb}
SCRIPTS = [script for group in ORIGINALS for script in scripts(group)]


@pytest.mark.parametrize("require", [require_same_with_stand_ins, require_same_captured])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_training_leaves_what_it_leaves_in_the_librarys_own_store(script, require):
    require(script, ORIGINALS[script.parent.name](script.parent.name))


def test_a_watched_model_leaves_the_same_histograms():
    (log,) = (one for one in wandb_logs("wandb_clients") if one.run.project == "watch_model")
    theirs = {
        f"media/{name}_{row['_step']}.json": (row[f"{name}/values"], row[f"{name}/bins"])
        for row in log.rows
        for name in {key.rpartition("/")[0] for key in row if key.endswith("/_type")}
    }
    (run,) = stored_snapshots(Settings(with_stand_ins("wandb_clients")), ["watch_model"])
    ours = {name: json.loads(path.read_text()) for name, path in run.files.items() if name[:5] == "media"}
    assert len(ours) == 24  # gradients and parameters, two weights and two biases, three times
    assert set(ours) == set(theirs)
    for name, (values, bins) in theirs.items():
        assert ours[name]["values"] == values, name
        assert np.allclose(ours[name]["bins"], bins), name
