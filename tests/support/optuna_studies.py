"""Studies of Optuna, and what their trials left in legm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import optuna

from legm.integrations.optuna import legm_trial
from legm.records import RunResult, Status
from tests.support.trainer_runs import points

__all__ = [
    "STATUS",
    "assert_equal_parameters",
    "assert_recorded",
    "by_trial",
    "created",
    "losses",
    "recorded",
    "reporting",
]

optuna.logging.set_verbosity(optuna.logging.ERROR)

STATUS = {"COMPLETE": Status.COMPLETED, "PRUNED": Status.PRUNED, "FAIL": Status.FAILED}


def created(direction: str = "minimize", **options: Any) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=1)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
    return optuna.create_study(direction=direction, sampler=sampler, pruner=pruner, **options)


def suggested(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-3, 1.0, log=True)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    return lr * (trial.suggest_float("momentum", 0.1, 0.9) if optimizer == "sgd" else 1.0)


def losses(rate: float) -> list[float]:
    """A training's losses by epoch; the best one is not the last."""
    return [(math.log10(rate) + 1.5) ** 2 + (epoch - 2) ** 2 / 10 for epoch in range(5)]


def reporting(trial: optuna.Trial) -> float:
    rate, lowest = suggested(trial), math.inf
    if trial.number == 3:
        raise ArithmeticError("diverged")
    for epoch, loss in enumerate(losses(rate)):
        trial.report(loss, epoch)
        lowest = min(lowest, loss)
        if trial.should_prune():
            raise optuna.TrialPruned
    return lowest


def recorded(
    root: object, metric: str = "loss", scale: float = 1.0, **options: Any
) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        rate, seen = suggested(trial), []
        with legm_trial(trial, root, "e", metric=metric, **options) as handler:
            if trial.number == 3:
                raise ArithmeticError("diverged")
            for epoch, loss in enumerate(losses(rate)):
                seen.append(handler.set_metric(metric, scale * loss, step=epoch))
                trial.report(seen[-1], epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned(f"after epoch {epoch}")
        return min(seen) if scale > 0 else max(seen)

    return objective


def by_trial(found: list[RunResult]) -> dict[int, RunResult]:
    numbers = [one.run.configuration.parameters["optuna_trial"] for one in found]
    assert len({*numbers}) == len(found)
    return dict(zip(numbers, found, strict=True))


def assert_equal_parameters(found: RunResult, trial: optuna.trial.FrozenTrial) -> None:
    configuration = found.run.configuration
    assert {name: configuration.parameters[name] for name in configuration.active} == trial.params
    assert configuration.parameters["optuna_trial"] == trial.number


def assert_recorded(found: dict[int, RunResult], study: optuna.Study, metric: str) -> None:
    """Each trial is a run with all that the study knows of it, recorded by a block in the objective."""
    assert {*found} == {one.number for one in study.trials}
    for trial in study.trials:
        one = found[trial.number]
        assert_equal_parameters(one, trial)
        assert one.status is STATUS[trial.state.name]
        assert points(one, metric) == sorted(trial.intermediate_values.items())
        assert trial.user_attrs["legm run ids"] == [one.run.run_id]
