"""The local backend's catalogue: a second look reads nothing again, and never misses a change."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from legm import CorruptFile, ExperimentHandler
from legm.backends.local import folder_contents, status_cache
from legm.backends.local.backend import LocalBackend
from legm.backends.local.status_cache import read_cached_statuses
from legm.records import Query
from legm.stats.run_counts import count_by_description
from legm.util import yaml_text


def ran(root, rate, *, seeds=2, description=None, fails=False):
    """Runs of a configuration."""
    for seed in range(seeds):
        handler = ExperimentHandler(root, "e", description)
        handler.set_dict_params({"rate": rate, "seed": seed})
        handler.disable_param("seed")
        handler.name_param("rate")
        try:
            with handler.start():
                handler.set_dict_metrics({"loss": rate / (seed + 1), "accuracy": 1 - rate, "time": seed})
                handler.set_metric("accuracy", rate + seed, test=True)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass


def counted(root):
    """The experiment's counts as they can be compared."""
    return [
        (
            Path(one.folder).name,
            one.description,
            (one.completed, one.failed, one.interrupted, one.running),
            {key: list(values) for key, values in one.values.items()},
            one.configuration,
            one.last,
        )
        for one in LocalBackend(root).legm_read_counts("e")
    ]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An experiment with runs of several kinds, whose files count as old."""
    monkeypatch.setattr(status_cache, "_TIMESTAMP_RESOLUTION", 0.0)
    ran(tmp_path, 0.5)
    ran(tmp_path, 0.25, seeds=3)
    ran(tmp_path, 0.25, seeds=1, description="other")
    ran(tmp_path, 0.125, seeds=1, fails=True)
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The folders whose configuration is read."""
    found = []
    read = folder_contents.read_configuration_overview

    def noting(folder, known=None):
        found.append(folder.name)
        return read(folder, known)

    monkeypatch.setattr(folder_contents, "read_configuration_overview", noting)
    return found


def test_runs_are_counted_as_reading_each_of_them_counts_them(root):
    expected = {}
    for run in LocalBackend(root).legm_read_runs(Query("e")):
        expected.setdefault(run.run.configuration.fingerprint, []).append(run)
    from_runs = [
        one for runs in expected.values() for one in count_by_description(runs[0].run.configuration, runs)
    ]

    def kinds(found):
        return sorted(
            (one.configuration.fingerprint, one.description, one.completed, one.failed, one.last)
            for one in found
        )

    assert kinds(LocalBackend(root).legm_read_counts("e")) == kinds(from_runs)
    by_name = {(name, text): (counts, values) for name, text, counts, values, *_ in counted(root)}
    assert by_name["0.25_0", ""] == (
        (3, 0, 0, 0),
        {
            "best_loss": [0.25, 0.125, 0.25 / 3],
            "best_accuracy": [0.75] * 3,
            "test_accuracy": [0.25, 1.25, 2.25],
        },
    )
    assert by_name["0.25_0", "other"][0] == (1, 0, 0, 0)
    assert by_name["0.125_0", ""] == ((0, 1, 0, 0), {})


def test_a_second_scan_reads_no_configuration_again_and_finds_the_same(root, reads):
    first = counted(root)
    assert sorted(reads) == ["0.125_0", "0.25_0", "0.5_0"]
    reads.clear()
    assert counted(root) == first
    assert reads == []


def test_a_new_run_is_found_by_reading_only_its_configuration(root, reads):
    counted(root)
    reads.clear()
    ran(root, 0.5, seeds=1)
    by_name = {name: counts for name, text, counts, *_ in counted(root) if not text}
    assert by_name["0.5_0"] == (3, 0, 0, 0)
    assert reads == ["0.5_0"]


def test_what_a_user_deletes_renames_and_copies_is_noticed(root):
    counted(root)
    metrics = root / "e" / "0.25_0" / "metrics.yml"
    kept = metrics.read_bytes().splitlines(keepends=True)[1:]
    metrics.write_bytes(b"".join(kept))
    (root / "e" / "0.5_0").rename(root / "e" / "mine")
    shutil.rmtree(root / "e" / "0.125_0")
    found = {f"{name} {text}": counts for name, text, counts, *_ in counted(root)}
    assert found == {"mine ": (2, 0, 0, 0), "0.25_0 ": (2, 0, 0, 0), "0.25_0 other": (1, 0, 0, 0)}
    shutil.copytree(root / "e" / "mine", root / "e" / "copy")
    ran(root, 0.5, seeds=1)
    assert [counts for name, _, counts, *_ in counted(root) if name in {"mine", "copy"}] == [(3, 0, 0, 0)]


