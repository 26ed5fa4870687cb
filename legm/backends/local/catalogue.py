"""What each configuration of an experiment holds, but for the series: read once, and kept for the next look.

Below ``<root>/<experiment>/.legm`` the file ``catalogue`` has, for each folder, the times and sizes of the
files and folders that were read, and what they said. While these are still so, nothing is read again. A
folder that was changed within the last seconds, that has a run which goes on, or that is damaged, is not
kept: it is read at each look. The file is only a copy: whoever deletes it loses nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import threading
import time
import zlib
from array import array
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from legm.backends.local.entries import EntryFile
from legm.backends.local.files import write_whole
from legm.backends.local.folders import PARAMETERS_FILE, experiment_folder, read_configuration
from legm.backends.local.results import tally_entries
from legm.errors import LegmError
from legm.logs import LogFolder, unfinished
from legm.records import Configuration, Plain, Tally
from legm.runlog import storage_error

__all__ = ["Holding", "experiment_in", "experiments", "folders_in", "holdings", "look"]

log = logging.getLogger(__name__)

_HEADER = re.compile(rb"legm catalogue 1 %s ([0-9a-f]{8})\n" % sys.byteorder.encode())
_SETTLED = 2.5  # seconds: file systems note times to two seconds at the worst
_WORTH_PROCESSES = 1000  # folders
_LOOKED_AT = (PARAMETERS_FILE, "metrics.yml", "runs")


@dataclass(frozen=True, slots=True)
class Holding:
    """A configuration's folder as it is.

    Args:
        folder: its path.
        configuration: None where its parameters cannot be read.
        tallies: its runs, counted by description; an empty one where there are none.
        problem: what could not be read; None where all could.
    """

    folder: str
    configuration: Configuration | None
    tallies: tuple[Tally, ...] = ()
    problem: LegmError | None = None

    @property
    def label(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.folder)  # noqa: PTH119 - quicker than Path's


def experiments(root: Path) -> Iterator[str]:
    """The experiments whose folders are below a root directory, each by the name that finds its folder.

    Raises:
        StorageError: the folder cannot be read.
    """
    for folder in folders_in(root):
        name = experiment_in(root / folder)
        if name is not None:
            yield name


def experiment_in(folder: Path) -> str | None:
    """The name by which an experiment's folder is found; None where it is no experiment's.

    Raises:
        StorageError: the folder cannot be read.
    """
    for place in folders_in(folder):
        if not _marks(f"{folder}/{place}"):
            continue
        try:
            name = read_configuration(folder / place).experiment
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
            continue
        # A folder that a person renamed is found by its own name.
        return name if experiment_folder(folder.parent, name).name == folder.name else folder.name
    return None


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, but for hidden ones; none where there is none."""
    try:
        with os.scandir(folder) as found:
            return sorted(e.name for e in found if not e.name.startswith(".") and e.is_dir())
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise storage_error("read the folder", folder, cause) from cause


def holdings(folder: Path) -> list[Holding]:
    """What is in each configuration's folder of an experiment, by the folders' names.

    Args:
        folder: the experiment's.

    Raises:
        StorageError: the folder cannot be read.
    """
    began = time.time()
    names = folders_in(folder)
    path = folder / ".legm" / "catalogue"
    kept = _load(path)
    shelf = _Shelf(kept.get("shared", []))
    old: dict[str, list[Any]] = kept.get("folders", {})
    marks = {name: found for name in names if (found := _marks(f"{folder}/{name}"))}
    rows = {name: row[1:] for name in marks if (row := old.get(name)) is not None and row[0] == marks[name]}
    changed = [name for name in marks if name not in rows]
    damaged = {}
    for name, row in _look_at_each(folder, changed, shelf):
        if row is None:
            damaged[name] = look(f"{folder}/{name}")
        else:
            rows[name] = row
    found_now = {name: shelf.unpacked(f"{folder}/{name}", row) for name, row in rows.items()} | damaged
    goes_on = {name for name, one in found_now.items() if any(tally.running for tally in one.tallies)}
    if changed or len(rows) < len(old):
        too_new = (began - _SETTLED) * 1e9
        kept = {
            name: [marks[name], *row]
            for name, row in rows.items()
            if name not in goes_on and max(marks[name][: len(_LOOKED_AT)]) < too_new
        }
        _save(path, {"shared": shelf.shared, "folders": kept})
    return [found_now[name] for name in marks]


def _marks(place: str) -> list[int]:
    """When what is looked at was changed (ns), then how large it is; nothing of no configuration."""
    times, sizes = [], []
    for name in _LOOKED_AT:
        try:
            status = os.stat(f"{place}/{name}")  # noqa: PTH116 - quicker than Path's
        except OSError:
            if name == PARAMETERS_FILE:
                return []
            times.append(0)
            sizes.append(0)
        else:
            times.append(status.st_mtime_ns if os.name == "nt" else status.st_ctime_ns)
            sizes.append(status.st_size)
    return times + sizes


