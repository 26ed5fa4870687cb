"""The tables of ``log_table`` and ``load_table``: JSON with ``columns`` and rows as ``data``."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from legm.compat.mlflow.entities import Run
from legm.compat.mlflow.exceptions import invalid_value_exception
from legm.compat.mlflow.search_filters import RUN_FIELDS

__all__ = ["mlflow_table_content", "table_frame", "table_picture_files"]

_SMALL_PICTURE = 256


def mlflow_table_content(
    data: Any, existing: bytes | None, keep_picture: Callable[[Any], Mapping[str, str]]
) -> bytes:
    """The content of a table with further rows.

    Args:
        data: columns by name, a row by name, or a data frame.
        existing: the table so far; None for none.
        keep_picture: keeps a picture of a row, and returns what the table has for it.

    Raises:
        MlflowException: it is none of these, or its columns have different lengths.
        ValueError: a column has pictures and others.
    """
    columns, rows = _table_rows(data)
    for at, name in enumerate(columns):
        _keep_table_pictures(name, at, rows, keep_picture)
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


def _keep_table_pictures(
    name: str, at: int, rows: list[list[Any]], keep_picture: Callable[[Any], Mapping[str, str]]
) -> None:
    """Replace the pictures in a column by what the table has for them."""
    pictures = [row for row in rows if _is_table_picture(row[at])]
    if pictures and len(pictures) < len(rows):
        raise ValueError(
            f"The column {name!r} has pictures and others: all of its values have to be of one kind"
        )
    for row in pictures:
        row[at] = dict(keep_picture(row[at]))


def _is_table_picture(value: Any) -> bool:
    """Whether it is an image of Pillow or of mlflow, as MLflow tells it."""
    return all(callable(getattr(value, name, None)) for name in ("save", "resize")) and hasattr(value, "size")


def table_picture_files(picture: Any, table_name: str, folder: Path) -> dict[str, str]:
    """Write a picture of a table as MLflow does, whole and small; returns what the table has for it.

    Args:
        picture: of Pillow or of mlflow.
        table_name: the name of the table's file.
        folder: where the files are written, below the names that they have among the artifacts.
    """
    from PIL import Image

    name = f"table_images/{PurePosixPath(table_name).with_suffix('')}/{uuid.uuid4()}"
    whole = picture if isinstance(picture, Image.Image) else picture.to_pil()
    small = whole.copy()
    small.thumbnail((_SMALL_PICTURE, _SMALL_PICTURE))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    whole.save(folder / f"{name}.png")
    small.save(folder / f"{name}.webp")
    return {"type": "image", "filepath": f"{name}.png", "compressed_filepath": f"{name}.webp"}


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
