"""Event files, read back by TensorBoard's own readers."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import (
    EventFileLoader,
    LegacyEventFileLoader,
    RawEventFileLoader,
)
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginEventAccumulator,
)
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.util import tensor_util

from legm.backends.local import event_rows
from legm.backends.local.event_file import EventFile, replace_event_file
from legm.records import Points, Series, Split, Status
from tests.support.paths import ROOT

STARTED = 1_700_000_000.25


def points(*rows):
    """Points of rows, each (series, step, time, values)."""
    layouts = tuple(dict.fromkeys(row[0] for row in rows))
    return Points(
        layouts,
        np.array([layouts.index(row[0]) for row in rows], np.uint32),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([value for row in rows for value in row[3]], np.float64),
    )


def dev(*names):
    return tuple(Series(name) for name in names)


def read(path):
    """The events of a file after the two with which it begins."""
    return list(LegacyEventFileLoader(str(path)).Load())[2:]


def scalars(path):
    """What a file holds, in order: (tag, step, time, the value's four bytes)."""
    return [
        (value.tag, event.step, event.wall_time, struct.pack("<f", value.simple_value))
        for event in read(path)
        for value in event.summary.value
    ]


def single(value):
    with np.errstate(over="ignore"):
        return np.float32(value).astype("<f4").tobytes()


def shown(folder, tag):
    return [(event.step, event.value) for event in EventAccumulator(str(folder)).Reload().Scalars(tag)]


@pytest.fixture
def file(tmp_path):
    file = EventFile(tmp_path / "a" / "run", started=STARTED)
    yield file
    file.close()


def test_a_new_file_is_named_as_tensorboard_expects_and_begins_with_the_format_version(file):
    first, restart = LegacyEventFileLoader(str(file.path)).Load()
    assert file.path.name.startswith("events.out.tfevents.")
    assert (first.file_version, first.wall_time, first.step) == ("brain.Event:2", STARTED, 0)
    assert restart.session_log.status == event_pb2.SessionLog.START


def test_two_files_made_at_once_in_one_folder_have_different_names(tmp_path):
    files = [EventFile(tmp_path, started=STARTED) for _ in range(20)]
    for file in files:
        file.close()
    assert len({file.path for file in files}) == 20


def test_a_row_is_one_event_with_a_value_for_each_series(file):
    file.points(points((dev("loss", "acc"), 7, STARTED, (0.5, 2.0))))
    (event,) = read(file.path)
    expected = event_pb2.Event(wall_time=STARTED, step=7)
    expected.summary.value.add(tag="dev/loss", simple_value=0.5)
    expected.summary.value.add(tag="dev/acc", simple_value=2.0)
    assert event == expected


def test_rows_of_several_layouts_keep_the_order_in_which_they_were_set(file):
    one, two = dev("loss"), dev("loss", "acc")
    file.points(points((one, 1, 1, (1,)), (two, 2, 2, (2, 3)), (one, 3, 3, (4,)), (two, 4, 4, (5, 6))))
    assert [(tag, step) for tag, step, *_ in scalars(file.path)] == [
        ("dev/loss", 1),
        ("dev/loss", 2),
        ("dev/acc", 2),
        ("dev/loss", 3),
        ("dev/loss", 4),
        ("dev/acc", 4),
    ]


def test_test_series_and_indexed_series_are_left_out(file):
    mixed = (Series("acc", Split.TEST), Series("loss"), Series("loss", Split.DEV, "image 1"))
    file.points(points((mixed, 1, 1, (1, 2, 3)), (mixed[:1], 2, 2, (4,))))
    assert scalars(file.path) == [("dev/loss", 1, 1.0, single(2))]


def test_no_rows_write_nothing(file):
    size = file.path.stat().st_size
    file.points(points())
    assert file.path.stat().st_size == size


LAYOUTS = st.lists(
    st.lists(
        st.builds(Series, st.text(st.characters()), st.sampled_from(Split), st.none() | st.text(max_size=3)),
        max_size=5,
    ).map(tuple),
    min_size=1,
    max_size=4,
)
TIMES = st.floats(0, 4e9)


@st.composite
def row_lists(draw):
    layouts = draw(LAYOUTS)
    rows = []
    for series in draw(st.lists(st.sampled_from(layouts), max_size=12)):
        values = draw(st.lists(st.floats(), min_size=len(series), max_size=len(series)))
        rows.append((series, draw(st.integers(-(2**63), 2**63 - 1)), draw(TIMES), values))
    return rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(rows=[(dev("x"), -(2**63), 0.0, [float("nan")]), (dev("x"), 2**63 - 1, 1.0, [1e300])])
@example(
    rows=[(dev("lone \ud800", "\0", "", "é" * 200, "長" * 9000), -1, 0.0, [float("-inf"), 0, -0.0, 1e-46, 1])]
)
@given(rows=row_lists())
def test_any_names_steps_and_values_are_read_back(tmp_path, rows):
    file = EventFile(tmp_path, started=STARTED)
    file.points(points(*rows))
    file.close()
    found, times = [], []
    for tag, step, time, value in scalars(file.path):
        found.append((tag, step, value))
        times.append(time)
    expected = [
        ("dev/" + one.name.encode("utf-8", "replace").decode(), step, single(value), time)
        for series, step, time, values in rows
        for one, value in zip(series, values, strict=True)
        if one.split is Split.DEV and one.index is None
    ]
    assert found == [one[:3] for one in expected]
    assert all(abs(time - one[3]) <= 1 for time, one in zip(times, expected, strict=True))


def test_rows_that_were_set_one_after_the_other_at_one_step_are_one_event(file):
    loss, acc, both = dev("loss"), dev("acc"), dev("loss", "acc")
    file.points(
        points(
            (loss, 7, 10.0, (0.5,)),
            (acc, 7, 10.25, (0.25,)),
            (loss, 7, 10.5, (0.75,)),  # again: another event
            (acc, 7, 60.0, (1.0,)),  # long afterwards
            (both, 8, 60.5, (1.0, 2.0)),
        )
    )
    assert [
        (event.step, event.wall_time, [(one.tag, one.simple_value) for one in event.summary.value])
        for event in read(file.path)
    ] == [
        (7, 10.0, [("dev/loss", 0.5), ("dev/acc", 0.25)]),
        (7, 10.5, [("dev/loss", 0.75)]),
        (7, 60.0, [("dev/acc", 1.0)]),
        (8, 60.5, [("dev/loss", 1.0), ("dev/acc", 2.0)]),
    ]


def test_an_event_has_no_byte_too_many(file):
    file.points(points(*((dev("loss"), step, STARTED, (0.5,)) for step in (0, 127, 128, 2**21, -1))))
    data, at, sizes = file.path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        sizes.append(length)
        at += 12 + length + 4
    for step, size in zip((0, 127, 128, 2**21, -1), sizes[2:], strict=True):
        summary = {"value": [{"tag": "dev/loss", "simple_value": 0.5}]}
        event = event_pb2.Event(wall_time=1, step=step, summary=summary).SerializeToString()
        assert size == len(event) + (2 if step == 0 else 0)  # protobuf leaves a zero out


def test_a_batch_larger_than_a_chunk_is_complete_and_in_order(file, monkeypatch):
    monkeypatch.setattr(event_rows, "_CHUNK", 7)
    wide, narrow = dev(*"abcdefghij"), dev("a")
    rows = [(wide if i % 3 else narrow, i, i, range(10 if i % 3 else 1)) for i in range(50)]
    file.points(points(*rows))
    assert [step for tag, step, *_ in scalars(file.path) if tag == "dev/a"] == list(range(50))
    assert len(scalars(file.path)) == sum(len(row[3]) for row in rows)


def test_every_byte_of_a_record_is_covered_by_a_checksum(file, tmp_path):
    head = file.path.stat().st_size
    file.points(points((dev("loss"), 1, 1, (1,))))
    whole = file.path.read_bytes()
    for at in range(head, len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 1
        copy = tmp_path / "broken.tfevents"
        copy.write_bytes(broken)
        assert len(list(RawEventFileLoader(str(copy)).Load())) == 2


def test_a_reader_that_has_the_file_open_sees_each_call_at_once(file):
    reader = EventFileLoader(str(file.path))
    assert len(list(reader.Load())) == 2
    file.points(points((dev("loss"), 1, 1, (1,)), (dev("loss"), 2, 2, (2,))))
    assert [event.step for event in reader.Load()] == [1, 2]
    file.scalar("x", 3, 3, 3)
    file.text("y", "hi", 4, 4)
    assert [event.step for event in reader.Load()] == [3, 4]
    assert list(reader.Load()) == []


def test_scalars_are_found_by_tensorboards_accumulator_under_their_tags(file):
    file.points(points((dev("loss", "größe"), 0, 1, (0.5, 1)), (dev("loss", "größe"), 1, 2, (0.25, 2))))
    file.scalar("best/loss", 0.25, -3, 3)
    folder = file.path.parent
    assert shown(folder, "dev/loss") == [(0, 0.5), (1, 0.25)]
    assert shown(folder, "dev/größe") == [(0, 1.0), (1, 2.0)]
    assert shown(folder, "best/loss") == [(-3, 0.25)]


def test_a_scalars_step_beyond_int64_is_refused_and_nothing_is_written(file):
    size = file.path.stat().st_size
    with pytest.raises(OverflowError):
        file.scalar("x", 1, 2**63, 1)
    assert file.path.stat().st_size == size


def test_a_text_is_one_the_text_plugin_shows(file):
    file.text("notes/ü", "**größe** \ud800", 5, STARTED)
    (event,) = EventAccumulator(str(file.path.parent)).Reload().Tensors("notes/ü")
    (value,) = read(file.path)[0].summary.value
    assert (event.step, event.wall_time) == (5, STARTED)
    assert tensor_util.make_ndarray(event.tensor_proto).item().decode() == "**größe** ?"
    assert value.metadata.plugin_data.plugin_name == text_metadata.PLUGIN_NAME
    assert text_metadata.parse_plugin_metadata(value.metadata.plugin_data.content).version == 0


def session(file, tag):
    """The content of the hparams plugin under a tag, as TensorBoard finds it."""
    accumulator = EventAccumulator(str(file.path.parent)).Reload()
    assert accumulator.Tensors(tag), "the table looks for tensors"
    return accumulator.PluginTagToContent(hparams_metadata.PLUGIN_NAME)[tag]


def test_hyperparameters_are_a_session_of_the_hparams_table(file):
    file.hparams({"lr": 0.1, "layers": 3, "amp": True, "optimizer": "adam \ud800"}, "größe", STARTED)
    content = session(file, hparams_metadata.SESSION_START_INFO_TAG)
    info = hparams_metadata.parse_session_start_info_plugin_data(content)
    assert (info.group_name, info.start_time_secs) == ("größe", STARTED)
    assert dict(info.hparams.items()).keys() == {"lr", "layers", "amp", "optimizer"}
    assert info.hparams["lr"].number_value == 0.1
    assert info.hparams["layers"].number_value == 3
    assert info.hparams["amp"].WhichOneof("kind") == "bool_value"
    assert info.hparams["optimizer"].string_value == "adam ?"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ([64, 32], "[64,32]"),
        ({"b": 1, "a": "ü"}, '{"a":"ü","b":1}'),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
        (2**53 + 1, "9007199254740993"),
        (10**400, "1" + "0" * 400),
    ],
)
def test_a_hyperparameter_the_table_has_no_type_for_is_shown_as_text(file, value, text):
    file.hparams({"x": value}, "", STARTED)
    content = session(file, hparams_metadata.SESSION_START_INFO_TAG)
    info = hparams_metadata.parse_session_start_info_plugin_data(content)
    assert info.hparams["x"].string_value == text


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.RUNNING, api_pb2.STATUS_RUNNING),
        (Status.COMPLETED, api_pb2.STATUS_SUCCESS),
        (Status.FAILED, api_pb2.STATUS_FAILURE),
        (Status.INTERRUPTED, api_pb2.STATUS_FAILURE),
    ],
)
def test_the_end_of_a_session_has_its_time_and_status(file, status, expected):
    file.session_end(status, STARTED + 5)
    content = session(file, hparams_metadata.SESSION_END_INFO_TAG)
    info = hparams_metadata.parse_session_end_info_plugin_data(content)
    assert (info.status, info.end_time_secs) == (expected, STARTED + 5)


