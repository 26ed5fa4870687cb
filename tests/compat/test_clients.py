"""Trainings with the clients of both libraries leave the same with stand-ins, captured and natively.

scikit-learn, LightGBM, PyTorch and Lightning take most of a minute to be imported and wrapped in six
processes. So these tests run where the module is named, as in ``nox -s clients``; the other scripts
are always compared.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from legm.media.histograms import histogram_counts
from tests.support.captured_scripts import require_same_captured, require_same_with_stand_ins
from tests.support.compat_stores import media_of_stand_ins, scripts, with_stand_ins
from tests.support.originals import chart_tables_of_wandb, histograms_of_wandb, of_mlflow, of_wandb

ORIGINALS = {"mlflow_clients": of_mlflow, "wandb_clients": of_wandb}
SCRIPTS = [script for group in ORIGINALS for script in scripts(group)]


@pytest.mark.parametrize("require", [require_same_with_stand_ins, require_same_captured])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_training_leaves_what_it_leaves_in_the_librarys_own_store(script, require):
    require(script, ORIGINALS[script.parent.name](script.parent.name))


def test_a_watched_model_leaves_the_same_histograms():
    _, contents = media_of_stand_ins("wandb_clients", "watch_model")
    theirs = histograms_of_wandb("watch_model", "wandb_clients")
    assert len(contents) == 24  # gradients and parameters, two weights and two biases, three times
    assert set(contents) == set(theirs)
    for key, (edges, counts) in theirs.items():
        ours = histogram_counts(contents[key])
        assert ours[1] == counts, key
        assert np.allclose(ours[0], edges), key


def test_plots_of_scikit_learn_have_the_tables_of_the_library():
    theirs = chart_tables_of_wandb("sklearn_plots", "wandb_clients")
    (run,) = stored_snapshots(Settings(with_stand_ins("wandb_clients")), ["sklearn_plots"])
    ours = {}
    for name, path in run.files.items():
        if found := re.fullmatch(r"media/(\w+)_(\d+)\.json", name):
            table = json.loads(path.read_text(encoding="utf-8"))
            ours[found[1], int(found[2])] = table["columns"], table["data"]
    assert set(ours) == set(theirs)
    for key, (columns, rows) in theirs.items():
        own_columns, own_rows = ours[key]
        if key[0] == "confusion_matrix":  # W&B's has the true class in the column of the predicted one
            own_rows = [[true, predicted, count] for predicted, true, count in own_rows]
        assert (own_columns, len(own_rows)) == (columns, len(rows)), key
        kept = [one for one, column in enumerate(columns) if column != "clustering_time"]
        for own, row in zip(own_rows, rows, strict=True):
            assert [own[at] for at in kept] == [
                pytest.approx(row[at]) if isinstance(row[at], float) else row[at] for at in kept
            ], key
