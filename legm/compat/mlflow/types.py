"""``mlflow.types``: the names and types of the columns of models and data sets, as MLflow writes them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from legm.compat.mlflow.exceptions import MlflowException, invalid_value_exception
from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "ColSpec",
    "DataType",
    "ParamSchema",
    "ParamSpec",
    "Schema",
    "TensorSpec",
    "infer_param_schema",
    "infer_schema",
]


class DataType(Enum):
    """The type of a value."""

    boolean = "boolean"
    integer = "integer"
    long = "long"
    float = "float"
    double = "double"
    string = "string"
    binary = "binary"
    datetime = "datetime"

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


@dataclass(frozen=True)
class Array:
    """The type of a list.

    Args:
        dtype: of what is in it.
    """

    dtype: Any

    def __repr__(self) -> str:
        return f"Array({self.dtype!r})"

    def to_dict(self) -> dict[str, Any]:
        """As MLflow writes it."""
        return {"type": "array", "items": _type_to_dict(self.dtype)}


def _type_to_dict(kind: Any) -> dict[str, Any]:
    return kind.to_dict() if isinstance(kind, Array) else {"type": kind.name}


class ColSpec:
    """A column.

    Args:
        type: of its values.
        name: None for a column without a name.
        required: whether each row has a value.
    """

    def __init__(self, type: Any, name: str | None = None, required: bool = True) -> None:  # noqa: A002
        try:
            self.type = DataType[type] if isinstance(type, str) else type
        except KeyError:
            raise MlflowException(
                f"Unsupported type {type!r}: it is one of {', '.join(DataType.__members__)}"
            ) from None
        self.name = name
        self.required = required

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ColSpec) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind = f"{self.type!r} ({'required' if self.required else 'optional'})"
        return kind if self.name is None else f"{self.name!r}: {kind}"

    def to_dict(self) -> dict[str, Any]:
        """As MLflow writes it."""
        name = {} if self.name is None else {"name": self.name}
        return {**_type_to_dict(self.type), **name, "required": self.required}


class TensorSpec:
    """An array.

    Args:
        type: its NumPy type.
        shape: -1 for what varies.
        name: None for an array without a name.
    """

    required = True

    def __init__(self, type: Any, shape: Iterable[int], name: str | None = None) -> None:  # noqa: A002
        self.type = type
        self.shape = tuple(shape)
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind = f"Tensor({self.type.name!r}, {self.shape!r})"
        return kind if self.name is None else f"{self.name!r}: {kind} (required)"

    def to_dict(self) -> dict[str, Any]:
        """As MLflow writes it."""
        name = {} if self.name is None else {"name": self.name}
        kind = self.type.name if self.type.kind not in "US" else {"U": "str", "S": "bytes"}[self.type.kind]
        return {**name, "type": "tensor", "tensor-spec": {"dtype": kind, "shape": list(self.shape)}}


class Schema:
    """The columns or arrays of a model's inputs or outputs.

    Args:
        inputs: each of them.

    Raises:
        MlflowException: there are columns and arrays.
    """

    def __init__(self, inputs: Sequence[ColSpec | TensorSpec]) -> None:
        if len({isinstance(one, TensorSpec) for one in inputs}) > 1:
            raise MlflowException("a schema has either columns or arrays, not both")
        self.inputs = list(inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.inputs == other.inputs

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Any:
        return iter(self.inputs)

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self.inputs))}]"

    def is_tensor_spec(self) -> bool:
        """Whether it has arrays."""
        return bool(self.inputs) and isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        """Whether the columns have names."""
        return bool(self.inputs) and self.inputs[0].name is not None

    def input_names(self) -> list[Any]:
        """The names, or the numbers of columns without names."""
        return [number if one.name is None else one.name for number, one in enumerate(self.inputs)]

    def required_input_names(self) -> list[Any]:
        """The names of the columns that have a value in each row."""
        return [name for name, one in zip(self.input_names(), self.inputs, strict=True) if one.required]

    def input_types(self) -> list[Any]:
        """The types."""
        return [one.type for one in self.inputs]

    def input_types_dict(self) -> dict[str, Any]:
        """The types by name.

        Raises:
            MlflowException: the columns have no names.
        """
        if not self.has_input_names():
            raise MlflowException("the columns of this schema have no names")
        return {str(one.name): one.type for one in self.inputs}

    def to_dict(self) -> list[dict[str, Any]]:
        """As MLflow writes it."""
        return [one.to_dict() for one in self.inputs]

    def to_json(self) -> str:
        """As MLflow writes it."""
        return json.dumps(self.to_dict())


@dataclass(frozen=True)
class ParamSpec:
    """A parameter of a model's inference.

    Args:
        name: its name.
        dtype: the type of its value.
        default: its value where none is given.
        shape: None for a single value, (-1,) for a list.
    """

    name: str
    dtype: Any
    default: Any
    shape: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As MLflow writes it."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "default": self.default, "shape": shape, **_type_to_dict(self.dtype)}


@dataclass(frozen=True)
class ParamSchema:
    """The parameters of a model's inference.

    Args:
        params: each of them.
    """

    params: Sequence[ParamSpec]

    def to_dict(self) -> list[dict[str, Any]]:
        """As MLflow writes it."""
        return [one.to_dict() for one in self.params]

    def to_json(self) -> str:
        """As MLflow writes it."""
        return json.dumps(self.to_dict())


_BY_KIND = {"b": "boolean", "O": "string", "U": "string", "S": "binary", "M": "datetime"}


def _type_of_numpy(kind: Any) -> DataType | None:
    """The type of NumPy's values; None for one that has no name in MLflow."""
    if kind.kind == "f":
        return DataType.float if kind.itemsize <= 4 else DataType.double
    if kind.kind in "iu":
        is_small = kind.itemsize < 4 or (kind.kind == "i" and kind.itemsize == 4)
        return DataType.integer if is_small else DataType.long
    return DataType[_BY_KIND[kind.kind]] if kind.kind in _BY_KIND else None


