"""Making damaged files again from the run logs."""

from __future__ import annotations

import re
from pathlib import Path

from legm import runlog, selection
from legm.backends.local.entries import Entry, EntryFile
from legm.backends.local.files import locked, write_whole
from legm.backends.local.folders import PARAMETERS_FILE, parameters_text, read_configuration
from legm.backends.local.results import head_of, series_texts, steps_head
from legm.errors import CorruptFile, LegmError
from legm.records import RunResult, Status

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
    if not (folder / "runs").is_dir():
        return done
    with locked(folder / "runs" / ".lock"):
        for name in ("metrics.yml", "steps.yml"):
            file = EntryFile(folder / name)
            # From the end, since an entry that goes moves those after it.
            for entry, text in reversed(file.damaged()):
                done += _repair_entry(folder, file, entry, text)
    return done


def _repair_parameters(folder: Path) -> list[str]:
    try:
        read_configuration(folder)
    except CorruptFile as error:
        for path in sorted((folder / "runs").glob("*.log")):
            try:
                configuration = runlog.read(path).run.configuration
            except LegmError:
                continue
            write_whole(folder / PARAMETERS_FILE, parameters_text(configuration))
            return [f"{error.path} was damaged and is restored from the log of a run"]
        return [str(error)]
    return []


def _repair_entry(folder: Path, file: EntryFile, entry: Entry, text: bytes) -> list[str]:
    results = [result for found in _RUN_ID.findall(text) if (result := _completed(folder, found.decode()))]
    if not results:
        return [
            f"{file.path}: experiment_{entry.number} is damaged and no run log has its run: mend or delete it"
        ]
    for place, result in enumerate(results):
        values, steps = series_texts(result)
        replaced = entry if place == 0 else None
        if file.path.name == "steps.yml":
            file.put(steps_head(result), steps, replaced)
        else:
            file.put(head_of(result), values, replaced)
    ids = ", ".join(result.run.run_id for result in results)
    return [f"{file.path}: a damaged entry is restored from the log of {ids}"]


def _completed(folder: Path, run_id: str) -> RunResult | None:
    for path in (folder / "runs" / f"{run_id}.log", folder / "runs" / "open" / f"{run_id}.log"):
        try:
            known = runlog.read(path)
        except LegmError:
            continue
        result = selection.result(known.run, known.records)
        return result if result.status is Status.COMPLETED else None
    return None
