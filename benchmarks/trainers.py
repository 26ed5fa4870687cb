"""What the integrations cost a training: a call that logs, over a logger that does nothing; their import."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

__all__ = ["imports", "installed_trainers", "log_calls", "ray_trial"]

_CALLED = {"loss": 0.5, "accuracy": 0.25}
_RAY_RESULTS = (
    "date",
    "hostname",
    "iterations_since_restore",
    "node_ip",
    "pid",
    "time_since_restore",
    "time_this_iter_s",
    "time_total_s",
    "timestamp",
    "trial_id",
)
"""What Ray 2.60 adds to a result, beside the configuration and the iteration."""
_CODE = """
import importlib, json, sys, time
library, module, name = sys.argv[1:]
for one in library.split("+"):
    importlib.import_module(one)
began = time.process_time()
getattr(importlib.import_module(f"legm.integrations.{module}"), name)
print(json.dumps(time.process_time() - began))
"""
_LIBRARIES = {
    "lightning": ("pytorch_lightning", "LegmLogger"),
    "transformers": ("transformers.trainer_callback", "LegmCallback"),
    "accelerate": ("accelerate", "LegmTracker"),
    "keras": ("keras", "LegmCallback"),
    "xgboost": ("xgboost", "LegmCallback"),
    "lightgbm": ("lightgbm", "LegmCallback"),
    "catboost": ("catboost", "LegmCallback"),
    "sklearn": ("sklearn.model_selection", "autolog"),
    "optuna": ("optuna", "LegmCallback"),
    "hydra": ("hydra.experimental.callback", "LegmCallback"),
    "ray": ("ray.tune.logger", "LegmLoggerCallback"),
    "stable_baselines3": ("stable_baselines3", "LegmCallback"),
    "skorch": ("skorch.callbacks", "LegmCallback"),
    "fastai": ("fastai.learner", "LegmCallback"),
    "ignite": ("ignite.handlers.base_logger", "LegmLogger"),
}
"""By integration, what a training with the library imports, and the class of legm's."""


def installed_trainers(modules: Sequence[str] | None) -> Iterator[tuple[str, str, str]]:
    """The integrations whose library is installed: their module, what a training imports, and legm's class.

    Args:
        modules: which integrations; None for all.
    """
    for module, (library, name) in _LIBRARIES.items():
        wanted = modules is None or module in modules
        if wanted and importlib.util.find_spec(library.partition(".")[0]) is not None:
            yield module, library, name


def imports(rounds: int, modules: Sequence[str] | None = None) -> dict[str, float]:
    """Milliseconds of CPU of the import of each integration whose library is installed, and imported already.

    Args:
        rounds: in how many fresh processes each is imported; the quickest counts.
        modules: which integrations; None for all. What they share, without a library, is always measured.
    """
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles what it imports
    found = {}
    shared = ("training_run", "unittest.mock+pathlib", "TrainingRun")  # which trainers import anyway
    for module, library, name in (shared, *installed_trainers(modules)):
        command = [sys.executable, "-W", "ignore", "-c", _CODE, library, module, name]
        seconds = []
        for _ in range(rounds + 1):  # the first may compile
            done = subprocess.run(command, env=environment, check=True, capture_output=True, encoding="utf-8")
            seconds.append(json.loads(done.stdout.splitlines()[-1]))
        found[module] = min(seconds) * 1e3
    return {**found, "most": max(found.values())}


def _lightning(made: Any) -> tuple[Any, Callable[[int], object]]:
    logger = made("lightning")
    return logger, lambda step: logger.log_metrics(_CALLED, step)


def _transformers(made: Any) -> tuple[Any, Callable[[int], object]]:
    callback, state = made("transformers"), SimpleNamespace(global_step=0, is_world_process_zero=True)
    import transformers

    callback.on_train_begin(transformers.TrainingArguments(output_dir="", use_cpu=True), state, None)

    def called(step: int) -> None:
        state.global_step = step
        callback.on_log(None, state, None, logs=_CALLED)

    return callback, called


def _accelerate(made: Any) -> tuple[Any, Callable[[int], object]]:
    tracker = made("accelerate")
    return tracker, lambda step: tracker.log(_CALLED, step)


