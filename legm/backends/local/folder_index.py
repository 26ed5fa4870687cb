"""Which folder a configuration lives in, found without looking at the others.

The index is ``<root>/<experiment>/.legm/index``: see :mod:`legm.backends.local.index_content`. While its
stamp is that of the experiment's folder, nobody added, renamed or removed a folder, and what the index does
not have does not exist. Otherwise the folders are looked through once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from legm.backends.local.index_content import (
    STALE_STAMP,
    IndexContent,
    index_line,
    index_stamp,
    indexed_names,
)
from legm.backends.local.index_survey import is_of_other_version, survey_folder
from legm.backends.local.parameters_file import (
    experiment_of_parameters,
    parameters_yaml,
    read_configuration,
    refuse_newer_parameters,
    stated_parameters_fingerprint,
)
from legm.core.identity import fingerprint
from legm.core.naming import numbered_name, safe_name, shorten_name
from legm.errors import CorruptFile, LegmError, StorageError, storage_error
from legm.records import Adoption, Configuration
from legm.runlog.configuration_folders import (
    configuration_paths,
    experiment_folder_of_configuration,
    experiment_paths,
    is_configuration_folder,
    refuse_folder_links,
)
from legm.runlog.file_names import INDEX, INDEX_LOCK, OWN_FOLDER, PARAMETERS_FILE
from legm.util.atomic_files import write_atomically
from legm.util.locks import file_lock

__all__ = [
    "FolderIndex",
    "experiment_folder",
    "find_experiment_folder",
]

log = logging.getLogger(__name__)

_MOST_MOVED = 5  # times that commands may move the experiment's folder while a configuration is made in it


def experiment_folder(root: Path, experiment: str) -> Path:
    """Where an experiment's configurations are, unless a user renamed the folder."""
    return root / shorten_name(safe_name(experiment), fingerprint(experiment, {}))


def find_experiment_folder(root: Path, experiment: str) -> Path:
    """Where an experiment's configurations are: in the folder of its name, or where a user moved it.

    Of several copies, the first by name counts, and those that were moved deeper count last.

    Args:
        root: the root directory.
        experiment: its name, or the path of a folder that a user renamed or moved.
    """
    expected = experiment_folder(root, experiment)
    if expected.is_dir():
        return expected
    with contextlib.suppress(StorageError):  # a root directory that cannot be read
        paths = list(experiment_paths(root))
        for path in paths:
            if _experiment_of_folder(root / path) == experiment:
                return root / path
        if experiment in paths:
            return root / experiment
    return expected


def _experiment_of_folder(folder: Path) -> str | None:
    """The experiment of the configurations in a folder, judging by the first that can be read."""
    if not (folder / OWN_FOLDER / INDEX).exists():
        return None
    with contextlib.suppress(StorageError):  # a folder that cannot be read
        for name in configuration_paths(folder):
            try:
                return experiment_of_parameters(folder / name)
            except LegmError as error:
                log.error("%s", error)  # noqa: TRY400
    return None


def root_of_folder(folder: Path) -> Path:
    """The root directory of a configuration's folder, which a user may have moved."""
    return experiment_folder_of_configuration(folder).parent


