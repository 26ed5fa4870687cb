"""Files of the user's: where they are, what is in them, and what is refused."""

from __future__ import annotations

import errno
import json
import os
from collections import OrderedDict
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from legm import ExperimentHandler, InvalidName, LegmError, StateError, StorageError
from legm.runlog.user_files import UserFiles

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def handler(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    with made.start():
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("files")


def described(root: Path, description: str) -> ExperimentHandler:
    return ExperimentHandler(root, "e", description).start()


# Names


def test_a_file_is_in_the_configurations_folder_with_the_description_in_front(tmp_path):
    plain_one, other = ExperimentHandler(tmp_path, "e").start(), described(tmp_path, "no-warmup")
    place = tmp_path / "e" / "_0"
    assert plain_one.get_save_filename() == plain_one.model_save_filename == str(place / "model.pt")
    assert other.get_save_filename() == other.model_save_filename == str(place / "no-warmup-model.pt")
    assert other.get_save_filename("weights.npz") == str(place / "no-warmup-weights.npz")


def test_a_file_has_its_name_from_start_on_and_after_the_run(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    with pytest.raises(StateError, match="call start"):
        made.get_save_filename()
    with made.start():
        before = made.get_save_filename()
    assert made.get_save_filename() == before


@pytest.mark.parametrize(
    "name",
    [
        "params.yml",
        "metrics.yml",
        "steps.yml",
        "aggregated_metrics.yml",
        "plots",
        "tensorboard",
        "runs",
        "artifacts",
        "METRICS.yml",
    ],
)
def test_legms_own_names_are_refused(handler, name):
    with pytest.raises(InvalidName, match="is reserved for legm: choose another name, such as 'my-"):
        handler.get_save_filename(name)
    with pytest.raises(InvalidName):
        handler.set_custom_data({"a": 1}, name)


@pytest.mark.parametrize("name", ["", None, 3, b"x.yml", Path("x.yml")])
def test_a_name_that_is_no_text_is_refused(handler, name):
    with pytest.raises(InvalidName):
        handler.get_save_filename(name)
    with pytest.raises(InvalidName):
        handler.set_custom_data({"a": 1}, name)


@given(st.text(max_size=400), st.text(max_size=250))
def test_no_name_leaves_the_folder_and_none_is_too_long_for_it(folder, basename, description):
    try:
        path = UserFiles(folder, description, "run").path(basename)
    except InvalidName:
        assert not basename or UserFiles(folder, "", "run").path("my-" + basename)
        return
    assert path.parent == folder
    assert path.name not in (".", "..")
    assert "/" not in path.name
    assert path.name.isprintable()
    assert len(path.name.encode()) <= 255
    path.write_bytes(b"")  # the file system agrees
    path.unlink()
    assert UserFiles(folder, description, "another").path(basename) == path


PARTS = st.lists(st.sampled_from(["a", "b", "-", "_x2d_", "_", "x2d", ".pt"]), min_size=1, max_size=5).map(
    "".join
)
TEXTS = PARTS | st.text(min_size=1, max_size=300)


@given(st.lists(TEXTS, min_size=2, max_size=2, unique=True))
def test_different_names_are_different_files(folder, names):
    try:
        one, other = (UserFiles(folder, "", "run").path(name) for name in names)
    except InvalidName:
        return
    assert one != other


@example([("a-b", "c.pt"), ("a", "b-c.pt")])
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=2, unique=True))
def test_different_descriptions_or_names_are_different_files(folder, pairs):
    try:
        one, other = (UserFiles(folder, description, "run").path(name) for description, name in pairs)
    except InvalidName:
        return
    assert one != other


def test_descriptions_that_begin_alike_have_different_files(folder):
    paths = {UserFiles(folder, "long " * 30 + end, "run").path("model.pt") for end in "ab"}
    assert len(paths) == 2


@pytest.mark.parametrize("length", [10, 140, 200, 1000])
def test_a_long_name_is_the_same_each_time_and_keeps_its_extension(handler, length):
    name = "x" * length + ".json"
    handler.set_custom_data({"a": 1}, name)
    handler.set_custom_data({"b": 2}, name)
    path = Path(handler.get_save_filename(name))
    assert path.suffix == ".json"
    assert json.loads(path.read_text()) == {"a": 1, "b": 2}


# Data


def test_data_is_returned_as_it_was_given(handler):
    data = OrderedDict(a=(1, 2))
    assert handler.set_custom_data(data) is data
    assert data == OrderedDict(a=(1, 2))


@given(plain)
def test_yaml_and_json_hold_what_was_set(folder, data):
    files = UserFiles(folder, "", "run")
    assert yaml.safe_load(files.set_data(data, "x.yml").read_bytes()) == data
    assert json.loads(files.set_data(data, "x.json").read_bytes()) == data


