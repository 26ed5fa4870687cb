"""A run that is being written: its log, its files, and its delivery to every backend.

Whoever writes a run does it through a :class:`RunSession`: the handler, the drop-in, and a capture that
shows a script's run while it trains. A run whose records are all known is stored by :func:`store_run`.
"""

from __future__ import annotations

import functools
import logging
import os
import platform
import secrets
import shlex
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from legm.core.credentials import redact, redact_text
from legm.core.naming import make_run_id
from legm.core.record_sequences import LazyRecords
from legm.core.run_marks import TAGS_VARIABLE, changed_marks, mark_tags_of_variable
from legm.delivery.backlog import dead_run_outcome, finalize_backlog_log
from legm.delivery.claims import ClaimSlot
from legm.delivery.client import BackendClient
from legm.delivery.live_delivery import DeliverySet, begin_delivery
from legm.delivery.registry import is_folder_of
from legm.delivery.resuming import ResumableRun
from legm.delivery.trusted import trust
from legm.errors import LegmError, ParameterError, StateError, StorageError, closest
from legm.hooks import Capability
from legm.media.content_files import copied_media_content
from legm.media.media_writer import MediaWriter
from legm.records import (
    Artifact,
    Configuration,
    Media,
    Outcome,
    Plain,
    Points,
    Record,
    Run,
    RunMarks,
    RunResult,
    Status,
)
from legm.runlog import log_frames, log_writer
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.marks_files import change_marks, result_with_marks
from legm.runlog.recorder import Recorder
from legm.runlog.user_files import UserFiles
from legm.version import __version__

__all__ = [
    "RunSession",
    "can_delete_runs",
    "completion_command",
    "delete_run",
    "new_run",
    "resume_session_as",
    "session_outcome",
    "store_run",
]

log = logging.getLogger(__name__)

_ATTEMPTS = 10  # to begin a run in a folder that a user is changing

_DROPPED = "its handler was dropped before log()"


