"""Optuna with the callback of its integration for mlflow, a run for each trial."""

import optuna
from optuna_integration.mlflow import MLflowCallback

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial):
    rate = trial.suggest_float("rate", 0.01, 1.0, log=True)
    return (rate - 0.1) ** 2


study = optuna.create_study(study_name="optuna_callback", sampler=optuna.samplers.RandomSampler(0))
study.optimize(objective, n_trials=3, callbacks=[MLflowCallback(metric_name="loss")])