def _keras(made: Any) -> tuple[Any, Callable[[int], object]]:
    import keras

    callback = made("keras")
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback.set_model(model)
    callback.set_params({"epochs": 1, "steps": 1})
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    return callback, lambda step: callback.on_epoch_end(step, _CALLED)


def _shared(made: Any) -> tuple[Any, Callable[[int], object]]:
    from legm.integrations.trainer_parameters import TrainerParameters

    run = made("training_run")
    run.begin(TrainerParameters())
    return run, lambda step: run.log_metrics(_CALLED, step)


def _xgboost(made: Any) -> tuple[Any, Callable[[int], object]]:
    import numpy as np
    import xgboost

    callback, recorded = made("xgboost"), {"data": {name: [value] for name, value in _CALLED.items()}}
    model = xgboost.train({}, xgboost.DMatrix(np.zeros((2, 1)), np.zeros(2)), 1)
    callback.before_training(model)
    return callback, lambda step: callback.after_iteration(model, step, recorded)


def _lightgbm(made: Any) -> tuple[Any, Callable[[int], object]]:
    import lightgbm
    import numpy as np

    callback = made("lightgbm")
    data = lightgbm.Dataset(np.zeros((2, 1)), np.zeros(2), params={"verbosity": -1})
    model = lightgbm.train({"verbosity": -1}, data, 1)
    evaluated = [("data", name, value, False) for name, value in _CALLED.items()]
    whole = {"model": model, "params": {}, "begin_iteration": 0, "end_iteration": sys.maxsize}

    def called(step: int) -> None:
        callback(lightgbm.callback.CallbackEnv(**whole, iteration=step, evaluation_result_list=evaluated))

    return callback, called


def _catboost(made: Any) -> tuple[Any, Callable[[int], object]]:
    """The callback looks for the arguments of ``fit`` in its callers, as long as they exist."""

    class Fit:
        get_best_iteration = None
        is_fitted = staticmethod(bool)  # it is not
        callbacks = type("Callbacks", (), {})()  # the callback has a weak reference to it
        metrics = {"learn": {name: [value] for name, value in _CALLED.items()}}  # noqa: RUF012

        def call(self, step: int) -> None:
            params = {"callbacks": self.callbacks}
            callback.after_iteration(SimpleNamespace(iteration=step + len(params), metrics=self.metrics))

    callback = made("catboost")
    return callback, Fit().call


def _stable_baselines3(made: Any) -> tuple[Any, Callable[[int], object]]:
    from legm.integrations.stable_baselines3 import LegmOutputFormat
    from legm.integrations.trainer_parameters import TrainerParameters

    run = made("training_run", "TrainingRun")
    run.begin(TrainerParameters())
    output = LegmOutputFormat(run)
    return run, lambda step: output.write(_CALLED, {}, step)


def _skorch(made: Any) -> tuple[Any, Callable[[int], object]]:
    import skorch
    import torch

    callback = made("skorch")
    net = skorch.NeuralNetRegressor(torch.nn.Linear, module__in_features=1, module__out_features=1)
    callback.on_train_begin(net.initialize())
    row = dict(_CALLED)
    net = SimpleNamespace(history=[row])

    def called(step: int) -> None:
        row["epoch"] = step
        callback.on_epoch_end(net)

    return callback, called


def _fastai(made: Any) -> tuple[Any, Callable[[int], object]]:
    from fastai.learner import Learner
    from torch import nn, zeros
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(zeros(2, 1), zeros(2, 1)))
    learner = Learner(SimpleNamespace(train=loader, valid=loader, bs=1), nn.Linear(1, 1), nn.MSELoss())
    learner.create_opt()
    learner.n_epoch = 1
    callback = made("fastai")
    callback.learn = learner
    callback.before_fit()
    learner.recorder = SimpleNamespace(metric_names=[*_CALLED], log=[*_CALLED.values()])

    def called(step: int) -> None:
        learner.epoch = step
        callback.after_epoch()

    return callback, called


def _ignite(made: Any) -> tuple[Any, Callable[[int], object]]:
    from ignite.engine import Engine, Events

    from legm.integrations.ignite import OutputHandler

    logger, engine, at = made("ignite"), Engine(lambda *_: None), SimpleNamespace(step=0)
    engine.state.output = _CALLED
    handler = OutputHandler("data", output_transform=dict, global_step_transform=lambda *_: at.step)

    def called(step: int) -> None:
        at.step = step
        handler(engine, logger, Events.ITERATION_COMPLETED)

    return logger, called


