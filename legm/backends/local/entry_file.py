"""``metrics.yml`` and ``steps.yml``: one line per run, added without changing the other lines.

A line is ``experiment_<n>: {…} # legm <trailer>``: valid YAML, and JSON inside (except for NaN). Its trailer,
a comment, has lengths and checksums. A reader walks through the lines from the end of the file, parses only
the head of each, or only the series it needs, and can verify what it reads.

An entry is first written as the comment ``#xperiment_<n>: …`` and synced to disk; then its first byte is
overwritten with an ``e``. All of it is ASCII. The file is therefore a complete YAML document at any time, and
a writer that is killed leaves a comment, which the next writer removes. A replaced entry is turned into a
comment in the same way, after its replacement is valid. When these comments take more space than the entries,
the file is rewritten without them.

Users may delete entries, or write them in any style of YAML: an entry without a trailer is parsed by PyYAML
and trusted. An entry that does not match its trailer is an error with the file and line.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from legm.backends.local.entry_series import read_entry_series
from legm.errors import CorruptFile, StorageError, storage_error
from legm.util import yaml_text
from legm.util.atomic_files import write_atomically
from legm.util.file_reading import read_file_start
from legm.util.yaml_files import parse_yaml

__all__ = ["Entry", "EntryFile", "EntryIdsFile"]

_TRAILER = re.compile(
    rb" # legm length=(\d{12}) head=(\d{9}) head_crc=([0-9a-f]{8}) crc=([0-9a-f]{8})"
    rb" next=(\d{9}) dead=(\d{12})(?: at=(\d{12}))?\n\Z"
)
_AT_LENGTH = len(" at=") + 12
_TRAILER_LENGTH = len(" # legm length= head= head_crc= crc= next= dead= at=\n") + 12 + 9 + 8 + 8 + 9 + 12 + 12
_ANY_TRAILER = re.compile(rb" # legm length=")
_SWALLOWED = re.compile(rb" # legm length=.*experiment_\d+: \{")
_KEY = re.compile(rb"experiment_(\d+)\s*:")
_ANY_NUMBER = re.compile(rb"""^["']?.xperiment_(\d+)""", re.MULTILINE)  # also of comments and damaged entries
_PENDING = b"#"
_COMMENT = b"#xperiment_"
_INNER_COMMENT = re.compile(rb"(?:#(?!xperiment_).*\n|[ \t]*\n)+(?=[ \t]+[^\s#])")
_CONTENT = re.compile(rb"^[ \t]*[^\s#]", re.MULTILINE)
_UNKNOWN = -1
_REWRITE_THRESHOLD = 1 << 20  # bytes of comments
_WRITE_SIZE = 1 << 18  # bytes of a long entry that are written at once
_READ_SIZE = 1 << 16  # bytes at the end of the file that are read at once
_LAST_PART = ', "environment": '  # begins the last part of a head, which runs of one process have in common
_MOST_PARTS = 64  # that are kept
_RUN_ID = re.compile(r'\{"run_id": "([^"\\]+)", ')


