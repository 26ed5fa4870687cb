"""What a training left in legm, in the form in which libraries report it: steps and values by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from legm.records import RunResult, Series, Status
from tests.support.reading import runs_of

__all__ = ["only_run", "points", "require_completed_training", "require_same_rounds", "test_values"]


def only_run(root: Path, experiment: str = "e", backend: object = "local") -> RunResult:
    """The one run of an experiment, read by a client that did not write it."""
    (found,) = runs_of(root, experiment, backend)
    return found


def points(found: RunResult, name: str) -> list[tuple[int, float]]:
    """The steps and values of a dev metric; none where it was never set."""
    history = found.histories.get(Series(name))
    return [] if history is None else list(zip(history.steps.tolist(), history.values.tolist(), strict=True))


def require_same_rounds(found: RunResult, history: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Every value of every round that a boosting library has, by evaluation set and metric, and no other."""
    assert len(found.histories) == sum(len(series) for series in history.values())
    for data, series in history.items():
        for name, values in series.items():
            assert points(found, f"{data}-{name}") == list(enumerate(values)), f"{data}-{name}"


def require_completed_training(
    found: RunResult, history: Mapping[str, Mapping[str, Sequence[float]]], best_step: int
) -> None:
    """A run that is completed, with the history and the best step that a boosting library has."""
    require_same_rounds(found, history)
    assert found.best_step == best_step
    assert found.status is Status.COMPLETED


def test_values(found: RunResult) -> dict[str, float]:
    """The test metrics by name."""
    return {series.name: value for series, value in found.test.items()}


test_values.__test__ = False  # type: ignore[attr-defined]  # not for pytest
