"""The experiments of scripts that call mlflow: their names, ids, tags, and whether they are deleted.

An experiment's runs are in the legm experiment of its name. One that is renamed gets its new name in legm
when the script has ended, since no run can move while it is written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from legm.compat.mlflow.entities import Experiment, LifecycleStage
from legm.compat.mlflow.exceptions import MlflowException, invalid_value_exception, not_found_exception
from legm.compat.mlflow.name_rules import check_experiment_name, check_key
from legm.compat.mlflow.stored_state import STATE
from legm.compat.run_snapshot import snapshot_experiments
from legm.compat.script_session import SESSION
from legm.errors import LegmError

__all__ = ["DEFAULT_EXPERIMENT", "EXPERIMENTS", "ExperimentBook"]

DEFAULT_EXPERIMENT = "Default"


@dataclass(slots=True)
class _ExperimentEntry:
    """What is known of an experiment.

    Args:
        name: its name in mlflow.
        folder: the name of the legm experiment in which its runs are.
        tags: by name.
        created, updated: milliseconds since 1970; None where that is unknown.
        deleted: whether it is deleted.
    """

    name: str
    folder: str
    tags: dict[str, str] = field(default_factory=dict)
    created: int | None = None
    updated: int | None = None
    deleted: bool = False

    def to_plain(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def _experiment_entry_of(content: Mapping[str, Any]) -> _ExperimentEntry:
    name = str(content.get("name"))
    tags = content.get("tags")
    return _ExperimentEntry(
        name,
        str(content.get("folder") or name),
        {str(key): str(value) for key, value in tags.items()} if isinstance(tags, Mapping) else {},
        content.get("created") if isinstance(content.get("created"), int) else None,
        content.get("updated") if isinstance(content.get("updated"), int) else None,
        content.get("deleted") is True,
    )


def _hashed_experiment_id(name: str) -> str:
    """The id of a new experiment, which is the same in every process."""
    digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()
    return "0" if name == DEFAULT_EXPERIMENT else str(int(digest[:15], 16)).zfill(18)


class ExperimentBook:
    """The experiments of a root directory: those that scripts made, and those in which there are runs."""

    def _entries(self) -> dict[str, _ExperimentEntry]:
        """By id, oldest first."""
        found = {"0": _ExperimentEntry(DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT)}
        found |= {key: _experiment_entry_of(one) for key, one in STATE.read("experiments").items()}
        folders = {one.folder for one in found.values()}
        for name in snapshot_experiments(SESSION.settings):
            if name not in folders:
                found.setdefault(_hashed_experiment_id(name), _ExperimentEntry(name, name))
        return found

    def all(self) -> list[Experiment]:
        """Every experiment, also those that are deleted, the oldest first."""
        return [_to_mlflow_experiment(key, one) for key, one in self._entries().items()]

    def dated(self, experiment: Experiment) -> Experiment:
        """The experiment with its times: one that no script made is as old as its first run, or new."""
        if experiment.creation_time is not None:
            return experiment
        runs = SESSION.snapshots([self.folder_of(experiment.experiment_id)], latest=False)
        created = int(1000 * min(one.started for one in runs)) if runs else _experiment_time()
        updated = experiment.last_update_time or created
        return replace(experiment, creation_time=created, last_update_time=updated)

    def find(self, name: str) -> Experiment | None:
        """The experiment with a name; None if there is none."""
        return next((one for one in self.all() if one.name == name), None)

    def by_id(self, experiment_id: Any) -> Experiment:
        """The experiment with an id.

        Raises:
            MlflowException: there is none.
        """
        entry = self._entries().get(str(experiment_id))
        if entry is None:
            raise not_found_exception(f"No Experiment with id={experiment_id} exists")
        return _to_mlflow_experiment(str(experiment_id), entry)

    def id_of_folder(self, folder: str) -> str:
        """The id of the experiment whose runs are in a legm experiment."""
        return next(
            (key for key, one in self._entries().items() if one.folder == folder),
            _hashed_experiment_id(folder),
        )

    def folder_of(self, experiment_id: Any) -> str:
        """The legm experiment that has an experiment's runs.

        Raises:
            MlflowException: there is no such experiment.
        """
        self.by_id(experiment_id)
        return self._entries()[str(experiment_id)].folder

    def create(self, name: Any, tags: Mapping[str, str] | None = None) -> Experiment:
        """Create an experiment.

        Raises:
            MlflowException: the name is invalid, or there is an experiment with it already.
        """
        check_experiment_name(name)
        known = self.find(name)
        if known is not None:
            raise MlflowException(
                f"Experiment {name!r} already exists"
                + (" in deleted state" if known.lifecycle_stage == LifecycleStage.DELETED else ""),
                "RESOURCE_ALREADY_EXISTS",
            )
        return self.ensure(name, tags)

    def ensure(self, name: str, tags: Mapping[str, str] | None = None) -> Experiment:
        """The experiment with a name, which is created if there is none; tags are added to its own.

        Raises:
            MlflowException: the name is invalid, or the experiment is deleted.
        """
        check_experiment_name(name)
        known = self.find(name)
        if known is not None and known.lifecycle_stage == LifecycleStage.DELETED:
            raise invalid_value_exception(
                f"Experiment {name!r} is deleted: restore it, or choose another name"
            )
        if known is None:
            key = _hashed_experiment_id(name)
            while key in self._entries():  # the name of one that was renamed
                key = _hashed_experiment_id(f"{key} {name}")
            now = _experiment_time()
            with STATE.changing("experiments") as stored:
                stored.setdefault(key, _ExperimentEntry(name, name, created=now, updated=now).to_plain())
            known = self.by_id(key)
        if tags:
            self.set_tags(known.experiment_id, tags)
        return self.by_id(known.experiment_id)

    def set_tags(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an experiment.

        Raises:
            MlflowException: there is none, or a name is invalid.
        """
        for key in tags:
            check_key("tag", key)
        with self._changing(experiment_id) as entry:
            entry.tags.update(tags)

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """Delete a tag of an experiment.

        Raises:
            MlflowException: there is no such experiment or tag.
        """
        with self._changing(experiment_id) as entry:
            if key not in entry.tags:
                raise not_found_exception(f"No tag with name: {key} in experiment {experiment_id}")
            del entry.tags[key]

    def set_deleted(self, experiment_id: str, *, deleted: bool) -> None:
        """Delete or restore an experiment.

        Raises:
            MlflowException: there is none that can be.
        """
        entry = self._entries().get(str(experiment_id))
        if entry is None or entry.deleted == deleted:
            raise not_found_exception(
                f"No {'active' if deleted else 'deleted'} experiment with id={experiment_id} exists"
            )
        with self._changing(experiment_id) as changed:
            changed.deleted = deleted

    def rename(self, experiment_id: str, name: Any) -> None:
        """Give an experiment another name; its runs move when the script has ended.

        Raises:
            MlflowException: there is none that is not deleted, or the name is invalid or taken.
        """
        check_experiment_name(name)
        if self.by_id(experiment_id).lifecycle_stage == LifecycleStage.DELETED:
            raise invalid_value_exception("Cannot rename an experiment that is deleted")
        other = self.find(name)
        if other is not None and other.experiment_id != str(experiment_id):
            raise MlflowException(f"Experiment {name!r} already exists", "RESOURCE_ALREADY_EXISTS")
        with self._changing(experiment_id) as entry:
            entry.name = name
        SESSION.when_runs_have_ended = self.move_renamed

    def move_renamed(self) -> None:
        """Give the legm experiments of those that were renamed their names."""
        from legm.changes.move import rename_experiment
        from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer

        root, has_folders = SESSION.settings.root, SESSION.settings.backend[0] == DEFAULT_BACKEND
        for key, entry in self._entries().items():
            if entry.folder == entry.name:
                continue
            folder = find_folder_changer(DEFAULT_BACKEND).experiment_path(root, entry.folder)
            try:
                if has_folders and folder.is_dir():
                    rename_experiment(folder, entry.name, confirm=lambda _: True)
            except LegmError as error:
                SESSION.notices.report_unsupported(f"the name {entry.name!r} of {entry.folder!r}", str(error))
                continue
            with self._changing(key) as changed:
                changed.folder = entry.name

    @contextmanager
    def _changing(self, experiment_id: Any) -> Iterator[_ExperimentEntry]:
        self.by_id(experiment_id)
        key = str(experiment_id)
        with STATE.changing("experiments") as stored:
            entry = _experiment_entry_of(stored[key]) if key in stored else self._entries()[key]
            yield entry
            entry.updated = _experiment_time()
            stored[key] = entry.to_plain()


def _experiment_time() -> int:
    return int(time.time() * 1000)


def _to_mlflow_experiment(key: str, entry: _ExperimentEntry) -> Experiment:
    return Experiment(
        key,
        entry.name,
        (SESSION.settings.root / entry.folder).as_uri() if entry.folder else "",
        LifecycleStage.DELETED if entry.deleted else LifecycleStage.ACTIVE,
        dict(entry.tags),
        entry.created,
        entry.updated,
    )


EXPERIMENTS = ExperimentBook()
