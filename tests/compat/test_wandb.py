"""Scripts that call wandb leave the same in legm as the real wandb leaves in its own store."""

from __future__ import annotations

import pytest

from tests.support.captured_scripts import require_same_with_stand_ins
from tests.support.compat_stores import scripts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", scripts("wandb"), ids=lambda path: path.stem)
def test_an_unchanged_script_leaves_the_same_parameters_and_points(script, wandb_originals):
    require_same_with_stand_ins(script, wandb_originals)
