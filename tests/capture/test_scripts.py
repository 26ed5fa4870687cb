"""Scripts in the style of both libraries' examples, captured: the same in legm as in the library's store."""

from __future__ import annotations

import pytest

from legm.records import Status
from tests.support.captured_scripts import (
    captured,
    require_same_both_ways,
    require_same_captured,
    require_same_experiments,
)
from tests.support.compat_stores import scripts, with_stand_ins
from tests.support.reading import runs_of

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


def test_a_run_of_the_client_that_is_never_ended_is_interrupted():
    for root in (captured("mlflow") / "root", with_stand_ins("mlflow")):
        ends = [one.status for one in runs_of(root, "run_left_open")]
        assert ends == [Status.COMPLETED, Status.INTERRUPTED]


@pytest.mark.parametrize("group", ["mlflow", "wandb"])
def test_scripts_leave_experiments_of_the_same_names_captured_and_with_stand_ins(group):
    require_same_experiments(group)
