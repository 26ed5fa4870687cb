"""Tables as data frames of pandas and polars."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.errors import LegmError
from legm.tables.columns import Column

if TYPE_CHECKING:
    from legm.tables.table import Table

__all__ = ["pandas_frame", "polars_frame"]

_LEAST_BLOCK = 1000  # rows of a block of equal labels that is worth a call


def pandas_frame(table: Table) -> Any:
    """A table as a ``pandas.DataFrame``.

    Args:
        table: the table.

    Raises:
        LegmError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as cause:
        raise LegmError(f"pandas is needed ({cause}): install it with: pip install pandas") from cause
    columns = {column.name: _pandas_frame_column(pd, column) for column in table.columns}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(table)), copy=False)


def _pandas_frame_column(pd: Any, column: Column) -> Any:
    if column.labels is not None:
        labels = pd.Index(column.labels, dtype=object if not column.labels else None)
        kind = pd.CategoricalDtype(labels)
        return pd.Categorical.from_codes(column.data, dtype=kind, validate=False)
    if column.missing is not None and column.kind is int:
        return pd.arrays.IntegerArray(column.data, column.missing)
    if column.missing is not None and column.kind is bool:
        return pd.arrays.BooleanArray(column.data, column.missing)
    return column.data.tolist() if column.kind is str else column.data


def polars_frame(table: Table) -> Any:
    """A table as a ``polars.DataFrame``.

    Args:
        table: the table.

    Raises:
        LegmError: polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as cause:
        raise LegmError(f"polars is needed ({cause}): install it with: pip install polars") from cause
    return pl.DataFrame([_polars_frame_column(pl, column) for column in table.columns])


def _polars_frame_column(pl: Any, column: Column) -> Any:
    if column.labels is not None:
        return _polars_frame_labels(pl, column, column.labels)
    kind = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}[column.kind]
    if column.kind is str:
        return pl.Series(column.name, column.data.tolist(), dtype=kind)
    found = pl.Series(column.name, column.data, dtype=kind)
    return found if column.missing is None else found.set(pl.Series(column.missing), None)


def _polars_frame_labels(pl: Any, column: Column, labels: Sequence[str]) -> Any:
    """A categorical series: block by block where labels are repeated, which is far quicker."""
    texts = pl.Series(column.name, [*labels, None], dtype=pl.Categorical)  # -1 is the last one
    codes = column.data
    if len(texts) == 2 and column.missing is None:  # one label in all rows
        return texts.new_from_index(0, len(codes))
    starts = np.flatnonzero(np.diff(codes, prepend=codes[:1])).tolist()
    if not len(codes) or len(starts) * _LEAST_BLOCK > len(codes):
        return texts.gather(codes)
    blocks = [
        texts.new_from_index(int(codes[start]) % len(texts), stop - start)
        for start, stop in itertools.pairwise([0, *starts, len(codes)])
    ]
    return pl.concat(blocks, rechunk=True) if len(blocks) > 1 else blocks[0]
