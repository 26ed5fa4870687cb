"""Importing from beginning to end: look, infer, take, compare, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from legm.delivery.backlog import flush_backlog
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.errors import LegmError, ParameterError, StorageError, closest
from legm.hooks import Capability
from legm.importers.decisions import Overrides, identities_path, open_decisions
from legm.importers.detection import open_source
from legm.importers.external import ExternalRun, Source
from legm.importers.identity import Identity, ObservedParameters, infer_identity
from legm.importers.identity_file import read_identities, write_identities
from legm.importers.ingest import Ingested, Ingestion
from legm.importers.names import is_reserved
from legm.importers.translation import (
    configuration_of,
    experiment_of,
    metadata_of,
    parameters_of,
    run_id_of,
    translate_run,
)
from legm.importers.verification import Verification
from legm.records import Query, RunResult, Status
from legm.runlog.folder import LogFolder, artifacts_folder
from legm.util.progress import show_progress

__all__ = ["Report", "import_runs"]

_RunKeys: TypeAlias = dict[tuple[str, str], dict[str, str]]  # by experiment and fingerprint, keys by run id


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do.

    Args:
        source: where the runs came from, to show to a user.
        kind: what kind of store that is.
        identities: by experiment, which parameters distinguish configurations.
        identity_file: the file in which that was written for review; None if none was written.
        created: how many runs were imported, or would be.
        updated: how many runs were imported before, and have more data now.
        unchanged: how many runs were already there.
        configurations: how many configurations the source's runs belong to.
        configurations_if_all_compared: how many there would be if every parameter were compared.
        equal: how many items are equal in source and target, by kind.
        adapted: how many items had to be changed, by what was done.
        omitted: how many items could not be imported, by the reason, with an example.
        differences: by the source's key, what differs between a run and its source.
        failed: by the source's key, why a run could not be read.
        is_dry_run: whether nothing was written.
    """

    source: str
    kind: str
    identities: Mapping[str, Identity]
    identity_file: Path | None
    created: int
    updated: int
    unchanged: int
    configurations: int
    configurations_if_all_compared: int
    equal: Mapping[str, int] = field(default_factory=dict)
    adapted: Mapping[str, int] = field(default_factory=dict)
    omitted: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    differences: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    is_dry_run: bool = False

    @property
    def runs(self) -> int:
        """How many runs of the source are there at the end, or would be."""
        return self.created + self.updated + self.unchanged

    @property
    def is_complete(self) -> bool:
        """Whether every run is there, as its source tells it."""
        return not self.failed and not self.differences


def import_runs(
    source: str | Path | Source,
    root: str | Path,
    *,
    experiments: Sequence[str] = (),
    seed_params: Sequence[str] = (),
    ignore: Sequence[str] = (),
    compare: Sequence[str] = (),
    name_params: Sequence[str] = (),
    identity_file: str | Path | None = None,
    deleted: bool = False,
    dry_run: bool = False,
    backend: object = "local",
    backend_options: Mapping[str, Any] | None = None,
) -> Report:
    """Import the runs of another tracker, or of another root directory.

    A second time adds only what is new; one that was interrupted goes on. The source is only read.

    Args:
        source: the path or address of the store that has the runs; or an opened source.
        root: the root directory.
        experiments: only these of the source; all without them.
        seed_params: parameters that are seeds, and so not compared, whatever they look like.
        ignore: parameters that are not compared, whatever they look like.
        compare: parameters that are compared, whatever they look like.
        name_params: the parameters that a configuration's name is made of, most important first.
        identity_file: a file with what tells configurations apart, as an earlier call wrote it; written
            where it does not exist yet.
        deleted: whether what is deleted in the source, and not gone yet, is taken too.
        dry_run: only say what would be done.
        backend: where the runs go, as the handler takes it.
        backend_options: the backend's own.

    Raises:
        StorageError: the source or the root directory cannot be read, or not be written.
        ParameterError: no run has a parameter that was named, or it was decided otherwise before.
        LegmError: the backend failed.
    """
    opened = open_source(source, deleted=deleted) if isinstance(source, (str, Path)) else source
    try:
        return _Import(opened, Path(root), experiments, backend, backend_options or {}).run(
            Overrides(tuple(seed_params), tuple(ignore), tuple(compare), tuple(name_params)),
            None if identity_file is None else Path(identity_file),
            dry_run=dry_run,
        )
    finally:
        if opened is not source:
            opened.close()