class EntryTrailer(NamedTuple):
    """The trailer of a line; positions in bytes.

    Args:
        length: the length of the line, with the trailer.
        head: the length of the entry's head.
        head_crc: the checksum of the head without its first byte, and of length, crc and next; in files of
            the first version, of the head alone.
        crc: the checksum of everything before the trailer, without the first byte.
        next: the number of the next entry.
        dead: the number of bytes of replaced entries before this one.
        at: where the line was written; if it is elsewhere now, a user changed the file before it. None in
            files of the first version, which did not say it.
    """

    length: int
    head: int
    head_crc: int
    crc: int
    next: int
    dead: int
    at: int | None

    @property
    def own_length(self) -> int:
        """The length of the trailer itself."""
        return _TRAILER_LENGTH - (_AT_LENGTH if self.at is None else 0)

    @staticmethod
    def of(head: bytes, length: int, crc: int, following: int, dead: int, at: int) -> EntryTrailer:
        return EntryTrailer(
            length, len(head), _entry_head_crc(head, length, crc, following), crc, following, dead, at
        )

    def fits(self, head: bytes) -> bool:
        """Whether an entry's head and this trailer were written together."""
        if self.at is None:
            return len(head) == self.head and self.head_crc == zlib.crc32(head[1:])
        return len(head) == self.head and self.head_crc == _entry_head_crc(
            head, self.length, self.crc, self.next
        )

    def encode(self) -> bytes:
        return (
            f" # legm length={self.length:012d} head={self.head:09d} head_crc={self.head_crc:08x} "
            f"crc={self.crc:08x} next={self.next:09d} dead={self.dead:012d}"
            f"{'' if self.at is None else f' at={self.at:012d}'}\n"
        ).encode()

    @staticmethod
    def decode(line: bytes) -> EntryTrailer | None:
        found = _TRAILER.search(line[-_TRAILER_LENGTH:])
        if found is None:
            return None
        length, head, head_crc, crc, following, dead, at = found.groups()
        crcs = int(head_crc, 16), int(crc, 16)
        return EntryTrailer(
            int(length), int(head), *crcs, int(following), int(dead), None if at is None else int(at)
        )


def _entry_head_crc(head: bytes, length: int, crc: int, following: int) -> int:
    return zlib.crc32(b"%d %d %d" % (length, crc, following), zlib.crc32(head[1:]))


@dataclass(slots=True)
class Entry:
    """An entry of the file, with the parts that were requested.

    Args:
        number: the number in ``experiment_<number>``; -1 if a damaged entry does not have it.
        start: the position of its first byte in the file.
        trailer: None if a user wrote the entry.
        head: the content of its head; of an entry that a user wrote, all of it.
    """

    number: int
    start: int
    trailer: EntryTrailer | None
    head: dict[str, Any]


