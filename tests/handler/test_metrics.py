"""Metrics: what is set is what is kept, in the result and in the files."""

from __future__ import annotations

import math
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm import ExperimentHandler, MetricError
from legm.records import RunResult, Split
from tests.support.examples import examples
from tests.support.reading import load_yaml, runs_of

NAN, INF = math.nan, math.inf


class Tensor:
    """What legm knows of a tensor: one with a single element gives it by ``item()``."""

    def __init__(self, *values: float) -> None:
        self._values = values

    def item(self) -> float:
        if len(self._values) != 1:
            raise RuntimeError(f"a Tensor with {len(self._values)} elements cannot be converted to Scalar")
        return self._values[0]

    def __repr__(self) -> str:
        return f"Tensor{self._values}"


@pytest.fixture
def handler(tmp_path):
    return ExperimentHandler(tmp_path, "e").start()


# What is set, read back in three ways that must agree: from log(), from the files as any YAML reader sees
# them, and by the backend. Values are compared as texts, in which -0.0 is not 0.0 and NaN is NaN.


def seen(result: RunResult) -> dict:
    """A result as ``{"dev": {name or (name, index): [(step, value), …]}, "best": {…}, "test": {…}}``."""

    def by_key(values):
        return {s.name if s.index is None else (s.name, s.index): value for s, value in values.items()}

    dev = {
        key: [(step, repr(value)) for step, value in zip(h.steps.tolist(), h.values.tolist(), strict=True)]
        for key, h in by_key(result.histories).items()
    }
    best = {key: repr(value) for key, value in by_key(result.best).items()}
    test = {key: repr(value) for key, value in by_key(result.test).items()}
    assert all(s.split is Split.DEV for s in (*result.histories, *result.best, *result.best_steps))
    assert all(s.split is Split.TEST for s in result.test)
    return {"dev": dev, "best": best, "test": test, "best_step": result.best_step}


def entries(handler: ExperimentHandler) -> tuple[dict, dict]:
    """The two YAML files' entries by run id."""
    folder = Path(handler.get_save_filename("x")).parent
    both = []
    for name in ("metrics.yml", "steps.yml"):
        content = load_yaml(folder / name)
        by_run = {entry["run_id"]: entry for entry in content.values()}
        assert len(by_run) == len(content)
        both.append(by_run)
    return both[0], both[1]


def flat(values: dict, convert=repr) -> dict:
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= {(name, index): convert(inner) for index, inner in value.items()}
        else:
            found[name] = convert(value)
    return found


def in_files(handler: ExperimentHandler, run_id: str) -> dict:
    """As :func:`seen`, for metrics whose names are no keys of the entry's own."""
    metrics, steps = (dict(by_run[run_id]) for by_run in entries(handler))
    for own in ("run_id", "description", "legm"):
        metrics.pop(own)
    steps.pop("run_id")
    best_step = metrics.pop("best_step")
    best = {k.removeprefix("best_"): metrics.pop(k) for k in list(metrics) if k.startswith("best_")}
    test = {k.removeprefix("test_"): metrics.pop(k) for k in list(metrics) if k.startswith("test_")}
    values, positions = flat(metrics, list), flat(steps, list)
    assert values.keys() == positions.keys()
    dev = {
        key: [(step, repr(value)) for step, value in zip(positions[key], values[key], strict=True)]
        for key in values
    }
    return {"dev": dev, "best": flat(best), "test": flat(test), "best_step": best_step}


def read_back(handler: ExperimentHandler) -> dict[str, RunResult]:
    root = handler.configuration_folder.parents[1]
    return {result.run.run_id: result for result in runs_of(root)}


def logged(handler: ExperimentHandler) -> dict:
    """What the run came to, after all ways to read it agreed."""
    result = handler.log()
    found = seen(result)
    assert in_files(handler, result.run.run_id) == found
    again = read_back(handler)[result.run.run_id]
    assert seen(again) == found
    assert (again.rule, again.best_steps, again.points, again.last_step, again.ended, again.status) == (
        result.rule,
        result.best_steps,
        result.points,
        result.last_step,
        result.ended,
        result.status,
    )
    return found


# Values


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.1, 0.1),
        (3, 3.0),
        (True, 1.0),
        (2**53, 2.0**53),
        (Fraction(1, 4), 0.25),
        (Decimal("0.1"), 0.1),
        (np.float64(0.1), 0.1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float16(0.1), float(np.float16(0.1))),
        (np.int64(-7), -7.0),
        (np.uint8(7), 7.0),
        (np.bool_(True), 1.0),
        (np.array(0.5), 0.5),
        (np.array([0.5]), 0.5),
        (np.array([[7]], np.int32), 7.0),
        (Tensor(0.5), 0.5),
        (Tensor(3), 3.0),
        (1e-7, 1e-7),
        (1e22, 1e22),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
    ],
    ids=repr,
)
def test_whatever_is_one_number_is_kept_as_that_number(handler, value, kept):
    for _ in range(2):  # the second time a metric is known
        handler.set_metric("dev", value)
        handler.set_metric("once", value, test=True)
    found = logged(handler)
    assert found["dev"] == {"dev": [(0, repr(kept)), (1, repr(kept))]}
    assert found["best"] == {"dev": repr(kept)}
    assert found["test"] == {"once": repr(kept)}


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.array, Tensor])
def test_nan_infinities_and_negative_zero_are_kept_as_they_are(handler, kind):
    special = [NAN, INF, -INF, -0.0, 0.0]
    for number, value in enumerate(special):
        handler.set_metric("series", kind(value))
        handler.set_metric(f"m{number}", kind(value))
        handler.set_metric(f"t{number}", kind(value), test=True)
        handler.set_dict_metrics({"a": {"i": kind(value)}, "b": {"i": kind(value)}})
    found = logged(handler)
    assert [value for _, value in found["dev"]["series"]] == ["nan", "inf", "-inf", "-0.0", "0.0"]
    assert found["dev"]["i", "a"] == found["dev"]["series"]
    assert [found["test"][f"t{n}"] for n in range(5)] == ["nan", "inf", "-inf", "-0.0", "0.0"]
    assert [found["best"][f"m{n}"] for n in range(5)] == ["nan", "inf", "-inf", "-0.0", "0.0"]