def _look_at_each(
    folder: Path, names: Sequence[str], shelf: _Shelf
) -> Iterator[tuple[str, list[Plain] | None]]:
    """What folders hold, read anew and packed, None of what is damaged; processes share many of them."""
    processes = _processes() if len(names) >= _WORTH_PROCESSES else 1
    if processes == 1:
        yield from zip(names, _packed_looks(folder, names, shelf), strict=True)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pieces = [names[start :: 2 * processes] for start in range(2 * processes)]
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        for piece, (shared, rows) in zip(pieces, pool.map(_looks_of, repeat(folder), pieces), strict=True):
            numbers = [shelf.number(common) for common in shared]
            for name, row in zip(piece, rows, strict=True):
                yield name, row and [numbers[row[0]], *row[1:]]


def _processes() -> int:
    """How many processes may share the work: one where there is another thread, which no fork survives."""
    if threading.active_count() > 1 or not hasattr(os, "sched_getaffinity"):
        return 1
    return min(len(os.sched_getaffinity(0)), 8)


def _looks_of(folder: Path, names: Sequence[str]) -> tuple[list[Plain], list[list[Plain] | None]]:
    """What folders hold, for another process: what their rows share, and the rows."""
    shelf = _Shelf([])
    rows = list(_packed_looks(folder, names, shelf))
    return shelf.shared, rows


def _packed_looks(folder: Path, names: Sequence[str], shelf: _Shelf) -> Iterator[list[Plain] | None]:
    known: dict[str, Any] = {}
    for name in names:
        holding = look(f"{folder}/{name}", known)
        yield shelf.packed(holding) if holding.problem is None else None


def look(place: str, known: dict[str, Any] | None = None) -> Holding:
    """What a configuration's folder holds, read anew.

    Args:
        place: the folder.
        known: what the reading of others left, for whoever reads many.
    """
    folder = Path(place)
    try:
        configuration = read_configuration(folder, known)
    except LegmError as error:
        return Holding(place, None, problem=error)
    try:
        entries = EntryFile(folder / "metrics.yml").entries()
        others = unfinished(
            LogFolder(folder / "runs"), [str(entry.head.get("run_id", "")) for entry in entries]
        )
        return Holding(place, configuration, tally_entries(folder, configuration, entries, others))
    except LegmError as error:
        return Holding(place, configuration, problem=error)


class _Shelf:
    """Packs holdings into plain rows, and keeps what many have in common once.

    Args:
        shared: what is common to the rows of an earlier time.
    """

    def __init__(self, shared: list[Plain]) -> None:
        self.shared = shared
        self._active = [tuple(active) for _, active, _ in shared]
        self._numbers = {json.dumps(one): number for number, one in enumerate(shared)}

    def number(self, common: list[Plain]) -> int:
        """Which of the shared things this is; it is added where it is new."""
        number = self._numbers.setdefault(json.dumps(common), len(self.shared))
        if number == len(self.shared):
            self.shared.append(common)
            self._active.append(tuple(common[1]))
        return number

    def packed(self, holding: Holding) -> list[Plain]:
        """A holding without its folder."""
        configuration = holding.configuration
        assert configuration is not None  # noqa: S101
        return [
            self.number([configuration.experiment, list(configuration.active), dict(configuration.metadata)]),
            [configuration.fingerprint, configuration.name, dict(configuration.parameters)],
            [
                [
                    *(one.description, one.completed, one.failed, one.interrupted, one.running),
                    *({key: _as_text(values) for key, values in one.values.items()}, sorted(one.indexed)),
                    one.last,
                ]
                for one in holding.tallies
            ],
        ]

    def unpacked(self, place: str, row: list[Any]) -> Holding:
        """The holding of a row that :meth:`packed` made."""
        number, (fingerprint, name, parameters), counted = row
        experiment, _, metadata = self.shared[number]
        found = Configuration(experiment, fingerprint, name, parameters, self._active[number], metadata)
        tallies = [
            Tally(
                *(found, description, completed, failed, interrupted, running),
                {key: _as_numbers(text) for key, text in values.items()},
                *(frozenset(indexed), last, place),
            )
            for description, completed, failed, interrupted, running, values, indexed, last in counted
        ]
        return Holding(place, found, tuple(tallies))


def _as_text(values: Sequence[float]) -> str:
    """Floats in a form that JSON reads faster than numbers."""
    return b2a_base64(array("d", values).tobytes(), newline=False).decode()


def _as_numbers(text: str) -> Sequence[float]:
    return array("d", a2b_base64(text))


def _load(path: Path) -> Mapping[str, Any]:
    """The catalogue; an empty one where there is none, or none that can be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    header = _HEADER.match(data)
    if header is None or zlib.crc32(memoryview(data)[header.end() :]) != int(header[1], 16):
        return {}
    content: dict[str, Any] = json.loads(data[header.end() :])
    return content


def _save(path: Path, content: Mapping[str, Any]) -> None:
    data = json.dumps(content, separators=(",", ":")).encode()
    with contextlib.suppress(LegmError, OSError):  # a place that cannot be written is read anew each time
        path.parent.mkdir(exist_ok=True)
        write_whole(path, f"legm catalogue 1 {sys.byteorder} {zlib.crc32(data):08x}\n".encode() + data)
