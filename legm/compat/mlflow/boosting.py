"""What mlflow logs of gradient boosting, XGBoost's and LightGBM's alike.

Parameters of the training and of the call, each iteration's values, those of the best iteration once more
after the last one, the features' importances as files, and the model.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import Autologging, given
from legm.compat.mlflow.client import MlflowClient
from legm.compat.mlflow.models import ModelInfo
from legm.compat.mlflow.scoring import SCORES

__all__ = ["Boosting", "Rounds"]


class Rounds:
    """The values of each iteration, which are logged as they come.

    Args:
        autologging: whose.
    """

    def __init__(self, autologging: Autologging) -> None:
        self._autologging = autologging
        self.values: list[dict[str, float]] = []

    def take(self, values: dict[str, float], iteration: int) -> None:
        """Log one iteration's."""
        self.values.append(values)
        self._autologging.log_metrics(values, iteration)

    def log_best(self, stopped: int, best: int, values: dict[str, float]) -> None:
        """Log where training stopped, which iteration was the best, and its values after the last ones."""
        self._autologging.log_metrics({"stopped_iteration": stopped, "best_iteration": best})
        self._autologging.log_metrics(values, len(self.values))


class Boosting:
    """How one library's training is logged.

    Args:
        autologging: the library's.
        without: arguments of its ``train`` that are no parameters.
        callback: makes the library's callback that hands its values to the rounds.
        log_best: logs the best iteration, if training can stop early: the model, the arguments, the rounds.
        importances: by their kind, the importance of each feature in a model.
        log_model: keeps a model.
    """

    def __init__(
        self,
        autologging: Autologging,
        *,
        without: tuple[str, ...],
        callback: Callable[[Rounds], Any],
        log_best: Callable[[Any, Mapping[str, Any], Rounds], object],
        importances: Callable[[Any], Mapping[str, Mapping[str, float]]],
        log_model: Callable[..., ModelInfo],
    ) -> None:
        self._autologging = autologging
        self._without = {"params", "callbacks", *without}
        self._callback = callback
        self._log_best = log_best
        self._importances = importances
        self._log_model = log_model

    def wrap(self, library: Any, base: str) -> None:
        """Have a library's ``train`` be logged, and its estimators where scikit-learn is there.

        Args:
            library: the module.
            base: the name of the estimators' base class.
        """
        self._wrap_train(library, models=True)
        try:
            estimators = import_module(f"{library.__name__}.sklearn")
        except ImportError:
            return
        self._wrap_train(estimators, models=False)  # theirs are kept as what was fitted
        for kind in {one for one in vars(estimators).values() if isinstance(one, type)}:
            if issubclass(kind, getattr(estimators, base)):
                self._autologging.wrap(kind, "fit", self._fit, inner=True)
                SCORES.of_class(kind)

    def _wrap_train(self, module: Any, *, models: bool) -> None:
        def logged(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return self._train(original, args, kwargs, models=models)

        self._autologging.wrap(module, "train", logged)

    def _train(
        self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, models: bool
    ) -> Any:
        said = given(original, args, kwargs)
        rounds = Rounds(self._autologging)
        with self._autologging.apart("parameters"):
            self._autologging.log_params(dict(said["params"]))
            defaults = {one.name: one.default for one in inspect.signature(original).parameters.values()}
            self._autologging.log_params(
                {name: value for name, value in (defaults | said).items() if name not in self._without}
            )
        said["callbacks"] = [*(said.get("callbacks") or ()), self._callback(rounds)]
        model = original(**said)
        with self._autologging.apart("the best iteration"):
            self._log_best(model, said, rounds)
        for kind, importances in self._importances(model).items():
            with self._autologging.apart("importances"):
                _keep_importances(kind, importances)
        if models:
            self._keep_model(model)
        return model

    def _fit(self, original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        fitted = original(model, *args, **kwargs)
        self._keep_model(model)
        SCORES.fitted(self._autologging, model)
        return fitted

    def _keep_model(self, model: Any) -> None:
        if self._autologging.option("log_models", True):
            with self._autologging.apart("the model"):
                name = self._autologging.option("registered_model_name")
                self._log_model(model, "model", registered_model_name=name)


def _keep_importances(kind: str, importances: Mapping[str, float]) -> None:
    from matplotlib.figure import Figure

    client, run_id = MlflowClient(), fluent.run_id_of_active()
    client.log_text(run_id, json.dumps(importances), f"feature_importance_{kind}.json")
    rows = sorted(importances.items(), key=lambda row: row[1])
    figure = Figure(figsize=(6.4, 4.8 + 0.1 * max(len(rows) - 10, 0)), layout="tight")
    axes = figure.subplots()
    axes.barh([name for name, _ in rows], [value for _, value in rows], height=0.5)
    axes.set(xlabel="Importance", title=f"Feature Importance ({kind})")
    client.log_figure(run_id, figure, f"feature_importance_{kind}.png")
