"""The frames of a run log: how records are encoded in it, and decoded.

A run log is one append-only file per run, from which everything else can be restored.

Format, version 2. The file starts with the line ``legm run log 2``. Frames follow: the four bytes
``F5 4C 52 0A``, the payload's length and a checksum as little-endian 32-bit integers, one byte for the kind
of frame, and the payload. The checksum is the CRC-32 (as in zlib) of length, kind and payload. Kinds:

====  ==========  ==========================================================================
1     run         JSON: the :class:`~legm.records.Run`
2     layout      JSON: the series of one layout; layouts are numbered in order
3     points      number of rows (u32), then by column: layout (u32), steps (i64), times (f64), values (f64)
4     record      JSON: a best rule, display, artifact, medium, outcome, resumption, rewind or environment
                  update
5     cursors     JSON: by backend, the byte of this file up to which records were delivered
6     backends    JSON: by backend that the run is delivered to, the options that construct it again
7     lost        what was damaged and could not be restored; nothing is read from it
8     lost one    the same, of a single frame that was no layout
9     amendment   JSON: an :class:`~legm.records.Amendment`, which changes the run; the last one counts
10    packed      rows of numbers as in kind 3, in fewer bytes; see :mod:`legm.runlog.packed_points`
====  ==========  ==========================================================================

Version 1 is the same without kind 10. A log of it gets the first line of version 2 when it is next written.

A process that is killed leaves at most one incomplete frame, at the end. It is ignored when the log is read
and removed when it is next written. A damaged frame before complete ones is an error, until a repair makes a
frame "lost" of the damaged bytes, so that no position changes. After it a completion does not count; where
a layout may have been there, later layouts and their rows are left out. A frame with a valid checksum that
cannot be understood is reported and passed over. The writer holds a lock on the file: the run of a log
without an outcome that is not locked was interrupted.
"""

from __future__ import annotations

import json
import logging
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias, TypeVar

from legm.core.record_files import file_paths, with_file_paths
from legm.core.texts import counted
from legm.errors import CorruptFile
from legm.records import (
    Amendment,
    Artifact,
    BestRule,
    Configuration,
    Display,
    EnvironmentUpdate,
    Media,
    MediaFile,
    MediaKind,
    Outcome,
    Plain,
    Points,
    Record,
    Resumption,
    Rewind,
    Run,
    Series,
    Split,
    Status,
)
from legm.runlog.artifact_paths import ArtifactPaths
from legm.runlog.packed_points import pack_points, packed_shape, unpack_points
from legm.util.threaded_calls import call_in_threads

if TYPE_CHECKING:
    from legm.runlog.packed_points import PointColumns

__all__ = [
    "AMENDMENT",
    "BACKENDS",
    "CURSORS",
    "FRAME_HEAD",
    "HEADER",
    "LAYOUT",
    "LOST",
    "LOST_ONE",
    "MAGIC",
    "PACKED",
    "POINTS",
    "RECORD",
    "RUN",
    "VERSION",
    "DamagedBytes",
    "FrameDecoder",
    "OtherRecord",
    "amendment_frame",
    "amendment_frame_content",
    "backends_frame",
    "configuration_frame_content",
    "cursors_frame",
    "decode_frame_fields",
    "decode_point_frames",
    "encode_frames",
    "find_damaged_frame_bytes",
    "is_log_header",
    "iterate_frame_heads",
    "iterate_frames",
    "layout_frame",
    "lost_frame",
    "parse_frame",
    "points_frame",
    "record_frame",
    "report_skipped_frame",
    "run_frame",
]

log = logging.getLogger(__name__)

T = TypeVar("T")

OtherRecord: TypeAlias = (
    BestRule | Display | Artifact | Media | Outcome | Resumption | Rewind | EnvironmentUpdate
)
"""A record other than points."""

