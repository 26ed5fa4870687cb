"""Looks through an experiment's folder for what its index is to say.

Memory does not grow with the lines of the old index, which is read a line at a time: a name for each folder,
and the new lines, are what is in memory.
"""

from __future__ import annotations

import io
import logging
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from legm.backends.local.index_content import index_line, parse_index_line, skip_index_stamp
from legm.backends.local.parameters_file import (
    fingerprints_of_parameters,
    read_configuration,
    stated_parameters_fingerprint,
)
from legm.errors import CorruptFile, StorageError, storage_error
from legm.runlog.configuration_folders import (
    DEPTH,
    holds_configuration_folders,
    is_configuration_folder,
    packed_subfolders,
    subfolders,
)

__all__ = ["IndexSurvey", "is_of_other_version", "survey_folder"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class IndexSurvey:
    """What is in an experiment's folder.

    Args:
        lines: the lines of the index for its configurations: for each folder, the fingerprint that its file
            states, and that of its parameters where it differs.
        groups: the folders in it to which a user moved some of these.
        is_complete: whether every configuration could be read.
    """

    lines: bytes = b""
    groups: list[str] = field(default_factory=list)
    is_complete: bool = True


def survey_folder(folder: Path, index: Path | None = None) -> IndexSurvey:
    """Look through an experiment's folder.

    Args:
        folder: the experiment's.
        index: its index until now: what it has first stays first, and folders that it knows are not parsed.

    Raises:
        StorageError: a folder, or the index, cannot be read.
    """
    survey = _Survey(folder)
    if index is not None and index.exists():
        try:
            survey.keep_known(index)
        except OSError as cause:
            raise storage_error("read", index, cause) from cause
    survey.look_through("", DEPTH)
    return survey.found()


class _Survey:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._subfolders = packed_subfolders(folder)
        self._has_line = bytearray(len(self._subfolders))  # of each of them
        self._lines = io.BytesIO()
        self._known: dict[str, tuple[str, ...]] = {}  # those whose files do not state what the index has
        self._entries: dict[str, tuple[str, ...]] = {}
        self._groups: list[str] = []
        self._is_complete = True

    def keep_known(self, index: Path) -> None:
        """Keep the lines of the old index that hold, in their order.

        Raises:
            OSError: it cannot be read.
        """
        doubtful = array("Q")
        rest: dict[str, tuple[str, ...]] = {}
        with index.open("rb") as file:
            at = skip_index_stamp(file)
            for line in file:
                digest, name = parse_index_line(line)
                position = self._subfolders.position(name)
                is_new = position >= 0 and not self._has_line[position]
                if is_new and stated_parameters_fingerprint(self._folder / name) == digest:
                    self._add(name, digest)
                    self._has_line[position] = True
                elif position >= 0 or "/" in name:
                    doubtful.append(at)
                at += len(line)
            for at in doubtful:
                file.seek(at)
                digest, name = parse_index_line(file.readline())
                if not self._is_known(name):
                    rest[name] = (*rest.get(name, ()), digest)
                elif self._is_of_edited_parameters(name, digest):
                    self._add(name, digest)
        self._known = {name: self._digests(name, of) for name, of in rest.items()}

    def _is_known(self, name: str) -> bool:
        """Whether a path has a line already."""
        position = self._subfolders.position(name)
        return position >= 0 and bool(self._has_line[position])

    def look_through(self, below: str, depth: int) -> None:
        """Look at the folders that have no line yet, and at those in them."""
        here = subfolders(self._folder / below) if below else self._subfolders
        for position, name in enumerate(below + one for one in here):
            if not below and self._has_line[position]:
                continue
            path = self._folder / name
            digests = self._known.get(name) or fingerprints_of_parameters(path)
            if digests:
                self._entries[name] = digests
            elif is_configuration_folder(path):
                self._is_complete = False
            elif depth > 1 and holds_configuration_folders(str(path)):
                before = len(self._entries), self._is_complete
                self.look_through(f"{name}/", depth - 1)
                if (len(self._entries), self._is_complete) != before:
                    self._groups.append(name)

    def found(self) -> IndexSurvey:
        """What was found, once all was looked at."""
        known = {name: self._entries[name] for name in self._known if name in self._entries}
        for name, digests in {**known, **self._entries}.items():
            self._add(name, *digests)
        return IndexSurvey(self._lines.getvalue(), self._groups, self._is_complete)

    def _add(self, name: str, *digests: str) -> None:
        self._lines.writelines(index_line(digest, name) for digest in digests)

    def _is_of_edited_parameters(self, name: str, digest: str) -> bool:
        """Whether a fingerprint that a folder's file does not state is that of its parameters."""
        path = self._folder / name
        return stated_parameters_fingerprint(path) != digest and digest in fingerprints_of_parameters(path)

    def _digests(self, name: str, known: Iterable[str]) -> tuple[str, ...]:
        """Those of the fingerprints that the index has of a folder which it still has."""
        known = tuple(dict.fromkeys(known))
        if len(known) > 1 and (found := fingerprints_of_parameters(self._folder / name)):
            return found
        return tuple(digest for digest in known if self._is_of_folder(name, digest))

    def _is_of_folder(self, name: str, digest: str) -> bool:
        """Whether a folder has a fingerprint, or had it and now states one that is not its parameters'."""
        stated = stated_parameters_fingerprint(self._folder / name)
        if stated == digest:
            return True
        if stated is None or is_of_other_version(stated, digest):
            return False
        try:
            read_configuration(self._folder / name)
        except CorruptFile as error:
            log.error("%s", error)  # noqa: TRY400
            return True
        except StorageError:
            return False
        return False


def is_of_other_version(stated: str, digest: str) -> bool:
    """Whether a fingerprint was made by other rules than another one."""
    version = re.match(r"v\d+-", stated)
    return version is not None and not digest.startswith(version[0])
