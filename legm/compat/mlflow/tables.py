"""The tables of ``log_table`` and ``load_table``: JSON with ``columns`` and rows as ``data``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from legm.compat.mlflow.entities import Run
from legm.compat.mlflow.exceptions import invalid_value_exception
from legm.compat.mlflow.search_filters import RUN_FIELDS

__all__ = ["mlflow_table_content", "table_frame"]


def mlflow_table_content(data: Any, existing: bytes | None) -> bytes:
    """The content of a table with further rows.

    Args:
        data: columns by name, a row by name, or a data frame.
        existing: the table so far; None for none.

    Raises:
        MlflowException: it is none of these, or its columns have different lengths.
    """
    columns, rows = _table_rows(data)
    if existing is not None:
        known = json.loads(existing)
        old, before = list(known["columns"]), list(known["data"])
        every = [*old, *(name for name in columns if name not in old)]
        rows = [
            *(_mlflow_table_row(every, dict(zip(old, row, strict=True))) for row in before),
            *(_mlflow_table_row(every, dict(zip(columns, row, strict=True))) for row in rows),
        ]
        columns = every
    return json.dumps({"columns": columns, "data": rows}, default=_mlflow_table_json).encode()


def _mlflow_table_row(columns: Sequence[str], values: Mapping[str, Any]) -> list[Any]:
    return [values.get(name) for name in columns]


def _mlflow_table_json(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _table_rows(data: Any) -> tuple[list[str], list[list[Any]]]:
    if hasattr(data, "itertuples"):
        return [str(name) for name in data.columns], [list(row) for row in data.itertuples(index=False)]
    if not isinstance(data, Mapping):
        raise invalid_value_exception(
            f"data must be a pandas.DataFrame or a dictionary, not a {type(data).__qualname__}"
        )
    columns = [
        list(value) if hasattr(value, "__len__") and not isinstance(value, (str, bytes)) else [value]
        for value in data.values()
    ]
    if len({len(one) for one in columns}) > 1:
        raise invalid_value_exception("All columns of a table must have the same number of rows")
    return [str(name) for name in data], [list(row) for row in zip(*columns, strict=True)]


def table_frame(tables: Sequence[tuple[Run, bytes]], extra_columns: Sequence[str]) -> Any:
    """The tables of several runs as one data frame.

    Args:
        tables: each run with the content of its table.
        extra_columns: fields of the runs to add, such as ``run_id``.
    """
    import pandas as pd

    frames = []
    for run, content in tables:
        known = json.loads(content)
        frame = pd.DataFrame(known["data"], columns=known["columns"])
        for name in extra_columns:
            frame[name] = RUN_FIELDS.value(run, "attributes", name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