@pytest.mark.parametrize("value", [np.ma.masked, np.ma.array([3.0], mask=[True])], ids=["scalar", "array"])
def test_a_masked_value_is_nan(handler, value):
    for _ in range(2):
        handler.set_metric("m", value)
        handler.set_dict_metrics({"n": value, "o": np.ma.array(3.0, mask=False)})
    assert logged(handler)["best"] == {"m": "nan", "n": "nan", "o": "3.0"}


BEYOND = 2**53 + 1


@pytest.mark.parametrize("kind", [int, np.int64, np.uint64, Tensor, np.array])
@pytest.mark.parametrize("known", [False, True])
def test_a_whole_number_that_loses_digits_is_reported_once(handler, caplog, kind, known):
    if known:
        for value in (kind(3), kind(4), float(2**60)):
            handler.set_metric("tokens", value)
            handler.set_dict_metrics({"flops": value, "loss": 0.5})
    assert not caplog.records
    for value in (kind(BEYOND), kind(BEYOND + 2)):
        handler.set_metric("tokens", value)
        handler.set_dict_metrics({"flops": value, "loss": 0.5})
    messages = [record.getMessage() for record in caplog.records]
    assert [message.partition(",")[0] for message in messages] == [
        f"metric {name!r}: {BEYOND} is recorded as {2**53}" for name in ("tokens", "flops")
    ]
    assert logged(handler)["best"]["tokens"] == repr(float(BEYOND + 2))


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**60, np.int64(2**62), float(2**53 + 2), 1e300])
def test_a_large_number_that_a_float_has_is_kept_in_silence(handler, caplog, value):
    handler.set_metric("flops", 1)
    handler.set_metric("flops", value)
    assert logged(handler)["best"] == {"flops": repr(float(value))}
    assert not caplog.records


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_a_number_beyond_the_narrower_one_beside_it_is_no_overflow(handler, kind):
    for value in (1.0, 3.5e38, -1e300, BEYOND - 1, math.nan):
        handler.set_dict_metrics({"loss": kind(0.5), "flops": value, "steps": 3})
    dev = logged(handler)["dev"]
    assert dev["loss"] == [(step, "0.5") for step in range(5)]
    assert [value for _, value in dev["flops"]] == ["1.0", "3.5e+38", "-1e+300", repr(2.0**53), "nan"]


class Odd:
    """Something that is no number."""


@pytest.mark.parametrize(
    "value",
    [
        "0.5",
        "loss",
        b"1",
        np.str_("0.5"),
        np.array("0.5"),
        None,
        1j,
        np.complex128(1),
        [0.5],
        [[0.5]],
        (1, 2),
        {1},
        np.array([1.0, 2.0]),
        np.array([]),
        Tensor(1, 2),
        10**400,
        Decimal("sNaN"),
        Odd(),
        Odd,
    ],
    ids=lambda value: repr(value)[:20].partition(" at ")[0],
)
@pytest.mark.parametrize("known", [False, True])
def test_what_is_not_one_number_is_refused_by_name_and_nothing_of_the_call_is_set(handler, value, known):
    if known:
        handler.set_dict_metrics({"good": 1.0, "val loss": 1.0, "other": 1.0})
        handler.set_metric("val loss", 2.0)
    with pytest.raises(MetricError, match="'val loss'"):
        handler.set_metric("val loss", value)
    with pytest.raises(MetricError, match="'val loss'"):
        handler.set_dict_metrics({"good": 1.0, "val loss": value, "other": 2.0})
    with pytest.raises(MetricError, match="'val loss'"):
        handler.set_dict_metrics({"good": 1.0, "val loss": value}, test=True)
    with pytest.raises(MetricError, match="'acc'"):
        handler.set_dict_metrics({"a": {"acc": 1.0}, "b": {"acc": value}})
    kept = {"good": [(0, "1.0")], "val loss": [(0, "1.0"), (1, "2.0")], "other": [(0, "1.0")]}
    found = logged(handler)
    assert found["dev"] == (kept if known else {})
    assert found["test"] == {}


@pytest.mark.parametrize(
    "bad",
    ["text", 10**400],
    ids=["text", "huge"],
)
def test_a_refused_call_does_not_move_the_positions_that_follow(handler, bad):
    handler.set_metric("a", 0)
    handler.set_dict_metrics({"a": 1, "b": 2})
    with pytest.raises(MetricError):
        handler.set_dict_metrics({"a": 3, "b": bad})
    handler.set_metric("a", 4)
    handler.set_metric("b", 5)
    assert logged(handler)["dev"] == {
        "a": [(0, "0.0"), (1, "1.0"), (2, "4.0")],
        "b": [(0, "2.0"), (1, "5.0")],
    }


