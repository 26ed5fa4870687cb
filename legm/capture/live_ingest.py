"""Live ingest: shows a script's runs in a root directory while they run, and stores them at their end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from legm.capture.captured_run import CapturedRun
from legm.capture.earlier_runs import EarlierRuns
from legm.capture.live_consoles import LiveConsoles
from legm.capture.resumed_runs import digest_of_launch
from legm.capture.script_console import ScriptConsole, with_console
from legm.capture.staging import StagingFolder
from legm.capture.tailers import Tailer
from legm.console.console_options import console_path
from legm.delivery.client import connect_client
from legm.delivery.run_session import delete_run
from legm.delivery.script_runs import FIRST, LAUNCH
from legm.errors import LegmError, closest
from legm.importers.external_run import ExternalFile, ExternalRun
from legm.importers.identity_decisions import IdentityOverrides, open_decisions
from legm.importers.identity_inference import Identity, infer_identity
from legm.importers.import_notes import ImportNotes
from legm.importers.import_source import ImportSource
from legm.importers.ingest import Ingestion
from legm.importers.labels import LabelUse
from legm.importers.observed import ObservedRuns
from legm.importers.translation import (
    translate_run,
    translated_experiment,
    translated_labels,
    translated_parameters,
)
from legm.importers.valid_names import is_reserved_name
from legm.provenance.collect import is_provenance_wanted
from legm.records import Plain, Points, Run, Status
from legm.runlog.configuration_folders import artifacts_folder
from legm.util.process_rank import RANK_TAG

__all__ = ["CaptureIngestSource", "CapturedLaunch", "LiveIngest", "as_captured_run"]

log = logging.getLogger("legm.capture")

_DELAY_WITH_NUMBERS, _DELAY_WITHOUT_NUMBERS = (
    0.5,
    5.0,
)  # seconds until a run is shown: after its first number, or without any


def as_captured_run(
    run: ExternalRun, experiment: str | None, end_description: str | None = None
) -> ExternalRun:
    """A run of a private store, adapted to the capture.

    Args:
        run: the run as its store describes it.
        experiment: the requested experiment; None for the run's own.
        end_description: why it ended if its store has no end; None while it may still be running.
    """
    if experiment is not None and run.native_run is None:
        run = replace(
            run, experiment=experiment, details={**run.details, "captured_experiment": run.experiment}
        )
    if end_description is not None and run.status is Status.RUNNING:
        run = replace(run, status=Status.INTERRUPTED, error=end_description)
    files = run.files  # those of a model that an earlier capture logged are among its run's files
    return replace(run, files=lambda: tuple({_ingested_file_key(file): file for file in files()}.values()))


def _ingested_file_key(file: ExternalFile) -> tuple[object, ...]:
    """What distinguishes a file of a run: one may be several media, such as equal pictures of one step."""
    medium = file.medium
    return (file.name,) if medium is None else (file.name, *medium.key, medium.caption)


class CapturedLaunch:
    """How the script was started, for its runs: the same command resumes the first one.

    Args:
        launch: its command and its folder; nothing where they are unknown.
    """

    def __init__(self, launch: Mapping[str, Plain]) -> None:
        self._launch = dict(launch)
        self._first: dict[str, str] = {}

    def note(self, kind: str, run: ExternalRun) -> None:
        """Note that the script writes a run: the one that is noted first is its first one."""
        if run.native_run is None:
            self._first.setdefault(kind, run.key)

    def of_run(self, kind: str, run: ExternalRun) -> ExternalRun:
        """A run with the command that began it, and whether it was the first one."""
        if not self._launch or run.native_run is not None:
            return run
        own, origin = self._launch if is_provenance_wanted(True) else {}, run.origin
        is_first = self._first.get(kind) == run.key
        details = {
            **run.details,
            LAUNCH: digest_of_launch(self._launch),
            **({FIRST: True} if is_first else {}),
        }
        return replace(run, details=details, origin=lambda: {**own, **origin()})


class CaptureIngestSource:
    """A private store as an import source, once its script has ended: see :func:`as_captured_run`."""

    def __init__(
        self,
        source: ImportSource,
        experiment: str | None,
        end_description: str,
        earlier: EarlierRuns,
        console: ScriptConsole,
        launch: CapturedLaunch,
    ) -> None:
        self._source = source
        own = [run for run in source.runs() if RANK_TAG not in run.tags]
        self._consoles = console.files(own)
        self._launch = launch
        for run in sorted(own, key=lambda run: run.started):
            launch.note(source.kind, run)
        self._earlier = earlier
        self._experiment = experiment
        self._ending = end_description
        self.kind, self.location, self.notes = source.kind, source.location, source.notes

    def runs(self) -> Iterator[ExternalRun]:
        """Every run that rank 0 began."""
        for run in self._source.runs():
            if RANK_TAG in run.tags:
                self.notes.add("runs of ranks other than 0 were left out", run.key)
            else:
                yield self._as_captured(run)

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        return self._as_captured(self._source.run(key))

    def _as_captured(self, run: ExternalRun) -> ExternalRun:
        console = self._consoles.get(run.key)
        captured = self._launch.of_run(self.kind, as_captured_run(run, self._experiment, self._ending))
        found = self._earlier.joined(captured, self.kind)
        if console is None:
            return found
        return replace(found, files=lambda: with_console(found.files(), console))

    def close(self) -> None:
        """Close the store."""
        self._source.close()


@dataclass(slots=True)
class _WaitingLiveRun:
    """A run that is not shown yet."""

    since: float
    points: list[Points] = field(default_factory=list)
    first: float | None = None

    def is_due(self, now: float) -> bool:
        """Whether to show it now; most parameters are set before the first numbers, or just after."""
        return now - self.since >= _DELAY_WITHOUT_NUMBERS or (
            self.first is not None and now - self.first >= _DELAY_WITH_NUMBERS
        )


def _compared_ingest_text(run: ExternalRun) -> str:
    """What may belong to the run's configuration, as text."""
    return repr((run.parameters, run.labels))