def test_a_disk_error_raises_and_leaves_complete_records_that_can_be_written_again(file):
    resource = pytest.importorskip("resource", reason="only POSIX can limit the size of a file")
    file.points(points((dev("loss"), 1, 1, (1,))))
    size = file.path.stat().st_size
    more = points(*((dev("loss"), step, step, (step,)) for step in range(2, 100)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, limits[1]))
    try:
        with pytest.raises(OSError) as raised:
            file.points(more)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG
    assert file.path.stat().st_size == size
    file.points(more)
    assert [step for _, step, *_ in scalars(file.path)] == list(range(1, 100))


def test_what_an_interrupted_call_left_is_overwritten_even_if_it_could_not_be_cut(file, monkeypatch):
    file.scalar("x", 1, 1, 1)
    raw = file.file

    class Full:
        def write(self, data):
            if raw.tell() > size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return raw.write(data[:9])

        def truncate(self, _):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def seek(self, at):
            return raw.seek(at)

    size = file.path.stat().st_size
    file.file = Full()
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        file.scalar("x", 2, 2, 2)
    file.file = raw
    assert [step for _, step, *_ in scalars(file.path)] == [1]
    file.scalar("x", 3, 3, 3)
    assert [step for _, step, *_ in scalars(file.path)] == [1, 3]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        EventFile(tmp_path / "file" / "run", started=STARTED)


