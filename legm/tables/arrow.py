"""Tables as Arrow tables, through pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from legm.errors import LegmError
from legm.tables.columns import Column

if TYPE_CHECKING:
    from legm.tables.table import Table

__all__ = ["arrow_table"]


def arrow_table(table: Table) -> Any:
    """A table as a ``pyarrow.Table``; numbers are not copied.

    Args:
        table: the table.

    Raises:
        LegmError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as cause:
        raise LegmError(
            f"Arrow tables need pyarrow ({cause}): install it with: pip install 'legm[parquet]'"
        ) from cause
    arrays = [_arrow_array(pa, column) for column in table.columns]
    fields = [
        pa.field(column.name, array.type, metadata={"about": column.about})
        for column, array in zip(table.columns, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _arrow_array(pa: Any, column: Column) -> Any:
    if column.labels is not None:
        indices = pa.array(column.data, mask=column.missing)
        return pa.DictionaryArray.from_arrays(indices, pa.array(column.labels, pa.string()))
    kind = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}[column.kind]
    return pa.array(column.data, kind, mask=column.missing, from_pandas=False)
