"""Logs the scores that a script computes from the predictions of a model whose fit was logged.

The names are mlflow's: ``<metric>_<data>``, where the data has the name of the script's variable; the second
call of a metric in a run is ``<metric>-2_<data>``.
"""

from __future__ import annotations

import contextlib
import inspect
import numbers
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any

from legm.compat.import_callbacks import call_when_imported
from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import TRAINING_STACK, Autologging
from legm.compat.mlflow.tracking_store import STORE
from legm.integrations.wrapped_functions import wrap_function

__all__ = ["SCORE_WATCHER", "ScoreWatcher"]

_PREDICTIONS = ("predict", "predict_proba", "predict_log_proba", "transform")
_NO_METRICS = {"check_scoring", "get_scorer", "make_scorer", "get_scorer_names"}


class ScoreWatcher:
    """The models whose fit was logged, and their predictions."""

    def __init__(self) -> None:
        self._models: weakref.WeakKeyDictionary[Any, tuple[Autologging, str]] = weakref.WeakKeyDictionary()
        self._predictions: dict[int, tuple[Autologging, str, str]] = {}
        self._data: dict[tuple[str, str], list[int]] = {}
        self._calls: Counter[tuple[str, str]] = Counter()
        self._is_ignoring = self._is_watching = False

    def add_model(self, autologging: Autologging, model: Any) -> None:
        """Log the later scores of a model, whose fit was logged in the active run, to that run."""
        if autologging.option("log_post_training_metrics", True) and fluent.ACTIVE.runs:
            self._models[model] = autologging, fluent.ACTIVE.runs[-1]

    def watch_class(self, kind: type) -> None:
        """Watch the predictions and scores of a class of models, and scikit-learn's metrics."""
        if not self._is_watching:
            self._is_watching = True
            call_when_imported("sklearn.metrics", self._watch_metrics)
        for name in _PREDICTIONS:
            wrap_function(kind, name, self._predict)
        wrap_function(kind, "score", self._score)

    def _watch_metrics(self, module: ModuleType) -> None:
        for name in module.__all__:
            metric = getattr(module, name, None)
            if name not in _NO_METRICS and callable(metric) and not inspect.isclass(metric):
                wrap_function(module, name, self._metric)

    def _run_for(self, model: Any) -> tuple[Autologging, str] | None:
        if self._is_ignoring or not TRAINING_STACK.is_empty:
            return None
        found = None
        with contextlib.suppress(TypeError):  # a model that cannot be hashed
            found = self._models.get(model)
        return found if found is not None and found[0].is_on else None

    @contextlib.contextmanager
    def _ignoring_calls(self) -> Iterator[None]:
        """Ignore the calls inside: they are part of one call of the script."""
        before, self._is_ignoring = self._is_ignoring, True
        try:
            yield
        finally:
            self._is_ignoring = before

    def _predict(self, original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        found = self._run_for(model)
        if found is None:
            return original(model, *args, **kwargs)
        with self._ignoring_calls():
            result = original(model, *args, **kwargs)
        autologging, run_id = found
        with (
            autologging.report_errors("predictions"),
            contextlib.suppress(TypeError),
        ):  # a list has no finalizer
            weakref.finalize(result, self._predictions.pop, id(result), None).atexit = False
            data = next(iter((*args, *kwargs.values())), None)
            self._predictions[id(result)] = autologging, run_id, self._dataset_name(run_id, data)
        return result

    def _score(self, original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        found = self._run_for(model)
        if found is None:
            return original(model, *args, **kwargs)
        with self._ignoring_calls():
            score = original(model, *args, **kwargs)
        autologging, run_id = found
        with autologging.report_errors("a score"):
            data = self._dataset_name(run_id, next(iter((*args, *kwargs.values())), None))
            self._log(run_id, f"{type(model).__name__}_score", data, score)
        return score

    def _metric(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._is_ignoring or not TRAINING_STACK.is_empty:
            return original(*args, **kwargs)
        with self._ignoring_calls():
            score = original(*args, **kwargs)
        found = next(
            (self._predictions[id(one)] for one in (*args, *kwargs.values()) if id(one) in self._predictions),
            None,
        )
        if found is not None and found[0].is_on:
            autologging, run_id, data = found
            with autologging.report_errors("a score"):
                self._log(run_id, original.__name__, data, score)
        return score

    def _log(self, run_id: str, metric: str, data: str, score: Any) -> None:
        if type(score) is bool or not isinstance(score, numbers.Real):
            return
        self._calls[run_id, metric] += 1
        STORE.log_metrics(
            run_id, {f"{_numbered_score(metric, self._calls[run_id, metric])}_{data}": score}, None
        )

    def _dataset_name(self, run_id: str, data: Any) -> str:
        name = _scored_variable_name(data, inspect.currentframe())
        known = self._data.setdefault((run_id, name), [])
        if id(data) not in known:
            known.append(id(data))
        return _numbered_score(name, known.index(id(data)) + 1)


def _numbered_score(name: str, count: int) -> str:
    return name if count == 1 else f"{name}-{count}"


def _scored_variable_name(value: Any, frame: FrameType | None) -> str:
    """The name of a variable with this value, in the innermost frame that did not get it as an argument."""
    while frame is not None and value is not None:
        info = inspect.getargvalues(frame)
        passed = [info.locals.get(name) for name in info.args]
        passed += info.locals.get(info.varargs or "", ())
        passed += info.locals.get(info.keywords or "", {}).values()
        if not any(one is value for one in passed):
            names = (name for name, one in frame.f_locals.items() if one is value)
            return next(names, "unknown_dataset")
        frame = frame.f_back
    return "unknown_dataset"


SCORE_WATCHER = ScoreWatcher()
