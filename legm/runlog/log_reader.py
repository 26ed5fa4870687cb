"""Reads run logs: a whole log, its head, or what is appended to it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from legm.errors import CorruptFile, NewerFile, storage_error
from legm.records import Amendment, Configuration, Plain, Record, Run, Series
from legm.runlog.log_frames import (
    AMENDMENT,
    BACKENDS,
    CURSORS,
    FRAME_HEAD,
    HEADER,
    MAGIC,
    PACKED,
    RUN,
    VERSION,
    FrameDecoder,
    decode_frame_fields,
    find_damaged_frame_bytes,
    is_log_header,
    iterate_frame_heads,
    iterate_frames,
    parse_frame,
    report_skipped_frame,
)
from legm.runlog.packed_points import unpacked_size

__all__ = [
    "Log",
    "LogConfigurationReader",
    "LogParser",
    "LogTail",
    "decode_log_configuration",
    "parse_log",
    "read_intact_log",
    "read_log",
    "read_log_backends",
    "read_log_head",
]

T = TypeVar("T")

_ANY_VERSION = re.compile(rb"legm run log (\d+)\n")


@dataclass(slots=True)
class Log:
    """The content of a log.

    Args:
        path: the file.
        run: the run, as the last amendment has it.
        records: its records, in order, from the requested range of bytes.
        cursors: by backend, the byte up to which records were delivered.
        backends: by name, the options of each backend that the run is delivered to.
        earlier: by backend, the run as the backend may have it from before it was amended, oldest first.
        earlier_backends: names and options of those it was delivered to before it was resumed elsewhere.
        content_end: the byte after the last complete frame that belongs to the run itself.
        end: the byte after the last complete frame.
        incomplete_bytes: the number of bytes of an incomplete frame after it.
        layouts: the number of layouts in all of it.
        has_loss: whether damaged bytes were replaced in it, so that some of its records are missing.
    """

    path: Path
    run: Run
    records: Sequence[Record] = ()
    cursors: dict[str, int] = field(default_factory=dict)
    backends: dict[str, dict[str, Plain]] = field(default_factory=dict)
    earlier: dict[str, tuple[Run, ...]] = field(default_factory=dict)
    earlier_backends: list[tuple[str, dict[str, Plain]]] = field(default_factory=list)
    content_end: int = 0
    end: int = 0
    incomplete_bytes: int = 0
    layouts: int = 0
    has_loss: bool = False

    def set_backends(self, backends: Mapping[str, dict[str, Plain]]) -> None:
        """Set to which stores the run is delivered from now on, by the names of their backends."""
        known = [*self.earlier_backends, *self.backends.items()]
        self.backends.update(backends)
        current = list(self.backends.items())
        self.earlier_backends[:] = [one for at, one in enumerate(known) if one not in current + known[:at]]

    def is_delivered_to(self, backend: str) -> bool:
        """Whether a backend has all of the run, including its end.

        While a run is written, cursors are written before the next records; only the cursor of a completely
        delivered run comes after them.
        """
        return self.cursors.get(backend, 0) >= self.content_end


def read_log(path: Path, since: int = 0, until: int | None = None) -> Log:
    """Read a log; it may be written at the same time.

    Args:
        path: the file.
        since: leave out the records of frames that start before this byte.
        until: leave out the records of frames that start at or after this byte.

    Raises:
        CorruptFile: it is damaged, beyond an incomplete frame at the end.
        StorageError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    return parse_log(path, data, since, until)


