"""Many scripts in the style of both libraries' examples leave the same with stand-ins, captured and natively.

Each calls something that the others do not. A few of their kind are always compared (``test_wandb.py`` and
``test_mlflow.py``); these run where the module is named, as in ``nox -s clients``.
"""

from __future__ import annotations

import pytest

from tests.support.captured_scripts import (
    require_same_both_ways,
    require_same_captured,
    require_same_experiments,
    require_same_with_stand_ins,
)
from tests.support.compat_stores import scripts
from tests.support.originals import of_mlflow, of_wandb

ORIGINALS = {"mlflow_examples": of_mlflow, "wandb_examples": of_wandb}
SCRIPTS = [script for group in ORIGINALS for script in scripts(group)]


@pytest.mark.parametrize("require", [require_same_with_stand_ins, require_same_captured])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_example_leaves_what_it_leaves_in_the_librarys_own_store(script, require):
    require(script, ORIGINALS[script.parent.name](script.parent.name))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_example_leaves_the_same_captured_and_with_stand_ins(script):
    require_same_both_ways(script)


@pytest.mark.parametrize("group", ORIGINALS)
def test_examples_leave_experiments_of_the_same_names_captured_and_with_stand_ins(group):
    require_same_experiments(group)
