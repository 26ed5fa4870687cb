"""Replays runs into another backend, each once, and reads back what it has."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from legm.core import results
from legm.core.credentials import redact_run
from legm.core.equality import differing_fields, result_digests
from legm.delivery.backlog import replay
from legm.delivery.client import BackendClient, connect
from legm.delivery.session import store_run
from legm.errors import BackendError, LegmError
from legm.export.reports import Exported, Report, State
from legm.export.sources import BackendSource, Found, LocalSource, Lost, Part, Source
from legm.hooks import Capability
from legm.records import Artifact, Query, Record, Run, RunResult, Status
from legm.runlog import format as runlog
from legm.runlog.encode import encode_frames, write_run_log
from legm.runlog.folder import LogFolder, artifacts_folder
from legm.runlog.user_files import UserFiles
from legm.util.progress import show_progress

__all__ = ["export_runs", "source_of"]

_PATIENCE = 3  # runs that a target may refuse in a row, before the rest is not tried


def export_runs(
    root: str | os.PathLike[str],
    to: object,
    options: Mapping[str, Any] | None = None,
    *,
    into: str | os.PathLike[str] | None = None,
    source: object = "local",
    source_options: Mapping[str, Any] | None = None,
    experiment: str | None = None,
) -> Report:
    """Replay every run that is over into a backend, and compare what it then has with what was given.

    What is there already is not delivered again, and what was delivered in part goes on from there. The
    root directory is only read.

    Args:
        root: where the runs are: a root directory, or an experiment or a configuration in it.
        to: the backend that gets them: its name, class or an instance.
        options: its own.
        into: its root directory; without one that of the runs. A backend that keeps folders needs another.
        source: the backend that has the runs.
        source_options: its own.
        experiment: the one whose runs are wanted, where another backend than the local one has them.

    Raises:
        LegmError: there are no runs, or a backend cannot be used. What is wrong with single runs is told
            in the report.
    """
    found, place = source_of(root, source, source_options or {}, experiment)
    target = place if into is None else Path(into)
    client = connect(target, to, options)
    _refuse_itself(client, found, place, into)
    export = _Export(client)
    for _ in show_progress(export.take(found), f"exporting to {client.name}"):
        pass
    return export.report()


def source_of(
    root: str | os.PathLike[str],
    source: object,
    options: Mapping[str, Any],
    experiment: str | None,
    *,
    series: bool = True,
) -> tuple[Source, Path]:
    """Where runs come from, and the root directory that is.

    Raises:
        LegmError: there are no runs, or the backend cannot be used.
    """
    folder = Path(root)
    if source == "local":
        if options:
            raise BackendError(f"the backend 'local' has no options, so none such as {sorted(options)}")
        if experiment is not None:
            raise BackendError(
                f"name the folder of the experiment {experiment!r} instead, as ROOT/EXPERIMENT"
            )
        local = LocalSource(folder, series=series)
        return local, local.root
    client = connect(folder, source, options)
    return BackendSource(client, experiment, series=series), folder


def _refuse_itself(
    client: BackendClient, source: Source, place: Path, into: str | os.PathLike[str] | None
) -> None:
    """A store cannot be exported into itself.

    Raises:
        BackendError: it would be.
    """
    if client.supports(Capability.FOLDERS) and into is None:
        raise BackendError(f"the backend {client.name!r} keeps folders: say into which root directory")
    is_same = client.root.resolve() == place.resolve()
    if is_same and (client.name, client.options) == source.place:
        raise BackendError(f"the runs are in this very store already: {client.name} in {place}")


_Key: TypeAlias = tuple[str, str]  # a configuration: its experiment and fingerprint


@dataclass(frozen=True, slots=True)
class _Delivered:
    """A run that the target took.

    Args:
        told: what is said of it if it comes back as it should.
        expected: how it should come back.
    """

    told: Exported
    expected: dict[str, str]


@dataclass(slots=True)
class _Export:
    """One export on its way.

    Args:
        client: to the target.
    """

    client: BackendClient
    states: Counter[State] = field(default_factory=Counter)
    points: int = 0
    equal: int = 0
    summaries: int = 0
    told: list[Exported] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _refused: list[str] = field(default_factory=list)

    def report(self) -> Report:
        """What came of it."""
        return Report(
            self.client.name, self.states, self.points, self.equal, self.summaries, tuple(self.told)
        )

    def take(self, source: Source) -> Iterator[None]:
        """All the runs of a source; something comes after each."""
        for part in source.parts():
            yield from self._part(part)

    def _part(self, part: Part) -> Iterator[None]:
        present: dict[_Key, dict[str, dict[str, str]]] = {}
        delivered: defaultdict[_Key, dict[str, _Delivered]] = defaultdict(dict)
        completed: Counter[str] = Counter()
        for one in part.runs:
            if isinstance(one, Lost):
                self._tell(
                    Exported(one.where, State.GOES_ON if one.goes_on else State.MISSING, 0, one.reason)
                )
                yield
                continue
            run = one.result.run
            if run.run_id in self._seen:  # in a copy of the folder
                continue
            self._seen.add(run.run_id)
            completed[run.description] += one.result.status is Status.COMPLETED
            key = run.configuration.experiment, run.configuration.fingerprint
            if key not in present:
                present[key] = self._present(*key)
            expected = result_digests(self._as_kept(one))
            known = Exported(_where(one), State.THERE, one.result.points, self._note(one))
            if present[key].get(run.run_id) == expected and self._is_settled(run):
                self.equal += 1
                self._tell(known)
            elif self._is_delivered(one):
                delivered[key][run.run_id] = _Delivered(replace(known, state=State.DELIVERED), expected)
            yield
        for key, runs in delivered.items():
            self._check(*key, runs)
        if present:
            self._summaries(part, completed)

    def _tell(self, one: Exported) -> None:
        self.states[one.state] += 1
        if one.text:
            self.told.append(one)

    def _present(self, experiment: str, fingerprint: str) -> dict[str, dict[str, str]]:
        """By run id, what the target has of a configuration; nothing where it cannot be read."""
        query = Query(experiment, fingerprint, histories=None)
        try:
            found = self.client.runs(query)
            return {result.run.run_id: result_digests(result) for result in found}
        except LegmError:
            return {}  # what is delivered again is put in the place of what is there

    def _is_settled(self, run: Run) -> bool:
        """Whether the target was done with a run that it has: an export may have been killed."""
        if not self.client.supports(Capability.FOLDERS):
            return True
        folder = self.client.folder(run.configuration)
        return folder is None or not (LogFolder.of(folder).open_folder / f"{run.run_id}.log").exists()

    def _as_kept(self, one: Found) -> RunResult:
        """The result as the target gives it back."""
        if self.client.is_remote:
            return replace(one.result, run=redact_run(one.result.run))
        keeps_folders = self.client.supports(Capability.FOLDERS)
        if keeps_folders and one.log is None and one.result.status is not Status.COMPLETED:
            return results.run_result(one.result.run, one.records)  # it comes from the log that we write
        return one.result

    def _is_delivered(self, one: Found) -> bool:
        """Deliver a run that is not there, and say whether the target took it."""
        if len(self._refused) >= _PATIENCE:
            text = f"not tried, after {_PATIENCE} runs in a row were refused: {self._refused[-1]}"
            self._tell(Exported(_where(one), State.MISSING, 0, text))
            return False
        try:
            self._deliver(one)
        except (LegmError, OSError) as error:
            self._refused.append(str(error))
            self._tell(Exported(_where(one), State.MISSING, 0, str(error)))
            return False
        self._refused.clear()
        return True

    # Delivery

    def _deliver(self, one: Found) -> None:
        if self.client.supports(Capability.FOLDERS):
            self._into_folder(one)
        elif one.log is not None:
            known = runlog.Log(one.log, one.result.run, list(one.records))
            replay(self.client, known, one.result, lambda records: _with_files(records, one))
        else:
            with tempfile.TemporaryDirectory(prefix="legm-") as folder:
                log = Path(folder) / "run.log"
                write_run_log(log, one.result.run, one.records)
                replay(self.client, runlog.Log(log, one.result.run, list(one.records)), one.result)

    def _into_folder(self, one: Found) -> None:
        """With a log of its own, which belongs to a configuration's folder."""
        run = one.result.run
        files = UserFiles(self.client.make_folder(run.configuration), run.description, run.run_id)
        records = [
            Artifact(record.name, str(files.keep(Path(record.path), record.name)))
            if isinstance(record, Artifact)
            else record
            for record in _with_files(one.records, one)
        ]
        store_run(self.client, run, encode_frames(records), one.result)

    # What the target then has

    def _check(self, experiment: str, fingerprint: str, delivered: dict[str, _Delivered]) -> None:
        """Read a configuration's runs back, and compare those that were delivered."""
        trouble = "the target does not give it back"
        query = Query(experiment, fingerprint, histories=None)
        rest = dict(delivered)
        try:
            for result in self.client.runs(query):
                if result.run.run_id not in rest:
                    continue
                one = rest.pop(result.run.run_id)
                wrong = differing_fields(result, one.expected)
                if wrong:
                    text = f"the target gives back other {', '.join(wrong)}"
                    self._tell(replace(one.told, state=State.MISSING, text=text))
                else:
                    self.equal += 1
                    self.points += one.told.points
                    self._tell(one.told)
        except LegmError as error:
            trouble = f"it could not be read back: {error}"
        for one in rest.values():
            self._tell(replace(one.told, state=State.MISSING, text=trouble))

    def _note(self, one: Found) -> str:
        """What a person should know: what the target has otherwise than the source."""
        run = one.result.run
        notes = [one.note]
        if self.client.is_remote and redact_run(run) is not run:
            notes.append("its credentials stay here")
        if one.result.points != self._as_kept(one).points:
            notes.append("a step that was set twice counts once")
        files = {record.name for record in one.records if isinstance(record, Artifact)}
        gone = files.difference(r.name for r in _with_files(one.records, one) if isinstance(r, Artifact))
        if gone:
            notes.append(f"these files of it are gone: {', '.join(sorted(gone))}")
        return "; ".join(filter(None, notes))

    def _summaries(self, part: Part, completed: Mapping[str, int]) -> None:
        """Write the aggregates that are kept with the runs."""
        if part.configuration is None or not self.client.supports(Capability.SUMMARIES):
            return
        try:
            for description, summary in part.summaries(dict(completed)).items():
                self.client.write_summary(part.configuration, description, summary)
                self.summaries += 1
        except LegmError as error:
            self._tell(Exported(f"{part.where}, aggregates", State.MISSING, 0, str(error)))


def _where(one: Found) -> str:
    run = one.result.run
    place = one.folder or f"{run.configuration.experiment}/{run.configuration.name}"
    return f"{place}, run {run.run_id}"


def _with_files(records: Sequence[Record], one: Found) -> list[Record]:
    """The records with files where they are now; what is gone is left out."""
    found: list[Record] = []
    for record in records:
        if not isinstance(record, Artifact):
            found.append(record)
            continue
        path = Path(record.path)
        if not path.is_file() and one.folder is not None:  # the root directory was moved
            path = artifacts_folder(one.folder, one.result.run.run_id) / path.name
        if path.is_file():
            found.append(Artifact(record.name, str(path)))
    return found
