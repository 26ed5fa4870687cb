"""Scripts that call mlflow leave the same in legm as the real mlflow leaves in its own store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.compat_stores import Held, comparable, in_legm, scripts, with_stand_ins

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", scripts("mlflow"), ids=lambda path: path.stem)
def test_an_unchanged_script_leaves_the_same_parameters_and_points(
    script: Path, mlflow_originals: dict[str, list[Held]]
) -> None:
    ours, theirs = in_legm(with_stand_ins("mlflow"), script.stem), mlflow_originals[script.stem]
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert {name: str(value) for name, value in our.parameters.items()} == their.parameters
        assert comparable(our.points) == comparable(their.points)