def read_intact_log(
    path: Path, configuration: Configuration | None = None
) -> tuple[Log, list[CorruptFile]] | None:
    """Read what is intact of a damaged log.

    Args:
        path: the file.
        configuration: whose run it is, where the run's own frame is damaged.

    Returns:
        the log and what is damaged; None where nobody knows whose run it is.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
        changed = path.stat().st_mtime
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    damage: list[CorruptFile] = []
    try:
        return parse_log(path, data, 0, None, damage), damage
    except CorruptFile as error:  # of the run itself
        if configuration is None:
            return None
        damage = damage or [error]
    run = Run(path.stem, configuration, "", changed)
    return parse_log(path, data, 0, None, [], run), damage


def parse_log(
    path: Path,
    data: bytes,
    since: int = 0,
    until: int | None = None,
    damage: list[CorruptFile] | None = None,
    run: Run | None = None,
) -> Log:
    """The content of a log.

    Args:
        path: the file.
        data: its bytes.
        since: leave out the records of frames that start before this byte.
        until: leave out the records of frames that start at or after this byte.
        damage: takes what is damaged, instead of an error.
        run: whose records they are, where the log does not say it.

    Raises:
        CorruptFile: it is damaged, and ``damage`` does not take it.
    """
    try:
        _require_log_header(path, data)
    except CorruptFile as error:
        if damage is None:
            raise
        damage.append(error)
    parser = LogParser(path, since, until, run)
    for start, kind, payload in iterate_frames(path, data, damage):
        parser.add_frame(start, kind, payload)
    log = parser.log(len(data))
    log.records = parser.pop_records()
    return log


class LogParser:
    """Makes the content of a log of its frames.

    Args:
        path: the log.
        since: leave out the records of frames that start before this byte.
        until: leave out the records of frames that start at or after this byte.
        run: whose records they are, where the log does not say it.
    """

    def __init__(self, path: Path, since: int = 0, until: int | None = None, run: Run | None = None) -> None:
        self._path = path
        self._since = since
        self._until = until
        self._run = run
        self._log = None if run is None else Log(path, run)
        self._decoder = FrameDecoder(path)
        if run is not None:
            self._decoder.add_run(run.run_id)
        self.end = self._content_end = len(HEADER)

    def add_frame(self, start: int, kind: int, payload: memoryview) -> None:
        """Decode the next frame.

        Args:
            start: the byte at which it starts.
            kind: of the frame.
            payload: its content.

        Raises:
            CorruptFile: it is the frame of a run, and none that legm began.
        """
        self.end = start + FRAME_HEAD.size + len(payload)
        if kind == RUN and self._run is None:
            self._log = Log(self._path, _decode_log_run(self._path, start, payload))
            self._decoder.add_run(self._log.run.run_id)
        elif kind == CURSORS and self._log is not None:
            cursors = _decode_log_by_backend(self._path, start, payload, int)
            self._log.cursors.update(cursors)
            for name in [name for name, position in cursors.items() if position > 0]:
                self._log.earlier.pop(name, None)
        elif kind == BACKENDS and self._log is not None:
            self._log.set_backends(_decode_log_by_backend(self._path, start, payload, dict))
        elif kind == AMENDMENT and self._log is not None:
            _amend_read_log(self._log, _decode_log_amendment(self._path, start, payload))
        elif kind != RUN:
            wanted = start >= self._since and (self._until is None or start < self._until)
            self._decoder.add_frame(start, kind, payload, wanted=wanted)
            self._content_end = self.end

    @property
    def layouts(self) -> tuple[tuple[Series, ...] | None, ...]:
        """The layouts so far; None for one that cannot be understood."""
        return self._decoder.layouts

    @property
    def is_odd(self) -> bool:
        """Whether a frame could not be understood, or takes the place of damaged bytes."""
        return self._decoder.has_loss or self._decoder.has_skipped

    def pop_records(self) -> list[Record]:
        """Remove and return the records decoded so far."""
        return self._decoder.pop_records()

    def log(self, size: int) -> Log:
        """The log without the records.

        Args:
            size: of the file.

        Raises:
            CorruptFile: it does not say whose run it is.
        """
        if self._log is None:
            raise _empty_log_error(self._path, self.end)
        found = replace(self._log, content_end=self._content_end, end=self.end)
        found.incomplete_bytes = size - self.end
        found.layouts, found.has_loss = self._decoder.layout_count, self._decoder.has_loss
        return found


def _require_log_header(path: Path, data: bytes) -> None:
    if not is_log_header(data):
        if HEADER.startswith(data):
            raise _empty_log_error(path, 0)
        newer = _ANY_VERSION.match(data)
        if newer:
            raise NewerFile(path, "byte 0", newer[1].decode(), VERSION)
        raise CorruptFile(path, "byte 0", "it is not a run log", "Move it out of the folder.")


def _decode_log_run(path: Path, start: int, payload: memoryview) -> Run:
    from legm.core.credentials import redact_run  # listing folders needs none of it

    try:
        content = json.loads(bytes(payload))
        configuration = decode_log_configuration(content["configuration"])
        run = decode_frame_fields(Run, {**content, "configuration": configuration})
        if not run.run_id or not run.configuration.fingerprint:
            raise ValueError("it has no id or no fingerprint")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise CorruptFile(
            path, f"byte {start}", f"it is not a run that legm began: {cause}", "Delete it, or restore it."
        ) from cause
    return redact_run(run)


def decode_log_configuration(content: Mapping[str, Any]) -> Configuration:
    """A configuration from what was stored of it as JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is not one.
    """
    found = decode_frame_fields(Configuration, content)
    if not all(name in found.parameters for name in found.active):
        raise ValueError("an active parameter has no value")
    if not all(isinstance(about, dict) for about in found.metadata.values()):
        raise TypeError("its metadata are not mappings")
    return replace(found, active=tuple(found.active))


def _decode_log_amendment(path: Path, start: int, payload: memoryview) -> Amendment | None:
    """An amendment; None where the frame cannot be understood, which is reported."""
    try:
        content = json.loads(bytes(payload))
        configuration = decode_log_configuration(content["configuration"])
        found = decode_frame_fields(Amendment, {**content, "configuration": configuration})
        if not configuration.fingerprint:
            raise ValueError("the configuration has no fingerprint")
        if not all(isinstance(name, str) for name in found.undelivered_to):
            raise TypeError("the name of a backend is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        report_skipped_frame(path, start, cause)
        return None
    return found


def _amend_read_log(log: Log, amendment: Amendment | None) -> None:
    """Change the run of a log; the backends that have not changed it yet have nothing of what it is now."""
    if amendment is None:
        return
    from legm.core.credentials import redact_run

    for name in amendment.undelivered_to:
        log.earlier[name] = (*log.earlier.get(name, ()), log.run)
        log.cursors[name] = 0
    description = log.run.description if amendment.description is None else amendment.description
    log.run = redact_run(
        replace(
            log.run,
            configuration=amendment.configuration,
            parameters=amendment.parameters,
            description=description,
        )
    )


def _decode_log_by_backend(path: Path, start: int, payload: memoryview, kind: type[T]) -> dict[str, T]:
    """What a frame has by backend; nothing where it is not what legm writes."""
    try:
        content = json.loads(bytes(payload))
        if not isinstance(content, dict) or not all(isinstance(one, kind) for one in content.values()):
            raise TypeError("it is not by backend")
    except (ValueError, TypeError, RecursionError) as cause:
        report_skipped_frame(path, start, cause)
        return {}
    return content


def read_log_head(path: Path) -> Log:
    """Read a log's run, as it was amended, and its backends, without its records.

    Args:
        path: the file.

    Raises:
        CorruptFile: it is damaged.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(len(HEADER))
            for kind in (RUN, BACKENDS):
                head = file.read(FRAME_HEAD.size)
                if len(head) < FRAME_HEAD.size or head[-1] != kind:
                    break
                data += head + file.read(FRAME_HEAD.unpack(head)[1])
            file.seek(len(data))
            data += b"".join(_read_frames_of_kind(file, BACKENDS, AMENDMENT))
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    return parse_log(path, data, 0, None)


