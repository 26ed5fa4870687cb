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
from legm.importers.check import Compared
from legm.importers.decisions import Overrides, deciding, identities_path
from legm.importers.detection import open_source
from legm.importers.external import ExternalRun, Source
from legm.importers.identity import Identity, Observed, infer
from legm.importers.ingest import Ingested, Ingestion
from legm.importers.names import is_reserved
from legm.importers.review import read_identities, write_identities
from legm.importers.translation import (
    configuration_of,
    experiment_of,
    metadata_of,
    parameters_of,
    run_id_of,
    translated,
)
from legm.records import Query, RunResult, Status
from legm.runlog.folder import LogFolder, artifacts_folder
from legm.util.progress import watched

__all__ = ["Report", "import_runs"]

_Places: TypeAlias = dict[tuple[str, str], dict[str, str]]  # by experiment and fingerprint, keys by run id


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do.

    Args:
        source: where the runs came from, for a person.
        kind: what that is.
        identities: by experiment, what tells configurations apart.
        identity_file: where that is written down for review; None where nothing was written.
        new: how many runs came, or would come.
        again: how many had not ended, or might not have, when they were imported before, and have more now.
        before: how many were there already.
        configurations: of how many configurations the source's runs are.
        apart: how many there would be if every parameter were compared.
        equal: how many things are equal in source and target, by what they are.
        adapted: how many had to be changed, by what was done.
        impossible: how many could not be had, by the reason, with an example.
        different: by the source's key, what of a run is not in the target as it should be.
        failed: by the source's key, why a run could not be read.
        is_dry: whether nothing was done.
    """

    source: str
    kind: str
    identities: Mapping[str, Identity]
    identity_file: Path | None
    new: int
    again: int
    before: int
    configurations: int
    apart: int
    equal: Mapping[str, int] = field(default_factory=dict)
    adapted: Mapping[str, int] = field(default_factory=dict)
    impossible: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    different: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    is_dry: bool = False

    @property
    def runs(self) -> int:
        """How many runs of the source are there at the end, or would be."""
        return self.new + self.again + self.before

    @property
    def is_whole(self) -> bool:
        """Whether every run is there, as its source tells it."""
        return not self.failed and not self.different


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
        self._apart = 0

    def _runs(self) -> Iterator[ExternalRun]:
        found = set()
        for run in self._source.runs():
            found.add(run.experiment)
            if not self._experiments or run.experiment in self._experiments:
                yield run
        for name in self._experiments - found:
            raise StorageError(f"{self._source.place} has no experiment {name!r}: {closest(name, found)}")

    def run(self, overrides: Overrides, given: Path | None, *, dry_run: bool) -> Report:
        """Do it, or say what would be done."""
        observed = self._observed()
        overrides.require({name for one in observed.values() for name in one.names()})
        ingestion = Ingestion(self._client, self._source.kind)
        written = None
        with deciding(self._root, keep=not dry_run) as kept:
            before = read_identities(given) if given is not None and given.exists() else kept
            for experiment, seen in observed.items():
                decided = overrides.on(before.get(experiment, Identity()), seen.names())
                self._identities[experiment] = infer(seen, decided)
            self._refuse_change(kept, ingestion)
            if given is not None and not given.exists():
                write_identities(given, self._identities)
                written = given
            kept.update(self._identities)
        if self._identities and not dry_run:
            written = written or identities_path(self._root)
        if not dry_run:
            flush_backlog(self._client, Path())  # what an interrupted import left
        counts = dict.fromkeys(Ingested, 0)
        places = self._take(ingestion, counts, dry_run=dry_run)
        compared = Compared()
        if not dry_run:
            self._compare(places, compared)
        return Report(
            source=self._source.place,
            kind=self._source.kind,
            identities=self._identities,
            identity_file=written,
            new=counts[Ingested.CREATED],
            again=counts[Ingested.UPDATED],
            before=counts[Ingested.UNCHANGED],
            configurations=len(places),
            apart=self._apart,
            equal=compared.equal,
            adapted=compared.adapted,
            impossible={remark: (count, first) for remark, count, first in self._source.notes},
            different=compared.different,
            failed=self._failed,
            is_dry=dry_run,
        )

    def _observed(self) -> dict[str, Observed]:
        """The parameters of the runs, by experiment, and how many configurations they would all make."""
        observed: dict[str, Observed] = {}
        apart: set[str] = set()
        for run in watched(self._runs(), "looking at the runs"):
            apart.add(configuration_of(run, Identity(), is_reserved).fingerprint)
            if run.own is None and run.parameters:
                values, renamed = parameters_of(run, is_reserved)
                metadata = metadata_of(run, renamed)
                observed.setdefault(experiment_of(run), Observed()).add(values, metadata)
        self._apart = len(apart)
        return observed

    def _refuse_change(self, before: Mapping[str, Identity], ingestion: Ingestion) -> None:
        """See that what was decided when runs were imported holds for the others of their experiment."""
        for experiment, identity in self._identities.items():
            known = before.get(experiment, Identity())
            changed = sorted(
                {*known.ignored} & {*identity.compared} | {*known.compared} & {*identity.ignored}
            )
            if changed and ingestion.known_in(experiment):
                was = "compared" if changed[0] in known.compared else "not compared"
                raise ParameterError(
                    f"runs of the experiment {experiment!r} were imported with the parameter {changed[0]!r} "
                    f"{was}, and stay so: import into another root directory, or delete the experiment's "
                    f"folder in {self._root} and import again"
                )

    def _take(self, ingestion: Ingestion, counts: dict[Ingested, int], *, dry_run: bool) -> _Places:
        """Take every run that is not there; where each is then."""
        places: _Places = {}
        for external in watched(self._runs(), "importing runs"):
            identity = self._identity(external)
            configuration = configuration_of(external, identity, is_reserved)
            runs = places.setdefault((configuration.experiment, configuration.fingerprint), {})
            status = ingestion.known(external)
            has_ended = status not in {None, Status.INTERRUPTED} and not external.can_grow
            if has_ended or dry_run:
                counts[Ingested.CREATED if status is None else Ingested.UNCHANGED] += 1
            else:
                try:
                    new = translated(external, self._source.kind, identity, is_reserved)
                except LegmError as error:
                    self._failed[external.key] = str(error)
                    continue
                counts[ingestion.put(external, new, self._source.notes)] += 1
            runs[run_id_of(external, self._source.kind)] = external.key
        return places

    def _identity(self, external: ExternalRun) -> Identity:
        return self._identities.get(experiment_of(external), Identity())

    def _compare(self, places: _Places, compared: Compared) -> None:
        for (experiment, fingerprint), keys in watched(places.items(), "comparing configurations"):
            query = Query(experiment, fingerprint, None, None)
            missing = dict(keys)
            for result in self._client.runs(query):
                key = missing.pop(result.run.run_id, None)
                if key is not None:
                    self._compare_run(key, result, compared)
            for key in missing.values():
                compared.different[key] = "it is not there"

    def _compare_run(self, key: str, result: RunResult, compared: Compared) -> None:
        run_id = result.run.run_id
        try:
            external = self._source.run(key)
            new = translated(external, self._source.kind, self._identity(external), is_reserved)
        except LegmError as error:
            self._failed[key] = str(error)
            return
        folder = self._client.folder(new.run.configuration)
        if folder is None:
            compared.different[key] = "its configuration has no folder"
            return
        keeps_files = self._client.supports(Capability.ARTIFACTS)
        files = artifacts_folder(folder, run_id) if keeps_files else None
        compared.run(external, new, result, LogFolder.of(folder).folder / f"{run_id}.log", files)
