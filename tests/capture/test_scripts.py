"""Scripts in the style of both libraries' examples, captured: the same in legm as in the library's store."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from tests.support.captured import QUIET, prepare_kept_store, results
from tests.support.compat_stores import Held, run_all, scripts
from tests.support.shared import once

pytestmark = pytest.mark.slow


def captured(library: str) -> Path:
    """The folder in which all scripts of a library were captured."""

    def make(folder: Path) -> None:
        prepare_kept_store(folder)
        command = ["-m", "legm", "capture", "--root", "root", "--", sys.executable]
        said = run_all(library, folder, *command, **QUIET)
        assert "different" not in said, said
        assert "failed" not in said, said

    return once(f"captured-{library}", make)


def held(folder: Path, experiment: str) -> list[Held]:
    """The runs that were captured, under the names that the script gave."""
    found = []
    for result in results(folder, experiment):
        names = result.run.environment["imported"].get("renamed", {})
        configuration = result.run.configuration
        values = {
            name: configuration.parameters[name]
            for name in configuration.active
            if not name.startswith(("mlflow.", "tags.", "wandb."))  # names and tags that count too
        } | result.run.parameters
        points = {
            names.get(str(series), series.name): list(
                zip(history.steps.tolist(), history.values.tolist(), strict=True)
            )
            for series, history in result.histories.items()
        }
        # A test value that was not renamed is one of W&B's summary, and of no history.
        points |= {
            names[str(series)]: [(None, value)]
            for series, value in result.test.items()
            if str(series) in names
        }
        found.append(Held({names.get(name, name): value for name, value in values.items()}, points))
    return found


def require_same(ours: list[Held], theirs: list[Held]) -> None:
    """See that each run has the parameters and numbers of the original's; a test value has no step."""
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        by_name = {name.replace("/", "."): numbers for name, numbers in their.points.items()}
        points = {name.replace("/", "."): numbers for name, numbers in our.points.items()}
        assert set(points) == set(by_name)
        for name, numbers in points.items():
            expected = list(dict(sorted(by_name[name], key=lambda one: one[0])).items())
            if len(expected) == 1 < len(numbers):
                # It was logged without steps. MLflow keeps equal values of one millisecond once.
                assert [step for step, _ in numbers] == [*range(len(numbers))]
                assert {value for _, value in numbers} == {value for _, value in by_name[name]}
                continue
            if numbers[0][0] is None:
                expected = [(None, expected[0][1])]
            assert [step for step, _ in numbers] == [step for step, _ in expected], name
            for (_, value), (_, other) in zip(numbers, expected, strict=True):
                assert value == other or (math.isnan(value) and math.isnan(other)), name


@pytest.mark.parametrize("script", scripts("mlflow"), ids=lambda path: path.stem)
def test_a_captured_script_leaves_the_parameters_and_points_of_mlflow(script, mlflow_originals):
    ours, theirs = held(captured("mlflow"), script.stem), mlflow_originals[script.stem]
    require_same(ours, theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert {name: str(value) for name, value in our.parameters.items()} == their.parameters


@pytest.mark.parametrize("script", scripts("wandb"), ids=lambda path: path.stem)
def test_a_captured_script_leaves_the_parameters_and_points_of_wandb(script, wandb_originals):
    ours, theirs = held(captured("wandb"), script.stem), wandb_originals[script.stem]
    require_same(ours, theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our.parameters == their.parameters