def test_closing_twice_is_harmless_and_writing_after_it_an_error(file):
    file.close()
    file.close()
    with pytest.raises(ValueError):
        file.scalar("x", 1, 1, 1)


def test_a_replacement_is_not_visible_before_it_is_complete(file):
    folder = file.path.parent
    file.scalar("x", 1, 1, 1)
    with replace_event_file(folder, started=STARTED) as new:
        new.scalar("x", 10, 1, 1)
        assert shown(folder, "x") == [(1, 1.0)]
    assert shown(folder, "x") == [(1, 10.0)]


@pytest.mark.parametrize(
    ("accumulator", "kind"), [(EventAccumulator, "Scalars"), (PluginEventAccumulator, "Tensors")]
)
def test_a_reader_shows_the_replacement_instead_of_what_it_read_before(file, accumulator, kind):
    file.scalar("x", 2, 2, 2)
    file.scalar("x", 1, 1, 1)
    file.scalar("gone", 1, 1, 1)
    file.close()
    reader = accumulator(str(file.path.parent)).Reload()
    items = getattr(reader, kind)
    assert [event.step for event in items("x")] == [2, 1]
    for _ in range(2):
        with replace_event_file(file.path.parent, started=STARTED) as new:
            new.scalar("x", 1, 1, 1)
            new.scalar("x", 2, 2, 2)
        reader.Reload()
        assert [event.step for event in items("x")] == [1, 2]
    assert items("gone") == []


