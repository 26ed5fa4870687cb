"""What becomes of configurations, in a temporary database: memory does not grow with how many there are."""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from legm.errors import StorageError

__all__ = ["PlannedChange", "PlannedChanges", "PlannedChangesDatabase"]

_CACHE = 512  # KiB of the database that are in memory; the rest is in a file without a name
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -%d;
CREATE TABLE configurations (digest BLOB PRIMARY KEY, folder BLOB, folders INTEGER NOT NULL DEFAULT 0,
    contributors INTEGER NOT NULL DEFAULT 0, label BLOB) WITHOUT ROWID;
CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE numbers (name BLOB PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE changes (number INTEGER PRIMARY KEY, content TEXT NOT NULL);
BEGIN;
"""


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What becomes of one configuration.

    Args:
        folder: its folder's name now.
        becomes: by the fingerprint of each configuration that its runs are of afterwards, how many.
        names: by fingerprint, the folder's name afterwards.
        differences: by fingerprint, in which parameters it differs from the old one.
        staying: how many runs stay what they are: those that are running, or not selected.
        is_parted: whether its runs are of several configurations afterwards.
    """

    folder: str
    becomes: Mapping[str, int]
    names: Mapping[str, str]
    differences: Mapping[str, str]
    staying: int
    is_parted: bool


class PlannedChangesDatabase:
    """What is known of the configurations of a plan, by fingerprint, and of their folders, by name."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._connection.executescript(_TABLES % _CACHE)

    # Folders that there are

    def add_folder(self, digest: str, name: str) -> None:
        """Note a folder of a configuration; of several, the first one has its name."""
        self.add_name(name)
        self._run(
            "INSERT INTO configurations (digest, folder, folders) VALUES (?, ?, 1) ON CONFLICT (digest) "
            "DO UPDATE SET folders = folders + 1, folder = coalesce(folder, excluded.folder)",
            _stored_plan_text(digest),
            _stored_plan_text(name),
        )

    def folder(self, digest: str) -> str | None:
        """The name of the first folder of a configuration."""
        found = self._value("SELECT folder FROM configurations WHERE digest = ?", _stored_plan_text(digest))
        return None if found is None else _read_planned_change(found)

    def number_of_folders(self, digest: str) -> int:
        """How many folders a configuration has, once what was planned is done."""
        return (
            self._value("SELECT folders FROM configurations WHERE digest = ?", _stored_plan_text(digest)) or 0
        )

    def count_folders(self, digest: str, more: int) -> None:
        """Note that a configuration has so many folders more."""
        self._run(
            "INSERT INTO configurations (digest, folders) VALUES (?1, ?2) ON CONFLICT (digest) "
            "DO UPDATE SET folders = folders + ?2",
            _stored_plan_text(digest),
            more,
        )

    def add_name(self, name: str) -> None:
        """Note that there is a folder of a name, or is to be."""
        self._run("INSERT OR IGNORE INTO names VALUES (?)", _stored_plan_text(name))

    def has_name(self, name: str) -> bool:
        """Whether there is a folder of a name, or is to be."""
        return self._value("SELECT 1 FROM names WHERE name = ?", _stored_plan_text(name)) is not None

    def next_number(self, name: str) -> int:
        """The number behind the last one of a configuration's name; 0 at first."""
        return self._value("SELECT next FROM numbers WHERE name = ?", _stored_plan_text(name)) or 0

    def set_next_number(self, name: str, number: int) -> None:
        """Note the number behind the last one of a configuration's name."""
        self._run("INSERT OR REPLACE INTO numbers VALUES (?, ?)", _stored_plan_text(name), number)

    # Configurations as they are afterwards

    def add_contributor(self, digest: str) -> None:
        """Note that one more configuration of now is of this one afterwards."""
        self._run(
            "INSERT INTO configurations (digest, contributors) VALUES (?, 1) ON CONFLICT (digest) "
            "DO UPDATE SET contributors = contributors + 1",
            _stored_plan_text(digest),
        )

    def number_of_contributors(self, digest: str) -> int:
        """How many configurations of now are of this one afterwards."""
        return (
            self._value("SELECT contributors FROM configurations WHERE digest = ?", _stored_plan_text(digest))
            or 0
        )

    def set_label(self, digest: str, label: str) -> None:
        """Note the name of the folder that a configuration has afterwards."""
        self._run(
            "INSERT INTO configurations (digest, label) VALUES (?1, ?2) ON CONFLICT (digest) "
            "DO UPDATE SET label = ?2",
            _stored_plan_text(digest),
            _stored_plan_text(label),
        )

    def label(self, digest: str) -> str | None:
        """The name of the folder that a configuration has afterwards; None where it is not known."""
        found = self._value("SELECT label FROM configurations WHERE digest = ?", _stored_plan_text(digest))
        return None if found is None else _read_planned_change(found)

    # What becomes of them

    def add_change(self, change: PlannedChange) -> None:
        """Add what becomes of a configuration."""
        content = [change.folder, *map(dict, (change.becomes, change.names, change.differences))]
        self._run(
            "INSERT INTO changes (content) VALUES (?)",
            json.dumps([*content, change.staying, change.is_parted]),
        )

    def changes(self, start: int, stop: int) -> Iterator[PlannedChange]:
        """What becomes of the configurations from a position to before another one."""
        query = "SELECT content FROM changes WHERE number > ? AND number <= ? ORDER BY number"
        return (PlannedChange(*json.loads(content)) for (content,) in self._rows(query, start, stop))

    def number_of_changes(self) -> int:
        """How many configurations change."""
        return int(self._value("SELECT count(*) FROM changes") or 0)

    def _run(self, query: str, *values: Any) -> None:
        for _ in self._rows(query, *values):
            pass

    def _value(self, query: str, *values: Any) -> Any:
        return next((row[0] for row in self._rows(query, *values)), None)

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as cause:
            raise StorageError(
                f"cannot write the plan to a temporary file: {cause}; TMPDIR names the folder of such files"
            ) from cause


class PlannedChanges(Sequence[PlannedChange]):
    """What becomes of each configuration, read from a plan's database one at a time.

    Args:
        database: the plan's.
    """

    def __init__(self, database: PlannedChangesDatabase) -> None:
        self._database = database

    def __len__(self) -> int:
        return self._database.number_of_changes()

    def __iter__(self) -> Iterator[PlannedChange]:
        return self._database.changes(0, len(self))

    @overload
    def __getitem__(self, index: int) -> PlannedChange: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[PlannedChange]: ...

    def __getitem__(self, index: int | slice) -> PlannedChange | Sequence[PlannedChange]:
        positions = range(len(self))[index]
        if isinstance(positions, int):
            return next(self._database.changes(positions, positions + 1))
        if positions.step == 1:
            return [*self._database.changes(positions.start, positions.stop)]
        return [self[position] for position in positions]


def _stored_plan_text(text: str) -> bytes:
    """A text as the database has it: names of files may have bytes that are no text."""
    return text.encode(errors="surrogatepass")


def _read_planned_change(data: bytes) -> str:
    return data.decode(errors="surrogatepass")
