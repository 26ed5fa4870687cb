"""The run log: what is written is what is read, and what is damaged is said to be."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from array import array
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm import CorruptFile, StorageError
from legm.core.naming import short_name
from legm.errors import storage_error
from legm.records import (
    Artifact,
    BestRule,
    Configuration,
    Display,
    Outcome,
    Points,
    Run,
    Series,
    Split,
    Status,
)
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.log_folder import LogFolder, results_only_in_log_folder
from legm.runlog.log_frames import (
    HEADER,
    cursors_frame,
    layout_frame,
    points_frame,
    record_frame,
    run_frame,
)
from legm.runlog.log_reader import LogTail, read_log
from legm.runlog.log_repair import repair_log
from legm.runlog.log_writer import LogWriter, logs_being_written
from tests.support.odd_frames import NEWER_FRAMES, ODD_FRAMES, json_frame

CONFIGURATION = Configuration("LeNet@MNIST", "v1-00", "0.1", {"lr": 0.1, "seed": 3}, ("lr",), {"seed": {}})
RUN = Run("20260101-000000-000-abcdef", CONFIGURATION, "no warm-up", 1.5e9, {"seed": 3}, {"host": "ü"})
LAYOUT = (Series("loss"), Series("acc"))

doubles = st.integers(
    0, 2**64 - 1
)  # every pattern of bits: each NaN with its payload, infinities, subnormals
int64s = st.integers(-(2**63), 2**63 - 1)
texts = st.text()  # without lone surrogates
names = st.text(min_size=1)
file_names = names.map(short_name)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A file that every example of a property writes anew."""
    return tmp_path_factory.mktemp("logs") / "run.log"


def begun(path: Path, run: Run = RUN) -> LogWriter:
    path.unlink(missing_ok=True)
    writer = LogWriter(path, create=True)
    writer.append(run_frame(run))
    return writer


def row(step: int, *values: float) -> bytes:
    return points_frame(array("I", [0]), array("q", [step]), array("d", [1.5e9 + step]), array("d", values))


def small_log(path: Path) -> list[int]:
    """Writes a log with every kind of frame; the position after each."""
    writer = begun(path)
    ends = [len(HEADER), writer.position]
    for frame in (
        layout_frame(LAYOUT),
        row(0, 0.5, math.nan),
        record_frame(BestRule("early_stopping", metric="acc")),
        cursors_frame({"local": writer.position}),
        row(1, -0.0, math.inf),
        record_frame(Outcome(Status.COMPLETED, 1.6e9)),
        row(2, 0.25, 5e-324),
    ):
        ends.append(writer.append(frame))
    writer.close()
    return ends


def content(path: Path) -> tuple:
    """All that a log says, comparable; numbers as the bytes they are."""
    found = read_log(path)
    records: list = []
    for record in found.records:
        if isinstance(record, Points):
            rows = record.rows()
            records += [(s, step, at, np.array(values).tobytes()) for s, step, at, values in rows]
        else:
            records.append(record)
    return found.run, records, found.cursors


# What is written is what is read


@given(st.lists(st.tuples(int64s, doubles, doubles), min_size=1))
def test_every_number_of_64_bits_is_read_as_the_bits_that_were_written(path, rows):
    steps = array("q", [step for step, _, _ in rows])
    times = np.array([bits for _, bits, _ in rows], np.uint64).tobytes()
    values = np.array([bits for _, _, bits in rows], np.uint64).tobytes()
    writer = begun(path)
    writer.append(
        layout_frame([Series("loss")]),
        points_frame(array("I", [0] * len(rows)), steps, array("d", times), array("d", values)),
    )
    writer.close()
    (points,) = read_log(path).records
    assert points.layouts == ((Series("loss"),),)
    assert points.steps.tolist() == steps.tolist()
    assert points.times.tobytes() == times
    assert points.values.tobytes() == values


