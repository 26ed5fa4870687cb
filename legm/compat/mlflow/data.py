"""``mlflow.data``: describes data sets for ``mlflow.log_input``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from legm.compat.mlflow.exceptions import invalid_value_exception
from legm.compat.mlflow.run_context import resolve_tags
from legm.compat.mlflow.types import Schema, infer_schema
from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "ColumnDataset",
    "Dataset",
    "DatasetSource",
    "HuggingFaceDataset",  # noqa: F822 - and the others of libraries: found on first use
    "NumpyDataset",
    "PandasDataset",
    "PolarsDataset",  # noqa: F822
    "data_digest_of_frame",
    "data_schema",
    "from_huggingface",  # noqa: F822
    "from_numpy",
    "from_pandas",
    "from_polars",  # noqa: F822
    "get_source",
    "require_data_columns",
]

_OF_LIBRARIES = ("HuggingFaceDataset", "PolarsDataset", "from_huggingface", "from_polars")

LOCAL_FILE = "local"
_MOST_ROWS = 10_000  # the rows that a digest is of


class DatasetSource:
    """Where a data set comes from.

    Args:
        kind: local, http, s3, …, or code: the script made it.
        content: what MLflow writes about it.
    """

    def __init__(self, kind: str, content: Mapping[str, Any]) -> None:
        self.kind = kind
        self._content = dict(content)
        self.uri = self.url = next(iter(self._content.values()), None)

    def to_dict(self) -> dict[str, Any]:
        """As MLflow writes it."""
        return dict(self._content)

    def to_json(self) -> str:
        """As MLflow writes it."""
        return json.dumps(self._content)

    def load(self, dst_path: str | None = None) -> str:
        """The path of the data, where it is a file of this machine.

        Raises:
            MlflowException: it is none.
        """
        if self.kind != LOCAL_FILE:
            raise invalid_value_exception(
                f"legm fetches no data: {self._content} is not a file of this machine"
            )
        return str(self.uri).removeprefix("file://")

    def _get_source_type(self) -> str:
        return self.kind


def _data_source_of(source: Any) -> DatasetSource:
    if isinstance(source, DatasetSource):
        return source
    if source is None:
        return DatasetSource("code", {"tags": resolve_tags()})
    text = str(source)
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme in {"http", "https"}:
        return DatasetSource("http", {"url": text})
    return DatasetSource(scheme if scheme and scheme != "file" else LOCAL_FILE, {"uri": text})


class Dataset:
    """A data set: its name, a digest of its content, its source, its schema, and how large it is.

    Args:
        source: where it comes from.
        name: None for ``dataset``.
        digest: None for that of its content.
    """

    profile: Any = None
    schema: Any = None

    def __init__(self, source: Any, name: str | None = None, digest: str | None = None) -> None:
        self.source = _data_source_of(source)
        self.name = name or "dataset"
        self.digest = digest or self._compute_digest()

    def _compute_digest(self) -> str:
        return ""

    def _schema_json(self) -> str | None:
        return None

    def to_dict(self) -> dict[str, Any]:
        """As MLflow writes it."""
        return {
            "name": self.name,
            "digest": self.digest,
            "source": self.source.to_json(),
            "source_type": self.source.kind,
            "schema": self._schema_json(),
            "profile": None if self.profile is None else json.dumps(self.profile),
        }

    def to_json(self) -> str:
        """As MLflow writes it."""
        return json.dumps(self.to_dict())


def require_data_columns(known: Any, **columns: str | None) -> None:
    """See that data have the columns that a script names.

    Args:
        known: the names of the columns.
        **columns: by what a column is for, its name; None for none.

    Raises:
        MlflowException: there is no such column.
    """
    for kind, column in columns.items():
        if column is not None and column not in known:
            raise invalid_value_exception(
                f"The data have no column {column!r} for {kind}, only {list(known)}"
            )


class ColumnDataset(Dataset):
    """A data set whose schema is of columns."""

    def _schema_json(self) -> str | None:
        schema = self.schema
        return None if schema is None else json.dumps({"mlflow_colspec": schema.to_dict()})


class PandasDataset(ColumnDataset):
    """A data set in a data frame.

    Args:
        df: the data frame.
        source, name, digest: as for any.
        targets: the column of the targets.
        predictions: the column of a model's predictions.

    Raises:
        MlflowException: there is no such column.
    """

    def __init__(
        self,
        df: Any,
        source: Any = None,
        targets: str | None = None,
        name: str | None = None,
        digest: str | None = None,
        predictions: str | None = None,
    ) -> None:
        require_data_columns(df.columns, targets=targets, predictions=predictions)
        self.df = df
        self.targets, self.predictions = targets, predictions
        super().__init__(source, name, digest)

    def _compute_digest(self) -> str:
        return data_digest_of_frame(self.df)

    @property
    def profile(self) -> dict[str, int]:
        """How many rows and values it has."""
        return {"num_rows": len(self.df), "num_elements": int(self.df.size)}

    @property
    def schema(self) -> Schema | None:
        """Its columns; None where one of them has no type in MLflow."""
        return data_schema(self.df)


class NumpyDataset(Dataset):
    """A data set in arrays.

    Args:
        features: an array, or several by name.
        targets: the same.
        source, name, digest: as for any.
    """

    def __init__(
        self,
        features: Any,
        source: Any = None,
        targets: Any = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        self.features, self.targets = features, targets
        super().__init__(source, name, digest)

    def _compute_digest(self) -> str:
        return _data_digest(
            part for one in (self.features, self.targets) for part in _data_parts_of_arrays(one)
        )

    @property
    def profile(self) -> dict[str, Any]:
        """How large the arrays are."""
        found: dict[str, Any] = {}
        for kind, values in (("features", self.features), ("targets", self.targets)):
            for name in ("shape", "size", "nbytes"):
                if isinstance(values, Mapping):
                    found[f"{kind}_{name}"] = {key: getattr(one, name) for key, one in values.items()}
                elif values is not None:
                    found[f"{kind}_{name}"] = getattr(values, name)
        return found

    @property
    def schema(self) -> dict[str, Schema | None]:
        """The schemas of the features and of the targets."""
        return {"features": data_schema(self.features), "targets": data_schema(self.targets)}

    def _schema_json(self) -> str | None:
        texts = {kind: None if one is None else one.to_json() for kind, one in self.schema.items()}
        return json.dumps({"mlflow_tensorspec": texts})


def data_schema(data: Any) -> Schema | None:
    """The schema of a data frame or arrays; None where they have a type that MLflow does not know."""
    try:
        return infer_schema(data)
    except Exception:  # noqa: BLE001 - data may hold anything, and MLflow leaves the schema out
        return None


def _data_digest(parts: Iterator[Any]) -> str:
    """MLflow's digest, which distinguishes data and protects nothing."""
    found = hashlib.md5(usedforsecurity=False)
    for part in parts:
        found.update(part)
    return found.hexdigest()[:8]


