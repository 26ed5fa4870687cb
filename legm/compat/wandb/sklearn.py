"""``wandb.sklearn``: the usual plots for scikit-learn, stored as the tables they are drawn from."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from legm.compat.script_session import SESSION
from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb import plot
from legm.compat.wandb.current_run import CURRENT_RUN
from legm.compat.wandb.errors import Error
from legm.compat.wandb.media import Chart, Table

__all__ = [
    "plot_calibration_curve",
    "plot_class_proportions",
    "plot_classifier",
    "plot_clusterer",
    "plot_confusion_matrix",
    "plot_elbow_curve",
    "plot_feature_importances",
    "plot_learning_curve",
    "plot_outlier_candidates",
    "plot_precision_recall",
    "plot_regressor",
    "plot_residuals",
    "plot_roc",
    "plot_silhouette",
    "plot_summary_metrics",
]


def _log_sklearn_chart(name: str, chart: Chart) -> None:
    if CURRENT_RUN.run is None:
        raise Error(f"you must call wandb.init() before wandb.sklearn draws the {name}")
    CURRENT_RUN.run.log({name: chart})


def _sklearn_label_texts(labels: Sequence[Any] | None) -> list[str] | None:
    return None if labels is None else [str(one) for one in labels]


def plot_confusion_matrix(y_true: Any, y_pred: Any, labels: Sequence[Any] | None = None, **_: Any) -> None:
    """The confusion matrix of predictions."""
    import numpy as np

    classes = np.unique(np.concatenate([np.asarray(y_true), np.asarray(y_pred)])).tolist()
    numbers = {one: i for i, one in enumerate(classes)}
    named = _sklearn_label_texts(labels)
    if named is None or len(named) != len(classes):
        named = [str(one) for one in classes]
    true, predicted = ([numbers[one] for one in np.asarray(y).tolist()] for y in (y_true, y_pred))
    _log_sklearn_chart(
        "confusion_matrix", plot.confusion_matrix(y_true=true, preds=predicted, class_names=named)
    )


def plot_roc(y_true: Any, y_probas: Any, labels: Sequence[Any] | None = None, **_: Any) -> None:
    """The ROC curve of each class."""
    _log_sklearn_chart("roc", plot.roc_curve(y_true, y_probas, _sklearn_label_texts(labels)))


def plot_precision_recall(y_true: Any, y_probas: Any, labels: Sequence[Any] | None = None, **_: Any) -> None:
    """The precision over the recall of each class."""
    _log_sklearn_chart("precision_recall", plot.pr_curve(y_true, y_probas, _sklearn_label_texts(labels)))


def plot_feature_importances(
    model: Any, feature_names: Sequence[Any] | None = None, title: str = "Feature Importance", **_: Any
) -> None:
    """The feature importances of a fitted model, or the absolute values of its coefficients."""
    import numpy as np

    if hasattr(model, "feature_importances_"):
        values = np.asarray(model.feature_importances_)
    elif hasattr(model, "coef_"):
        values = np.abs(np.atleast_2d(model.coef_)).mean(axis=0)
    else:
        SESSION.notices.report_unsupported(
            "wandb.sklearn.plot_feature_importances", "the model has no importances"
        )
        return
    named = list(feature_names) if feature_names is not None else []
    names = [*named[: len(values)], *range(len(named), len(values))]
    rows = sorted(
        ([str(name), float(value)] for name, value in zip(names, values, strict=True)),
        key=_sklearn_feature_importance,
        reverse=True,
    )
    _log_sklearn_chart(
        "feature_importances",
        plot.bar(Table(["feature", "importance"], rows), "feature", "importance", title),
    )


def _sklearn_feature_importance(row: list[Any]) -> float:
    return float(row[1])


def plot_class_proportions(y_train: Any, y_test: Any, labels: Sequence[Any] | None = None, **_: Any) -> None:
    """The number of examples of each class."""
    import numpy as np

    counts = {"train": Counter(np.asarray(y_train).tolist()), "test": Counter(np.asarray(y_test).tolist())}
    classes = sorted({*counts["train"], *counts["test"]})
    named = _sklearn_label_texts(labels)
    shown = named if named is not None and len(named) == len(classes) else [str(one) for one in classes]
    rows = [
        [name, which, by[one]]
        for which, by in counts.items()
        for one, name in zip(classes, shown, strict=True)
    ]
    _log_sklearn_chart(
        "class_proportions", plot.bar(Table(["class", "dataset", "count"], rows), "class", "count")
    )


def plot_summary_metrics(
    model: Any, X: Any = None, y: Any = None, X_test: Any = None, y_test: Any = None
) -> None:
    """The usual metrics of a fitted model on the test data."""
    from sklearn import metrics
    from sklearn.base import is_classifier

    predicted = model.predict(X if X_test is None else X_test)
    true = y if y_test is None else y_test
    if is_classifier(model):
        scores = {
            "accuracy_score": metrics.accuracy_score(true, predicted),
            "f1_score": metrics.f1_score(true, predicted, average="weighted"),
            "precision": metrics.precision_score(true, predicted, average="weighted"),
            "recall": metrics.recall_score(true, predicted, average="weighted"),
        }
    else:
        scores = {
            "mae": metrics.mean_absolute_error(true, predicted),
            "mse": metrics.mean_squared_error(true, predicted),
            "r2_score": metrics.r2_score(true, predicted),
        }
    rows = [[name, float(score)] for name, score in scores.items()]
    _log_sklearn_chart(
        "summary_metrics",
        plot.bar(Table(["metric_name", "metric_value"], rows), "metric_name", "metric_value"),
    )


def plot_residuals(model: Any, X: Any, y: Any) -> None:
    """The residuals over the predictions."""
    import numpy as np

    predicted = np.asarray(model.predict(X), float)
    rows = np.column_stack([predicted, np.asarray(y, float) - predicted]).tolist()
    _log_sklearn_chart(
        "residuals", plot.scatter(Table(["prediction", "residual"], rows), "prediction", "residual")
    )


def plot_learning_curve(
    model: Any,
    X: Any,
    y: Any,
    cv: Any = None,
    shuffle: bool = False,
    random_state: Any = None,
    **_: Any,
) -> None:
    """The cross-validated score over the number of examples."""
    from sklearn.model_selection import learning_curve

    sizes, train, test = learning_curve(model, X, y, cv=cv, shuffle=shuffle, random_state=random_state)[:3]
    rows = [
        [which, int(size), float(score)]
        for which, scores in (("train", train), ("test", test))
        for size, score in zip(sizes, scores.mean(axis=1), strict=True)
    ]
    _log_sklearn_chart(
        "learning_curve",
        plot.line(Table(["dataset", "train_size", "score"], rows), "train_size", "score", "dataset"),
    )


def plot_classifier(
    model: Any,
    X_train: Any,
    X_test: Any,
    y_train: Any,
    y_test: Any,
    y_pred: Any,
    y_probas: Any,
    labels: Sequence[Any] | None = None,
    is_binary: bool = False,
    model_name: str = "Classifier",
    feature_names: Sequence[Any] | None = None,
    log_learning_curve: bool = False,
) -> None:
    """All plots for a fitted classifier."""
    plot_feature_importances(model, feature_names)
    if log_learning_curve:
        plot_learning_curve(model, X_train, y_train)
    plot_confusion_matrix(y_test, y_pred, labels)
    plot_summary_metrics(model, X_train, y_train, X_test, y_test)
    plot_class_proportions(y_train, y_test, labels)
    plot_roc(y_test, y_probas, labels)
    plot_precision_recall(y_test, y_probas, labels)


def plot_regressor(
    model: Any,
    X_train: Any,
    X_test: Any,
    y_train: Any,
    y_test: Any,
    model_name: str = "Regressor",
) -> None:
    """All plots for a fitted regressor."""
    plot_summary_metrics(model, X_train, y_train, X_test, y_test)
    plot_residuals(model, X_test, y_test)


def plot_calibration_curve(clf: Any, X: Any, y: Any, clf_name: str = "Classifier", **_: Any) -> None:
    """The calibration curve of a binary classifier: calibrated in two ways, next to a logistic regression."""
    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV, calibration_curve
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    if not np.isin(np.asarray(y), (0, 1)).all():
        SESSION.notices.report_unsupported(
            "wandb.sklearn.plot_calibration_curve", "the labels are not 0 and 1"
        )
        return
    x_train, x_test, y_train, y_test = train_test_split(X, np.asarray(y), test_size=0.9, random_state=42)
    models = {
        "Logistic": LogisticRegression(C=1.0),
        f"{clf_name} Isotonic": CalibratedClassifierCV(clf, cv=2, method="isotonic"),
        f"{clf_name} Sigmoid": CalibratedClassifierCV(clf, cv=2, method="sigmoid"),
    }
    rows: list[list[Any]] = [["Perfectly calibrated", 0.0, 0.0], ["Perfectly calibrated", 1.0, 1.0]]
    for name, model in models.items():
        probabilities = model.fit(x_train, y_train).predict_proba(x_test)[:, 1]
        right, sure = calibration_curve(y_test, probabilities, n_bins=10)
        rows += [[name, float(a), float(b)] for a, b in zip(right, sure, strict=True)]
    x, y = "mean_predicted_value", "fraction_of_positives"
    _log_sklearn_chart("calibration_curve", plot.line(Table(["model", y, x], rows), x, y, "model"))


def plot_outlier_candidates(regressor: Any, X: Any, y: Any, **_: Any) -> None:
    """The influence of each example on a linear fit: Cook's distance."""
    import numpy as np

    x, true = np.asarray(X, dtype=float), np.asarray(y)
    leverage = (x * np.linalg.pinv(x).T).sum(axis=1)
    residuals = true - regressor.predict(X)
    mse = residuals @ residuals / (len(x) - np.linalg.matrix_rank(x))
    distances = residuals**2 / mse / x.shape[1] * leverage / (1 - leverage) ** 2
    rows = [[i, float(one)] for i, one in enumerate(distances)]
    table = Table(["instance", "distance"], rows)
    title = f"Influence threshold {4 / len(x):.4g}"
    _log_sklearn_chart("outlier_candidates", plot.scatter(table, "instance", "distance", title))


