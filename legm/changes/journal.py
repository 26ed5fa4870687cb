"""What a command is about to change in a root directory, written down before anything is touched.

A journal is ``<root>/.legm/journal/<id>.jsonl``: a line of JSON that says which command it is, and one for
each step. It has its name once all of it is on the disk. Every step may be repeated, so that whoever finds a
journal does all of them again. At the end it is moved to the trash, where it says what was there before.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from legm.core.naming import make_run_id
from legm.errors import CorruptFile, storage_error
from legm.records import Configuration, Plain, Run, is_record_file_name
from legm.runlog.configuration_folders import refuse_links
from legm.runlog.file_names import CHANGES_LOCK, JOURNAL, JOURNAL_SUFFIX, OWN_FOLDER
from legm.runlog.log_frames import configuration_content
from legm.runlog.log_reader import decode_configuration
from legm.util.locks import file_lock

__all__ = [
    "ADOPT",
    "FOLDER",
    "MOVE",
    "Journal",
    "JournalLine",
    "Step",
    "StepRun",
    "locked_root",
    "pending_journals",
    "require_path_below",
]

SCHEMA = 1
ADOPT, MOVE, FOLDER = "adopt", "move", "folder"
_FINGERPRINT = re.compile(r'"fingerprint":"([^"]*)"')
_MOST_INDEPENDENT = 2000  # lines, which are in memory at the same time
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class StepRun:
    """A run that a step changes.

    Args:
        description: its description.
        started: seconds since 1970.
        before, after: its own parameters, which are not compared.
        backends: the names of the backends beside its folder in which it changes too.
    """

    description: str
    started: float
    before: Mapping[str, Plain]
    after: Mapping[str, Plain]
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a folder.

    Args:
        kind: "adopt": the folder becomes that of another configuration; "move": its runs move to the folder
            of another one; "folder": the folder moves as it is.
        source: the folder, below the root directory.
        target: where it is, or the runs are, afterwards; "" for the folder of the configuration.
        before, after: the configuration.
        runs: by id, the runs that change.
    """

    kind: str
    source: str
    target: str
    before: Configuration
    after: Configuration
    runs: Mapping[str, StepRun] = field(default_factory=dict)

    def amended(self, run_id: str) -> Run:
        """A run as it is after the step."""
        one = self.runs[run_id]
        return Run(run_id, self.after, one.description, one.started, one.after)

    def content(self) -> dict[str, Plain]:
        """The step as JSON holds it."""
        return {
            "kind": self.kind,
            "source": self.source,
            "target": self.target,
            "before": configuration_content(self.before),
            "after": configuration_content(self.after),
            "runs": {
                run_id: {
                    "description": run.description,
                    "started": run.started,
                    "before": dict(run.before),
                    "after": dict(run.after),
                    **({"backends": list(run.backends)} if run.backends else {}),
                }
                for run_id, run in self.runs.items()
            },
        }

    @property
    def parameters_change(self) -> bool:
        """Whether the runs' own parameters change."""
        return any(run.before != run.after for run in self.runs.values())

    @property
    def is_amendment(self) -> bool:
        """Whether the runs change, not only where they are."""
        return self.before != self.after or self.parameters_change

    @property
    def has_backends(self) -> bool:
        """Whether a run changes in backends beside the folders."""
        return any(run.backends for run in self.runs.values())

    def runs_to_change(self, *, are_deleted: bool = False) -> dict[str, tuple[Run, Run | None]]:
        """By id, each run as it was before the step, and as it is after it; None if it is deleted."""
        return {
            run_id: (
                Run(run_id, self.before, one.description, one.started, one.before),
                None if are_deleted else self.amended(run_id),
            )
            for run_id, one in self.runs.items()
        }

    def with_backends(self, backends: Mapping[str, tuple[str, ...]]) -> Step:
        """The step with the backends beside the folders in which its runs change."""
        runs = {run_id: replace(run, backends=backends.get(run_id, ())) for run_id, run in self.runs.items()}
        return replace(self, runs=runs)

    def reversed(self, source: str, target: str) -> Step:
        """The step that brings back what was before."""
        runs = {run_id: replace(run, before=run.after, after=run.before) for run_id, run in self.runs.items()}
        return Step(self.kind, source, target, self.after, self.before, runs)


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
    refuse_links(own)
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
        refuse_links(folder)
        path = folder / f"{name}{JOURNAL_SUFFIX}"
        temporary = path.with_suffix(".new")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob("*.new"):  # of a command that was killed before it began
                left.unlink()
            with temporary.open("x", encoding="utf-8") as file:
                file.write(_line({"schema": SCHEMA, "title": title, "time": time.time(), **more}))
                for step in steps:
                    file.write(_line(step.content()))
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
                raise CorruptFile(self.path, "line 1", "it was written by a newer legm", "Update legm.")
            return {"title": str(content["title"]), "time": float(content["time"]), **content}
        except (ValueError, KeyError, TypeError) as cause:
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
            return _step(json.loads(line.text))
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
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
            except (ValueError, KeyError, TypeError) as cause:
                raise self._damaged(line.number, cause) from cause
        return number

    def _lines(self) -> Iterator[JournalLine]:
        self.header()
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for number, text in enumerate(file, 2):
                yield JournalLine(number, text)

    def _damaged(self, line: int, cause: Exception) -> CorruptFile:
        return CorruptFile(
            self.path, f"line {line}", f"it is not what legm wrote: {cause!r}", "Restore it from a copy."
        )


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
        _sync_folder(self.path.parent)
        return Journal(self.path)


def _line(content: object) -> str:
    return _ENCODER.encode(content) + "\n"


def _step(content: dict[str, Any]) -> Step:
    if content["kind"] not in {ADOPT, MOVE, FOLDER}:
        raise ValueError(f"the kind {content['kind']!r}")
    for path in (content["source"], content["target"]):
        require_path_below(path)
    if not all(map(is_record_file_name, content["runs"])):
        raise ValueError("the id of a run")
    return Step(
        content["kind"],
        content["source"],
        content["target"],
        decode_configuration(content["before"]),
        decode_configuration(content["after"]),
        {
            run_id: StepRun(
                str(run["description"]),
                float(run["started"]),
                run["before"],
                run["after"],
                tuple(map(str, run.get("backends", ()))),
            )
            for run_id, run in content["runs"].items()
        },
    )


def require_path_below(path: str) -> None:
    """Refuse a path that leads out of the root directory.

    Raises:
        ValueError: it does.
    """
    parts = path.split("/")
    if path and (
        not {"", ".", ".."}.isdisjoint(parts) or "\\" in path or "\0" in path or ":" in parts[0][1:2]
    ):
        raise ValueError(f"the path {path!r}")


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some systems cannot
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
