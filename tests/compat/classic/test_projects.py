"""Scripts in the style of the original legm's projects run unchanged, and give the numbers they state."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import legm
from legm.cli import main
from tests.support.paths import TESTS

SCRIPTS = TESTS / "support" / "classic_scripts"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs one of the scripts in an empty folder; returns the folder of its results."""
    monkeypatch.chdir(tmp_path)

    def run_script(name: str, *arguments: str) -> Path:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
        return tmp_path / "logs"

    return run_script


@pytest.fixture
def with_classic_handler(monkeypatch):
    """What ``python -m legm.compat`` does for a script, undone afterwards."""
    monkeypatch.setitem(vars(legm)["_HOMES"], "ExperimentHandler", "legm.compat.classic")


def read(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def means(folder: Path, description: str = "") -> dict[str, float]:
    found = read(folder / "aggregated_metrics.yml")[description]
    return {name: one["mean"] for name, one in found.items() if isinstance(one, dict) and "mean" in one}


def test_seeds_are_averaged_and_custom_data_has_an_entry_for_each(run):
    folder = run("seeds.py") / "Toy" / "a--b,0.1_0"
    assert [one.name for one in folder.parent.iterdir() if not one.name.startswith(".")] == [folder.name]
    assert means(folder, "v1") == {"best_dev_acc": pytest.approx(2 / 3)}
    assert read(folder / "classic" / "aggregated_metrics.yml") == {"v1": {"best_dev_acc": "0.6667+-0.0"}}
    assert read(folder / "classic" / "steps.yml") == {"dev_acc": [10, 20]}
    assert read(folder / "v1-ann.yml") == {
        "experiment_0": {"ann": {"f1": 0.6}, "description": "v1"},
        "experiment_1": {"ann": {"f1": 0.7}, "description": "v1"},
    }
    assert read(folder / "aggregated_ann.yml") == {"v1": {"ann": {"f1": "0.65+-0.05"}}}
    parameters = read(folder / "params.yml")
    assert parameters["experiment_0"] == {"lr": 0.1, "sched": None, "gamma": 2, "seed": 1, "_net_": "a/b"}
    assert parameters["experiment_1"]["seed"] == 2
    assert (folder / "v1-plots" / "dev_acc.png").is_file()
    metrics = read(folder / "metrics.yml")
    assert metrics["experiment_1"]["dev_acc"] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]


def test_a_grid_is_searched_with_the_metadata_of_its_command(run, capsys):
    logs = run("grid.py", "A", "--lr", "0.1", "0.2", "--train-max-len", "3") / "A"
    assert sorted(one.name for one in logs.iterdir() if not one.name.startswith(".")) == ["0.1_0", "0.2_0"]
    for rate in (0.1, 0.2):
        folder = logs / f"{rate}_0"
        assert read(folder / "classic" / "aggregated_metrics.yml") == {"": {"test_acc": f"{rate}+-0.0"}}
        assert read(folder / "indexed_metrics.yml") == {
            "experiment_0": {"id1": {"test_preds": "x"}, "description": ""}
        }
        assert read(folder / "params.yml")["experiment_0"] == {
            "lr": rate,
            "task": "A",
            "train_max_len": 3,
            "test_max_len": None,
        }
        assert "INFO-Data" in (log := (folder / "log.txt").read_text(encoding="utf-8"))
        assert "ready for 3 on cpu" in log
        assert len([*(folder / "runs").glob("*.log")]) == 1  # the second start() began no other run
    assert "ready for 3 on cpu" in capsys.readouterr().err


def test_declared_arguments_have_dashes_and_their_parameters_none(run):
    arguments = ["--hidden-size", "4", "--head-weight-decay", "0.25", "--description", "d"]
    folder = run("dashed_arguments.py", *arguments) / "Dashes" / "4_0"
    assert means(folder, "d") == {"test_size": 1.0}
    assert read(folder / "params.yml")["experiment_0"] == {
        "hidden_size": 4,
        "head_weight_decay": 0.25,
        "body_weight_decay": 0.5,
    }


def test_the_first_versions_handler_is_legms_own(run):
    folder = run("first_version.py") / "Old" / "_0"
    assert means(folder) == {"best_acc": 0.4, "test_acc": 0.5}