def _type_of_value(value: Any) -> Any:
    import numpy as np

    if isinstance(value, (list, tuple)):
        if not value:
            raise invalid_value_exception("the type of an empty list is unknown")
        return Array(_type_of_value(value[0]))
    if isinstance(value, (np.generic, np.ndarray)):
        found = _type_of_numpy(value.dtype)
        if found is not None:
            return found if isinstance(value, np.generic) else Array(found)
    for kind, name in (
        (bool, "boolean"),
        (int, "long"),
        (float, "double"),
        (str, "string"),
        (bytes, "binary"),
        (datetime.date, "datetime"),
    ):
        if isinstance(value, kind):
            return DataType[name]
    raise invalid_value_exception(f"values of the type {type(value).__qualname__} have none in MLflow")


def _type_of_column(values: Any, name: str | None) -> ColSpec:
    """The column of a series of pandas."""
    present = values.dropna()
    has_all = len(present) == len(values)
    kind = values.dtype
    numpy_kind = getattr(kind, "numpy_dtype", kind)
    if (
        getattr(numpy_kind, "kind", "O") == "O"
        or not hasattr(numpy_kind, "itemsize")
        or kind.name == "category"
    ):
        if not len(present):
            raise invalid_value_exception(f"the type of the empty column {name!r} is unknown")
        return ColSpec(_type_of_value(present.iloc[0]), name, has_all)
    found = _type_of_numpy(numpy_kind)
    if found is None:
        raise invalid_value_exception(f"the type {kind} of the column {name!r} has none in MLflow")
    return ColSpec(found, name, has_all)


def _type_of_array(values: Any, name: str | None = None) -> TensorSpec:
    kind = values.dtype
    import numpy as np

    if kind.kind in "US":
        kind = np.dtype(kind.char)
    return TensorSpec(kind, (-1, *values.shape[1:]), name)


def infer_schema(data: Any) -> Schema | None:
    """The schema of data: a data frame, series, array, mapping of arrays or values, list or single value.

    Raises:
        MlflowException: a type has no name in MLflow.
    """
    import numpy as np

    if data is None:
        return None
    if hasattr(data, "dtypes") and hasattr(data, "columns"):
        return Schema([_type_of_column(data.iloc[:, at], str(name)) for at, name in enumerate(data.columns)])
    if hasattr(data, "dropna"):
        return Schema([_type_of_column(data, None if data.name is None else str(data.name))])
    if isinstance(data, np.ndarray):
        return Schema([_type_of_array(data)])
    if isinstance(data, Mapping):
        if data and all(isinstance(one, np.ndarray) for one in data.values()):
            return Schema([_type_of_array(value, str(name)) for name, value in data.items()])
        return Schema([ColSpec(_type_of_value(value), str(name)) for name, value in data.items()])
    if isinstance(data, (list, tuple)):
        if data and isinstance(data[0], Mapping):
            return infer_schema(data[0])
        return Schema([ColSpec(_type_of_value(data).dtype)])
    return Schema([ColSpec(_type_of_value(data))])


def infer_param_schema(params: Mapping[str, Any] | None) -> ParamSchema | None:
    """The schema of the parameters of a model's inference; None without any.

    Raises:
        MlflowException: a type has no name in MLflow.
    """
    if not params:
        return None
    found = []
    for name, value in params.items():
        kind = _type_of_value(value)
        is_list = isinstance(kind, Array)
        found.append(ParamSpec(str(name), kind.dtype if is_list else kind, value, (-1,) if is_list else None))
    return ParamSchema(found)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.types", name)
