"""Optuna with the callback of its integration for wandb, a run for each trial."""

import optuna
from optuna_integration.wandb import WeightsAndBiasesCallback

callback = WeightsAndBiasesCallback("loss", wandb_kwargs={"project": "optuna_callback"}, as_multirun=True)
optuna.logging.set_verbosity(optuna.logging.ERROR)


@callback.track_in_wandb()
def objective(trial):
    rate = trial.suggest_float("rate", 0.01, 1.0, log=True)
    return (rate - 0.1) ** 2


study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
study.optimize(objective, n_trials=3, callbacks=[callback])
