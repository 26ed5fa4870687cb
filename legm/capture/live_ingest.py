"""Takes the runs of a script into a root directory while they go on, and as they are when they end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from legm.capture.live import LiveRun
from legm.capture.tailers import Tailer
from legm.delivery.client import connect
from legm.delivery.session import delete_run
from legm.errors import LegmError, closest
from legm.importers.decisions import Overrides, deciding
from legm.importers.external import ExternalRun, Source
from legm.importers.identity import Identity, Observed, infer
from legm.importers.ingest import Ingestion
from legm.importers.names import is_reserved
from legm.importers.notes import Notes
from legm.importers.translation import experiment_of, parameters_of, translated
from legm.records import Points, Run, Status

__all__ = ["Captured", "LiveIngest", "captured"]

log = logging.getLogger("legm.capture")

_SOON, _AT_LAST = 0.5, 5.0  # seconds until a run begins: after its first number, or without one


def captured(run: ExternalRun, experiment: str | None, ending: str | None = None) -> ExternalRun:
    """A run of a private store as it is captured.

    Args:
        run: as its store tells it.
        experiment: the experiment that was asked for; None for its own.
        ending: what became of it if it has not ended in its store; None while it can go on.
    """
    if experiment is not None and run.own is None:
        run = replace(
            run, experiment=experiment, details={**run.details, "captured_experiment": run.experiment}
        )
    if ending is not None and run.status is Status.RUNNING:
        run = replace(run, status=Status.INTERRUPTED, error=ending)
    return run


class Captured:
    """A private store when its script has ended, as an import takes it: see :func:`captured`."""

    def __init__(self, source: Source, experiment: str | None, ending: str) -> None:
        self._source = source
        self._experiment = experiment
        self._ending = ending
        self.kind, self.place, self.notes = source.kind, source.place, source.notes

    def runs(self) -> Iterator[ExternalRun]:
        """Every run."""
        return (captured(run, self._experiment, self._ending) for run in self._source.runs())

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        return captured(self._source.run(key), self._experiment, self._ending)

    def close(self) -> None:
        """Let go of the store."""
        self._source.close()


@dataclass(slots=True)
class _Waiting:
    """A run that has not begun here yet."""

    since: float
    points: list[Points] = field(default_factory=list)
    first: float | None = None

    def is_due(self, now: float) -> bool:
        """Whether it begins: parameters are mostly set before the first numbers, and beside them."""
        return now - self.since >= _AT_LAST or (self.first is not None and now - self.first >= _SOON)


class LiveIngest:
    """The runs of one script, on their way into a root directory.

    Args:
        root: the root directory.
        experiment: the experiment of all runs; None for their own.
        overrides: what a person decided of parameters.

    Raises:
        LegmError: the root directory cannot be used.
    """

    def __init__(self, root: Path, experiment: str | None, overrides: Overrides) -> None:
        self._root = root
        self._experiment = experiment
        self._overrides = overrides
        self._client = connect(root)
        self._ingestions: dict[str, Ingestion] = {}
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._live: dict[tuple[str, str], LiveRun] = {}
        self._landed: dict[tuple[str, str], Run] = {}
        self._hidden: set[tuple[str, str]] = set()
        self._names: set[str] = set()
        self._too_late: set[str] = set()

    @property
    def is_going_on(self) -> bool:
        """Whether a run has begun that has not ended."""
        return bool(self._waiting or self._live)

    def look(self, tailer: Tailer) -> None:
        """Take what is new in a store; a run that cannot be shown is said, and taken when it has ended.

        Raises:
            LegmError: the store cannot be read.
        """
        for update in tailer.look():
            run, at = captured(update.run, self._experiment), (tailer.kind, update.run.key)
            try:
                if update.is_deleted:
                    self._delete_run(at)
                elif run.status is not Status.RUNNING:
                    self.end(at, run)
                elif run.own is None and at not in self._landed and at not in self._hidden:
                    self._go_on(at, run, update.points)
            except LegmError as error:
                log.error("the run %s cannot be shown while it goes on: %s", run.key, error)  # noqa: TRY400
                self._hidden.add(at)

    def _go_on(self, at: tuple[str, str], run: ExternalRun, points: Points) -> None:
        live, now = self._live.get(at), time.monotonic()
        if live is not None and (live.parameters == repr(run.parameters) or now < live.stays_until):
            live.add(points)
        elif live is not None:
            # Parameters came late: it becomes a run of the configuration that all of them make.
            begun = self._begin(at, run, live)
            begun.stays_until = now + 2 * (now - live.begun)  # each time all of it is written again
            begun.add(points)
        else:
            waiting = self._waiting.setdefault(at, _Waiting(now))
            if len(points):
                waiting.points.append(points)
                waiting.first = waiting.first or now
            if waiting.is_due(now):
                begun = self._begin(at, run)
                for early in self._waiting.pop(at).points:
                    begun.add(early)

    def _begin(self, at: tuple[str, str], run: ExternalRun, earlier: LiveRun | None = None) -> LiveRun:
        """Show a run, with what showed of it so far."""
        empty = replace(run, records=lambda: iter(()))
        with deciding(self._root, keep=False) as kept:
            new = translated(empty, at[0], self._decided(run, kept), is_reserved).run
        begun = self._live[at] = LiveRun(self._client, new, repr(run.parameters), earlier)
        return begun

    def _decided(self, run: ExternalRun, kept: Mapping[str, Identity]) -> Identity:
        """What tells the configurations of a run's experiment apart: as it was decided, or inferred."""
        values, _ = parameters_of(run, is_reserved)
        self._names |= set(values)
        known = kept.get(experiment_of(run), Identity())
        decided = {*known.ignored, *known.compared}
        overrides = self._overrides
        self._too_late |= {name for name in (*overrides.seeds, *overrides.ignored) if name in known.compared}
        self._too_late |= {name for name in overrides.compared if name in known.ignored}
        observed = Observed()
        observed.add(values)
        given = overrides.on(known, [name for name in values if name not in decided])
        return infer(observed, given, more_to_come=True)

    def end(self, at: tuple[str, str], run: ExternalRun) -> None:
        """Take a run that has ended, as a whole, in the place of what was shown of it.

        Raises:
            LegmError: it cannot be read or written.
        """
        self._waiting.pop(at, None)
        identity = Identity()
        if run.own is None:
            with deciding(self._root) as kept:
                identity = kept[experiment_of(run)] = self._decided(run, kept)
        new = translated(run, at[0], identity, is_reserved)
        before = self._landed.get(at)
        live = self._live.pop(at, None)
        if live is not None:
            live.close()
            before = live.run
        ingestion = self._ingestions.setdefault(at[0], Ingestion(self._client, at[0]))
        ingestion.put(run, new, Notes())
        if before is not None and before.configuration.fingerprint != new.run.configuration.fingerprint:
            delete_run(self._client, before)
        self._landed[at] = new.run

    def end_all(self, source: Captured) -> None:
        """Take every run of a store whose script has ended: a script may have added to one behind its end.

        The import that follows tells what could not be taken.

        Raises:
            LegmError: the store cannot be read.
        """
        for run in source.runs():
            try:
                self.end((source.kind, run.key), run)
            except LegmError as error:
                log.debug("the run %s did not land: %s", run.key, error)

    def _delete_run(self, at: tuple[str, str]) -> None:
        self._waiting.pop(at, None)
        live, landed = self._live.pop(at, None), self._landed.pop(at, None)
        if live is not None:
            live.close()
            landed = live.run
        if landed is not None:
            delete_run(self._client, landed)

    def complaints(self) -> list[str]:
        """Which overrides could not be met."""
        overrides = self._overrides
        wished = {*overrides.seeds, *overrides.ignored, *overrides.compared, *overrides.named}
        known = self._names
        found = [
            f"no run has a parameter {name!r}: {closest(name, known)}" for name in sorted(wished - known)
        ]
        found += [
            f"whether {name!r} is compared was decided with earlier runs of the experiment, and stays so"
            for name in sorted(self._too_late)
        ]
        return found if known else []

    def close(self) -> None:
        """Let go of what is still shown."""
        for live in self._live.values():
            live.close()
        self._live.clear()
