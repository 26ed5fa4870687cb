"""Begins a handler's run: what is recorded with it, and what observes the process while it lasts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from legm.core.parameters import Parameters
from legm.core.seeds import looks_like_seed
from legm.delivery.claims import ClaimSlot
from legm.delivery.client import BackendClient
from legm.delivery.object_classes import run_with_classes, warn_of_other_classes
from legm.delivery.process_end import PROCESS_END
from legm.delivery.resuming import ResumableRun, WantedRun
from legm.delivery.run_session import RunSession, new_run
from legm.delivery.unrecorded_session import UnrecordedSession
from legm.provenance.collect import ProvenanceCollector, collect_started_environment, is_provenance_wanted
from legm.records import Configuration
from legm.runlog.log_folder import LogFolder
from legm.system_metrics.sampler import SystemSampler

__all__ = ["RunOptions", "RunStarter", "warn_of_compared_seeds"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is recorded with every run of a handler.

    Args:
        is_recorded: whether this process records its runs at all.
        console_limit: up to how many bytes of what is printed; 0 for nothing.
        has_system_metrics: whether the use of the machine.
        has_provenance: whether where the run comes from, unless the environment switches that off.
    """

    is_recorded: bool
    console_limit: int
    has_system_metrics: bool
    has_provenance: bool


@dataclass(frozen=True, slots=True)
class RunStarter:
    """Begins the runs of a handler.

    Args:
        client: of the primary backend.
        parameters: the handler's.
        description: of the runs.
        slot: the claim that becomes the next run.
        options: what is recorded.
    """

    client: BackendClient
    parameters: Parameters
    description: str
    slot: ClaimSlot
    options: RunOptions

    def begin(
        self, configuration: Configuration, wanted: WantedRun | None = None, rewind_to: int | None = None
    ) -> RunSession | UnrecordedSession:
        """Begin a run, or resume an earlier one.

        Args:
            configuration: what it is a run of.
            wanted: which run is resumed; None for a new one.
            rewind_to: the step that a resumed run goes back to; None for none.

        Returns:
            the run; in a process that does not record, one that accepts every call and stores nothing.

        Raises:
            LegmError: as :class:`~legm.delivery.run_session.RunSession`.
        """
        has_provenance = is_provenance_wanted(self.options.has_provenance)
        hidden = self.parameters.hidden_texts() if has_provenance else frozenset[str]()
        origin = collect_started_environment(hidden) if has_provenance else None
        run = new_run(configuration, self.description, self.parameters.uncompared(), origin=origin)
        if not has_provenance:
            run = replace(run, environment={})
        run = run_with_classes(run, self.parameters)
        if not self.options.is_recorded:
            log.info("this process does not record its run: the process with rank 0 does")
            return UnrecordedSession(run)
        resumable = ResumableRun(self.client.root, run, wanted, rewind_to) if wanted else None
        session = RunSession(self.client, run, self.slot, resumable)
        if has_provenance:
            self._collect_provenance(session, hidden)
        PROCESS_END.watch(session)
        warn_of_other_classes(replace(run, run_id=session.run.run_id), LogFolder.of(session.folder))
        self._observe(session)
        log.info(
            "run %s of %s %s in %s",
            session.run.run_id,
            configuration.experiment,
            f"is resumed after step {session.recorder.last_step}" if session.is_resumed else "began",
            session.files.folder,
        )
        return session

    def _collect_provenance(self, session: RunSession, hidden: frozenset[str]) -> None:
        collector = ProvenanceCollector(
            session.recorder,
            session.files,
            Path(self.client.root),
            hidden,
            is_resumed=session.is_resumed,
        )
        collector.start()
        session.companions.append(collector)

    def _observe(self, session: RunSession) -> None:
        if self.options.console_limit:
            from legm.console.run_console import RunConsole

            limit = self.options.console_limit
            session.companions.append(RunConsole.of_run(session.folder, session.run.run_id, limit, session))
        if self.options.has_system_metrics:
            sampler = SystemSampler(session.run, session.folder, session.recorder.add_record, session)
            session.companions.append(sampler)


def warn_of_compared_seeds(configuration: Configuration) -> None:
    """Log a warning for each active parameter that looks like a seed."""
    for name in filter(looks_like_seed, configuration.active):
        log.warning(
            "the parameter %r is compared, so each of its values makes a configuration of its own, and "
            "they are not averaged: call disable_param(%r) before start() if it only distinguishes runs",
            name,
            name,
        )