class LiveIngest:
    """Ingests the runs of one script into a root directory while it is running.

    Args:
        root: the root directory.
        experiment: the experiment of all runs; None for their own.
        overrides: what the user decided about parameters.
        staging: the staging folder of the capture.

    Raises:
        LegmError: the root directory cannot be used.
    """

    def __init__(
        self, root: Path, experiment: str | None, overrides: IdentityOverrides, staging: StagingFolder
    ) -> None:
        self._root = root
        self._experiment = experiment
        self._overrides = overrides
        self._client = connect_client(root)
        self.earlier = EarlierRuns(self._client, staging.folder / "earlier", staging.kept)
        self.launch = CapturedLaunch(staging.launch)
        self.consoles = LiveConsoles(staging.console, staging.begun)
        """What the script prints, for each of its runs."""
        self._ingestions: dict[str, Ingestion] = {}
        self._waiting: dict[tuple[str, str], _WaitingLiveRun] = {}
        self._live: dict[tuple[str, str], CapturedRun] = {}
        self._ingested: dict[tuple[str, str], Run] = {}
        self._not_shown: set[tuple[str, str]] = set()
        self._known_names: set[str] = set()
        self._already_decided: set[str] = set()

    @property
    def has_open_runs(self) -> bool:
        """Whether a run has started but not ended."""
        return bool(self._waiting or self._live)

    def ingest_updates(self, tailer: Tailer) -> None:
        """Ingest what is new in a store; a run that cannot be shown is logged, and stored once it has ended.

        Raises:
            LegmError: the store cannot be read.
        """
        for update in tailer.updates():
            if RANK_TAG in update.run.tags:
                continue
            run, at = as_captured_run(update.run, self._experiment), (tailer.kind, update.run.key)
            self.launch.note(tailer.kind, run)
            has_ended = run.status is not Status.RUNNING
            if has_ended:  # else nothing may resume it yet
                run = self.launch.of_run(tailer.kind, run)
            if run.native_run is None:
                self.consoles.set_run(at, run.started, (run.ended or time.time()) if has_ended else None)
            try:
                if update.is_deleted:
                    self._forget_run(at, self.earlier.stored(run, tailer.kind) if update.is_earlier else None)
                elif has_ended:
                    self.ingest_ended(at, self.earlier.joined(run, tailer.kind))
                    if not (update.is_earlier or self.earlier.has(run, tailer.kind)):
                        self._show_console(at, self._ingested[at])
                elif update.is_earlier or self.earlier.has(run, tailer.kind):
                    self._not_shown.add(at)  # what is shown would replace what there is
                elif run.native_run is None and at not in self._ingested and at not in self._not_shown:
                    self._show_update(at, run, update.points)
            except LegmError as error:
                log.error("the run %s cannot be shown while it is running: %s", run.key, error)  # noqa: TRY400
                self._not_shown.add(at)

    def _show_update(self, at: tuple[str, str], run: ExternalRun, points: Points) -> None:
        live, now = self._live.get(at), time.monotonic()
        if live is not None and (live.parameters == _compared_ingest_text(run) or now < live.fixed_until):
            live.add(points)
        elif live is not None:
            # Parameters were added later: show it as a run of the configuration that all of them make.
            started = self._begin_live_run(at, run, live)
            started.fixed_until = now + 2 * (now - live.started)  # restarting writes all of it again
            started.add(points)
        else:
            waiting = self._waiting.setdefault(at, _WaitingLiveRun(now))
            if len(points):
                waiting.points.append(points)
                waiting.first = waiting.first or now
            if waiting.is_due(now):
                started = self._begin_live_run(at, run)
                for early in self._waiting.pop(at).points:
                    started.add(early)

    def _begin_live_run(
        self, at: tuple[str, str], run: ExternalRun, earlier: CapturedRun | None = None
    ) -> CapturedRun:
        """Show a run, with what was shown of it so far."""
        empty = replace(run, records=lambda: iter(()))
        with open_decisions(self._root, keep=False) as decisions:
            new = translate_run(empty, at[0], self._identity_of(run, decisions), is_reserved_name).run
        started = self._live[at] = CapturedRun(self._client, new, _compared_ingest_text(run), earlier)
        self._show_console(at, new)
        return started

    def _show_console(self, at: tuple[str, str], run: Run) -> None:
        folder = self._client.folder(run.configuration)
        if folder is not None:
            self.consoles.show(at, console_path(folder, run.run_id))

    def _identity_of(self, run: ExternalRun, decisions: Mapping[str, Identity]) -> Identity:
        """The identity of a run's experiment: as decided before, else inferred."""
        values, _ = translated_parameters(run, is_reserved_name)
        labels = translated_labels(run, values)
        self._known_names |= {*values, *labels}
        known = decisions.get(translated_experiment(run), Identity())
        decided = {*known.ignored, *known.compared, *known.labels}
        overrides = self._overrides
        compared = {*known.compared, *(name for name, use in known.labels.items() if use != LabelUse.IGNORED)}
        self._already_decided |= {name for name in (*overrides.seeds, *overrides.ignored) if name in compared}
        self._already_decided |= {name for name in overrides.compared if name in decided - compared}
        self._already_decided |= {
            name for name in overrides.compared if known.labels.get(name, LabelUse.WHOLE) != LabelUse.WHOLE
        }
        observed = ObservedRuns()
        observed.add(values, None, labels, run.description, run.started, run.ended)
        given = overrides.apply_to(
            known,
            [name for name in values if name not in decided],
            [name for name in labels if name not in decided],
        )
        found = infer_identity(observed, given, more_to_come=True)
        return found if known == Identity() else _ingest_with_proposed_values(found, known, values)

    def ingest_ended(self, at: tuple[str, str], run: ExternalRun) -> None:
        """Store a run that has ended, replacing what was shown of it.

        Raises:
            LegmError: it cannot be read or written.
        """
        self._waiting.pop(at, None)
        identity = Identity()
        if run.native_run is None:
            with open_decisions(self._root) as decisions:
                identity = decisions[translated_experiment(run)] = self._identity_of(run, decisions)
        new = translate_run(run, at[0], identity, is_reserved_name)
        before = self._ingested.get(at)
        live = self._live.pop(at, None)
        if live is not None:
            live.close()
            before = live.run
        ingestion = self._ingestions.setdefault(at[0], Ingestion(self._client, at[0]))
        ingestion.ingest(run, new, ImportNotes())
        if before is not None and before.configuration.fingerprint != new.run.configuration.fingerprint:
            delete_run(self._client, before)
        self._ingested[at] = new.run

    def ingest_all(self, source: CaptureIngestSource) -> None:
        """Store every run of a store whose script has ended: a run may have been changed after its end.

        The import that follows reports what could not be stored.

        Raises:
            LegmError: the store cannot be read.
        """
        for run in source.runs():
            try:
                self.ingest_ended((source.kind, run.key), run)
            except LegmError as error:
                log.debug("the run %s could not be ingested: %s", run.key, error)

    def _forget_run(self, at: tuple[str, str], earlier: Run | None) -> None:
        self._waiting.pop(at, None)
        self.consoles.forget(at)
        live, stored = self._live.pop(at, None), self._ingested.pop(at, earlier)
        if live is not None:
            live.close()
            stored = live.run
        if stored is not None:
            delete_run(self._client, stored)

    def artifact_folders(self, kind: str) -> dict[str, Path]:
        """The folders with the files of the runs that were stored, by their keys in a kind of store."""
        found = {}
        for (of_kind, key), run in self._ingested.items():
            folder = self._client.folder(run.configuration) if of_kind == kind else None
            if folder is not None:
                found[key] = artifacts_folder(folder, run.run_id)
        return found

    def unmet_overrides(self) -> list[str]:
        """The overrides that had no effect, as messages."""
        overrides = self._overrides
        named = {*overrides.seeds, *overrides.ignored, *overrides.compared, *overrides.named}
        known = self._known_names
        found = [f"no run has a parameter {name!r}; {closest(name, known)}" for name in sorted(named - known)]
        found += [
            f"whether {name!r} is compared was decided by earlier runs of the experiment, and cannot change"
            for name in sorted(self._already_decided)
        ]
        return found if known else []

    def close(self) -> None:
        """Release the runs that are still shown, and the consoles."""
        for live in self._live.values():
            live.close()
        self._live.clear()
        self.consoles.close()


def _ingest_with_proposed_values(found: Identity, known: Identity, values: Mapping[str, Plain]) -> Identity:
    """An identity that proposes the values of parameters that no earlier run had."""
    new = {*found.compared} - {*known.compared, *known.ignored, *found.absent_values}
    proposed = {
        name: values[name]
        for name in sorted(new & {*values})
        if values[name] is not None and values[name] is not False  # 0 is neither
    }
    return replace(found, proposed_absent_values={**proposed, **found.proposed_absent_values})