def data_digest_of_frame(frame: Any) -> str:
    """MLflow's digest of a pandas data frame."""
    return _data_digest(_data_parts_of_frame(frame))


def _data_parts_of_frame(frame: Any) -> Iterator[Any]:
    import numpy as np
    import pandas as pd

    rows = frame.head(_MOST_ROWS)
    each_type = (rows.map if hasattr(rows, "map") else rows.applymap)(type)
    texts = rows.columns[each_type.map(lambda kind: kind is str).all(0)]
    numbers = rows.select_dtypes(include=[np.number]).columns
    yield pd.util.hash_pandas_object(rows[texts.union(numbers)]).to_numpy()
    yield np.int64(len(frame))
    yield from (str(name).encode() for name in frame.columns)


def _data_parts_of_arrays(values: Any) -> Iterator[Any]:
    import numpy as np
    import pandas as pd

    if values is None:
        return
    for array in (values[key] for key in sorted(values)) if isinstance(values, Mapping) else [values]:
        first = array.flatten()[:_MOST_ROWS]
        try:
            yield pd.util.hash_array(first)
        except TypeError:
            yield np.int64(first.size)
        yield from (np.int64(length) for length in array.shape)


def from_numpy(
    features: Any,
    source: Any = None,
    targets: Any = None,
    name: str | None = None,
    digest: str | None = None,
) -> NumpyDataset:
    """A data set from arrays."""
    return NumpyDataset(features, source, targets, name, digest)


def from_pandas(
    df: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """A data set from a data frame.

    Raises:
        MlflowException: it has not a column that is named.
    """
    return PandasDataset(df, source, targets, name, digest, predictions)


def get_source(dataset: Any) -> DatasetSource:
    """Where a data set comes from, also one that was read back from a run."""
    found = getattr(dataset, "dataset", dataset)
    if isinstance(found.source, DatasetSource):
        return found.source
    return DatasetSource(found.source_type, json.loads(found.source))


def __getattr__(name: str) -> Any:
    if name in _OF_LIBRARIES:
        return getattr(import_module("legm.compat.mlflow.library_data"), name)
    return unknown_attribute("mlflow.data", name)