HEADER = b"legm run log 2\n"
_HEADERS = (b"legm run log 1\n", HEADER)  # of equal length
VERSION = 2
MAGIC = b"\xf5LR\n"
FRAME_HEAD = struct.Struct("<4sIIB")
RUN, LAYOUT, POINTS, RECORD, CURSORS, BACKENDS, LOST, LOST_ONE, AMENDMENT, PACKED = range(1, 11)
_RECORD_TYPES: dict[str, type[Any]] = {
    "best_rule": BestRule,
    "display": Display,
    "artifact": Artifact,
    "media": Media,
    "outcome": Outcome,
    "resumption": Resumption,
    "rewind": Rewind,
    "environment_update": EnvironmentUpdate,
}
_NONE, _NUMBER = type(None), (int, float)
_FIELD_TYPES: dict[str, tuple[type[Any], ...]] = {
    "active": (list, tuple),
    "caption": (str,),
    "configuration": (dict, Configuration),
    "description": (str,),
    "details": (dict,),
    "digest": (str,),
    "environment": (dict,),
    "error": (str, _NONE),
    "experiment": (str,),
    "files": (list,),
    "fingerprint": (str,),
    "higher_better": (bool, _NONE),
    "kind": (str,),
    "metadata": (dict,),
    "method": (str,),
    "metric": (str, _NONE),
    "name": (str,),
    "parameters": (dict,),
    "path": (str,),
    "run_id": (str,),
    "started": _NUMBER,
    "status": (str,),
    "step": (int, float, _NONE),
    "time": _NUMBER,
    "undelivered_to": (list, tuple),
    "value": (str, int, float),
}
"""What the fields of records are in JSON."""
_NOT_UNDERSTOOD = (
    *(ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError),
    *(RecursionError, struct.error),
)
_HEADS_SIZE = 1 << 14  # bytes that are read at once to find where frames start: all of a short run's log
_ROWS_PER_FRAME = 8192  # so that a long run is delivered in several batches
_WORTH_THREADS = 1 << 19  # bytes of frames of points from which on several threads decode them
_TYPE_NAMES = {kind: name for name, kind in _RECORD_TYPES.items()}


def _encode_frame(kind: int, *payload: bytes | memoryview) -> bytes:
    length = sum(len(piece) for piece in payload)
    crc = zlib.crc32(struct.pack("<IB", length, kind))
    for piece in payload:
        crc = zlib.crc32(piece, crc)
    return b"".join((FRAME_HEAD.pack(MAGIC, length, crc, kind), *payload))


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def _encode_json_frame(kind: int, content: object) -> bytes:
    return _encode_frame(kind, _ENCODER.encode(content).encode())


def run_frame(run: Run, size: int = 0) -> bytes:
    """The frame of a run.

    Args:
        run: the run.
        size: the least number of bytes that the frame has; it is filled with spaces.
    """
    content = json.dumps(asdict(run), separators=(",", ":")).encode()
    return _encode_frame(RUN, content.ljust(size - FRAME_HEAD.size))


def layout_frame(series: Iterable[Series]) -> bytes:
    """The frame of the next layout: its series."""
    return _encode_json_frame(LAYOUT, [[s.name, s.split.value, s.index] for s in series])


def is_log_header(data: bytes) -> bool:
    """Whether a file that starts with these bytes is a run log of a version that is known."""
    return data.startswith(_HEADERS)


def points_frame(layout: Any, steps: Any, times: Any, values: Any) -> bytes:
    """The frame of rows of numbers, by column, as in :class:`~legm.records.Points`: contiguous arrays."""
    packed = pack_points(layout, steps, times, values)
    if packed is not None:
        return _encode_frame(PACKED, packed)
    columns = (memoryview(column).cast("B") for column in (layout, steps, times, values))
    return _encode_frame(POINTS, struct.pack("<I", len(layout)), *columns)


def record_frame(record: OtherRecord) -> bytes:
    """The frame of a record other than points."""
    content = asdict(record)
    if isinstance(record, Outcome):
        content["status"] = record.status.value
    elif isinstance(record, Media):
        content["kind"] = record.kind.value
    return _encode_json_frame(RECORD, {"type": _TYPE_NAMES[type(record)], **content})


def encoded_configuration(configuration: Configuration) -> str:
    """A configuration as JSON, for the amendments of many runs."""
    return _ENCODER.encode(configuration_frame_content(configuration))


def amendment_frame(amendment: Amendment, configuration: str | None = None) -> bytes:
    """The frame of an amendment, which changes the run of the log that it is appended to.

    Args:
        amendment: the amendment.
        configuration: what :func:`encoded_configuration` returned of its configuration.
    """
    first = encoded_configuration(amendment.configuration) if configuration is None else configuration
    rest = amendment_frame_content(amendment)
    del rest["configuration"]
    return _encode_frame(AMENDMENT, f'{{"configuration":{first},{_ENCODER.encode(rest)[1:]}'.encode())


