"""The way to a backend's hooks: errors translated, capabilities required, credentials kept back.

Where a run goes to several backends, the first is the primary, which reads come from; the others are its
mirrors, whose trouble is logged and never anybody else's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from legm.core.credentials import redact_configuration, redact_run
from legm.core.naming import safe_name, shorten_name
from legm.delivery.registry import plugin_manager
from legm.errors import BackendError, LegmError, NotSupported, storage_error
from legm.hooks import Backend, Capability
from legm.records import (
    Artifact,
    Configuration,
    Display,
    Outcome,
    Plain,
    Query,
    Record,
    Run,
    RunCounts,
    RunResult,
)
from legm.stats.counts import count_by_description

__all__ = ["BackendClient"]

log = logging.getLogger(__name__)

_PATIENCE = 30.0  # seconds that what was computed over runs may take in the mirrors
_NEEDS = {Artifact: Capability.ARTIFACTS, Display: Capability.DISPLAYS}


class BackendClient:
    """The way to a backend's hooks.

    Args:
        backend: where the records go, and where reads come from.
        root: the root directory.
        mirrors: the ways to the other backends that get the same.
        strict: whether what a mirror could not take is an error.
    """

    def __init__(
        self, backend: Backend, root: Path, mirrors: Sequence[BackendClient] = (), *, strict: bool = False
    ) -> None:
        self.backend = backend
        self.root = root
        self.mirrors = tuple(mirrors)
        self.strict = strict
        manager = plugin_manager([backend])
        self._hooks: dict[str, Any] = {
            name: manager.subset_hook_caller(name, [])
            for name in dir(manager.hook)
            if name.startswith("legm_")
        }

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    @property
    def is_remote(self) -> bool:
        """Whether the backend may be slow or away, and is not this machine's."""
        return Capability.REMOTE in self.backend.capabilities

    @property
    def options(self) -> dict[str, Plain]:
        """What makes the backend again with the root directory; it holds no credentials."""
        return dict(getattr(self.backend, "options", {}))

    @property
    def backend_options(self) -> dict[str, dict[str, Plain]]:
        """By backend, the mirrors among them, what makes it again."""
        return {client.name: client.options for client in (self, *self.mirrors)}

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook of the backend's; a remote one never sees a credential.

        Raises:
            LegmError: whatever the backend raises; what is no LegmError becomes a BackendError.
        """
        if self.is_remote:
            if isinstance(arguments.get("run"), Run):
                arguments["run"] = redact_run(arguments["run"])
            if isinstance(arguments.get("result"), RunResult):
                result = arguments["result"]
                arguments["result"] = replace(result, run=redact_run(result.run))
            if isinstance(arguments.get("configuration"), Configuration):
                arguments["configuration"] = redact_configuration(arguments["configuration"])
        try:
            return self._hooks[hook](**arguments)
        except LegmError:
            raise
        except Exception as cause:
            raise BackendError(f"the backend {self.name!r} failed in {hook}: {cause!r}") from cause

    def experiments(self) -> list[str]:
        """The names of the backend's experiments.

        Raises:
            NotSupported: the backend does not list them.
            LegmError: it could not be read.
        """
        found = self.call("legm_read_experiments")
        if found is None:
            raise NotSupported(
                f"the backend {self.name!r} does not list its experiments: name one, as in ROOT/EXPERIMENT"
            )
        return sorted(found)

    def run_counts(self, experiment: str) -> list[RunCounts]:
        """The runs of every configuration of an experiment, counted by description.

        Raises:
            LegmError: the backend could not read them.
        """
        found = self.call("legm_read_counts", experiment=experiment)
        if found is not None:
            return [
                one if one.folder is not None else replace(one, folder=self._folder_text(one.configuration))
                for one in found
            ]
        configurations = {
            one.fingerprint: one for one in self.call("legm_read_configurations", experiment=experiment) or ()
        }
        runs: dict[str, list[RunResult]] = {}
        for run in self.call("legm_read_runs", query=Query(experiment)) or ():
            configuration = run.run.configuration
            configurations.setdefault(configuration.fingerprint, configuration)
            runs.setdefault(configuration.fingerprint, []).append(run)
        return [
            one
            for fingerprint, c in configurations.items()
            for one in count_by_description(c, runs.get(fingerprint, ()), self._folder_text(c))
        ]

    def _folder_text(self, configuration: Configuration) -> str | None:
        folder = self.folder(configuration, create=False)
        return None if folder is None else str(folder)

    def folder(self, configuration: Configuration, *, create: bool) -> Path | None:
        """Where a configuration's run logs and files are.

        It is the backend's folder, or one below the root directory for a backend that has none.

        Raises:
            StorageError: it cannot be made.
        """
        if Capability.FOLDERS in self.backend.capabilities:
            place: Path | None = self.call("legm_folder", configuration=configuration, create=create)
            return place
        experiment = shorten_name(safe_name(configuration.experiment), configuration.fingerprint)
        folder = self.root / ".legm" / experiment / configuration.fingerprint
        if create:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as cause:
                raise storage_error("make the folder", folder, cause) from cause
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
                f"{self.name!r} has not (it has: {has})"
            )

    def keep(self, capability: Capability, hook: str, **arguments: Any) -> Any:
        """Call a hook that keeps what was computed over runs, of every backend that has the capability.

        Returns:
            what the primary returned; None where it has not the capability.

        Raises:
            LegmError: the primary could not; with ``strict`` also where a mirror could not, or not in time.
        """
        kept = self.call(hook, **arguments) if capability in self.backend.capabilities else None
        problems: dict[str, str] = {}

        def work(mirror: BackendClient) -> None:
            try:
                mirror.call(hook, **arguments)
                problems.pop(mirror.name, None)
            except Exception as error:  # noqa: BLE001 - it is told below
                problems[mirror.name] = str(error)

        threads = []
        for mirror in self.mirrors:
            if capability in mirror.backend.capabilities:
                problems[mirror.name] = f"{mirror.name} took longer than {_PATIENCE:.0f} s in {hook}"
                name = f"legm-{mirror.name}-keep"
                threads.append(threading.Thread(target=work, args=(mirror,), name=name, daemon=True))
                threads[-1].start()
        until = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        told = "; ".join(problems.copy().values())
        if told and self.strict:
            raise BackendError(told)
        if told:
            log.error("%s. What was computed is kept in %s; ask again to send it.", told, self.name)
        return kept

    def open(self, run: Run) -> int | None:
        """Begin a run, or go on with it.

        Returns:
            up to which byte of the run log the backend has it; None where it does not say.
        """
        position: int | None = self.call("legm_open_run", run=run)
        return position

    def open_anywhere(self, run: Run) -> int | None:
        """As :meth:`open`, where nothing was made for the configuration yet."""
        if Capability.FOLDERS in self.backend.capabilities:
            self.folder(run.configuration, create=True)
        return self.open(run)

    def write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Hand on records, but for outcomes, which come with the run's end, and what it cannot keep."""
        given = [
            record
            for record in records
            if not isinstance(record, Outcome)
            and (type(record) not in _NEEDS or _NEEDS[type(record)] in self.backend.capabilities)
        ]
        if given:
            self.call("legm_write", run=run, records=given, position=position)

    def release(self, run: Run) -> None:
        """Nothing more of the run comes."""
        try:
            self.call("legm_release_run", run=run)
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
