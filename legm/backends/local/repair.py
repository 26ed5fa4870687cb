"""Making damaged files again from the run logs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from legm.backends.local.entry_file import Entry, EntryFile
from legm.backends.local.parameters_file import parameters_yaml, read_configuration
from legm.backends.local.result_yaml import (
    earlier_series_yaml,
    metrics_yaml_head,
    series_yaml,
    steps_yaml_head,
)
from legm.core import results
from legm.errors import CorruptFile, LegmError, NewerFile
from legm.records import RunResult, Status
from legm.runlog import log_reader, log_repair
from legm.runlog.file_names import LOG_SUFFIX, METRICS_FILE, PARAMETERS_FILE, STEPS_FILE
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_writer import logs_being_written
from legm.util.atomic_files import write_atomically
from legm.util.locks import file_lock

__all__ = ["repair"]

_RUN_ID = re.compile(rb'"run_id": "([\w-]+)"')


def repair(folder: Path) -> list[str]:
    """Make what is damaged in a configuration's folder again, as far as the run logs have it.

    Args:
        folder: the configuration's.

    Returns:
        what was done, and what could not be, in a sentence each.

    Raises:
        StorageError: a file cannot be written.
    """
    done = _repair_parameters(folder)
    logs = LogFolder.of(folder)
    if not logs.folder.is_dir():
        return done
    with file_lock(logs.lock):
        done += _repair_logs(folder, logs)
        metrics, steps = EntryFile(folder / METRICS_FILE), EntryFile(folder / STEPS_FILE)
        for file in (metrics, steps):
            # From the end, since an entry that goes moves those after it.
            for entry, text in reversed(file.damaged()):
                done += _repair_entry(folder, file, entry, text)
        if not (metrics.damaged() or steps.damaged()):
            done += _repair_steps(folder, metrics, steps)
    return done


def _repair_parameters(folder: Path) -> list[str]:
    try:
        read_configuration(folder)
    except NewerFile as error:
        return [str(error)]
    except CorruptFile as error:
        for path in sorted(LogFolder.of(folder).folder.glob(f"*{LOG_SUFFIX}")):
            try:
                configuration = log_reader.read_log(path).run.configuration
            except LegmError:
                continue
            write_atomically(folder / PARAMETERS_FILE, parameters_yaml(configuration))
            os.utime(folder.parent)  # so that the index is made anew
            return [f"{error.path} was damaged and is restored from the log of a run"]
        return [str(error)]
    return []


def _repair_logs(folder: Path, logs: LogFolder) -> list[str]:
    """Put frames that say so in the place of what is damaged in the logs of runs that only have a log."""
    try:
        configuration = read_configuration(folder)
        known = {str(entry.head.get("run_id")) for entry in EntryFile(folder / METRICS_FILE).check()[0]}
    except LegmError:  # which is said elsewhere
        return []
    paths = [*logs.logs_except(known), *(path for path in logs.pending_logs() if path.stem in known)]
    being_written = logs_being_written(paths)
    done = []
    for path in paths:
        if path in being_written:
            continue
        try:
            log_reader.read_log(path)
        except NewerFile as error:
            done.append(str(error))
        except CorruptFile as error:
            is_repaired = log_repair.repair_log(path, configuration)
            done.append(f"{error} What is intact of it is kept." if is_repaired else str(error))
        except LegmError as error:
            done.append(str(error))
    return done


def _repair_entry(folder: Path, file: EntryFile, entry: Entry, text: bytes) -> list[str]:
    sound = _run_ids_without_repair(file)
    ids = [run_id for found in _RUN_ID.findall(text) if (run_id := found.decode()) not in sound]
    results = [result for run_id in ids if (result := _repaired_run_from_log(folder, run_id))]
    if not results:  # perhaps it is the id that is damaged
        others = sorted({path.stem for path in LogFolder.of(folder).folder.rglob(f"*{LOG_SUFFIX}")} - sound)
        candidates = [result for run_id in others if (result := _repaired_run_from_log(folder, run_id))]
        results = [r for r in candidates if _is_entry_to_repair(file, entry, text, r)]
    if not results:
        name = f"experiment_{entry.number}" if entry.number >= 0 else "an entry"
        return [f"{file.path}: {name} is damaged and no run log has its run: repair or delete it"]
    for rank, result in enumerate(results):
        file.put(*_repaired_entry_content(file, result), entry if rank == 0 else None)
    names = ", ".join(result.run.run_id for result in results)
    return [f"{file.path}: a damaged entry is restored from the log of {names}"]


def _repair_steps(folder: Path, metrics: EntryFile, steps: EntryFile) -> list[str]:
    """The steps of runs that have values but no steps any more."""
    done = []
    for run_id in sorted(_run_ids_without_repair(metrics) - _run_ids_without_repair(steps)):
        result = _repaired_run_from_log(folder, run_id)
        if result is not None:
            steps.put(*_repaired_entry_content(steps, result))
            done.append(f"{steps.path}: a missing entry is restored from the log of {run_id}")
    return done


def _run_ids_without_repair(file: EntryFile) -> set[str]:
    """The runs whose entries are sound."""
    return {str(entry.head.get("run_id")) for entry in file.check()[0]}


def _is_entry_to_repair(file: EntryFile, entry: Entry, text: bytes, result: RunResult) -> bool:
    """Whether a damaged entry was that of a run, as this version or an earlier one wrote it."""
    return any(
        file.was(text, entry.number, *_repaired_entry_content(file, result, make))
        for make in (series_yaml, earlier_series_yaml)
    )


def _repaired_entry_content(
    file: EntryFile,
    result: RunResult,
    make: Callable[[RunResult], tuple[Iterable[str], Iterable[str]]] = series_yaml,
) -> tuple[dict[str, Any], Iterable[str]]:
    """What a run's entry in one of the two files says: its head and its series."""
    values, steps = make(result)
    return (
        (steps_yaml_head(result), steps)
        if file.path.name == STEPS_FILE
        else (metrics_yaml_head(result), values)
    )


def _repaired_run_from_log(folder: Path, run_id: str) -> RunResult | None:
    try:
        known = LogFolder.of(folder).read(run_id)
    except LegmError:
        return None
    if known is None:
        return None
    result = results.run_result(known.run, known.records)
    return result if result.status is Status.COMPLETED else None
