"""Tables with a row for each file of the pictures, sounds, tables and the like of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from legm.records import Media, MediaFile, Run
from legm.tables.columns import column_of, label_column
from legm.tables.sources import StoredConfiguration
from legm.tables.table import Table

__all__ = ["MediaTableRow", "media_table"]


@dataclass(frozen=True, slots=True)
class MediaTableRow:
    """A file of a medium.

    Args:
        of: the configuration of the run.
        run: the run.
        medium: the medium.
        number: of the file in it, from 0.
    """

    of: StoredConfiguration
    run: Run
    medium: Media
    number: int

    @property
    def file(self) -> MediaFile:
        """The file."""
        return self.medium.files[self.number]


_LABELS: Mapping[str, tuple[str, Callable[[MediaTableRow], str]]] = {
    "experiment": ("the experiment's name", lambda row: row.run.configuration.experiment),
    "configuration": (
        "the configuration's folder, as legm ls prints it; its name where there are no folders",
        lambda row: row.of.label,
    ),
    "fingerprint": ("the identity of the configuration", lambda row: row.run.configuration.fingerprint),
    "run_id": ("the run's id", lambda row: row.run.run_id),
    "name": ("the name under which it was logged", lambda row: row.medium.name),
    "kind": (
        "image, figure, audio, video, histogram, text, table, html or object3d",
        lambda row: row.medium.kind.value,
    ),
}
_VALUES: Mapping[str, tuple[type, str, Callable[[MediaTableRow], Any]]] = {
    "step": (int, "the step", lambda row: row.medium.step),
    "time": (float, "when it was logged, in seconds since 1970 (UTC)", lambda row: row.medium.time),
    "number": (int, "which of the files that were logged as one", lambda row: row.number),
    "caption": (str, "the caption; empty for none", lambda row: row.file.caption),
    "digest": (str, "the SHA-256 of the file's content", lambda row: row.file.digest),
    "path": (str, "where the file is, or what the backend finds it by", lambda row: row.file.path),
}


def media_table(rows: Sequence[MediaTableRow]) -> Table:
    """A table with a row for each file.

    Args:
        rows: the files.
    """
    columns = [
        label_column(name, [value(row) for row in rows], about) for name, (about, value) in _LABELS.items()
    ]
    columns += [
        column_of(name, [value(row) for row in rows], about, kind)
        for name, (kind, about, value) in _VALUES.items()
    ]
    return Table("file", columns)
