"""Foreign runs become runs of legm's: once each, whole or not at all.

A run's log is written beside its place and moved there when it holds everything, the outcome too; then it is
delivered like every run that was left by a process. So an import that is killed at any instant leaves runs
that are all there, or not there: the next one goes on behind them. A run's id is made of its start and its
source's key, so that it is known again.
"""

from __future__ import annotations

import contextlib
import enum
import secrets
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path

from legm.core.naming import short_name
from legm.delivery.client import BackendClient
from legm.delivery.session import can_delete_runs, delete_run, store_run
from legm.errors import LegmError, storage_error
from legm.hooks import Capability
from legm.importers.external import ExternalFile, ExternalRun
from legm.importers.notes import Notes
from legm.importers.translation import TranslatedRun, experiment_of, run_id_of
from legm.records import Artifact, Query, Status
from legm.runlog import format as runlog
from legm.runlog.encode import encode_frames
from legm.runlog.folder import LogFolder, artifacts_folder

__all__ = [
    "Ingested",
    "Ingestion",
    "UnreadableFileError",
    "artifact_path",
    "delete_run",
    "read_chunks",
]

_CHUNK_BYTES = 1 << 20  # bytes of a file that are copied at once


class Ingested(enum.Enum):
    """How a run came."""

    CREATED = "created"
    UPDATED = "updated"
    """It was there, but had not ended, and its source has more of it by now."""
    UNCHANGED = "unchanged"
    """It was there already."""


class Ingestion:
    """Takes external runs into a root directory.

    Args:
        client: the way to the backend.
        kind: the source's.
    """

    def __init__(self, client: BackendClient, kind: str) -> None:
        self._client = client
        self._kind = kind
        self._known: dict[str, dict[str, Status]] = {}
        self._configurations: dict[tuple[str, str], set[str]] = {}  # fingerprints by experiment and run
        self._keeps_files = client.supports(Capability.ARTIFACTS)

    def known(self, external: ExternalRun) -> Status | None:
        """The status of the run, if it is there."""
        return self.statuses_in(experiment_of(external)).get(run_id_of(external, self._kind))

    def statuses_in(self, experiment: str) -> Mapping[str, Status]:
        """By their ids, the status of the runs of an experiment that are there."""
        if experiment not in self._known:
            known = self._known[experiment] = {}
            for one in self._client.runs(Query(experiment)):
                known[one.run.run_id] = one.status
                fingerprints = self._configurations.setdefault((experiment, one.run.run_id), set())
                fingerprints.add(one.run.configuration.fingerprint)
        return self._known[experiment]

    def ingest(self, external: ExternalRun, new: TranslatedRun, notes: Notes) -> Ingested:
        """Take a run that is not there, or may have grown.

        Where its parameters are others now, it is deleted from the configuration that it was of.

        Args:
            external: as its source tells it.
            new: as legm does.
            notes: takes files that cannot be read.

        Raises:
            LegmError: it cannot be written.
        """
        folder = self._client.make_folder(new.run.configuration)
        files = list(self._copy_files(external, artifacts_folder(folder, new.run.run_id), notes))
        content = list(encode_frames([*new.records, *files, new.outcome]))
        before = LogFolder.of(folder).folder / f"{new.run.run_id}.log"
        if _log_ends_with(before, b"".join(content)):
            self._delete_from_other_configurations(new, notes)
            return Ingested.UNCHANGED
        ingested = Ingested.CREATED if self.known(external) is None else Ingested.UPDATED
        store_run(self._client, new.run, content)
        self._delete_from_other_configurations(new, notes)
        return ingested

    def _delete_from_other_configurations(self, new: TranslatedRun, notes: Notes) -> None:
        """Delete a run from every other configuration."""
        experiment, run_id = new.run.configuration.experiment, new.run.run_id
        others = self._configurations.get((experiment, run_id), set()) - {new.run.configuration.fingerprint}
        for fingerprint in others:
            for one in self._client.runs(Query(experiment, fingerprint)):
                if one.run.run_id != run_id:
                    continue
                if can_delete_runs(self._client):
                    delete_run(self._client, one.run)
                else:
                    notes.add("runs that have other parameters now: what was there before stays", run_id)

    def _copy_files(self, external: ExternalRun, folder: Path, notes: Notes) -> Iterator[Artifact]:
        for file in list(external.files()):  # all of them, before there are copies
            if not self._keeps_files:
                notes.add(
                    f"files: the backend {self._client.name!r} keeps none", f"{external.key}: {file.name}"
                )
                continue
            target = artifact_path(folder, file.name)
            try:
                _write_atomically(read_chunks(file), target)
            except UnreadableFileError as error:
                notes.add(f"files that cannot be read: {error}", f"{external.key}: {file.name}")
            else:
                yield Artifact(file.name, str(target))


def artifact_path(folder: Path, name: str) -> Path:
    """Where a file of a run is; below the folder whatever its name holds."""
    return folder.joinpath(*(short_name(part or "/") for part in name.split("/")))


class UnreadableFileError(Exception):
    """A file of the source's cannot be read."""


def read_chunks(file: ExternalFile) -> Iterator[bytes]:
    """A file's content in pieces.

    Raises:
        UnreadableFileError: it cannot be read.
    """
    try:
        with file.open() as source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk
    except (OSError, HTTPException) as cause:
        raise UnreadableFileError(getattr(cause, "strerror", None) or str(cause)) from cause


def _write_atomically(chunks: Iterable[bytes], target: Path) -> None:
    """Write a file that is there as a whole, or not at all."""
    temporary = target.with_name(f".{secrets.token_hex(8)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.writelines(chunks)
        temporary.replace(target)
    except OSError as cause:
        raise storage_error("write", target, cause) from cause
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _log_ends_with(path: Path, content: bytes) -> bool:
    """Whether a run log holds just these frames of its run, and only cursors behind them."""
    try:
        known = runlog.read_log(path)
        data = path.read_bytes()
    except LegmError:
        return False
    return data[: known.content_end].endswith(content)
