"""Resolves what a user calls a run: its id, or the end of it, behind its configuration or alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.cli.locations import Location, configuration_at_location, located_overview
from legm.core.naming import short_name
from legm.errors import LegmError, ParameterError, StorageError
from legm.runlog.configuration_folders import artifacts_folder, configuration_folders
from legm.runlog.log_folder import LogFolder
from legm.runlog.trashed import in_trash_text
from legm.util.own_files import is_own_file, open_own_file

if TYPE_CHECKING:
    from legm.cli.locations import LocatedStore
    from legm.records import RunResult

__all__ = ["LocatedRun", "names_configuration", "require_run_at_location", "run_at_location"]

_LARGEST_PATCH = 4_194_304  # bytes; legm keeps no patch that is larger than a quarter of it
_LEAST_END = 6  # characters of an id that may stand for it, as legm show prints them


@dataclass(frozen=True, slots=True)
class LocatedRun:
    """A run, and where it is.

    Args:
        result: the run.
        folder: its configuration's, as a user names it.
        store: where it was found.
    """

    result: RunResult
    folder: Path
    store: LocatedStore

    @property
    def changes(self) -> Path | None:
        """The file with the uncommitted changes of its code; None where it is not on this machine."""
        from legm.importers.ingest import ingested_artifact_path

        name = self._changes_name
        folder = self._own_folder
        if name is None or folder is None:
            return None
        artifacts = artifacts_folder(folder, self.result.run.run_id)
        paths = artifacts / short_name(name), ingested_artifact_path(artifacts, name)
        return next((path.absolute() for path in paths if is_own_file(folder, path)), None)

    def read_changes(self) -> tuple[bytes, str]:
        """The uncommitted changes of its code, from this machine or the backend.

        Returns:
            the patch, and why it is not known; "" where it is, or there is none.
        """
        name, path, folder = self._changes_name, self.changes, self._own_folder
        if name is None:
            is_dirty = _run_location_mapping(self.result.run.environment.get("git")).get("dirty") is True
            return b"", "they were not kept as a patch" if is_dirty else ""
        try:
            if path is not None and folder is not None and path.stat().st_size <= _LARGEST_PATCH:
                content: bytes | None = _read_located_file(folder, path)
            elif self.store.folders is None:
                content = self.store.client.logged_file(self.result.run, name, _LARGEST_PATCH)
            else:
                content = None
        except (LegmError, OSError) as error:
            return b"", str(error)
        if content is None:
            return b"", f"the run's file {name} is not there" + ("" if path is None else ", or too large")
        if hashlib.sha256(content).hexdigest() != self._recorded_changes.get("sha256"):
            return b"", f"the run's file {name} is not the one that was recorded"
        return content, ""

    @property
    def _recorded_changes(self) -> Mapping[str, Any]:
        return _run_location_mapping(
            _run_location_mapping(self.result.run.environment.get("git")).get("patch")
        )

    @property
    def _changes_name(self) -> str | None:
        name = self._recorded_changes.get("file")
        return name if isinstance(name, str) and name else None

    @property
    def _own_folder(self) -> Path | None:
        """The configuration's folder that has legm's files of the run."""
        if self.store.folders is not None:
            return self.folder
        return self.store.client.folder(self.result.run.configuration)


def _read_located_file(folder: Path, path: Path) -> bytes:
    with open_own_file(folder.absolute(), path) as file:
        return file.read(_LARGEST_PATCH)


def _run_location_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def run_at_location(location: Location) -> LocatedRun | None:
    """The run that a path names: a configuration, experiment or root directory with the run's id behind it.

    An id alone is that of a run below the working folder.

    Returns:
        None where it names no run.

    Raises:
        ParameterError: several runs have ids with this end.
        LegmError: what is there cannot be read.
    """
    text = location.path.name
    if len(text) < _LEAST_END or location.path.exists():
        return None
    parent = location.parent
    if location.folders is not None and parent.path.is_dir():
        logs = {
            path.stem: folder
            for folder in configuration_folders(parent.path)
            for path in LogFolder.of(folder).logs_except(())
            if path.stem.endswith(text)
        }
        if len(logs) > 1:
            raise ParameterError(f"several runs have ids that end in {text!r}: {', '.join(sorted(logs))}")
        if logs:
            parent = replace(location, path=logs.popitem()[1])
    try:
        located = configuration_at_location(parent)
    except (StorageError, ParameterError):
        return None
    _, found = located_overview(*located)
    if found.problem:
        raise StorageError(found.problem)
    runs = [one for one in found.runs if one.run.run_id.endswith(text)]
    if len(runs) > 1:
        raise ParameterError(
            f"several runs have ids that end in {text!r}: {', '.join(one.run.run_id for one in runs)}"
        )
    return LocatedRun(runs[0], found.folder, located[0].store) if runs else None


def require_run_at_location(location: Location) -> LocatedRun:
    """The run that a path names.

    Raises:
        ParameterError: it names none, or several.
        LegmError: what is there cannot be read.
    """
    found = run_at_location(location)
    if found is None:
        if trashed := in_trash_text(location.path):
            raise ParameterError(f"{location.path} does not name a run: {trashed}")
        raise ParameterError(
            f"{location.path} does not name a run: it is the run's id, or {_LEAST_END} or more characters of "
            "its end, behind where it is: ROOT/RUN or ROOT/EXPERIMENT/NAME/RUN"
        )
    return found


def names_configuration(location: Location) -> bool:
    """Whether a path names a configuration."""
    try:
        configuration_at_location(location)
    except LegmError:
        return False
    return True
