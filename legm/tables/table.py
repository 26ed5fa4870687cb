"""A table of what runs recorded: columns that NumPy, pandas, polars, Arrow and DuckDB read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from legm.core.texts import counted, listed_names
from legm.errors import LegmError, closest
from legm.tables.columns import Column

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Table"]


class Table:
    """A table, stored by column; ``table["value"]`` is a NumPy array, ``dict(table)`` all of them.

    ``len()`` of it is the number of rows; iterating gives the columns' names.

    Args:
        rows: what a row is, for a user: "run".
        columns: the columns, of equal lengths and different names.
    """

    def __init__(self, rows: str, columns: Sequence[Column]) -> None:
        self._rows = rows
        self._columns = {one.name: one for one in columns}
        self._arrays: dict[str, NDArray[Any]] = {}

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, each with its type and what it means."""
        return tuple(self._columns.values())

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()))) if self._columns else 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            self._arrays[name] = self.column(name).array()
        return self._arrays[name]

    def keys(self) -> tuple[str, ...]:
        """The names of the columns.

        Returns:
            the names, in their order.
        """
        return tuple(self._columns)

    def values(self) -> tuple[NDArray[Any], ...]:
        """The columns as NumPy arrays.

        Returns:
            an array of shape (rows,) for each column; see :meth:`Column.array`.
        """
        return tuple(self[name] for name in self)

    def items(self) -> tuple[tuple[str, NDArray[Any]], ...]:
        """The columns as NumPy arrays, with their names.

        Returns:
            the name and array of each column.
        """
        return tuple((name, self[name]) for name in self)

    def column(self, name: str) -> Column:
        """A column with its type and what it means.

        Args:
            name: the column's name.

        Returns:
            the column.

        Raises:
            LegmError: there is no such column.
        """
        if name not in self._columns:
            raise LegmError(f"the table has no column {name!r}; {closest(name, self._columns)}")
        return self._columns[name]

    def pandas(self) -> Any:
        """The table as a pandas DataFrame.

        Returns:
            a ``pandas.DataFrame``: labels are ``Categorical``, integers and booleans with missing values
            ``Int64`` and ``boolean``.

        Raises:
            LegmError: pandas is not installed.
        """
        from legm.tables.frames import pandas_frame

        return pandas_frame(self)

    def polars(self) -> Any:
        """The table as a polars DataFrame.

        Returns:
            a ``polars.DataFrame``; labels are ``Categorical``.

        Raises:
            LegmError: polars is not installed.
        """
        from legm.tables.frames import polars_frame

        return polars_frame(self)

    def arrow(self) -> Any:
        """The table as an Arrow table.

        Returns:
            a ``pyarrow.Table``: labels are dictionaries, and the metadata of each field say what it means.

        Raises:
            LegmError: pyarrow is not installed.
        """
        from legm.tables.arrow import arrow_table

        return arrow_table(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule interface, by which other libraries read the table; it needs pyarrow."""
        return self.arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<Table of {counted(len(self), self._rows)}: {listed_names(self._columns)}>"

    def _repr_html_(self) -> str:
        from legm.tables.html import table_html

        return table_html(self, repr(self)[1:-1])