def test_a_second_file_of_a_run_adds_to_the_first(file):
    file.scalar("x", 5, 5, 5)
    file.close()
    resumed = EventFile(file.path.parent, started=STARTED)
    resumed.scalar("x", 6, 6, 6)
    resumed.close()
    assert shown(file.path.parent, "x") == [(5, 5.0), (6, 6.0)]


def test_a_replacement_that_fails_leaves_everything_as_it_was(file):
    file.scalar("x", 1, 1, 1)
    before = {path: path.read_bytes() for path in file.path.parent.iterdir()}
    with pytest.raises(OverflowError), replace_event_file(file.path.parent, started=STARTED) as new:
        new.scalar("x", 2, 2**63, 2)
    assert {path: path.read_bytes() for path in file.path.parent.iterdir()} == before


def test_replacements_do_not_pile_up_and_leave_other_files_alone(tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".0123.partial").write_text("of a process that was killed")
    for _ in range(5):
        with replace_event_file(tmp_path, started=STARTED) as new:
            new.scalar("x", 1, 1, 1)
        for path in tmp_path.glob("events.*"):
            if not path.stat().st_size:
                os.utime(path, (0, 0))  # truncated long ago: no reader is at it any more
    names = {path.name for path in tmp_path.iterdir()}
    assert names > {"result", "notes.txt"}
    assert len(names) == 4, "the file that was truncated last, and the new one"
    assert new.path in tmp_path.iterdir()


def test_scalars_need_no_protobuf(tmp_path):
    program = """
import json, sys
from pathlib import Path
from legm.backends.local.event_file import EventFile
file = EventFile(Path(sys.argv[1]), started=1.0)
file.scalar("x", 1, 1, 1)
file.close()
print(json.dumps([name for name in sys.modules if name.startswith(("google.protobuf", "tensor"))]))
"""
    out = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    assert json.loads(out.stdout) == []
