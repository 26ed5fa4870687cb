"""Scores of a model whose fit was logged: what the script computes of its predictions is logged with its run.

As mlflow names them: ``<metric>_<data>``, where the data is called as the script calls what it predicted
from; the second call of a metric in a run is ``<metric>-2_<data>``.
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

from legm.compat.import_hooks import add_import_hook
from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import TRAININGS, Autologging, replace
from legm.compat.mlflow.store import STORE

__all__ = ["SCORES", "Scores"]

_PREDICTIONS = ("predict", "predict_proba", "predict_log_proba", "transform")
_NO_METRICS = {"check_scoring", "get_scorer", "make_scorer", "get_scorer_names"}


class Scores:
    """The models that were fitted here, and what they predicted."""

    def __init__(self) -> None:
        self._fitted: weakref.WeakKeyDictionary[Any, tuple[Autologging, str]] = weakref.WeakKeyDictionary()
        self._predictions: dict[int, tuple[Autologging, str, str]] = {}
        self._data: dict[tuple[str, str], list[int]] = {}
        self._calls: Counter[tuple[str, str]] = Counter()
        self._inside = self._watching = False

    def fitted(self, autologging: Autologging, model: Any) -> None:
        """Take the scores of a model, whose fit was logged in the active run, for that run."""
        if autologging.option("log_post_training_metrics", True) and fluent.ACTIVE.runs:
            self._fitted[model] = autologging, fluent.ACTIVE.runs[-1]

    def of_class(self, kind: type) -> None:
        """Watch the predictions and the scores of a class of models, and scikit-learn's metrics."""
        if not self._watching:
            self._watching = True
            add_import_hook("sklearn.metrics", self._of_metrics)
        for name in _PREDICTIONS:
            replace(kind, name, self._predict)
        replace(kind, "score", self._score)

    def _of_metrics(self, module: ModuleType) -> None:
        for name in module.__all__:
            metric = getattr(module, name, None)
            if name not in _NO_METRICS and callable(metric) and not inspect.isclass(metric):
                replace(module, name, self._metric)

    def _run_of(self, model: Any) -> tuple[Autologging, str] | None:
        if self._inside or not TRAININGS.none:
            return None
        found = None
        with contextlib.suppress(TypeError):  # a model that cannot be hashed
            found = self._fitted.get(model)
        return found if found is not None and found[0].on else None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """What is computed inside is a part of it, and not a score of the script's."""
        before, self._inside = self._inside, True
        try:
            yield
        finally:
            self._inside = before

    def _predict(self, original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        found = self._run_of(model)
        if found is None:
            return original(model, *args, **kwargs)
        with self._alone():
            result = original(model, *args, **kwargs)
        autologging, run_id = found
        with autologging.apart("predictions"), contextlib.suppress(TypeError):  # a list has no finalizer
            weakref.finalize(result, self._predictions.pop, id(result), None).atexit = False
            data = next(iter((*args, *kwargs.values())), None)
            self._predictions[id(result)] = autologging, run_id, self._name_of(run_id, data)
        return result

    def _score(self, original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        found = self._run_of(model)
        if found is None:
            return original(model, *args, **kwargs)
        with self._alone():
            score = original(model, *args, **kwargs)
        autologging, run_id = found
        with autologging.apart("a score"):
            data = self._name_of(run_id, next(iter((*args, *kwargs.values())), None))
            self._log(run_id, f"{type(model).__name__}_score", data, score)
        return score

    def _metric(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._inside or not TRAININGS.none:
            return original(*args, **kwargs)
        with self._alone():
            score = original(*args, **kwargs)
        found = next(
            (self._predictions[id(one)] for one in (*args, *kwargs.values()) if id(one) in self._predictions),
            None,
        )
        if found is not None and found[0].on:
            autologging, run_id, data = found
            with autologging.apart("a score"):
                self._log(run_id, original.__name__, data, score)
        return score

    def _log(self, run_id: str, metric: str, data: str, score: Any) -> None:
        if type(score) is bool or not isinstance(score, numbers.Real):
            return
        self._calls[run_id, metric] += 1
        STORE.log_metrics(run_id, {f"{_counted(metric, self._calls[run_id, metric])}_{data}": score}, None)

    def _name_of(self, run_id: str, data: Any) -> str:
        name = _called(data, inspect.currentframe())
        known = self._data.setdefault((run_id, name), [])
        if id(data) not in known:
            known.append(id(data))
        return _counted(name, known.index(id(data)) + 1)


def _counted(name: str, count: int) -> str:
    return name if count == 1 else f"{name}-{count}"


def _called(value: Any, frame: FrameType | None) -> str:
    """What a value is called where it was made: in the innermost frame that did not get it as an argument."""
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


SCORES = Scores()
