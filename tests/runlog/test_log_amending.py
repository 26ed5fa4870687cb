"""An amendment is appended to a run's log, and read as a part of the run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from legm.errors import StateError
from legm.records import Amendment, Configuration, Outcome, Run, Status
from legm.runlog import log_frames, log_reader
from legm.runlog.log_amending import append_log_amendment, locked_log
from legm.runlog.log_writer import LogWriter, write_run_log

OLD = Configuration("e", "v1-old", "old", {"lr": 0.1, "seed": 0}, ("lr",), {})
NEW = Configuration("e", "v1-new", "new", {"rate": 0.1, "seed": 0}, ("rate",), {})
RUN = Run("r", OLD, "d", 5.0, {"seed": 3})
RECORDS = [Outcome(Status.COMPLETED, 7.0)]


def amend(path, amendment) -> None:
    with locked_log(path) as file:
        append_log_amendment(path, file, amendment)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "r.log"
    write_run_log(path, RUN, RECORDS)
    return path


def test_the_last_amendment_counts_and_nothing_before_it_is_rewritten(log):
    before, changed = log.read_bytes(), log.stat().st_mtime_ns
    amend(log, Amendment(replace(NEW, name="between"), {}, 8.0))
    amend(log, Amendment(NEW, {"seed": 3, "device": "cpu"}, 9.0))

    expected = replace(RUN, configuration=NEW, parameters={"seed": 3, "device": "cpu"})
    assert log_reader.read_log(log).run == expected
    assert log_reader.read_log_head(log).run == expected
    assert log_reader.read_log(log).records == RECORDS
    assert log.read_bytes().startswith(before)
    assert log.stat().st_mtime_ns == changed


def test_a_description_holds_until_another_amendment_has_one(log):
    expected = []
    for description in (None, "new", None, ""):
        amend(log, Amendment(NEW, {"seed": 3}, 8.0, (), description))
        expected.append(log_reader.read_log(log).run.description)
        assert log_reader.read_log_head(log).run.description == expected[-1]
    assert expected == ["d", "new", "new", ""]


def test_the_same_amendment_is_appended_once(log):
    amend(log, Amendment(NEW, {"seed": 3}, 8.0))
    content = log.read_bytes()
    amend(log, Amendment(NEW, {"seed": 3}, 9.0))
    assert log.read_bytes() == content


def test_what_a_backend_has_of_a_run_stays_delivered(log):
    with log.open("ab") as file:
        file.write(log_frames.cursors_frame({"local": log.stat().st_size}))
    amend(log, Amendment(NEW, {"seed": 3}, 8.0))
    assert log_reader.read_log(log).is_delivered_to("local")


def test_an_incomplete_frame_at_the_end_is_overwritten(log):
    sound = log.read_bytes()
    log.write_bytes(sound + log_frames.record_frame(RECORDS[0])[:-3])
    amend(log, Amendment(NEW, {}, 8.0))
    assert log_reader.read_log(log).run.configuration == NEW
    assert log_reader.read_log(log).incomplete_bytes == 0
    assert log_reader.read_log(log).records == RECORDS


def test_the_head_is_read_past_damage(log):
    amend(log, Amendment(NEW, {}, 8.0))
    start = log.read_bytes().rfind(log_frames.MAGIC)
    first = log.read_bytes().find(log_frames.MAGIC, 20)  # of the outcome
    assert first < start
    content = bytearray(log.read_bytes())
    content[first] ^= 0xFF
    log.write_bytes(bytes(content))
    assert log_reader.read_log_head(log).run.configuration == NEW


def test_an_amendment_that_is_no_configuration_changes_nothing(log, caplog):
    with log.open("ab") as file:
        file.write(log_frames.amendment_frame(Amendment(replace(NEW, active=("missing",)), {}, 1.0)))
    assert log_reader.read_log(log).run == RUN
    assert "an active parameter has no value" in caplog.text


def test_a_log_that_is_being_written_is_refused(tmp_path):
    writer = LogWriter(tmp_path / "r.log", create=True)
    try:
        writer.append(log_frames.run_frame(RUN))
        with pytest.raises(StateError, match="the run r is running"), locked_log(tmp_path / "r.log"):
            pass
    finally:
        writer.close()


def test_backends_that_follow_an_amendment_have_nothing_until_they_do(log):
    whole = log.stat().st_size
    with log.open("ab") as file:
        file.write(log_frames.cursors_frame({"local": whole, "mlflow": whole}))
    amend(log, Amendment(NEW, {"seed": 3}, 8.0, ("mlflow",)))
    found = log_reader.read_log(log)
    assert found.earlier == {"mlflow": (RUN,)}
    assert found.is_delivered_to("local")
    assert not found.is_delivered_to("mlflow")

    content = log.read_bytes()
    amend(log, Amendment(NEW, {"seed": 3}, 8.0, ("mlflow",)))  # by a command that was interrupted
    assert log.read_bytes() == content
    amend(log, Amendment(NEW, {"seed": 3}, 9.0, ("mlflow",)))  # by another one
    amended = log_reader.read_log(log).run
    assert log_reader.read_log(log).earlier == {"mlflow": (RUN, amended)}

    with log.open("ab") as file:
        file.write(log_frames.cursors_frame({"mlflow": whole}))
    assert log_reader.read_log(log).earlier == {}
    assert log_reader.read_log(log).is_delivered_to("mlflow")
