"""Ingesting external runs into a root directory: each run once, and atomically.

A run's log is written next to its final path and moved there when it is complete, including the outcome. Then
it is delivered like the log of any process that has ended. An import that is killed at any instant therefore
leaves complete runs only, and the next one continues after them. A run's id is derived from its start time
and its key in the source, so that it is recognized.
"""

from __future__ import annotations

import enum
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

from legm.core.naming import short_name
from legm.core.record_sequences import LazyRecords
from legm.core.run_marks import joined_marks
from legm.delivery.client import BackendClient
from legm.delivery.run_session import can_delete_runs, delete_run, store_run
from legm.errors import LegmError, NotSupported
from legm.hooks import Capability
from legm.importers.external_run import ExternalFile, ExternalMedium, ExternalRun
from legm.importers.import_notes import ImportNotes
from legm.importers.translation import (
    TranslatedRun,
    translated_description,
    translated_experiment,
    translated_run_id,
)
from legm.importers.valid_names import valid_name
from legm.media.content_files import content_extension, keep_content
from legm.records import (
    Amendment,
    Artifact,
    Configuration,
    Media,
    MediaFile,
    Query,
    Record,
    Run,
    RunMarks,
    Status,
)
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.log_amending import read_amended_run
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_frames import amendment_frame, encode_frames
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.marks_files import change_marks
from legm.util.atomic_files import atomic_replacement

__all__ = [
    "Ingested",
    "Ingestion",
    "UnreadableFileError",
    "amended_since_import",
    "as_amended",
    "delete_run",
    "ingested_artifact_path",
    "read_ingested_chunks",
]

_CHUNK_BYTES = 1 << 20


class Ingested(enum.Enum):
    """What ingesting a run changed."""

    CREATED = "created"
    UPDATED = "updated"
    """It was stored while it had not ended, and its source has more of it now."""
    UNCHANGED = "unchanged"
    """It was already stored."""


class Ingestion:
    """Stores external runs in a root directory.

    Args:
        client: the backend to write to.
        kind: the kind of the source.
    """

    def __init__(self, client: BackendClient, kind: str) -> None:
        self._client = client
        self._kind = kind
        self._known: dict[str, dict[str, Status]] = {}
        self._experiments: dict[str, str] | None = None  # by run id, once it is asked for
        self._configurations: dict[tuple[str, str], set[str]] = {}  # fingerprints by experiment and run
        self._descriptions: dict[tuple[str, str], str] = {}  # by experiment and run
        self._by_fingerprint: dict[str, Configuration] = {}
        self._keeps_files = client.supports(Capability.ARTIFACTS)

    def known(self, external: ExternalRun) -> Status | None:
        """The status of the stored run; None if it is not stored yet."""
        experiment, run_id = self._stored_experiment(external)
        return self.statuses_in(experiment).get(run_id)

    def _stored_experiment(self, external: ExternalRun) -> tuple[str, str]:
        """The experiment that a run is stored in, or would be, and its id; a user may have moved it there."""
        experiment, run_id = translated_experiment(external), translated_run_id(external, self._kind)
        if run_id not in self.statuses_in(experiment):
            other = self._experiments_by_run().get(run_id)
            if other is not None and self._amended_in(other, run_id) is not None:
                experiment = other
        return experiment, run_id

    def _experiments_by_run(self) -> Mapping[str, str]:
        """By id, the experiment of each run that was stored before."""
        if self._experiments is None:
            self._experiments = {}
            with suppress(NotSupported):  # no run can be moved where experiments cannot be listed
                for experiment in self._client.experiments():
                    with suppress(LegmError):  # of damaged ones others report
                        self._experiments.update(dict.fromkeys(self.statuses_in(experiment), experiment))
        return self._experiments

    def _amended_in(self, experiment: str, run_id: str) -> Run | None:
        stored = [self._by_fingerprint[one] for one in self._configurations[experiment, run_id]]
        found = (amended_since_import(self._client, one, run_id) for one in stored)
        return next((one for one in found if one is not None), None)

    def has_moved(self, external: ExternalRun, configuration: Configuration) -> bool:
        """Whether a run is stored in another configuration, because it is compared otherwise now."""
        if external.native_run is not None or self.known(external) is None:
            return False
        stored = self._configurations[configuration.experiment, translated_run_id(external, self._kind)]
        return stored != {configuration.fingerprint}

    def differs(self, external: ExternalRun, configuration: Configuration) -> bool:
        """Whether a stored run has another configuration or description than its source gives it."""
        if self.known(external) is None:
            return False
        key = self._stored_experiment(external)
        is_described = self._descriptions[key] == translated_description(external)
        return not is_described or self._configurations[key] != {configuration.fingerprint}

    def amended(self, external: ExternalRun) -> Run | None:
        """A stored run as a user amended it since it was imported; None where none did.

        Raises:
            LegmError: its log cannot be read.
        """
        if self.known(external) is None:
            return None
        return self._amended_in(*self._stored_experiment(external))

    def statuses_in(self, experiment: str) -> Mapping[str, Status]:
        """The status of each stored run of an experiment, by run id."""
        if experiment not in self._known:
            known: dict[str, Status] = {}
            for one in self._client.runs_as_stored(Query(experiment)):
                known[one.run.run_id] = one.status
                self._descriptions[experiment, one.run.run_id] = one.run.description
                its = self._by_fingerprint.setdefault(
                    one.run.configuration.fingerprint, one.run.configuration
                )
                self._configurations.setdefault((experiment, one.run.run_id), set()).add(its.fingerprint)
            self._known[experiment] = known  # not one that was read in part
        return self._known[experiment]

    def ingest(
        self, external: ExternalRun, new: TranslatedRun, notes: ImportNotes, amended: Run | None = None
    ) -> Ingested:
        """Store a run that is new, or may have grown.

        If its parameters have changed, it is removed from the configuration it belonged to.

        Args:
            external: the run as its source describes it.
            new: the same run, translated.
            notes: collects files that cannot be read.
            amended: the stored run as a user amended it, which it stays; None where none did.

        Raises:
            LegmError: the run cannot be written.
        """
        begun, new = new.run, as_amended(new, amended)
        folder = self._client.make_folder(new.run.configuration)
        files = list(self._keep_files(external, folder, new.run.run_id, notes))
        records = LazyRecords.chained(new.records, [*files, new.outcome])
        before = LogFolder.of(folder).finalized_path(new.run.run_id)
        if _ingested_log_ends_with(before, records):
            self._delete_from_other_configurations(new, notes)
            return Ingested.UNCHANGED
        ingested = Ingested.CREATED if self.known(external) is None else Ingested.UPDATED
        frames = encode_frames(records)
        if amended is not None:
            its = Amendment(amended.configuration, amended.parameters, time.time(), (), amended.description)
            frames = itertools.chain(frames, [amendment_frame(its)])
        store_run(self._client, new.run, frames, new.result(), begun)
        if external.marks != RunMarks():
            change_marks(LogFolder.of(folder), new.run.run_id, lambda own: joined_marks(own, external.marks))
        self._delete_from_other_configurations(new, notes)
        return ingested

    def _delete_from_other_configurations(self, new: TranslatedRun, notes: ImportNotes) -> None:
        """Delete a run from every configuration but its current one."""
        experiment, run_id = new.run.configuration.experiment, new.run.run_id
        others = self._configurations.get((experiment, run_id), set()) - {new.run.configuration.fingerprint}
        for fingerprint in others:
            for one in self._client.runs_as_stored(Query(experiment, fingerprint)):
                if one.run.run_id != run_id:
                    continue
                if can_delete_runs(self._client):
                    delete_run(self._client, one.run)
                else:
                    notes.add("runs whose parameters changed: the old entry stays in the tracker", run_id)

    def _keep_files(
        self, external: ExternalRun, folder: Path, run_id: str, notes: ImportNotes
    ) -> Iterator[Artifact | Media]:
        """Copy the run's files into its folder, those of media by their contents."""
        listed = list(external.files())  # all of them before copies appear
        if not self._keeps_files:
            for file in listed:
                what = f"files: the backend {self._client.name!r} does not support artifacts"
                notes.add(what, f"{external.key}: {file.name}")
            return
        for _, group in itertools.groupby(listed, lambda file: file.medium and file.medium.key):
            kept: list[MediaFile] = []
            medium: ExternalMedium | None = None
            for file in group:
                try:
                    if file.medium is None:
                        target = ingested_artifact_path(artifacts_folder(folder, run_id), file.name)
                        _write_ingested_chunks(read_ingested_chunks(file), target)
                        yield Artifact(file.name, str(target))
                        continue
                    medium, content = file.medium, b"".join(read_ingested_chunks(file))
                except UnreadableFileError as error:
                    notes.add(f"files that cannot be read: {error}", f"{external.key}: {file.name}")
                    continue
                one = keep_content(folder, run_id, content, content_extension(file.name))
                kept.append(replace(one, caption=medium.caption, details=medium.details))
            if medium is not None and kept:
                yield Media(valid_name(medium.name), medium.kind, tuple(kept), medium.step, medium.time)