@given(
    st.lists(
        st.builds(BestRule, names, st.none() | int64s, st.none() | names, st.booleans())
        | st.builds(Display, names, st.floats(allow_nan=False) | texts, int64s, st.floats(allow_nan=False))
        | st.builds(Artifact, names, file_names)
        | st.builds(Outcome, st.sampled_from(Status), st.floats(allow_nan=False), st.none() | texts)
    )
)
def test_records_are_read_as_they_were_written(path, records):
    folder = artifacts_folder(path.parent.parent, RUN.run_id)
    records = [
        replace(one, path=str(folder / one.path)) if isinstance(one, Artifact) else one for one in records
    ]
    writer = begun(path)
    writer.append(*map(record_frame, records))
    writer.close()
    assert read_log(path).records == records


@given(
    st.builds(
        Run,
        run_id=file_names,
        configuration=st.builds(
            Configuration,
            experiment=names,
            fingerprint=st.text("09afAF_-", min_size=1, max_size=100),
            name=st.just("") | file_names,
            parameters=st.dictionaries(names, plain, max_size=3),
            active=st.just(()),
            metadata=st.dictionaries(names, st.dictionaries(names, plain, max_size=2), max_size=2),
        ),
        description=texts,
        started=st.floats(allow_nan=False),
        parameters=st.dictionaries(names, plain, max_size=3),
        environment=st.dictionaries(names, plain, max_size=3),
    )
)
def test_a_run_is_read_as_it_was_written(path, run):
    active = tuple(run.configuration.parameters)[1:]
    run = replace(run, configuration=replace(run.configuration, active=active))
    begun(path, run).close()
    assert read_log(path).run == run


def test_a_parameter_that_is_an_undecodable_path_survives(path):
    run = replace(RUN, parameters={"data": "/data/\udcff"})
    begun(path, run).close()
    assert read_log(path).run == run


@given(st.lists(st.lists(st.builds(Series, names, st.sampled_from(Split), st.none() | texts), max_size=4)))
def test_layouts_are_numbered_in_the_order_of_first_use(path, layouts):
    writer = begun(path)
    writer.append(*map(layout_frame, layouts))
    writer.append(points_frame(array("I"), array("q"), array("d"), array("d")))
    writer.close()
    assert read_log(path).records[0].layouts == tuple(map(tuple, layouts))


def test_rows_of_different_widths_are_distinguished(path):
    writer = begun(path)
    writer.append(layout_frame(LAYOUT), layout_frame([Series("acc", Split.TEST)]))
    columns = array("I", [0, 1, 0]), array("q", [0, 0, 1]), array("d", [1, 2, 3]), array("d", [1, 2, 3, 4, 5])
    writer.append(points_frame(*columns))
    writer.close()
    (points,) = read_log(path).records
    assert [(step, values) for _, step, _, values in points.rows()] == [(0, [1, 2]), (0, [3]), (1, [4, 5])]


def test_only_the_frames_between_two_positions_are_read(path):
    ends = small_log(path)
    assert [r.steps.tolist() for r in read_log(path, ends[2], ends[3]).records] == [[0]]
    assert [r.steps.tolist() for r in read_log(path, ends[-2]).records] == [[2]]
    assert read_log(path, ends[-1]).records == []
    assert read_log(path, ends[-1]).cursors == {"local": ends[1]}


# Damage


def test_a_log_cut_at_any_byte_keeps_its_complete_frames_or_reports_that_it_has_none(path):
    ends = small_log(path)
    data = path.read_bytes()
    _, every, _ = content(path)
    counts = {ends[3]: 1, ends[4]: 2, ends[6]: 3, ends[7]: 4, ends[8]: 5}
    for length in range(len(data)):
        path.write_bytes(data[:length])
        if length < ends[1]:
            with pytest.raises(CorruptFile, match="it ends before the run's first record") as caught:
                read_log(path)
            assert str(path) in str(caught.value)
            continue
        log = read_log(path)
        assert log.run == RUN
        assert log.end == max(end for end in ends if end <= length)
        assert log.incomplete_bytes == length - log.end
        kept = max((n for end, n in counts.items() if end <= length), default=0)
        assert content(path)[1] == every[:kept]


