"""Resolves the paths that a user gives: a root directory, an experiment in it, a configuration of that.

With a backend that reads folders these are folders. With any other, ``ROOT`` is the root directory, and the
rest is a name in the backend: in ``ROOT/EXPERIMENT`` an experiment's name, as it is or as its folder would be
called, and in ``ROOT/EXPERIMENT/CONFIGURATION`` the name that ``legm ls`` prints, or part of the fingerprint.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.delivery.folder_access import FolderAccess, open_folder_access
from legm.errors import LegmError, NotSupported, StorageError, closest
from legm.runlog.configuration_folders import (
    DEPTH,
    configuration_paths,
    experiment_paths,
    is_configuration_folder,
    subfolders,
)
from legm.runlog.file_names import (
    BACKEND_TASKS_SUFFIX,
    INDEX,
    JOURNAL,
    JOURNAL_SUFFIX,
    OWN_FOLDER,
    PARAMETERS_FILE,
)
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head
from legm.runlog.trashed import in_trash_text

if TYPE_CHECKING:
    from legm.analysis.overview import Overview
    from legm.delivery.client import BackendClient
    from legm.records import Configuration, ConfigurationStatus, Plain, RunCounts, RunResult

__all__ = [
    "LocatedExperiment",
    "LocatedStore",
    "Location",
    "configuration_at_location",
    "existing_folder_at_location",
    "experiment_at",
    "experiments_at",
    "located_configuration",
    "located_overview",
    "named_folder",
    "no_experiment_at_location_text",
    "other_stores_at_location",
    "report_interrupted_changes",
    "require_location_folder",
    "resolve_location",
]

log = logging.getLogger(__name__)

_EXTERNAL_FOLDERS = {"mlruns": "MLflow", "wandb": "W&B"}


@dataclass(frozen=True, slots=True)
class Location:
    """A path, and the backend in which it is looked up.

    Args:
        path: as it was given.
        backend: the backend's name.
        options: the backend's own.
        stores: by root directory, those in which something was looked up; all locations of a command share
            them, so that a store is connected once, and reports its damage once.
    """

    path: Path
    backend: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)
    stores: dict[Path, LocatedStore] = field(default_factory=dict, compare=False, repr=False)

    @property
    def folders(self) -> FolderAccess | None:
        """Reads the path as a folder; None where experiments and configurations are names in the backend."""
        return open_folder_access(self.backend, self.options)

    @property
    def parent(self) -> Location:
        """The location that contains this one."""
        return replace(self, path=_parent_of_location(self.path))

    def store(self) -> LocatedStore:
        """The backend, with the path as its root directory."""
        if self.path not in self.stores:
            self.stores[self.path] = LocatedStore(self.path, self.backend, self.options)
        return self.stores[self.path]


class LocatedStore:
    """A backend with its root directory, connected when it is first needed.

    Args:
        root: the root directory.
        backend: the backend's name.
        options: the backend's own.
    """

    def __init__(self, root: Path, backend: str, options: Mapping[str, Any]) -> None:
        self.root = root
        self.folders = open_folder_access(backend, options)
        self._backend = backend
        self._options = options

    @functools.cached_property
    def client(self) -> BackendClient:
        """The backend's client."""
        from legm.delivery.client import connect_client

        return connect_client(self.root, self._backend, self._options)


