"""Changes what is in the folders of configurations: a :class:`legm.hooks.FolderChanger`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from legm.backends.local.entry_file import Entry, EntryFile, EntryIdsFile
from legm.backends.local.folder_index import FolderIndex, experiment_folder, find_experiment_folder
from legm.backends.local.parameters_file import parameters_yaml, stated_parameters_fingerprint
from legm.backends.local.result_yaml import own_yaml_series_keys
from legm.core.naming import short_name
from legm.errors import storage_error
from legm.records import Adoption, Configuration, Run
from legm.runlog.configuration_folders import refuse_folder_links, refuse_linked_configuration_folder
from legm.runlog.file_names import METRICS_FILE, PARAMETERS_FILE, STEPS_FILE, TENSORBOARD
from legm.runlog.log_folder import LogFolder
from legm.util.atomic_files import write_atomically
from legm.util.locks import file_lock
from legm.util.yaml_text import yaml_flow, yaml_flow_key

__all__ = [
    "adopt",
    "amend_runs",
    "experiment_path",
    "find",
    "hide_from_viewers",
    "make",
    "make_copy",
    "move_runs",
    "own_experiment_path",
    "refresh",
    "stated",
    "stored_run_ids",
]


def stated(folder: Path) -> str | None:
    """The fingerprint of the configuration that a folder is of; None where it is of none."""
    return stated_parameters_fingerprint(folder)


def find(root: Path, configuration: Configuration) -> Path | None:
    """The folder of a configuration; None where there is none."""
    folder = find_experiment_folder(root, configuration.experiment)
    return FolderIndex(folder).find(configuration.fingerprint)


def experiment_path(root: Path, experiment: str) -> Path:
    """Where an experiment's configurations are, or would be made."""
    return find_experiment_folder(root, experiment)


def own_experiment_path(root: Path, experiment: str) -> Path:
    """The path that the name of an experiment gives, wherever it is now."""
    return experiment_folder(root, experiment)


def make(root: Path, configuration: Configuration) -> Path:
    """The folder of a configuration, made where there is none.

    Raises:
        StorageError: it cannot be made.
    """
    folder = FolderIndex(find_experiment_folder(root, configuration.experiment)).create(configuration)
    refuse_linked_configuration_folder(folder)
    return folder


def make_copy(folder: Path, configuration: Configuration) -> None:
    """Make a folder of a configuration where no handler finds it, such as in the trash.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("create the folder", folder, cause) from cause
    write_atomically(folder / PARAMETERS_FILE, parameters_yaml(configuration), sync=False)


def adopt(experiment: Path, adoptions: Sequence[Adoption]) -> list[bool]:
    """Make folders those of other configurations, and rename them.

    Args:
        experiment: the folder of the experiment that they are in then.
        adoptions: the folders, in this order.

    Returns:
        for each, False where another folder is of the configuration already; it is not changed then.

    Raises:
        StorageError: one cannot be written, or there is something else already.
    """
    return FolderIndex(experiment).adopt(adoptions)


def refresh(experiment: Path) -> None:
    """Bring what is kept of an experiment's folder up to date.

    Raises:
        StorageError: it cannot be written.
    """
    FolderIndex(experiment).refresh()


def stored_run_ids(folder: Path) -> list[str]:
    """The runs that a folder has an entry of.

    Raises:
        CorruptFile: an entry is damaged.
        StorageError: the file cannot be read.
    """
    return [str(entry.head.get("run_id", "")) for entry in EntryIdsFile(folder / METRICS_FILE).entries()]


def amend_runs(
    folder: Path, runs: Iterable[Run], earlier_descriptions: Mapping[str, str], *, entries_change: bool
) -> None:
    """Change what is kept of the runs in a folder to their new configuration, which the folder is of.

    Args:
        folder: the folder.
        runs: as they are now.
        earlier_descriptions: by id, the description that a run had until now, where it changes.
        entries_change: whether their own parameters, which are not compared, or descriptions change too.

    Raises:
        LegmError: a file is damaged, or cannot be written.
    """
    by_id = {run.run_id: run for run in runs}
    metrics = EntryFile(folder / METRICS_FILE)
    if entries_change and metrics.path.exists():
        with file_lock(LogFolder.of(folder).lock):
            if metrics.change_heads(lambda head: _changed_entry_head(head, by_id)):
                _change_hand_written_entries(metrics, by_id)
    for run in by_id.values():
        if run.run_id in earlier_descriptions:
            earlier = replace(run, description=earlier_descriptions[run.run_id])
            _move_folder_events(
                _events_folder_to_change(folder, earlier), _events_folder_to_change(folder, run)
            )
    _change_folder_events(folder, by_id.values())
    if earlier_descriptions:
        _show_that_logs_changed(folder)


def _changed_entry_head(head: dict[str, Any], runs: Mapping[str, Run]) -> dict[str, Any]:
    run = runs.get(str(head.get("run_id")))
    own = head.get("legm")
    if run is None or not isinstance(own, dict):
        return head
    return {**head, "description": run.description, "legm": {**own, "parameters": dict(run.parameters)}}


def _change_hand_written_entries(file: EntryFile, runs: Mapping[str, Run]) -> None:
    """Write the entries of runs that a user wrote by hand as legm writes them, with what changes."""
    while True:
        entries = (one for one in file.entries() if one.trailer is None)
        entry = next((one for one in entries if str(one.head.get("run_id")) in runs), None)
        if entry is None:
            return
        head, series = _entry_for_changed_folder(file, entry)
        file.put(_changed_entry_head(head, runs), [series] if series else [], entry)


def _show_that_logs_changed(folder: Path) -> None:
    """Give the folder of the logs another time, by which scans see that one was appended to."""
    try:
        os.utime(LogFolder.of(folder).folder)
    except FileNotFoundError:
        return
    except OSError as cause:
        raise storage_error("write", LogFolder.of(folder).folder, cause) from cause


def _change_folder_events(folder: Path, runs: Iterable[Run]) -> None:
    """Replace the entries of runs of one configuration in TensorBoard's HPARAMS table."""
    from legm.backends.local.event_hparams import hparams_session, replace_event_hparams

    session: bytes | None = None
    refuse_folder_links(folder / TENSORBOARD)
    for run in runs:
        if session is None:
            configuration = run.configuration
            active = {name: configuration.parameters[name] for name in configuration.active}
            session = hparams_session(active, folder.name)
        events = _events_folder_to_change(folder, run)
        refuse_folder_links(events)
        try:
            replace_event_hparams(str(events), session, run.started)
        except OSError as cause:
            raise storage_error("write event files in", events, cause) from cause


