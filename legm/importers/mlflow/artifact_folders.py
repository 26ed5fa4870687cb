"""Artifacts of MLflow's in folders of this machine, also of a store that was moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from legm.importers.external import ExternalFile
from legm.importers.files import files_below
from legm.importers.notes import Notes

__all__ = ["LocalFiles"]


class LocalFiles:
    """Finds and lists the artifacts of runs.

    Args:
        beside: the folder that the store is in.
        notes: takes what cannot be read.
    """

    def __init__(self, beside: Path, notes: Notes) -> None:
        self._beside = beside.resolve()
        self._notes = notes

    def folders(self, places: Iterable[tuple[str, str, str]], run_id: str) -> dict[str, Path]:
        """The folders that exist of some, each with the prefix of its files' names.

        Args:
            places: each a prefix, MLflow's address, and where the folder is below MLflow's own one.
            run_id: whose they are.
        """
        found: dict[str, Path] = {}
        for prefix, address, tail in places:
            folder = self._found(address, tail, run_id)
            if folder is not None:
                found[prefix] = folder
        return found

    def _found(self, address: str, tail: str, run_id: str) -> Path | None:
        parts = urlsplit(address)
        if parts.scheme == "file":
            folder = self._beside / url2pathname(parts.path)
        elif not parts.scheme or len(parts.scheme) == 1:  # the letter of a drive
            folder = self._beside / (address or tail)
        elif parts.scheme == "mlflow-artifacts":  # a server kept them in a folder that only it knows
            folder = self._beside / "mlartifacts" / tail
        else:
            self._notes.add(
                f"artifacts in {parts.scheme}:// were not read: give the server's address", run_id
            )
            return None
        # MLflow's addresses are absolute: a store that was moved has its files where it is now.
        moved = [self._beside / "/".join(folder.parts[-n:]) for n in range(len(folder.parts) - 1, 1, -1)]
        kept = [self._beside / name / tail for name in ("mlruns", "mlartifacts")]
        for place in [folder, *kept, *moved]:
            # What holds the store itself holds more than a run's files.
            if place.is_dir() and not self._beside.is_relative_to(place.resolve()):
                return place
        if not folder.is_relative_to(self._beside):  # the store was moved; else there simply are none
            self._notes.add(
                "artifact folders that are not there: nothing was logged, or they are elsewhere now", run_id
            )
        return None

    def of(self, folders: dict[str, Path]) -> Iterator[ExternalFile]:
        """The files in the folders, by name; a link that leads out of them is left out."""
        for prefix, folder in folders.items():
            yield from files_below(folder, self._notes, prefix)
