"""The steps of metrics that another metric counts."""

from __future__ import annotations

import numpy as np
import pytest

from legm.core.step_metrics import (
    MetricDefinition,
    MetricDefinitions,
    positions_without_steps,
    steps_of_step_metrics,
    whole_step,
)
from legm.records import Series, Split


def columns(**series):
    """By metric its rows and values."""
    return {
        Series(name): (np.array(rows, np.int64), np.zeros(len(rows)), np.array(values, np.float64))
        for name, (rows, values) in series.items()
    }


def steps(step_metric="epoch", **series):
    """The steps that the metric ``a`` gets."""
    found = steps_of_step_metrics(columns(**series), {"a": step_metric}.get)
    return found[Series("a")][0].tolist()


def test_the_values_of_the_counting_metric_are_the_steps():
    assert steps(epoch=([3, 8, 13], [0, 1, 2]), a=([3, 9, 13], [5, 6, 7])) == [0, 1, 2]


def test_rows_before_the_first_count_are_at_0_as_where_wandb_adds_it():
    assert steps(epoch=([3], [4]), a=([1, 3], [5, 6])) == [0, 4]


def test_a_value_that_is_counted_twice_is_set_again():
    assert steps(epoch=([0, 1, 2, 3], [0, 1, 2, 2]), a=([0, 1, 2, 3], [9, 8, 7, 7])) == [0, 1, 2, 2]
    assert steps(epoch=([0, 1, 2, 3], [0, 1, 0, 1]), a=([0, 1, 2, 3], [9, 8, 7, 7])) == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "epochs", [[0, 0, 0, 1, 1, 1], [0, 0], [0, 0.5, 1], [0, float("nan"), 1], [0, 1e300, 1]]
)
def test_a_metric_that_is_not_counted_by_it_stays_at_its_rows(epochs):
    rows = [2 * number for number in range(len(epochs))]
    assert steps(epoch=(rows, epochs), a=(rows, rows)) == rows


def test_a_metric_without_a_counting_one_stays_at_its_rows():
    assert steps(a=([3, 8], [1, 2])) == [3, 8]
    assert steps("a", a=([3, 8], [1, 2])) == [3, 8]


def test_only_dev_series_are_counted():
    found = columns(epoch=([3, 8], [0, 1])) | {
        Series("a", Split.TEST): (np.array([9]), np.zeros(1), np.ones(1)),
    }
    moved = steps_of_step_metrics(found, {"a": "epoch"}.get)
    assert moved[Series("a", Split.TEST)][0].tolist() == [9]


def test_what_is_said_of_one_metric_counts_more_than_of_several():
    known = MetricDefinitions()
    known.define(MetricDefinition("*", "step"))
    known.define(MetricDefinition("val/*", "epoch", summary=("min",)))
    known.define(MetricDefinition("val/f1", summary=("max",)))
    assert [known.step_metric(name) for name in ("loss", "val/loss", "val/f1", "step")] == [
        "step",
        "epoch",
        None,
        None,
    ]
    assert known.best(["loss", "val/f1"]) == ("val/f1", False)  # val/* comes first, which selects it too
    assert known.best(["loss"]) is None


def test_definitions_of_one_name_are_merged_unless_it_says_otherwise():
    known = MetricDefinitions()
    known.define(MetricDefinition("a", "epoch", is_synced=True))
    known.define(MetricDefinition("a", summary=("last",)))
    assert known.of("a") == MetricDefinition("a", "epoch", is_synced=True, summary=("last",))
    known.define(MetricDefinition("a", summary=("mean",)), overwrite=True)
    assert known.of("a") == MetricDefinition("a", summary=("mean",))


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (3, 3),
        (3.0, 3),
        (-2.0, -2),
        (0.5, None),
        (float("inf"), None),
        (float("nan"), None),
        (2.0**62, None),
        ("3", None),
    ],
)
def test_a_step_is_a_whole_number(value, step):
    assert whole_step(value) == step


def test_several_values_at_one_step_are_at_their_positions():
    found = positions_without_steps(columns(a=([5, 5, 5], [1, 2, 3]), b=([5], [1]), c=([5, 6], [1, 2])))
    assert {series.name: steps.tolist() for series, (steps, _, _) in found.items()} == {"a": [0, 1, 2]}
