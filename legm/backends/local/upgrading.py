"""Bringing the files of a configuration to the current version of their format.

Every version is read for ever, so nothing has to be upgraded; but only files of the current version have the
checksums by which damage and edits are found. What they say stays the same, bit for bit.
"""

from __future__ import annotations

from pathlib import Path

from legm.backends.local.entry_file import EntryFile
from legm.backends.local.parameters_file import add_parameters_checksums, read_configuration
from legm.runlog.configuration_folders import refuse_folder_links, refuse_linked_configuration_folder
from legm.runlog.file_names import METRICS_FILE, PARAMETERS_FILE, STEPS_FILE
from legm.runlog.log_folder import LogFolder
from legm.util.locks import file_lock

__all__ = ["upgrade"]


def upgrade(folder: Path, *, dry_run: bool) -> list[str]:
    """Bring the files of a configuration's folder to the current version.

    Args:
        folder: the configuration's.
        dry_run: whether to only say what would be done.

    Returns:
        what was done, a sentence for each file.

    Raises:
        StorageError: a file cannot be read or written.
        CorruptFile: a file is damaged, or of a newer version; the files before it are upgraded.
    """
    read_configuration(folder)
    refuse_folder_links(*(folder / name for name in (PARAMETERS_FILE, METRICS_FILE, STEPS_FILE)))
    refuse_linked_configuration_folder(folder)
    is_new = add_parameters_checksums(folder, dry_run=dry_run)
    done = [f"{folder / PARAMETERS_FILE}: checksums"] if is_new else []
    files = [EntryFile(folder / name) for name in (METRICS_FILE, STEPS_FILE)]
    if not any(file.number_of_old_entries() for file in files):
        return done
    logs = LogFolder.of(folder)
    if dry_run:
        return done + [
            _upgraded_entries_text(file, count) for file in files if (count := file.number_of_old_entries())
        ]
    logs.create_folders()
    with file_lock(logs.lock):
        return done + [_upgraded_entries_text(file, count) for file in files if (count := file.upgrade())]


def _upgraded_entries_text(file: EntryFile, count: int) -> str:
    return f"{file.path}: checksums of {count} {'entry' if count == 1 else 'entries'} of the first version"
