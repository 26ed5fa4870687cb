"""A configuration's folder: its logs are found wherever they are."""

from __future__ import annotations

from pathlib import Path

from legm.core.parameters import Parameters
from legm.delivery.client import connect_client
from legm.delivery.run_session import RunSession, new_run
from legm.records import Outcome, Status
from legm.runlog import log_folder
from legm.runlog.log_folder import (
    LogFolder,
    has_only_finalized_logs_of,
    read_result_from_log,
    results_only_in_log_folder,
)


def session_in(root: Path) -> RunSession:
    session = RunSession(connect_client(root), new_run(Parameters().configuration("e"), "", {}))
    session.recorder.add_metrics({"loss": 0.5}, 0, test=False)
    session.recorder.flush()
    return session


def test_a_log_that_is_moved_between_two_scans_is_found(tmp_path):
    session = session_in(tmp_path)
    logs = LogFolder.of(session.folder)
    (listed,) = logs.pending_logs()
    session.finish(Outcome(Status.COMPLETED, 1.0))  # which moves the log
    assert not listed.exists()
    result = read_result_from_log(listed, live=True)
    assert result is not None
    assert (result.status, result.points) == (Status.COMPLETED, 1)
    assert logs.read_run_status(listed)[1] is Status.COMPLETED
    assert logs.read(session.run.run_id).run == session.run
    assert logs.find(session.run.run_id) == logs.folder / listed.name
    session.release()


def test_a_run_that_is_finished_while_the_logs_are_read_is_not_missed(tmp_path, monkeypatch):
    """Its log was listed as pending, and is moved before it is read."""
    session = session_in(tmp_path)
    logs = LogFolder.of(session.folder)
    listed = logs.logs_except

    def list_then_finish(known):
        found = listed(known)
        session.finish(Outcome(Status.COMPLETED, 1.0))
        return found

    monkeypatch.setattr(logs, "logs_except", list_then_finish)
    (result,) = results_only_in_log_folder(logs, [])
    assert result.status is Status.COMPLETED
    session.release()


def test_a_deleted_log_is_none(tmp_path):
    session = session_in(tmp_path)
    logs = LogFolder.of(session.folder)
    (path,) = logs.pending_logs()
    session.release()
    logs.delete_log(session.run.run_id)
    assert read_result_from_log(path, live=False) is None
    assert logs.read_run_status(path) is None
    assert logs.find(session.run.run_id) is None


def test_a_log_that_is_reopened_between_two_listings_is_not_taken_for_finalized(tmp_path, monkeypatch):
    """Pending logs were listed as none; then a run was resumed."""
    session = session_in(tmp_path)
    logs, run_id = LogFolder.of(session.folder), session.run.run_id
    assert not has_only_finalized_logs_of(str(session.folder), [run_id])
    session.finish(Outcome(Status.COMPLETED, 1.0))
    session.release()
    assert has_only_finalized_logs_of(str(session.folder), [run_id])
    assert has_only_finalized_logs_of(str(session.folder), [run_id, "another, whose log a user deleted"])
    assert not has_only_finalized_logs_of(str(session.folder), ["another"])
    names = log_folder._log_folder_log_names  # noqa: SLF001 - the moment between two listings

    def list_then_reopen(folder):
        found = names(folder)
        now = logs.pending_path(run_id)
        if not found and not now.exists():
            logs.finalized_path(run_id).rename(now)
        return found

    monkeypatch.setattr(log_folder, "_log_folder_log_names", list_then_reopen)
    assert not has_only_finalized_logs_of(str(session.folder), [run_id])
