"""What a command is about to change in a root directory, written down before anything is touched.

A journal is ``<root>/.legm/journal/<id>.jsonl``: a line of JSON that says which command it is, and one for
each step. It has its name once all of it is on the disk. Every step may be repeated, so that whoever finds a
journal does all of them again. At the end it is moved to the trash, where it says what was there before.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from legm.changes.steps import ADOPT, FOLDER, Step, decode_step, require_step_path_below
from legm.core.naming import make_run_id
from legm.errors import CorruptFile, NewerFile, storage_error
from legm.records import Plain, is_record_file_name
from legm.runlog.configuration_folders import refuse_folder_links
from legm.runlog.file_names import CHANGES_LOCK, JOURNAL, JOURNAL_SUFFIX, OWN_FOLDER
from legm.util.locks import file_lock

__all__ = ["Journal", "JournalLine", "locked_root", "pending_journals"]

SCHEMA = 1
_REMEDY = "Restore it from a copy; without one, delete it: what it had begun stays as it is then."
_FINGERPRINT = re.compile(r'"fingerprint":"([^"]*)"')
_MOST_INDEPENDENT = 500  # lines, which are in memory at the same time
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class JournalLine(NamedTuple):
    """A line of a journal that says a step.

    Args:
        number: of the line, from 1.
        text: the line.
    """

    number: int
    text: str

    @property
    def kind_of_folder(self) -> str | None:
        """The kind of a step that changes one folder as a whole; None for another step.

        A line that this version did not write is taken for another one.
        """
        return next((kind for kind in (ADOPT, FOLDER) if self.text.startswith(f'{{"kind":"{kind}"')), None)


@contextlib.contextmanager
def locked_root(root: Path) -> Iterator[None]:
    """Exclude every other command that changes what is stored in a root directory.

    Raises:
        StorageError: another one is at work for long, or the folder cannot be written.
    """
    own = root / OWN_FOLDER
    refuse_folder_links(own)
    try:
        own.mkdir(exist_ok=True)
    except OSError as cause:
        raise storage_error("create the folder", own, cause) from cause
    with file_lock(own / CHANGES_LOCK):
        yield


def pending_journals(root: Path) -> list[Journal]:
    """The journals of commands that are at work or died, oldest first."""
    folder = root / OWN_FOLDER / JOURNAL
    if folder.is_symlink():
        return []
    return [Journal(path) for path in sorted(folder.glob(f"*{JOURNAL_SUFFIX}")) if not path.is_symlink()]


class Journal:
    """The steps of one command.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The id of the command."""
        return self.path.stem

    @staticmethod
    def new_id() -> str:
        """The id of a new command; ids sort by time."""
        return make_run_id(time.time(), secrets.token_hex(3))

    @staticmethod
    @contextlib.contextmanager
    def drafted(
        root: Path, name: str, title: str, steps: Iterable[Step], **more: Plain
    ) -> Iterator[JournalDraft]:
        """Write a journal that counts once :meth:`JournalDraft.begin` is called, and is deleted otherwise.

        Args:
            root: the root directory.
            name: the id of the command.
            title: what it does, for a user.
            steps: its steps.
            **more: what else it needs to know.

        Raises:
            StorageError: it cannot be written.
        """
        folder = root / OWN_FOLDER / JOURNAL
        refuse_folder_links(folder)
        path = folder / f"{name}{JOURNAL_SUFFIX}"
        temporary = path.with_suffix(".new")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob("*.new"):  # of a command that was killed before it began
                left.unlink()
            with temporary.open("x", encoding="utf-8") as file:
                file.write(_journal_line({"schema": SCHEMA, "title": title, "time": time.time(), **more}))
                for step in steps:
                    file.write(_journal_line(step.content()))
                file.flush()
                os.fsync(file.fileno())
        except OSError as cause:
            temporary.unlink(missing_ok=True)
            raise storage_error("write", path, cause) from cause
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        try:
            yield JournalDraft(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def header(self) -> dict[str, Any]:
        """What the first line says: the title, the time (s since 1970), and more.

        Raises:
            CorruptFile: it is damaged, or of a newer version.
        """
        try:
            with self.path.open(encoding="utf-8") as file:
                content = json.loads(file.readline())
            if content["schema"] > SCHEMA:
                raise NewerFile(self.path, "line 1", content["schema"], SCHEMA)
            _require_journal_header(content)
            return {"title": str(content["title"]), "time": float(content["time"]), **content}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
            raise self._damaged(1, cause) from cause
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause

    def steps(self) -> Iterator[Step]:
        """The steps, read one at a time.

        Raises:
            CorruptFile: one is damaged.
        """
        return map(self.step, self._lines())

    def independent_steps(self) -> Iterator[list[JournalLine]]:
        """The lines of the steps, in their order, in parts.

        The steps of a part are of one kind, and change the folders of different configurations, so that they
        may be done in any order, and at the same time.

        Raises:
            CorruptFile: the header is damaged.
        """
        part: list[JournalLine] = []
        named: set[str] = set()
        for line in self._lines():
            fingerprints = {*_FINGERPRINT.findall(line.text)}
            if part and (
                len(part) == _MOST_INDEPENDENT
                or line.kind_of_folder is None
                or part[0].kind_of_folder != line.kind_of_folder
                or not named.isdisjoint(fingerprints)
            ):
                yield part
                part, named = [], set()
            part.append(line)
            named |= fingerprints
        if part:
            yield part

    def step(self, line: JournalLine) -> Step:
        """The step that a line says.

        Raises:
            CorruptFile: it is damaged.
        """
        try:
            return decode_step(json.loads(line.text))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
            raise self._damaged(line.number, cause) from cause

    def count_runs(self) -> int:
        """How many runs the steps change.

        Raises:
            CorruptFile: a line is damaged.
        """
        number = 0
        for line in self._lines():
            try:
                number += len(json.loads(line.text)["runs"])
            except (ValueError, KeyError, TypeError, RecursionError) as cause:
                raise self._damaged(line.number, cause) from cause
        return number

    def _lines(self) -> Iterator[JournalLine]:
        self.header()
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for number, text in enumerate(file, 2):
                yield JournalLine(number, text)

    def _damaged(self, line: int, cause: Exception) -> CorruptFile:
        return CorruptFile(self.path, f"line {line}", f"it is not what legm wrote: {cause!r}", _REMEDY)


@dataclass(frozen=True, slots=True)
class JournalDraft:
    """A journal that does not count yet.

    Args:
        temporary: where it is.
        path: where it is once it counts.
    """

    temporary: Path
    path: Path

    def begin(self) -> Journal:
        """Make the journal count: from now on the next command that finds it finishes the work.

        Raises:
            StorageError: it cannot be renamed.
        """
        try:
            self.temporary.rename(self.path)
        except OSError as cause:
            raise storage_error("write", self.path, cause) from cause
        _sync_journal_folder(self.path.parent)
        return Journal(self.path)


def _journal_line(content: object) -> str:
    return _ENCODER.encode(content) + "\n"


def _require_journal_header(content: dict[str, Any]) -> None:
    """Refuse what is about anything but experiments in the root directory and the trash.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is not what a journal says.
    """
    if not math.isfinite(float(content["time"])):
        raise ValueError("the time")
    for old, new in content.get("emptied", {}).items():
        _require_journal_path(old)
        if new:
            _require_journal_path(new)
    for path, values in content.get("absent_values", {}).items():
        _require_journal_path(path)
        if not isinstance(values, dict):
            raise TypeError("the absent values")
    for path, change in content.get("corrected_absent_values", {}).items():
        _require_journal_path(path)
        if not (isinstance(change["before"], dict) and isinstance(change["after"], dict)):
            raise TypeError("the absent values")
        if not all(isinstance(name, str) for name in change["refused"]):
            raise TypeError("the refused absent values")
    for path, change in content.get("compared_by_imports", {}).items():
        _require_journal_path(path)
        if not (isinstance(change["before"], dict) and isinstance(change["after"], dict)):
            raise TypeError("the parameters that imports compare")
    if "restores" in content and not is_record_file_name(content["restores"]):
        raise ValueError("the id of another command")


def _require_journal_path(path: str) -> None:
    """Refuse a path that is not that of an experiment's folder below the root directory.

    Raises:
        ValueError: it is another one.
    """
    require_step_path_below(path)
    if not path or path.split("/", 1)[0] == OWN_FOLDER:
        raise ValueError(f"the path {path!r}")


def _sync_journal_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some systems cannot
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