class EntryFile:
    """One of the two files of a configuration.

    The caller of :meth:`put` must hold the configuration's lock; reading needs no lock.

    Args:
        path: the file, which need not exist yet; a text is quicker for whoever reads many.
        parts: parsed parts of heads by their text, for whoever reads many files and changes nothing in the
            heads; parts that are equal are parsed once.
    """

    def __init__(self, path: Path | str, parts: dict[str, Any] | None = None) -> None:
        self._path = path
        self._parts = parts

    @functools.cached_property
    def path(self) -> Path:
        """The file."""
        return Path(self._path)

    # Reading

    def entries(self) -> list[Entry]:
        """Every entry with its head, in the order of the file.

        Raises:
            CorruptFile: an entry is damaged.
            StorageError: the file cannot be read.
        """
        try:
            data = read_file_start(self._path, _READ_SIZE + 1)
            if len(data) <= _READ_SIZE and (found := self._walk_back(None, len(data), data)) is not None:
                return found
            with self.path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                begin = max(0, size - _READ_SIZE)
                found = self._walk_back(file, size, _read_entry_bytes(file, begin, size - begin))
                return self._scan(file) if found is None else found
        except FileNotFoundError:
            return []
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause

    def series(self, entry: Entry, names: frozenset[str] | None) -> dict[str, Any]:
        """The series of an entry, by key, as arrays; only the requested ones are parsed.

        Those of an entry that a user wrote are what YAML makes of them.

        Args:
            entry: from :meth:`entries`.
            names: the requested keys; None for all.

        Raises:
            CorruptFile: the entry is damaged.
            StorageError: the file cannot be read.
        """
        if entry.trailer is None:
            return {key: value for key, value in entry.head.items() if names is None or key in names}
        try:
            with self.path.open("rb", buffering=0) as file:
                if not _is_entry_intact(file, entry.start, entry.trailer):
                    moved = self._moved(entry.start, entry.trailer)
                    if moved is None:
                        raise self._damaged(entry.start)
                    return self.series(moved, names)
                start = entry.start + entry.trailer.head
                end = entry.start + entry.trailer.length - entry.trailer.own_length
                texts = codecs.iterdecode(_entry_pieces(file, start, end), "utf-8")  # some are not ASCII
                return read_entry_series(texts, names)
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause
        except (ValueError, RecursionError) as cause:
            raise self._damaged(entry.start) from cause

    def is_at(self, entry: Entry) -> bool:
        """Whether an entry that legm wrote is still at the same position."""
        if entry.trailer is None:
            return False
        try:
            with self.path.open("rb", buffering=0) as file:
                head = _read_entry_bytes(file, entry.start, entry.trailer.head)
        except OSError:
            return False
        return head[:1] == b"e" and entry.trailer.fits(head)

    def _moved(self, start: int, trailer: EntryTrailer) -> Entry | None:
        """The entry that was at a position, after another process rewrote the file; None if it is gone."""
        for entry in self.entries():
            now = entry.trailer
            if entry.start != start and now is not None and now.head_crc == trailer.head_crc:
                return entry
        return None

    def _walk_back(self, file: BinaryIO | None, size: int, tail: bytes) -> list[Entry] | None:
        """The entries, read by their trailers; None if a line has none.

        Args:
            file: the file; None where the tail is all of it, as of most files.
            size: of the file, in bytes.
            tail: its end.
        """
        found: list[Entry] = []
        begin = size - len(tail)

        def read(start: int, length: int) -> bytes:
            if start < begin and file is not None:
                return _read_entry_bytes(file, start, length)
            return tail[start - begin : start - begin + length]

        end = size
        while end > 0:
            trailer = EntryTrailer.decode(read(max(0, end - _TRAILER_LENGTH), _TRAILER_LENGTH))
            if trailer is None or not trailer.own_length < trailer.length <= end:
                return None
            end -= trailer.length
            head = read(end, trailer.head)
            if not trailer.fits(head):
                return None
            if not head.startswith(_PENDING):
                entry = self._entry(end, head, trailer)
                if entry is None:
                    return None
                found.append(entry)
        found.reverse()
        return list({entry.number: entry for entry in found}.values())

    def _entry(self, start: int, head: bytes, trailer: EntryTrailer) -> Entry | None:
        key = _KEY.match(head)
        if key is None:
            return None
        return Entry(int(key[1]), start, trailer, self._parse(start, head[head.index(b"{") :].decode() + "}"))

    def _parse(self, start: int, body: str) -> dict[str, Any]:
        try:
            parsed = self._parse_with_known_part(body) or yaml_text.parse_yaml_flow(body)
        except (ValueError, RecursionError) as cause:
            raise self._damaged(start) from cause
        if not isinstance(parsed, dict):
            raise self._damaged(start)
        return parsed

    def _parse_with_known_part(self, body: str) -> dict[str, Any] | None:
        """A head whose last part is taken from those that are known; None where it has no such part."""
        begin, end = body.find(_LAST_PART) + len(_LAST_PART), len(body) - len("}}")
        if self._parts is None or begin < len(_LAST_PART):
            return None
        text = body[begin:end]
        try:
            # Where both can be parsed, the text is one whole value; then it is to be the last one of "legm".
            parsed: dict[str, Any] = yaml_text.parse_yaml_flow(f"{body[:begin]}null}}}}")
            if (next(reversed(parsed), 0), next(reversed(parsed["legm"]), 0)) != ("legm", "environment"):
                return None
            if text not in self._parts:
                if len(self._parts) >= _MOST_PARTS:
                    self._parts.clear()
                self._parts[text] = yaml_text.parse_yaml_flow(text)
            parsed["legm"]["environment"] = self._parts[text]
        except (ValueError, RecursionError, KeyError, TypeError):  # it is a part of something else
            return None
        return parsed

    def _scan(self, file: BinaryIO) -> list[Entry]:
        """The entries of a file that a user has edited, piece by piece."""
        file.seek(0)
        data = file.read()  # to its end as it is now: an entry that just began to count is there as a whole
        entries = (
            self._piece(data, start, piece) for start, piece in _split_entries(data) if _is_entry(piece)
        )
        return list({entry.number: entry for entry in entries}.values())

    def _piece(self, data: bytes, start: int, piece: bytes) -> Entry:
        trailer = _entry_trailer(piece)
        entry = None if trailer is None else self._entry(start, piece[: trailer.head], trailer)
        if entry is None and _ANY_TRAILER.search(piece):
            raise self._damaged(start)
        return entry or self._hand_written(data, start, piece)

    def damaged(self) -> list[tuple[Entry, bytes]]:
        """The damaged entries, each with its text."""
        return self.check()[1]

    def check(self) -> tuple[list[Entry], list[tuple[Entry, bytes]]]:
        """Check every entry with its series; returns the intact ones, and the damaged ones with their text.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return [], []
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause
        sound, damaged = [], []
        for start, piece in _split_entries(data):
            if not _is_entry(piece):
                continue
            try:
                entry = self._piece(data, start, piece)
                self.series(entry, frozenset())
                sound.append(entry)
            except CorruptFile:
                key = _KEY.match(piece)
                damaged.append((Entry(int(key[1]) if key else _UNKNOWN, start, None, {}), piece))
        return sound, damaged

    @staticmethod
    def was(text: bytes, number: int, head: dict[str, Any], series: Iterable[str]) -> bool:
        """Whether this content matches the checksum of a damaged entry, which includes its number."""
        trailer = EntryTrailer.decode(text)
        if trailer is None:
            return False
        head_text = _entry_head(number, head)
        crc = zlib.crc32(head_text[1:])
        for piece in _entry_rest(series):
            crc = zlib.crc32(piece, crc)
        return crc == trailer.crc

    def _hand_written(self, data: bytes, start: int, piece: bytes) -> Entry:
        line = _entry_line_number(data, start)
        parsed = parse_yaml(self.path, piece, line)
        if isinstance(parsed, dict) and len(parsed) == 1:
            ((key, content),) = parsed.items()
            number = _KEY.match(f"{key}:".encode(errors="replace"))
            if number and isinstance(content, dict):
                head = {str(name): value for name, value in content.items()}
                head["run_id"] = str(head.get("run_id", key))
                return Entry(int(number[1]), start, None, head)
        raise CorruptFile(
            self.path,
            f"line {line}",
            "it is not an entry 'experiment_<number>: {…}'",
            "Delete it, or repair it.",
        )

    def _damaged(self, start: int) -> CorruptFile:
        data = self.path.read_bytes()
        name = data[start : start + 30].split(b":")[0].decode(errors="replace")
        return CorruptFile(
            self.path,
            f"line {_entry_line_number(data, start)} ({name})",
            "it is not what legm wrote",
            "If the disk damaged it, 'legm recover' takes the run from its log again. If you edited it "
            "on purpose, delete the comment from ' # legm' to the end of the line to use the entry as it is.",
        )

    # Writing

    def put(self, head: dict[str, Any], series: Iterable[str], replaced: Entry | None = None) -> Entry:
        """Add an entry, or replace one.

        Args:
            head: the entry's head, in plain form and not empty.
            series: the rest of the entry as YAML flow text, ``"loss": [0.5, 0.25]``, in pieces that are
                written as they come. Mappings in it must have no space after their commas.
            replaced: the entry to replace, as returned by this object.

        Returns:
            the new entry.

        Raises:
            StorageError: it cannot be written; the file is unchanged.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            fd = os.open(self.path, flags, 0o666)
        except OSError as cause:
            raise storage_error("write", self.path, cause) from cause
        with os.fdopen(fd, "r+b", buffering=0) as file:
            try:
                return self._put(file, head, series, replaced)
            except OSError as cause:
                raise storage_error("write", self.path, cause) from cause

    def _put(
        self, file: BinaryIO, head: dict[str, Any], series: Iterable[str], replaced: Entry | None
    ) -> Entry:
        start, following, dead = self._clean_end(file)
        number = following if replaced is None or replaced.number == _UNKNOWN else replaced.number
        if replaced is not None and replaced.trailer is not None:
            dead += replaced.trailer.length
        head_text = _entry_head(number, head)
        unwritten = bytearray(_PENDING + head_text[1:])
        end, crc = start, zlib.crc32(head_text[1:])
        try:
            for piece in _entry_rest(series):
                crc = zlib.crc32(piece, crc)
                unwritten += piece
                if len(unwritten) >= _WRITE_SIZE:
                    write_entry_at(file, end, unwritten)
                    end += len(unwritten)
                    unwritten = bytearray()
            length = end - start + len(unwritten) + _TRAILER_LENGTH
            trailer = EntryTrailer.of(head_text, length, crc, max(following, number + 1), dead, start)
            write_entry_at(file, end, unwritten + trailer.encode())
            os.fsync(file.fileno())
            write_entry_at(file, start, head_text[:1])
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(start)
            raise
        entry = Entry(number, start, trailer, head)
        if replaced is None:
            return entry
        if replaced.trailer is None:  # written by a user, possibly on several lines
            return self._rewritten(entry, without=replaced.start)
        if self.is_at(replaced):
            write_entry_at(file, replaced.start, _PENDING)
        if dead > max(_REWRITE_THRESHOLD, start + trailer.length - dead):
            with contextlib.suppress(StorageError):  # the disk is full: try another time
                return self._rewritten(entry)
        return entry

    def text(self, entry: Entry) -> str:
        """The series of an entry that legm wrote, as :meth:`put` takes them.

        Raises:
            CorruptFile: the entry is damaged.
            StorageError: the file cannot be read.
        """
        assert entry.trailer is not None  # noqa: S101
        try:
            with self.path.open("rb", buffering=0) as file:
                body = _read_entry_bytes(file, entry.start, entry.trailer.length - entry.trailer.own_length)
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause
        if not entry.trailer.fits(body[: entry.trailer.head]) or zlib.crc32(body[1:]) != entry.trailer.crc:
            raise self._damaged(entry.start)
        return body[entry.trailer.head : -1].decode().removeprefix(", ")

    def change_heads(self, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        """Rewrite the file with other heads of the entries that legm wrote; their series stay as they are.

        Args:
            changed: returns the new head of an entry for its head.

        Returns:
            whether there may be entries that a user wrote, which stay as they are.

        Raises:
            CorruptFile: an entry is damaged.
            StorageError: it cannot be read or written; the file is unchanged.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause
        kept, has_others = bytearray(), False
        for start, piece in _split_entries(data):
            trailer = None if piece.startswith(_COMMENT) else _entry_trailer(piece)
            if trailer is None:
                kept += b"" if piece.startswith(_COMMENT) else piece
                has_others = has_others or _is_entry(piece)
                continue
            entry = self._entry(start, piece[: trailer.head], trailer)
            body, rest = piece[: trailer.length - trailer.own_length], piece.partition(b"\n")[2]
            if entry is None or zlib.crc32(body[1:]) != trailer.crc:
                raise self._damaged(start)
            head = _entry_head(entry.number, changed(entry.head))
            body = head + body[trailer.head :]
            length, crc = len(body) + _TRAILER_LENGTH, zlib.crc32(body[1:])
            kept += body + EntryTrailer.of(head, length, crc, trailer.next, 0, len(kept)).encode() + rest
        write_atomically(self.path, bytes(kept), sync=False)
        return has_others

    def remove(self, entry: Entry) -> None:
        """Delete an entry.

        Args:
            entry: the entry, as returned by this object.

        Raises:
            StorageError: it cannot be written; the file is unchanged.
        """
        if entry.trailer is None:
            write_atomically(self.path, self._without(entry.start)[0])
            return
        try:
            with self.path.open("r+b", buffering=0) as file:
                write_entry_at(file, entry.start, _PENDING)
                os.fsync(file.fileno())
        except OSError as cause:
            raise storage_error("write", self.path, cause) from cause

    def number_of_old_entries(self) -> int:
        """How many entries are of the first version.

        Raises:
            CorruptFile: an entry is damaged.
            StorageError: the file cannot be read.
        """
        return sum(one.trailer is not None and one.trailer.at is None for one in self.entries())

    def upgrade(self) -> int:
        """Give entries of the first version the trailers of the current one; what they say stays as it is.

        The caller must hold the configuration's lock.

        Returns:
            how many there were.

        Raises:
            CorruptFile: an entry is damaged; the file is unchanged.
            StorageError: it cannot be read or written; the file is unchanged.
        """
        old = self.number_of_old_entries()
        if old:
            _, damaged = self.check()
            if damaged:
                raise self._damaged(damaged[0][0].start)
            write_atomically(self.path, self._without(None, upgraded=True)[0])
        return old

    def _clean_end(self, file: BinaryIO) -> tuple[int, int, int]:
        """Remove what a killed writer left; returns where to write, the next number, bytes of comments."""
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return 0, 0, 0
        trailer = EntryTrailer.decode(
            _read_entry_bytes(file, max(0, size - _TRAILER_LENGTH), _TRAILER_LENGTH)
        )
        if trailer is not None and trailer.own_length < trailer.length <= size:
            start = size - trailer.length
            head = _read_entry_bytes(file, start, trailer.head)
            if trailer.fits(head) and head.startswith(_COMMENT):
                file.truncate(start)
                return self._clean_end(file)
            if trailer.fits(head) and trailer.at == start:
                return size, trailer.next, trailer.dead
        data = _read_entry_bytes(file, 0, size)
        last = data.rfind(b"\n", 0, size - 1) + 1
        if _is_incomplete_entry(data[last:]):
            file.truncate(last)
            return self._clean_end(file)
        if not data.endswith(b"\n"):
            write_entry_at(file, size, b"\n")
            size += 1
        return size, max(map(int, _ANY_NUMBER.findall(data)), default=-1) + 1, 0

    def _rewritten(self, entry: Entry, without: int | None = None) -> Entry:
        """Rewrite the file without legm's comments and one piece; returns the entry just added."""
        data, last = self._without(without)
        write_atomically(self.path, data)
        assert entry.trailer is not None  # noqa: S101
        return replace(entry, start=last, trailer=entry.trailer._replace(dead=0, at=last))

    def _without(self, without: int | None, *, upgraded: bool = False) -> tuple[bytes, int]:
        """The file without legm's comments and the piece at a position, and the start of the last piece.

        Args:
            without: the position; None for none.
            upgraded: whether entries of the first version become such of the current one.
        """
        data = self.path.read_bytes()
        kept, last = bytearray(), 0
        for start, piece in _split_entries(data):
            if piece.startswith(_COMMENT) or start == without:
                continue
            last = len(kept)
            trailer = _entry_trailer(piece)
            if trailer is None:
                kept += piece
            else:
                body, rest = piece[: trailer.length - trailer.own_length], piece.partition(b"\n")[2]
                if trailer.at is not None or upgraded:
                    body, trailer = _current_entry(body, trailer, last)
                kept += body + trailer._replace(dead=0).encode() + rest
        return bytes(kept), last


class EntryIdsFile(EntryFile):
    """One of the files, of whose entries that legm wrote only the runs' ids are parsed."""

    def _parse(self, start: int, body: str) -> dict[str, Any]:
        found = _RUN_ID.match(body)
        return {"run_id": found[1]} if found else super()._parse(start, body)


def _entry_head(number: int, head: dict[str, Any]) -> bytes:
    """The text of an entry's head."""
    return f"experiment_{number}: {yaml_text.ascii_yaml(yaml_text.yaml_flow(head))[:-1]}".encode()


def _current_entry(body: bytes, trailer: EntryTrailer, at: int) -> tuple[bytes, EntryTrailer]:
    """An entry without its trailer at a new position, and its trailer; both of the current version."""
    if trailer.at is not None:
        return body, trailer._replace(at=at)
    parts = (body[: trailer.head], body[trailer.head :])
    head, rest = (yaml_text.ascii_yaml(part.decode()).encode() for part in parts)
    crc = zlib.crc32((head + rest)[1:])
    length = len(head) + len(rest) + _TRAILER_LENGTH
    return head + rest, EntryTrailer.of(head, length, crc, trailer.next, 0, at)


def _entry_rest(series: Iterable[str]) -> Iterator[bytes]:
    """The text of an entry between its head and its trailer, in pieces."""
    before = ", "
    for piece in series:
        yield (before + yaml_text.ascii_yaml(piece)).encode()
        before = ""
    yield b"}"


def _split_entries(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The top-level pieces of a YAML text: each unindented line with the indented lines after it."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        while end < len(data):
            inner = _INNER_COMMENT.match(data, end) if data[start : start + 1] != _PENDING else None
            if inner is not None:
                end = inner.end()
            elif data[end : end + 1] not in (b" ", b"\t", b"\n", b"-", b"}", b"]"):
                break
            end = data.find(b"\n", end) + 1 or len(data)
        yield start, data[start:end]
        start = end


def _entry_trailer(piece: bytes) -> EntryTrailer | None:
    """The trailer of a piece, if its head is intact.

    What an editor does to the end of a line does not matter, nor do remarks after it.
    """
    first, _, rest = piece.partition(b"\n")
    line = first.rstrip() + b"\n"
    trailer = EntryTrailer.decode(line)
    if trailer is None or trailer.length != len(line) or not trailer.fits(line[: trailer.head]):
        return None
    return None if _CONTENT.search(rest) else trailer


def _is_incomplete_entry(line: bytes) -> bool:
    """Whether the last line is incomplete, left by a killed writer or still being written."""
    return _COMMENT.startswith(line) or (line.startswith(_COMMENT) and not _has_swallowed_entry(line))


def _has_swallowed_entry(comment: bytes) -> bool:
    """Whether damage has merged an entry into the comment before it."""
    return _SWALLOWED.search(comment) is not None


def _is_entry(piece: bytes) -> bool:
    if piece.startswith(_COMMENT):
        return _has_swallowed_entry(piece)
    return bool(piece.strip()) and not piece.startswith((_PENDING, b"---", b"..."))


def _entry_line_number(data: bytes, start: int) -> int:
    return data.count(b"\n", 0, start) + 1


def _read_entry_bytes(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    data = file.read(length)
    while len(data) < length:
        more = file.read(length - len(data))
        if not more:
            break
        data += more
    return data


def _entry_pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """The bytes of a file between two positions, in pieces."""
    while start < end:
        piece = _read_entry_bytes(file, start, min(_READ_SIZE, end - start))
        if not piece:
            return
        yield piece
        start += len(piece)


def _is_entry_intact(file: BinaryIO, start: int, trailer: EntryTrailer) -> bool:
    """Whether an entry is the one that was written with a trailer."""
    if not trailer.fits(_read_entry_bytes(file, start, trailer.head)):
        return False
    crc = 0
    for piece in _entry_pieces(file, start + 1, start + trailer.length - trailer.own_length):
        crc = zlib.crc32(piece, crc)
    return crc == trailer.crc


def write_entry_at(file: BinaryIO, start: int, data: bytes | bytearray) -> None:
    file.seek(start)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