def plot_elbow_curve(clusterer: Any, X: Any, cluster_ranges: Sequence[int] | None = None, **_: Any) -> None:
    """The clustering error over the number of clusters."""
    from sklearn.base import clone

    rows = []
    for count in sorted(cluster_ranges or range(1, 10, 2)):
        began = time.perf_counter()
        error = abs(float(clone(clusterer).set_params(n_clusters=count).fit(X).score(X)))
        rows.append([count, error, time.perf_counter() - began])
    table = Table(["cluster_ranges", "errors", "clustering_time"], rows)
    _log_sklearn_chart("elbow_curve", plot.line(table, "cluster_ranges", "errors"))


def plot_silhouette(
    clusterer: Any, X: Any, cluster_labels: Any, labels: Any = None, metric: str = "euclidean", **_: Any
) -> None:
    """The silhouette value of each example, in each cluster from the lowest."""
    import numpy as np
    from sklearn.metrics import silhouette_samples

    clusters = np.asarray(cluster_labels)
    if len(clusters) != len(X):  # these are the names of the clusters
        clusters = np.asarray(clusterer.labels_)
    values = silhouette_samples(X, clusters, metric=metric)
    rows = [[str(clusters[i]), float(values[i])] for i in np.lexsort((values, clusters))]
    title = f"Silhouette, {values.mean():.4g} on average"
    _log_sklearn_chart(
        "silhouette_plot", plot.bar(Table(["cluster", "silhouette"], rows), "cluster", "silhouette", title)
    )


def plot_clusterer(
    model: Any, X_train: Any, cluster_labels: Any, labels: Any = None, model_name: str = "Clusterer"
) -> None:
    """All plots for fitted clusters; the elbow curve is for k-means only."""
    from sklearn.cluster import KMeans

    if isinstance(model, KMeans):
        plot_elbow_curve(model, X_train)
    plot_silhouette(model, X_train, cluster_labels, labels)


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.sklearn", name)
