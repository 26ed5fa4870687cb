"""The tables behind the charts of ``wandb.sklearn``, with W&B's columns, order of rows and rounding.

Some of W&B's plots fit the model again or split the data at random. So do these, in the same order: what a
script computes afterwards, with the model or with random numbers, is what it is with W&B.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from legm.compat.wandb.media import Table

__all__ = [
    "calibration_table",
    "class_names",
    "class_proportion_table",
    "confusion_table",
    "elbow_table",
    "has_numbers_alone",
    "importance_table",
    "is_fitted_model",
    "learning_curve_table",
    "outlier_table",
    "residual_table",
    "silhouette_table",
    "summary_metric_table",
]

_LIMIT = 1001
"""The most rows of a chart: W&B stops behind the one that exceeds 1,000."""
_RESIDUALS_LIMIT = 101
_IMPORTANCES = ("feature_importances_", "feature_log_prob_", "coef_")


def is_fitted_model(model: Any) -> bool:
    """Whether a model does not say that it is not fitted.

    Args:
        model: of scikit-learn, or like it.
    """
    import numpy as np
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if hasattr(model, "predict"):
                model.predict(np.zeros((7, 3)))
            else:
                check_is_fitted(model)
    except NotFittedError:
        return False
    except Exception:  # noqa: BLE001 - it is fitted, and to other data
        return True
    return True


def has_numbers_alone(features: Any) -> bool:
    """Whether features have no missing value, and none that is not a number.

    Args:
        features: an array, a sparse one, a data frame or a list.
    """
    import numpy as np

    values = features.toarray() if hasattr(features, "toarray") else np.asarray(features)
    if values.dtype.kind in "iufc":
        return not np.isnan(values).any()
    if values.dtype.kind != "O":
        return False
    kinds = (int, float, complex, np.number)
    return all(isinstance(one, kinds) and not np.isnan(one) for one in values.ravel().tolist())


def class_names(classes: Sequence[Any], labels: Sequence[Any] | None) -> list[Any]:
    """The names of classes: labels by the number of the class, else by its position, else the class itself.

    Args:
        classes: the classes in order, as plain values.
        labels: the script's names; of another number than the classes, they need not fit.
    """
    names = [] if labels is None else [str(one) for one in labels]
    if all(isinstance(one, int) and 0 <= one < len(names) for one in classes):
        return [names[one] for one in classes]
    return names if len(names) == len(classes) else list(classes)


def confusion_table(y_true: Any, y_pred: Any, labels: Sequence[Any] | None, *, normalize: bool) -> Table:
    """How often each class was predicted for each one; W&B's chart has the two columns exchanged.

    Args:
        y_true: the classes.
        y_pred: the predicted ones.
        labels: the names of the classes.
        normalize: whether they are fractions of each class.
    """
    import numpy as np
    from sklearn.metrics import confusion_matrix

    classes = np.unique(np.concatenate([np.asarray(y_true), np.asarray(y_pred)])).tolist()
    names = class_names(classes, labels)
    counts = confusion_matrix(y_true, y_pred)
    if normalize:
        counts = np.nan_to_num(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).round(2)
    pairs = product(range(len(classes)), repeat=2)
    rows = [[names[predicted], names[true], counts[true, predicted].item()] for true, predicted in pairs]
    return Table(["Predicted", "Actual", "Count"], rows[:_LIMIT])


def importance_table(model: Any, feature_names: Sequence[Any] | None) -> Table | None:
    """The importances or signed coefficients of the features, the highest first; None without one for each.

    Args:
        model: a fitted model.
        feature_names: their names; features without one have their number.
    """
    import numpy as np

    found = next((getattr(model, name) for name in _IMPORTANCES if hasattr(model, name)), None)
    if found is None or sum(length > 1 for length in np.shape(found)) > 1:
        return None
    values = np.ravel(found)
    names = [] if feature_names is None else list(feature_names)
    rows = [[names[i] if i < len(names) else i, values[i].item()] for i in np.argsort(values)[::-1].tolist()]
    return Table(["feature_names", "importances"], rows)


def class_proportion_table(y_train: Any, y_test: Any, labels: Sequence[Any] | None) -> Table:
    """How many examples of each class there are.

    Args:
        y_train: the classes of the training data.
        y_test: those of the test data.
        labels: the names of the classes.
    """
    import numpy as np

    data = {"train": np.asarray(y_train), "test": np.asarray(y_test)}
    classes = np.unique(np.concatenate([*data.values()])).tolist()
    rows = [
        [name, which, int((values == one).sum())]
        for one, name in zip(classes, class_names(classes, labels), strict=True)
        for which, values in data.items()
    ]
    return Table(["class", "dataset", "count"], rows)


def summary_metric_table(model: Any, features: Any, true: Any) -> Table:
    """The usual scores of a fitted model.

    Args:
        model: a classifier or a regressor.
        features: of the test data.
        true: its classes or values.
    """
    from sklearn import metrics
    from sklearn.base import is_classifier

    predicted = model.predict(features)
    if is_classifier(model):
        scores = {
            "accuracy_score": metrics.accuracy_score(true, predicted),
            "precision": metrics.precision_score(true, predicted, average="weighted"),
            "recall": metrics.recall_score(true, predicted, average="weighted"),
            "f1_score": metrics.f1_score(true, predicted, average="weighted"),
        }
    else:
        scores = {
            "mae": metrics.mean_absolute_error(true, predicted),
            "mse": metrics.mean_squared_error(true, predicted),
            "r2_score": metrics.r2_score(true, predicted),
        }
    kind = type(model).__name__
    rows = [[name, round(float(score), 2), kind] for name, score in scores.items()]
    return Table(["metric_name", "metric_value", "model_name"], rows)


def learning_curve_table(model: Any, features: Any, y: Any, **options: Any) -> Table:
    """The cross-validated score over the number of examples.

    Args:
        model: a classifier or a regressor, which is cloned.
        features: of the training data.
        y: its classes or values.
        **options: of scikit-learn's ``learning_curve``.
    """
    from sklearn.model_selection import learning_curve

    sizes, *scores = learning_curve(model, features, y, **options)[:3]
    means = zip(sizes.tolist(), *(one.mean(axis=1).tolist() for one in scores), strict=True)
    rows = [
        [which, round(score, 2), size]
        for size, *both in means
        for which, score in zip(("train", "test"), both, strict=True)
    ]
    return Table(["dataset", "score", "train_size"], rows)


def calibration_table(model: Any, features: Any, y: Any, name: str) -> Table:
    """Calibration curves of a binary classifier, calibrated in two ways, and of a logistic regression.

    Args:
        model: the classifier, which is cloned.
        features: of the training data, of which a tenth is fitted to.
        y: its classes, 0 and 1.
        name: the classifier's name.
    """
    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV, calibration_curve
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.naive_bayes import ComplementNB

    if isinstance(model, ComplementNB):  # which takes no negative number
        features = features - features.min()
    fitted, tested, y_fitted, y_tested = train_test_split(features, y, test_size=0.9, random_state=42)
    models = {
        "Logistic": LogisticRegression(C=1.0),
        f"{name} Isotonic": CalibratedClassifierCV(model, cv=2, method="isotonic"),
        f"{name} Sigmoid": CalibratedClassifierCV(model, cv=2, method="sigmoid"),
    }
    rows: list[list[Any]] = [["Perfectly calibrated", 0, 0, 0, 0], ["Perfectly calibrated", 1, 1, 0, 0]]
    for title, one in models.items():
        probabilities = one.fit(fitted, y_fitted).predict_proba(tested)[:, 1]
        counts, edges = np.histogram(probabilities, bins=10)
        curve = zip(*calibration_curve(y_tested, probabilities, n_bins=10), counts, edges, strict=False)
        rows += [[title, round(float(a), 3), round(float(b), 3), int(n), float(at)] for a, b, n, at in curve]
    return Table(["model", "fraction_of_positives", "mean_predicted_value", "hist_dict", "edge_dict"], rows)


def outlier_table(regressor: Any, features: Any, y: Any) -> Table:
    """The influence of each example on a linear fit, Cook's distance; the regressor is fitted again.

    Args:
        regressor: the regressor.
        features: of the training data.
        y: its values.
    """
    import numpy as np

    regressor.fit(features, y)
    x = np.asarray(features, dtype=float)
    leverage = (x * np.linalg.pinv(x).T).sum(axis=1)
    residuals = y - regressor.predict(features)
    mse = residuals @ residuals / (len(x) - np.linalg.matrix_rank(x))
    distances = residuals**2 / mse / (1 - leverage) / x.shape[1] * leverage / (1 - leverage)
    threshold = 4 / len(x)
    share = round(float((distances >= threshold).mean()) * 100, 3)
    rows = [[one, i, share, threshold] for i, one in enumerate(distances[:_LIMIT].tolist())]
    return Table(["distance", "instance_indicies", "outlier_percentage", "influence_threshold"], rows)


def residual_table(regressor: Any, features: Any, y: Any) -> Table:
    """The residuals, predicted less true, of a part that is fitted to and of another one, split at random.

    Args:
        regressor: the regressor, which is fitted again to four fifths of the data.
        features: of the training data.
        y: its values.
    """
    from sklearn.model_selection import train_test_split

    x_train, x_test, y_train, y_test = train_test_split(features, y, test_size=0.2)
    regressor.fit(x_train, y_train)
    parts = {"train": (x_train, y_train), "test": (x_test, y_test)}
    scores = [float(regressor.score(*part)) for part in parts.values()]
    rows: list[list[Any]] = []
    for which, (x, true) in parts.items():
        predicted = regressor.predict(x)
        pairs = [*zip(predicted.tolist(), (predicted - true).tolist(), strict=True)]
        rows += [[which, *pair, *scores] for pair in pairs[:_RESIDUALS_LIMIT]]
    return Table(["dataset", "y_pred", "residuals", "train_score", "test_score"], rows)


def elbow_table(clusterer: Any, features: Any, counts: Iterable[int]) -> Table:
    """The clustering error over the number of clusters, and how long each clustering took, in seconds.

    Args:
        clusterer: the clusterer, which is cloned.
        features: the examples.
        counts: the numbers of clusters.
    """
    from sklearn.base import clone

    rows = []
    for count in counts:
        began = time.perf_counter()
        error = abs(float(clone(clusterer).set_params(n_clusters=count).fit(features).score(features)))
        rows.append([count, error, time.perf_counter() - began])
    return Table(["cluster_ranges", "errors", "clustering_time"], rows)


def silhouette_table(features: Any, clusters: Any, metric: str, centers: Any) -> Table:
    """Two features of each example, and the silhouette values of each cluster from the lowest.

    Args:
        features: the examples.
        clusters: the cluster of each, as numbers.
        metric: the name of the distance.
        centers: those of the clusters, where the clusterer has them.
    """
    import numpy as np
    from sklearn.metrics import silhouette_samples

    x, each = np.asarray(features), silhouette_samples(features, clusters, metric=metric)
    order = np.lexsort((each, clusters))
    starts = {one: 10 + 10 * i for i, one in enumerate(np.unique(clusters).tolist())}
    rows = [
        [
            *x[i][:2].tolist(),
            clusters[i].item(),
            *((None, None) if centers is None else centers[clusters[i]][:2].tolist()),
            starts[clusters[at].item()] + i,
            0,
            each[at].item(),
            clusters[at].item(),
            each.mean().item(),
        ]
        for i, at in enumerate(order.tolist()[:_LIMIT])
    ]
    columns = ["x", "y", "colors", "centerx", "centery", "y_sil", "x1", "x2", "color_sil", "silhouette_avg"]
    return Table(columns, rows)