def test_a_refused_call_does_not_decide_whether_a_metric_is_indexed(handler):
    with pytest.raises(MetricError, match="64 bits"):
        handler.set_metric("acc", 1, step=2**63)
    handler.set_dict_metrics({"a": {"acc": 1}})
    assert logged(handler)["dev"] == {("acc", "a"): [(0, "1.0")]}


def test_setting_returns_what_was_given(handler):
    value, mapping, indexed = np.array([0.5]), {"a": 1, "b": 2}, {"x": {"c": 1}}
    assert handler.set_metric("loss", value) is value
    assert handler.set_metric("loss", value, test=True) is value
    assert handler.set_dict_metrics(mapping) is mapping
    assert handler.set_dict_metrics(indexed, test=True) is indexed


@pytest.mark.parametrize("name", ["", 3, None, "x" * 251, "\ud800"])
def test_a_name_that_is_no_usable_text_is_refused(handler, name):
    with pytest.raises(MetricError, match="name of a metric"):
        handler.set_metric(name, 1)
    with pytest.raises(MetricError, match="name of a metric"):
        handler.set_dict_metrics({"a": {name: 1}})
    assert logged(handler)["dev"] == {}


def test_a_mapping_is_no_value_of_set_metric(handler):
    with pytest.raises(MetricError, match="'loss'"):
        handler.set_metric("loss", {"a": 1.0})


@pytest.mark.parametrize("metrics", [[("a", 1)], None, 3, "loss"])
def test_what_is_no_mapping_is_refused(handler, metrics):
    with pytest.raises(MetricError, match="mapping"):
        handler.set_dict_metrics(metrics)


def test_an_empty_mapping_sets_nothing(handler):
    handler.set_dict_metrics({})
    handler.set_dict_metrics({"a": {}}, step=3)
    handler.set_metric("loss", 1)
    assert logged(handler)["dev"] == {"loss": [(0, "1.0")]}


def test_a_run_without_metrics_may_be_logged(handler):
    assert logged(handler) == {"dev": {}, "best": {}, "test": {}, "best_step": None}


# Steps


def test_without_a_step_the_position_in_the_metrics_own_series_counts(handler):
    handler.set_metric("loss", 0)
    handler.set_metric("loss", 1)
    handler.set_metric("acc", 10)
    handler.set_metric("loss", 2)
    assert logged(handler)["dev"] == {
        "loss": [(0, "0.0"), (1, "1.0"), (2, "2.0")],
        "acc": [(0, "10.0")],
    }


def test_positions_count_through_overlapping_groups(handler):
    handler.set_dict_metrics({"a": 0, "b": 0})
    handler.set_metric("b", 1)
    handler.set_dict_metrics({"b": 2, "c": 0})
    handler.set_dict_metrics({"c": 1, "b": 3, "a": 1})
    handler.set_dict_metrics({"a": 2, "b": 4})
    found = logged(handler)["dev"]
    assert found["a"] == [(n, f"{n}.0") for n in range(3)]
    assert found["b"] == [(n, f"{n}.0") for n in range(5)]
    assert found["c"] == [(n, f"{n}.0") for n in range(2)]


def test_values_with_a_step_count_in_the_position_of_later_ones_without(handler):
    handler.set_metric("loss", 0, step=100)
    handler.set_metric("loss", 1)
    handler.set_dict_metrics({"loss": 2, "acc": 0}, step=50)
    handler.set_dict_metrics({"loss": 3, "acc": 1})
    assert logged(handler)["dev"] == {
        "loss": [(1, "1.0"), (3, "3.0"), (50, "2.0"), (100, "0.0")],
        "acc": [(1, "1.0"), (50, "0.0")],
    }


def test_dev_and_test_metrics_of_one_name_have_nothing_to_do_with_each_other(handler):
    handler.set_metric("loss", 1)
    handler.set_metric("loss", 7, test=True)
    handler.set_metric("loss", 2)
    found = logged(handler)
    assert found["dev"] == {"loss": [(0, "1.0"), (1, "2.0")]}
    assert found["test"] == {"loss": "7.0"}


def test_steps_may_come_in_any_order_with_gaps_and_below_zero(handler):
    for step in (5, -3, 1000, 0, 7):
        handler.set_metric("loss", step / 8, step=step)
    assert logged(handler)["dev"]["loss"] == [(s, repr(s / 8)) for s in (-3, 0, 5, 7, 1000)]


LIMITS = (-(2**63), 2**63 - 1)


def test_steps_reach_to_the_limits_of_64_bits(handler):
    for step in (*LIMITS, 0, 2**53 + 1):
        handler.set_dict_metrics({"a": 1.0, "b": 2.0}, step=step)
    found = logged(handler)
    assert [step for step, _ in found["dev"]["a"]] == [LIMITS[0], 0, 2**53 + 1, LIMITS[1]]
    assert found["best_step"] == LIMITS[1]


