"""What each configuration of an experiment holds, but for the series: read once, kept for the next scan.

Below ``<root>/<experiment>/.legm`` the file ``catalogue`` has, for each folder, the times and sizes of what
was looked at, and what was found. While these are still so, nothing is read again. A folder that was changed
within the last seconds, that has a pending run, or that is damaged, is read at each scan. The file is only a
copy: whoever deletes it loses nothing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import marshal
import os
import re
import struct
import sys
import time
import zlib
from array import array
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from legm.errors import LegmError
from legm.records import BestRule, Configuration, ConfigurationStatus, Plain, RunCounts
from legm.runlog.configuration_folders import configuration_folders_with, refuse_folder_links
from legm.runlog.file_names import CATALOGUE, METRICS_FILE, OWN_FOLDER, PARAMETERS_FILE, RUNS
from legm.runlog.marks_files import has_marks, note_found_marks
from legm.util.forked_calls import ForkedCall, number_of_forked_processes
from legm.util.garbage import paused_garbage_collection

__all__ = ["cached_statuses_once", "read_cached_statuses"]

_HEADER = re.compile(rb"legm catalogue 9 %s ([0-9a-f]{8})\n" % sys.byteorder.encode())
_TIMESTAMP_RESOLUTION = 2.5  # seconds: file systems note times to two seconds at the worst
_WORTH_PROCESSES = 1000  # folders
_OFTEN = 8  # questions for the values of a configuration
_LEAST_ROW = 200  # bytes of a folder in the cache, at least
_SIGNATURE = struct.Struct("=3q3q")
_Scanned: TypeAlias = tuple[list[Plain], bool, bool]
"""A folder's row, whether it has a pending run log, and whether something is noted about a run in it."""


@paused_garbage_collection()
def read_cached_statuses(folder: Path) -> list[ConfigurationStatus]:
    """What is in each configuration's folder of an experiment, by the folders' names.

    Args:
        folder: the experiment's.

    Raises:
        StorageError: the folder cannot be read.
    """
    began = time.time()
    parent, path = str(folder), folder / OWN_FOLDER / CATALOGUE
    with _begin_reading_status_signatures(folder, path) as reading:
        kept = _load_status_cache(path)
        table = _StatusStringTable(kept.get("shared", []))
        old: dict[str, list[Any]] = kept.get("folders", {})
        unchanged = {name: table.unpacked(f"{parent}/{name}", row) for name, row in old.items()}
        signatures = reading()
    known_signatures = _StatusSignatures(list(old), a2b_base64(kept.get("marks", "")))
    if signatures == known_signatures:
        return list(unchanged.values())
    found, known = signatures.by_name(), known_signatures.by_name()
    rows = {name: old[name] for name, signature in found.items() if known.get(name) == signature}
    changed = [name for name in found if name not in rows]
    damaged, pending, are_marked = dict[str, ConfigurationStatus](), set[str](), False
    for name, scanned in _scan_statuses(folder, changed, table):
        if scanned is None:
            from legm.backends.local.folder_contents import scan_folder_contents

            damaged[name] = scan_folder_contents(f"{parent}/{name}")
            are_marked |= has_marks(f"{parent}/{name}")
            continue
        rows[name], is_pending, is_marked = scanned
        are_marked |= is_marked
        if is_pending:
            pending.add(name)
    if are_marked:
        note_found_marks(folder)
    if changed or len(rows) < len(old):
        too_new = (began - _TIMESTAMP_RESOLUTION) * 1e9
        lasting = {
            name: rows[name]
            for name, signature in found.items()
            if name not in damaged
            and name not in pending
            and max(signature[:3]) < too_new
            and not table.is_fleeting(rows[name])
        }
        packed = b"".join([_SIGNATURE.pack(*found[name]) for name in lasting])
        _save_status_cache(
            path, {"shared": table.shared, "marks": _packed_status_numbers(packed), "folders": lasting}
        )
    read_now = {
        name: table.unpacked(f"{parent}/{name}", rows[name], has_pending_logs=name in pending)
        for name in changed
        if name in rows
    }
    statuses = unchanged | read_now | damaged
    return [statuses[name] for name in found]


