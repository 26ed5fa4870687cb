"""Scripts that call wandb leave the same in legm as the real wandb leaves in its own store."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from legm.media.histograms import histogram_counts
from legm.media.tables import media_table_columns
from tests.support.captured_scripts import require_same_with_stand_ins
from tests.support.compat_stores import media_of_stand_ins, scripts, with_stand_ins
from tests.support.originals import histograms_of_wandb

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", scripts("wandb"), ids=lambda path: path.stem)
def test_an_unchanged_script_leaves_the_same_parameters_and_points(script, wandb_originals):
    require_same_with_stand_ins(script, wandb_originals)


def test_pictures_histograms_and_tables_are_media_at_the_steps_of_the_real_wandb():
    captions, contents = media_of_stand_ins("wandb", "media_and_artifacts")
    steps = [0, 1, 2]
    assert captions == {
        **{("picture", step): [f"step {step}"] for step in steps},
        **{("pixels", step): [""] for step in steps},
        ("squares", 3): [""],
    }
    theirs = histograms_of_wandb("media_and_artifacts")
    assert {key: histogram_counts(contents[key]) for key in theirs} == theirs
    assert media_table_columns(contents["squares", 3]) == {"i": [0, 1, 2, 3], "square": [0, 1, 4, 9]}
    pictures = [np.asarray(Image.open(io.BytesIO(contents["picture", step]))) for step in steps]
    assert [one.shape for one in pictures] == [(8, 8)] * 3
    (run,) = stored_snapshots(Settings(with_stand_ins("wandb")), ["media_and_artifacts"])
    assert "media/line_3.json" in run.files  # a chart, which is no kind of medium
