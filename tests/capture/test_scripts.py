"""Scripts in the style of both libraries' examples, captured: the same in legm as in the library's store."""

from __future__ import annotations

import pytest

from tests.support.captured_scripts import (
    require_same_both_ways,
    require_same_captured,
    require_same_experiments,
)
from tests.support.compat_stores import scripts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", scripts("mlflow"), ids=lambda path: path.stem)
def test_a_captured_script_leaves_the_parameters_and_points_of_mlflow(script, mlflow_originals):
    require_same_captured(script, mlflow_originals)


@pytest.mark.parametrize("script", scripts("wandb"), ids=lambda path: path.stem)
def test_a_captured_script_leaves_the_parameters_and_points_of_wandb(script, wandb_originals):
    require_same_captured(script, wandb_originals)


@pytest.mark.parametrize(
    "script", [*scripts("mlflow"), *scripts("wandb")], ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_script_leaves_the_same_captured_and_with_stand_ins(script):
    require_same_both_ways(script)


@pytest.mark.parametrize("group", ["mlflow", "wandb"])
def test_scripts_leave_experiments_of_the_same_names_captured_and_with_stand_ins(group):
    require_same_experiments(group)
