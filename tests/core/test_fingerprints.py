"""One table of values, whose fingerprints are the same on every Python.

Every Python compares with ``fingerprints.json``. A new value gets its line there from the failing test's
message. An existing line never changes: it identifies configurations that users have.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import json
import math
import pathlib
import typing
import uuid
from types import SimpleNamespace

import attrs
import numpy as np
import pydantic
from omegaconf import OmegaConf

from legm.core.identity import fingerprint
from legm.core.plain_form import parameter_to_plain, to_plain
from tests.support.paths import TESTS

STORED = TESTS / "core" / "fingerprints.json"


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 1


class Mode(str, enum.Enum):
    FAST = "fast"


class Part(enum.Flag):
    A = 1
    B = 2
    C = 4
    AB = 3


class Access(enum.IntFlag):
    WRITE = 4
    READ = 1
    LIST = 2


@dataclasses.dataclass
class Net:
    width: int
    names: tuple[str, ...] = ("a", "b")


@dataclasses.dataclass
class Sgd:
    pass


@attrs.define
class Optimizer:
    lr: float


class Model(pydantic.BaseModel):
    depth: int = 3


class Point(typing.NamedTuple):
    x: int
    y: int


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Network:
    class Inner:
        pass

    @classmethod
    def make(cls) -> None:
        pass


def function(x: object) -> object:
    return x


UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 600)  # noqa: DTZ001 - a moment without a zone is a value too

VALUES: dict[str, object] = {
    # Plain values
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "minus zero": -0.0,
    "one": 1,
    "2**53 + 1": 2**53 + 1,
    "2**64": 2**64,
    "5000 bits": 2**5000 + 1,
    "tenth": 0.1,
    "1e22": 1e22,
    "1e300": 1e300,
    "smallest": 5e-324,
    "nan": math.nan,
    "infinity": -math.inf,
    "empty text": "",
    "text": "adam",
    "path as text": "data/../x",
    "unicode": "ü😀\u202e\x00\n",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"ab"),
    "complex": complex(0.1, -2),
    "complex without imaginary part": complex(2, 0),
    # Exact numbers
    "decimal": decimal.Decimal("0.1"),
    "decimal that a float has": decimal.Decimal("0.5"),
    "fraction": fractions.Fraction(1, 3),
    # Containers
    "list": [1, "a", None, [0.5, True]],
    "tuple": (1, 2),
    "named tuple": Point(1, 2),
    "range": range(0, 10, 3),
    "deque": collections.deque([1, 2]),
    "set": {3, 1, 2, "a", (1, 2)},
    "frozenset": frozenset("abc"),
    "mapping": {"b": 1, "a": {"c": [1, 2]}},
    "ordered mapping": collections.OrderedDict(b=1, a=2),
    "default mapping": collections.defaultdict(int, a=1),
    "mapping with numbers as keys": {1: "a", 2.5: "b", None: "c", False: "d"},
    "mapping with texts as keys": {"a/b": 1},
    "mapping with one text as its key": {"a": 1},
    "mapping with tuples as keys": {(1, 2): "a"},
    "mapping with enum members as keys": {Colour.RED: 1, Colour.GREEN: 2},
    "mapping with combined flags as keys": {Part.A | Part.C: 1},
    "mapping with paths as keys": {pathlib.PurePosixPath("a/b"): 1},
    "mapping with NumPy texts as keys": {np.str_("a"): 1},
    "mapping with NumPy numbers as keys": {np.int32(3): 1, np.float32(0.5): 2},
    "mapping with a tag as its key": {"legm:set": [1]},
    "empty containers": [[], (), {}, set(), ""],
    # Enum members
    "enum member": Colour.RED,
    "int enum member": Level.LOW,
    "text enum member": Mode.FAST,
    "flag": Part.B,
    "named combination": Part.A | Part.B,
    "combination": Part.A | Part.C,
    "combination with a named part": Part.AB | Part.C,
    "complement": ~Part.A,
    "empty flag": Part(0),
    "int flags": Access.WRITE | Access.READ,
    "int flags with an unknown bit": Access(8 | 1),
    "int flags complement": ~Access.READ,
    "empty int flag": Access(0),
    # Objects that become their fields
    "dataclass": Net(3),
    "dataclass in a list": [Net(1), {"net": Net(2)}],
    "dataclass without fields": Sgd(),
    "attrs": Optimizer(0.1),
    "pydantic": Model(),
    "namespace": argparse.Namespace(a=1, b="x"),
    "simple namespace": SimpleNamespace(a=1),
    "empty namespace": SimpleNamespace(),
    "omegaconf": OmegaConf.create({"a": 1, "b": ["${a}", 2]}),
    # Paths, dates and other texts
    "path": pathlib.PurePosixPath("data/../x"),
    "text with another str()": Text("lr"),
    "date": datetime.date(2026, 1, 2),
    "time": datetime.time(3, 4),
    "datetime": MOMENT,
    "datetime with a zone": MOMENT.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    "duration": datetime.timedelta(days=-1, seconds=3, microseconds=4),
    "three seconds": datetime.timedelta(seconds=3),
    "uuid": uuid.UUID(int=7),
    # Functions and classes
    "function": function,
    "built-in function": len,
    "open": open,
    "partial": functools.partial(function, 1, x=[2]),
    "class method": Network.make,
    "class": Network,
    "nested class": Network.Inner,
    "built-in class": dict,
    "type of None": type(None),
    "Path": pathlib.Path,
    "PurePosixPath": pathlib.PurePosixPath,
    "classes of the standard library": [
        collections.OrderedDict,
        datetime.datetime,
        decimal.Decimal,
        decimal.getcontext,
        asyncio.Queue,
        asyncio.current_task,
        functools.lru_cache,
        json.dumps,
        math.sqrt,
        enum.Enum,
    ],
    "list of int": list[int],
    "list of str": list[str],
    "typing list of int": typing.List[int],  # noqa: UP006 - it is to equal list[int]
    "optional": typing.Optional[int],  # noqa: UP045 - it is to equal int | None
    "union": int | None,
    "union in another order": None | int,
    "mapping type": dict[str, tuple[int, ...]],
    "callable type": typing.Callable[[int], str],
    "literal": typing.Literal["a", 1],
    # NumPy
    "numpy bool": np.bool_(True),
    "numpy int": np.int64(2**62 + 1),
    "numpy float32": np.float32(0.1),
    "numpy float16": np.float16(0.1),
    "numpy text": np.str_("a"),
    "numpy bytes": np.bytes_(b"a"),
    "numpy complex of two": np.complex128(2),
    "numpy complex": np.complex64(1j),
    "longdouble that a float has": np.longdouble(0.5),
    "longdoubles": np.array([1, 2], np.longdouble),
    "longdouble nan": np.longdouble("nan"),
    "clongdouble": np.clongdouble(0.5 + 2j),
    "array": np.arange(6).reshape(2, 3),
    "zero-dimensional array": np.array(2.5),
    "empty array": np.zeros((0, 2)),
    "array of texts": np.array(["a", "bc"]),
    "array of objects": np.array([1, "a", None], object),
    "structured array": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
    "masked array": np.ma.array([1.0, 2.0], mask=[False, True]),
    "day": np.datetime64("2026-01-02"),
    "moment in nanoseconds": np.datetime64("2026-01-02T03:04:05.000600000", "ns"),
    "one nanosecond later": np.datetime64("2026-01-02T03:04:05.000600001", "ns"),
    "no moment": np.datetime64("NaT", "s"),
    "years": np.timedelta64(3, "Y"),
    "seconds": np.timedelta64(3, "s"),
    "days": np.array(["2026-01-02", "2026-01-03"], "M8[D]"),
    "numpy function": np.mean,
    "numpy ufunc": np.tanh,
    "numpy class": np.float32,
    "numpy class of booleans": np.bool_,
    "data type": np.dtype("float32"),
    "data type of another byte order": np.dtype(">f4"),
    "structured data type": np.dtype([("a", "i4"), ("b", "f8")]),
}

THE_SAME = [
    {"zero", "minus zero"},
    {"tuple", "named tuple", "deque", "longdoubles"},
    {"empty flag", "empty int flag"},
    {"date", "day"},
    {"complex without imaginary part", "numpy complex of two"},
    {"path", "path as text"},
    {"seconds", "three seconds"},
    {"moment in nanoseconds", "datetime"},
    {"list of int", "typing list of int"},
    {"optional", "union", "union in another order"},
    {"mapping with paths as keys", "mapping with texts as keys"},
    {
        "mapping with NumPy texts as keys",
        "mapping with one text as its key",
        "default mapping",
        "simple namespace",
    },
    {"numpy bool", "true"},
    {"longdouble that a float has", "decimal that a float has"},
    {"nan", "longdouble nan"},
]


OBJECTS = ("dataclass", "dataclass in a list", "attrs", "pydantic")
"""Those that have a class as parameters; the configurations from before have their fields alone."""


def found() -> dict[str, str]:
    stored = {label: fingerprint("e", {"p": to_plain("p", value)}) for label, value in VALUES.items()}
    now = {label: fingerprint("e", {"p": parameter_to_plain("p", value)}) for label, value in VALUES.items()}
    assert {label for label in VALUES if now[label] != stored[label]} == {*OBJECTS}
    return stored | {f"{label} with its class": now[label] for label in OBJECTS}


def test_the_fingerprints_are_the_same_on_every_python():
    expected = json.loads(STORED.read_text(encoding="utf-8"))
    different = {label: digest for label, digest in found().items() if expected.get(label) != digest}
    assert not different
    assert expected.keys() == found().keys()


def test_different_values_have_different_fingerprints_and_equal_ones_the_same():
    by_digest: dict[str, set[str]] = {}
    for label, digest in found().items():
        by_digest.setdefault(digest, set()).add(label)
    assert [labels for labels in by_digest.values() if len(labels) > 1 and labels not in THE_SAME] == []
    assert [labels for labels in THE_SAME if labels not in by_digest.values()] == []