def amendment_frame_content(amendment: Amendment) -> dict[str, Plain]:
    """What the frame of an amendment holds."""
    return {
        "configuration": configuration_frame_content(amendment.configuration),
        "parameters": dict(amendment.parameters),
        "time": amendment.time,
        **({"undelivered_to": list(amendment.undelivered_to)} if amendment.undelivered_to else {}),
        **({} if amendment.description is None else {"description": amendment.description}),
    }


def configuration_frame_content(configuration: Configuration) -> dict[str, Plain]:
    """A configuration as what JSON holds of it; the values are not copied."""
    return {field.name: getattr(configuration, field.name) for field in fields(configuration)}


def cursors_frame(cursors: Mapping[str, int]) -> bytes:
    """The frame of the delivered positions, in bytes, by backend."""
    return _encode_json_frame(CURSORS, dict(cursors))


def backends_frame(backends: Mapping[str, Mapping[str, Plain]]) -> bytes:
    """The frame of the backends that the run is delivered to: by name, the options of each."""
    return _encode_json_frame(BACKENDS, {name: dict(options) for name, options in backends.items()})


def lost_frame(kind: int, damaged: bytes) -> bytes:
    """A frame that takes the place of damaged bytes, at least as many as a frame's head has."""
    return _encode_frame(kind, damaged[FRAME_HEAD.size :])


def encode_frames(records: Iterable[Record]) -> Iterator[bytes]:
    """Encode records as frames, to be written after the run's frame.

    Args:
        records: all records of a run, in order.
    """
    known: dict[tuple[Series, ...], int] = {}
    for record in records:
        if not isinstance(record, Points):
            yield record_frame(record)
        elif len(record.layout):
            for series in record.layouts:
                if series not in known:
                    known[series] = len(known)
                    yield layout_frame(series)
            yield from _encode_point_frames(record, known)


def _encode_point_frames(points: Points, known: dict[tuple[Series, ...], int]) -> Iterator[bytes]:
    import numpy as np

    numbers = np.array([known[series] for series in points.layouts], "<u4")[points.layout]
    widths = np.array([len(series) for series in points.layouts], np.int64)[points.layout]
    ends = np.concatenate([[0], np.cumsum(widths)])
    for at in range(0, len(numbers), _ROWS_PER_FRAME):
        rows = slice(at, min(at + _ROWS_PER_FRAME, len(numbers)))
        columns: list[Any] = [
            np.ascontiguousarray(numbers[rows]),
            np.ascontiguousarray(points.steps[rows], "<i8"),
            np.ascontiguousarray(points.times[rows], "<f8"),
            np.ascontiguousarray(points.values[ends[rows.start] : ends[rows.stop]], "<f8"),
        ]
        yield points_frame(*columns)


