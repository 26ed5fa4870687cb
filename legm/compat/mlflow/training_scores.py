"""What mlflow logs of a scikit-learn fit: scores on the training data, and figures of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from legm.compat.script_session import SESSION

__all__ = ["training_figures", "training_scores"]


def training_scores(model: Any, X: Any, y: Any, weight: Any) -> dict[str, float]:
    """The scores of a scikit-learn model on its training data."""
    if y is None:
        return {}
    from sklearn import metrics
    from sklearn.base import is_classifier, is_regressor

    found: dict[str, float] = {}

    def add_score(name: str, metric: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            found[f"training_{name}"] = metric(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the model may be of any kind
            SESSION.notices.report_unsupported(
                f"the training score {name} of {type(model).__name__}", str(error)
            )

    if is_classifier(model):
        predicted = model.predict(X)
        for name in ("precision", "recall", "f1"):
            metric = getattr(metrics, f"{name}_score")
            add_score(f"{name}_score", metric, y, predicted, average="weighted", sample_weight=weight)
        add_score("accuracy_score", metrics.accuracy_score, y, predicted, sample_weight=weight)
        if hasattr(model, "predict_proba"):
            probabilities = model.predict_proba(X)
            add_score("log_loss", metrics.log_loss, y, probabilities, sample_weight=weight)
            scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
            how = {"average": "weighted", "multi_class": "ovo", "sample_weight": weight}
            add_score("roc_auc", metrics.roc_auc_score, y, scores, **how)
    elif is_regressor(model):
        predicted = model.predict(X)
        for name in ("mean_squared_error", "mean_absolute_error", "r2_score"):
            add_score(name, getattr(metrics, name), y, predicted, sample_weight=weight)
        if "training_mean_squared_error" in found:
            found["training_root_mean_squared_error"] = found["training_mean_squared_error"] ** 0.5
    if hasattr(model, "score"):
        weighted = weight is not None and "sample_weight" in inspect.signature(model.score).parameters
        add_score("score", model.score, X, y, **({"sample_weight": weight} if weighted else {}))
    return found


def training_figures(model: Any, X: Any, y: Any, weight: Any) -> Iterator[tuple[str, Any]]:
    """The figures of a classifier by file name: the confusion matrix and, for two classes, the curves."""
    from sklearn.base import is_classifier

    if y is None or not is_classifier(model):
        return
    from matplotlib.figure import Figure
    from sklearn import metrics

    displays: dict[str, tuple[Any, dict[str, Any]]] = {
        "confusion_matrix": (metrics.ConfusionMatrixDisplay, {"normalize": "true", "cmap": "Blues"})
    }
    if len(set(y)) == 2 and (hasattr(model, "predict_proba") or hasattr(model, "decision_function")):
        displays["roc_curve"] = metrics.RocCurveDisplay, {}
        displays["precision_recall_curve"] = metrics.PrecisionRecallDisplay, {}
    for name, (display, options) in displays.items():
        figure = Figure(layout="tight")
        display.from_estimator(model, X, y, sample_weight=weight, ax=figure.subplots(), **options)
        yield f"training_{name}.png", figure