@dataclass(frozen=True, slots=True)
class LocatedExperiment:
    """An experiment in a backend.

    Args:
        store: where it is.
        path: under which a user finds it.
        members: its configurations; the folder of each is the path under which a user finds it.
        known_as: its name in the store; None for a folder, which has the name inside.
    """

    store: LocatedStore
    path: str
    members: Sequence[ConfigurationStatus]
    known_as: str | None = None

    @property
    def name(self) -> str:
        """Its name in the store."""
        if self.known_as is not None:
            return self.known_as
        folders = self.store.folders
        return (folders and folders.experiment_in(Path(self.path))) or Path(self.path).name

    @property
    def label(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)  # noqa: PTH119 - as that of a configuration

    @property
    def title(self) -> str:
        """The experiment as its runs call it."""
        return next((c.experiment for one in self.members if (c := one.configuration)), None) or self.name

    def absent_values(self) -> dict[str, Plain]:
        """The absent values that are kept with it; a file that cannot be read is logged as an error."""
        from legm.delivery.absent_values_file import AbsentValuesFile

        folder = self._folder_of_experiment()
        if folder is not None:
            return AbsentValuesFile(folder / OWN_FOLDER).read_or_log()
        return AbsentValuesFile(self.store.client.own_folder_of_experiment(self.title)).read_or_log()

    def proposed_absent_values(self) -> dict[str, Plain]:
        """Those that an import proposed, for a user to accept or refuse; errors are logged."""
        from legm.changes.absent_values_change import proposed_absent_values

        folder = self._folder_of_experiment()
        try:
            return {} if folder is None else proposed_absent_values(folder)
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
            return {}

    def _folder_of_experiment(self) -> Path | None:
        path = Path(os.path.abspath(self.path))  # noqa: PTH100 - links are not resolved
        for folder in (path, *list(path.parents)[: DEPTH - 1]) if self.store.folders else ():
            if (folder / OWN_FOLDER / INDEX).exists():
                return folder
        return None

    @property
    def problems(self) -> list[LegmError]:
        """What could not be read."""
        return [one.problem for one in self.members if one.problem is not None]

    def counts(self, description: str | None = None) -> list[RunCounts]:
        """The runs that could be read, counted; of one description, or of all."""
        folders = self.store.folders
        every = (one for member in self.members for one in member.counts)
        return [
            one
            for one in (every if folders is None else folders.count_once(self.members))
            if description in {None, one.description}
        ]

    def read_runs(
        self, configuration: Configuration, description: str, histories: frozenset[str]
    ) -> Iterator[RunResult]:
        """The runs of one of its configurations; see :func:`legm.delivery.reading.read_runs`."""
        from legm.delivery.reading import read_runs

        there = replace(configuration, experiment=self.name)
        for run in read_runs(self.store.client, there, description, histories):
            yield replace(run, run=replace(run.run, configuration=configuration))

    def labels(self) -> dict[str, str]:
        """By fingerprint, the last part of the configuration's path; if it was copied, that of the first."""
        known: dict[str, str] = {}
        for one in self.members:
            if one.configuration is not None:
                known.setdefault(one.configuration.fingerprint, one.label)
        return known


def experiments_at(location: Location) -> Iterator[LocatedExperiment]:
    """The experiments at a location: those of a root directory, or one, or a part of one.

    Raises:
        StorageError: there is no such folder, or nothing of that name in the backend.
        NotSupported: the backend cannot list its experiments, and none is named.
    """
    folders = location.folders
    if folders is not None:
        for path in _paths_at_location(location.path):
            if is_configuration_folder(str(path)):
                yield _experiment_in_folder(folders, _parent_of_location(path), [folders.read_status(path)])
            else:
                yield _experiment_in_folder(folders, path)
        return
    named = _experiment_named_by_location(location)
    if named is not None:
        yield named
        return
    require_location_folder(location.path)
    store = location.store()
    for name in store.client.experiments():
        yield _located_experiment(store, name)


def experiment_at(location: Location) -> LocatedExperiment:
    """The experiment at a location; a root directory is accepted if it has only one.

    Raises:
        StorageError: there is none, or several.
    """
    folders = location.folders
    if folders is not None:
        return _experiment_in_folder(folders, experiment_folder_at(location))
    found = {one.path: one for one in experiments_at(location)}
    return found[_only_path_at_location(location, [*found])]


def experiment_folder_at(location: Location) -> Path:
    """The folder of the experiment at a location, which is not read; otherwise as :func:`experiment_at`.

    Raises:
        StorageError: there is none, or several.
    """
    if is_configuration_folder(str(location.path)):
        raise StorageError(
            f"{location.path} is one configuration: name its experiment, {_parent_of_location(location.path)}"
        )
    return Path(_only_path_at_location(location, [str(one) for one in _paths_at_location(location.path)]))


