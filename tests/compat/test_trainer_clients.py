"""Trainings with the heavy clients of wandb and mlflow leave the same captured and with stand-ins.

Each script runs in three processes, which import torch, Ray or transformers: so these tests run where the
module is named, as in ``nox -s trainers``.
"""

from __future__ import annotations

import pytest

from tests.support.trainer_clients import SCRIPTS, differences

WAYS = ["captured", "stand-ins"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_training_leaves_what_it_leaves_in_the_librarys_own_store(script, way):
    assert differences(script, way) == []