def _optuna(made: Any) -> tuple[Any, Callable[[int], object]]:
    """What an objective calls."""
    import optuna

    study = optuna.create_study()
    trial = study.ask({"lr": optuna.distributions.FloatDistribution(0, 1)})
    recorded = made("optuna", "legm_trial", trial)
    handler = recorded.__enter__()
    return recorded, lambda step: handler.set_dict_metrics(_CALLED, step=step)


def _hydra(made: Any) -> tuple[Any, Callable[[int], object]]:
    """What a job calls that asks for its handler each time, which is found in the callers."""
    from omegaconf import OmegaConf

    from legm.integrations.hydra import job_handler

    callback = made("hydra")
    callback.on_job_start(OmegaConf.create({"lr": 0.1, "hydra": {"callbacks": {}}}))
    of_hydra = SimpleNamespace(callbacks=[callback])

    def job(step: int) -> None:
        job_handler().set_dict_metrics(_CALLED, step=step)

    def called(step: int, callbacks: Any = of_hydra) -> None:  # noqa: ARG001 - as Hydra's own function
        job(step)

    return callback, called


def _ray(made: Any) -> tuple[Any, Callable[[int], object]]:
    """What Ray calls with a result, to which it has added its own."""
    callback, trial = made("ray"), ray_trial("trial")
    callback.log_trial_start(trial)
    result = {**dict.fromkeys(_RAY_RESULTS, 1), "config": trial.config, "done": False, **_CALLED}

    def called(step: int) -> None:
        result["training_iteration"] = step + 1
        callback.log_trial_result(step, trial, result)

    return callback, called


def ray_trial(name: str) -> SimpleNamespace:
    """What the callback takes from a trial of Ray Tune."""
    return SimpleNamespace(
        trial_id=name,
        config={"lr": 0.1, "model": {"width": 8}},
        evaluated_params={"lr": 0.1},
        experiment_tag=name,
        experiment_dir_name="benchmark",
        should_stop=lambda _: False,
    )


def _sklearn(made: Any) -> tuple[Any, Callable[[int], object]]:
    """A fit that scikit-learn itself calls, as a forest fits its trees: it is watched, and not recorded."""
    from sklearn.base import BaseEstimator

    class Tree(BaseEstimator):  # type: ignore[misc]
        def fit(self, *_: Any) -> Tree:
            return self

    watched, tree = made("sklearn"), Tree()
    watched.__enter__()
    namespace: dict[str, Any] = {"__name__": "sklearn.ensemble", "tree": tree}
    exec("def called(step): tree.fit()", namespace)
    return watched, namespace["called"]


_CALLS = {
    "training_run": _shared,
    "lightning": _lightning,
    "transformers": _transformers,
    "accelerate": _accelerate,
    "keras": _keras,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "stable_baselines3": _stable_baselines3,
    "skorch": _skorch,
    "fastai": _fastai,
    "ignite": _ignite,
    "optuna": _optuna,
    "hydra": _hydra,
    "ray": _ray,
    "sklearn": _sklearn,
}


def log_calls(folder: str, calls: int, modules: Sequence[str] | None = None) -> dict[str, float]:
    """Microseconds of a call that logs two metrics through each integration whose library is installed.

    A logger that does nothing takes none of them. Of scikit-learn it is a fit that is watched and not
    recorded. What a trainer does around its loggers is not counted, nor how a boosting library records its
    evaluations, which it does without a callback too.

    Args:
        folder: for the runs.
        calls: how many are timed.
        modules: as for :func:`imports`.
    """
    os.environ["KERAS_BACKEND"] = "torch"
    found = {}
    shared = ("training_run", "unittest.mock", "TrainingRun")
    for module, library, name in (shared, *installed_trainers(modules)):
        if module not in _CALLS:
            continue
        importlib.import_module(library)

        def made(module: str, name: str = name, *first: Any) -> Any:
            of_legm = importlib.import_module(f"legm.integrations.{module}")
            return getattr(of_legm, name)(*first, folder, module)

        logger, called = _CALLS[module](made)
        called(0)  # begins the run
        began = time.perf_counter()
        for step in range(1, calls + 1):
            called(step)
        found[module] = (time.perf_counter() - began) / calls * 1e6
        del logger
    return {**found, "most": max(found.values())}