@pytest.mark.parametrize(
    "step",
    [
        3,
        np.int64(3),
        np.int8(3),
        np.uint64(3),
        3.0,
        np.float64(3),
        np.array(3),
        np.array([3]),
        Tensor(3),
        np.float32(3),
        np.array(3.0),
        Tensor(3.0),
    ],
    ids=repr,
)
def test_a_step_may_be_any_whole_number(handler, step):
    handler.set_metric("loss", 0.5, step=step)
    handler.set_best("early_stopping", step=step)
    found = logged(handler)
    assert found["dev"] == {"loss": [(3, "0.5")]}
    assert found["best_step"] == 3


@pytest.mark.parametrize(
    "step",
    [0.5, np.float32(0.5), np.array(0.5), NAN, INF, "3", [3], np.array([1, 2]), Tensor(1, 2), 1j, Odd()],
)
def test_a_step_that_is_not_a_whole_number_is_refused_and_nothing_is_set(handler, step):
    with pytest.raises(MetricError, match="the step of 'loss' must be a whole number"):
        handler.set_metric("loss", 1, step=step)
    with pytest.raises(MetricError, match="the step of 'loss' must be a whole number"):
        handler.set_dict_metrics({"loss": 1, "acc": 2}, step=step)
    assert logged(handler)["dev"] == {}


@pytest.mark.parametrize("step", [2**63, -(2**63) - 1, 10**30, 1e30, np.uint64(2**63)])
def test_a_step_beyond_64_bits_is_refused_and_nothing_is_set(handler, step):
    handler.set_dict_metrics({"loss": 1, "acc": 2})
    for _ in range(2):
        with pytest.raises(MetricError, match=r"'loss'.* 64 bits"):
            handler.set_dict_metrics({"loss": 3, "acc": 4}, step=step)
        with pytest.raises(MetricError, match=r"'loss'.* 64 bits"):
            handler.set_metric("loss", 5, step=step)
    assert logged(handler)["dev"] == {"loss": [(0, "1.0")], "acc": [(0, "2.0")]}


@pytest.mark.parametrize("written_between", [False, True])
def test_a_step_set_twice_keeps_its_last_value_whatever_it_was_set_together_with(handler, written_between):
    calls = [{"a": 1, "b": 1}, {"a": 2}, {"b": 3, "a": 3}, {"a": 4, "c": 4}, {"a": 5, "b": 5}, {"c": 6}]
    for call in calls:
        handler.set_dict_metrics(call, step=7)
        if written_between:
            handler.flush()
    handler.set_metric("a", 0, step=3)
    assert logged(handler)["dev"] == {
        "a": [(3, "0.0"), (7, "5.0")],
        "b": [(7, "5.0")],
        "c": [(7, "6.0")],
    }


def test_a_repeated_step_may_be_overwritten_by_an_older_group_of_metrics(handler):
    handler.set_dict_metrics({"a": 1, "b": 1}, step=0)
    handler.set_metric("a", 2, step=0)
    handler.set_dict_metrics({"a": 3, "b": 3}, step=0)
    handler.set_metric("a", 4, step=1)
    handler.set_dict_metrics({"a": 5, "b": 5}, step=1)
    assert logged(handler)["dev"]["a"] == [(0, "3.0"), (1, "5.0")]


# Test metrics


@pytest.mark.parametrize("written_between", [False, True])
def test_of_a_test_metric_the_last_value_set_counts_whatever_its_step(handler, written_between):
    for call, step in [
        ({"acc": 1, "f1": 1}, 9),
        ({"acc": 2}, 3),
        ({"f1": 4, "acc": 4}, None),
        ({"acc": 5, "f1": 5}, 1),
    ]:
        handler.set_dict_metrics(call, test=True, step=step)
        if written_between:
            handler.flush()
    found = logged(handler)
    assert found["test"] == {"acc": "5.0", "f1": "5.0"}
    assert found["dev"] == {}


# Indexed metrics


def test_indexed_metrics_are_kept_by_example(handler):
    handler.set_dict_metrics({"img1": {"iou": 0.5, "area": 3}, "img2": {"iou": 0.25}})
    handler.set_dict_metrics({"img2": {"iou": 0.75}})
    handler.set_dict_metrics({"img1": {"iou": 1}, 2: {"iou": 2}}, test=True)
    handler.set_dict_metrics({"img1": {"iou": 3}}, test=True)
    handler.set_metric("loss", 1)
    found = logged(handler)
    assert found["dev"] == {
        ("iou", "img1"): [(0, "0.5")],
        ("area", "img1"): [(0, "3.0")],
        ("iou", "img2"): [(0, "0.25"), (1, "0.75")],
        "loss": [(0, "1.0")],
    }
    assert found["best"] == {
        ("iou", "img1"): "0.5",
        ("area", "img1"): "3.0",
        ("iou", "img2"): "0.75",
        "loss": "1.0",
    }
    assert found["test"] == {("iou", "img1"): "3.0", ("iou", "2"): "2.0"}


@pytest.mark.parametrize("test", [False, True])
def test_a_metric_cannot_be_plain_and_indexed(handler, test):
    handler.set_metric("plain", 1, test=test)
    handler.set_dict_metrics({"a": {"indexed": 1}}, test=test)
    with pytest.raises(MetricError, match="'plain' was set as one number"):
        handler.set_dict_metrics({"a": {"plain": 1, "new": 2}}, test=test)
    with pytest.raises(MetricError, match="'indexed' was set as indexed"):
        handler.set_dict_metrics({"indexed": 1, "new": 2}, test=test)
    handler.set_metric("plain", 2, test=not test)
    handler.set_dict_metrics({"a": {"plain2": 1}}, test=not test)
    found = logged(handler)
    assert "new" not in found["dev"]
    assert "new" not in found["test"]


