# optuna_worker.py
import os
import sys

import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage

from legm.integrations.optuna import legm_trial
from training import BACKEND, EXPERIMENT, ROOT, SEEDS, losses

storage = os.environ.get("OPTUNA_STORAGE") or JournalStorage(JournalFileBackend("study.journal"))
study = optuna.create_study(study_name="net", storage=storage, load_if_exists=True)


def objective(trial):
    lr, last = trial.suggest_float("lr", 0.001, 1.0), []
    for seed in SEEDS:
        options = {"metric": "loss", "params": {"seed": seed}, "backend": BACKEND}
        with legm_trial(trial, ROOT, EXPERIMENT, **options) as handler:
            for epoch, loss in losses(lr, seed):
                handler.set_metric("loss", loss, step=epoch)
        last.append(loss)
    return sum(last) / len(last)


for lr in map(float, sys.argv[1:]):
    study.enqueue_trial({"lr": lr})
    study.optimize(objective, n_trials=1)
