"""``mlflow.data``: describes data sets for ``mlflow.log_input``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from legm.compat.unknown_names import unknown_attribute

__all__ = ["Dataset", "from_numpy", "from_pandas"]


@dataclass(frozen=True)
class Dataset:
    """A data set: its name, a digest of its content, and its source."""

    name: str
    digest: str
    source: str | None = None
    targets: Any = None


def _mlflow_dataset(content: bytes, source: Any, name: str | None, targets: Any) -> Dataset:
    source_text = None if source is None else str(source)
    return Dataset(name or "dataset", hashlib.sha256(content).hexdigest()[:8], source_text, targets)


def from_numpy(
    features: Any, source: Any = None, targets: Any = None, name: str | None = None, **_: Any
) -> Dataset:
    """A data set from arrays."""
    import numpy as np

    return _mlflow_dataset(np.ascontiguousarray(features).tobytes(), source, name, targets)


def from_pandas(
    df: Any, source: Any = None, targets: Any = None, name: str | None = None, **_: Any
) -> Dataset:
    """A data set from a data frame."""
    import pandas as pd

    return _mlflow_dataset(pd.util.hash_pandas_object(df).to_numpy().tobytes(), source, name, targets)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.data", name)