def _only_path_at_location(location: Location, paths: Sequence[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise StorageError(no_experiment_at_location_text(location))
    from legm.core.naming import readable_name

    names = ", ".join(map(readable_name, paths[:10]))
    raise StorageError(f"{location.path} has {len(paths)} experiments: name one of {names}")


def no_experiment_at_location_text(location: Location) -> str:
    """The message that a location has no experiment, and what is there instead."""
    there = other_stores_at_location(location) or "no folder in it holds configurations"
    return f"there is no experiment at {location.path}: {there}"


def other_stores_at_location(location: Location) -> str:
    """What a folder without experiments has instead; "" for nothing known, or a backend without folders.

    The run logs of backends without folders name the backends that have the runs.
    """
    if location.folders is None:
        return ""
    backends = _backends_at_location(location.path)
    if backends:
        first, options = next(iter(backends.items()))
        given = f", with its --backend-option {' and '.join(options)} if it was given" if options else ""
        return (
            f"it holds runs of the backend {' and '.join(map(repr, backends))}: add --backend {first}{given}"
        )
    from legm.backends.mlflow.names import SQLITE_FILE

    for name, tracker in {SQLITE_FILE: "MLflow", **_EXTERNAL_FOLDERS}.items():
        if (location.path / name).exists():
            return f"{name} is a store of {tracker}: legm import {location.path / name} ROOT reads it"
    return ""


def _backends_at_location(root: Path) -> dict[str, list[str]]:
    """By name, the backends that have runs without folders, with the names of their options."""
    found: dict[str, list[str]] = {}
    for experiment in subfolders(root / OWN_FOLDER):
        for configuration in subfolders(root / OWN_FOLDER / experiment)[:1]:
            for path in LogFolder.of(root / OWN_FOLDER / experiment / configuration).logs_except(())[:1]:
                with contextlib.suppress(LegmError):  # damage is for legm recover
                    for name, options in read_log_head(path).backends.items():
                        found.setdefault(name, sorted(options))
    return found


def configuration_at_location(location: Location) -> tuple[LocatedExperiment, ConfigurationStatus]:
    """The configuration at a location, and its experiment.

    Raises:
        StorageError: there is no such folder, or it is not a configuration's.
        ParameterError: the experiment has none of that name, or several.
    """
    path, folders = location.path, location.folders
    if folders is None:
        experiment = _experiment_named_by_location(location.parent)
        if experiment is None:
            raise StorageError(
                f"{path} does not name a configuration: with the backend {location.backend!r} a path is "
                f"ROOT/EXPERIMENT/CONFIGURATION, and {_parent_of_location(path)} is not an experiment"
            )
        return experiment, _configuration_named_by_location(experiment, path.name)
    if is_configuration_folder(str(path)):
        path = _location_path(path)
        found = folders.read_status(path)
        return _experiment_in_folder(folders, _parent_of_location(path), [found]), found
    if (named := _split_experiment_location(path)) is not None:
        experiment = _experiment_in_folder(folders, named[0])
        return experiment, _configuration_named_by_location(experiment, named[1])
    require_location_folder(path)
    what = f"{path} is not a configuration's folder: it has no {PARAMETERS_FILE}"
    if _is_experiment_location(path):
        from legm.core.naming import readable_name

        some = map(readable_name, itertools.islice(configuration_paths(path), 3))
        what += f"; it is an experiment, with {', '.join(some)}, …"
    raise StorageError(what)


def resolve_location(location: Location) -> tuple[LocatedExperiment, ConfigurationStatus | None]:
    """What is at a location: an experiment, or one configuration of it.

    Raises:
        StorageError, ParameterError: as :func:`configuration_at_location` and :func:`experiment_at`.
    """
    path = location.path
    if location.folders is not None:
        is_one = is_configuration_folder(str(path)) or _split_experiment_location(path) is not None
    else:
        try:
            is_one = _experiment_named_by_location(location.parent) is not None
        except LegmError:
            is_one = False
    return configuration_at_location(location) if is_one else (experiment_at(location), None)


def _split_experiment_location(path: Path) -> tuple[Path, str] | None:
    """The experiment's folder and the rest of a path that is no folder; a readable name may have slashes."""
    if path.is_dir():
        return None
    parent = _parent_of_location(path)
    while not parent.is_dir():
        parent = _parent_of_location(parent)
    return (parent, str(path.relative_to(parent))) if _is_experiment_location(parent) else None


def existing_folder_at_location(path: Path) -> Path:
    """The folder that a path means in which experiments are called as people read them: ``ROOT/Res/Net``.

    Args:
        path: any path.

    Returns:
        the path with the folders' names (``ROOT/Res_x2f_Net``); as it is where there are none.
    """
    from legm.core.naming import readable_name

    there = path
    while not there.is_dir():
        there = _parent_of_location(there)
    rest = "" if there == path else str(path.relative_to(there))
    for name in subfolders(there) if rest else ():
        shown = readable_name(name)
        if name != shown and f"{rest}/".startswith(f"{shown}/"):
            return there / name / rest[len(shown) + 1 :]
    return path


def named_folder(path: Path) -> Path:
    """The folder of an experiment or a configuration by the name that ``legm ls`` prints.

    Args:
        path: any path, of a backend with folders.

    Returns:
        the folder; the path as it is where it names none, or several.
    """
    folder = existing_folder_at_location(path)
    if folder.is_dir():
        return folder
    try:
        _, found = configuration_at_location(Location(folder))
    except LegmError:
        return path
    return Path(found.folder)


def require_location_folder(path: Path) -> None:
    """Report which part of a path does not exist, and what exists instead.

    Raises:
        StorageError: there is no such folder.
    """
    if path.is_dir():
        return
    if trashed := in_trash_text(path):
        raise StorageError(f"there is no folder {path}: {trashed}")
    missing = path
    while not _parent_of_location(missing).is_dir():
        missing = _parent_of_location(missing)
    there = _parent_of_location(missing)
    from legm.core.naming import readable_name

    names = [readable_name(name) for name in subfolders(there)]
    hint = closest(missing.name, names) if names else "there is no folder in it"
    raise StorageError(f"there is no folder {path}: {there} has no {missing.name!r}; {hint}")


# Folders


def report_interrupted_changes(path: Path) -> None:
    """Report on standard error that a command was interrupted that was changing what is stored here.

    Args:
        path: a root directory, or an experiment's or a configuration's folder in one.
    """
    for root in (path, *list(path.parents)[:2]):
        if next((root / OWN_FOLDER / JOURNAL).glob(f"*{JOURNAL_SUFFIX}"), None) is not None:
            text = (
                f"a command is changing {root}, or was interrupted: legm amend --continue {root} finishes it"
            )
            click.secho(text, fg="yellow", err=True)
        elif next((root / OWN_FOLDER / JOURNAL).glob(f"*{BACKEND_TASKS_SUFFIX}"), None) is not None:
            text = f"a change of {root} is not in every backend yet: legm sync {root} finishes it"
            click.secho(text, fg="yellow", err=True)


def _location_path(path: Path) -> Path:
    """A path that ends with a name, also of ``.`` and ``..``."""
    return path if path.name not in {"", ".."} else Path(os.path.abspath(path))  # noqa: PTH100


def _parent_of_location(path: Path) -> Path:
    return _location_path(path).parent


def _paths_at_location(path: Path) -> Iterator[Path]:
    """A configuration's or an experiment's folder, or the experiments in a root directory.

    Raises:
        StorageError: there is no such folder.
    """
    path = _location_path(path)
    require_location_folder(path)
    report_interrupted_changes(path)
    if is_configuration_folder(str(path)) or _is_experiment_location(path):
        yield path
    else:
        yield from (path / name for name in experiment_paths(path))


def _is_experiment_location(folder: Path) -> bool:
    return any(True for _ in configuration_paths(folder))


def _experiment_in_folder(
    folders: FolderAccess, folder: Path, members: Sequence[ConfigurationStatus] | None = None
) -> LocatedExperiment:
    store = LocatedStore(_parent_of_location(folder), folders.backend, {})
    found = folders.read_statuses(folder) if members is None else members
    return LocatedExperiment(store, str(folder), found)


# Names in a backend


def _experiment_named_by_location(location: Location) -> LocatedExperiment | None:
    """The experiment that the last part of a path names; None for a folder that does not name one.

    Raises:
        StorageError: the path is not a folder either.
        NotSupported: the backend cannot list its experiments, and has none of exactly that name.
    """
    if not location.path.name or not location.parent.path.is_dir():
        return None
    from legm.core.naming import safe_name

    store, text = location.parent.store(), location.path.name
    try:
        known = store.client.experiments()
    except NotSupported:
        if not list(store.client.configurations(text)):
            raise
        return _located_experiment(store, text)
    for name in known:
        if text in {name, safe_name(name)}:
            return _located_experiment(store, name)
    if not location.path.is_dir():
        where = f"the backend {location.backend!r} in {store.root}"
        raise StorageError(f"{where} has no experiment {text!r}; {closest(text, known)}")
    return None


def _located_experiment(store: LocatedStore, name: str) -> LocatedExperiment:
    from legm.core.display_names import configuration_labels
    from legm.core.naming import safe_name
    from legm.delivery.reading import read_counts
    from legm.records import ConfigurationStatus

    counts: dict[str, list[RunCounts]] = {}
    for one in read_counts(store.client, name):
        counts.setdefault(one.configuration.fingerprint, []).append(one)
    labels = configuration_labels((found[0].configuration, None) for found in counts.values())
    path = str(store.root / safe_name(name))
    members = [
        ConfigurationStatus(f"{path}/{label}", counts[key][0].configuration, tuple(counts[key]))
        for key, label in labels.items()
    ]
    return LocatedExperiment(store, path, members, name)


def _configuration_named_by_location(experiment: LocatedExperiment, text: str) -> ConfigurationStatus:
    """The configuration that the last part of a path names."""
    from legm.analysis.configuration_lookup import LookupCandidate, resolve_configuration
    from legm.core.naming import readable_name

    members = {one.folder: one for one in experiment.members}
    candidates = [
        LookupCandidate(one.label, one.configuration, Path(folder)) for folder, one in members.items()
    ]
    shown = readable_name(experiment.path)
    found = resolve_configuration(text, candidates, shown, Path(experiment.path))
    return members[str(found.folder)]


# A configuration's content


def located_configuration(found: ConfigurationStatus) -> Configuration:
    """The configuration of a folder that can be read.

    Raises:
        LegmError: it cannot.
    """
    if found.configuration is None:
        assert found.problem is not None  # noqa: S101
        raise found.problem
    return found.configuration


def located_overview(
    experiment: LocatedExperiment, found: ConfigurationStatus, histories: frozenset[str] = frozenset()
) -> tuple[str, Overview]:
    """A configuration's label, and all its runs; damage of a folder is in the overview, not raised.

    Args:
        experiment: the configuration's.
        found: the configuration.
        histories: dev metrics whose series are wanted.
    """
    from legm.analysis import overview
    from legm.delivery.reading import read_runs
    from legm.stats.run_counts import ALL_VALUES_METRICS

    folders, wanted = experiment.store.folders, histories | ALL_VALUES_METRICS
    if folders is not None:
        return found.label, overview.read_overview(Path(found.folder), wanted, folders)
    configuration = located_configuration(found)
    found_runs = read_runs(experiment.store.client, configuration, histories=wanted)
    runs = sorted(found_runs, key=lambda run: run.run.run_id)
    return found.label, overview.Overview(Path(found.folder), configuration, runs)
