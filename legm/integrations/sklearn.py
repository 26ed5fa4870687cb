"""Records what scikit-learn fits and scores: ``with autolog("results", "digits"):``."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from legm.integrations.estimator_parameters import estimator_parameters
from legm.integrations.lazy_classes import import_library_lazily, library_version
from legm.integrations.sklearn_calls import SklearnCall, watched_sklearn_calls
from legm.integrations.trainer_parameters import TrainerParameters
from legm.integrations.training_run import TrainingRun
from legm.util.given_paths import absolute_given_path

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["autolog"]

_CURVES = {
    "loss_curve_": "loss",
    "validation_scores_": "validation_score",
    "train_score_": "train_score",
    "validation_score_": "validation_score",
}
_SCORES = ("test_", "train_")


@contextlib.contextmanager
def autolog(
    root: str | os.PathLike[str] | ExperimentHandler, experiment: str | None = None, **options: Any
) -> Iterator[None]:
    """Record every fit, search and cross-validation with scikit-learn in a ``with`` block.

    Each fit of a model is a run, with the parameters of the estimator or pipeline, of which those that equal
    their defaults are inactive. ``score`` of it adds to the run: on data whose variable has ``test`` in its
    name as a test metric, with ``train`` as ``train_score``. A search with cross-validation
    (``GridSearchCV``, …), ``cross_validate`` and ``cross_val_score`` have a run for each candidate and fold.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`. A handler that
            was not started begins as many configurations as there are fitted; one that was started is filled
            with the scores.

    Raises:
        LegmError: scikit-learn is missing, or an option is invalid.
    """
    import_library_lazily("sklearn", "scikit-learn", "autolog")
    TrainingRun(root, experiment, **options)  # raises for what is invalid
    recorder = _SklearnFitRecorder(root, experiment, options)
    with watched_sklearn_calls(recorder.take):
        try:
            yield
        finally:
            recorder.finish()


class _SklearnFitRecorder:
    """Makes runs of calls."""

    def __init__(self, root: Any, experiment: str | None, options: Mapping[str, Any]) -> None:
        self._root: Any = absolute_given_path(root) if isinstance(root, (str, os.PathLike)) else root
        self._experiment, self._options = experiment, options
        self._is_filled = experiment is None and root.has_started  # a handler of the user's
        self._template = root.unstarted_copy() if experiment is None and not self._is_filled else None
        self._runs: weakref.WeakKeyDictionary[Any, TrainingRun] = weakref.WeakKeyDictionary()

    def take(self, call: SklearnCall) -> None:
        """Record a call that has returned, or raised."""
        if call.error is not None:
            self._begin(call.estimator).fail(call.error)
        elif call.name == "score":
            self._score(call)
        elif call.name == "cross_validate":
            names = [name for name in call.result if name.startswith(_SCORES)]
            folds = len(call.result[names[0]])
            for fold in range(folds):
                self._fold(call.estimator, fold, folds, {name: call.result[name][fold] for name in names})
        elif isinstance(getattr(call.estimator, "cv_results_", None), Mapping):
            self._search(call.estimator)
        else:
            self._fit(call.estimator)

    def _fit(self, estimator: Any) -> None:
        run = self._runs[estimator] = self._begin(estimator)
        model = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        for attribute, name in _CURVES.items():
            values = getattr(model, attribute, None)
            for step, value in enumerate(values if values is not None else ()):
                run.log_metrics({name: value}, step)
        scores = getattr(model, "validation_scores_", None)
        if scores is not None and len(scores):
            run.set_best_step(max(range(len(scores)), key=scores.__getitem__))
        run.complete()

    def _score(self, call: SklearnCall) -> None:
        run = self._runs.get(call.estimator)
        if run is None and (best := getattr(call.estimator, "best_estimator_", None)) is not None:
            run = self._runs[call.estimator] = self._begin(best)
        if run is not None:  # else it was fitted before the block
            words = call.data.lower().replace("_", " ").split()
            kind = next((one for one in ("test", "train") if any(one in word for word in words)), "")
            run.log_metrics({"train_score" if kind == "train" else "score": call.result}, test=kind == "test")
            run.complete()

    def _search(self, search: Any) -> None:
        sklearn = import_library_lazily("sklearn.base", "scikit-learn", "autolog")
        results, folds = search.cv_results_, search.n_splits_
        for number, parameters in enumerate(results["params"]):
            candidate = sklearn.clone(search.estimator).set_params(**parameters)
            more = {"n_resources": results["n_resources"][number]} if "n_resources" in results else {}
            for fold in range(folds):
                start = f"split{fold}_"
                names = [name for name in results if name.startswith(tuple(start + kind for kind in _SCORES))]
                scores = {name.removeprefix(start): results[name][number] for name in names}
                self._fold(candidate, fold, folds, scores, more)

    def _fold(
        self,
        estimator: Any,
        fold: int,
        folds: int,
        scores: Mapping[str, Any],
        more: Mapping[str, Any] | None = None,
    ) -> None:
        run = self._begin(estimator, {"fold": fold, "folds": folds, **(more or {})})
        run.log_metrics({name.removeprefix("test_"): value for name, value in scores.items()})
        run.complete()

    def _begin(self, estimator: Any, more: Mapping[str, Any] | None = None) -> TrainingRun:
        root = self._root
        if self._template is not None and root.has_started:
            root = self._template.unstarted_copy()
        run = TrainingRun(root, self._experiment, **self._options)
        found = estimator_parameters(estimator, library_version("sklearn"))
        if self._is_filled:
            run.begin(TrainerParameters())
        else:
            uncompared = [*found.uncompared, *(name for name in more or () if name == "fold")]
            run.begin(replace(found, values={**found.values, **(more or {})}, uncompared=uncompared))
        return run

    def finish(self) -> None:
        """End the runs of the block."""
        for run in [*self._runs.values()]:
            run.end("completed")