def test_edited_parameters_are_an_error_even_after_a_scan(root):
    counted(root)
    path = root / "e" / "0.5_0" / "params.yml"
    path.write_text(path.read_text().replace("rate: 0.5", "rate: 0.7"))
    with pytest.raises(CorruptFile, match=r"the parameters give v1-\w+, not v1-\w+: they were edited"):
        counted(root)
    (damaged,) = (one for one in read_cached_statuses(root / "e") if one.problem is not None)
    assert Path(damaged.folder).name == "0.5_0"
    path.write_text(path.read_text().replace("rate: 0.7", "rate: 0.5"))
    assert len(counted(root)) == 4


def test_a_run_that_is_still_running_is_read_again_until_its_process_has_ended(root):
    program = (
        "import sys, time; from legm import ExperimentHandler as H; h = H(sys.argv[1], 'e');"
        "h.set_param('rate', 2.0); h.start(); h.set_metric('loss', 1.0); print(flush=True);"
        "time.sleep(600)  # until it is killed"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE)

    def counts():
        return [kinds for _, _, kinds, _, one, _ in counted(root) if one.parameters["rate"] == 2.0]

    try:
        process.stdout.readline()
        assert counts() == [(0, 0, 0, 1)]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert counts() == [(0, 0, 1, 0)]


def test_a_run_that_began_after_a_scan_is_found(root):
    counted(root)
    handler = ExperimentHandler(root, "e")
    handler.set_param("rate", 0.5)
    handler.name_param("rate")
    handler.start()
    assert {name: counts for name, _, counts, *_ in counted(root)}["0.5_0"] == (2, 0, 0, 1)
    handler.log()
    assert {name: counts for name, _, counts, *_ in counted(root)}["0.5_0"] == (3, 0, 0, 0)


def test_a_file_changed_just_now_is_read_again_since_its_time_may_not_show_it(tmp_path, reads):
    ran(tmp_path, 0.5)
    first = counted(tmp_path)
    reads.clear()
    assert counted(tmp_path) == first
    assert reads == ["0.5_0"]


@pytest.mark.parametrize("damage", [b"", b"legm catalogue 1", b"legm catalogue 3 little 00000000\n{}"])
def test_a_catalogue_that_cannot_be_read_is_made_anew(root, reads, damage):
    first = counted(root)
    path = root / "e" / ".legm" / "catalogue"
    path.write_bytes(damage or path.read_bytes()[:-1])
    reads.clear()
    assert counted(root) == first
    assert len(reads) == 3
    assert counted(root) == first
    assert len(reads) == 3


def test_where_no_catalogue_can_be_written_each_scan_reads_everything(root, reads):
    first = counted(root)
    path = root / "e" / ".legm" / "catalogue"
    path.unlink()
    path.mkdir()
    reads.clear()
    assert [counted(root), counted(root)] == [first, first]
    assert len(reads) == 6


def test_a_moved_root_is_read_anew_and_names_its_new_folders(root, tmp_path_factory):
    counted(root)
    place = tmp_path_factory.mktemp("moved") / "root"
    shutil.copytree(root, place)
    assert {Path(one.folder).parent.parent for one in LocalBackend(place).legm_read_counts("e")} == {place}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