def test_a_metric_cannot_be_plain_and_indexed_within_one_call(handler):
    with pytest.raises(MetricError, match="'loss'"):
        handler.set_dict_metrics({"a": {"loss": 1}, "loss": 2})
    assert logged(handler)["dev"] == {}


def test_examples_of_one_name_in_one_call_are_refused(handler):
    with pytest.raises(MetricError, match="set twice in one call"):
        handler.set_dict_metrics({1: {"iou": 1}, "1": {"iou": 2}})


def test_plain_and_indexed_metrics_of_different_names_may_share_a_call(handler):
    handler.set_dict_metrics({"loss": 1, "a": {"iou": 2}}, step=4)
    assert logged(handler)["dev"] == {"loss": [(4, "1.0")], ("iou", "a"): [(4, "2.0")]}


def test_an_example_may_be_named_as_a_metric_is(handler):
    handler.set_dict_metrics({"loss": {"iou": 1}, "time": {"iou": 2}})
    handler.set_dict_metrics({"loss": 3, "time": 4})
    found = logged(handler)["dev"]
    assert found["iou", "loss"] == [(0, "1.0")]
    assert found["loss"] == [(0, "3.0")]
    for name, value in (("time", 4), ("loss", 3)):
        (run,) = runs_of(handler.configuration_folder.parents[1], histories=frozenset({name}))
        assert [(s.name, h.values.tolist()) for s, h in run.histories.items()] == [(name, [value])]


# Names

NAMES = [
    "step",
    "run_id",
    "description",
    "legm",
    "best_loss",
    "best_step",
    "test_acc",
    "dev/x",
    "dev/dev/x",
    "dev/step",
    "dev/run_id",
    "best_dev/step",
    "best_",
    "test_",
    "x",
    "loss",
    "experiment_0",
    "null",
    "true",
    "on",
    "1e3",
    "0x10",
    "1:30",
    "~",
    "=",
    "<<",
    "-",
    "? ",
    "!!python/object:x",
    "&a",
    "*a",
    "a: b",
    "a # b",
    "#",
    "{a}",
    "[b]",
    "a, b",
    "a\nb",
    "a\r\nb\tc",
    " leading",
    "trailing ",
    'say "loss"',
    "it's",
    "back\\slash",
    '", "loss": [1], "x',
    "\\u0041",
    ".nan",
    "-.inf",
    "Verlust_äöü",
    "损失",
    "🙂",
    "\x00\x7f\x85\u2028\ufeff\ufffe",
    "e\u0301",
    "é",
    "x" * 250,
    "\x01" * 250,
    " # legm length=000000000001",
]


def test_metrics_with_any_names_live_side_by_side(handler):
    values = {name: number + 0.5 for number, name in enumerate(NAMES)}
    handler.set_dict_metrics(values, step=1)
    for name in NAMES:
        handler.set_metric(name, -values[name], step=2)
        handler.set_metric(name, values[name], test=True)
    result = handler.log()
    found = seen(result)
    assert found["dev"] == {n: [(1, repr(v)), (2, repr(-v))] for n, v in values.items()}
    assert found["best"] == {n: repr(-v) for n, v in values.items()}
    assert found["test"] == {n: repr(v) for n, v in values.items()}
    assert seen(read_back(handler)[result.run.run_id]) == found
    metrics, steps = (by_run[result.run.run_id] for by_run in entries(handler))
    assert sum(value == [1, 2] for value in steps.values()) == len(NAMES)
    lists = [value for value in metrics.values() if isinstance(value, list)]
    assert sorted(lists) == sorted([v, -v] for v in values.values())
    assert metrics["best_step"] == 2
    assert metrics["run_id"] == result.run.run_id
    assert metrics["description"] == ""
    assert {name: metrics[f"test_{name}"] for name in NAMES} == values


@pytest.mark.parametrize("name", NAMES)
def test_one_metric_of_any_name_is_found_by_its_name(handler, name):
    handler.set_dict_metrics({"other": 1.0, name: 0.5, "x y": 2.0})
    handler.set_dict_metrics({"a": {f"i{name[:200]}": 0.25}, name: {f"i{name[:200]}": 0.75}})
    handler.log()
    (run,) = runs_of(handler.configuration_folder.parents[1], histories=frozenset({name}))
    assert {s.name: h.values.tolist() for s, h in run.histories.items()} == {name: [0.5]}
    entries(handler)


@pytest.mark.parametrize("index", ["", " ", "\ud800", "x" * 3000, "a\nb", "dev/x", "null", 3, (1, 2), None])
def test_examples_of_any_name_are_kept_or_refused_by_name(handler, index):
    try:
        handler.set_dict_metrics({index: {"iou": 0.5}})
    except MetricError:
        expected = {}
    else:
        expected = {("iou", str(index)): [(0, "0.5")]}
    assert logged(handler)["dev"] == expected


# capture_metrics


def test_a_returned_mapping_is_logged_completely(handler):
    @handler.capture_metrics()
    def evaluate(a, *, b):
        """Evaluate."""
        return {"loss": a, "acc": b}

    assert evaluate(1, b=2) == {"loss": 1, "acc": 2}
    assert evaluate(3, b=4) == {"loss": 3, "acc": 4}
    assert (evaluate.__name__, evaluate.__doc__) == ("evaluate", "Evaluate.")
    assert logged(handler)["dev"] == {"loss": [(0, "1.0"), (1, "3.0")], "acc": [(0, "2.0"), (1, "4.0")]}