def test_a_trainer_that_assigns_to_its_manager_records_the_same(run, capsys):
    folder = run("trainer_class.py") / "Ember" / "0.01_0"
    assert means(folder) == {
        "best_loss": pytest.approx(1 / 21),
        "best_dev_f1": pytest.approx(0.205),
        "test_f1": 1.0,
    }
    assert read(folder / "indexed_metrics.yml")["experiment_1"] == {
        "id0": {"test_preds": 1, "test_text": "ab"},
        "id1": {"test_preds": 2, "test_text": "ab"},
        "description": "",
    }
    assert read(folder / "aggregated_indexed_metrics.yml") == {
        "": {"id0": {"test_preds": "0.5+-0.5"}, "id1": {"test_preds": "1.5+-0.5"}}
    }
    assert (folder / "model.pt").read_bytes() == b"weights"
    assert read(folder / "params.yml")["experiment_0"]["model_save_filename"] == "weights.pt"
    main(["best", "logs", "dev_f1", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)[0]["value"]["mean"] == pytest.approx(0.205)


def test_a_template_names_the_folder_and_a_command_has_its_own_metadata(run):
    arguments = ["--shot", "5", "15", "--seed", "0", "1", "--root-dir", "/data", "--train-max-length", "4"]
    template = "shots/{shot}-shot"
    logs = (
        run("template_names.py", "SemEval", *arguments, "--alternative-experiment-name", template) / "SemEval"
    )
    folders = sorted(one.name for one in logs.iterdir() if not one.name.startswith("."))
    assert folders == ["shots--15-shot_0", "shots--5-shot_0"]
    for shot, name in ((15, folders[0]), (5, folders[1])):
        assert means(logs / name) == {"test_jaccard": pytest.approx(0.1 * shot + 0.5)}
        assert read(logs / name / "train_data.yml") == {
            f"experiment_{seed}": {"length": 4, "names": {"n": shot + seed}, "description": ""}
            for seed in (0, 1)
        }
        assert read(logs / name / "aggregated_train_data.yml") == {
            "": {"length": "4.0+-0.0", "names": {"n": f"{shot + 0.5}+-0.5"}}
        }
        active = read(logs / name / "params.yml")["active"]
        assert "temperature" not in active  # its parent is not llama
        assert not {"root_dir", "seed", "description"} & {*active}


def test_without_a_template_transformed_values_name_the_folder(run):
    logs = run("template_names.py", "GoEmotions", "--shot", "5", "--root-dir", "/data") / "GoEmotions"
    assert [one.name for one in logs.iterdir() if not one.name.startswith(".")] == ["gpt,5-shot_0"]


def test_a_run_begins_without_start_and_a_second_parent_replaces_the_first(run, with_classic_handler, caplog):
    folder = run("without_start.py") / "Demux" / "intra,0.1_0"
    assert means(folder, "final") == {"best_loss": pytest.approx(0.785), "test_f1": pytest.approx(0.65)}
    assert read(folder / "params.yml")["active"] == ["alpha", "loss", "lr", "other"]
    assert read(folder / "params.yml")["metadata"]["alpha"]["parents"] == {"other": {}}
    replaced = [one for one in caplog.messages if "set_parent('alpha', 'other') replaces" in one]
    assert len(replaced) == 2  # once for each handler


def test_what_is_set_after_log_joins_the_same_run(run, with_classic_handler):
    folder = run("without_parents.py") / "VAuLT" / "vault_0"
    assert means(folder) == {"best_train_loss": 1.0, "best_eval_accuracy": 0.7, "test_accuracy": 0.65}
    assert read(folder / "params.yml").keys() & {"experiment_0", "experiment_1"} == {"experiment_0"}
    assert (folder / "plots" / "train_loss, eval_accuracy.png").is_file() or [
        *(folder / "plots").glob("*.png")
    ]


def test_the_module_that_runs_scripts_provides_the_classic_handler(tmp_path):
    command = [sys.executable, "-m", "legm.compat", str(SCRIPTS / "without_parents.py")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert means(tmp_path / "logs" / "VAuLT" / "vault_0")["test_accuracy"] == 0.65


def test_what_was_recorded_is_intact_for_legm(run, caplog):
    logs = run("seeds.py")
    caplog.clear()
    main(["ls", str(logs)], standalone_mode=False)
    main(["recover", str(logs)], standalone_mode=False)
    assert not [one for one in caplog.messages if "params.yml" in one]