class _Import:
    """One import."""

    def __init__(
        self,
        source: Source,
        root: Path,
        experiments: Sequence[str],
        backend: object,
        options: Mapping[str, Any],
    ) -> None:
        self._source = source
        self._root = root
        self._experiments = frozenset(experiments)
        self._client = BackendClient(make_backend(backend, root, options), root)
        self._identities: dict[str, Identity] = {}
        self._failed: dict[str, str] = {}
        self._configurations_if_all_compared = 0

    def _selected_runs(self) -> Iterator[ExternalRun]:
        found = set()
        for run in self._source.runs():
            found.add(run.experiment)
            if not self._experiments or run.experiment in self._experiments:
                yield run
        for name in self._experiments - found:
            raise StorageError(f"{self._source.location} has no experiment {name!r}: {closest(name, found)}")

    def run(self, overrides: Overrides, given: Path | None, *, dry_run: bool) -> Report:
        """Do it, or say what would be done."""
        observed = self._observe_parameters()
        overrides.require_known({name for one in observed.values() for name in one.names()})
        ingestion = Ingestion(self._client, self._source.kind)
        written = None
        with open_decisions(self._root, keep=not dry_run) as decisions:
            before = read_identities(given) if given is not None and given.exists() else decisions
            for experiment, seen in observed.items():
                decided = overrides.apply_to(before.get(experiment, Identity()), seen.names())
                self._identities[experiment] = infer_identity(seen, decided)
            self._refuse_changed_decisions(decisions, ingestion)
            if given is not None and not given.exists():
                write_identities(given, self._identities)
                written = given
            decisions.update(self._identities)
        if self._identities and not dry_run:
            written = written or identities_path(self._root)
        if not dry_run:
            flush_backlog(self._client, Path())  # what an interrupted import left
        counts = dict.fromkeys(Ingested, 0)
        run_keys = self._ingest_runs(ingestion, counts, dry_run=dry_run)
        verification = Verification()
        if not dry_run:
            self._verify(run_keys, verification)
        return Report(
            source=self._source.location,
            kind=self._source.kind,
            identities=self._identities,
            identity_file=written,
            created=counts[Ingested.CREATED],
            updated=counts[Ingested.UPDATED],
            unchanged=counts[Ingested.UNCHANGED],
            configurations=len(run_keys),
            configurations_if_all_compared=self._configurations_if_all_compared,
            equal=verification.equal,
            adapted=verification.adapted,
            omitted={remark: (count, first) for remark, count, first in self._source.notes},
            differences=verification.differences,
            failed=self._failed,
            is_dry_run=dry_run,
        )

    def _observe_parameters(self) -> dict[str, ObservedParameters]:
        """The parameters of the runs, by experiment, and how many configurations they would all make."""
        observed: dict[str, ObservedParameters] = {}
        apart: set[str] = set()
        for run in show_progress(self._selected_runs(), "looking at the runs"):
            apart.add(configuration_of(run, Identity(), is_reserved).fingerprint)
            if run.native_run is None and run.parameters:
                values, renamed = parameters_of(run, is_reserved)
                metadata = metadata_of(run, renamed)
                observed.setdefault(experiment_of(run), ObservedParameters()).add(values, metadata)
        self._configurations_if_all_compared = len(apart)
        return observed

    def _refuse_changed_decisions(self, before: Mapping[str, Identity], ingestion: Ingestion) -> None:
        """See that what was decided when runs were imported holds for the others of their experiment."""
        for experiment, identity in self._identities.items():
            known = before.get(experiment, Identity())
            changed = sorted(
                {*known.ignored} & {*identity.compared} | {*known.compared} & {*identity.ignored}
            )
            if changed and ingestion.statuses_in(experiment):
                was = "compared" if changed[0] in known.compared else "not compared"
                raise ParameterError(
                    f"runs of the experiment {experiment!r} were imported with the parameter {changed[0]!r} "
                    f"{was}, and stay so: import into another root directory, or delete the experiment's "
                    f"folder in {self._root} and import again"
                )

    def _ingest_runs(self, ingestion: Ingestion, counts: dict[Ingested, int], *, dry_run: bool) -> _RunKeys:
        """Take every run that is not there; where each is then."""
        run_keys: _RunKeys = {}
        for external in show_progress(self._selected_runs(), "importing runs"):
            identity = self._identity_of(external)
            configuration = configuration_of(external, identity, is_reserved)
            runs = run_keys.setdefault((configuration.experiment, configuration.fingerprint), {})
            status = ingestion.known(external)
            has_ended = status not in {None, Status.INTERRUPTED} and not external.can_grow
            if has_ended or dry_run:
                counts[Ingested.CREATED if status is None else Ingested.UNCHANGED] += 1
            else:
                try:
                    new = translate_run(external, self._source.kind, identity, is_reserved)
                except LegmError as error:
                    self._failed[external.key] = str(error)
                    continue
                counts[ingestion.ingest(external, new, self._source.notes)] += 1
            runs[run_id_of(external, self._source.kind)] = external.key
        return run_keys

    def _identity_of(self, external: ExternalRun) -> Identity:
        return self._identities.get(experiment_of(external), Identity())

    def _verify(self, run_keys: _RunKeys, verification: Verification) -> None:
        for (experiment, fingerprint), keys in show_progress(run_keys.items(), "comparing configurations"):
            query = Query(experiment, fingerprint, None, None)
            missing = dict(keys)
            for result in self._client.runs(query):
                key = missing.pop(result.run.run_id, None)
                if key is not None:
                    self._verify_run(key, result, verification)
            for key in missing.values():
                verification.differences[key] = "it is not there"

    def _verify_run(self, key: str, result: RunResult, verification: Verification) -> None:
        run_id = result.run.run_id
        try:
            external = self._source.run(key)
            new = translate_run(external, self._source.kind, self._identity_of(external), is_reserved)
        except LegmError as error:
            self._failed[key] = str(error)
            return
        folder = self._client.folder(new.run.configuration)
        if folder is None:
            verification.differences[key] = "its configuration has no folder"
            return
        keeps_files = self._client.supports(Capability.ARTIFACTS)
        files = artifacts_folder(folder, run_id) if keeps_files else None
        verification.verify_run(external, new, result, LogFolder.of(folder).folder / f"{run_id}.log", files)