class FolderIndex:
    """The folders of one experiment.

    Args:
        folder: the experiment's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own = folder / OWN_FOLDER
        self._index = self._own / INDEX
        self._lock = self._own / INDEX_LOCK

    def find(self, digest: str) -> Path | None:
        """The folder of the configuration with a fingerprint; the first one if it was copied."""
        return self._find(self._read_index(), digest)[0]

    def _find(self, index: IndexContent, digest: str) -> tuple[Path | None, IndexContent]:
        """The folder of a configuration, and the index as it is then.

        Args:
            index: as it was read.
            digest: the configuration's fingerprint.
        """
        folder = self._look_up(index, digest)
        if folder is None and not self._is_current(index):
            try:
                with self._locked():
                    index = self._reconcile()
            except StorageError:  # a read-only folder is scanned each time
                index = IndexContent.of_lines(survey_folder(self.folder).lines, {})
            folder = self._look_up(index, digest)
        return folder, index

    def create(self, configuration: Configuration) -> Path:
        """The configuration's folder, made if nobody has made it yet.

        Raises:
            StorageError: it cannot be made.
            CorruptFile: it is there, and its parameters or their fingerprint were edited or damaged.
            NewerFile: it is there, and a newer legm wrote it.
        """
        for _ in range(_MOST_MOVED):
            try:
                return self._create(configuration)
            except StorageError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
        return self._create(configuration)

    def _create(self, configuration: Configuration) -> Path:
        """The same, unless a command moves the experiment's folder meanwhile."""
        before = self._read_index()
        found, now = self._find(before, configuration.fingerprint)
        if found is not None:
            refuse_newer_parameters(found)
            return found
        self._refuse_damaged([before] if now is before else [before, now], configuration.fingerprint)
        with self._locked():
            index = self._read_index(now)
            current = self._is_current(index)
            if not current:
                index = self._reconcile()
                current = self._is_current(index)
            found = self._look_up(index, configuration.fingerprint)
            if found is not None:
                return found
            folder = self._make(configuration, index)
            try:
                line = index_line(configuration.fingerprint, folder.name)
                with self._index.open("ab") as file:
                    file.write(line)
                if current:
                    self._stamp(zlib.crc32(line, index.checksum))
            except OSError as cause:
                raise storage_error("write", self._index, cause) from cause
            return folder

    def adopt(self, adoptions: Sequence[Adoption]) -> list[bool]:
        """Make folders those of other configurations; parameters files are replaced, and they are renamed.

        Args:
            adoptions: the folders, here or in another experiment, which are in this one then; in this order.

        Returns:
            for each, False where another folder is of the configuration already; it is not changed then.

        Raises:
            StorageError: one cannot be written, or there is something else already.
        """
        with self._locked():
            names = self._indexed_names([one.configuration.fingerprint for one in adoptions])
            self._add_unstamped(
                [
                    index_line(one.configuration.fingerprint, one.now.relative_to(self.folder).as_posix())
                    for one in adoptions
                ]
            )
            return [self._adopt(names[one.configuration.fingerprint], one) for one in adoptions]

    def _indexed_names(self, digests: Sequence[str]) -> dict[str, list[str]]:
        """The paths that the index has for each of some fingerprints, without all of it in memory."""
        try:
            with self._index.open("rb") as file:
                return indexed_names(file, digests)
        except FileNotFoundError:
            return {digest: [] for digest in digests}
        except OSError as cause:
            raise storage_error("read", self._index, cause) from cause

    def _adopt(self, names: Iterable[str], adoption: Adoption) -> bool:
        """Adopt a folder, whose line has been added to the index.

        Args:
            names: the paths of the folders that the index had for the configuration before.
            adoption: the folder.
        """
        configuration, folder, now = adoption.configuration, adoption.folder, adoption.now
        if self._first_with(names, configuration.fingerprint) not in {None, folder, now}:
            return False
        try:
            if folder != now and folder.exists():
                folder.rename(now)
        except OSError as cause:
            raise storage_error("rename to", now, cause) from cause
        write_atomically(now / PARAMETERS_FILE, parameters_yaml(configuration), sync=False)
        return True

    def _add_unstamped(self, lines: Iterable[bytes]) -> None:
        """Add lines, and note that the index may be behind: what it has not is searched for."""
        try:
            with self._index.open("r+b" if self._index.exists() else "xb") as file:
                file.write(STALE_STAMP)
                file.seek(0, os.SEEK_END)
                file.writelines(lines)
        except OSError as cause:
            raise storage_error("write", self._index, cause) from cause

    def refresh(self) -> None:
        """Bring the index up to date with the folders.

        Raises:
            StorageError: it cannot be written.
        """
        with self._locked():
            self._reconcile()

    def all(self) -> list[tuple[str, Path]]:
        """Every folder with its fingerprint, by name; a fingerprint may have copies."""
        return sorted(
            ((of[0], self.folder / name) for name, of in self._current_index().entries().items()),
            key=lambda entry: entry[1].name,
        )

    def copies(self, digest: str) -> list[Path]:
        """Every folder with a fingerprint: more than one where a user copied one."""
        first = self.find(digest)
        if first is None:
            return []
        others = {folder for folder in self._all_with(self._current_index(), digest) if folder != first}
        return [first, *sorted(others)]

    def _current_index(self) -> IndexContent:
        index = self._read_index()
        if not self._is_current(index):
            try:
                with self._locked():
                    index = self._reconcile()
            except StorageError:
                index = IndexContent.of_lines(survey_folder(self.folder).lines, {})
        return index

    # The index

    def _locked(self) -> Any:
        refuse_folder_links(self._own)
        try:
            self._own.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("create the folder", self._own, cause) from cause
        return file_lock(self._lock)

    def _read_index(self, known: IndexContent | None = None) -> IndexContent:
        """The index as it is now.

        Args:
            known: what was read before, which is returned where the file is still the same.
        """
        try:
            with FileIO(self._index) as file:
                return IndexContent.read(file, known)
        except FileNotFoundError:
            return IndexContent()
        except OSError as cause:
            raise storage_error("read", self._index, cause) from cause

    def _is_current(self, index: IndexContent) -> bool:
        try:
            changed = self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return True  # with nothing in it
        return index.is_stamped(changed) and all(
            _folder_changed_at(self.folder / name) == at for name, at in index.groups()
        )

    def _look_up(self, index: IndexContent, digest: str) -> Path | None:
        return next(self._all_with(index, digest), None)

    def _all_with(self, index: IndexContent, digest: str) -> Iterator[Path]:
        """The folders that the index has for a fingerprint, and that still have it."""
        return self._of_names(index.names_with(digest), digest)

    def _first_with(self, names: Iterable[str], digest: str) -> Path | None:
        return next(self._of_names(names, digest), None)

    def _of_names(self, names: Iterable[str], digest: str) -> Iterator[Path]:
        """The folders of these that still have a fingerprint."""
        folders = (self.folder / name for name in names)
        return (one for one in folders if stated_parameters_fingerprint(one) == digest)

    def _refuse_damaged(self, indexes: Iterable[IndexContent], digest: str) -> None:
        """Refuse to begin a configuration anew whose folder is there with another fingerprint than it had.

        Of a file that says nothing any more, or has one of another version, only an error is logged.

        Raises:
            CorruptFile: the file's fingerprint is not that of its parameters.
        """
        names = dict.fromkeys(name for index in indexes for name in index.names_with(digest))
        for folder in (self.folder / name for name in names):
            if not is_configuration_folder(folder):
                continue
            stated = stated_parameters_fingerprint(folder)
            if stated is not None and is_of_other_version(stated, digest):
                path = folder / PARAMETERS_FILE
                log.error(
                    "%s had the fingerprint %s, and now has %s of another version", path, digest, stated
                )
                continue
            try:
                read_configuration(folder)
            except CorruptFile as error:
                if stated is not None:
                    raise
                log.error("%s", error)  # noqa: TRY400

    def _reconcile(self) -> IndexContent:
        """Bring the index up to date with the folders; the lock is held."""
        found = survey_folder(self.folder, self._index)
        try:
            groups = {name: _mark_folder(self.folder / name) for name in found.groups}
        except OSError:  # somebody else's folder: it is looked through each time
            groups, found.is_complete = {}, False
        index = IndexContent.of_lines(found.lines, groups)
        found.lines = b""
        write_atomically(self._index, index.data)
        # A configuration that cannot be read may be repaired at any time, so it is searched for each time.
        checksum = index.checksum
        del index  # it may be large
        if found.is_complete:
            self._stamp(checksum)
        return self._read_index()

    def _stamp(self, checksum: int) -> None:
        """Note that the folder is as legm left it, with the checksum of the lines."""
        moment = _mark_folder(self.folder)
        with self._index.open("r+b") as file:
            file.write(index_stamp(moment, checksum))

    def _make(self, configuration: Configuration, index: IndexContent) -> Path:
        temporary = self._own / f"new-{secrets.token_hex(4)}"
        try:
            temporary.mkdir()
            write_atomically(temporary / PARAMETERS_FILE, parameters_yaml(configuration))
            k = index.next_number(configuration.name)
            while True:
                folder = self.folder / numbered_name(configuration.name, k)
                if not folder.exists():
                    temporary.rename(folder)
                    return folder
                k += 1
        except OSError as cause:
            raise storage_error(
                "create the folder", self.folder / numbered_name(configuration.name, 0), cause
            ) from cause
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _folder_changed_at(folder: Path) -> int | None:
    """When something was added to a folder, renamed in it or removed (ns); None where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def _mark_folder(folder: Path) -> int:
    """Give a folder a time of change that nobody else's change has, and return it (ns)."""
    status = folder.stat()
    moment = status.st_mtime_ns // 1_000_000_000 * 1_000_000_000 + secrets.randbelow(1_000_000_000)
    os.utime(folder, ns=(status.st_atime_ns, moment))
    return folder.stat().st_mtime_ns  # as the file system keeps it