@pytest.mark.parametrize("is_killed", [False, True])
def test_several_processes_find_what_one_does(root, monkeypatch, is_killed):
    (root / "e" / "0.5_0" / "params.yml").write_text("no: [parameters")
    alone = [(one.folder, one.counts, str(one.problem)) for one in read_cached_statuses(root / "e")]
    (root / "e" / ".legm" / "catalogue").unlink()
    monkeypatch.setattr(status_cache, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(status_cache, "number_of_forked_processes", lambda: 2)
    if is_killed:
        kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        monkeypatch.setattr(status_cache, "_packed_statuses_of", kill)
    shared = [(one.folder, one.counts, str(one.problem)) for one in read_cached_statuses(root / "e")]
    assert json.dumps(shared, default=str) == json.dumps(alone, default=str)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
@pytest.mark.parametrize("is_killed", [False, True])
def test_what_changed_is_seen_by_another_process_too(root, reads, monkeypatch, is_killed):
    first = counted(root)
    monkeypatch.setattr(status_cache, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(status_cache, "number_of_forked_processes", lambda: 2)
    read, parent = status_cache.read_status_signatures, os.getpid()

    def read_here_or_there(folder):
        if is_killed and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        reads.append("signatures")
        return read(folder)

    monkeypatch.setattr(status_cache, "read_status_signatures", read_here_or_there)
    reads.clear()
    assert counted(root) == first
    assert reads == ["signatures"] * is_killed
    (root / "e" / "0.5_0").rename(root / "e" / "ünd mehr")
    assert [Path(one.folder).name for one in read_cached_statuses(root / "e")] == [
        "0.125_0",
        "0.25_0",
        "ünd mehr",
    ]


def test_experiments_are_listed_by_the_name_that_finds_their_folder(root):
    ExperimentHandler(root, "LeNet/MNIST").start().log()
    (root / "nothing").mkdir()
    ExperimentHandler(root, "old").start().log()
    (root / "old").rename(root / "older")
    assert LocalBackend(root).legm_read_experiments() == ["LeNet/MNIST", "e", "older"]
    assert len(list(LocalBackend(root).legm_read_counts("older"))) == 1
    assert LocalBackend(root / "nowhere").legm_read_experiments() == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.text(max_size=8), VALUES, max_size=6)


@given(MAPPINGS)
def test_a_block_is_read_as_yaml_reads_it_or_left_to_yaml(mapping):
    assert yaml_text.parse_yaml_block(yaml_text.yaml_block(mapping), {}) in (None, mapping)


def test_what_most_parameters_look_like_is_not_left_to_yaml():
    ordinary = {
        "lr": 1e-07,
        "n": -3,
        "text": "1e5",
        "on": None,
        "ü": [0.5, [True]],
        "of": {"a": {}, "b": {"c": 1}},
    }
    assert yaml_text.parse_yaml_block(yaml_text.yaml_block(ordinary), {}) == ordinary


@given(MAPPINGS, st.data())
def test_what_a_user_changes_in_a_block_is_read_as_yaml_reads_it_or_left_to_yaml(mapping, data):
    text = yaml_text.yaml_block(mapping)
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.text(st.sampled_from(" \n:'\"-[]{}#&*!|>?%0123456789eE.x~nfy"), max_size=3))
    changed = text[:at] + put + text[at + data.draw(st.integers(0, 3)) :]
    found = yaml_text.parse_yaml_block(changed, {})
    if found is not None:
        assert found == (yaml.safe_load(changed) or {})


@pytest.mark.parametrize("value", ["[? .inf]", "[? ]", "[null, ? .nan]", '[? "x"]', '[? "x", .inf]'])
def test_a_question_mark_that_begins_no_key_is_left_to_yaml(value):
    assert yaml_text.parse_yaml_block(f"a: {value}\n", {}) is None


def test_what_was_met_before_makes_no_difference():
    known: dict[str, object] = {}
    texts = [yaml_text.yaml_block({"a": {"b": n % 2, "c": {"d": [n]}}, "e": {}}) for n in range(3)]
    assert [yaml_text.parse_yaml_block(text, known) for text in texts] == [
        yaml.safe_load(text) for text in texts
    ]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="nothing is forked here")
def test_no_process_is_forked_while_another_thread_runs(root):
    handler = ExperimentHandler(root, "e").start()
    handler.set_metric("loss", 1.0)  # the recorder's thread lives
    assert status_cache.number_of_forked_processes() == 1


def test_the_values_of_many_metrics_are_not_unpacked_for_each_of_them(tmp_path, monkeypatch):
    handler = ExperimentHandler(tmp_path, "e").start()
    handler.set_dict_metrics({f"m{number}": number / 3 for number in range(300)})
    handler.log()
    unpackings, unpack = [], status_cache.a2b_base64
    monkeypatch.setattr(status_cache, "a2b_base64", lambda text: unpackings.append(1) or unpack(text))
    ((counts,),) = (one.counts for one in read_cached_statuses(tmp_path / "e"))
    for _ in range(2):
        for number in range(300):
            assert f"best_m{number}" in counts.values
            assert list(counts.values[f"best_m{number}"]) == [number / 3]
        assert "best_x" not in counts.values
        assert counts.values.get("best_x") is None
    assert len(counts.values) == 300
    assert len(unpackings) < 20
