"""Marks runs that are stored: tags and notes, in the files beside the run logs and in backends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from legm.core.run_marks import merged_marks
from legm.delivery.backlog import unchosen_backlog_problem
from legm.delivery.client import BackendClient
from legm.delivery.registry import find_backend_by_stored_name, make_backend
from legm.delivery.trusted import is_trusted, trusted_target_text
from legm.errors import BackendError, LegmError, NotSupported
from legm.hooks import Capability
from legm.records import Plain, Query, Run, RunMarks, RunResult
from legm.runlog.configuration_folders import experiment_folder_of_configuration
from legm.runlog.file_names import OWN_FOLDER
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head
from legm.runlog.marks_files import change_marks, read_marks

__all__ = ["Marker", "RunToMark"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunToMark:
    """A run about which something is noted.

    Args:
        run_id: its id.
        logs: of its configuration; None for a run that only a backend has.
        path: its log; None where there is none.
        stored: the run as the backend has it; None where it is not known.
        client: the backend's, for a run that only it has.
    """

    run_id: str
    logs: LogFolder | None
    path: Path | None = None
    stored: RunResult | None = None
    client: BackendClient | None = None

    @classmethod
    def with_log(cls, path: Path) -> RunToMark:
        """The run of a log."""
        return cls(path.stem, LogFolder.containing(path), path)


class Marker:
    """Reads and changes what is noted about runs; a backend is made once, and asked once a configuration."""

    def __init__(self) -> None:
        self._clients: dict[str, BackendClient] = {}
        self._stored: dict[tuple[str, str, str], dict[str, RunResult]] = {}
        self._reported: set[str] = set()

    def marks(self, run: RunToMark) -> RunMarks:
        """What is noted about a run, beside its log and in its backends.

        Raises:
            StorageError: the file beside the log cannot be read.
        """
        if run.logs is None:
            return RunMarks() if run.stored is None else run.stored.marks
        return self._folded(read_marks(run.logs, run.run_id), self._in_backends(run))

    def change(self, run: RunToMark, change: Callable[[RunMarks], RunMarks]) -> RunMarks:
        """Change what is noted about a run, whether it is running or not.

        Args:
            run: the run.
            change: makes the new marks of the old ones.

        Returns:
            the new marks.

        Raises:
            InvalidName: one is not a tag.
            StorageError: the marks cannot be read or written.
            NotSupported: only a backend has the run, and it cannot change what is noted.
            LegmError: only a backend has the run, and it failed.
        """
        if run.logs is None:
            return self._change_in_backend_only(run, change)
        there = self._in_backends(run, is_change=True)
        marks = change_marks(run.logs, run.run_id, lambda own: change(self._folded(own, there)))
        for name, (client, stored) in there.items():
            before = marks if stored is None else stored.marks
            if stored is None or stored.marks != marks:
                _write_marks_or_log(name, client, self._run(run), before, marks)
        return marks

    @staticmethod
    def _folded(own: RunMarks, there: Mapping[str, tuple[BackendClient, RunResult | None]]) -> RunMarks:
        for _, stored in there.values():
            if stored is not None:
                own = merged_marks(own, stored.marks, stored.sent_marks)
        return own

    def _change_in_backend_only(self, run: RunToMark, change: Callable[[RunMarks], RunMarks]) -> RunMarks:
        assert run.client is not None  # noqa: S101
        assert run.stored is not None  # noqa: S101
        marks = change(run.stored.marks)
        if not run.client.supports(Capability.MARKS):
            raise NotSupported(
                f"the run {run.run_id} has no log here, and the backend {run.client.name!r} cannot change "
                "the tags and the note of a run that ended"
            )
        if marks != run.stored.marks:
            run.client.write_marks(run.stored.run, run.stored.marks, marks)
        return marks

    @staticmethod
    def _run(run: RunToMark) -> Run:
        assert run.path is not None  # noqa: S101
        return read_log_head(run.path).run

    def _in_backends(
        self, run: RunToMark, *, is_change: bool = False
    ) -> dict[str, tuple[BackendClient, RunResult | None]]:
        """By name, the backends of an ended run in which marks can be changed, each with what it has of it.

        A pending run's backends receive its marks when it is closed.
        """
        if run.path is None or run.logs is None or run.logs.is_open(run.path):
            return {}
        found = {}
        for name, client in self._marking_clients(run.path, is_change=is_change):
            try:
                found[name] = (client, self._stored_in(name, client, self._run(run)))
            except LegmError as error:
                self._report(logging.ERROR, f"the backend {name!r} does not say what is noted there: {error}")
                found[name] = (client, None)
        return found

    def _marking_clients(self, path: Path, *, is_change: bool) -> Iterator[tuple[str, BackendClient]]:
        folder = LogFolder.containing(path).folder.parent
        is_own = folder.parent.parent.name == OWN_FOLDER
        experiment = folder.parent.parent if is_own else experiment_folder_of_configuration(folder)
        root = experiment.parent
        for name, options in read_log_head(path).backends.items():
            try:
                client = self._client(name, options, root)
            except LegmError as error:
                self._report(logging.ERROR, f"the backend {name!r} does not have what was noted: {error}")
                continue
            if client.supports(Capability.MARKS):
                yield name, client
            elif is_change and client.supports(Capability.REMOTE):
                self._report(
                    logging.WARNING,
                    f"the backend {name!r} cannot change what it has of a run that ended: tags and notes are "
                    "kept beside the run log",
                )

    def _report(self, level: int, text: str) -> None:
        """Log a message, once for all runs."""
        if text not in self._reported:
            self._reported.add(text)
            log.log(level, "%s", text)

    def _client(self, name: str, options: Mapping[str, Plain], root: Path) -> BackendClient:
        target = trusted_target_text(name, options)
        key = f"{root} {target}"
        if key not in self._clients:
            if not is_trusted(name, options):
                raise BackendError(unchosen_backlog_problem(target))
            self._clients[key] = BackendClient(
                make_backend(find_backend_by_stored_name(name), root, options), root
            )
        return self._clients[key]

    def _stored_in(self, name: str, client: BackendClient, run: Run) -> RunResult | None:
        configuration = run.configuration
        key = (name, configuration.fingerprint, run.description)
        if key not in self._stored:
            query = Query(configuration.experiment, configuration.fingerprint, run.description, frozenset())
            self._stored[key] = {one.run.run_id: one for one in client.intact_runs_as_stored(query)}
        return self._stored[key].get(run.run_id)


def _write_marks_or_log(
    name: str, client: BackendClient, run: Run, before: RunMarks, marks: RunMarks
) -> None:
    """Store marks in a backend; its failure is logged."""
    try:
        client.write_marks(run, before, marks)
    except LegmError as error:
        log.error("the backend %r does not have what was noted: %s", name, error)  # noqa: TRY400
