"""Studies of Optuna that several processes share, and runs in MLflow: each commit waits for a disk."""

from __future__ import annotations

import optuna
import pytest

from tests.support.calling import as_json
from tests.support.optuna_studies import assert_equal_parameters, assert_recorded, by_trial, created, recorded
from tests.support.processes import run_at_once
from tests.support.reading import runs_of
from tests.support.trainer_runs import points

STORAGES = {
    "rdb": "optuna.storages.RDBStorage(f'sqlite:///{folder}/study.db')",
    "journal": "optuna.storages.JournalStorage("
    "optuna.storages.journal.JournalFileBackend(f'{folder}/study.journal'))",
}

PROCESS = """
folder, seed = sys.argv[1:]
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.load_study(
    study_name="shared", storage={storage}, sampler=optuna.samplers.RandomSampler(seed=int(seed))
)

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    with legm_trial(trial, folder + "/root", "e", metric="loss") as handler:
        for step in range(3):
            trial.report(handler.set_metric("loss", x * x / (step + 1), step=step), step)
        return x * x / 3

study.optimize(objective, 4)
"""


@pytest.mark.parametrize("storage", STORAGES)
def test_processes_that_share_a_study_record_into_one_root(tmp_path, storage):
    folder = tmp_path
    made = eval(STORAGES[storage], {"optuna": optuna, "folder": folder})
    study = optuna.create_study(study_name="shared", storage=made)
    code = PROCESS.format(storage=STORAGES[storage])
    imports = "import optuna; from legm.integrations.optuna import legm_trial"
    assert run_at_once(code, [(folder, seed) for seed in (1, 2)], imports) == [0, 0]
    found = by_trial(runs_of(tmp_path / "root"))
    assert len(study.trials) == len(found) == 8
    for trial in study.trials:
        assert_equal_parameters(found[trial.number], trial)
        assert points(found[trial.number], "loss") == sorted(trial.intermediate_values.items())
    best = as_json("best", tmp_path / "root" / "e")[0]
    assert best["value"]["mean"] == study.best_value
    assert best["parameters"]["x"] == study.best_params["x"]


def test_trials_are_runs_of_mlflow(tmp_path):
    study = created()
    study.optimize(recorded(tmp_path, "score", backend="mlflow"), 5, catch=[ArithmeticError])
    assert_recorded(by_trial(runs_of(tmp_path, backend="mlflow")), study, "score")
    best = as_json("best", tmp_path / "e", "score", "--backend", "mlflow")[0]
    assert best["value"]["mean"] == study.best_value
