"""Scripts that call wandb leave the same in legm as the real wandb leaves in its own store."""

from __future__ import annotations

from pathlib import Path

import pytest
from compat_stores import (
    Held,
    comparable,
    flat,
    in_legm,
    once,
    run_originals,
    run_with_legm,
    scripts,
)
from wandb_log import RunLog


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Held]]:
    """By project, the runs that the real wandb has written, oldest first."""

    def make(folder: Path) -> None:
        run_originals(
            "wandb",
            folder,
            before="import wandb",
            after="wandb.finish()",
            WANDB_MODE="offline",
            WANDB_SILENT="true",
            WANDB_DIR=str(folder),
            WANDB_DISABLE_GIT="true",
            WANDB_CONSOLE="off",
        )

    folder = once(tmp_path_factory.getbasetemp(), "original-wandb", make)
    found: dict[str, list[tuple[float, Held]]] = {}
    for place in folder.glob("wandb/offline-run-*"):
        log = RunLog(place)
        started = log.run.start_time.seconds + log.run.start_time.nanos / 1e9
        points: dict[str, list[tuple[int, float]]] = {}
        for row in log.rows:
            media = {name.rpartition("/")[0] for name in row if name.endswith("/_type")}
            for name, value in row.items():
                number = _number(value)
                if not name.startswith("_") and number is not None and name.rpartition("/")[0] not in media:
                    points.setdefault(name.replace("/", "."), []).append((row["_step"], number))
        config = {name: value for name, value in flat(log.config) if not name.startswith("_wandb")}
        found.setdefault(log.run.project, []).append((started, Held(config, points)))
    return {
        project: [held for _, held in sorted(runs, key=lambda one: one[0])] for project, runs in found.items()
    }


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    return {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.get(str(value))


@pytest.mark.parametrize("script", scripts("wandb"), ids=lambda path: path.stem)
def test_an_unchanged_script_leaves_the_same_parameters_and_points(
    script: Path, originals: dict[str, list[Held]], tmp_path: Path
) -> None:
    done = run_with_legm(script, tmp_path)
    assert done.returncode == 0, done.stderr
    ours, theirs = in_legm(tmp_path / "root", script.stem), originals[script.stem]
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our.parameters == their.parameters
        points = {name.replace("/", "."): values for name, values in our.points.items()}
        assert comparable(points) == comparable(their.points)