class FrameDecoder:
    """Decodes frames into records; successive frames of points become one record.

    Args:
        path: the log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._artifacts: ArtifactPaths | None = None
        self._layouts: list[tuple[Series, ...] | None] = []  # None for one that cannot be understood
        self._points: list[tuple[int, int, memoryview]] = []  # start, kind and payload
        self._records: list[Record] = []
        self._lost_layouts = False
        self.has_loss = False
        """Whether damaged bytes were replaced in the log."""
        self.has_skipped = False
        """Whether a frame could not be understood."""

    @property
    def layouts(self) -> tuple[tuple[Series, ...] | None, ...]:
        """The layouts so far; None for one that cannot be understood."""
        return tuple(self._layouts)

    @property
    def layout_count(self) -> int:
        """The number of layouts so far."""
        return len(self._layouts)

    def add_run(self, run_id: str) -> None:
        """Note whose records follow."""
        self._artifacts = ArtifactPaths(self._path, run_id)

    def add_frame(self, start: int, kind: int, payload: memoryview, *, wanted: bool = True) -> None:
        """Decode the next frame; one that cannot be understood is reported and passed over.

        Args:
            start: the byte at which it starts.
            kind: of the frame; an unknown one is of a newer version.
            payload: its content.
            wanted: whether its records are wanted; the layouts of other frames are known all the same.
        """
        if kind in (POINTS, PACKED):
            if wanted:
                self._points.append((start, kind, payload))
        elif kind in (LOST, LOST_ONE):
            self.has_loss = True
            self._lost_layouts = self._lost_layouts or kind == LOST
        elif kind == LAYOUT:
            self._layouts.append(None)
            if self._lost_layouts:  # which number it has is not known
                return
            with self._reporting(start):
                self._layouts[-1] = tuple(_decode_series_frame(*one) for one in json.loads(bytes(payload)))
        elif kind == RECORD and wanted:
            self._end_points()
            with self._reporting(start):
                content = json.loads(bytes(payload))
                if content["type"] in _RECORD_TYPES:  # another one is of a newer version
                    self._add_record(_decode_record_frame(content))
        elif kind == RUN:
            with self._reporting(start):
                self.add_run(json.loads(bytes(payload))["run_id"])

    @contextmanager
    def _reporting(self, start: int) -> Iterator[None]:
        try:
            yield
        except _NOT_UNDERSTOOD as cause:
            self.has_skipped = True
            report_skipped_frame(self._path, start, cause)

    def _add_record(self, record: Record) -> None:
        if isinstance(record, (Artifact, Media)):
            self._add_if_inside(record)
        elif self.has_loss and isinstance(record, Outcome) and record.status is Status.COMPLETED:
            pass  # its values are not all there
        else:
            self._records.append(record)

    def _add_if_inside(self, record: Artifact | Media) -> None:
        """Add a record whose files are in the folder of its configuration."""
        paths = (
            {}
            if self._artifacts is None
            else {one: self._artifacts.current(one) for one in file_paths(record)}
        )
        if paths and None not in paths.values():
            self._records.append(with_file_paths(record, {one: str(path) for one, path in paths.items()}))
        else:
            log.warning("%s names %r, which is not in its folder: ignored", self._path, file_paths(record))

    def _end_points(self) -> None:
        frames, self._points = self._points, []
        try:
            self._add_points(frames)
        except _NOT_UNDERSTOOD:  # one of them
            self._add_points(self._intact(frames))

    def _add_points(self, frames: Sequence[tuple[int, int, memoryview]]) -> None:
        if frames:
            self._records.append(decode_point_frames([frame[1:] for frame in frames], self._layouts))

    def _intact(self, frames: Sequence[tuple[int, int, memoryview]]) -> list[tuple[int, int, memoryview]]:
        """The frames of points that are rows of known layouts; the others are reported."""
        found = []
        for start, kind, payload in frames:
            with self._reporting(start):
                decode_point_frames([(kind, payload)], self._layouts)
                found.append((start, kind, payload))
        return found

    def pop_records(self) -> list[Record]:
        """Remove and return the records decoded so far."""
        self._end_points()
        records, self._records = self._records, []
        return records


def iterate_frames(
    path: Path, data: bytes, damage: list[CorruptFile] | None = None
) -> Iterator[tuple[int, int, memoryview]]:
    """The start, kind and payload of each complete frame in a log's data.

    Args:
        path: the log.
        data: its content.
        damage: takes what is damaged, instead of an error; the damaged bytes are then a lost frame.

    Raises:
        CorruptFile: a frame before complete ones is damaged.
    """
    view = memoryview(data)
    start = len(HEADER)
    while start < len(data):
        payload = parse_frame(view, start)
        if payload is None:
            found = find_damaged_frame_bytes(path, data, start)
            if found is None:
                return  # an incomplete frame at the end
            if damage is None:
                raise found.error
            damage.append(found.error)
            yield start, found.kind, found.payload
            start = found.end
            continue
        yield start, view[start + 12], payload
        start += FRAME_HEAD.size + len(payload)


class DamagedBytes(NamedTuple):
    """Bytes of a log that are no frame, before a complete one.

    Args:
        error: says which they are.
        kind: of the lost frame that stands for them.
        payload: of that frame.
        end: the position after them.
    """

    error: CorruptFile
    kind: int
    payload: memoryview
    end: int


def find_damaged_frame_bytes(path: Path, data: bytes, start: int, before: int = 0) -> DamagedBytes | None:
    """The damaged bytes at a position; None where no complete frame follows, since it may still be written.

    Args:
        path: the log.
        data: its content from a byte on.
        start: the position in the data, where no complete frame starts.
        before: how many bytes of the log are before the data.
    """
    view = memoryview(data)
    end = _find_next_frame(data, view, start + 1)
    if end is None:
        return None
    error = CorruptFile(
        path,
        f"byte {before + start}",
        f"the next {counted(end - start, 'byte is', 'bytes are')} damaged",
        "Restore the file from a copy, or move it out of the folder to continue without this run.",
    )
    kind = _lost_frame_kind(view, start, end, is_first=before + start == len(HEADER))
    return DamagedBytes(error, kind, view[min(start + FRAME_HEAD.size, end) : end], end)


def iterate_frame_heads(file: BinaryIO, start: int) -> Iterator[tuple[int, int, int | None]]:
    """Where the frames of a log start, the lengths of their content (bytes), and their kinds.

    A frame at the end may be incomplete.

    Args:
        file: the log.
        start: the byte at which a frame starts.

    Yields:
        each frame; the last has the kind None where the bytes are damaged, and none starts.
    """
    file.seek(start)
    data, at = file.read(_HEADS_SIZE), 0
    while len(data) - at >= FRAME_HEAD.size:
        magic, length, _, kind = FRAME_HEAD.unpack_from(data, at)
        if magic != MAGIC:
            yield start + at, 0, None
            return
        yield start + at, length, kind
        at += FRAME_HEAD.size + length
        if len(data) - at < FRAME_HEAD.size:
            start += at
            file.seek(start)
            data, at = file.read(_HEADS_SIZE), 0


def _lost_frame_kind(view: memoryview, start: int, end: int, *, is_first: bool) -> int:
    """Whether damaged bytes are one frame, and no layout: the first frame is the run's, layouts are lists."""
    if end - start < FRAME_HEAD.size:
        return LOST
    _, length, _, kind = FRAME_HEAD.unpack_from(view, start)
    payload = view[start + FRAME_HEAD.size : end]
    if len(payload) != length:
        return LOST
    is_other = is_first or (kind != LAYOUT and bytes(payload[:1]) != b"[")
    return LOST_ONE if is_other else LOST


