"""Hands records on to the backend, remembers how far it has got, and catches up from the run log.

Records reach a backend in order. One that could not take a batch gets it again from the run log with
the next one; training never waits for it. What is still owed when a run ends is an error of ``log()``,
and is delivered by the next look at the configuration.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from legm import runlog
from legm.errors import BackendError, CorruptFile, LegmError, NotSupported, StorageError
from legm.hooks import Backend, Capability
from legm.logs import LogFolder
from legm.naming import safe_name, shortened
from legm.records import Configuration, Outcome, Record, Run, RunResult, Status
from legm.registry import plugin_manager

__all__ = ["Delivery", "Relay", "catch_up"]

log = logging.getLogger(__name__)


class Relay:
    """The way to a backend's hooks.

    Args:
        backend: where the records go, and where reads come from.
        root: the root directory.
    """

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend = backend
        self._root = root
        manager = plugin_manager([backend])
        self._hooks: dict[str, Any] = {
            name: manager.subset_hook_caller(name, [])
            for name in dir(manager.hook)
            if name.startswith("legm_")
        }

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook of the backend's.

        Raises:
            LegmError: whatever the backend raises; what is no LegmError becomes a BackendError.
        """
        try:
            return self._hooks[hook](**arguments)
        except LegmError:
            raise
        except Exception as cause:
            raise BackendError(f"the backend {self.backend.name!r} failed in {hook}: {cause!r}") from cause

    def folder(self, configuration: Configuration, *, create: bool) -> Path | None:
        """Where a configuration's run logs and files are.

        It is the backend's folder, or one below the root directory for a backend that has none.

        Raises:
            StorageError: it cannot be made.
        """
        if Capability.FOLDERS in self.backend.capabilities:
            place: Path | None = self.call("legm_folder", configuration=configuration, create=create)
            return place
        experiment = shortened(safe_name(configuration.experiment), configuration.fingerprint)
        folder = self._root / ".legm" / experiment / configuration.fingerprint
        if create:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as cause:
                raise runlog.storage_error("make the folder", folder, cause) from cause
        return folder if folder.exists() else None

    def require(self, capability: Capability, wanted: str) -> None:
        """Refuse what the backend cannot do.

        Raises:
            NotSupported: it lacks the capability.
        """
        if capability not in self.backend.capabilities:
            has = ", ".join(sorted(c.value for c in self.backend.capabilities)) or "none"
            raise NotSupported(
                f"{wanted} needs the capability {capability.value!r}, which the backend "
                f"{self.backend.name!r} has not (it has: {has})"
            )


class Delivery:
    """One run's records on their way to the backend.

    Args:
        relay: where to.
        run: whose.
        writer: of the run's log, for what has to come again.
        delivered: up to which byte the backend has it already.
    """

    def __init__(self, relay: Relay, run: Run, writer: runlog.LogWriter, delivered: int) -> None:
        self._relay = relay
        self._run = run
        self._writer = writer
        self._delivered = delivered
        self._handed_on = writer.position
        self._troubled = False

    def __call__(self, records: Sequence[Record], position: int) -> Mapping[str, int]:
        """Hand on records that the log now has; an error is logged once, and made good later.

        Returns:
            the cursors: by backend, up to which byte it has the run.
        """
        try:
            self._write(self._owed(position) if self._delivered != self._handed_on else records, position)
            self._troubled = False
        except LegmError as error:
            if not self._troubled:
                log.error("%s. Training goes on; the run log keeps what is owed.", error)  # noqa: TRY400
            self._troubled = True
        self._handed_on = position
        return {self._relay.backend.name: self._delivered}

    def _owed(self, position: int) -> list[Record]:
        """What the log has up to a position and the backend has not."""
        records = runlog.read(self._writer.path, self._delivered, position).records
        return [record for record in records if not isinstance(record, Outcome)]  # these come with close()

    def _write(self, records: Sequence[Record], position: int) -> None:
        if records:
            self._relay.call("legm_write", run=self._run, records=records, position=position)
        self._delivered = position

    def close(self, result: RunResult, records: Sequence[Record]) -> None:
        """Hand on what is owed, let the backend finish the run, and note in the log that it has all of it.

        Raises:
            LegmError: it could not.
        """
        position = self._writer.position
        if self._delivered != self._handed_on:
            self._handed_on = position
            self._write(self._owed(position), position)
        self._delivered = self._handed_on = position
        self._relay.call("legm_close_run", run=self._run, result=result, records=records)
        self._writer.append(runlog.cursors_frame({self._relay.backend.name: self._delivered}))


def catch_up(relay: Relay, logs: LogFolder) -> list[RunResult]:
    """Settle what was left by processes that are gone.

    A run that was completed is delivered whole; one that was not gets the outcome "interrupted". Logs
    that are damaged are reported and left alone.

    Returns:
        the results of the runs that were settled.
    """
    settled = []
    for path in logs.unsettled():
        try:
            writer = runlog.LogWriter(path, create=False)
        except CorruptFile as error:
            log.error("%s", error)  # noqa: TRY400
            continue
        except StorageError:
            continue  # it is being written, or not ours to write
        try:
            settled.append(_settle(relay, logs, writer))
        except LegmError as error:
            log.error("%s. What is owed of the run stays in %s.", error, path)  # noqa: TRY400
        finally:
            writer.close()
    return settled


def _settle(relay: Relay, logs: LogFolder, writer: runlog.LogWriter) -> RunResult:
    from legm import selection

    known = runlog.read(writer.path)
    if not any(isinstance(record, Outcome) for record in known.records):
        ended = writer.path.stat().st_mtime
        outcome = Outcome(Status.INTERRUPTED, ended, "the process ended without log()")
        writer.append(runlog.record_frame(outcome))
        known.records.append(outcome)
        log.warning("run %s was interrupted; what it holds is kept in %s", known.run.run_id, writer.path)
    result = selection.result(known.run, known.records)
    relay.call("legm_open_run", run=known.run)
    try:
        Delivery(relay, known.run, writer, known.cursors.get(relay.backend.name, 0)).close(
            result, known.records
        )
    finally:
        relay.call("legm_release_run", run=known.run)
    logs.settle(writer)
    return result