def cached_statuses_once(found: Iterable[ConfigurationStatus]) -> Iterator[RunCounts]:
    """The runs in folders, counted, but for those in damaged ones; those in copies of a folder once."""
    by_fingerprint: dict[str, list[ConfigurationStatus]] = {}
    for one in found:
        if one.configuration is not None and one.problem is None:
            by_fingerprint.setdefault(one.configuration.fingerprint, []).append(one)
    for copies in by_fingerprint.values():
        first = copies[0].configuration
        if len(copies) == 1 or first is None:
            yield from copies[0].counts
        else:
            from legm.backends.local.folder_contents import runs_in_folders
            from legm.records import Query
            from legm.stats.run_counts import count_by_description

            folders = [Path(one.folder) for one in copies]
            yield from count_by_description(
                first, runs_in_folders(folders, Query(first.experiment)), copies[0].folder
            )


@dataclass(frozen=True, slots=True)
class _StatusSignatures:
    """What shows whether the configurations of an experiment changed.

    Args:
        names: the path of each in the experiment's folder.
        packed: of each, what :func:`_status_signature` returns.
    """

    names: list[str]
    packed: bytes

    def by_name(self) -> dict[str, tuple[int, ...]]:
        """Times (ns) and sizes of each."""
        return dict(zip(self.names, _SIGNATURE.iter_unpack(self.packed), strict=True))

    def to_bytes(self) -> bytes:
        """For :meth:`from_bytes`, in another process."""
        names = os.fsencode("\0".join(self.names))
        return b"".join([len(self.names).to_bytes(8, "little"), self.packed, names])

    @classmethod
    def from_bytes(cls, data: bytes) -> _StatusSignatures:
        """What :meth:`to_bytes` returned."""
        end = 8 + _SIGNATURE.size * int.from_bytes(data[:8], "little")
        return cls(os.fsdecode(data[end:]).split("\0") if end > 8 else [], data[8:end])


@contextlib.contextmanager
def _begin_reading_status_signatures(folder: Path, cache: Path) -> Iterator[Callable[[], _StatusSignatures]]:
    """Read the signatures in another process where they are many; what is given returns them."""
    try:
        is_large = cache.stat().st_size > _WORTH_PROCESSES * _LEAST_ROW
    except OSError:
        is_large = False
    if not is_large or number_of_forked_processes() == 1:
        yield lambda: read_status_signatures(folder)
        return
    with ForkedCall(lambda: read_status_signatures(folder).to_bytes()) as call:

        def result() -> _StatusSignatures:
            data = call.result()
            return read_status_signatures(folder) if data is None else _StatusSignatures.from_bytes(data)

        yield result


def read_status_signatures(folder: Path) -> _StatusSignatures:
    """The signatures of the configurations in an experiment's folder."""
    start, parent = 0, None
    if os.stat in os.supports_dir_fd:
        with contextlib.suppress(OSError):  # it is reported below
            parent = os.open(folder, os.O_RDONLY)
            start = len(f"{folder}/")  # paths from the experiment's folder are found quicker than whole ones
    try:
        found = list(configuration_folders_with(folder, lambda path: _status_signature(path[start:], parent)))
    finally:
        if parent is not None:
            os.close(parent)
    return _StatusSignatures([name for name, _ in found], b"".join([packed for _, packed in found]))


def _status_signature(folder: str, parent: int | None = None) -> bytes:
    """When what is looked at was changed (ns), then how large it is, packed; nothing of no configuration.

    Args:
        folder: the configuration's.
        parent: the file descriptor of the folder that its path begins in; None for the working folder.
    """
    try:
        at, size = _status_file_change(os.stat(f"{folder}/{PARAMETERS_FILE}", dir_fd=parent))
    except OSError:
        return b""
    try:
        metrics_at, metrics_size = _status_file_change(os.stat(f"{folder}/{METRICS_FILE}", dir_fd=parent))
    except OSError:
        metrics_at = metrics_size = 0
    try:
        runs_at, runs_size = _status_file_change(os.stat(f"{folder}/{RUNS}", dir_fd=parent))
    except OSError:
        runs_at = runs_size = 0
    return _SIGNATURE.pack(at, metrics_at, runs_at, size, metrics_size, runs_size)


_status_file_change = attrgetter("st_mtime_ns" if os.name == "nt" else "st_ctime_ns", "st_size")
"""When a file was changed (ns), and its size in bytes."""