def new_run(
    configuration: Configuration,
    description: str,
    parameters: Mapping[str, Plain],
    started: float | None = None,
    origin: Mapping[str, Plain] | None = None,
) -> Run:
    """A run of this process, with an id of its own.

    Args:
        configuration: what it is a run of.
        description: distinguishes runs of one configuration; "" for none.
        parameters: those of the run, which are not compared.
        started: seconds since 1970; None for now.
        origin: where the run comes from, beside this machine and process.
    """
    began = time.time() if started is None else started
    environment: dict[str, Plain] = {
        "host": platform.node(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "legm": __version__,
    }
    return Run(
        run_id=make_run_id(began, secrets.token_hex(3)),
        configuration=configuration,
        description=description,
        started=began,
        parameters=parameters,
        environment=redact("", environment | dict(origin or {})),
    )


def session_outcome(status: str, reason: str | None) -> Outcome:
    """How a run ends now, from the arguments of ``end()``.

    Raises:
        ParameterError: there is no such status, or a completed run has a reason.
    """
    known = {one.value: one for one in Status if one is not Status.RUNNING}
    if status not in known:
        raise ParameterError(f"end() has no status {status!r}; {closest(str(status), known)}")
    if known[status] is Status.COMPLETED and reason is not None:
        raise ParameterError(f"end() got the reason {reason!r} for a completed run, which needs none")
    if reason is not None and not isinstance(reason, str):
        raise ParameterError(f"end() got the reason {reason!r}, which must be text")
    return Outcome(known[status], time.time(), reason)


class RunCompanion(Protocol):
    """Something that observes the process during a run: its console, its use of the machine."""

    def note_error(self, error: BaseException) -> None:
        """Note the exception by which the run ends."""

    def end(self) -> Iterable[Record]:
        """Stop observing.

        Returns:
            records of the run; none at a second call.
        """


class RunSession:
    """A run that this process is writing.

    A session that is dropped is released: its run counts as interrupted, unless it was finished.

    Args:
        client: of the primary backend.
        run: the run.
        slot: the claim that becomes this run; None where there is none.
        resumable: finds an earlier run to resume instead; None where there is none.

    Raises:
        StorageError: the folder cannot be written.
        ParameterError, StateError: the earlier run that was asked for cannot be resumed.
        LegmError: a primary backend on this machine could not begin the run.
    """

    def __init__(
        self,
        client: BackendClient,
        run: Run,
        slot: ClaimSlot | None = None,
        resumable: ResumableRun | None = None,
    ) -> None:
        from legm.core import results  # noqa: F401 - a signal handler must not find it partly imported

        self.is_logged = False
        """Whether the run was completed and nothing was set since; whoever sets something resets this."""
        self.is_preempted = False
        """Whether the run was marked as interrupted by a signal after which its training may continue."""
        self.companions: list[RunCompanion] = []
        """What observes the process while the run lasts; each ends when the run ends, by any means."""
        self._client = client
        for _ in range(_ATTEMPTS):
            self.folder = client.make_folder(run.configuration)
            """The configuration's."""
            self._logs = LogFolder.of(self.folder)
            try:
                with (slot or ClaimSlot()).becoming_run(self._logs, run.configuration) as was_claimed:
                    resumed = resumable and resumable.take_over(self._logs, client.backend_options)
                    writer = resumed.writer if resumed else self._logs.create_log(run, client.backend_options)
            except StorageError as error:
                is_moved = not is_folder_of(client.name, self.folder, run.configuration.fingerprint)
                if isinstance(error.__cause__, FileNotFoundError) and is_moved:
                    continue  # a user moved it at this moment
                raise
            if resumed or is_folder_of(client.name, self.folder, run.configuration.fingerprint):
                break
            writer.close()  # a user amended or deleted the configuration at this moment
            writer.path.unlink(missing_ok=True)
        else:
            raise StorageError(f"{self.folder} is changed all the time by another process: try it again")
        earlier = resumed.content if resumed else None
        self.run = run = earlier.run if earlier else run
        self.is_resumed = earlier is not None
        """Whether another process began the run."""
        self.files = UserFiles(self.folder, run.description, run.run_id)
        trust(client.backend_options)
        self.was_claimed = was_claimed
        """Whether the run has the slot that was claimed for it."""
        try:
            self.delivery = begin_delivery(client, run, writer, earlier)
        except BaseException:
            writer.close()
            if not earlier:
                writer.path.unlink(missing_ok=True)
            raise
        self.recorder = Recorder(writer, self.delivery, earlier)
        self.media = MediaWriter(self.files, run.run_id, self.recorder)
        """Writes what is logged beside numbers."""
        self.recorder.source = self.media
        if earlier:
            self.media.continue_after(earlier.records)
        self._finalizer = weakref.finalize(
            self, _drop_run, run, self.recorder, self.delivery, self._logs, client.root
        )

    @property
    def root(self) -> Path:
        """The root directory."""
        return self._client.root

    def mark(self, change: Callable[[RunMarks], RunMarks]) -> RunMarks:
        """Change what is noted about the run; what cannot be stored is logged, and the training continues.

        Args:
            change: makes the new marks of the old ones.

        Returns:
            the new marks.

        Raises:
            InvalidName: one is not a tag.
        """
        try:
            return change_marks(self._logs, self.run.run_id, change)
        except StorageError as error:
            log.error("the run's tags could not be stored: %s", error)  # noqa: TRY400
            return change(RunMarks())

    def mark_by_environment(self) -> None:
        """Add the tags that the environment variable ``LEGM_TAGS`` has."""
        if tags := mark_tags_of_variable(os.environ.get(TAGS_VARIABLE)):
            self.mark(lambda marks: changed_marks(marks, tags))

    def rewind(self, step: int) -> None:
        """Void dev values, displays and media at later steps.

        Raises:
            StateError, StorageError: as :meth:`~legm.runlog.recorder.Recorder.rewind`.
        """
        self.recorder.rewind(step)
        self.media.rewind(step)

    def note_error(self, error: BaseException) -> None:
        """Note the exception by which the run ends, before :meth:`end`."""
        for one in self.companions:
            one.note_error(error)

    def _end_companions(self) -> None:
        companions, self.companions = self.companions, []
        for one in companions:
            records = list(one.end())
            if records:
                self.recorder.add_records(records)

    def release(self) -> None:
        """Write what is left, and release the log and the backends; a second call does nothing."""
        if self._finalizer.alive and self.recorder.is_own_process:
            self._end_companions()
        if self._finalizer.detach() is not None:
            _release_run(self.recorder, self.delivery, self._logs)

    @property
    def is_released(self) -> bool:
        """Whether nothing more can be written."""
        return not self._finalizer.alive

    def keep_file(self, source: Path, name: str | None = None) -> Path:
        """Keep a copy of a file with the run.

        Returns:
            where the copy is.

        Raises:
            InvalidName: the name is not text.
            StorageError: it is not a file, or cannot be copied.
        """
        kept = self.files.keep(source, name)
        self.recorder.add_record(Artifact(name or source.name, str(kept)))
        return kept

    def keep_data(self, data: Any, basename: str) -> None:
        """Keep data as a file of the run, and a copy in a backend that has files but no folders.

        Raises:
            InvalidName: the name has no known extension.
            LegmError: the data does not fit it, or what is there.
        """
        path = self.files.set_data(data, basename)
        if not self._client.supports(Capability.FOLDERS) and self._client.supports(Capability.ARTIFACTS):
            self.recorder.add_record(Artifact(path.name, str(path)))

    def require_claimed(self) -> bool:
        """Refuse a run that began without a claim.

        Returns:
            True.

        Raises:
            StateError: it did, or this is a forked process, and the run belongs to its parent.
        """
        self.recorder.require_own_process()
        if not self.was_claimed:
            raise StateError("should_run() was called after the run began: call it before start() or reset()")
        return True

    def finish(self, outcome: Outcome) -> RunResult:
        """End the run in every backend; it may be continued, and ended again.

        Where this interrupts the writing of the same thread, as a signal handler may, the run ends as soon
        as that has ended.

        Returns:
            the run's result.

        Raises:
            LegmError: the run cannot be stored; its log has all of it, and the call may be repeated.
        """
        from legm.core import results

        if outcome.error is not None:
            outcome = replace(outcome, error=redact_text(outcome.error))
        self._end_companions()
        if self.recorder.is_interrupted:
            self.recorder.postpone(functools.partial(self.finish, outcome))
            return results.result_end_records(
                self.run, read_log_in_pieces(self.recorder.path).records, outcome
            )[0]
        with self.recorder.paused() as writer:
            if not writer.is_at_its_path:
                self._follow_folder(writer)
            known = read_log_in_pieces(writer.path).records
            result, last = results.result_end_records(self.run, known, outcome)
            result = result_with_marks(result, self._logs)
            writer.append(*map(log_frames.record_frame, last))
            records = LazyRecords.chained(known, last)
            writer.sync()
            self.recorder.is_finished = True
            if self.delivery.close(result, records):
                self._logs.finalize_log(writer)
                self.recorder.before_next_write = functools.partial(_reopen_session_log, self._logs, writer)
        return result

    def _follow_folder(self, writer: log_writer.LogWriter) -> None:
        """Go on where the configuration's folder is now, which is created again where it was deleted."""
        self.folder = self._client.make_folder(self.run.configuration)
        self.files.set_folder(self.folder, self.run.run_id)
        self._logs.set_folder(LogFolder.of(self.folder).folder)
        self._logs.create_folders()
        there = self._logs.find(self.run.run_id)
        writer.continue_at(there or self._logs.open_folder / writer.path.name)
        self.delivery.begin_again()
        log.warning("run %s continues in %s", self.run.run_id, self.folder)

    def end(self, outcome: Outcome) -> None:
        """End the run unless it is logged, and release it.

        Raises:
            StateError: this is a forked process, and the run belongs to its parent.
            LegmError: as :meth:`finish`.
        """
        self.recorder.require_own_process()
        try:
            if not self.is_logged:
                self.finish(outcome)
        finally:
            self.release()

    def wait_until_written(self) -> None:
        """Wait until everything that was set is in the log.

        Raises:
            StateError: this is a forked process, and the run belongs to its parent.
            StorageError: the log cannot be written.
        """
        with self.recorder.paused():
            pass


def resume_session_as(
    client: BackendClient,
    run: Run,
    earlier: Run,
    folder: Path,
    leave_out: Iterable[str] = (),
    points: Points | None = None,
) -> tuple[RunSession, dict[str, str]]:
    """Begin a run with all records of an earlier one, and delete the earlier one where every backend can.

    This moves a run whose parameters were set late to the configuration that all its parameters make.

    Args:
        client: of the primary backend.
        run: the new run.
        earlier: the run, which was released or whose process died.
        folder: of the earlier run's configuration.
        leave_out: names of artifacts that are not copied.
        points: all numbers, instead of those of the earlier run; None for these.

    Returns:
        the session of the new run, and by name why an artifact could not be copied.

    Raises:
        LegmError: the earlier run cannot be read or deleted, or the new one cannot begin.
    """
    known = LogFolder.of(folder).read(earlier.run_id)
    is_same_path = (run.run_id, run.configuration.fingerprint) == (
        earlier.run_id,
        earlier.configuration.fingerprint,
    )
    if is_same_path:  # only what is not compared has changed
        delete_run(client, earlier)
    session = RunSession(client, run)
    problems: dict[str, str] = {}
    copied: list[Record] = [] if points is None else [points]
    for record in [] if known is None else known.records:
        if isinstance(record, Artifact) and record.name not in leave_out:
            try:
                kept = session.files.keep(Path(record.path), record.name)
            except LegmError as error:
                problems[record.name] = str(error)
            else:
                copied.append(replace(record, path=str(kept)))
        elif isinstance(record, Media):
            copied.append(copied_media_content(record, session.files.folder, run.run_id))
        elif not isinstance(record, (Artifact, Outcome)) and (
            points is None or not isinstance(record, Points)
        ):
            copied.append(record)
    session.recorder.add_records(copied)
    session.recorder.flush()
    if not is_same_path and can_delete_runs(client):
        delete_run(client, earlier)
    return session, problems


def _reopen_session_log(logs: LogFolder, writer: log_writer.LogWriter) -> None:
    if writer.is_at_its_path:
        logs.reopen_log(writer)


def _drop_run(run: Run, recorder: Recorder, delivery: DeliverySet, logs: LogFolder, root: Path) -> None:
    """Release a run that nothing can end any more: it is interrupted, unless it was logged."""
    if recorder.is_interrupted:
        recorder.postpone(functools.partial(_drop_run, run, recorder, delivery, logs, root))
    elif recorder.is_own_process:
        recorder.outcome_if_unfinished = Outcome(Status.INTERRUPTED, time.time(), _DROPPED)
        _release_run(recorder, delivery, logs)
        if not recorder.is_finished:
            log.warning(
                "the run %s is interrupted and does not count: its handler was dropped before log(). Call "
                "log(), or use the handler as a context manager; `%s` completes it.",
                run.run_id,
                completion_command(root, run.run_id),
            )


def completion_command(root: Path, run_id: str) -> str:
    """The command by which a user completes a run that was interrupted, from whatever folder."""
    return f"legm recover {shlex.quote(str(root))} --complete {run_id}"


def _release_run(recorder: Recorder, delivery: DeliverySet, logs: LogFolder) -> None:
    if recorder.is_interrupted:
        recorder.postpone(functools.partial(_release_run, recorder, delivery, logs))
    elif recorder.is_own_process:
        recorder.close()
        try:
            delivery.release(logs)
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400


def store_run(
    client: BackendClient,
    run: Run,
    content: Iterable[bytes],
    result: RunResult | None = None,
    begun: Run | None = None,
) -> RunResult:
    """Store a complete run atomically: its log is written beside its path, moved there, then delivered.

    A process that is killed meanwhile leaves the complete run, or none.

    Args:
        client: of the backend.
        run: the run; an earlier one with this id is replaced.
        content: the frames of all of its records, its outcome among them.
        result: the run's result; None to compute it from the records.
        begun: the run as it began, where it was amended since, as one of the frames says.

    Returns:
        the run's result.

    Raises:
        StorageError: the run is being written by another process.
        LegmError: it cannot be written.
    """
    logs = LogFolder.of(client.make_folder(run.configuration))
    there = logs.pending_path(run.run_id)
    if log_writer.logs_being_written([there]):
        raise StorageError(
            f"the run log {there} is being written by another process: try again after that process has ended"
        )
    trust(client.backend_options)
    writer = logs.create_log(begun or run, client.backend_options, content)
    try:
        writer.sync()
        return finalize_backlog_log(client, logs, writer, dead_run_outcome(writer.path), result)
    finally:
        writer.close()


def can_delete_runs(client: BackendClient) -> bool:
    """Whether the backend and its mirrors can delete a run at once: none waits for a tracker to do it."""
    return all(
        one.supports(Capability.DISCARD) and not one.supports(Capability.REMOTE)
        for one in client.with_mirrors
    )


def delete_run(client: BackendClient, run: Run) -> None:
    """Delete a run that no process is writing, from the backend, its mirrors, and the run logs.

    Raises:
        NotSupported: a backend cannot delete runs.
        LegmError: a backend refuses.
    """
    for one in client.with_mirrors:
        one.discard_run(run)
    folder = client.folder(run.configuration)
    if folder is not None:
        LogFolder.of(folder).delete_log(run.run_id)