def _events_folder_to_change(folder: Path, run: Run) -> Path:
    name = f"{short_name(run.description)}-{run.run_id}" if run.description else run.run_id
    return folder / TENSORBOARD / name


def _move_folder_events(before: Path, now: Path) -> None:
    if not before.exists() or now.exists():
        return
    for path in (before, now):
        refuse_folder_links(path.parent)
    _create_changed_folder(now.parent)
    try:
        before.rename(now)
    except OSError as cause:
        raise storage_error("move to", now, cause) from cause


def move_runs(
    source: Path, target: Path, runs: Iterable[Run], earlier_descriptions: Mapping[str, str]
) -> None:
    """Move what is kept of runs, except their logs and artifacts, to another folder.

    What was moved before stays there, so that an interrupted move may be repeated. A run is in the other
    folder before it is removed from this one.

    Args:
        source: the folder that has the runs.
        target: the folder that is to have them.
        runs: as they are to be there.
        earlier_descriptions: by id, the description that a run had until now, where it changes.

    Raises:
        LegmError: a file is damaged, or cannot be written.
    """
    runs = list(runs)
    for folder in (source, target):
        refuse_linked_configuration_folder(folder)
        _create_changed_folder(LogFolder.of(folder).folder)
    for name in (STEPS_FILE, METRICS_FILE):
        _copy_folder_entries(source / name, target / name, runs)
    for run in runs:
        earlier = replace(run, description=earlier_descriptions.get(run.run_id, run.description))
        _move_folder_events(_events_folder_to_change(source, earlier), _events_folder_to_change(target, run))
    _change_folder_events(target, runs)
    for name in (METRICS_FILE, STEPS_FILE):
        _remove_folder_entries(source / name, {run.run_id for run in runs})


def hide_from_viewers(folder: Path, *, hidden: bool) -> None:
    """Rename the event files of a folder so that TensorBoard does not find them, or so that it does again.

    TensorBoard looks into every folder below a root directory, and so into the trash.

    Args:
        folder: the configuration's folder.
        hidden: whether they are hidden.

    Raises:
        StorageError: a file cannot be renamed.
    """
    before, now = ("tfevents", "tf-events") if hidden else ("tf-events", "tfevents")
    for run in _names_in_folder(f"{folder}/{TENSORBOARD}"):
        for name in _names_in_folder(events := f"{folder}/{TENSORBOARD}/{run}"):
            if name.startswith(f"events.out.{before}."):
                try:
                    os.rename(f"{events}/{name}", f"{events}/{name.replace(before, now, 1)}")  # noqa: PTH104
                except OSError as cause:
                    raise storage_error("rename", Path(events, name), cause) from cause


def _names_in_folder(folder: str) -> list[str]:
    """What is in a folder; nothing where there is none."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - quicker than Path's
    except OSError:
        return []


def _create_changed_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("create the folder", folder, cause) from cause


def _copy_folder_entries(source: Path, target: Path, runs: Iterable[Run]) -> None:
    if not source.exists():
        return
    by_id = {run.run_id: run for run in runs}
    from_file, to_file = EntryFile(source), EntryFile(target)
    with file_lock(LogFolder.of(target.parent).lock):
        known = {entry.head.get("run_id") for entry in to_file.entries()}
        for entry in from_file.entries():
            run_id = str(entry.head.get("run_id"))
            if run_id in by_id and run_id not in known:
                head, series = _entry_for_changed_folder(from_file, entry)
                to_file.put(_changed_entry_head(head, by_id), [series] if series else [])


def _remove_folder_entries(path: Path, run_ids: set[str]) -> None:
    if not path.exists():
        return
    file = EntryFile(path)
    with file_lock(LogFolder.of(path.parent).lock):
        while True:
            entry = next((one for one in file.entries() if one.head.get("run_id") in run_ids), None)
            if entry is None:
                return
            file.remove(entry)


def _entry_for_changed_folder(file: EntryFile, entry: Entry) -> tuple[dict[str, Any], str]:
    """The head and series of an entry, also of one that a user wrote by hand."""
    if entry.trailer is not None:
        return entry.head, file.text(entry)
    keys = own_yaml_series_keys(entry.head) if file.path.name == METRICS_FILE else [*entry.head]
    keys = [key for key in keys if key != "run_id"]
    head = {name: value for name, value in entry.head.items() if name not in keys}
    if file.path.name == METRICS_FILE:
        head["legm"] = {**(head.get("legm") or {}), "series": keys}
    series = ", ".join(f"{yaml_flow_key(key)}: {yaml_flow(entry.head[key])}" for key in keys)
    return head, series
