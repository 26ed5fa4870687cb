"""Scripts that call wandb leave the same in legm as the real wandb leaves in its own store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from legm.compat.settings import Settings
from legm.compat.snapshot import stored
from tests.support.compat_stores import (
    SCRIPTS,
    Held,
    comparable,
    flat,
    in_legm,
    once,
    run_originals,
    run_with_legm,
    scripts,
)
from tests.support.wandb_log import RunLog


def original_logs(tmp_path_factory: pytest.TempPathFactory) -> list[RunLog]:
    """The logs that the real wandb has written, of all scripts."""

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
    return [RunLog(place) for place in folder.glob("wandb/offline-run-*")]


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Held]]:
    """By project, the runs that the real wandb has written, oldest first."""
    found: dict[str, list[tuple[float, Held]]] = {}
    for log in original_logs(tmp_path_factory):
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


def test_a_watched_model_leaves_the_same_histograms(tmp_path_factory, tmp_path):
    (log,) = (one for one in original_logs(tmp_path_factory) if one.run.project == "watch_model")
    theirs = {
        f"media/{name}_{row['_step']}.json": (row[f"{name}/values"], row[f"{name}/bins"])
        for row in log.rows
        for name in {key.rpartition("/")[0] for key in row if key.endswith("/_type")}
    }
    assert run_with_legm(SCRIPTS / "wandb/watch_model.py", tmp_path).returncode == 0
    (run,) = stored(Settings(tmp_path / "root"), ["watch_model"])
    ours = {name: json.loads(path.read_text()) for name, path in run.files.items() if name[:5] == "media"}
    assert len(ours) == 24  # gradients and parameters, two weights and two biases, three times
    assert set(ours) == set(theirs)
    for name, (values, bins) in theirs.items():
        assert ours[name]["values"] == values, name
        assert np.allclose(ours[name]["bins"], bins), name
