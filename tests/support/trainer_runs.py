"""What a training left in legm, in the form in which libraries tell it: steps and values by name."""

from __future__ import annotations

from pathlib import Path

from legm.records import RunResult, Series
from tests.support.reading import runs_of

__all__ = ["only_run", "points", "test_values"]


def only_run(root: Path, experiment: str = "e", backend: object = "local") -> RunResult:
    """The one run of an experiment, read by a client that did not write it."""
    (found,) = runs_of(root, experiment, backend)
    return found


def points(found: RunResult, name: str) -> list[tuple[int, float]]:
    """The steps and values of a dev metric; none where it was never set."""
    history = found.histories.get(Series(name))
    return [] if history is None else list(zip(history.steps.tolist(), history.values.tolist(), strict=True))


def test_values(found: RunResult) -> dict[str, float]:
    """The test metrics by name."""
    return {series.name: value for series, value in found.test.items()}


test_values.__test__ = False  # type: ignore[attr-defined]  # not for pytest