class LogConfigurationReader:
    """Reads the configurations of many runs, and nothing else of their logs; equal ones are decoded once."""

    def __init__(self) -> None:
        self._text = ""
        self._last: Configuration | None = None

    def read(self, path: Path, *, only_inactive: bool) -> Configuration | None:
        """The configuration of a log's run, as it was amended.

        Args:
            path: the file.
            only_inactive: whether to read none in which each value counts: no parent and no absent value is
                in it.

        Returns:
            the configuration; None for one that is not read, or not understood.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - quicker than Path's
                file.seek(len(HEADER))
                frames = list(_read_frames_of_kind(file, RUN, AMENDMENT))
        except OSError as cause:
            raise storage_error("read the run log", path, cause) from cause
        if only_inactive and not any(b'"parents"' in one or b'"absent_value"' in one for one in frames):
            return None
        for frame in reversed(frames):  # one that is damaged or cannot be understood changes nothing
            payload = parse_frame(memoryview(frame), 0)
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return self._decoded(json.loads(bytes(payload or b""))["configuration"])
        return None

    def _decoded(self, content: Any) -> Configuration:
        """The configuration; that of the log before where both have the same."""
        text = json.dumps(content)  # 1 and true are equal, and not the same
        if self._last is None or text != self._text:
            from legm.core.credentials import redact_configuration

            self._last, self._text = redact_configuration(decode_log_configuration(content)), text
        return self._last


def read_log_backends(path: Path) -> dict[str, dict[str, Plain]]:
    """The backends that a run is or was delivered to, with their options, without reading its records.

    Args:
        path: the file.

    Raises:
        StorageError: it cannot be read.
    """
    found: dict[str, dict[str, Plain]] = {}
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - quicker than Path's
            file.seek(len(HEADER))
            for frame in _read_frames_of_kind(file, BACKENDS):
                payload = memoryview(frame)[FRAME_HEAD.size :]
                found |= _decode_log_by_backend(path, 0, payload, dict)
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    return found


def _read_frames_of_kind(file: BinaryIO, *wanted: int) -> Iterator[bytes]:
    """The frames of some kinds from here to the end of a log; the others are passed over by their lengths."""
    for start, length, kind in iterate_frame_heads(file, file.tell()):
        if kind is None:  # damage, after which only the checksums say where a frame begins
            file.seek(start + FRAME_HEAD.size)
            yield from _read_frames_after_damage(file.read(), wanted)
        elif kind in wanted:
            file.seek(start)
            yield file.read(FRAME_HEAD.size + length)


def _read_frames_after_damage(data: bytes, wanted: Collection[int]) -> Iterator[bytes]:
    start, view = -1, memoryview(data)
    while (start := data.find(MAGIC, start + 1)) >= 0:
        payload = parse_frame(view, start)
        if payload is not None and view[start + FRAME_HEAD.size - 1] in wanted:
            yield data[start : start + FRAME_HEAD.size + len(payload)]


class LogTail:
    """Reads a log incrementally, also while it is written or moved.

    Args:
        path: the file.
        since: leave out the records of frames that start before this byte.

    Raises:
        StorageError: the file cannot be opened.
    """

    def __init__(self, path: Path, since: int = 0) -> None:
        self._path = path
        try:
            self._file = io.FileIO(path, "rb")
        except OSError as cause:
            raise storage_error("read the run log", path, cause) from cause
        self._decoder = FrameDecoder(path)
        self._since = since
        self.position = len(HEADER)
        """The byte after the last frame that was read."""
        while self.position < since and self._next_frames(1 << 20):
            pass

    def read(self, most: int) -> list[Record]:
        """Read the records of the next complete frames.

        There may be none although frames were read; :attr:`position` has moved then.

        Args:
            most: about how many bytes to read; at least one frame is read if it is complete.

        Raises:
            StorageError: the file cannot be read.
        """
        self._next_frames(most)
        return self._decoder.pop_records()

    def _next_frames(self, most: int) -> bool:
        try:
            self._file.seek(self.position)
            data = self._file.read(max(most, FRAME_HEAD.size))
            if len(data) >= FRAME_HEAD.size:
                length = FRAME_HEAD.size + FRAME_HEAD.unpack_from(data)[1]
                if len(data) < length <= os.fstat(self._file.fileno()).st_size - self.position:
                    data += self._file.read(length - len(data))
        except OSError as cause:
            raise storage_error("read the run log", self._path, cause) from cause
        view, at, unpacked = memoryview(data), 0, 0
        while unpacked < max(most, 1) and (payload := parse_frame(view, at)) is not None:
            start, kind = self.position + at, view[at + 12]
            self._decoder.add_frame(start, kind, payload, wanted=start >= self._since)
            at += FRAME_HEAD.size + len(payload)
            unpacked += unpacked_size(payload) if kind == PACKED else len(payload)
        self.position += at
        return at > 0

    def skip_damage(self) -> CorruptFile | None:
        """Pass over damaged bytes, where nothing could be read although a complete frame follows them.

        Returns:
            which they are; None where there are none.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            self._file.seek(self.position)
            data = self._file.readall()
        except OSError as cause:
            raise storage_error("read the run log", self._path, cause) from cause
        if not data or parse_frame(memoryview(data), 0) is not None:
            return None
        found = find_damaged_frame_bytes(self._path, data, 0, self.position)
        if found is None:
            return None
        self._decoder.add_frame(self.position, found.kind, found.payload)
        self.position += found.end
        return found.error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _empty_log_error(path: Path, end: int) -> CorruptFile:
    problem = "it ends before the run's first record"
    return CorruptFile(path, f"byte {end}", problem, "Delete it: it is empty.")
