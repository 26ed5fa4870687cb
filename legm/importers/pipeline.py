"""A whole import: observe the parameters, infer the identity, ingest the runs, verify them, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from legm.core.absent_values import AbsentValue, stored_absent_values
from legm.delivery.absent_values_file import AbsentValuesFile
from legm.delivery.backlog import flush_backlog
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.errors import LegmError, ParameterError, StorageError, closest
from legm.hooks import Capability
from legm.importers.detection import open_detected_source
from legm.importers.external_run import ExternalRun
from legm.importers.identity_decisions import AbsentValueDecisions, IdentityOverrides, open_decisions
from legm.importers.identity_file import identity_file_path, read_identity_file, write_identity_file
from legm.importers.identity_inference import UNDECIDED, Identity, infer_identity
from legm.importers.import_source import CountedSource, FolderNamedSource, ImportSource, SelectiveSource
from legm.importers.ingest import Ingested, Ingestion, amended_since_import, as_amended
from legm.importers.known_runs import KnownRuns, known_runs_path
from legm.importers.label_identity import averaged_labels
from legm.importers.labels import LabelUse
from legm.importers.observed import ObservedRuns
from legm.importers.translation import (
    TranslatedRun,
    translate_run,
    translated_configuration,
    translated_experiment,
    translated_labels,
    translated_metadata,
    translated_parameters,
    translated_run_id,
)
from legm.importers.valid_names import is_reserved_name, valid_name
from legm.importers.verification import Verification
from legm.records import Configuration, Plain, Query, RunResult, Status
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.log_folder import LogFolder
from legm.util.progress import show_progress

__all__ = ["Report", "import_runs"]

_RunKeys: TypeAlias = dict[tuple[str, str], dict[str, str]]  # by experiment and fingerprint, keys by run id


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do.

    Args:
        source: the path or address of the source, for messages.
        kind: the kind of the source.
        identities: by experiment, which parameters identify a configuration.
        identity_file: where the identities are saved for review; None if nothing was saved.
        created: how many runs were imported, or would be.
        updated: how many runs were imported again: they could have grown since an earlier import, or are
            compared otherwise now.
        unchanged: how many runs were already imported.
        unread: how many of them were not read again: neither the source nor what was imported has changed
            since they were compared. What is equal, adapted and omitted is about the others.
        configurations: how many configurations the source's runs make.
        configurations_if_all_compared: how many they would make if every parameter were compared.
        varying: by experiment, the compared parameters in which its runs differ.
        averaged: by experiment and label (a run's name, a tag, a commit, …), how runs of one configuration
            differ in it.
        equal: how many items are equal in source and target, by kind.
        adapted: how many items had to be changed, by the change.
        omitted: how many items could not be imported, by the reason, with an example.
        differences: by the source's key, how an imported run differs from its source.
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
    unread: int
    configurations: int
    configurations_if_all_compared: int
    varying: Mapping[str, Sequence[str]] = field(default_factory=dict)
    averaged: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    equal: Mapping[str, int] = field(default_factory=dict)
    adapted: Mapping[str, int] = field(default_factory=dict)
    omitted: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    differences: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    is_dry_run: bool = False

    @property
    def runs(self) -> int:
        """How many runs of the source are in the target in the end, or would be."""
        return self.created + self.updated + self.unchanged

    @property
    def is_complete(self) -> bool:
        """Whether every run of the source is in the target and equal to its source."""
        return not self.failed and not self.differences


def import_runs(
    source: str | Path | ImportSource,
    root: str | Path,
    *,
    experiments: Sequence[str] = (),
    seed_params: Sequence[str] = (),
    ignore: Sequence[str] = (),
    compare: Sequence[str] = (),
    name_params: Sequence[str] = (),
    absent: Mapping[str, Any] | None = None,
    accept_absent: Sequence[str] = (),
    no_absent: Sequence[str] = (),
    identity_file: str | Path | None = None,
    run_folders: int | None = None,
    deleted: bool = False,
    recheck: bool = False,
    dry_run: bool = False,
    backend: object = "local",
    backend_options: Mapping[str, Any] | None = None,
) -> Report:
    """Import the runs of another tracker, or of another root directory.

    A second call adds only what is new, and continues an interrupted import. The source is only read.
    Of folders with many files, runs that are unchanged since they were compared are not even read.

    Args:
        source: the path or address of the store that has the runs; or an opened source.
        root: the root directory.
        experiments: the experiments of the source to import; all by default.
        seed_params: parameters that are seeds, and therefore not compared, whatever they look like.
        ignore: parameters that are not compared, whatever they look like.
        compare: parameters that are compared, whatever they look like.
        name_params: the parameters that make up a configuration's name, most important first.
        absent: by parameter, the value that runs from before it existed had.
        accept_absent: the parameters for which the values that this import proposes are accepted as such.
        no_absent: the parameters that have no absent value, and for which none is proposed any more.
        identity_file: a file with the identities, as an earlier call wrote it; it is written if it does not
            exist yet.
        run_folders: for folders of TensorBoard, how many of the last folders of a run's path name the run;
            those above are its experiment. Inferred by default.
        deleted: whether to include runs that are deleted in the source but not yet purged.
        recheck: whether to read and compare also the runs that are unchanged since an earlier import.
        dry_run: whether to only report what would be done.
        backend: the backend to import into, as in the handler.
        backend_options: the backend's options.

    Returns:
        how many runs were imported, how their identity was inferred, and in what source and target differ.

    Raises:
        StorageError: the source cannot be read, or the root directory cannot be read or written.
        ParameterError: a named parameter does not exist, or an earlier import decided differently.
        LegmError: the backend failed.
    """
    overrides = IdentityOverrides(tuple(seed_params), tuple(ignore), tuple(compare), tuple(name_params))
    absent_values = AbsentValueDecisions.of(absent or {}, accept_absent, no_absent)
    opened = open_detected_source(source, deleted=deleted) if isinstance(source, (str, Path)) else source
    try:
        path = known_runs_path(Path(root), opened, deleted=deleted) if opened is not source else None
        return _ImportPipeline(
            opened, Path(root), experiments, backend, backend_options or {}, None if recheck else path
        ).run(
            overrides,
            absent_values,
            None if identity_file is None else Path(identity_file),
            run_folders,
            dry_run=dry_run,
        )
    finally:
        if opened is not source:
            opened.close()


class _ImportPipeline:
    """One import."""

    def __init__(
        self,
        source: ImportSource,
        root: Path,
        experiments: Sequence[str],
        backend: object,
        options: Mapping[str, Any],
        known_runs: Path | None,
    ) -> None:
        self._source = source
        self._root = root
        self._experiments = frozenset(experiments)
        if experiments and isinstance(source, SelectiveSource):
            source.select_experiments(self._experiments)
        self._client = BackendClient(make_backend(backend, root, options), root)
        self._runs = KnownRuns(source, None if self._client.is_remote else known_runs)
        self._targets: dict[tuple[str, str], Configuration] = {}
        self._identities: dict[str, Identity] = {}
        self._failed: dict[str, str] = {}
        self._observed: set[str] = set()  # keys
        self._native_absent_values: dict[str, dict[str, Plain]] = {}  # by experiment
        self._all_compared: Counter[str] = Counter()  # runs by fingerprint, if every parameter were compared

    def _selected_runs(self) -> Iterator[ExternalRun]:
        found = set()
        for run in self._runs.runs():
            found.add(run.experiment)
            if not self._experiments or run.experiment in self._experiments:
                yield run
        for name in self._experiments - found:
            raise StorageError(f"{self._source.location} has no experiment {name!r}; {closest(name, found)}")

    def _number_of_runs(self) -> int | None:
        """How many runs there are; None where they would have to be read to know."""
        if self._experiments or not isinstance(self._source, CountedSource):
            return None
        known = self._runs.number_of_runs()
        return self._source.number_of_runs() if known is None else known

    def run(
        self,
        overrides: IdentityOverrides,
        absent: AbsentValueDecisions,
        given: Path | None,
        run_folders: int | None,
        *,
        dry_run: bool,
    ) -> Report:
        """Import the runs, or report what would be done."""
        self._use_run_folders(run_folders)
        observed = self._observe_runs()
        overrides.require_known({name for one in observed.values() for name in (*one.names(), *one.labels)})
        ingestion = Ingestion(self._client, self._source.kind)
        written = None
        run_folders_now = self._run_folders()
        with open_decisions(self._root, keep=not dry_run) as decisions:
            before = read_identity_file(given) if given is not None and given.exists() else decisions
            for experiment, runs in observed.items():
                decided = overrides.apply_to(before.get(experiment, UNDECIDED), runs.names(), runs.labels)
                identity = infer_identity(runs, decided)
                if experiment in run_folders_now:
                    identity = replace(identity, run_folders=run_folders_now[experiment])
                if identity != UNDECIDED:
                    self._identities[experiment] = identity
            absent.require_known(self._identities.values())
            self._identities = {name: absent.apply_to(one) for name, one in self._identities.items()}
            self._refuse_changed_decisions(decisions, ingestion)
            if given is not None and not given.exists():
                write_identity_file(given, self._identities)
                written = given
            decisions.update(self._identities)
        if self._identities and not dry_run:
            written = written or identity_file_path(self._root)
        if not dry_run:
            self._keep_absent_values()
            flush_backlog(self._client, Path())  # finish what an interrupted import left behind
        counts = dict.fromkeys(Ingested, 0)
        run_keys = self._ingest_runs(ingestion, counts, dry_run=dry_run)
        verification = Verification()
        unread = 0 if dry_run else self._verify(run_keys, verification)
        return Report(
            source=self._source.location,
            kind=self._source.kind,
            identities=self._identities,
            varying={
                experiment: [name for name in runs.varying_names() if name in self._compared(experiment)]
                for experiment, runs in observed.items()
            },
            averaged={
                experiment: averaged
                for experiment, runs in observed.items()
                if (averaged := self._averaged_labels(experiment, runs))
            },
            identity_file=written,
            created=counts[Ingested.CREATED],
            updated=counts[Ingested.UPDATED],
            unchanged=counts[Ingested.UNCHANGED],
            unread=unread,
            configurations=sum(map(bool, run_keys.values())),
            configurations_if_all_compared=len(+self._all_compared),
            equal={what: count for what, count in verification.equal.items() if count},
            adapted=verification.adapted,
            omitted={remark: (count, first) for remark, count, first in self._source.notes},
            differences=verification.differences,
            failed=self._failed,
            is_dry_run=dry_run,
        )

    def _use_run_folders(self, given: int | None) -> None:
        """Tell the source how many folders name a run, as given or as earlier imports decided."""
        if isinstance(self._source, FolderNamedSource):
            with open_decisions(self._root, keep=False) as before:
                known = {experiment: identity.run_folders for experiment, identity in before.items()}
            self._source.use_run_folders(given, known)
        elif given is not None:
            raise ParameterError(
                f"folders do not name the runs of {self._source.location}: run_folders is for TensorBoard"
            )

    def _run_folders(self) -> dict[str, int]:
        """By experiment, how many folders name its runs."""
        if not isinstance(self._source, FolderNamedSource):
            return {}
        return {valid_name(name): count for name, count in self._source.run_folders().items()}

    def _observe_runs(self) -> dict[str, ObservedRuns]:
        """What is observed of the runs by experiment; counts the configurations if all were compared."""
        observed: dict[str, ObservedRuns] = {}
        for run in show_progress(self._selected_runs(), "reading the runs", self._number_of_runs):
            self._observed.add(run.key)
            self._all_compared[self._fingerprint_if_all_compared(run)] += 1
            if run.native_run is None:
                values, renamed = translated_parameters(run, is_reserved_name)
                observed.setdefault(translated_experiment(run), ObservedRuns()).add(
                    *(values, translated_metadata(run, renamed), translated_labels(run, values)),
                    *(run.description, run.started, run.ended),
                )
            else:
                native = run.native_run.configuration
                known = self._native_absent_values.setdefault(native.experiment, {})
                known.update(stored_absent_values(native))
        return observed

    @staticmethod
    def _fingerprint_if_all_compared(run: ExternalRun) -> str:
        return translated_configuration(run, UNDECIDED, is_reserved_name).fingerprint

    def _compared(self, experiment: str) -> frozenset[str]:
        return frozenset(self._identities.get(experiment, UNDECIDED).compared)

    def _averaged_labels(self, experiment: str, runs: ObservedRuns) -> dict[str, str]:
        identity = self._identities.get(experiment, UNDECIDED)
        return averaged_labels(runs, identity.ignored, identity.compared, identity.labels)

    def _refuse_changed_decisions(self, before: Mapping[str, Identity], ingestion: Ingestion) -> None:
        """Refuse decisions that contradict those under which an experiment's runs were imported."""
        for experiment, identity in self._identities.items():
            known = before.get(experiment, UNDECIDED)
            self._refuse_changed_absent_values(experiment, known, identity, ingestion)
            changed = dict.fromkeys({*known.ignored} & {*identity.compared}, "not compared")
            changed |= dict.fromkeys({*known.compared} & {*identity.ignored}, "compared")
            changed |= {
                name: f"compared as {use!r}" if use != LabelUse.IGNORED else "not compared"
                for name, use in known.labels.items()
                if identity.labels.get(name, use) != use
            }
            if changed and ingestion.statuses_in(experiment):
                name = min(changed)
                raise ParameterError(
                    f"runs of the experiment {experiment!r} were imported with the parameter {name!r} "
                    f"{changed[name]}, which cannot change: import into another root directory, or delete "
                    f"the experiment's folder in {self._root} and import again"
                )

    @staticmethod
    def _refuse_changed_absent_values(
        experiment: str, before: Identity, now: Identity, ingestion: Ingestion
    ) -> None:
        for name, value in before.absent_values.items():
            if now.absent_values.get(name) != value and ingestion.statuses_in(experiment):
                raise ParameterError(
                    f"runs of the experiment {experiment!r} were imported with the absent value {value!r} of "
                    f"{name!r}: legm amend … --absent or --no-absent changes it, for later imports too"
                )

    def _keep_absent_values(self) -> None:
        """Keep those that were accepted, and those of runs of legm, with the experiments.

        Raises:
            ParameterError: an experiment has another absent value than the one that was accepted.
        """
        for experiment, identity in self._identities.items():
            if identity.absent_values:
                given = {name: AbsentValue(value) for name, value in identity.absent_values.items()}
                AbsentValuesFile(self._client.own_folder_of_experiment(experiment)).keep(given)
        for experiment, values in self._native_absent_values.items():
            if values:
                AbsentValuesFile(self._client.own_folder_of_experiment(experiment)).merge(
                    values, self._source.location
                )

    def _ingest_runs(self, ingestion: Ingestion, counts: dict[Ingested, int], *, dry_run: bool) -> _RunKeys:
        """Ingest every run that is not stored yet; returns the keys of all runs by configuration."""
        run_keys: _RunKeys = {}
        for external in show_progress(self._selected_runs(), "importing runs", len(self._observed)):
            if external.key not in self._observed:  # the identity was not inferred from it
                self._failed[external.key] = "it began while the source was read: import again"
                continue
            identity = self._identity_of(external)
            configuration = translated_configuration(external, identity, is_reserved_name)
            try:
                amended = ingestion.amended(external) if ingestion.differs(external, configuration) else None
            except LegmError as error:
                self._failed[external.key] = str(error)
                continue
            if amended is not None:
                configuration = amended.configuration
            target = configuration.experiment, configuration.fingerprint
            runs = run_keys.setdefault(target, {})
            self._targets[target] = configuration
            status = ingestion.known(external)
            has_moved = ingestion.has_moved(external, configuration)
            may_grow = status is Status.INTERRUPTED or external.can_grow
            has_ended = status is not None and (not may_grow or self._runs.is_unchanged(external.key))
            if dry_run or (has_ended and not has_moved):
                ingested = Ingested.UPDATED if has_moved else Ingested.UNCHANGED
                counts[Ingested.CREATED if status is None else ingested] += 1
            else:
                try:
                    if self._runs.is_unchanged(external.key):
                        external = self._runs.run(external.key)  # noqa: PLW2901 - with all that it has
                    new = translate_run(external, self._source.kind, identity, is_reserved_name)
                    amended = amended or ingestion.amended(external)
                except LegmError as error:
                    self._failed[external.key] = str(error)
                    self._all_compared[self._fingerprint_if_all_compared(external)] -= 1
                    continue
                counts[ingestion.ingest(external, new, self._source.notes, amended)] += 1
            runs[translated_run_id(external, self._source.kind)] = external.key
        return run_keys

    def _identity_of(self, external: ExternalRun) -> Identity:
        return self._identities.get(translated_experiment(external), UNDECIDED)

    def _verify(self, run_keys: _RunKeys, verification: Verification) -> int:
        """Compare the runs with their source; returns how many are known to be unchanged since they were."""
        unread = 0
        folders = {target: self._client.folder(self._targets[target]) for target in run_keys}
        for target, keys in show_progress(run_keys.items(), "verifying configurations"):
            if all(map(self._runs.is_unchanged, keys.values())) and self._runs.is_known_folder(
                target, folders[target]
            ):
                unread += len(keys)
                continue
            missing = dict(keys)
            translated: dict[str, str] = {}
            for result in self._client.runs_as_stored(Query(*target)):
                key = missing.pop(result.run.run_id, None)
                if key is not None and self._verify_source(key, result, verification):
                    translated[result.run.run_id] = key
            for result in self._client.runs_as_stored(Query(*target, None, None)) if translated else ():
                key = translated.pop(result.run.run_id, None)
                if key is not None:
                    self._verify_series(key, result, verification)
            for key in (*missing.values(), *translated.values()):
                verification.differences[key] = "the run is missing"
        unequal = {*self._failed, *verification.differences}
        equal = [key for keys in run_keys.values() for key in keys.values() if key not in unequal]
        self._runs.store(
            equal,
            {
                target: folders[target]
                for target, keys in run_keys.items()
                if unequal.isdisjoint(keys.values())
            },
        )
        return unread

    def _translate(self, key: str) -> tuple[ExternalRun, TranslatedRun]:
        external = self._runs.run(key)
        identity = self._identity_of(external)
        return external, translate_run(external, self._source.kind, identity, is_reserved_name)

    def _verify_source(self, key: str, result: RunResult, verification: Verification) -> bool:
        """Compare all of a run but its series; returns whether it could be read."""
        run_id = result.run.run_id
        try:
            external, new = self._translate(key)
            its = amended_since_import(self._client, result.run.configuration, run_id)
            new = as_amended(new, its)
        except LegmError as error:
            self._failed[key] = str(error)
            return False
        folder = self._client.folder(new.run.configuration)
        if folder is None:
            verification.differences[key] = "its configuration has no folder"
            return False
        keeps_files = self._client.supports(Capability.ARTIFACTS)
        files = artifacts_folder(folder, run_id) if keeps_files else None
        log = LogFolder.of(folder).finalized_path(run_id)
        verification.verify_source(external, new, result, log, files)
        return True

    def _verify_series(self, key: str, result: RunResult, verification: Verification) -> None:
        try:
            verification.verify_series(key, result, lambda: self._translate(key)[1])
        except LegmError as error:
            self._failed[key] = str(error)
