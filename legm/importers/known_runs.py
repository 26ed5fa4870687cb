"""Runs that an earlier import compared with their source, and that need not be read again.

Below ``<root>/.legm/imports`` there is a file for each source on this machine. For each group of runs that
was imported and found equal (the run of a folder, or all runs of a store) it has the signature of the group's
files, and what an import has to know of the runs to decide how they are compared; for each configuration, the
signature of its folder. As long as both are unchanged, neither side is read. The file is only a copy: whoever
deletes it loses nothing.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from legm.backends import portable
from legm.core.credentials import redact
from legm.core.plain_form import from_plain, to_plain
from legm.errors import LegmError
from legm.importers.external_run import ExternalRun
from legm.importers.import_source import FolderNamedSource, GroupedSource, ImportSource, RunGroup
from legm.importers.labels import Label, LabelKind
from legm.records import Plain, Status
from legm.runlog.file_names import OWN_FOLDER
from legm.util.atomic_files import write_atomically
from legm.util.given_paths import resolved_path
from legm.util.stat_signatures import StatSignature, stat_signature

__all__ = ["KnownRuns", "known_runs_path"]

_VERSION = 1
_MAX_BYTES = 1 << 30  # of the file's content
_DAMAGE_ERRORS = (LegmError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


def known_runs_path(root: Path, source: ImportSource, *, deleted: bool) -> Path:
    """The path of the file below a root directory about a source.

    Args:
        root: the root directory.
        source: the source.
        deleted: whether runs that are deleted in the source are included.
    """
    identity = f"{source.kind}\n{resolved_path(source.location)}\n{deleted}"
    digest = sha256(identity.encode(errors="surrogateescape")).hexdigest()
    return root / OWN_FOLDER / "imports" / digest[:32]


@dataclass(slots=True)
class _KnownGroup:
    """What is known of a group of runs.

    Args:
        signature: of its files.
        outside: those of its paths that only reading it tells.
        stored: its runs in their stored form.
        runs: its runs, without what only their translation needs.
    """

    signature: str
    outside: list[str]
    stored: list[dict[str, Any]]
    runs: list[ExternalRun] = field(default_factory=list)


class KnownRuns:
    """The runs of a source; those that are unchanged since an earlier import are not read.

    Args:
        source: the source.
        path: the file that tells of earlier imports; None to read every run.
    """

    def __init__(self, source: ImportSource, path: Path | None) -> None:
        self._source = source
        self._path = path if isinstance(source, GroupedSource) else None
        self._began = time.time_ns()
        self._known: dict[str, _KnownGroup] = {}
        self._folders: dict[str, str] = {}  # signatures of configurations' folders
        if self._path is not None:
            self._known, self._folders = _load_known_runs(self._path, self)
        self._groups: dict[str, RunGroup] = {}
        self._group_of: dict[str, str] = {}  # by key of a run
        self._unchanged: dict[str, bool] = {}  # by key of a group
        self._read: dict[str, list[dict[str, Any]] | None] = {}  # None where they cannot be stored
        self._signatures: dict[Path, StatSignature] = {}

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, in a stable order.

        Raises:
            LegmError: the source cannot be read.
        """
        if self._path is None or not isinstance(self._source, GroupedSource):
            yield from self._source.runs()
            return
        for group in self._source.groups():
            self._groups[group.key] = group
            is_unchanged = self._is_unchanged(group)
            for run in self._known[group.key].runs if is_unchanged else self._read_runs(group):
                self._group_of[run.key] = group.key
                yield run

    def number_of_runs(self) -> int | None:
        """How many runs there are, if all are unchanged since an earlier import; None otherwise."""
        if self._path is None or not isinstance(self._source, GroupedSource) or not self._known:
            return None
        groups = list(self._source.groups())
        if not all(map(self._is_unchanged, groups)):
            return None
        return sum(len(self._known[group.key].runs) for group in groups)

    def is_unchanged(self, key: str) -> bool:
        """Whether a run is imported and equal to its source, and its source has not changed since."""
        return self._unchanged.get(self._group_of.get(key, ""), False)

    def run(self, key: str) -> ExternalRun:
        """The run with a key that :meth:`runs` returned, read from its source.

        Raises:
            LegmError: the source cannot be read.
        """
        group = self._groups.get(self._group_of.get(key, ""))
        if group is not None and group.key not in self._read:
            for _ in self._read_runs(group):
                pass
        return self._source.run(key)

    def is_known_folder(self, configuration: tuple[str, str], folder: Path | None) -> bool:
        """Whether a configuration's folder has not changed since an earlier import compared its runs.

        Args:
            configuration: its experiment and its fingerprint.
            folder: the folder.
        """
        known = self._folders.get(_known_folder_key(configuration))
        return folder is not None and known is not None and known == stat_signature(folder).text

    def store(self, equal: Iterable[str], folders: Mapping[tuple[str, str], Path | None]) -> None:
        """Store what is known now for the next import.

        Args:
            equal: the keys of the runs that are equal to their source.
            folders: by experiment and fingerprint, the folders of configurations whose runs all are.
        """
        if self._path is None:
            return
        self._signatures.clear()
        equal = {*equal}
        found = {}
        for key, group in self._groups.items():
            runs = self._read.get(key, self._known[key].stored if key in self._known else None)
            if not runs or not {run["key"] for run in runs} <= equal:
                continue
            if key not in self._read:
                found[key] = self._known[key]
                continue
            outside = group.outside()
            if outside is None or not group.paths:
                continue
            paths = [*map(str, outside)]
            signature = self._signature_of(group, paths)
            if signature.is_reliable(self._began):
                found[key] = _KnownGroup(signature.text, paths, runs)
        signatures = {
            _known_folder_key(configuration): stat_signature(folder)
            for configuration, folder in folders.items()
            if folder is not None
        }
        now = time.time_ns()
        reliable = {key: one.text for key, one in signatures.items() if one.is_reliable(now)}
        _save_known_runs(self._path, found, reliable)

    def _is_unchanged(self, group: RunGroup) -> bool:
        if group.key not in self._unchanged:
            known = self._known.get(group.key)
            self._unchanged[group.key] = (
                known is not None
                and self._signature_of(group, known.outside).text == known.signature
                and self._has_same_experiments(known.runs)
            )
        return self._unchanged[group.key]

    def _has_same_experiments(self, runs: Iterable[ExternalRun]) -> bool:
        if not isinstance(self._source, FolderNamedSource):
            return True
        return self._source.confirms_experiments({run.key: run.experiment for run in runs})

    def _signature_of(self, group: RunGroup, outside: Iterable[str]) -> StatSignature:
        """The signature of a group's files and folders; that of what several groups share is made once."""
        found = []
        for path in (*group.paths, *map(Path, outside)):
            if path not in self._signatures:
                self._signatures[path] = stat_signature(path)
            found.append(self._signatures[path])
        text = sha256("".join(one.text for one in found).encode()).hexdigest()
        return StatSignature(text, max((one.newest for one in found), default=0))

    def _read_runs(self, group: RunGroup) -> Iterator[ExternalRun]:
        found: list[dict[str, Any]] | None = []
        for run in group.runs():
            stored = _stored_known_run(run)
            found = None if stored is None or found is None else [*found, stored]
            self._group_of[run.key] = group.key
            yield run
        self._read[group.key] = found


