"""Tables that users log: rows and columns of plain values, as JSON.

Format: a JSON object with ``columns`` (their names), ``types`` (of each column: "integer", "number",
"boolean", "text", "empty" or "mixed") and ``data``, a list of rows. JSON has no NaN and no infinities, so in
a column of numbers they are the texts "NaN", "Infinity" and "-Infinity", as in the JSON form of protocol
buffers.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from legm.core.texts import rounded_text
from legm.errors import MediaError
from legm.media.pending_file import PendingFile

__all__ = ["media_table_columns", "pending_table", "table_cell_text"]

_RIGHT = (
    "right are a mapping of columns, a list of rows that are mappings, and tables of pandas, polars or Arrow"
)
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MOST_BITS = 1 << 13  # of an integer: Python reads and writes no longer ones
_DIGITS = 6  # significant ones of a number that is shown


def pending_table(name: str, table: Any) -> PendingFile:
    """A table as it is now.

    Args:
        name: under which it is shown, for errors.
        table: a mapping from column names to columns of equal length; a list of rows, each a mapping from
            column names to values; or a table of pandas, polars or Arrow.

    Raises:
        MediaError: it is none of these, or its columns differ in length.
    """
    given = _pending_table_columns(name, table)
    columns = {str(column): _table_cells(name, column, values) for column, values in given.items()}
    if len(columns) < len(given):
        raise _same_table_names(name, [str(column) for column in given])
    lengths = {column: len(values) for column, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise MediaError(f"{name!r}: its columns differ in length: {lengths}")
    if not columns:
        raise MediaError(f"{name!r} has no column: {_RIGHT}")
    size = 64 * len(columns) * (1 + next(iter(lengths.values())))
    return PendingFile(lambda: _table_json(columns), ".table.json", size)


def _pending_table_columns(name: str, table: Any) -> Mapping[Any, Iterable[Any]]:
    if isinstance(table, Mapping):
        return {column: _table_column_values(name, column, values) for column, values in table.items()}
    if isinstance(table, (type, str, bytes)):
        raise MediaError(f"{name!r} must be a table, not {table!r:.60}: {_RIGHT}")
    if hasattr(table, "to_dict") and hasattr(table, "columns"):  # of pandas and polars
        if len(set(table.columns)) < len(table.columns):
            raise _same_table_names(name, [str(column) for column in table.columns])
        return {column: table[column].to_list() for column in table.columns}
    if hasattr(table, "to_pydict"):  # pyarrow's
        return _arrow_table_columns(name, table)
    if hasattr(table, "__arrow_c_stream__"):
        import pyarrow

        return _arrow_table_columns(name, pyarrow.table(table))
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        names = dict.fromkeys(column for row in table for column in row)
        return {column: [row.get(column) for row in table] for column in names}
    raise MediaError(f"{name!r} must be a table, not {type(table).__qualname__}: {_RIGHT}")


def _arrow_table_columns(name: str, table: Any) -> Mapping[Any, Iterable[Any]]:
    found: Mapping[Any, Iterable[Any]] = table.to_pydict()
    if len(found) < len(table.schema.names):
        raise _same_table_names(name, table.schema.names)
    return found


def _same_table_names(name: str, columns: Sequence[str]) -> MediaError:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    return MediaError(f"{name!r}: several columns have the name {', '.join(map(repr, twice))}: rename them")


def _table_column_values(name: str, column: Any, values: Any) -> Iterable[Any]:
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise MediaError(
            f"{name!r}: the column {column!r} must be a list of values, not {type(values).__qualname__}"
        )
    return values


def _table_cells(name: str, column: Any, values: Iterable[Any]) -> list[Any]:
    try:
        return [_table_cell(one) for one in values]
    except Exception as cause:  # such as of a value that has no text
        raise MediaError(
            f"{name!r}: the column {column!r} has a value that cannot be kept: {cause}"
        ) from cause


def _table_cell(value: Any) -> Any:
    """A cell as JSON has it, except floats that are not finite."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise ValueError(f"an integer of {value.bit_length()} bits")
        return int(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(value, "item") and getattr(value, "size", 1) == 1 and not callable(getattr(value, "size", 1)):
        plain = value.item()
        return (
            float(plain) if type(plain) is type(value) and hasattr(plain, "__float__") else _table_cell(plain)
        )
    if type(value).__name__ in {"NAType", "NaTType"}:  # pandas' missing values
        return None
    return str(value)


def _table_column_type(values: Sequence[Any]) -> str:
    kinds = {type(one) for one in values if one is not None}
    if not kinds:
        return "empty"
    for name, allowed in (("boolean", {bool}), ("integer", {int}), ("number", {int, float}), ("text", {str})):
        if kinds <= allowed:
            return name
    return "mixed"


def _table_json(columns: Mapping[str, Sequence[Any]]) -> bytes:
    written = [[_json_table_cell(one) for one in values] for values in columns.values()]
    content = {
        "columns": list(columns),
        "types": [_table_column_type(values) for values in columns.values()],
        "data": [list(row) for row in zip(*written, strict=True)],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _json_table_cell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def media_table_columns(content: bytes) -> dict[str, list[Any]]:
    """The columns of a stored table.

    Args:
        content: of its file.

    Returns:
        the values of each column.

    Raises:
        ValueError: it is not a table.
    """
    found = json.loads(content)
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key), list) for key in ("columns", "data")
    ):
        raise ValueError("not a table: it needs the lists columns and data")
    names, rows = [str(one) for one in found["columns"]], found["data"]
    types = list(found.get("types") or ["mixed"] * len(names))  # W&B's tables have none
    if len(types) != len(names) or not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        raise ValueError("a table whose rows differ in length from its columns")
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    for name, kind in zip(names, types, strict=True):
        if kind == "number":
            columns[name] = [
                _NOT_FINITE.get(one, one) if isinstance(one, str) else one for one in columns[name]
            ]
    return columns


def table_cell_text(value: Any) -> str:
    """The value of a cell for people: a number rounded, a missing value as nothing."""
    if isinstance(value, float) and math.isfinite(value):
        return rounded_text(value, _DIGITS)
    return "" if value is None else str(value)
