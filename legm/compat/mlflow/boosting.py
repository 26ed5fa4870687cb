"""What mlflow logs of gradient boosting, for XGBoost and LightGBM alike.

It logs the parameters of the training and of the call, the values of each iteration, the values of the best
iteration again after the last one, the feature importances as files, and the model.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import Autologging, autologged_arguments
from legm.compat.mlflow.client import MlflowClient
from legm.compat.mlflow.logged_models import ModelInfo
from legm.compat.mlflow.post_training_scores import SCORE_WATCHER

__all__ = ["BoostingLogger", "BoostingRounds"]


class BoostingRounds:
    """The values of each boosting round, logged as they arrive.

    Args:
        autologging: the library's autologging.
    """

    def __init__(self, autologging: Autologging) -> None:
        self._autologging = autologging
        self.values: list[dict[str, float]] = []

    def log_round(self, values: dict[str, float], iteration: int) -> None:
        """Log the values of one iteration."""
        self.values.append(values)
        self._autologging.log_metrics(values, iteration)

    def log_best(self, stopped: int, best: int, values: dict[str, float]) -> None:
        """Log where training stopped and which iteration was best, and its values after the last ones."""
        self._autologging.log_metrics({"stopped_iteration": stopped, "best_iteration": best})
        self._autologging.log_metrics(values, len(self.values))


class BoostingLogger:
    """Logs the training of one library.

    Args:
        autologging: the library's autologging.
        excluded: arguments of its ``train`` that are not parameters.
        callback: creates the library's callback that passes values to the rounds.
        log_best: logs the best iteration if training stops early, from the model, the arguments and the
            rounds.
        importances: returns the feature importances of a model, by kind and feature.
        log_model: stores a model.
    """

    def __init__(
        self,
        autologging: Autologging,
        *,
        excluded: tuple[str, ...],
        callback: Callable[[BoostingRounds], Any],
        log_best: Callable[[Any, Mapping[str, Any], BoostingRounds], object],
        importances: Callable[[Any], Mapping[str, Mapping[str, float]]],
        log_model: Callable[..., ModelInfo],
    ) -> None:
        self._autologging = autologging
        self._excluded = {"params", "callbacks", *excluded}
        self._callback = callback
        self._log_best = log_best
        self._importances = importances
        self._log_model = log_model

    def wrap(self, library: Any, base: str) -> None:
        """Log a library's ``train``, and its estimators if scikit-learn is installed.

        Args:
            library: the library's module.
            base: the name of the estimators' base class.
        """
        self._wrap_train(library, models=True)
        try:
            estimators = import_module(f"{library.__name__}.sklearn")
        except ImportError:
            return
        self._wrap_train(estimators, models=False)  # the fitted estimator is logged instead
        for kind in {one for one in vars(estimators).values() if isinstance(one, type)}:
            if issubclass(kind, getattr(estimators, base)):
                self._autologging.wrap(kind, "fit", self._fit, inner=True)
                SCORE_WATCHER.watch_class(kind)

    def _wrap_train(self, module: Any, *, models: bool) -> None:
        def logged(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return self._train(original, args, kwargs, models=models)

        self._autologging.wrap(module, "train", logged)

    def _train(
        self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, models: bool
    ) -> Any:
        arguments = autologged_arguments(original, args, kwargs)
        rounds = BoostingRounds(self._autologging)
        with self._autologging.report_errors("parameters"):
            self._autologging.log_params(dict(arguments["params"]))
            defaults = {one.name: one.default for one in inspect.signature(original).parameters.values()}
            self._autologging.log_params(
                {name: value for name, value in (defaults | arguments).items() if name not in self._excluded}
            )
        arguments["callbacks"] = [*(arguments.get("callbacks") or ()), self._callback(rounds)]
        model = original(**arguments)
        with self._autologging.report_errors("the best iteration"):
            self._log_best(model, arguments, rounds)
        for kind, importances in self._importances(model).items():
            with self._autologging.report_errors("importances"):
                _log_boosting_importances(kind, importances)
        if models:
            self._log_fitted_model(model)
        return model

    def _fit(self, original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        fitted = original(model, *args, **kwargs)
        self._log_fitted_model(model)
        SCORE_WATCHER.add_model(self._autologging, model)
        return fitted

    def _log_fitted_model(self, model: Any) -> None:
        if self._autologging.option("log_models", True):
            with self._autologging.report_errors("the model"):
                name = self._autologging.option("registered_model_name")
                self._log_model(model, "model", registered_model_name=name)


def _log_boosting_importances(kind: str, importances: Mapping[str, float]) -> None:
    from matplotlib.figure import Figure

    client, run_id = MlflowClient(), fluent.active_run_id()
    client.log_text(run_id, json.dumps(importances), f"feature_importance_{kind}.json")
    rows = sorted(importances.items(), key=lambda row: row[1])
    figure = Figure(figsize=(6.4, 4.8 + 0.1 * max(len(rows) - 10, 0)), layout="tight")
    axes = figure.subplots()
    axes.barh([name for name, _ in rows], [value for _, value in rows], height=0.5)
    axes.set(xlabel="Importance", title=f"Feature Importance ({kind})")
    client.log_figure(run_id, figure, f"feature_importance_{kind}.png")