@pytest.mark.slow
def test_a_flipped_bit_is_reported_with_its_position_or_cuts_off_the_last_frame(path):
    ends = small_log(path)
    data = bytearray(path.read_bytes())
    run, every, cursors = content(path)
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            path.write_bytes(damaged)
            if at < ends[-2]:
                with pytest.raises(CorruptFile) as caught:
                    read_log(path)
                frame = max((end for end in ends if end <= at), default=0)
                assert f"{path}, byte {frame}: " in str(caught.value)
            else:
                assert content(path) == (run, every[:-1], cursors)


@pytest.mark.parametrize("data", [b"", b"P", b"PK\x03\x04 something else altogether", b"\0" * 40])
def test_a_file_that_is_no_run_log_is_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match="byte 0"):
        read_log(path)


def test_a_log_of_a_newer_version_asks_for_an_update(path):
    path.write_bytes(b"legm run log 3\n" + b"whatever that means")
    with pytest.raises(CorruptFile, match=r"of a newer legm: this one reads up to 2\. Update legm"):
        read_log(path)
    with pytest.raises(CorruptFile, match="newer"):
        LogWriter(path, create=False)
    assert path.read_bytes().endswith(b"whatever that means")


def test_a_log_that_is_not_there_is_a_storage_error(tmp_path):
    for act in (read_log, lambda path: LogWriter(path, create=False)):
        with pytest.raises(StorageError, match=r"cannot .* the run log .*none\.log"):
            act(tmp_path / "none.log")


# Writing


def test_reopening_cuts_the_torn_tail_and_appends(path):
    ends = small_log(path)
    data = path.read_bytes()
    for length in (ends[-2], ends[-2] + 1, ends[-2] + 20, ends[-1] - 1):
        path.write_bytes(data[:length])
        writer = LogWriter(path, create=False)
        assert path.stat().st_size == writer.position == ends[-2]
        assert writer.append(row(7, 1.0, 2.0)) == path.stat().st_size
        writer.close()
        assert read_log(path).records[-1].steps.tolist() == [7]
        assert read_log(path).incomplete_bytes == 0


def test_a_new_log_never_replaces_another(path):
    small_log(path)
    before = path.read_bytes()
    with pytest.raises(StorageError):
        LogWriter(path, create=True)
    assert path.read_bytes() == before


OTHER_WRITER = """
import sys
from pathlib import Path
from legm import StorageError
from legm.runlog.log_writer import LogWriter

try:
    LogWriter(Path(sys.argv[1]), create=False)
except StorageError as error:
    print(error)
"""


def test_a_second_writer_is_refused_while_the_first_one_lives(path):
    writer = begun(path)
    with pytest.raises(StorageError, match="written by another process"):
        LogWriter(path, create=False)
    read_log(path)  # which gives no lock away
    done = subprocess.run(
        [sys.executable, "-c", OTHER_WRITER, path], capture_output=True, text=True, check=True
    )
    assert f"the run log {path} is being written by another process" in done.stdout
    assert logs_being_written([path]) == {path}
    writer.close()
    writer.close()
    assert not logs_being_written([path])
    LogWriter(path, create=False).close()


def test_a_locked_log_that_was_written_to_lately_needs_one_look(path, monkeypatch):
    writer = begun(path)
    pauses = []
    monkeypatch.setattr("legm.runlog.log_writer.time.sleep", pauses.append)
    assert logs_being_written([path], recent=60.0) == {path}
    assert pauses == []
    os.utime(path, (0, 0))
    assert logs_being_written([path], recent=60.0) == {path}
    assert pauses  # somebody else might have looked at the same moment
    writer.close()
    os.utime(path)
    assert logs_being_written([path, path.with_name("none.log")], recent=60.0) == set()


