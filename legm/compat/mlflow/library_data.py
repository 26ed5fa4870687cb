"""Data sets of Polars and of Hugging Face's datasets, which ``mlflow.data`` describes as MLflow does."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from legm.compat.mlflow.data import (
    ColumnDataset,
    DatasetSource,
    PandasDataset,
    data_digest_of_frame,
    data_schema,
    require_data_columns,
)
from legm.compat.mlflow.exceptions import invalid_value_exception
from legm.compat.mlflow.types import Array, ColSpec, DataType, Schema

__all__ = ["HuggingFaceDataset", "PolarsDataset", "from_huggingface", "from_polars"]

_TYPES_OF_POLARS = {
    **dict.fromkeys(("Binary",), DataType.binary),
    **dict.fromkeys(("Boolean",), DataType.boolean),
    **dict.fromkeys(("Datetime", "Date"), DataType.datetime),
    **dict.fromkeys(("Float32",), DataType.float),
    **dict.fromkeys(("Float64",), DataType.double),
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16"), DataType.integer),
    **dict.fromkeys(("Int64", "UInt32"), DataType.long),
    **dict.fromkeys(("String", "Categorical", "Enum"), DataType.string),
}
_MOST_ROWS = 10_000


class PolarsDataset(PandasDataset):
    """A data set in a data frame of Polars; the arguments are those of :class:`PandasDataset`."""

    def _compute_digest(self) -> str:
        return str(self.df.hash_rows().sum())

    @property
    def profile(self) -> dict[str, int]:
        """How many rows and values it has."""
        return {"num_rows": self.df.height, "num_elements": self.df.height * self.df.width}

    @property
    def schema(self) -> Schema | None:
        """Its columns; None where one of them has no type in legm, as structures."""
        try:
            return Schema([_column_of_polars(self.df[name]) for name in self.df.columns])
        except KeyError:
            return None


def _column_of_polars(column: Any) -> ColSpec:
    return ColSpec(_type_of_polars(column.dtype), column.name, required=column.count() > 0)


def _type_of_polars(kind: Any) -> Any:
    name = kind.base_type().__name__
    return Array(_type_of_polars(kind.inner)) if name in {"Array", "List"} else _TYPES_OF_POLARS[name]


class HuggingFaceDataset(ColumnDataset):
    """A data set of Hugging Face's ``datasets``.

    Args:
        ds: the data set.
        source, name, digest: as for any.
        targets: the column of the targets.

    Raises:
        MlflowException: there is no such column.
    """

    def __init__(
        self,
        ds: Any,
        source: Any = None,
        targets: str | None = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        require_data_columns(ds.column_names, targets=targets)
        self.ds, self.targets = ds, targets
        super().__init__(source, name, digest)

    def _first_rows(self) -> Any:
        return next(self.ds.to_pandas(batch_size=_MOST_ROWS, batched=True))

    def _compute_digest(self) -> str:
        return data_digest_of_frame(self._first_rows())

    @property
    def profile(self) -> dict[str, Any]:
        """How many rows and bytes it has."""
        sizes = {"dataset_size": self.ds.dataset_size, "size_in_bytes": self.ds.size_in_bytes}
        return {"num_rows": self.ds.num_rows, **sizes}

    @property
    def schema(self) -> Schema | None:
        """Its columns; None where one of them has no type in MLflow."""
        return data_schema(self._first_rows())


def from_polars(df: Any, *args: Any, **keywords: Any) -> PolarsDataset:
    """A data set from a data frame of Polars; the arguments are those of ``from_pandas``.

    Raises:
        MlflowException: it has not a column that is named.
    """
    return PolarsDataset(df, *args, **keywords)


def from_huggingface(
    ds: Any,
    path: str | None = None,
    targets: str | None = None,
    data_dir: str | None = None,
    data_files: str | Sequence[str] | Mapping[str, Any] | None = None,
    revision: Any = None,
    name: str | None = None,
    digest: str | None = None,
    trust_remote_code: bool | None = None,
    source: Any = None,
) -> HuggingFaceDataset:
    """A data set from one of Hugging Face's ``datasets``; its path, files and revision are its source.

    Raises:
        MlflowException: it is not a ``datasets.Dataset``, or has not a column that is named.
    """
    if not isinstance(ds, importlib.import_module("datasets").Dataset):
        raise invalid_value_exception(
            f"The Hugging Face data set must be a datasets.Dataset, not {type(ds).__qualname__}"
        )
    if source is None and path is not None:
        files = {"data_dir": data_dir, "data_files": data_files, "split": str(ds.split)}
        about = {"path": path, "config_name": ds.config_name, **files, "revision": revision}
        source = DatasetSource("hugging_face", about)
    return HuggingFaceDataset(ds, source, targets, name, digest)
