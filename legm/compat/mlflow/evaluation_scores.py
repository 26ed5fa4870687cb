"""The scores and figures by which mlflow evaluates classifiers and regressors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "EvaluatedPredictions",
    "classifier_scores",
    "evaluated_classifier_figures",
    "per_class_scores",
    "regressor_scores",
]


@dataclass(frozen=True)
class EvaluatedPredictions:
    """What a model said about data, beside what is true.

    Args:
        true: the true values.
        predicted: the predicted ones.
        probabilities: of each class; None where the model has none.
        labels: the classes, sorted.
        positive: of two classes, the one that counts as found.
        weights: of the samples; None for equal ones.
    """

    true: Any
    predicted: Any
    probabilities: Any = None
    labels: Any = ()
    positive: Any = None
    weights: Any = None

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.labels) == 2

    def scores_of(self, label: Any) -> Any:
        """The probabilities of a class."""
        return self.probabilities[:, list(self.labels).index(label)]


def regressor_scores(of: EvaluatedPredictions) -> dict[str, Any]:
    """The scores of a regressor.

    Args:
        of: its predictions.
    """
    import numpy as np
    from sklearn import metrics

    true, weights = np.asarray(of.true), of.weights
    total = (true * np.asarray(weights)).sum() if weights is not None else sum(true)  # in MLflow's order
    found = {"example_count": len(true), "sum_on_target": total, "mean_on_target": total / len(true)}
    for name in ("mean_absolute_error", "mean_squared_error", "r2_score", "mean_absolute_percentage_error"):
        found[name] = getattr(metrics, name)(true, of.predicted, sample_weight=weights)
    found["root_mean_squared_error"] = float(found["mean_squared_error"]) ** 0.5
    found["max_error"] = metrics.max_error(true, of.predicted)
    return found


def classifier_scores(of: EvaluatedPredictions, average: str = "weighted") -> dict[str, Any]:
    """The scores of a classifier.

    Args:
        of: its predictions.
        average: of more than two classes, how their scores are averaged.
    """
    from sklearn import metrics

    weights = of.weights
    found: dict[str, Any] = {"example_count": len(of.true)}
    if of.is_binary:
        counts = metrics.confusion_matrix(of.true, of.predicted, labels=_evaluated_positive_last(of)).ravel()
        names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
        found |= dict(zip(names, counts.tolist(), strict=True))
    found["accuracy_score"] = metrics.accuracy_score(of.true, of.predicted, sample_weight=weights)
    how = {"average": "binary", "pos_label": of.positive} if of.is_binary else {"average": average}
    for name in ("recall_score", "precision_score", "f1_score"):
        found[name] = getattr(metrics, name)(of.true, of.predicted, sample_weight=weights, **how)
    if of.probabilities is None:
        return found
    found["log_loss"] = metrics.log_loss(of.true, of.probabilities, labels=of.labels, sample_weight=weights)
    if not of.is_binary:
        if average in {"macro", "weighted"}:
            options = {"sample_weight": weights, "average": average, "multi_class": "ovr"}
            found["roc_auc"] = metrics.roc_auc_score(of.true, of.probabilities, **options)
        return found
    is_positive, scores = _is_evaluated_positive(of, of.positive), of.scores_of(of.positive)
    found["roc_auc"] = metrics.roc_auc_score(is_positive, scores, sample_weight=weights)
    average_precision = metrics.average_precision_score(is_positive, scores, sample_weight=weights)
    found["precision_recall_auc"] = average_precision
    return found


def _evaluated_positive_last(of: EvaluatedPredictions) -> list[Any]:
    return [*(one for one in of.labels if one != of.positive), of.positive]


def _is_evaluated_positive(of: EvaluatedPredictions, label: Any) -> Any:
    import numpy as np

    return np.asarray(of.true) == label


def per_class_scores(of: EvaluatedPredictions) -> list[dict[str, Any]]:
    """The scores of each of more than two classes against all others, in rows of a table.

    Args:
        of: a classifier's predictions.
    """
    import numpy as np
    from sklearn import metrics

    rows = []
    for label in of.labels:
        is_true, is_predicted = _is_evaluated_positive(of, label), np.asarray(of.predicted) == label
        one = EvaluatedPredictions(is_true, is_predicted, None, [False, True], True, of.weights)
        row = {"positive_class": label, **classifier_scores(one)}
        if of.probabilities is not None:
            scores = of.scores_of(label)
            row["roc_auc"] = metrics.roc_auc_score(is_true, scores, sample_weight=of.weights)
            average_precision = metrics.average_precision_score(is_true, scores, sample_weight=of.weights)
            row["precision_recall_auc"] = average_precision
        rows.append(row)
    return rows


def evaluated_classifier_figures(
    of: EvaluatedPredictions, config: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The figures of a classifier, by name.

    Args:
        of: its predictions.
        config: the evaluator's settings.
    """
    from matplotlib.figure import Figure
    from sklearn import metrics
    from sklearn.calibration import CalibrationDisplay

    def drawn(draw: Any) -> Any:
        figure = Figure(layout="tight")
        draw(figure.subplots())
        return figure

    if of.probabilities is not None and (
        of.is_binary or len(of.labels) <= config.get("max_classes_for_multiclass_roc_pr", 10)
    ):
        shown = [of.positive] if of.is_binary else list(of.labels)

        def draw_with(display: Any, axes: Any, **options: Any) -> None:
            for label in shown:
                name = {} if of.is_binary else {"name": str(label)}
                display.from_predictions(
                    _is_evaluated_positive(of, label), of.scores_of(label), ax=axes, **name, **options
                )

        weighted = {"sample_weight": of.weights}
        yield "roc_curve_plot", drawn(lambda axes: draw_with(metrics.RocCurveDisplay, axes, **weighted))
        yield (
            "precision_recall_curve_plot",
            drawn(lambda axes: draw_with(metrics.PrecisionRecallDisplay, axes, **weighted)),
        )
        yield (
            "calibration_curve_plot",
            drawn(
                lambda axes: draw_with(CalibrationDisplay, axes, n_bins=config.get("calibration_n_bins", 10))
            ),
        )
        if of.is_binary:
            yield "lift_curve_plot", drawn(lambda axes: _draw_evaluated_lift(of, axes))
    display = metrics.ConfusionMatrixDisplay.from_predictions
    how = {"labels": of.labels, "normalize": "true", "cmap": "Blues", "sample_weight": of.weights}
    yield "confusion_matrix", drawn(lambda axes: display(of.true, of.predicted, ax=axes, **how))


def _draw_evaluated_lift(of: EvaluatedPredictions, axes: Any) -> None:
    """How many times more positive samples there are among those with the highest scores than among all."""
    import numpy as np

    order = np.argsort(of.scores_of(of.positive))[::-1]
    found = np.cumsum(_is_evaluated_positive(of, of.positive)[order])
    share = np.arange(1, len(order) + 1) / len(order)
    axes.plot(share, found / found[-1] / share)
    axes.axhline(1, color="black", linestyle="--")
    axes.set(title="Lift curve", xlabel="Share of the samples", ylabel="Lift")