# A limit on the size of files makes a real write() fail in the middle, as a full disk does.
FULL = """
import math
import resource, signal, sys
from array import array
from pathlib import Path
from legm import StorageError
from legm.runlog.log_folder import LogFolder
from legm.records import Configuration, Run, Series
from legm.runlog.log_frames import layout_frame, points_frame
from legm.runlog.log_reader import LogTail, read_log
from legm.runlog.log_writer import LogWriter

def row(step, width):
    values = array("d", map(math.sqrt, range(width)))  # which are hardly packed
    return points_frame(array("I", [0]), array("q", [step]), array("d", [0]), values)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

def refused(act):
    try:
        act()
    except StorageError as error:
        assert str(folder) in str(error), error
        return
    raise AssertionError("the disk should have refused")

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
logs = LogFolder(folder)
run = Run("run", Configuration("e", "v1-0", "", {}, (), {}), "", 0.0)

for size in (0, 1, 15, 40):
    limit(size)
    refused(lambda: logs.create_log(run, {}))
    assert not list(folder.rglob("*.*")), list(folder.rglob("*.*"))

limit(-1)
writer = logs.create_log(run, {})
writer.append(layout_frame([Series(str(i)) for i in range(1000)]), row(0, 1000))
before = writer.path.read_bytes()
for more in (0, 1, 100, 5000):
    limit(len(before) + more)
    refused(lambda: writer.append(row(1, 1000)))
    assert writer.path.read_bytes() == before
limit(-1)
writer.append(row(2, 1000))
writer.close()
log = read_log(writer.path)
assert [points.steps.tolist() for points in log.records] == [[0, 2]], log
assert log.incomplete_bytes == 0
print("as it should be")
"""


