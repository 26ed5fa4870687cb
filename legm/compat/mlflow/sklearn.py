"""``mlflow.sklearn``: estimators as skops files, and their training logged by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.flavors import Flavor
from legm.compat.mlflow.store import STORE
from legm.compat.session import SESSION

__all__ = ["autolog", "load_model", "log_model", "save_model"]

_FILE = "model.skops"


def _dump(model: Any, folder: Path) -> None:
    try:
        from skops.io import dump
    except ImportError as cause:
        raise ImportError(
            "scikit-learn has no file format of its own but pickle: install skops to keep its models"
        ) from cause
    dump(model, folder / _FILE)


_FLAVOR = Flavor("sklearn", "sk_model", _dump)
log_model = _FLAVOR.log_model
save_model = _FLAVOR.save_model


def load_model(model_uri: Any, dst_path: str | None = None) -> Any:
    """An estimator that was kept; types that skops does not know to be safe are refused."""
    from skops.io import load

    folder = Path(model_uri)
    if not folder.is_dir():
        folder = Path(download_artifacts(str(model_uri), dst_path=dst_path))
    return load(folder / _FILE)


class _Autolog:
    """Whether fits are logged, and what of them."""

    def __init__(self) -> None:
        self.on = False
        self.patched = False
        self.inside = False
        self.models = True


_AUTOLOG = _Autolog()


def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    disable: bool = False,
    **options: Any,
) -> None:
    """Log the parameters and the training scores of every estimator that is fitted from now on."""
    del log_input_examples, log_model_signatures, log_datasets, options
    _AUTOLOG.on, _AUTOLOG.models = not disable, log_models
    if _AUTOLOG.on and not _AUTOLOG.patched:
        _AUTOLOG.patched = True
        from sklearn.utils import all_estimators

        kinds = {kind for _, kind in all_estimators()}
        kinds |= {base for kind in kinds for base in kind.__mro__ if base.__module__.startswith("sklearn.")}
        for kind in kinds:
            if callable(vars(kind).get("fit")):
                kind.fit = _logged(kind.fit)


def _logged(fit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fit)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _AUTOLOG.on or _AUTOLOG.inside:
            return fit(self, *args, **kwargs)
        _AUTOLOG.inside = True
        begun = None if fluent.active_run() is not None else fluent.start_run()
        try:
            fluent.log_params({name: _short(value) for name, value in self.get_params(deep=True).items()})
            fluent.set_tags(
                {
                    "estimator_name": type(self).__name__,
                    "estimator_class": f"{type(self).__module__}.{type(self).__qualname__}",
                }
            )
            fitted = fit(self, *args, **kwargs)
            _log_scores(self, *args, **kwargs)
            if _AUTOLOG.models:
                log_model(self, "model")
        except BaseException:
            if begun is not None:
                fluent.end_run("FAILED")
            raise
        else:
            if begun is not None:
                fluent.end_run()
            return fitted
        finally:
            _AUTOLOG.inside = False

    return call


def _short(value: Any) -> Any:
    """A parameter's value: an estimator, or what holds one, as its text."""
    simple = (str, int, float, bool, type(None))
    if isinstance(value, simple) or (
        isinstance(value, (list, tuple)) and all(isinstance(one, simple) for one in value)
    ):
        return value
    return value if hasattr(value, "dtype") else str(value)


def _log_scores(model: Any, X: Any, y: Any = None, *_: Any, **kwargs: Any) -> None:
    """The scores on the data that the model was fitted to."""
    from sklearn import metrics
    from sklearn.base import is_classifier, is_regressor

    weight = kwargs.get("sample_weight")
    found: dict[str, float] = {}
    try:
        if y is not None and is_classifier(model):
            told = model.predict(X)
            for name in ("precision", "recall", "f1"):
                score = getattr(metrics, f"{name}_score")
                found[f"{name}_score"] = score(y, told, average="weighted", sample_weight=weight)
            found["accuracy_score"] = metrics.accuracy_score(y, told, sample_weight=weight)
            if hasattr(model, "predict_proba"):
                chances = model.predict_proba(X)
                found["log_loss"] = metrics.log_loss(y, chances, sample_weight=weight)
                scores = chances[:, 1] if chances.shape[1] == 2 else chances
                found["roc_auc"] = metrics.roc_auc_score(
                    y, scores, average="weighted", multi_class="ovo", sample_weight=weight
                )
        elif y is not None and is_regressor(model):
            told = model.predict(X)
            found["mean_squared_error"] = metrics.mean_squared_error(y, told, sample_weight=weight)
            found["root_mean_squared_error"] = found["mean_squared_error"] ** 0.5
            found["mean_absolute_error"] = metrics.mean_absolute_error(y, told, sample_weight=weight)
            found["r2_score"] = metrics.r2_score(y, told, sample_weight=weight)
        if hasattr(model, "score"):
            found["score"] = model.score(X, y)
    except (TypeError, ValueError, AttributeError) as error:
        SESSION.notices.miss(f"a training score of {type(model).__name__}", str(error))
    if hasattr(model, "best_score_"):  # a search over parameters
        fluent.log_metric("best_cv_score", model.best_score_)
        fluent.log_params({f"best_{name}": value for name, value in model.best_params_.items()})
    STORE.log_metrics(fluent.run_id_of_active(), {f"training_{k}": v for k, v in found.items()}, None)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.absorb(f"mlflow.sklearn.{name}")