def _scan_statuses(
    folder: Path, names: Sequence[str], table: _StatusStringTable
) -> Iterator[tuple[str, _Scanned | None]]:
    """What folders hold, read anew, None of what is damaged; processes share many of them."""
    if not names:
        return
    import legm.backends.local.folder_contents  # noqa: F401 - once, for all processes

    count = number_of_forked_processes() if len(names) >= _WORTH_PROCESSES else 1
    own, *others = [names[start::count] for start in range(count)]
    with contextlib.ExitStack() as stack:
        calls = [
            stack.enter_context(ForkedCall(functools.partial(_packed_statuses_of, folder, piece)))
            for piece in others
        ]
        yield from zip(own, _packed_statuses(folder, own, table), strict=True)
        for piece, call in zip(others, calls, strict=True):
            answer = call.result()
            if answer is None:  # the process failed, or was killed
                yield from zip(piece, _packed_statuses(folder, piece, table), strict=True)
                continue
            shared, rows = marshal.loads(answer)  # noqa: S302 - of this program's own process
            numbers = [table.number(common) for common in shared]
            for name, one in zip(piece, rows, strict=True):
                yield name, one and (table.renumbered(one[0], numbers), *one[1:])


@paused_garbage_collection()
def _packed_statuses_of(folder: Path, names: Sequence[str]) -> bytes:
    """What folders hold, for another process: what their rows share, and the rows."""
    table = _StatusStringTable([])
    rows = list(_packed_statuses(folder, names, table))
    return marshal.dumps((table.shared, rows))


def _packed_statuses(
    folder: Path, names: Sequence[str], table: _StatusStringTable
) -> Iterator[_Scanned | None]:
    from legm.backends.local.folder_contents import FolderScanner

    scanner = FolderScanner()
    for name in names:
        status, is_marked = scanner.scan(f"{folder}/{name}")
        if status.problem is not None:
            yield None
        else:
            yield table.packed(status), bool(status.has_pending_logs), is_marked


class _StatusStringTable:
    """Packs statuses into plain rows, and keeps what many have in common once.

    Args:
        shared: what is common to the rows of an earlier time.
    """

    def __init__(self, shared: list[list[Plain]]) -> None:
        self.shared = shared
        self._numbers = {_status_table_key(one): number for number, one in enumerate(shared)}
        self._common = functools.cache(self._read_common)
        self._common_of_counts = functools.cache(self._read_common_of_counts)

    def number(self, common: list[Plain]) -> int:
        """Which of the shared entries this is; it is added where it is new."""
        number = self._numbers.setdefault(_status_table_key(common), len(self.shared))
        if number == len(self.shared):
            self.shared.append(common)
        return number

    def packed(self, status: ConfigurationStatus) -> list[Plain]:
        """A status without its folder."""
        found = status.configuration
        assert found is not None  # noqa: S101
        common = self.number(
            [
                *(list(found.active), list(found.parameters), found.experiment, dict(found.metadata)),
                *(status.has_damaged_logs, status.is_shortened),
            ]
        )
        counts = [self._packed_counts(one) for one in status.counts]
        return [common, found.fingerprint, found.name, list(found.parameters.values()), counts]

    def _packed_counts(self, count: RunCounts) -> list[Plain]:
        common = self.number(
            [
                *(count.description, count.completed, count.failed, count.interrupted, count.running),
                *(count.repeated, count.pruned),
                *(list(count.values), [len(values) for values in count.values.values()]),
                *(sorted(count.indexed), list(map(list, count.code.items()))),
                [
                    [one.method, one.step, one.metric, one.higher_better, runs]
                    for one, runs in count.rules.items()
                ],
            ]
        )
        numbers = array("d", chain.from_iterable(count.values.values()))
        return [common, _packed_status_numbers(numbers.tobytes()), count.last]

    def unpacked(self, folder: str, row: list[Any], *, has_pending_logs: bool = False) -> ConfigurationStatus:
        """The status of a row that :meth:`packed` made."""
        number, fingerprint, name, values, counted = row
        active, names, experiment, metadata, has_damaged_logs, is_shortened = self._common(number)
        parameters = dict(zip(names, values, strict=True))
        found = Configuration(experiment, fingerprint, name, parameters, active, metadata)
        counts = []
        for number_of_counts, text, last in counted:
            described, *numbers, keys, lengths, indexed, code, rules = self._common_of_counts(
                number_of_counts
            )
            completed, failed, interrupted, running, repeated, pruned = numbers
            stored = _PackedStatusNumbers(keys, lengths, text)
            counts.append(
                RunCounts(
                    *(found, described, completed, failed, interrupted, running, stored),
                    *(indexed, last, folder, rules, repeated, pruned, code),
                )
            )
        return ConfigurationStatus(
            folder, found, tuple(counts), None, has_damaged_logs, has_pending_logs, is_shortened
        )

    def renumbered(self, row: list[Any], numbers: Sequence[int]) -> list[Any]:
        """A row of another table, whose shared entries have these numbers here."""
        *own, counted = row
        return [numbers[own[0]], *own[1:], [[numbers[one[0]], *one[1:]] for one in counted]]

    def is_fleeting(self, row: list[Any]) -> bool:
        """Whether a row has a run that is running, or one whose damage is to be said each time."""
        return self.shared[row[0]][4] or any(self.shared[count[0]][4] for count in row[4])

    def _read_common(self, number: int) -> tuple[Any, ...]:
        """What a shared entry says of a configuration."""
        active, *others = self.shared[number]
        return tuple(active), *others

    def _read_common_of_counts(self, number: int) -> tuple[Any, ...]:
        """What a shared entry says of the runs of a configuration."""
        *counts, keys, lengths, indexed, code, rules = self.shared[number]
        runs_by_rule = {BestRule(*rule): runs for *rule, runs in rules}
        return (*counts, tuple(keys), lengths, frozenset(indexed), dict(code), runs_by_rule)