def test_the_decorator_needs_no_parentheses(handler):
    @handler.capture_metrics
    def evaluate():
        return {"loss": 1}

    assert evaluate() == {"loss": 1}
    assert logged(handler)["dev"] == {"loss": [(0, "1.0")]}


@pytest.mark.parametrize(
    ("names", "returned", "kept"),
    [
        (["loss", "acc"], (0.5, 0.25), {"loss": 0.5, "acc": 0.25}),
        (["loss", "acc"], [0.5, np.float32(0.25)], {"loss": 0.5, "acc": 0.25}),
        (["loss", "acc"], np.array([0.5, 0.25]), {"loss": 0.5, "acc": 0.25}),
        (("loss",), 0.5, {"loss": 0.5}),
        ("loss", 0.5, {"loss": 0.5}),
        ("loss", Tensor(0.5), {"loss": 0.5}),
        (["acc"], {"loss": 0.5, "acc": 0.25}, {"acc": 0.25}),
        (None, (0.5, 0.25), {"evaluate_0": 0.5, "evaluate_1": 0.25}),
        (None, [], {}),
        (None, 0.5, {"evaluate": 0.5}),
        (None, np.array(0.5), {"evaluate": 0.5}),
    ],
)
def test_what_a_function_returns_gets_names(handler, names, returned, kept):
    @handler.capture_metrics(names)
    def evaluate():
        return returned

    assert evaluate() is returned
    assert logged(handler)["dev"] == {name: [(0, repr(value))] for name, value in kept.items()}


def test_captured_metrics_may_be_test_metrics(handler):
    handler.capture_metrics(["acc"], test=True)(lambda: [1])()
    found = logged(handler)
    assert (found["test"], found["dev"]) == ({"acc": "1.0"}, {})


@pytest.mark.parametrize(
    ("names", "returned", "message"),
    [
        (["loss", "acc"], (1, 2, 3), "evaluate.* returned 3 values for the metrics"),
        (["loss", "acc"], 1, "evaluate.* returned 1 value "),
        (["los"], {"loss": 1}, "evaluate.* returned no 'los'; did you mean 'loss'"),
        (None, "good", "'evaluate'"),
        (None, None, "'evaluate'"),
    ],
)
def test_what_does_not_fit_the_names_is_an_error_when_the_function_is_called(
    handler, names, returned, message
):
    @handler.capture_metrics(names)
    def evaluate():
        return returned

    with pytest.raises(MetricError, match=message):
        evaluate()
    assert logged(handler)["dev"] == {}


def test_an_iterator_that_is_returned_is_refused_rather_than_used_up(handler):
    @handler.capture_metrics()
    def evaluate():
        return {"loss": 0.5}.values().__iter__()

    with pytest.raises(MetricError, match="'evaluate' must be a single number"):  # an iterator is no sequence
        evaluate()


# The best step


def series(handler, **metrics):
    for name, values in metrics.items():
        for step, value in values.items():
            handler.set_metric(name, value, step=step)


def test_without_set_best_every_metric_at_the_last_step_is_the_best(handler):
    series(handler, loss={0: 3, 1: 2, 2: 1}, acc={0: 7, 2: 8})
    found = logged(handler)
    assert found["best_step"] == 2
    assert found["best"] == {"loss": "1.0", "acc": "8.0"}


def test_last_is_the_largest_step_not_the_one_set_last(handler):
    series(handler, loss={5: 1, 2: 2})
    handler.set_best("last")
    assert logged(handler)["best"] == {"loss": "1.0"}


@pytest.mark.parametrize("keyword", ["step", "best_step"])
def test_a_step_that_is_given_is_the_best_one(handler, keyword):
    series(handler, loss={0: 3, 1: 2, 2: 1}, acc={0: 7, 1: 8, 2: 9})
    handler.set_best("early_stopping", **{keyword: 1})
    found = logged(handler)
    assert (found["best_step"], found["best"]) == (1, {"loss": "2.0", "acc": "8.0"})


def test_step_zero_is_a_step(handler):
    series(handler, loss={0: 3, 1: 2})
    handler.set_best("early_stopping", step=0)
    assert logged(handler)["best"] == {"loss": "3.0"}


@pytest.mark.parametrize(("higher_better", "step"), [(True, 2), (False, 1)])
def test_a_metric_may_choose_the_best_step(handler, higher_better, step):
    series(handler, acc={0: 0.5, 1: 0.25, 2: 0.75, 3: 0.5}, loss={0: 0, 1: 1, 2: 2, 3: 3})
    handler.set_best("early_stopping", metric="acc", higher_better=higher_better)
    found = logged(handler)
    assert (found["best_step"], found["best"]["loss"]) == (step, f"{step}.0")


@pytest.mark.parametrize(("metric", "step"), [("acc", 1), ("val/loss", 0), ("neg_loss", 1), ("top1_err", 0)])
def test_without_a_direction_the_metrics_name_decides_which_step_is_best(handler, metric, step):
    series(handler, **{metric: {0: 0.5, 1: 0.75}})
    handler.set_best("early_stopping", metric=metric)
    assert logged(handler)["best_step"] == step


