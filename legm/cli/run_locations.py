"""Resolves what a user calls a run: its id, or the end of it, behind its configuration or alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from legm.cli.locations import Location, configuration_at_location, located_overview
from legm.core.naming import short_name
from legm.errors import LegmError, ParameterError, StorageError
from legm.runlog.configuration_folders import artifacts_folder, configuration_folders
from legm.runlog.log_folder import LogFolder

if TYPE_CHECKING:
    from legm.records import RunResult

__all__ = ["LocatedRun", "names_configuration", "require_run_at_location", "run_at_location"]

_LEAST_END = 6  # characters of an id that may stand for it, as legm show prints them


@dataclass(frozen=True, slots=True)
class LocatedRun:
    """A run, and where it is.

    Args:
        result: the run.
        folder: its configuration's, as a user names it.
    """

    result: RunResult
    folder: Path

    @property
    def changes(self) -> Path | None:
        """The file with the uncommitted changes of its code; None where it is not at hand."""
        git = self.result.run.environment.get("git")
        kept = git.get("patch") if isinstance(git, dict) else None
        name = kept.get("file") if isinstance(kept, dict) else None
        if not isinstance(name, str) or not name:
            return None
        path = artifacts_folder(self.folder, self.result.run.run_id) / short_name(name)
        return path.absolute() if path.is_file() and not path.is_symlink() else None


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
    return LocatedRun(runs[0], found.folder) if runs else None


def require_run_at_location(location: Location) -> LocatedRun:
    """The run that a path names.

    Raises:
        ParameterError: it names none, or several.
        LegmError: what is there cannot be read.
    """
    found = run_at_location(location)
    if found is None:
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
