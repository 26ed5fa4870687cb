"""A run's entry in TensorBoard's HPARAMS table is replaced where it is, and everything else stays."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams_metadata

from legm.backends.local.event_file import EventFile
from legm.backends.local.event_hparams import hparams_session, replace_event_hparams
from legm.records import Status

STARTED = 1_790_000_000.25


def write(folder, parameters, *, scalars=3):
    file = EventFile(folder, started=STARTED)
    for step in range(scalars):
        file.scalar("dev/loss", step / 8, step, STARTED + step)
    file.hparams(parameters, "before", STARTED)
    file.session_end(Status.COMPLETED, STARTED + 9)
    file.close()
    return file.path


def read(folder):
    """The entry, and all scalars and the end of the session, as TensorBoard finds them."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    content = accumulator.PluginTagToContent(hparams_metadata.PLUGIN_NAME)
    info = hparams_metadata.parse_session_start_info_plugin_data(
        content[hparams_metadata.SESSION_START_INFO_TAG]
    )
    end = hparams_metadata.parse_session_end_info_plugin_data(content[hparams_metadata.SESSION_END_INFO_TAG])
    values = [(event.step, event.value) for event in accumulator.Scalars("dev/loss")]
    return {name: value.number_value for name, value in info.hparams.items()}, info.group_name, end, values


@pytest.mark.parametrize("name", ["b", "batch", "batch_siz", "batch_size_in_all_processes"])
def test_an_entry_with_other_names_is_written_over_the_old_one(tmp_path, name):
    path = write(tmp_path, {"lr": 0.5, "batch_size": 64})
    before, inode, (_, _, end, values) = path.stat().st_size, path.stat().st_ino, read(tmp_path)
    replace_event_hparams(str(tmp_path), hparams_session({"lr": 0.25, name: 32}, "after"), STARTED)
    assert read(tmp_path) == ({"lr": 0.25, name: 32}, "after", end, values)
    assert (path.stat().st_size, path.stat().st_ino) == (before, inode)


@pytest.mark.parametrize("length", range(1, 300, 13))
def test_an_entry_of_any_length_replaces_one_of_any_length(tmp_path, length):
    write(tmp_path, {"lr": 0.5})
    for name in ("x" * length, "lr", "y" * (300 - length)):
        replace_event_hparams(str(tmp_path), hparams_session({name: 2}, "g"), STARTED)
        assert read(tmp_path)[:2] == ({name: 2}, "g")
    assert len([*tmp_path.iterdir()]) == 1


def test_an_entry_far_from_the_end_of_its_file_is_found(tmp_path):
    folder = tmp_path / "run"
    file = EventFile(folder, started=STARTED)
    file.hparams({"lr": 0.5}, "before", STARTED)
    file.session_end(Status.COMPLETED, STARTED)
    for step in range(3000):
        file.scalar("dev/loss", step, step, STARTED)
    file.close()
    assert file.path.stat().st_size > 1 << 17
    replace_event_hparams(str(folder), hparams_session({"rate": 0.5}, "after"), STARTED)
    found = read(folder)
    assert found[:2] == ({"rate": 0.5}, "after")
    assert found[3] == [(step, step) for step in range(3000)]


def test_an_entry_of_which_the_power_failed_within_is_replaced(tmp_path):
    path = write(tmp_path, {"lr": 0.5})
    data = bytearray(path.read_bytes())
    data[data.index(b"before") + 2] ^= 255
    path.write_bytes(data)
    replace_event_hparams(str(tmp_path), hparams_session({"lr": 0.5}, "after"), STARTED)
    assert read(tmp_path)[:2] == ({"lr": 0.5}, "after")


def test_a_text_that_has_the_tag_of_an_entry_is_not_taken_for_one(tmp_path):
    path = write(tmp_path, {"note": "\n\x1c_hparams_/session_start_info", "lr": 0.5})
    size = path.stat().st_size
    replace_event_hparams(str(tmp_path), hparams_session({"lr": 0.5}, "after"), STARTED)
    assert read(tmp_path)[:2] == ({"lr": 0.5}, "after")
    assert path.stat().st_size == size


def test_a_file_elsewhere_to_which_a_link_leads_stays_as_it_is(tmp_path):
    path = write(tmp_path / "elsewhere", {"lr": 0.5})
    data = path.read_bytes()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / path.name).symlink_to(path)
    replace_event_hparams(str(tmp_path / "run"), hparams_session({"rate": 0.5}, "after"), STARTED)
    assert path.read_bytes() == data


def test_a_folder_that_is_not_there_has_no_entry_to_replace(tmp_path):
    replace_event_hparams(str(tmp_path / "none"), hparams_session({"rate": 0.5}, "after"), STARTED)
    assert not (tmp_path / "none").exists()