def parse_frame(view: memoryview, start: int) -> memoryview | None:
    """The payload of the frame at a byte; None where no complete, undamaged frame starts."""
    if len(view) - start < FRAME_HEAD.size:
        return None
    magic, length, crc, kind = FRAME_HEAD.unpack_from(view, start)
    payload = view[start + FRAME_HEAD.size : start + FRAME_HEAD.size + length]
    if magic != MAGIC or len(payload) != length:
        return None
    return payload if zlib.crc32(payload, zlib.crc32(struct.pack("<IB", length, kind))) == crc else None


def _find_next_frame(data: bytes, view: memoryview, start: int) -> int | None:
    while (start := data.find(MAGIC, start)) >= 0:
        if parse_frame(view, start) is not None:
            return start
        start += 1
    return None


def report_skipped_frame(path: Path, start: int, cause: BaseException) -> None:
    """Report a frame with a valid checksum that cannot be understood."""
    log.error("%s, byte %d: not written by legm, skipped: %s", path, start, cause)


def decode_point_frames(
    frames: Sequence[tuple[int, memoryview]], layouts: Sequence[tuple[Series, ...] | None]
) -> Points:
    """The rows of several frames as one record.

    Args:
        frames: the kind and the payload of each, in order; points, packed or not.
        layouts: by number; None for one that cannot be understood.

    Raises:
        ValueError, struct.error: a frame is no rows of numbers, or they do not fit their layouts.
    """
    import numpy as np

    shapes = [_shape_of_point_frame(*frame) for frame in frames]
    if len(frames) == 1:
        layout, *others = _decode_point_columns(*frames[0])
    else:
        row_ends, value_ends = (np.cumsum([0, *counts]).tolist() for counts in zip(*shapes, strict=True))
        kinds = ("<u4", "<i8", "<f8", "<f8")
        columns = [np.empty((value_ends if at == 3 else row_ends)[-1], kind) for at, kind in enumerate(kinds)]
        layout, *others = columns

        def decode(at: int) -> None:  # in its place, so that nothing is there twice
            rows, values = (slice(*ends[at : at + 2]) for ends in (row_ends, value_ends))
            parts = _decode_point_columns(*frames[at])
            for column, where, part in zip(columns, (rows, rows, rows, values), parts, strict=True):
                column[where] = part

        is_long = sum(len(payload) for _, payload in frames) >= _WORTH_THREADS
        list((call_in_threads if is_long else map)(decode, range(len(frames))))
    if len(layout) and int(layout.max()) >= len(layouts):
        raise ValueError("rows of an unknown layout")
    _require_whole_frame_rows(layout, [-1 if series is None else len(series) for series in layouts], shapes)
    return Points(tuple(series or () for series in layouts), layout, *others)


