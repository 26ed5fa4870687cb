"""Writers of table files: CSV, and Parquet through pyarrow. Rows are written in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from legm.errors import LegmError
from legm.tables.columns import Column
from legm.util.csv_text import csv_writer

__all__ = ["TableWriter", "table_writer_for"]

_ROW_GROUP = 1 << 17  # rows in a row group


class TableWriter(Protocol):
    """A file that receives the rows of a table; leaving the context completes it."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None: ...

    def write(self, columns: Sequence[list[Any]]) -> None:
        """Add rows, given by column."""

    def __enter__(self) -> TableWriter: ...

    def __exit__(self, *error: object) -> None: ...


def table_writer_for(path: Path) -> type[TableWriter]:
    """The writer for a file of this name.

    Raises:
        LegmError: the extension is unknown, or pyarrow is not installed.
    """
    if path.suffix == ".csv":
        return CsvTableWriter
    if path.suffix != ".parquet":
        raise LegmError(f"a table is a .csv or a .parquet file, not {str(path)!r}")
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as cause:
        raise LegmError(
            f"a .parquet file needs pyarrow ({cause}): install it with: pip install 'legm[parquet]'"
        ) from cause
    return ParquetTableWriter


class CsvTableWriter:
    """Comma-separated values (RFC 4180) in UTF-8; a missing value is an empty cell.

    Floats read back bit for bit; NaN and infinities are nan, inf and -inf.

    Args:
        path: the file.
        columns: of the table.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv_writer(self._file)
        self._rows.writerow([column.name for column in columns])

    def write(self, columns: Sequence[list[Any]]) -> None:
        """Add rows, given by column."""
        self._rows.writerows(zip(*columns, strict=True))

    def __enter__(self) -> CsvTableWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


class ParquetTableWriter:
    """A Parquet file of bool, int64, float64 and string columns; a missing value is null.

    Args:
        path: the file.
        columns: of the table.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
        fields = [pa.field(column.name, kinds[column.kind]) for column in columns]
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(path, self._schema)
        self._buffered: list[Any] = []
        self._rows = 0

    def write(self, columns: Sequence[list[Any]]) -> None:
        """Add rows, given by column."""
        import pyarrow as pa

        arrays = [pa.array(c, field.type) for c, field in zip(columns, self._schema, strict=True)]
        self._buffered.append(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows += len(columns[0])
        if self._rows >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._buffered:
            self._writer.write_table(pa.concat_tables(self._buffered), row_group_size=_ROW_GROUP)
        self._buffered, self._rows = [], 0

    def __enter__(self) -> ParquetTableWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._flush()
        self._writer.close()
