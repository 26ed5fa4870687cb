"""``wandb.plot``: charts, stored as the tables they are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.media import Chart, Table

__all__ = [
    "bar",
    "confusion_matrix",
    "histogram",
    "line",
    "line_series",
    "plot_table",
    "pr_curve",
    "roc_curve",
    "scatter",
]


def line(
    table: Table, x: str, y: str, stroke: str | None = None, title: str | None = None, **_: Any
) -> Chart:
    """A line of one column over another."""
    return Chart("line", table, title, x=x, y=y, stroke=stroke)


def scatter(table: Table, x: str, y: str, title: str | None = None, **_: Any) -> Chart:
    """Points of two columns."""
    return Chart("scatter", table, title, x=x, y=y)


def bar(table: Table, label: str, value: str, title: str | None = None, **_: Any) -> Chart:
    """One bar per row."""
    return Chart("bar", table, title, label=label, value=value)


def histogram(table: Table, value: str, title: str | None = None, **_: Any) -> Chart:
    """A histogram of a column."""
    return Chart("histogram", table, title, value=value)


def plot_table(
    vega_spec_name: str,
    data_table: Table,
    fields: Mapping[str, str],
    string_fields: Mapping[str, str] | None = None,
    **_: Any,
) -> Chart:
    """A chart of a W&B preset: its name, the table, and the columns to draw."""
    strings = dict(string_fields or {})
    title = strings.pop("title", None)
    return Chart(vega_spec_name, data_table, title, fields=dict(fields), string_fields=strings)


def line_series(
    xs: Sequence[Any],
    ys: Sequence[Sequence[Any]],
    keys: Sequence[str] | None = None,
    title: str | None = None,
    xname: str = "x",
    **_: Any,
) -> Chart:
    """Several lines, over one shared x or each over its own."""
    own = bool(len(xs)) and hasattr(xs[0], "__len__")
    rows = [
        [x, keys[i] if keys else f"line_{i}", y]
        for i, values in enumerate(ys)
        for x, y in zip(xs[i] if own else xs, values, strict=True)
    ]
    return Chart("line_series", Table(["x", "line", "y"], rows), title, xname=xname)


def confusion_matrix(
    probs: Any = None,
    y_true: Sequence[Any] | None = None,
    preds: Sequence[Any] | None = None,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
    **_: Any,
) -> Chart:
    """The confusion matrix of predictions, or of the most probable classes."""
    import numpy as np

    predicted = np.asarray(probs).argmax(axis=1) if preds is None else np.asarray(preds)
    true = np.asarray(y_true)
    classes = (
        range(len(class_names)) if class_names is not None else sorted({*true.tolist(), *predicted.tolist()})
    )
    named = dict(zip(classes, class_names or map(str, classes), strict=True))
    rows = [
        [named[a], named[b], int(((true == a) & (predicted == b)).sum())]
        for a, b in product(classes, classes)
    ]
    return Chart("confusion_matrix", Table(["Actual", "Predicted", "nPredictions"], rows), title)


def roc_curve(
    y_true: Any, y_probas: Any, labels: Sequence[str] | None = None, title: str | None = None, **_: Any
) -> Chart:
    """The ROC curve of each class against all others."""
    from sklearn.metrics import roc_curve as curve

    rows = [
        [name, round(float(x), 6), round(float(y), 6)]
        for name, true, score in _plot_curve_by_class(y_true, y_probas, labels)
        for x, y in zip(*curve(true, score)[:2], strict=True)
    ]
    return Chart("roc", Table(["class", "fpr", "tpr"], rows), title)


def pr_curve(
    y_true: Any, y_probas: Any, labels: Sequence[str] | None = None, title: str | None = None, **_: Any
) -> Chart:
    """The precision over the recall of each class against all others."""
    from sklearn.metrics import precision_recall_curve as curve

    rows = [
        [name, round(float(recall), 6), round(float(precision), 6)]
        for name, true, score in _plot_curve_by_class(y_true, y_probas, labels)
        for precision, recall in zip(*curve(true, score)[:2], strict=True)
    ]
    return Chart("precision_recall", Table(["class", "recall", "precision"], rows), title)


def _plot_curve_by_class(y_true: Any, y_probas: Any, labels: Sequence[str] | None) -> Any:
    import numpy as np

    true, scores = np.asarray(y_true), np.asarray(y_probas)
    for i, one in enumerate(np.unique(true).tolist()):
        name = labels[i] if labels is not None and i < len(labels) else str(one)
        yield name, true == one, scores[:, i]


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.plot", name)