@given(st.text())
def test_text_is_kept_to_the_letter(folder, text):
    assert UserFiles(folder, "", "run").set_data(text, "x.txt").read_bytes() == text.encode()


def test_what_is_no_plain_data_is_kept_in_plain_form(handler):
    data = {"a": np.float64(0.5), "b": (1, 2), "c": Path("x/y"), "d": np.arange(3), 5: "five"}
    handler.set_custom_data({key: value for key, value in data.items() if key != 5})
    found = yaml.safe_load(Path(handler.get_save_filename("custom_data.yml")).read_text())
    assert found == {"a": 0.5, "b": [1, 2], "c": str(PurePosixPath("x/y")), "d": [0, 1, 2]}


def test_arrays_are_kept_without_pickle_under_any_name(handler):
    arrays = {
        "file": np.arange(3),
        "allow_pickle": np.zeros((2, 3), np.float32),
        "self": np.array(0.5),
        "names": np.array(["ü", "b"]),
        "lists": [[1, 2], [3, 4]],
        "empty": np.empty((0, 2)),
        "big-endian": np.arange(2, dtype=">i4"),
    }
    handler.set_custom_data(arrays, "arrays.npz")
    with np.load(handler.get_save_filename("arrays.npz"), allow_pickle=False) as found:
        assert sorted(found.files) == sorted(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == np.asarray(array).dtype


@pytest.mark.parametrize("extension", [".yml", ".json"])
@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ({"a": 1, "b": 1}, {"b": 2, "c": 3}, {"a": 1, "b": 2, "c": 3}),
        ([1, 2], [3], [1, 2, 3]),
        ((1,), [2], [1, 2]),
        ("one ", "two", "one two"),
    ],
)
def test_a_mapping_is_updated_a_list_extended_and_text_appended(handler, extension, first, second, merged):
    for data in (first, second):
        handler.set_custom_data(data, "x" + extension)
    assert yaml.safe_load(Path(handler.get_save_filename("x" + extension)).read_text()) == merged


def test_text_files_are_appended_to_and_arrays_updated_by_name(handler):
    handler.set_custom_data("one\n", "x.txt")
    handler.set_custom_data("two\n", "x.txt")
    assert Path(handler.get_save_filename("x.txt")).read_text() == "one\ntwo\n"
    handler.set_custom_data({"a": [1], "b": [2]}, "x.npz")
    handler.set_custom_data({"b": [3.5], "c": [4]}, "x.npz")
    with np.load(handler.get_save_filename("x.npz")) as found:
        assert {name: found[name].tolist() for name in found.files} == {"a": [1], "b": [3.5], "c": [4]}


def test_what_is_changed_afterwards_does_not_change_what_was_set(handler):
    data, array = {"a": [1]}, np.zeros(2)
    handler.set_custom_data(data)
    handler.set_custom_data({"x": array}, "x.npz")
    data["a"].append(2)
    array[:] = 7
    handler.set_custom_data({"b": 1})
    handler.set_custom_data({"y": 1}, "x.npz")
    assert yaml.safe_load(Path(handler.get_save_filename("custom_data.yml")).read_text()) == {
        "a": [1],
        "b": 1,
    }
    with np.load(handler.get_save_filename("x.npz")) as found:
        assert found["x"].tolist() == [0, 0]


def test_a_new_run_begins_with_new_data(handler):
    handler.set_custom_data({"a": 1})
    handler.reset()
    handler.set_custom_data({"b": 1})
    assert yaml.safe_load(Path(handler.get_save_filename("custom_data.yml")).read_text()) == {"b": 1}


def test_the_data_of_an_earlier_run_is_kept(handler):
    files = []
    for seed in range(3):
        for name in ("custom_data.yml", "rows.npz", "custom_data_1.yml"):
            handler.set_custom_data({"seed": seed}, name)
        handler.set_custom_data({"loss": seed / 2})
        files.append(Path(handler.get_save_filename("custom_data.yml")))
        handler.reset()
    found = [yaml.safe_load(path.read_text()) for path in files]
    assert found == [{"seed": seed, "loss": seed / 2} for seed in range(3)]
    assert [path.name for path in files] == ["custom_data.yml", "custom_data_2.yml", "custom_data_3.yml"]
    assert len(list(files[0].parent.glob("*.npz"))) == 3
    assert len(list(files[0].parent.glob("custom_data*.yml"))) == 6