def test_the_nearest_earlier_step_is_used_instead_and_recorded(handler):
    series(handler, loss={0: 0, 2: 2, 4: 4}, acc={0: 10, 3: 13, 9: 19}, late={8: 8})
    handler.set_dict_metrics({"a": {"iou": 5}}, step=1)
    handler.set_best("early_stopping", metric="loss", higher_better=True)
    found = logged(handler)
    assert found["best_step"] == 4
    assert found["best"] == {"loss": "4.0", "acc": "13.0", ("iou", "a"): "5.0"}
    (result,) = read_back(handler).values()
    assert {str(s): step for s, step in result.best_steps.items()} == {"dev/acc": 3, "dev/iou[a]": 1}
    (entry,) = entries(handler)[0].values()
    assert entry["legm"]["best_steps"] == {"acc": 3, "iou": {"a": 1}}


def test_a_step_before_all_others_leaves_nothing_best(handler):
    series(handler, loss={3: 1})
    handler.set_best("early_stopping", step=2)
    found = logged(handler)
    assert (found["best_step"], found["best"]) == (2, {})
    assert found["dev"] == {"loss": [(3, "1.0")]}


@pytest.mark.parametrize(
    ("values", "higher_better", "step"),
    [
        ([NAN, 1, 2, NAN], True, 2),
        ([NAN, 1, 2, NAN], False, 1),
        ([NAN, -INF], True, 1),
        ([NAN, INF], False, 1),
        ([NAN, INF, NAN], True, 1),
        ([NAN, -INF, 0], False, 1),
        ([-INF, NAN, -INF], True, 0),
        ([NAN, NAN, -INF, NAN], True, 2),
    ],
)
def test_nan_never_wins(handler, values, higher_better, step):
    series(handler, acc=dict(enumerate(values)))
    handler.set_best("early_stopping", metric="acc", higher_better=higher_better)
    assert logged(handler)["best_step"] == step


@pytest.mark.parametrize("higher_better", [True, False])
@pytest.mark.parametrize("tie", [1.0, 0.0, INF, -INF])
def test_of_equal_values_the_first_step_wins(handler, tie, higher_better):
    series(handler, acc={4: tie, 2: tie, 9: tie, 3: NAN})
    handler.set_best("early_stopping", metric="acc", higher_better=higher_better)
    assert logged(handler)["best_step"] == 2


def test_zeros_of_both_signs_are_equal(handler):
    series(handler, acc={0: -0.0, 1: 0.0})
    handler.set_best("early_stopping", metric="acc")
    assert logged(handler)["best"] == {"acc": "-0.0"}


def test_where_every_value_is_nan_the_last_step_is_taken_and_said(handler, caplog):
    series(handler, acc={0: NAN, 1: NAN}, loss={0: 1, 1: 2, 2: 3})
    handler.set_best("early_stopping", metric="acc")
    found = logged(handler)
    assert (found["best_step"], found["best"]) == (2, {"acc": "nan", "loss": "3.0"})
    assert "every value of 'acc' is NaN" in caplog.text


def test_a_value_that_was_overwritten_does_not_win(handler):
    series(handler, acc={0: 9, 1: 5})
    handler.set_metric("acc", 1, step=0)
    handler.set_best("early_stopping", metric="acc")
    assert logged(handler)["best_step"] == 1


def test_the_last_set_best_counts_and_may_come_before_the_metrics(handler):
    handler.set_best("early_stopping", metric="loss", higher_better=False)
    handler.set_best("early_stopping", metric="acc")
    series(handler, acc={0: 1, 1: 0}, loss={0: 1, 1: 0})
    assert logged(handler)["best_step"] == 0
    handler.set_best()
    assert logged(handler)["best_step"] == 1


@pytest.mark.parametrize("metric", ["acuracy", "only_test", "iou"])
def test_an_unknown_metric_is_an_error_when_it_is_set(handler, metric):
    series(handler, accuracy={0: 2, 1: 1})
    handler.set_metric("only_test", 1, test=True)
    handler.set_dict_metrics({"a": {"iou": 1}})
    with pytest.raises(MetricError, match=f"metric='{metric}', which was never set.*'accuracy'"):
        handler.set_best("early_stopping", metric=metric)
    handler.set_metric("accuracy", 3, step=2)
    handler.set_best("early_stopping", metric="accuracy")
    found = logged(handler)
    assert found["dev"]["accuracy"] == [(0, "2.0"), (1, "1.0"), (2, "3.0")]
    assert found["best"]["accuracy"] == "3.0"
    assert len(entries(handler)[0]) == 1


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        (("first",), {}),
        ((None,), {}),
        (("early_stoping",), {"step": 1}),
        (("early_stopping",), {}),
        (("early_stopping",), {"step": 1, "metric": "acc"}),
        (("early_stopping",), {"step": 1, "best_step": 2}),
        (("early_stopping",), {"step": 0.5}),
        (("early_stopping",), {"step": 2**63}),
        (("early_stopping",), {"metric": 3}),
        (("early_stopping",), {"metric": ""}),
        (("last",), {"step": 1}),
        (("last",), {"metric": "acc"}),
        ((), {"best_step": 1}),
    ],
)
def test_wrong_arguments_of_set_best_are_refused_at_once(handler, arguments, keywords):
    series(handler, acc={0: 1, 1: 0})
    with pytest.raises(MetricError):
        handler.set_best(*arguments, **keywords)
    assert logged(handler)["best_step"] == 1


