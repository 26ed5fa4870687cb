"""What stands for an unknown name does no harm, wherever a script or a training puts it."""

from __future__ import annotations

import copy
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from legm.compat.null_objects import NullObject, contains_null_object, make_null_class
from legm.compat.unsupported_calls import UnsupportedCalls


@pytest.fixture
def notices():
    return UnsupportedCalls()


@pytest.fixture
def null(notices):
    return NullObject("wandb.x", notices)


def test_it_is_true_and_empty(null):
    assert null
    assert (list(null), len(null), "a" in null) == ([], 0, False)
    with pytest.raises(IndexError):
        null[0]
    assert null["key"]
    assert np.asarray(null).shape == (0,)


def test_it_is_nothing_as_a_number(null):
    assert (int(null), float(null), round(null), round(null, 2), math.floor(null), -null, abs(null)) == (
        0,
    ) * 7
    assert (3 + null, null + 3, 3 - null, null - 3, 3 * null, 3 / null, null / 3) == (3, 3, 3, -3, 0, 3, 0)
    assert list(range(null)) == []
    assert f"{null:.2f} {null:d}" == "0.00 0"


def test_no_limit_is_exceeded(null):
    for number in (-1, 0, 10**9):
        assert [number > null, number < null, null >= number, null <= number] == [False] * 4
    assert sorted([null, null]) == [null, null]


def test_it_is_its_name_as_a_text_and_no_file(null):
    assert "a" + null == "a<wandb.x: not recorded by legm>"
    assert f"{null:>40}".endswith("by legm>")
    assert not Path(null).exists()
    assert Path("folder") / null
    assert os.path.join(null, "a").endswith("a")  # noqa: PTH118 - as scripts do


def test_it_decorates_and_is_a_block(null):
    with null as inner:
        assert inner is null
    with pytest.raises(ZeroDivisionError), null:
        1 / 0  # noqa: B018

    @null
    def f():
        return 1

    @null(name="f", value=2)
    def g():
        return 2

    assert (f(), g()) == (1, 2)

    class Below(null):
        pass

    assert Below()
    assert not isinstance(1, null)


def test_a_hook_means_to_continue_whoever_asks(null):
    assert null({}, {})  # a function as a callback of Stable-Baselines3
    assert null.after_iteration("info") is True  # CatBoost
    assert null.after_iteration("model", 1, {}) is None  # XGBoost, where true means to stop
    assert null.on_step() is True
    assert null.on_epoch_end("args", "state", "control") is None  # transformers
    assert null.should_stop() is False
    assert null.is_done() is False


def test_each_use_is_one_line(notices, null):
    result = null.make(1)
    result.more().of.it["a"].again(2)
    assert null.make(3)
    assert list(notices.unsupported) == ["wandb.x"]


def test_loops_over_its_attributes_and_results_end(null):
    at, depth = null, 0
    while at is not None:
        at, depth = at.parent, depth + 1
    while null is not None and depth < 1000:
        null, depth = null(), depth + 1
    assert depth < 100


@pytest.mark.parametrize("name", ["tolist", "item", "keys", "to_dict", "numpy", "shape", "__array__"])
def test_it_has_no_conversions(null, name):
    assert not hasattr(null, name)


def test_it_is_copied_and_pickled(null):
    again = pickle.loads(pickle.dumps({"a": [null]}))["a"][0]
    assert again == null
    assert hash(again) == hash(null)
    assert copy.deepcopy(null) is null


def test_an_unknown_class_is_a_class(notices):
    made = make_null_class("wandb.Odd", notices)
    one = made(1, key=2)
    assert isinstance(one, made)
    assert not isinstance(1, made)
    assert one.call(3).more
    one.value = 4
    assert one.value == 4
    assert made.from_file("x")

    class Below(made):
        def __init__(self, width):
            super().__init__()
            self.width = width

    assert Below(3).width == 3
    assert list(notices.unsupported) == ["wandb.Odd"]


def test_an_unknown_callback_is_of_the_clients_class(notices):
    class Callback:
        def __init__(self, verbose=0):
            self.verbose = verbose

        def on_step(self):
            return self._on_step()

    one = make_null_class("wandb.integration.sb3.Other", notices, Callback)("path", frequency=3)
    assert isinstance(one, Callback)
    assert one.verbose == 0


def test_it_is_found_in_values(notices, null):
    assert contains_null_object({"a": [1, (null,)]})
    assert contains_null_object({null: 1})
    assert contains_null_object(make_null_class("wandb.Odd", notices))
    assert not contains_null_object({"a": [1, (2,)]})