def _known_folder_key(configuration: tuple[str, str]) -> str:
    return "/".join(configuration)


def _stored_known_run(run: ExternalRun) -> dict[str, Any] | None:
    """What an import must know of a run to decide how it is compared; None if it must not be stored."""
    stored: dict[str, Any] = {"key": run.key, "experiment": run.experiment, "started": run.started}
    if run.native_run is not None:
        return {**stored, "native": portable.run_json(run.native_run).decode()}
    try:
        parameters = {name: to_plain(name, value) for name, value in run.parameters.items()}
    except LegmError:
        return None
    labels = {name: [label.kind.name, label.value] for name, label in run.labels.items()}
    values: list[tuple[str, Plain]] = [
        *parameters.items(),
        *((name, label.value) for name, label in run.labels.items()),
        *((name, dict(fields)) for name, fields in (run.metadata or {}).items()),
    ]
    if any(redact(name, value) != value for name, value in values):
        return None
    return {
        **stored,
        "parameters": parameters,
        "labels": labels,
        "metadata": run.metadata,
        "description": run.description,
        "can_grow": run.can_grow,
    }


def _restored_known_run(stored: Any, known: KnownRuns) -> ExternalRun:
    """The run that was stored.

    Raises:
        TypeError, KeyError, ValueError: it is not what :func:`_stored_known_run` returns.
    """
    key = _stored_known_value(stored["key"], str)
    native = None if "native" not in stored else portable.run_from(stored["native"].encode())
    labels = {
        name: Label(LabelKind[kind], _stored_known_value(value, (str, list)))
        for name, (kind, value) in stored.get("labels", {}).items()
    }
    parameters = {name: from_plain(value) for name, value in stored.get("parameters", {}).items()}
    return ExternalRun(
        key=key,
        experiment=_stored_known_value(stored["experiment"], str),
        name="",
        parameters=parameters,
        tags={},
        status=Status.COMPLETED,
        started=_stored_known_value(stored["started"], (int, float)),
        ended=None,
        error=None,
        records=lambda: known.run(key).records(),
        description=_stored_known_value(stored.get("description", ""), str),
        native_run=native,
        can_grow=bool(stored.get("can_grow")),
        metadata=_stored_known_value(stored.get("metadata"), (dict, type(None))),
        labels=labels,
    )


def _stored_known_value(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not a {kind}")
    return value


def _load_known_runs(path: Path, known: KnownRuns) -> tuple[dict[str, _KnownGroup], dict[str, str]]:
    """What an earlier import stored; nothing if there is none, or if the file is damaged."""
    try:
        content = json.loads(zlib.decompressobj().decompress(path.read_bytes(), _MAX_BYTES))
        if content["version"] != _VERSION:
            return {}, {}
        found = {
            key: _KnownGroup(signature, outside, stored, [_restored_known_run(run, known) for run in stored])
            for key, (signature, outside, stored) in content["groups"].items()
        }
        folders = _stored_known_value(content["folders"], dict)
    except (OSError, zlib.error, *_DAMAGE_ERRORS):
        return {}, {}
    return found, folders


def _save_known_runs(path: Path, groups: Mapping[str, _KnownGroup], folders: Mapping[str, str]) -> None:
    content = {
        "version": _VERSION,
        "groups": {key: [one.signature, one.outside, one.stored] for key, one in groups.items()},
        "folders": folders,
    }
    with suppress(OSError, LegmError):  # the next import reads everything
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, zlib.compress(json.dumps(content).encode(), 1))