def test_an_unknown_method_is_reported_with_the_closest(handler):
    with pytest.raises(MetricError, match="no method 'early_stoping'; did you mean 'early_stopping'"):
        handler.set_best("early_stoping", step=1)


@pytest.mark.parametrize("higher_better", [1, np.True_])
def test_higher_better_may_be_any_truth_value(handler, higher_better):
    series(handler, acc={0: 1, 1: 0})
    handler.set_best("early_stopping", metric="acc", higher_better=higher_better)
    found = logged(handler)
    assert found["best_step"] == 0
    assert found["dev"] == {"acc": [(0, "1.0"), (1, "0.0")]}


# Against a naive model

values = st.one_of(
    st.floats(),
    st.integers(-5, 5),
    st.booleans(),
    st.floats(width=32).map(np.float32),
    st.integers(-5, 5).map(np.int64),
    st.floats().map(lambda v: np.array([v])),
)
steps = st.one_of(
    st.none(),
    st.none(),
    st.integers(-2, 6),
    st.integers(-2, 6).map(np.int32),
    st.sampled_from([*LIMITS, 4.0]),
)
names = st.sampled_from(["a", "b", "c", "d"])
groups = st.lists(names, min_size=1, max_size=4, unique=True).flatmap(
    lambda chosen: st.fixed_dictionaries(dict.fromkeys(chosen, values))
)
indexed = st.dictionaries(
    st.sampled_from(["x", "y"]), st.dictionaries(st.sampled_from(["i", "j"]), values, min_size=1), min_size=1
)
rules = st.one_of(
    st.just({"method": "last"}),
    st.builds(lambda step: {"method": "early_stopping", "step": step}, st.integers(-3, 7)),
    st.builds(
        lambda metric, higher: {"method": "early_stopping", "metric": metric, "higher_better": higher},
        names,
        st.booleans(),
    ),
)
calls = st.lists(
    st.one_of(
        st.tuples(st.just("one"), names, values, steps, st.booleans()),
        st.tuples(st.just("group"), groups, steps, st.booleans()),
        st.tuples(st.just("group"), groups, steps, st.booleans()),
        st.tuples(st.just("group"), indexed, steps, st.booleans()),
        st.tuples(st.just("best"), rules),
        st.just(("write",)),
        st.just(("log",)),
    ),
    max_size=25,
)


class Model:
    """The specification, as slowly and plainly as it can be said."""

    def __init__(self) -> None:
        self.dev: dict = {}
        self.counts: dict = {}
        self.test: dict = {}
        self.rule = {"method": "last"}

    def set(self, key, value, step, *, test):
        if test:
            self.test[key] = repr(float(np.asarray(value).item()))
            return
        at = self.counts.get(key, 0) if step is None else int(step)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.dev.setdefault(key, {})[at] = float(np.asarray(value).item())

    def accepts(self, metric):
        """Whether a metric may choose the best step: it, or none, was set as plain numbers."""
        plain = [key for key in self.dev if isinstance(key, str)]
        return metric is None or metric in plain or not plain

    def best_step(self):
        if "step" in self.rule:
            return self.rule["step"] if self.dev else None
        if "metric" in self.rule:
            numbers = [(v, s) for s, v in self.dev[self.rule["metric"]].items() if not math.isnan(v)]
            if numbers:
                best = (max if self.rule["higher_better"] else min)(v for v, _ in numbers)
                return min(s for v, s in numbers if v == best)
        return max((step for of_key in self.dev.values() for step in of_key), default=None)

    def outcome(self):
        step = self.best_step()
        best = {}
        for key, of_key in self.dev.items() if step is not None else ():
            earlier = [s for s in of_key if s <= step]
            if earlier:
                best[key] = repr(of_key[max(earlier)])
        dev = {key: [(s, repr(of_key[s])) for s in sorted(of_key)] for key, of_key in self.dev.items()}
        return {"dev": dev, "best": best, "test": self.test, "best_step": step}


@pytest.mark.slow
@examples(120)
@given(calls)
def test_any_sequence_of_calls_equals_a_naive_model(sequence):
    model = Model()
    with tempfile.TemporaryDirectory() as root:
        handler = ExperimentHandler(root, "e").start()
        for call, *arguments in sequence:
            if call == "one":
                name, value, step, test = arguments
                handler.set_metric(name, value, test, step)
                model.set(name, value, step, test=test)
            elif call == "group":
                mapping, step, test = arguments
                handler.set_dict_metrics(mapping, test, step)
                for name, value in mapping.items():
                    if isinstance(value, dict):
                        for metric, inner in value.items():
                            model.set((metric, name), inner, step, test=test)
                    else:
                        model.set(name, value, step, test=test)
            elif call == "best" and model.accepts(arguments[0].get("metric")):
                model.rule = arguments[0]
                handler.set_best(**arguments[0])
            elif call == "best":
                with pytest.raises(MetricError, match="never set"):
                    handler.set_best(**arguments[0])
            elif call == "write":
                handler.flush()
            elif call == "log" and model.rule.get("metric") in {None, *model.dev}:
                assert logged(handler) == model.outcome()
        if model.rule.get("metric") not in {None, *model.dev}:
            model.rule = {"method": "last"}
        assert logged(handler) == model.outcome()
        del handler