def test_a_disk_that_refuses_leaves_the_log_as_it_was_and_the_next_append_works(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("as it should be\n", "")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EACCES, "permission is denied"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_the_disks_refusal_is_reported_with_the_file_and_a_remedy(number, remedy):
    cause = OSError(number, "Input/output error")
    assert remedy in str(storage_error("write", Path("/data/x"), cause))
    assert "/data/x" in str(storage_error("write", Path("/data/x"), cause))


# The logs of a configuration


def test_a_log_is_open_until_it_is_finalized_and_can_be_reopened(tmp_path):
    logs = LogFolder(tmp_path)
    writer = logs.create_log(RUN, {})
    assert logs.pending_logs() == logs.logs_except([]) == [tmp_path / "open" / f"{RUN.run_id}.log"]
    logs.finalize_log(writer)
    assert logs.pending_logs() == []
    assert logs.logs_except([]) == [writer.path] == [tmp_path / f"{RUN.run_id}.log"]
    logs.reopen_log(writer)
    writer.append(record_frame(Outcome(Status.FAILED, 2.0, "x")))
    assert logs.pending_logs() == [writer.path]
    writer.close()


def test_a_run_of_which_only_the_log_knows_is_running_interrupted_or_failed(tmp_path):
    logs = LogFolder(tmp_path)
    writer = logs.create_log(RUN, {})
    assert [r.status for r in results_only_in_log_folder(logs, [])] == [Status.RUNNING]
    assert results_only_in_log_folder(logs, [RUN.run_id]) == []
    writer.close()
    assert [r.status for r in results_only_in_log_folder(logs, [])] == [Status.INTERRUPTED]
    writer = LogWriter(writer.path, create=False)
    writer.append(record_frame(Outcome(Status.FAILED, 2.0, "ValueError: x")))
    assert [(r.status, r.error) for r in results_only_in_log_folder(logs, [])] == [
        (Status.FAILED, "ValueError: x")
    ]
    writer.append(record_frame(Outcome(Status.COMPLETED, 3.0)))
    assert [r.status for r in results_only_in_log_folder(logs, [])] == [
        Status.COMPLETED
    ]  # and not stored yet
    logs.finalize_log(writer)
    assert results_only_in_log_folder(logs, []) == []  # a user took it out
    writer.close()


def test_the_run_of_a_damaged_log_is_shown_with_its_intact_values_and_the_damage(tmp_path, caplog):
    logs = LogFolder(tmp_path)
    for number in range(2):
        logs.create_log(replace(RUN, run_id=f"run-{number}"), {}).close()
    damaged = logs.pending_logs()[0]
    damaged.write_bytes(b"\xff" + damaged.read_bytes()[1:])
    results = results_only_in_log_folder(logs, [])
    assert [(result.run.run_id, result.status) for result in results] == [
        ("run-0", Status.INTERRUPTED),
        ("run-1", Status.INTERRUPTED),
    ]
    assert f"{damaged}, byte 0" in caplog.text
    assert f"{damaged}, byte 0" in str(results[0].error)
    assert logs.read_run_status(damaged) == (replace(RUN, run_id="run-0"), Status.INTERRUPTED)


@pytest.mark.slow
def test_any_flipped_bit_keeps_the_run_and_no_number_is_another_and_a_repair_keeps_every_position(tmp_path):
    logs = LogFolder(tmp_path)
    path = tmp_path / f"{RUN.run_id}.log"
    ends = small_log(path)
    data = path.read_bytes()
    _, every, _ = content(path)
    rows = {row for row in every if isinstance(row, tuple)}
    for at in range(ends[-2]):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        damaged: list[Path] = []
        (result,) = results_only_in_log_folder(logs, [], CONFIGURATION, damaged)
        assert damaged == [path]
        assert result.status is Status.INTERRUPTED
        assert f"{path}, byte {max((end for end in ends if end <= at), default=0)}: " in str(result.error)
        assert repair_log(path, CONFIGURATION)
        assert path.stat().st_size == len(data)
        run, records, _ = content(path)
        assert run.run_id == RUN.run_id
        found = [one for one in records if isinstance(one, tuple)]
        assert rows.issuperset(found)
        has_length = not ends[0] + 4 <= at < ends[0] + 8
        assert len(found) >= (2 if at >= ends[2] or (at < ends[1] and has_length) else 0)
        (again,) = results_only_in_log_folder(logs, [])
        assert (again.status, again.points) == (result.status, result.points)


# What legm did not write, with a valid checksum


def between(path: Path, frames: bytes) -> list[object]:
    """What is read of a log with frames between two rows of its own."""
    own = points_frame(array("I", [0]), array("q", [1]), array("d", [0.5]), array("d", [1.0, 2.0]))
    path.write_bytes(HEADER + run_frame(RUN) + layout_frame(LAYOUT) + own + frames + own)
    log = read_log(path)
    tail = LogTail(path)
    read = tail.read(1 << 20)
    tail.close()
    assert repr(read) == repr(log.records)
    assert log.run == RUN
    assert log.content_end == path.stat().st_size
    return log.records


@pytest.mark.parametrize("name", ODD_FRAMES)
def test_a_frame_that_cannot_be_understood_is_reported_and_the_rest_is_read(path, caplog, name):
    records = between(path, ODD_FRAMES[name])
    values = [one.values.tolist() for one in records if isinstance(one, Points)]
    assert [value for one in values for value in one] == [1.0, 2.0, 1.0, 2.0]
    assert not [one for one in records if not isinstance(one, Points)]
    begin = len(HEADER + run_frame(RUN) + layout_frame(LAYOUT)) + len(
        points_frame(array("I", [0]), array("q", [1]), array("d", [0.5]), array("d", [1.0, 2.0]))
    )
    assert caplog.records[0].getMessage().startswith(f"{path}, byte {begin}: not written by legm, skipped: ")


@pytest.mark.parametrize("name", NEWER_FRAMES)
def test_what_a_newer_version_added_is_passed_over_in_silence(path, caplog, name):
    records = between(path, NEWER_FRAMES[name])
    assert sum(len(one.values) for one in records if isinstance(one, Points)) == 4
    others = [one for one in records if not isinstance(one, Points)]
    assert others == ([Outcome(Status.FAILED, 1.0, "x")] if name == "a field" else [])
    assert not caplog.records


def test_fields_of_a_newer_run_are_passed_over(path):
    content = asdict(RUN)
    content["weather"] = "fine"
    content["configuration"]["colour"] = 3
    path.write_bytes(HEADER + json_frame(1, content))
    assert read_log(path).run == RUN


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": 3},
        {"started": "yesterday"},
        {"parameters": [1]},
        {"configuration": [1]},
        {"configuration": {**asdict(CONFIGURATION), "active": ["absent"]}},
        {"configuration": {**asdict(CONFIGURATION), "active": 3}},
        {"configuration": {**asdict(CONFIGURATION), "metadata": {"lr": 3}}},
    ],
    ids=str,
)
def test_a_run_that_cannot_be_understood_is_an_error_that_names_the_file(path, change):
    path.write_bytes(HEADER + json_frame(1, {**asdict(RUN), **change}))
    with pytest.raises(CorruptFile, match=f"{path.name}, byte {len(HEADER)}: "):
        read_log(path)
