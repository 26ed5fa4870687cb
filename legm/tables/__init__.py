"""Runs as tables: columns that NumPy, pandas, polars, Arrow and DuckDB read.

::

    folders or backend ──► TableSource ──► selection ──► run_table, configuration_table ──┐
                               │                                                        ├──► Table ──► frames
                               └──► SeriesReader: run logs, else the store ──► history ─┘
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm.tables.columns import Column
    from legm.tables.project import Project, open  # noqa: A004
    from legm.tables.table import Table

__all__ = ["Column", "Project", "Table", "open"]

_HOMES = {"Column": "columns", "Project": "project", "Table": "table", "open": "project"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'legm.tables' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"legm.tables.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