@pytest.mark.parametrize("name", ["x.pkl", "x.yaml", "x", ".yml", "x.yml.gz", "x.YML", "yml"])
def test_another_extension_is_an_error_that_lists_the_ones_there_are(handler, name):
    with pytest.raises(InvalidName, match=r"must end in one of \.yml, \.json, \.txt, \.npz"):
        handler.set_custom_data({"a": 1}, name)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.npz", [1, 2], "mapping of arrays"),
        ("x.npz", {"a": [[1], [2, 3]]}, "'x.npz': a value cannot be converted to an array"),
        ("x.npz", {"a": object()}, "Python objects cannot be saved"),
        ("x.npz", {"a": np.array([None, 1])}, "Python objects cannot be saved"),
        ("x.yml", {"a": object()}, "'x.yml' can hold numbers, strings, lists and mappings"),
        ("x.json", lambda: 1, "'x.json' can hold numbers, strings, lists and mappings"),
    ],
)
def test_data_that_does_not_fit_the_extension_is_refused_and_nothing_is_written(handler, name, data, message):
    with pytest.raises(LegmError, match=message):
        handler.set_custom_data(data, name)
    assert not Path(handler.get_save_filename(name)).exists()
    handler.set_custom_data({"a": 1}, name)  # as if it had never been tried


@pytest.mark.parametrize(("first", "second"), [({"a": 1}, [1]), ([1], "x"), ("x", {"a": 1}), (5, 6)])
def test_data_of_another_kind_than_before_is_refused_and_the_first_is_kept(handler, first, second):
    handler.set_custom_data(first)
    with pytest.raises(LegmError, match=r"'custom_data\.yml' already holds a .* of this run"):
        handler.set_custom_data(second)
    assert yaml.safe_load(Path(handler.get_save_filename("custom_data.yml")).read_text()) == first


def test_data_needs_a_run(tmp_path):
    with pytest.raises(StateError, match="before start"):
        ExperimentHandler(tmp_path, "e").set_custom_data({"a": 1})


def test_a_disk_that_refuses_leaves_the_old_file(handler, monkeypatch):
    handler.set_custom_data({"a": 1})
    path = Path(handler.get_save_filename("custom_data.yml"))
    before, files = path.read_bytes(), sorted(path.parent.iterdir())

    def refuse(self, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(StorageError, match="the disk is full"):
            handler.set_custom_data({"b": 2})
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == files
    handler.set_custom_data({"c": 3})
    assert yaml.safe_load(path.read_text()) == {"a": 1, "c": 3}


# Artifacts


def test_an_artifact_is_a_copy_that_belongs_to_its_run(tmp_path):
    source = tmp_path / "weights.pt"
    kept = []
    made = ExperimentHandler(tmp_path / "root", "e").start()
    for content in (b"one", b"two"):
        source.write_bytes(content)
        kept.append(Path(made.log_artifact(source)))
        made.log()
        made.reset()
    source.unlink()
    assert [path.read_bytes() for path in kept] == [b"one", b"two"]
    assert [path.name for path in kept] == ["weights.pt"] * 2
    assert kept[0].parent.parent == kept[1].parent.parent == tmp_path / "root" / "e" / "_0" / "artifacts"


@pytest.mark.parametrize(
    "name", ["../../../x", "/etc/passwd", "a/b.txt", "..", "params.yml", "x" * 400 + ".txt"]
)
def test_an_artifacts_name_never_leaves_the_runs_folder(handler, tmp_path, name):
    source = tmp_path / "source.txt"
    source.write_text("x")
    kept = Path(handler.log_artifact(str(source), name))
    assert kept.parent.parent.name == "artifacts"
    assert kept.read_text() == "x"
    assert Path(name).suffix == kept.suffix or "." not in Path(name).name.strip(".")


def test_an_artifact_given_twice_is_replaced(handler, tmp_path):
    source = tmp_path / "source.txt"
    for content in ("one", "two"):
        source.write_text(content)
        kept = Path(handler.log_artifact(source, "x.txt"))
    assert kept.read_text() == "two"
    assert [path.name for path in kept.parent.iterdir()] == ["x.txt"]
    assert handler.log_artifact(kept) == str(kept.with_name(kept.name))  # its own copy
    assert kept.read_text() == "two"


def test_what_is_no_file_cannot_be_kept(handler, tmp_path):
    with pytest.raises(StorageError, match=r"cannot keep .*missing: it does not exist"):
        handler.log_artifact(tmp_path / "missing")
    with pytest.raises(StorageError, match="it is a folder"):
        handler.log_artifact(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(StorageError, match="cannot keep"):
            handler.log_artifact(tmp_path / "pipe")


@pytest.mark.parametrize("name", [3, b"x"])
def test_an_artifacts_name_must_be_text(handler, tmp_path, name):
    source = tmp_path / "source.txt"
    source.write_text("x")
    with pytest.raises(InvalidName):
        handler.log_artifact(source, name)
