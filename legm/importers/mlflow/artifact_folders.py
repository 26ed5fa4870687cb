"""The local folders with MLflow's artifacts, also for a store that was moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from legm.backends.mlflow.names import ARTIFACTS_FOLDER
from legm.importers.external_run import ExternalFile
from legm.importers.import_notes import ImportNotes
from legm.importers.run_files import run_files_below
from legm.util.given_paths import resolved_path

__all__ = ["MlflowArtifactFolders"]


class MlflowArtifactFolders:
    """Finds and lists the artifacts of runs.

    Args:
        store_folder: the folder that contains the store.
        notes: collects what cannot be read.
    """

    def __init__(self, store_folder: Path, notes: ImportNotes) -> None:
        self._store_folder = resolved_path(store_folder)
        self._notes = notes

    def existing_folders(self, locations: Iterable[tuple[str, str, str]], run_id: str) -> dict[str, Path]:
        """The artifact folders that exist, by the prefix of their files' names.

        Args:
            locations: each a prefix, MLflow's address, and the folder's path relative to MLflow's own folder.
            run_id: the run they belong to.
        """
        found: dict[str, Path] = {}
        for prefix, address, tail in locations:
            folder = self._find_folder(address, tail, run_id)
            if folder is not None:
                found[prefix] = folder
        return found

    def _find_folder(self, address: str, tail: str, run_id: str) -> Path | None:
        candidates = self.candidates(address, tail)
        if not candidates:
            scheme = urlsplit(address).scheme
            self._notes.add(
                f"artifacts in {scheme}:// were not read: import from the server's address", run_id
            )
            return None
        for candidate in candidates:
            # A folder that contains the store itself is not a run's artifact folder.
            if candidate.is_dir() and not self._store_folder.is_relative_to(resolved_path(candidate)):
                return candidate
        if not candidates[0].is_relative_to(self._store_folder):  # moved; otherwise there are no artifacts
            self._notes.add(
                "artifact folders that do not exist: nothing was logged, or they have been moved", run_id
            )
        return None

    def candidates(self, address: str, tail: str) -> list[Path]:
        """Where the folder at an address may be, best first; nowhere if it is not on this machine.

        Args:
            address: MLflow's address.
            tail: the folder's path relative to MLflow's own folder.
        """
        parts = urlsplit(address)
        if parts.scheme == "file":
            folder = self._store_folder / url2pathname(parts.path)
        elif not parts.scheme or len(parts.scheme) == 1:  # a drive letter
            folder = self._store_folder / (address or tail)
        elif parts.scheme == "mlflow-artifacts":  # only the server knows in which folder
            folder = self._store_folder / ARTIFACTS_FOLDER / tail
        else:
            return []
        # MLflow's addresses are absolute; after a move the files are where the store is now.
        moved = [
            self._store_folder / "/".join(folder.parts[-n:]) for n in range(len(folder.parts) - 1, 1, -1)
        ]
        kept = [self._store_folder / name / tail for name in ("mlruns", ARTIFACTS_FOLDER)]
        return [folder, *kept, *moved]

    def possible_folders(self, address: str, tail: str) -> list[Path]:
        """The candidates that do not contain the store itself, whether they exist or not.

        Args:
            address: MLflow's address.
            tail: the folder's path relative to MLflow's own folder.
        """
        return [
            one
            for one in self.candidates(address, tail)
            if not self._store_folder.is_relative_to(resolved_path(one))
        ]

    def files_in(self, existing_folders: dict[str, Path]) -> Iterator[ExternalFile]:
        """The files in the folders, by name; links that lead out of them are left out."""
        for prefix, folder in existing_folders.items():
            yield from run_files_below(folder, self._notes, prefix)
