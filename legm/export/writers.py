"""Files of tables: CSV, and Parquet through pyarrow. They are written piece by piece."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from legm.errors import LegmError
from legm.export.columns import Column

__all__ = ["TableWriter", "writer_for"]

_GROUP = 1 << 17  # rows that Parquet packs together


class TableWriter(Protocol):
    """A file that gets the rows of a table; left as a context, it is complete."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None: ...

    def write(self, columns: Sequence[list[Any]]) -> None:
        """Add rows, given by column."""

    def __enter__(self) -> TableWriter: ...

    def __exit__(self, *error: object) -> None: ...


def writer_for(path: Path) -> type[TableWriter]:
    """What writes a file of this name.

    Raises:
        LegmError: nothing does, or it is not installed.
    """
    if path.suffix == ".csv":
        return CsvWriter
    if path.suffix != ".parquet":
        raise LegmError(f"a table is a .csv or a .parquet file, which {str(path)!r} is not")
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as cause:
        raise LegmError(
            f"a .parquet file needs pyarrow ({cause}): install it with: pip install 'legm[parquet]'"
        ) from cause
    return ParquetWriter


class CsvWriter:
    """Comma-separated values as RFC 4180 has them, in UTF-8; what is missing is an empty cell.

    Floats are written so that they read back to the last bit; NaN and infinities are nan, inf and -inf.

    Args:
        path: the file.
        columns: of the table.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow([Column("", str).cell(column.name) for column in columns])

    def write(self, columns: Sequence[list[Any]]) -> None:
        """Add rows, given by column."""
        self._rows.writerows(zip(*columns, strict=True))

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


class ParquetWriter:
    """A Parquet file of bool, int64, float64 and string columns; what is missing is null.

    Args:
        path: the file.
        columns: of the table.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
        fields = [pa.field(Column("", str).cell(column.name), kinds[column.kind]) for column in columns]
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(path, self._schema)
        self._waiting: list[Any] = []
        self._rows = 0

    def write(self, columns: Sequence[list[Any]]) -> None:
        """Add rows, given by column."""
        import pyarrow as pa

        arrays = [pa.array(c, field.type) for c, field in zip(columns, self._schema, strict=True)]
        self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows += len(columns[0])
        if self._rows >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=_GROUP)
        self._waiting, self._rows = [], 0

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._flush()
        self._writer.close()
