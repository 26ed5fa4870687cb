"""``wandb.plot``: charts, stored as the tables they are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    y_true: Any,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    title: str | None = None,
    **_: Any,
) -> Chart | None:
    """The ROC curve of each class against all others; None without classes and probabilities."""
    from sklearn.metrics import roc_curve as curve

    if y_true is None or y_probas is None:
        return None
    rows = [
        [name, round(float(x), 3), round(float(y), 3)]
        for name, true, score in _plot_curve_by_class(y_true, y_probas, labels, classes_to_plot)
        for x, y in zip(*curve(true, score)[:2], strict=True)
    ]
    return Chart("roc", Table(["class", "fpr", "tpr"], rows), title)


def pr_curve(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    interp_size: int = 21,
    title: str | None = None,
    **_: Any,
) -> Chart | None:
    """The best precision from each recall on, of each class against all others; None as of ROC curves."""
    import numpy as np
    from sklearn.metrics import precision_recall_curve as curve

    if y_true is None or y_probas is None:
        return None
    recalls = np.linspace(0, 1, interp_size)[::-1]
    rows = []
    for name, true, score in _plot_curve_by_class(y_true, y_probas, labels, classes_to_plot):
        precision, recall = (one[::-1] for one in curve(true, score)[:2])  # from the lowest recall on
        best = np.maximum.accumulate(precision[::-1])[::-1][np.searchsorted(recall, recalls)]
        rows += [[name, round(float(y), 3), round(float(x), 3)] for x, y in zip(recalls, best, strict=True)]
    return Chart("precision_recall", Table(["class", "precision", "recall"], rows), title)


def _plot_curve_by_class(
    y_true: Any, y_probas: Any, labels: Sequence[Any] | None, classes_to_plot: Sequence[Any] | None
) -> Iterator[tuple[Any, Any, Any]]:
    """The name of each class, which examples are of it, and how probable it was for each."""
    import numpy as np

    from legm.compat.wandb.sklearn_tables import class_names

    true, scores = np.asarray(y_true), np.asarray(y_probas)
    classes = np.unique(true).tolist()
    for i, (one, name) in enumerate(zip(classes, class_names(classes, labels), strict=True)):
        if classes_to_plot is None or one in classes_to_plot:
            yield name, true == one, scores[:, i]


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.plot", name)
