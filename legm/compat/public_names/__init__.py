"""The public names of wandb and mlflow below the modules that scripts import, from tables beside this module.

``python -m tests.support.library_names`` makes the tables from the installed libraries.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["HEADER", "TABLES", "PublicName", "PublicNames", "public_names", "table_path"]

TABLES = Path(__file__).parent
HEADER = "module\tname\tkind\tdetail\torigin"


class PublicName(NamedTuple):
    """A public name of a library.

    Args:
        module: the full name of the module that has it.
        name: the name; for a class's constant ``Class.NAME``.
        kind: module, class, error, function, value, or object.
        detail: a class's or function's signature, an error's base class, or a value as a literal.
        origin: the full name where it is defined; "" for this one.
    """

    module: str
    name: str
    kind: str
    detail: str
    origin: str


class PublicNames:
    """The table of a library.

    Args:
        rows: its rows.
    """

    def __init__(self, rows: list[PublicName]) -> None:
        self.by_name = {f"{row.module}.{row.name}": row for row in rows}
        self.modules = {row.module for row in rows}
        self.paths: dict[str, list[str]] = defaultdict(list)
        """By the full name where something is defined, its full names in the table."""
        for row in rows:
            path = f"{row.module}.{row.name}"
            self.paths[row.origin or path].append(path)


def table_path(library: str) -> Path:
    """The table of the newest version of wandb or mlflow."""
    return max(
        TABLES.glob(f"{library}-*.tsv"), key=lambda path: [*map(int, path.stem.rpartition("-")[2].split("."))]
    )


@lru_cache(maxsize=2)
def public_names(library: str) -> PublicNames:
    """The public names of wandb or mlflow, read on first use."""
    lines = table_path(library).read_text(encoding="utf-8").splitlines()[1:]
    return PublicNames([PublicName(*(line.split("\t") + [""] * 5)[:5]) for line in lines])
