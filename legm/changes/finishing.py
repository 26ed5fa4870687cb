"""Does what is left once all steps of a journal are done: indices, absent values, and the trash."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from legm.changes.absent_values_change import AbsentValuesChange
from legm.changes.backend_deliveries import write_backend_tasks
from legm.changes.comparison_change import ComparisonChange
from legm.changes.journal import Journal
from legm.changes.steps import ADOPT, Step
from legm.changes.trash import (
    is_own_path,
    keep_folder_without_runs,
    move_path,
    runs_left_in_trash,
    trash_folder,
)
from legm.core.texts import listed_names
from legm.delivery.absent_values_file import AbsentValuesFile
from legm.errors import storage_error
from legm.hooks import FolderChanger
from legm.runlog.configuration_folders import configuration_paths, is_configuration_folder
from legm.runlog.file_names import (
    AGGREGATES_FILE,
    INDEX,
    JOURNAL_SUFFIX,
    MERGED,
    OWN_FOLDER,
    PLOTS,
    TRASHED_FILES,
)
from legm.util.atomic_files import delete_folder

__all__ = ["finish_changes"]

log = logging.getLogger(__name__)


def finish_changes(
    root: Path,
    journal: Journal,
    changer: FolderChanger,
    experiments: Iterable[Path],
    deleting: Iterable[Step],
    amended: Mapping[str, Path],
) -> None:
    """Bring indices up to date, wait for the disk, and move the journal to the trash.

    Args:
        root: the root directory.
        journal: the journal, of which all steps are done.
        changer: changes the folders.
        experiments: the folders of the experiments in which something changed.
        deleting: the steps that delete runs in other backends too.
        amended: by run that other backends have to change, its folder.

    Raises:
        LegmError: something cannot be read or written; it may be repeated.
    """
    for experiment in experiments:
        if experiment.is_dir():
            _refresh_at_finish(root, journal, changer, experiment)
    header = journal.header()
    for old, new in dict(header.get("emptied", {})).items():
        _finish_empty_experiment(root, journal, root / old, root / new if new else None)
    for path, values in dict(header.get("absent_values", {})).items():
        if (root / path).is_dir():
            AbsentValuesFile(root / path / OWN_FOLDER).merge(values, str(header["title"]))
    for path, content in dict(header.get("corrected_absent_values", {})).items():
        if (root / path).is_dir():
            AbsentValuesChange.of_content(content).apply(root / path)
    for path, content in dict(header.get("compared_by_imports", {})).items():
        if (root / path).is_dir():
            ComparisonChange.of_content(content).apply(root / path)
    if header.get("copies"):
        delete_folder(root / OWN_FOLDER / MERGED)
    if "restores" in header:
        _put_back_at_finish(root, str(header["restores"]))
    write_backend_tasks(root, journal, deleting, amended)
    if hasattr(os, "sync"):
        os.sync()
    kept = trash_folder(root, journal.name)
    try:
        if header.get("keep", True) or runs_left_in_trash(root, journal.name):
            kept.mkdir(parents=True, exist_ok=True)
            journal.path.rename(kept / journal.path.name)
        else:
            delete_folder(kept)  # aggregates, which held for what was changed
            journal.path.unlink()
    except OSError as cause:
        raise storage_error("move to the trash", journal.path, cause) from cause


def _finish_empty_experiment(root: Path, journal: Journal, old: Path, new: Path | None) -> None:
    """Move what is left in an experiment's folder that has no configuration any more."""
    if not old.is_dir() or next(configuration_paths(old), None) is not None:
        return
    if new is not None and new.is_dir() and not old.is_symlink():
        for path in sorted(old.iterdir()):
            if path.name != OWN_FOLDER:
                move_path(path, new / path.name)
    keep_folder_without_runs(root, journal.name, old)


def _put_back_at_finish(root: Path, name: str) -> None:
    """Put the aggregates and plots back that another command moved to the trash, and forget the rest."""
    item = trash_folder(root, name)
    files, journal = item / TRASHED_FILES, Journal(item / f"{name}{JOURNAL_SUFFIX}")
    paths = [*files.rglob(AGGREGATES_FILE), *files.rglob(f"*{PLOTS}")]
    renamed = {step.target: step.source for step in journal.steps() if step.kind == ADOPT} if paths else {}
    for path in paths:
        folder = path.parent.relative_to(files).as_posix()
        now = root / renamed.get(folder, folder)
        if is_configuration_folder(now) and not is_own_path(root, now):
            move_path(path, now / path.name)
    if left := runs_left_in_trash(root, name):  # nothing that only the trash has is deleted with it
        log.warning("still in the trash of %s, as %s: %s", root, name, listed_names(sorted(left)))
    else:
        delete_folder(item)


def _refresh_at_finish(root: Path, journal: Journal, changer: FolderChanger, experiment: Path) -> None:
    if any(path.name != OWN_FOLDER for path in experiment.iterdir()):
        changer.refresh(experiment)
    elif (experiment / OWN_FOLDER / INDEX).exists() and experiment.is_relative_to(root):
        keep_folder_without_runs(root, journal.name, experiment)
