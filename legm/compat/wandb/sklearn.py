"""``wandb.sklearn``: W&B's plots for scikit-learn, each a row of the run, stored as the tables behind them.

What W&B draws nothing for, such as a model that is not fitted, is reported, and makes no row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from legm.compat.script_session import SESSION
from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb import plot, sklearn_tables
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


_MODEL, _CLASSIFIER, _REGRESSOR = "classifier or regressor", "classifier", "regressor"


def _log_sklearn_chart(name: str, chart: Chart | None) -> None:
    """Log a chart; one that cannot be drawn of this model is a row too."""
    if CURRENT_RUN.run is None:
        raise Error(f"you must call wandb.init() before wandb.sklearn draws the {name}")
    CURRENT_RUN.run.log({name: chart})


def _is_sklearn_drawable(
    plotted: str,
    model: Any,
    kind: str,
    features: Sequence[Any] = (),
    others: Sequence[Any] = (),
    *,
    is_fitted: bool = True,
) -> bool:
    """Whether W&B draws something of these arguments; else the reason is reported."""
    from sklearn.base import is_classifier, is_regressor

    reason = None
    if any(one is None for one in (model, *features, *others)):
        reason = "an argument is None"
    elif not ((kind != _REGRESSOR and is_classifier(model)) or (kind != _CLASSIFIER and is_regressor(model))):
        reason = f"the model is not a {kind}"
    elif not all(map(sklearn_tables.has_numbers_alone, features)):
        reason = "the features have missing values, or values that are not numbers"
    elif is_fitted and not sklearn_tables.is_fitted_model(model):
        reason = "the model is not fitted"
    if reason is not None:
        SESSION.notices.report_unsupported(f"wandb.sklearn.{plotted}", reason)
    return reason is None


def plot_confusion_matrix(
    y_true: Any = None,
    y_pred: Any = None,
    labels: Sequence[Any] | None = None,
    true_labels: Any = None,
    pred_labels: Any = None,
    normalize: bool = False,
) -> None:
    """The confusion matrix of predictions."""
    table = sklearn_tables.confusion_table(y_true, y_pred, labels, normalize=normalize)
    _log_sklearn_chart("confusion_matrix", Chart("confusion_matrix", table))


def plot_roc(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[Any] | None = None,
    plot_micro: bool = True,
    plot_macro: bool = True,
    classes_to_plot: Sequence[Any] | None = None,
) -> None:
    """The ROC curve of each class."""
    _log_sklearn_chart("roc", plot.roc_curve(y_true, y_probas, labels, classes_to_plot))


def plot_precision_recall(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[Any] | None = None,
    plot_micro: bool = True,
    classes_to_plot: Sequence[Any] | None = None,
) -> None:
    """The precision over the recall of each class."""
    _log_sklearn_chart("precision_recall", plot.pr_curve(y_true, y_probas, labels, classes_to_plot))


def plot_feature_importances(
    model: Any = None,
    feature_names: Sequence[Any] | None = None,
    title: str = "Feature Importance",
    max_num_features: int = 50,
) -> None:
    """The feature importances of a fitted model, or its coefficients."""
    if not _is_sklearn_drawable("plot_feature_importances", model, _MODEL):
        return
    table = sklearn_tables.importance_table(model, feature_names)
    if table is None:
        SESSION.notices.report_unsupported(
            "wandb.sklearn.plot_feature_importances", "the model has not one importance for each feature"
        )
    chart = None if table is None else plot.bar(table, "feature_names", "importances", title)
    _log_sklearn_chart("feature_importances", chart)


def plot_class_proportions(
    y_train: Any = None, y_test: Any = None, labels: Sequence[Any] | None = None
) -> None:
    """The number of examples of each class."""
    if y_train is None or y_test is None:
        SESSION.notices.report_unsupported("wandb.sklearn.plot_class_proportions", "an argument is None")
        return
    table = sklearn_tables.class_proportion_table(y_train, y_test, labels)
    _log_sklearn_chart("class_proportions", plot.bar(table, "class", "count"))


def plot_summary_metrics(
    model: Any = None, X: Any = None, y: Any = None, X_test: Any = None, y_test: Any = None
) -> None:
    """The usual metrics of a fitted model on the test data."""
    if _is_sklearn_drawable("plot_summary_metrics", model, _MODEL, (X, X_test), (y, y_test)):
        table = sklearn_tables.summary_metric_table(model, X_test, y_test)
        _log_sklearn_chart("summary_metrics", plot.bar(table, "metric_name", "metric_value"))


def plot_learning_curve(
    model: Any = None,
    X: Any = None,
    y: Any = None,
    cv: Any = None,
    shuffle: bool = False,
    random_state: Any = None,
    train_sizes: Any = None,
    n_jobs: int = 1,
    scoring: Any = None,
) -> None:
    """The cross-validated score over the number of examples."""
    import numpy as np

    if not _is_sklearn_drawable("plot_learning_curve", model, _MODEL, (X,), (y,), is_fitted=False):
        return
    options = {"cv": cv, "shuffle": shuffle, "random_state": random_state}
    options |= {"n_jobs": n_jobs, "scoring": scoring}
    sizes = np.linspace(0.1, 1.0, 5) if train_sizes is None else train_sizes
    table = sklearn_tables.learning_curve_table(model, X, np.asarray(y), train_sizes=sizes, **options)
    _log_sklearn_chart("learning_curve", plot.line(table, "train_size", "score", "dataset"))


def plot_calibration_curve(
    clf: Any = None, X: Any = None, y: Any = None, clf_name: str = "Classifier"
) -> None:
    """The calibration curve of a binary classifier: calibrated in two ways, next to a logistic regression."""
    import numpy as np

    if not _is_sklearn_drawable("plot_calibration_curve", clf, _CLASSIFIER, (X,), (y,)):
        return
    labels = np.asarray(y)
    if labels.dtype.kind == "U" or not np.isin(labels, (0, 1)).all():
        SESSION.notices.report_unsupported(
            "wandb.sklearn.plot_calibration_curve", "the labels are not 0 and 1"
        )
        return
    table = sklearn_tables.calibration_table(clf, X, labels, clf_name)
    chart = plot.line(table, "mean_predicted_value", "fraction_of_positives", "model")
    _log_sklearn_chart("calibration_curve", chart)


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
    """All plots for a fitted classifier, in W&B's order."""
    from sklearn.naive_bayes import MultinomialNB

    if not isinstance(model, MultinomialNB):
        plot_feature_importances(model, feature_names)
    if log_learning_curve:
        plot_learning_curve(model, X_train, y_train)
    plot_confusion_matrix(y_test, y_pred, labels)
    plot_summary_metrics(model, X_train, y_train, X_test, y_test)
    plot_class_proportions(y_train, y_test, labels)
    if not isinstance(model, MultinomialNB):
        plot_calibration_curve(model, X_train, y_train, model_name)
    plot_roc(y_test, y_probas, labels)
    plot_precision_recall(y_test, y_probas, labels)


