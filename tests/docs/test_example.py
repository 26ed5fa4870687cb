"""The example, as its readers run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from legm.core.result_equality import RUN_FIELDS, differing_result_fields, result_digests
from legm.core.run_environment import run_stretches
from tests.support.mlflow_store import prepare_store
from tests.support.paths import EXAMPLE, RESUME_EXAMPLE
from tests.support.prepared import Prepared
from tests.support.reading import runs_of

SIZES = {"epochs": 8, "runs": 2}


def configurations(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/*/params.yml"))


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_prints_a_line_a_run_and_a_leaderboard(digits_root: Path) -> None:
    lines = (digits_root.parent / "stdout.txt").read_text(encoding="utf-8").splitlines()
    assert sum(" seed " in line for line in lines) == 6
    board = [line for line in lines if "±" in line]
    assert len(board) == 3
    means = [float(line.split("│")[3].split("±")[0]) for line in board]
    assert means == sorted(means, reverse=True)
    assert all(line.split("│")[2].strip() == "2" for line in board)
    assert lines[-1] == "See the curves with: tensorboard --logdir results"
    assert all(len(line) <= 80 for line in lines)


def test_makes_three_configurations_with_every_run(digits_root: Path) -> None:
    folders = configurations(digits_root)
    assert len(folders) == 3
    for folder in folders:
        runs = load(folder / "metrics.yml")
        assert list(runs) == ["experiment_0", "experiment_1"]
        for run in runs.values():
            assert {"accuracy", "loss", "train_loss", "time"} <= set(run)
            assert len(run["loss"]) == SIZES["epochs"]
            assert run["best_accuracy"] == max(run["accuracy"]) == run["accuracy"][run["best_step"]]
        seeds = [run["legm"]["parameters"]["seed"] for run in runs.values()]
        assert seeds == [0, 1]


def test_momentum_counts_only_with_the_solver_that_uses_it(digits_root: Path) -> None:
    for folder in configurations(digits_root):
        params = load(folder / "params.yml")
        assert ("momentum" in params["active"]) == (params["parameters"]["solver"] == "sgd")
        assert not {"seed", "device"} & set(params["active"])


def test_every_yaml_file_is_plain_yaml(digits_root: Path) -> None:
    paths = sorted(digits_root.rglob("*.yml"))
    assert {path.name for path in paths} == {
        "params.yml",
        "metrics.yml",
        "steps.yml",
        "aggregated_metrics.yml",
    }
    assert all(isinstance(load(path), dict) for path in paths)


def test_aggregates_every_run(digits_root: Path) -> None:
    for folder in configurations(digits_root):
        runs = list(load(folder / "metrics.yml").values())
        found = load(folder / "aggregated_metrics.yml")[""]
        mean = sum(run["test_accuracy"] for run in runs) / len(runs)
        assert found["test_accuracy"]["mean"] == pytest.approx(mean)
        assert found["test_accuracy"]["n"] == 2
        assert found["time"]["n"] == 2 * SIZES["epochs"]


def test_draws_every_plot(digits_root: Path) -> None:
    pictures = sorted(digits_root.rglob("*.png"))
    names = sorted(picture.name for picture in pictures)
    assert names == ["accuracy.png"] * 3 + ["comparison-test_accuracy.png"] + ["loss.png"] * 3
    for picture in pictures:
        pixels = imread(picture, format="png")
        assert min(pixels.shape[:2]) > 100
        assert pixels.std() > 0


def test_event_files_hold_the_same_series(digits_root: Path) -> None:
    for folder in configurations(digits_root):
        for run in load(folder / "metrics.yml").values():
            place = folder / "tensorboard" / run["run_id"]
            events = EventAccumulator(str(place)).Reload()
            scalars = events.Scalars("dev/loss")
            assert [scalar.step for scalar in scalars] == list(range(SIZES["epochs"]))
            assert [scalar.value for scalar in scalars] == pytest.approx(run["loss"])
            (test,) = events.Scalars("test/accuracy")
            assert (test.step, test.value) == (SIZES["epochs"] - 1, pytest.approx(run["test_accuracy"]))
            assert [folder.name for folder in place.iterdir() if folder.is_dir()] == []


def test_running_it_again_adds_runs(digits_root: Path, tmp_path: Path, prepared: Prepared) -> None:
    root = shutil.copytree(digits_root, tmp_path / "results")
    before = {folder: load(folder / "metrics.yml") for folder in configurations(root)}
    arguments = ["--seeds", "1", "--first-seed", "2", "--epochs", str(SIZES["epochs"])]
    prepared.run([EXAMPLE, *arguments], cwd=tmp_path, check=True)
    assert configurations(root) == list(before)
    for folder, runs in before.items():
        after = load(folder / "metrics.yml")
        assert list(after) == [*runs, "experiment_2"]
        assert {name: after[name] for name in runs} == runs
        assert load(folder / "aggregated_metrics.yml")[""]["test_loss"]["n"] == 3


def test_another_backend_prints_the_same_leaderboard(tmp_path: Path, prepared: Prepared) -> None:
    prepare_store(tmp_path / "mlflow" / "results" / "mlflow.db")
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name in ("WANDB_API_KEY", "WANDB_MODE", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    said = {}
    for backend in ("local", "mlflow", "wandb"):
        folder = tmp_path / backend
        folder.mkdir(exist_ok=True)
        command = [EXAMPLE, "--backend", backend, "--seeds", "2", "--epochs", "2"]
        done = prepared.run(command, cwd=folder, env=environment, check=True)
        rows = [line for line in done.stdout.splitlines() if line.startswith("│") or ": best epoch" in line]
        assert len(rows) == 9
        said[backend] = rows
    assert said["mlflow"] == said["wandb"] == said["local"]


def test_a_training_that_is_killed_continues_in_the_same_run(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(RESUME_EXAMPLE), "--root", str(tmp_path), "--kills", "2"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=120)

    *stretches, killed, undisturbed = done.stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in stretches] == ["-9", "-9", "0", "0"]
    assert killed.startswith("killed: 1 run, ")
    assert killed.partition(":")[2] == undisturbed.partition(":")[2]
    found = {run.run.description: run for run in runs_of(tmp_path, "line")}
    assert found.keys() == {"killed", "undisturbed"}
    assert [len(run_stretches(found[name].run)) for name in ("killed", "undisturbed")] == [3, 1]
    every = result_digests(found["undisturbed"], RUN_FIELDS - {"run id", "start", "description"})
    assert not differing_result_fields(found["killed"], every)
    curves = {}
    for name, run in found.items():
        ((_, history),) = run.histories.items()
        curves[name] = list(zip(history.steps.tolist(), history.values.tolist(), strict=True))
    assert curves["killed"] == curves["undisturbed"]
    assert [step for step, _ in curves["killed"]] == list(range(40))
