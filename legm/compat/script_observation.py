"""Where the runs of a script come from and what it prints, kept as for an ``ExperimentHandler``.

What a process prints before its first run belongs to that, so there is one observation of a process, which is
there before the modules that record runs.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from legm.console.console_options import console_limit

if TYPE_CHECKING:
    from legm.console.run_console import RunConsole
    from legm.delivery.run_session import RunSession
    from legm.records import Plain

__all__ = ["OBSERVATION", "ScriptObservation", "ScriptRunObservation"]


class ScriptObservation:
    """What is observed of a process: its output before the first run is kept for that.

    What is printed for a run is in a temporary file until the run has a folder.
    """

    def __init__(self) -> None:
        self._early: _TemporaryObservedConsole | None = None

    def begin(self) -> None:
        """Begin to keep what the process prints, for its first run.

        Raises:
            LegmError: ``LEGM_CONSOLE`` is not valid.
        """
        limit = console_limit(None, default=True)
        self._early = _TemporaryObservedConsole(limit) if limit else None

    def of_next_run(self) -> ScriptRunObservation:
        """What is observed of a run, from now on.

        Raises:
            LegmError: ``LEGM_CONSOLE`` is not valid.
        """
        console, self._early = self._early, None
        if console is None:
            limit = console_limit(None, default=True)
            console = _TemporaryObservedConsole(limit) if limit else None
        return ScriptRunObservation(console)

    def end(self) -> None:
        """End what was kept for a run that did not come."""
        if self._early is not None:
            self._early.remove()
            self._early = None


class _TemporaryObservedConsole:
    """A console whose run has no folder yet."""

    def __init__(self, limit: int) -> None:
        from legm.console.run_console import RunConsole

        self._folder = tempfile.mkdtemp(prefix="legm-")
        self._console = RunConsole(Path(self._folder, "console", "console.txt"), limit, self)

    def move_to(self, session: RunSession) -> RunConsole:
        self._console.move_to_run(session.folder, session.run.run_id, session)
        self._remove_folder()
        return self._console

    def remove(self) -> None:
        self._console.end()
        self._remove_folder()

    def _remove_folder(self) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)


class ScriptRunObservation:
    """What is observed of one run of a script, from now on.

    Args:
        console: what is printed; None where it is not kept.
    """

    def __init__(self, console: _TemporaryObservedConsole | None) -> None:
        from legm.provenance.collect import collect_started_environment, is_provenance_wanted

        self._early = console
        self._console: RunConsole | None = None
        self._is_wanted = self._is_to_be_collected = is_provenance_wanted(True)
        self._environment = collect_started_environment() if self._is_wanted else {}

    def environment(self, known: Mapping[str, Plain], secrets: Collection[str]) -> dict[str, Plain]:
        """Where the script runs, as it was when the run was made: it may have another folder by now.

        Args:
            known: what is known of every process.
            secrets: texts that are credentials.
        """
        from legm.provenance.collect import collect_started_environment

        if not self._is_wanted:
            return {}
        then = {name: value for name, value in self._environment.items() if name != "command"}
        return {**known, **collect_started_environment(secrets), **then}

    def begin(self, session: RunSession, root: Path, secrets: Collection[str], *, is_resumed: bool) -> None:
        """Record what is observed into a run that has begun, or that all records have moved to.

        Args:
            session: of the run.
            root: the root directory, whose files are no part of the code.
            secrets: texts that are credentials.
            is_resumed: whether another process began the run.
        """
        if self._is_to_be_collected:
            from legm.provenance.collect import ProvenanceCollector

            self._is_to_be_collected = False
            collector = ProvenanceCollector(
                session.recorder, session.files, root, secrets, is_resumed=is_resumed
            )
            collector.start()
            session.companions.append(collector)
        if self._early is not None:
            self._console, self._early = self._early.move_to(session), None
        elif self._console is not None:
            self._console.move_to_run(session.folder, session.run.run_id, session)
        if self._console is not None:
            session.companions.append(self._console)

    def leave(self, session: RunSession) -> None:
        """Go on observing when a session is released, since its records move to another run."""
        if self._console in session.companions:
            session.companions.remove(self._console)

    def abandon(self) -> None:
        """End it for a run that never began."""
        if self._early is not None:
            self._early.remove()
            self._early = None


OBSERVATION = ScriptObservation()