def _shape_of_point_frame(kind: int, payload: memoryview) -> tuple[int, int]:
    """The rows and the values that a frame of points says that it has."""
    if kind == PACKED:
        return packed_shape(payload)
    (rows,) = struct.unpack_from("<I", payload)
    values, rest = divmod(len(payload) - 4 - 20 * rows, 8)
    if values < 0 or rest:
        raise ValueError("rows that are cut off")
    return rows, values


def _decode_point_columns(kind: int, payload: memoryview) -> PointColumns:
    """The layouts, steps, times and values in a frame of points."""
    if kind == PACKED:
        return unpack_points(payload)
    import numpy as np

    rows, values = _shape_of_point_frame(kind, payload)
    steps = 4 + 4 * rows
    return (
        np.frombuffer(payload, "<u4", rows, 4),
        np.frombuffer(payload, "<i8", rows, steps),
        np.frombuffer(payload, "<f8", rows, steps + 8 * rows),
        np.frombuffer(payload, "<f8", values, steps + 16 * rows),
    )


def _require_whole_frame_rows(layout: Any, widths: list[int], lengths: list[tuple[int, int]]) -> None:
    """Check that each frame has as many values as its rows need.

    Args:
        layout: of each row of all frames.
        widths: the number of series of each layout; -1 for one that could not be read.
        lengths: of each frame, the numbers of rows and of values.

    Raises:
        ValueError: a frame has more values, or fewer.
    """
    import numpy as np

    if len(set(widths)) == 1 and widths[0] >= 0:  # quicker, and so in most logs
        fits = all(rows * widths[0] == values for rows, values in lengths)
    else:
        of_row = np.array(widths, np.int64)[layout]
        needed = np.concatenate([[0], np.cumsum(of_row)])[np.cumsum([rows for rows, _ in lengths])]
        fits = bool((of_row >= 0).all()) and np.array_equal(needed, np.cumsum([n for _, n in lengths]))
    if not fits:
        raise ValueError("rows that are longer or shorter than their layout")


def _decode_series_frame(name: Any, split: Any, index: Any) -> Series:
    if not isinstance(name, str) or not isinstance(index, (str, type(None))):
        raise TypeError(f"{name!r}, {index!r} is not the name of a metric")
    return Series(name, Split(split), index)


def decode_frame_fields(kind: type[T], content: Mapping[str, Any]) -> T:
    """A record from what was stored of it; fields of a newer version are passed over.

    Raises:
        TypeError: a field is missing, or has another type.
    """
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    for name in known.intersection(content):
        if not isinstance(content[name], _FIELD_TYPES[name]) or (
            isinstance(content[name], bool) and bool not in _FIELD_TYPES[name]
        ):
            raise TypeError(f"{name} cannot be {content[name]!r:.80}")
    return kind(**{name: value for name, value in content.items() if name in known})


def _decode_record_frame(content: Mapping[str, Any]) -> Record:
    kind = _RECORD_TYPES[content["type"]]
    record: Record = decode_frame_fields(kind, content)
    if isinstance(record, Outcome):
        return replace(record, status=Status(record.status))
    if isinstance(record, Display):
        return replace(record, step=int(record.step))  # a part of a file's name in some stores
    if isinstance(record, Media):
        files = tuple(decode_frame_fields(MediaFile, one) for one in record.files)  # type: ignore[arg-type]
        if not files:
            raise TypeError("a medium without a file")
        return replace(record, kind=MediaKind(record.kind), step=int(record.step), files=files)
    if isinstance(record, Rewind):
        if record.step is None or int(record.step) != record.step:
            raise TypeError(f"a run cannot be rewound to the step {record.step!r}")
        return replace(record, step=int(record.step))
    return record
