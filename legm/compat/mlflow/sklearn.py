"""``mlflow.sklearn``: estimators as skops files, and autologging of their training."""

from __future__ import annotations

import csv
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import (
    TRAINING_STACK,
    Autologging,
    autologged_arguments,
    autologged_param_value,
)
from legm.compat.mlflow.flavors import Flavor
from legm.compat.mlflow.logged_models import ModelDescription
from legm.compat.mlflow.post_training_scores import SCORE_WATCHER
from legm.compat.mlflow.signed_models import SIGNED_MODEL_FILE, read_signed_model, write_signed_model
from legm.compat.mlflow.tracking_store import STORE
from legm.compat.mlflow.training_scores import training_figures, training_scores
from legm.compat.unknown_names import unknown_attribute
from legm.integrations.wrapped_functions import wrap_function

__all__ = ["AUTOLOGGING", "FLAVOR", "autolog", "load_model", "log_model", "save_model"]

_FILE = "model.skops"
_PREPROCESSING_MODULES = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
)
_CROSS_VALIDATION = (
    "cross_validate",
    "cross_val_predict",
    "cross_val_score",
    "learning_curve",
    "permutation_test_score",
    "validation_curve",
)


def _dump_mlflow_sklearn(model: Any, folder: Path) -> None:
    """The estimator as skops' file; signed too if skops is not installed or does not trust all types."""
    if not _is_dumped_by_skops(model, folder):
        write_signed_model(model, folder, "mlflow.sklearn")


def _is_dumped_by_skops(model: Any, folder: Path) -> bool:
    try:
        from skops.io import dump, get_untrusted_types
    except ImportError:
        return False
    try:
        dump(model, folder / _FILE)
        return not get_untrusted_types(file=folder / _FILE)
    except Exception:  # noqa: BLE001 - a step of a pipeline may be of any kind
        (folder / _FILE).unlink(missing_ok=True)
        return False


def _load_sklearn_estimator(folder: Path, description: ModelDescription, held: Any) -> Any:
    """The estimator by skops, if all its types are trusted; another one has to be signed by this user.

    What a file says is trusted for types of scikit-learn and what it needs alone.
    """
    del held
    named = description.options.get("skops_trusted_types") or ()
    trusted = [one for one in map(str, named) if one.partition(".")[0] in {"numpy", "scipy", "sklearn"}]
    if (folder / SIGNED_MODEL_FILE).is_file() and not _is_trusted_by_skops(folder, trusted):
        return read_signed_model(folder, description.kind)
    from skops.io import load

    return load(folder / _FILE, trusted=trusted)


def _is_trusted_by_skops(folder: Path, trusted: list[str]) -> bool:
    try:
        from skops.io import get_untrusted_types
    except ImportError:
        return False
    path = folder / _FILE
    return path.is_file() and set(get_untrusted_types(file=path)) <= set(trusted)


FLAVOR = Flavor(
    "sklearn", "sk_model", _dump_mlflow_sklearn, _load_sklearn_estimator, kept=("skops_trusted_types",)
)
log_model = FLAVOR.log_model
save_model = FLAVOR.save_model
load_model = FLAVOR.load_model


def _wrap_mlflow_sklearn(sklearn: Any) -> None:
    del sklearn
    from sklearn.utils import all_estimators

    for _, kind in all_estimators():
        if kind.__module__.startswith(_PREPROCESSING_MODULES) or kind.__name__ == "ColumnTransformer":
            continue
        for name in ("fit", "fit_transform", "fit_predict"):
            AUTOLOGGING.wrap(kind, name, _fit_mlflow_sklearn)
        SCORE_WATCHER.watch_class(kind)
    from sklearn import model_selection

    for name in _CROSS_VALIDATION:
        wrap_function(model_selection, name, _without_sklearn_autologging)


def _without_sklearn_autologging(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with TRAINING_STACK.enter(None, inner=False):
        return original(*args, **kwargs)


def _fit_mlflow_sklearn(original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    arguments = autologged_arguments(original, (model, *args), kwargs)
    _, data, labels, *_ = [*inspect.signature(original).parameters, "", ""]
    search = hasattr(model, "estimator") and hasattr(model, "cv")
    AUTOLOGGING.log_params(model.get_params(deep=not search))
    with AUTOLOGGING.report_errors("tags"):
        fluent.set_tags(_sklearn_estimator_tags(model))
    fitted = original(model, *args, **kwargs)
    training_data = arguments.get(data), arguments.get(labels), arguments.get("sample_weight")
    with AUTOLOGGING.report_errors("training scores"):
        AUTOLOGGING.log_metrics(training_scores(model, *training_data))
    with AUTOLOGGING.report_errors("figures of training scores"):
        for name, figure in training_figures(model, *training_data):
            fluent.log_figure(figure, name)
    if search:
        _log_sklearn_search(model)
    if AUTOLOGGING.option("log_models", True):
        with AUTOLOGGING.report_errors("the model"):
            log_model(model, "model", registered_model_name=AUTOLOGGING.option("registered_model_name"))
    SCORE_WATCHER.add_model(AUTOLOGGING, model)
    return fitted


def _sklearn_estimator_tags(model: Any) -> dict[str, str]:
    kind = type(model)
    return {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"}


def _log_sklearn_search(search: Any) -> None:
    """Log the result of a hyperparameter search, and a nested run for each of the best candidates."""
    if hasattr(search, "best_score_"):
        AUTOLOGGING.log_metrics({"best_cv_score": search.best_score_})
    if hasattr(search, "best_params_"):
        AUTOLOGGING.log_params({f"best_{name}": value for name, value in search.best_params_.items()})
    if AUTOLOGGING.option("log_models", True) and hasattr(search, "best_estimator_"):
        with AUTOLOGGING.report_errors("the best model"):
            log_model(search.best_estimator_, "best_estimator")
    with AUTOLOGGING.report_errors("the candidates"):
        _log_sklearn_search_candidates(search)


def _log_sklearn_search_candidates(search: Any) -> None:
    candidates = search.cv_results_
    text = io.StringIO()
    csv.writer(text).writerows([list(candidates), *zip(*candidates.values(), strict=True)])
    fluent.log_text(text.getvalue(), "cv_results.csv")
    ranks = next(values for name, values in candidates.items() if name.startswith("rank_test_"))
    most = AUTOLOGGING.option("max_tuning_runs", 5)
    base = search.estimator.get_params(deep=True)
    parent = STORE.run(fluent.active_run_id()).info
    experiment = parent.experiment_id
    for at in sorted(range(len(ranks)), key=lambda at: ranks[at])[:most]:
        tags = {"mlflow.parentRunId": parent.run_id, **_sklearn_estimator_tags(search.estimator)}
        run_id = STORE.create_run(experiment, None, tags).key
        params = {**base, **candidates["params"][at]}
        STORE.log_params(run_id, {name: autologged_param_value(value) for name, value in params.items()})
        numbers = {
            name: float(values[at])
            for name, values in candidates.items()
            if not name.startswith(("param", "split"))
        }
        STORE.log_metrics(run_id, numbers, None)
        STORE.end_run(run_id, "FINISHED")


AUTOLOGGING = Autologging(
    "sklearn",
    ("log_input_examples", "log_model_signatures", "log_models", "log_datasets", "disable", "exclusive"),
    {"sklearn": _wrap_mlflow_sklearn},
)
autolog = AUTOLOGGING.autolog


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.sklearn", name)
