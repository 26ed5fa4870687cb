"""``mlflow.sklearn``: estimators as skops files, and their training logged by itself."""

from __future__ import annotations

import csv
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.autologging import TRAININGS, Autologging, given, loggable, replace
from legm.compat.mlflow.flavors import Flavor
from legm.compat.mlflow.scoring import SCORES
from legm.compat.mlflow.store import STORE
from legm.compat.mlflow.training import training_pictures, training_scores
from legm.compat.session import SESSION

__all__ = ["AUTOLOGGING", "autolog", "load_model", "log_model", "save_model"]

_FILE = "model.skops"
_PREPARING = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
)
_TRIALS = (
    "cross_validate",
    "cross_val_predict",
    "cross_val_score",
    "learning_curve",
    "permutation_test_score",
    "validation_curve",
)


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


def _wrap(sklearn: Any) -> None:
    del sklearn
    from sklearn.utils import all_estimators

    for _, kind in all_estimators():
        if kind.__module__.startswith(_PREPARING) or kind.__name__ == "ColumnTransformer":
            continue
        for name in ("fit", "fit_transform", "fit_predict"):
            AUTOLOGGING.wrap(kind, name, _fit)
        SCORES.of_class(kind)
    from sklearn import model_selection

    for name in _TRIALS:
        replace(model_selection, name, _unlogged)


def _unlogged(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with TRAININGS.inside(None, inner=False):
        return original(*args, **kwargs)


def _fit(original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    said = given(original, (model, *args), kwargs)
    _, data, labels, *_ = [*inspect.signature(original).parameters, "", ""]
    search = hasattr(model, "estimator") and hasattr(model, "cv")
    AUTOLOGGING.log_params(model.get_params(deep=not search))
    with AUTOLOGGING.apart("tags"):
        fluent.set_tags(_tags(model))
    fitted = original(model, *args, **kwargs)
    trained = said.get(data), said.get(labels), said.get("sample_weight")
    with AUTOLOGGING.apart("training scores"):
        AUTOLOGGING.log_metrics(training_scores(model, *trained))
    with AUTOLOGGING.apart("pictures of training scores"):
        for name, figure in training_pictures(model, *trained):
            fluent.log_figure(figure, name)
    if search:
        _log_search(model)
    if AUTOLOGGING.option("log_models", True):
        with AUTOLOGGING.apart("the model"):
            log_model(model, "model", registered_model_name=AUTOLOGGING.option("registered_model_name"))
    SCORES.fitted(AUTOLOGGING, model)
    return fitted


def _tags(model: Any) -> dict[str, str]:
    kind = type(model)
    return {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"}


def _log_search(search: Any) -> None:
    """Log what a search over parameters found, and a nested run for each of the best it tried."""
    if hasattr(search, "best_score_"):
        AUTOLOGGING.log_metrics({"best_cv_score": search.best_score_})
    if hasattr(search, "best_params_"):
        AUTOLOGGING.log_params({f"best_{name}": value for name, value in search.best_params_.items()})
    if AUTOLOGGING.option("log_models", True) and hasattr(search, "best_estimator_"):
        with AUTOLOGGING.apart("the best model"):
            log_model(search.best_estimator_, "best_estimator")
    with AUTOLOGGING.apart("what was tried"):
        _log_tried(search)


def _log_tried(search: Any) -> None:
    tried = search.cv_results_
    text = io.StringIO()
    csv.writer(text).writerows([list(tried), *zip(*tried.values(), strict=True)])
    fluent.log_text(text.getvalue(), "cv_results.csv")
    ranks = next(values for name, values in tried.items() if name.startswith("rank_test_"))
    most = AUTOLOGGING.option("max_tuning_runs", 5)
    base = search.estimator.get_params(deep=True)
    parent = STORE.run(fluent.run_id_of_active()).info
    experiment = STORE.by_id(parent.experiment_id).name
    for at in sorted(range(len(ranks)), key=lambda at: ranks[at])[:most]:
        tags = {"mlflow.parentRunId": parent.run_id, **_tags(search.estimator)}
        run_id = STORE.create_run(experiment, None, tags).key
        params = {**base, **tried["params"][at]}
        STORE.log_params(run_id, {name: loggable(value) for name, value in params.items()})
        numbers = {
            name: float(values[at])
            for name, values in tried.items()
            if not name.startswith(("param", "split"))
        }
        STORE.log_metrics(run_id, numbers, None)
        STORE.end(run_id, "FINISHED")


AUTOLOGGING = Autologging(
    "sklearn",
    ("log_input_examples", "log_model_signatures", "log_models", "log_datasets", "disable", "exclusive"),
    {"sklearn": _wrap},
)
autolog = AUTOLOGGING.autolog


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.null_object(f"mlflow.sklearn.{name}")
