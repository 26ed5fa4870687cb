# train.py
import math

import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage

from legm.integrations.optuna import legm_trial


def train(handler, trial, learning_rate, momentum, seed):
    lowest = math.inf
    for epoch in range(10):
        distance = abs(math.log10(learning_rate) + 2) + abs(momentum - 0.9)
        loss = handler.set_metric("loss", distance + 1 / (1 + epoch) + seed / 100, step=epoch)
        lowest = min(lowest, loss)
        if seed == 0:
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
    return lowest


def objective(trial):
    learning_rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    momentum = trial.suggest_categorical("momentum", [0.5, 0.9])
    losses = []
    for seed in range(2):
        with legm_trial(trial, "results", "net", metric="loss", params={"seed": seed}) as handler:
            losses.append(train(handler, trial, learning_rate, momentum, seed))
    return sum(losses) / len(losses)


study = optuna.create_study(
    study_name="net",
    storage=JournalStorage(JournalFileBackend("study.journal")),
    load_if_exists=True,
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
)
study.optimize(objective, n_trials=8)
print(study.best_params)