def _plot_of_regressor(
    name: str, make: Callable[[Any, Any, Any], Table], x: str, y: str, regressor: Any, X: Any, values: Any
) -> None:
    import numpy as np

    if _is_sklearn_drawable(f"plot_{name}", regressor, _REGRESSOR, (X,), (values,)):
        _log_sklearn_chart(name, plot.scatter(make(regressor, X, np.asarray(values)), x, y))


def plot_outlier_candidates(regressor: Any = None, X: Any = None, y: Any = None) -> None:
    """The influence of each example on a linear fit: Cook's distance."""
    columns = ("instance_indicies", "distance")
    _plot_of_regressor("outlier_candidates", sklearn_tables.outlier_table, *columns, regressor, X, y)


def plot_residuals(regressor: Any = None, X: Any = None, y: Any = None) -> None:
    """The residuals over the predictions, for data that the regressor is fitted to and for other data."""
    _plot_of_regressor("residuals", sklearn_tables.residual_table, "y_pred", "residuals", regressor, X, y)


def plot_regressor(
    model: Any,
    X_train: Any,
    X_test: Any,
    y_train: Any,
    y_test: Any,
    model_name: str = "Regressor",
) -> None:
    """All plots for a fitted regressor, in W&B's order."""
    plot_summary_metrics(model, X_train, y_train, X_test, y_test)
    plot_learning_curve(model, X_train, y_train)
    plot_outlier_candidates(model, X_train, y_train)
    plot_residuals(model, X_train, y_train)


def plot_elbow_curve(
    clusterer: Any = None,
    X: Any = None,
    cluster_ranges: Sequence[int] | None = None,
    n_jobs: int = 1,
    show_cluster_time: bool = True,
) -> None:
    """The clustering error over the number of clusters."""
    if not hasattr(clusterer, "n_clusters") or not sklearn_tables.is_fitted_model(clusterer):
        SESSION.notices.report_unsupported(
            "wandb.sklearn.plot_elbow_curve", "it is not a fitted clusterer with a number of clusters"
        )
        return
    table = sklearn_tables.elbow_table(clusterer, X, sorted(cluster_ranges or range(1, 10, 2)))
    _log_sklearn_chart("elbow_curve", plot.line(table, "cluster_ranges", "errors"))


def plot_silhouette(
    clusterer: Any = None,
    X: Any = None,
    cluster_labels: Any = None,
    labels: Any = None,
    metric: str = "euclidean",
    kmeans: bool = True,
) -> None:
    """The silhouette value of each example, in each cluster from the lowest."""
    import numpy as np

    if getattr(clusterer, "_estimator_type", None) != "clusterer":  # that is how W&B recognizes one
        SESSION.notices.report_unsupported(
            "wandb.sklearn.plot_silhouette", "W&B draws none for clusterers of this version of scikit-learn"
        )
        return
    clusters = np.asarray(cluster_labels)
    if len(clusters) != len(X):  # these are the names of the clusters
        clusters = np.asarray(clusterer.labels_)
    are_numbers = clusters.dtype.kind in "iu"
    centers = getattr(clusterer, "cluster_centers_", None) if kmeans and are_numbers else None
    table = sklearn_tables.silhouette_table(X, clusters, metric, centers)
    _log_sklearn_chart("silhouette_plot", plot.bar(table, "color_sil", "x2"))


def plot_clusterer(
    model: Any, X_train: Any, cluster_labels: Any, labels: Any = None, model_name: str = "Clusterer"
) -> None:
    """All plots for fitted clusters; the elbow curve is for k-means only."""
    from sklearn.cluster import KMeans

    is_kmeans = isinstance(model, KMeans)
    if is_kmeans:
        plot_elbow_curve(model, X_train)
    plot_silhouette(model, X_train, cluster_labels, labels, kmeans=is_kmeans)


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.sklearn", name)