def amended_since_import(client: BackendClient, configuration: Configuration, run_id: str) -> Run | None:
    """A stored run as a user amended it; None where none did.

    Args:
        client: of the backend that has the run.
        configuration: that the run is stored in.
        run_id: the run's id.

    Raises:
        LegmError: its log cannot be read.
    """
    folder = client.folder(configuration)
    log = None if folder is None else LogFolder.of(folder).find(run_id)
    return None if log is None else read_amended_run(log)


def as_amended(new: TranslatedRun, amended: Run | None) -> TranslatedRun:
    """A run of a source as it is stored where a user amended it: what a user decided is left as it is.

    Args:
        new: the run.
        amended: the stored run; None where it was not amended.
    """
    if amended is None:
        return new
    run = replace(
        new.run,
        configuration=amended.configuration,
        parameters=amended.parameters,
        description=amended.description,
    )
    return replace(new, run=run)


def ingested_artifact_path(folder: Path, name: str) -> Path:
    """The path of a run's file, which is always below the folder, whatever the name contains."""
    return folder.joinpath(*(short_name(part or "/") for part in name.split("/")))


class UnreadableFileError(Exception):
    """A file of the source cannot be read."""


def read_ingested_chunks(file: ExternalFile) -> Iterator[bytes]:
    """Read a file's content in chunks.

    Raises:
        UnreadableFileError: it cannot be read.
    """
    try:
        with file.open() as source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk
    except (OSError, HTTPException) as cause:
        raise UnreadableFileError(getattr(cause, "strerror", None) or str(cause)) from cause


def _write_ingested_chunks(chunks: Iterable[bytes], target: Path) -> None:
    with atomic_replacement(target) as temporary:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.writelines(chunks)


def _ingested_log_ends_with(path: Path, records: Iterable[Record]) -> bool:
    """Whether a run log ends with exactly these records, apart from cursors after them."""
    try:
        known = read_log_in_pieces(path)
        size = sum(map(len, encode_frames(records)))
        with path.open("rb") as file:
            file.seek(max(0, known.content_end - size))
            return all(file.read(len(frame)) == frame for frame in encode_frames(records))
    except (LegmError, OSError):
        return False
