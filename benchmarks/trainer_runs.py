"""What a run costs with the integrations that make one of each fit, trial or job."""

from __future__ import annotations

import importlib
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.trainers import installed_trainers, ray_trial

__all__ = ["runs"]

_LOGGED = {"loss": 0.5, "accuracy": 0.25}


def _handler(folder: str) -> Callable[[int], object]:
    from legm import ExperimentHandler

    def recorded(_: int) -> None:
        handler = ExperimentHandler(folder, "handler")
        handler.set_param("lr", 0.1)
        handler.start()
        handler.set_dict_metrics(_LOGGED)
        handler.log()

    return recorded


def _sklearn(folder: str) -> Callable[[int], object]:
    """A fit and a score, which take a tenth of a millisecond without a record."""
    import numpy as np
    from sklearn.dummy import DummyRegressor

    from legm.integrations.sklearn import autolog

    model, data = DummyRegressor(), np.zeros((2, 1))

    def recorded(_: int) -> None:
        with autolog(folder, "sklearn"):
            model.fit(data, data[:, 0]).score(data, data[:, 0])

    return recorded


def _optuna(folder: str) -> Callable[[int], object]:
    import optuna

    from legm.integrations.optuna import LegmCallback

    study, callback = optuna.create_study(), LegmCallback(folder, "optuna")
    study.enqueue_trial({"lr": 0.1})
    study.tell(study.ask({"lr": optuna.distributions.FloatDistribution(0, 1)}), 0.5)
    return lambda _: callback(study, study.trials[0])


def _hydra(folder: str) -> Callable[[int], object]:
    from omegaconf import OmegaConf

    from legm.integrations.hydra import LegmCallback, job_handler

    config = OmegaConf.create({"lr": 0.1, "hydra": {"callbacks": {}}})
    callback, returned = LegmCallback(folder, "hydra"), SimpleNamespace(return_value=None)
    of_hydra = SimpleNamespace(callbacks=[callback])

    def recorded(_: int, callbacks: Any = of_hydra) -> None:  # noqa: ARG001 - as Hydra's own function
        callback.on_job_start(config)
        job_handler().set_dict_metrics(_LOGGED)
        callback.on_job_end(config, returned)

    return recorded


def _ray(folder: str) -> Callable[[int], object]:
    from legm.integrations.ray import LegmLoggerCallback

    callback = LegmLoggerCallback(folder, "ray")

    def recorded(number: int) -> None:
        trial = ray_trial(str(number))
        callback.log_trial_start(trial)
        callback.log_trial_result(1, trial, {**_LOGGED, "training_iteration": 1})
        callback.log_trial_end(trial)

    return recorded


_RUNS = {"sklearn": _sklearn, "optuna": _optuna, "hydra": _hydra, "ray": _ray}


def runs(folder: str, number: int, modules: Sequence[str] | None = None) -> dict[str, float]:
    """Median milliseconds of a run of each integration that makes runs itself, of one configuration.

    Args:
        folder: for the runs.
        number: how many runs are timed, after a first one.
        modules: which integrations; None for all whose library is installed. A handler's own run is always
            timed.
    """
    logging.getLogger("optuna").setLevel(logging.WARNING)
    found = {}
    for module, library in (("handler", "legm"), *((one[0], one[1]) for one in installed_trainers(modules))):
        if module != "handler" and module not in _RUNS:
            continue
        importlib.import_module(library)
        recorded = {"handler": _handler, **_RUNS}[module](str(Path(folder, module)))
        seconds = []
        for one in range(number + 1):
            began = time.perf_counter()
            recorded(one)
            seconds.append(time.perf_counter() - began)
        found[module] = statistics.median(seconds[1:]) * 1e3
    return {**found, "most": max(found.values())}
