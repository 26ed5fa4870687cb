"""Replays runs into another backend, each once, and reads them back."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from legm.core import results
from legm.core.absent_values import stored_absent_values
from legm.core.record_files import file_paths
from legm.core.result_equality import differing_result_fields, result_digests
from legm.core.run_marks import joined_marks
from legm.delivery.absent_values_file import AbsentValuesFile
from legm.delivery.backlog import replay_backlog
from legm.delivery.client import BackendClient, connect_client
from legm.delivery.folder_access import open_folder_access
from legm.delivery.run_session import store_run
from legm.errors import BackendError, LegmError
from legm.export.export_report import Exported, Report, State
from legm.export.selected_source import selected_source
from legm.export.sources import (
    BackendExportSource,
    ConfigurationRuns,
    ExportSource,
    FolderExportSource,
    LoadedRun,
    UnavailableRun,
)
from legm.hooks import Capability
from legm.media.content_files import copied_media_content
from legm.records import Artifact, Media, Plain, Query, Record, Run, RunMarks, RunResult, Status
from legm.runlog import log_reader
from legm.runlog.file_names import log_file_name
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_frames import encode_frames
from legm.runlog.log_writer import write_run_log
from legm.runlog.marks_files import change_marks
from legm.runlog.user_files import UserFiles
from legm.util.given_paths import resolved_path
from legm.util.progress import show_progress

__all__ = ["export_runs", "export_source_of"]

_MAX_REFUSALS = 3  # after so many refused runs in a row, the rest is not tried


def export_runs(
    root: str | os.PathLike[str],
    to: object,
    options: Mapping[str, Any] | None = None,
    *,
    into: str | os.PathLike[str] | None = None,
    source: object = "local",
    source_options: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    where: str | Sequence[str] | None = None,
) -> Report:
    """Replay every run that has ended into a backend, read the runs back and compare them.

    A run that the backend already has is not delivered again; a partial delivery is continued.
    Of what is in the root directory, only runs whose process died are changed: they are finalized first.

    Args:
        root: the folder of the runs: a root directory, or an experiment or a configuration in it.
        to: the backend that receives them: its name, class or an instance.
        options: its options.
        into: its root directory; by default that of the runs. Required for a backend that writes folders.
        source: the backend that stores the runs.
        source_options: its options.
        experiment: only the runs of this one; for a source whose runs are not found by a folder's path.
        where: selects configurations and runs as ``--where`` does; None for all.

    Returns:
        how many runs were delivered, how many were already there, what was compared, and the problems
            of single runs.

    Raises:
        LegmError: there are no runs, or a backend cannot be used. Problems of single runs
            are in the report.
    """
    runs, source_root = export_source_of(root, source, source_options or {}, experiment)
    runs = selected_source(runs, where)
    target_root = source_root if into is None else Path(into)
    client = connect_client(target_root, to, options)
    _refuse_export_to_itself(client, runs, source_root, into)
    export = _ExportToBackend(client)
    replayed = export.replay_all(runs)
    for _ in show_progress(replayed, f"exporting to {client.name}", runs.number_of_runs):
        pass
    return export.report()


def export_source_of(
    root: str | os.PathLike[str],
    source: object,
    options: Mapping[str, Any],
    experiment: str | None,
    *,
    series: bool = True,
    running: bool = False,
) -> tuple[ExportSource, Path]:
    """The source of the runs, and its root directory; running ones are loaded only if that is wanted.

    Raises:
        LegmError: there are no runs, or the backend cannot be used.
    """
    folder = Path(root)
    folders = open_folder_access(source, options)
    if folders is not None:
        if experiment is not None:
            raise BackendError(
                f"the backend {folders.backend!r} takes the experiment {experiment!r} as a folder: "
                "ROOT/EXPERIMENT"
            )
        found = FolderExportSource(folders, folder, series=series, running=running)
        return found, found.root
    client = connect_client(folder, source, options)
    return BackendExportSource(client, experiment, series=series, running=running), folder


def _refuse_export_to_itself(
    client: BackendClient, source: ExportSource, source_root: Path, into: str | os.PathLike[str] | None
) -> None:
    """Refuse to export a store into itself.

    Raises:
        BackendError: source and target are the same store, or no root directory was given.
    """
    if client.supports(Capability.FOLDERS) and into is None:
        raise BackendError(f"the backend {client.name!r} writes folders: give its root directory (into)")
    is_same = resolved_path(client.root) == resolved_path(source_root)
    if is_same and (client.name, client.options) == source.backend:
        raise BackendError(f"the runs are already in this store: {client.name} in {source_root}")


_Key: TypeAlias = tuple[str, str]  # a configuration: its experiment and fingerprint


@dataclass(frozen=True, slots=True)
class _DeliveredExport:
    """A run that the target accepted.

    Args:
        outcome: what is reported if it reads back as expected.
        expected: the digests with which it should read back.
    """

    outcome: Exported
    expected: dict[str, str]


@dataclass(slots=True)
class _ExportToBackend:
    """An export, with what it has found so far.

    Args:
        client: of the target.
    """

    client: BackendClient
    states: Counter[State] = field(default_factory=Counter)
    points: int = 0
    equal: int = 0
    summaries: int = 0
    reported: list[Exported] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _refused: list[str] = field(default_factory=list)
    _absent_values: dict[str, dict[str, Plain]] = field(default_factory=dict)

    def report(self) -> Report:
        """The report of what was exported."""
        return Report(
            self.client.name, self.states, self.points, self.equal, self.summaries, tuple(self.reported)
        )

    def replay_all(self, source: ExportSource) -> Iterator[None]:
        """Export all runs of a source, and yield after each."""
        for group in source.configurations():
            yield from self._replay_configuration(group)
        self._keep_absent_values(source.backend[0])

    def _keep_absent_values(self, source: str) -> None:
        """Keep those of the runs with the target's experiments, where it is a folder of its own."""
        for experiment, values in self._absent_values.items():
            if values and self.client.supports(Capability.FOLDERS):
                folder = self.client.own_folder_of_experiment(experiment)
                AbsentValuesFile(folder).merge(values, f"the runs of {source}")

    def _replay_configuration(self, group: ConfigurationRuns) -> Iterator[None]:
        present: dict[_Key, dict[str, dict[str, str]]] = {}
        delivered: defaultdict[_Key, dict[str, _DeliveredExport]] = defaultdict(dict)
        completed: Counter[str] = Counter()
        for one in group.runs:
            if isinstance(one, UnavailableRun):
                self._add(
                    Exported(one.where, State.RUNNING if one.is_running else State.MISSING, 0, one.reason)
                )
                yield
                continue
            run = one.result.run
            if run.run_id in self._seen:  # it is in a copy of the folder too
                continue
            self._seen.add(run.run_id)
            known_absent = self._absent_values.setdefault(run.configuration.experiment, {})
            known_absent.update(stored_absent_values(run.configuration))
            completed[run.description] += one.result.status is Status.COMPLETED
            key = run.configuration.experiment, run.configuration.fingerprint
            if key not in present:
                present[key] = self._stored_digests(*key)
            expected = result_digests(self._as_stored(one))
            known = Exported(_location_of_run_to_export(one), State.THERE, one.result.points, self._note(one))
            if present[key].get(run.run_id) == expected and self._is_finalized(run):
                self.equal += 1
                self._add(known)
            elif one.is_partial and run.run_id in present[key]:
                self._add(replace(known, text=f"{one.note}; the target's run is kept as it is"))
            elif self._try_to_deliver(one):
                delivered[key][run.run_id] = _DeliveredExport(replace(known, state=State.DELIVERED), expected)
            yield
        for key, runs in delivered.items():
            self._read_back(*key, runs)
        if present:
            self._summaries(group, completed)

    def _add(self, one: Exported) -> None:
        self.states[one.state] += 1
        if one.text:
            self.reported.append(one)

    def _stored_digests(self, experiment: str, fingerprint: str) -> dict[str, dict[str, str]]:
        """By run id, the digests of a configuration's runs in the target; empty if it cannot be read."""
        query = Query(experiment, fingerprint, histories=None)
        try:
            found = self.client.intact_runs_as_stored(query, lambda _: None)  # a damaged one is replaced
            return {result.run.run_id: result_digests(result) for result in found}
        except LegmError:
            return {}  # a run that is delivered again replaces the stored one

    def _is_finalized(self, run: Run) -> bool:
        """Whether a run in the target was finalized: an earlier export may have been killed."""
        if not self.client.supports(Capability.FOLDERS):
            return True
        folder = self.client.folder(run.configuration)
        return folder is None or not LogFolder.of(folder).pending_path(run.run_id).exists()

    def _as_stored(self, one: LoadedRun) -> RunResult:
        """The result as the target should return it."""
        writes_folders = self.client.supports(Capability.FOLDERS)
        if writes_folders and one.log is None and one.result.status is not Status.COMPLETED:
            return results.run_result(one.result.run, one.records)  # read from the log that we write
        return one.result

    def _try_to_deliver(self, one: LoadedRun) -> bool:
        """Deliver a run, and return whether the target accepted it."""
        if len(self._refused) >= _MAX_REFUSALS:
            text = f"not tried, because {_MAX_REFUSALS} runs in a row were refused: {self._refused[-1]}"
            self._add(Exported(_location_of_run_to_export(one), State.MISSING, 0, text))
            return False
        try:
            self._deliver(one)
        except (LegmError, OSError) as error:
            self._refused.append(str(error))
            self._add(Exported(_location_of_run_to_export(one), State.MISSING, 0, str(error)))
            return False
        self._refused.clear()
        return True

    # Delivery

    def _deliver(self, one: LoadedRun) -> None:
        if self.client.supports(Capability.FOLDERS):
            self._store_in_folder(one)
        elif one.log is not None:
            known = log_reader.Log(one.log, one.result.run, list(one.records))
            replay_backlog(self.client, known, one.result, _records_with_files_to_export)
        else:
            with tempfile.TemporaryDirectory(prefix="legm-") as folder:
                log = Path(folder) / log_file_name("run")
                write_run_log(log, one.result.run, one.records)
                replay_backlog(
                    self.client, log_reader.Log(log, one.result.run, list(one.records)), one.result
                )

    def _store_in_folder(self, one: LoadedRun) -> None:
        """Store a run in a configuration's folder, with a run log of its own."""
        run = one.result.run
        files = UserFiles(self.client.make_folder(run.configuration), run.description, run.run_id)
        records: list[Record] = []
        for record in _records_with_files_to_export(one.records):
            if isinstance(record, Artifact):
                records.append(Artifact(record.name, str(files.keep(Path(record.path), record.name))))
            elif isinstance(record, Media):
                records.append(copied_media_content(record, files.folder, run.run_id))
            else:
                records.append(record)
        store_run(self.client, run, encode_frames(records), one.result)
        if one.result.marks != RunMarks():
            change_marks(
                LogFolder.of(files.folder), run.run_id, lambda own: joined_marks(own, one.result.marks)
            )

    # Reading back

    def _read_back(self, experiment: str, fingerprint: str, delivered: dict[str, _DeliveredExport]) -> None:
        """Read a configuration's runs back, and compare those that were delivered."""
        problem, damaged = "the target does not return it", dict[str, str]()
        query = Query(experiment, fingerprint, histories=None)
        rest = dict(delivered)
        try:
            for result in self.client.intact_runs_as_stored(
                query, lambda one: damaged.update({one.run_id: one.problem})
            ):
                if result.run.run_id not in rest:
                    continue
                one = rest.pop(result.run.run_id)
                wrong = differing_result_fields(result, one.expected)
                if wrong:
                    text = f"the target returns it with different {', '.join(wrong)}"
                    self._add(replace(one.outcome, state=State.MISSING, text=text))
                else:
                    self.equal += 1
                    self.points += one.outcome.points
                    self._add(one.outcome)
        except LegmError as error:
            problem = f"it could not be read back: {error}"
        for run_id, one in rest.items():
            self._add(replace(one.outcome, state=State.MISSING, text=damaged.get(run_id, problem)))

    def _note(self, one: LoadedRun) -> str:
        """What a user should know: how the target's run differs from the source's."""
        notes = [one.note]
        if one.result.points != self._as_stored(one).points:
            notes.append("a step that was set twice counts once")
        named = (Artifact, Media)
        files = {record.name for record in one.records if isinstance(record, named)}
        missing = files.difference(
            r.name for r in _records_with_files_to_export(one.records) if isinstance(r, named)
        )
        if missing:
            notes.append(f"these files of the run no longer exist: {', '.join(sorted(missing))}")
        return "; ".join(filter(None, notes))

    def _summaries(self, group: ConfigurationRuns, completed: Mapping[str, int]) -> None:
        """Write the aggregates that are stored with the runs."""
        if group.configuration is None or not self.client.supports(Capability.SUMMARIES):
            return
        try:
            for description, summary in group.summaries(dict(completed)).items():
                self.client.write_summary(group.configuration, description, summary)
                self.summaries += 1
        except LegmError as error:
            self._add(Exported(f"{group.where}, aggregates", State.MISSING, 0, str(error)))


def _location_of_run_to_export(one: LoadedRun) -> str:
    run = one.result.run
    parent = one.folder or f"{run.configuration.experiment}/{run.configuration.name}"
    return f"{parent}, run {run.run_id}"


def _records_with_files_to_export(records: Sequence[Record]) -> list[Record]:
    """The records without files that do not exist any more."""
    return [one for one in records if all(Path(path).is_file() for path in file_paths(one))]