def _status_table_key(common: list[Plain]) -> bytes:
    """Equal for entries that are equal with the types of all in them."""
    return marshal.dumps(common, 2)  # quicker than repr(); later versions also depend on references


class _PackedStatusNumbers(Mapping[str, Sequence[float]]):
    """A count's values by key, unpacked when they are asked for; all at once where many are.

    Args:
        keys: the keys.
        lengths: how many values each has.
        text: all values as :func:`_packed_status_numbers` has them.
    """

    __slots__ = ("_asked", "_by_key", "_keys", "_lengths", "_text")

    def __init__(self, keys: tuple[str, ...], lengths: list[int], text: str) -> None:
        self._keys, self._lengths, self._text = keys, lengths, text
        self._asked = 0
        self._by_key: dict[str, Sequence[float]] | None = None

    def _unpacked(self) -> Mapping[str, Sequence[float]] | None:
        """All of them, once they were asked for often; before, None."""
        self._asked += 1
        if self._by_key is None and self._asked > _OFTEN:
            numbers, ends = array("d", a2b_base64(self._text)), list(accumulate(self._lengths))
            starts = (end - length for end, length in zip(ends, self._lengths, strict=True))
            slices = map(slice, starts, ends)
            self._by_key = {key: numbers[one] for key, one in zip(self._keys, slices, strict=True)}
        return self._by_key

    def __getitem__(self, key: str) -> Sequence[float]:
        unpacked = self._unpacked()
        if unpacked is not None:
            return unpacked[key]
        try:
            at = self._keys.index(key)
        except ValueError:
            raise KeyError(key) from None
        start = sum(self._lengths[:at])
        return array("d", a2b_base64(self._text))[start : start + self._lengths[at]]

    def __contains__(self, key: object) -> bool:
        return key in (self._unpacked() or self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return repr(dict(self))


def _packed_status_numbers(data: bytes) -> str:
    """Numbers in a form that JSON reads faster than digits."""
    return b2a_base64(data, newline=False).decode()


def _load_status_cache(path: Path) -> Mapping[str, Any]:
    """The catalogue; an empty one where there is none, or none that can be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    header = _HEADER.match(data)
    if header is None or zlib.crc32(memoryview(data)[header.end() :]) != int(header[1], 16):
        return {}
    content: dict[str, Any] = json.loads(data[header.end() :].decode())
    return content


def _save_status_cache(path: Path, content: Mapping[str, Any]) -> None:
    from legm.util.atomic_files import write_atomically

    data = json.dumps(content, separators=(",", ":")).encode()
    with contextlib.suppress(LegmError, OSError):  # a folder that cannot be written is read anew each time
        refuse_folder_links(path.parent)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, f"legm catalogue 9 {sys.byteorder} {zlib.crc32(data):08x}\n".encode() + data)
