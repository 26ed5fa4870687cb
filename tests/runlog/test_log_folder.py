"""A configuration's folder: its logs are found wherever they are."""

from __future__ import annotations

from pathlib import Path

from legm.core.parameters import Parameters
from legm.delivery.client import connect_client
from legm.delivery.run_session import RunSession, new_run
from legm.records import Outcome, Status
from legm.runlog.log_folder import LogFolder, read_result_from_log, results_only_in_logs


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
    (result,) = results_only_in_logs(logs, [])
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
