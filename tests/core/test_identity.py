"""Identity: plain and canonical forms, and the fingerprint that is made of them."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import math
import pathlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.identity import fingerprint
from legm.core.plain_form import (
    ObjectFields,
    are_equal_values,
    canonical_plain_text,
    from_plain,
    parameter_to_plain,
    to_plain,
    without_classes,
)
from legm.errors import UnstableValue

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.sampled_from([np.float32(0.1), np.int8(3), np.bool_(True), pathlib.PurePosixPath("a/b")]),
)


@dataclasses.dataclass
class Box:
    content: object


@dataclasses.dataclass
class Crate:
    content: object


class Options(SimpleNamespace):
    pass


@dataclasses.dataclass(frozen=True)
class Chip:
    content: object


KEYS = st.one_of(st.integers(), st.text(), st.floats(allow_nan=False), st.booleans())
HASHABLE = st.one_of(KEYS, st.builds(Chip, KEYS))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.builds(Box, inner),
        st.builds(Crate, inner),
    ),
    max_leaves=12,
)


def form(value: object) -> str:
    return canonical_plain_text(parameter_to_plain("x", value))


@given(VALUES)
def test_a_value_is_the_same_after_its_plain_form(value):
    assert form(from_plain(parameter_to_plain("x", value))) == form(value)


@given(VALUES)
def test_without_their_classes_objects_are_what_they_were_before_these_were_kept(value):
    fields_alone = without_classes(parameter_to_plain("x", value))
    assert canonical_plain_text(fields_alone) == canonical_plain_text(to_plain("x", value))
    assert are_equal_values(fields_alone, parameter_to_plain("x", value))
    assert form(from_plain(fields_alone)) == canonical_plain_text(fields_alone)


@given(VALUES, VALUES)
def test_the_fingerprint_agrees_with_the_canonical_form(one, other):
    first, second = (fingerprint("e", {"p": parameter_to_plain("p", value)}) for value in (one, other))
    assert (first == second) == (form(one) == form(other))


@given(st.integers(), st.floats(allow_nan=False))
def test_numbers_are_the_same_exactly_when_python_says_so(whole, number):
    assert (form(whole) == form(number)) == (whole == number)


@given(st.dictionaries(st.text(), st.integers(), max_size=6))
def test_mappings_have_no_order(mapping):
    assert form(dict(reversed(mapping.items()))) == form(mapping)


@given(st.frozensets(HASHABLE, max_size=6))
def test_sets_have_no_order(values):
    backwards: set[object] = set()
    for value in reversed(list(values)):
        backwards.add(value)
    assert form(backwards) == form(values)


class Colour(enum.Enum):
    RED = 1


class Part(enum.Flag):
    A = 1
    B = 2
    C = 4


@dataclasses.dataclass
class Sgd:
    pass


@dataclasses.dataclass
class Adam:
    pass


@dataclasses.dataclass
class Net:
    width: int
    names: tuple[str, ...]


def activation(x):
    return x


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0.0, -0.0),
        (math.nan, -math.nan),
        ((1, [2]), [1, (2,)]),
        ({1, 2}, frozenset({2, 1})),
        (np.float64(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (np.array(2), 2),
        (np.bool_(True), True),
        (pathlib.Path("a") / "b", "a/b"),
        (Colour.RED, "RED"),
        (Part.C | Part.A, "A|C"),
        ({Colour.RED: 1}, {"RED": 1}),
        ({pathlib.PurePosixPath("a"): 1}, {"a": 1}),
        ({np.str_("a"): 1}, {"a": 1}),
        (pathlib.PurePosixPath, "pathlib.PurePosixPath"),
        (int | None, Optional[int]),  # noqa: UP045
        (np.longdouble(0.5), 0.5),
        (np.datetime64("2026-01-01T12", "ns"), datetime.datetime(2026, 1, 1, 12)),  # noqa: DTZ001
        (Net(3, ("a",)), {"legm:class": "Net", "width": 3, "names": ["a"]}),
        (Net(3, ("a",)), ObjectFields("Net", {"width": 3, "names": ("a",)})),
        (SimpleNamespace(lr=1), {"lr": 1}),
        (Options(), {}),
        (Options(lr=1), {"legm:class": "Options", "lr": 1}),
        (activation, f"{__name__}.activation"),
        (np.tanh, "numpy.tanh"),
        (dict, "builtins.dict"),
        (decimal.Decimal("0.5"), 0.5),
        (range(3), [0, 1, 2]),
        ({1: "a"}, {1.0: "a"}),
        (complex(2, 0), 2),
        (
            datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc),
            datetime.datetime(2026, 1, 1, 13, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        ),
    ],
)
def test_these_are_the_same(one, other):
    assert form(one) == form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        (1, "1"),
        (None, "None"),
        ([1, 2], [2, 1]),
        ({1, 2}, [1, 2]),
        ({"a": 1}, [["a", 1]]),
        ({1: "a"}, {"1": "a"}),
        ({"legm:set": [1]}, {1}),
        (b"a", "a"),
        (0.1, np.float32(0.1)),
        (decimal.Decimal("0.1"), 0.1),
        (math.inf, -math.inf),
        (Part.A | Part.B, Part.A | Part.C),
        (Part(0), None),
        (list[int], list[str]),
        (Sgd(), Adam()),
        (Box([0.1]), Crate([0.1])),
        ({"in": [Box(1)]}, {"in": [Crate(1)]}),
        (Box(1), {"content": 1}),
        (np.longdouble(1) / 3, 1 / 3),
        (np.timedelta64(3, "Y"), np.timedelta64(3, "M")),
        (2**53, 2**53 + 1),
        ("é", "e\u0301"),
        (functools.partial(max, 1), functools.partial(max, 2)),
    ],
)
def test_these_differ(one, other):
    assert form(one) != form(other)


@pytest.mark.parametrize(
    "value",
    [object(), lambda x: x, [object()], {"k": object()}, open, "x".join, iter([])],
    ids=["object", "lambda", "in a list", "in a mapping", "fine", "bound method", "iterator"],
)
def test_a_value_without_a_stable_form_is_refused_by_the_parameters_name(value):
    if value is open:
        assert to_plain("lr", value).endswith("open")
        return
    with pytest.raises(UnstableValue, match=r"lr.*disable_param\('lr'\)"):
        to_plain("lr", value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({Colour.RED: 1, "RED": 2}, "two keys that are compared as equal"),
        (np.clongdouble(1j) / 3, "more digits than a complex number"),
    ],
)
def test_what_would_lose_something_is_refused(value, message):
    with pytest.raises(UnstableValue, match=f"'x'.*{message}"):
        to_plain("x", value)


def test_a_value_that_contains_itself_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(UnstableValue, match="contains itself"):
        to_plain("x", loop)


def test_an_open_file_is_refused(tmp_path):
    with (tmp_path / "f").open("w") as file, pytest.raises(UnstableValue, match="TextIOWrapper"):
        to_plain("log", file)


def test_the_fingerprint_is_the_same_in_another_process_with_another_hash_seed():
    values = {"s": {"a", "b", "c", "d"}, "m": {"x": 1, "y": [True, None, 0.1]}, "t": ("ü", 2)}
    script = (
        "from legm.core.identity import fingerprint; from legm.core.plain_form import to_plain;"
        f"print(fingerprint('e', {{k: to_plain(k, v) for k, v in {values!r}.items()}}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert outputs == {fingerprint("e", {k: to_plain(k, v) for k, v in values.items()})}


def test_the_fingerprint_of_version_1_never_changes():
    values = {"lr": 0.1, "layers": [64, 32], "names": {"b", "a"}, "opt": "adam", "n": 1.0, "x": math.nan}
    found = fingerprint("LeNet@MNIST", {k: to_plain(k, v) for k, v in values.items()})
    assert found == "v1-fc0e253f78f9ac900975e422df483fca"
