"""The folders of configurations: found wherever a user put them, never outside, never twice."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import assume, example, given
from hypothesis import strategies as st

from legm import CorruptFile, ExperimentHandler, StorageError
from legm.analysis.overview import read_overview
from legm.analysis.recovery import recover_folders
from legm.backends.local.folder_index import (
    PARAMETERS_FILE,
    FolderIndex,
    experiment_folder,
)
from legm.backends.local.parameters_file import read_configuration
from legm.cli import main
from legm.core.identity import fingerprint
from legm.delivery.client import connect_client
from legm.records import Configuration, Status
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.log_folder import find_pending_logs
from tests.support.examples import examples

EXPERIMENT = "LeNet@MNIST"
AWKWARD = [
    "..",
    "../../escape",
    "/absolute",
    "a/../../b",
    "..\\..\\c",
    ".",
    ".hidden",
    ".legm",
    "-rf",
    "a\nb",
    "a\tb",
    "\x00",
    "\x1b[31m",
    "con",
    "C:\\x",
    "~",
    " x ",
    "x.",
    "ü" * 250,
    "😀" * 100,
    '"',
    "\u202e",
]
awkward = st.sampled_from(AWKWARD) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=250
)


def handler(root: Path, **params) -> ExperimentHandler:
    made = ExperimentHandler(root, EXPERIMENT)
    made.set_dict_params(params or {"lr": 0.1})
    made.name_params(params or ["lr"])
    return made


def run(root: Path, loss: float, **params) -> Path:
    """A completed run of one value; its folder."""
    with handler(root, **params).start() as made:
        made.set_metric("loss", loss)
        return Path(made.get_save_filename("x")).parent


def losses(root: Path, **params) -> list[float]:
    """What every completed run of the configuration came to."""
    made = handler(root, **params)
    aggregate = made.aggregate_results({"other": "median"})["best_loss"]
    found = sorted(
        value
        for folder in configuration_folders(root)
        for r in read_overview(folder).runs
        for value in r.best.values()
    )
    assert aggregate["n"] == len(set(found))
    return found


def configuration(name: str = "0.1", experiment: str = EXPERIMENT, **params) -> Configuration:
    active = params or {"lr": 0.1}
    return Configuration(
        experiment, fingerprint(experiment, active), name, active, tuple(sorted(active)), {"lr": {}}
    )


def without_checksums(path: Path) -> bytes:
    """A parameters file as an earlier version wrote it."""
    content, comment, _ = path.read_bytes().rpartition(b"# legm crc=")
    return content if comment else path.read_bytes()


def unindexed(root: Path) -> FolderIndex:
    return FolderIndex(root / EXPERIMENT)


# Found wherever it is


def test_runs_of_one_configuration_share_a_folder(tmp_path):
    assert run(tmp_path, 1.0) == run(tmp_path, 2.0) == tmp_path / EXPERIMENT / "0.1_0"
    assert losses(tmp_path) == [1.0, 2.0]


def test_a_renamed_folder_is_found_again(tmp_path):
    folder = run(tmp_path, 1.0)
    run(tmp_path, 5.0, lr=0.5)
    for name in ("my best one", "0.5_1", "ü [x]"):
        folder = folder.rename(folder.with_name(name))
        assert run(tmp_path, 2.0) == folder
    assert len(read_overview(folder).runs) == 4
    assert handler(tmp_path).aggregate_results()["best_loss"]["n"] == 4
    assert len(list(configuration_folders(tmp_path))) == 2


def test_a_handler_finds_the_folder_of_its_next_run_wherever_it_is_by_then(tmp_path):
    made = handler(tmp_path).start()
    folder, other = made.configuration_folder, run(tmp_path, 5.0, lr=0.5)
    made.set_metric("loss", 1.0)
    made.log()
    folder = folder.rename(folder.with_name("moved"))
    made.reset()
    assert made.configuration_folder == folder
    made.set_metric("loss", 2.0)
    made.log()
    other.rename(folder.with_name("aside"))
    folder = folder.rename(other)
    folder.with_name("aside").rename(folder.with_name("moved"))  # another configuration's
    made.reset()
    assert made.configuration_folder == folder
    shutil.rmtree(folder)
    made.set_metric("loss", 3.0)
    made.log()
    assert handler(tmp_path).aggregate_results()["best_loss"]["mean"] == 3.0


def test_two_folders_that_changed_names_are_distinguished(tmp_path):
    one, other = run(tmp_path, 1.0), run(tmp_path, 5.0, lr=0.5)
    one.rename(one.with_name("x"))
    other.rename(one)
    one.with_name("x").rename(other)
    assert run(tmp_path, 2.0) == other
    assert run(tmp_path, 6.0, lr=0.5) == one


@pytest.mark.parametrize("whole_root", [True, False])
def test_a_folder_that_was_moved_to_another_root_is_found_there(tmp_path, whole_root):
    folder = run(tmp_path / "here", 1.0)
    if whole_root:
        (tmp_path / "here").rename(tmp_path / "there")
    else:
        run(tmp_path / "there", 5.0, lr=0.5)
        folder.rename(tmp_path / "there" / EXPERIMENT / folder.name)
    assert run(tmp_path / "there", 2.0) == tmp_path / "there" / EXPERIMENT / "0.1_0"
    assert handler(tmp_path / "there").aggregate_results()["best_loss"]["n"] == 2
    assert run(tmp_path / "here", 3.0) == tmp_path / "here" / EXPERIMENT / "0.1_0"
    assert losses(tmp_path / "here") == [3.0]


def test_in_copies_of_a_folder_every_run_counts_once(tmp_path):
    folder = run(tmp_path, 1.0)
    copy = shutil.copytree(folder, folder.with_name("copy"))
    assert handler(tmp_path).aggregate_results()["best_loss"]["n"] == 1
    assert run(tmp_path, 2.0) in (folder, copy)
    other = copy if len(read_overview(copy).runs) == 1 else folder
    aside = other.rename(tmp_path / "aside")  # so that a run of its own comes into the other copy
    with ExperimentHandler(tmp_path, EXPERIMENT) as made:
        assert made.get_best("loss")[0].completed == 2
    elsewhere = tmp_path / "elsewhere" / EXPERIMENT / "copy"
    elsewhere.parent.mkdir(parents=True)
    aside.rename(elsewhere)
    run(tmp_path / "elsewhere", 3.0)
    elsewhere.rename(folder.with_name("back"))
    summary = handler(tmp_path).aggregate_results()["best_loss"]
    assert (summary["n"], summary["mean"]) == (3, 2.0)
    ranking = ExperimentHandler(tmp_path, EXPERIMENT).get_best("loss")
    assert [(one.completed, one.value.mean) for one in ranking] == [(3, 2.0)]


def test_a_removed_folder_is_made_anew(tmp_path):
    shutil.rmtree(run(tmp_path, 1.0))
    assert run(tmp_path, 2.0).name == "0.1_0"
    assert losses(tmp_path) == [2.0]


def test_a_renamed_experiment_is_found_again(tmp_path):
    folder = run(tmp_path, 1.0)
    ExperimentHandler(tmp_path, "another").start().log()
    renamed = (tmp_path / EXPERIMENT).rename(tmp_path / "the paper's")
    assert run(tmp_path, 2.0) == renamed / folder.name
    assert run(tmp_path, 5.0, lr=0.5).parent == renamed
    assert handler(tmp_path).aggregate_results()["best_loss"]["n"] == 2
    assert len(ExperimentHandler(tmp_path, EXPERIMENT).get_best("loss")) == 2
    assert not (tmp_path / EXPERIMENT).exists()
    renamed.rename(tmp_path / EXPERIMENT)
    assert run(tmp_path, 3.0) == folder


@pytest.mark.parametrize("place", ["archive/LeNet@MNIST", "archive/2026/the paper's"])
def test_a_whole_experiment_that_was_moved_deeper_is_found_again(tmp_path, place):
    folder = run(tmp_path, 1.0)
    ExperimentHandler(tmp_path, "another").start().log()
    (tmp_path / place).parent.mkdir(parents=True)
    moved = folder.parent.rename(tmp_path / place)
    assert run(tmp_path, 2.0) == moved / folder.name
    assert run(tmp_path, 5.0, lr=0.5).parent == moved
    assert not (tmp_path / EXPERIMENT).exists()
    assert handler(tmp_path).aggregate_results()["best_loss"]["n"] == 2
    assert len(ExperimentHandler(tmp_path, EXPERIMENT).get_best("loss")) == 2
    with ExperimentHandler.load_existent(moved / folder.name).start() as made:
        made.set_metric("loss", 3.0)
        assert made.configuration_folder == moved / folder.name
    assert made.aggregate_results()["best_loss"]["n"] == 3
    assert {place.parent for place in configuration_folders(tmp_path)} == {moved, tmp_path / "another"}
    backend = connect_client(tmp_path)
    assert len(names := backend.experiments()) == 2
    assert sorted(len(list(backend.configurations(name))) for name in names) == [1, 2]
    copy = shutil.copytree(moved, tmp_path / "archive" / "copy")
    names = backend.experiments()
    assert sorted(len(list(backend.configurations(name))) for name in names) == [1, 2, 2]
    shutil.rmtree(copy)
    done = CliRunner().invoke(main, ["ls", str(tmp_path), "--json"])
    listed = {row["experiment"] for row in json.loads(done.stdout)}
    assert listed == {EXPERIMENT, "another"}
    (moved / folder.name).joinpath("params.yml").write_bytes(b"}{")
    list(recover_folders(tmp_path))
    assert read_configuration(moved / folder.name).experiment == EXPERIMENT


def test_a_run_that_was_killed_in_an_experiment_that_was_moved_deeper_is_finalized_there(tmp_path):
    folder = run(tmp_path / "root", 1.0)
    living = handler(tmp_path / "another").start()
    living.flush()
    (log,) = (living.configuration_folder / "runs" / "open").glob("*.log")
    shutil.copy(log, folder / "runs" / "open")  # no process has this copy
    (tmp_path / "root" / "old").mkdir()
    moved = folder.parent.rename(tmp_path / "root" / "old" / "mine") / folder.name
    ((place, (result,), _),) = recover_folders(tmp_path / "root")
    assert (place, result.run.run_id, result.status) == (moved, log.stem, Status.INTERRUPTED)


def test_an_experiment_inside_another_is_never_mixed_with_it(tmp_path, caplog):
    run(tmp_path, 1.0)
    ExperimentHandler(tmp_path, "another").start().log()
    inside = (tmp_path / "another").rename(tmp_path / EXPERIMENT / "another")
    assert len(ExperimentHandler(tmp_path, EXPERIMENT).get_best("loss")) == 1
    assert run(tmp_path, 2.0).parent == tmp_path / EXPERIMENT
    assert f"{inside} is an experiment inside another one" in caplog.text


def test_a_folder_that_was_moved_deeper_is_found_again(tmp_path):
    home = tmp_path / EXPERIMENT
    folder, other = run(tmp_path, 1.0), run(tmp_path, 5.0, lr=0.5)
    for place in ("old/0.1_0", "old/2026/0.1_0", "2026/mine", "0.1_0", "old/0.1_0"):
        if place == "2026/mine":  # the folder that it is in is moved
            folder = (home / "old" / "2026").rename(home / "2026") / folder.name
        (home / place).parent.mkdir(exist_ok=True)
        folder = folder.rename(home / place)
        assert run(tmp_path, 2.0) == folder
    assert run(tmp_path, 6.0, lr=0.5) == other
    copy = shutil.copytree(folder, folder.with_name("copy"))
    assert handler(tmp_path).aggregate_results()["best_loss"]["n"] == 6
    ranking = ExperimentHandler(tmp_path, EXPERIMENT).get_best("loss", higher_better=False)
    assert [one.completed for one in ranking] == [6, 2]
    assert list(configuration_folders(tmp_path)) == [other, folder, copy]
    assert list(configuration_folders(home)) == [other, folder, copy]
    assert [place for _, place in unindexed(tmp_path).all()] == [folder, other, copy]


def test_a_run_that_was_killed_in_a_folder_that_was_moved_deeper_is_finalized_there(tmp_path):
    folder = run(tmp_path / "root", 1.0)
    moved = folder.parent / "old" / folder.name
    moved.parent.mkdir()
    folder.rename(moved)
    living = handler(tmp_path / "another").start()
    living.set_metric("loss", 7.0)
    living.flush()
    (log,) = (living.configuration_folder / "runs" / "open").glob("*.log")
    killed = Path(shutil.copy(log, moved / "runs" / "open"))  # no process has this copy
    assert find_pending_logs(tmp_path / "root") == [killed]
    ((place, (result,), _),) = recover_folders(tmp_path / "root")
    assert (place, result.run.run_id, result.status) == (moved, log.stem, Status.INTERRUPTED)
    assert not folder.exists()


def test_a_run_that_begins_next_to_moved_folders_opens_none_of_them(tmp_path, monkeypatch):
    (tmp_path / EXPERIMENT / "old").mkdir(parents=True)
    for lr in range(5):
        folder = unindexed(tmp_path).create(configuration(str(lr), lr=lr))
        folder.rename(tmp_path / EXPERIMENT / "old" / folder.name)
    unindexed(tmp_path).create(configuration())
    opened = []
    plain_open = Path.open

    def counting(path, *arguments, **options):
        opened.append(path)
        return plain_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", counting)
    unindexed(tmp_path).create(configuration("new", lr=99))
    assert not [path for path in opened if path.name == PARAMETERS_FILE and ".legm" not in str(path)]


@pytest.mark.parametrize("place", ["r/e/copy", "r/e/old/0.1_0", "r/renamed/0.1_0", "alone/x/0.1_0"])
def test_what_is_loaded_is_written_where_it_is(tmp_path, place):
    first = run(tmp_path / "r", 1.0)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    place = tmp_path / place.replace("/e/", f"/{EXPERIMENT}/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.parent.name == "renamed":
        place.parent.rmdir()
        first.parent.rename(place.parent)
        ExperimentHandler(tmp_path / "r", EXPERIMENT).start().log()  # the name is used again
        place = shutil.copytree(place, place.with_name("another"))
    else:
        shutil.copytree(first, place)
    with ExperimentHandler.load_existent(place).start() as made:
        made.set_metric("loss", 2.0)
        assert Path(made.get_save_filename("x")).parent == place
    assert len(read_overview(place).runs) == 2
    assert made.aggregate_results()["best_loss"]["n"] == 2
    assert (place / "aggregated_metrics.yml").exists()


def test_folders_that_are_no_configurations_are_left_alone(tmp_path):
    folder = run(tmp_path, 1.0)
    (folder.parent / "notes").mkdir()
    (folder.parent / "notes" / "todo.txt").write_text("x")
    (folder.parent / "0.5_0").mkdir()
    assert run(tmp_path, 2.0) == folder
    assert run(tmp_path, 5.0, lr=0.5).name == "0.5_1"
    assert not list((folder.parent / "0.5_0").iterdir())


# The index


def test_a_deleted_index_is_made_again(tmp_path):
    folder = run(tmp_path, 1.0)
    (folder.parent / ".legm" / "index").unlink()
    assert run(tmp_path, 2.0) == folder
    shutil.rmtree(folder.parent / ".legm")
    assert run(tmp_path, 3.0) == folder
    assert losses(tmp_path) == [1.0, 2.0, 3.0]


@pytest.mark.slow
def test_an_index_damaged_at_any_byte_loses_no_folder(tmp_path):
    known = {}
    for lr in (0.1, 0.2, 0.3):
        one = configuration(str(lr), lr=lr)
        known[one.fingerprint] = unindexed(tmp_path).create(one)
    index = tmp_path / EXPERIMENT / ".legm" / "index"
    data = index.read_bytes()
    damages = [data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :] for at in range(len(data))]
    damages += [data[:length] for length in range(len(data))]
    damages += [b"\xff" * 500, b"\n\n\n", data + data, data + b"v1-0\tx\n\t\n", data.replace(b'"', b"")]
    for damaged in damages:
        index.write_bytes(damaged)
        assert dict(unindexed(tmp_path).all()) == known, damaged
        index.write_bytes(damaged)
        for digest, folder in known.items():
            assert unindexed(tmp_path).find(digest) == folder, damaged
            assert unindexed(tmp_path).copies(digest) == [folder], damaged


def test_an_interrupted_addition_to_the_index_is_made_good(tmp_path):
    first = unindexed(tmp_path).create(configuration())
    index = tmp_path / EXPERIMENT / ".legm" / "index"
    before = index.read_bytes()
    second = configuration("0.2", lr=0.2)
    place = unindexed(tmp_path).create(second)
    index.write_bytes(before + index.read_bytes()[len(before) : -5])  # killed in the middle of it
    assert unindexed(tmp_path).find(second.fingerprint) == place
    assert unindexed(tmp_path).create(configuration("0.3", lr=0.3)).name == "0.3_0"
    assert len(unindexed(tmp_path).all()) == 3
    assert unindexed(tmp_path).find(configuration().fingerprint) == first


def test_finding_a_known_folder_opens_no_other(tmp_path, monkeypatch):
    wanted = unindexed(tmp_path).create(configuration())
    for lr in range(20):
        unindexed(tmp_path).create(configuration(str(lr), lr=lr))
    opened = []
    plain_open = Path.open

    def counting(path, *arguments, **options):
        opened.append(path)
        return plain_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", counting)
    assert unindexed(tmp_path).find(configuration().fingerprint) == wanted
    assert unindexed(tmp_path).create(configuration()) == wanted
    assert {path for path in opened if path.name == PARAMETERS_FILE} == {wanted / PARAMETERS_FILE}
    opened.clear()
    unindexed(tmp_path).create(configuration("new", lr=99))
    assert not {path for path in opened if path.name == PARAMETERS_FILE and ".legm" not in str(path)}


def test_a_repaired_folder_is_found_at_once(tmp_path):
    folder = run(tmp_path, 1.0)
    sound = (folder / PARAMETERS_FILE).read_bytes()
    (folder / PARAMETERS_FILE).write_bytes(b"{" + sound)
    run(tmp_path, 5.0, lr=0.5)
    with (folder / PARAMETERS_FILE).open("wb") as file:  # in place: the folder above does not change
        file.write(sound)
    assert run(tmp_path, 2.0) == folder


@pytest.mark.skipif(os.name != "posix", reason="such names exist on POSIX systems only")
@pytest.mark.parametrize("name", [b"line\nbreak", b"tab\there", b"\xff\xfe", b'"quoted"', b"back\\slash"])
def test_a_folder_may_be_renamed_to_any_name_that_the_system_has(tmp_path, name):
    folder = run(tmp_path, 1.0)
    run(tmp_path, 5.0, lr=0.5)
    try:
        renamed = folder.rename(folder.with_name(os.fsdecode(name)))
    except OSError:
        pytest.skip("this file system has no such names")
    assert run(tmp_path, 2.0) == renamed
    assert handler(tmp_path).aggregate_results()["best_loss"]["n"] == 2


# Names


def test_configurations_with_equal_names_are_numbered(tmp_path):
    def named(hidden: int) -> str:
        made = handler(tmp_path, lr=0.1)
        made.set_param("hidden", hidden)
        with made.start():
            return Path(made.get_save_filename("x")).parent.name

    assert [named(1), named(2), named(1), named(3)] == ["0.1_0", "0.1_1", "0.1_0", "0.1_2"]


def test_a_name_that_looks_numbered_does_not_mix_up_the_numbers(tmp_path):
    folders = unindexed(tmp_path)
    names = ["a", "a_1", "a", "a_1_0", "a_1", "a"]
    made = [folders.create(configuration(name, n=n)).name for n, name in enumerate(names)]
    assert made == ["a_0", "a_1_0", "a_1", "a_1_0_0", "a_1_1", "a_2"]


def test_a_configuration_without_a_name_is_only_a_number(tmp_path):
    made = ExperimentHandler(tmp_path, EXPERIMENT)
    made.set_param("lr", 0.1)
    with made.start():
        assert Path(made.get_save_filename("x")).parent.name == "_0"


@examples(60)
@given(experiment=awkward, description=awkward, value=awkward, basename=awkward)
@example(experiment="../../x", description="../y", value="../../z", basename="../../../w")
def test_no_name_leaves_the_folder_it_belongs_in(tmp_path_factory, experiment, description, value, basename):
    assume(not hasattr(ExperimentHandler, value))  # a parameter cannot be called that
    base = tmp_path_factory.mktemp("names")
    root = base / "a" / "root"
    made = ExperimentHandler(root, experiment, description)
    made.set_param(value, value)
    made.name_param(value)
    with made.start():
        made.set_metric(value, 1.0)
        made.tensorboard_write(value, value, 0)
        made.set_custom_data({value: value}, f"{basename}.yml")
        saved = Path(made.get_save_filename(basename))
        saved.write_text("x")
        kept = Path(made.log_artifact(saved, basename))
    assert [path.name for path in base.iterdir()] == ["a"]
    assert [path.name for path in (base / "a").iterdir()] == ["root"]
    (folder,) = [path for path in root.iterdir() if not path.name.startswith(".")]
    assert folder == experiment_folder(root, experiment)
    (place,) = configuration_folders(root)
    assert place.parent == folder
    assert saved.parent == place
    assert kept.parent.parent == place / "artifacts"
    assert read_overview(place).problem == ""
    assert [list(r.best.values()) for r in read_overview(place).runs] == [[1.0]]
    assert read_overview(place).runs[0].run.description == description
    for path in base.rglob("*"):
        assert path.name.isprintable()
    shutil.rmtree(base)


# params.yml


def test_the_parameters_file_is_plain_yaml_with_everything(tmp_path):
    made = handler(tmp_path, lr=0.1, sizes=[1, 2], name="ü\n", none=None)
    made.disable_param("none")
    with made.start():
        folder = Path(made.get_save_filename("x")).parent
    content = yaml.safe_load((folder / PARAMETERS_FILE).read_bytes())
    assert content["parameters"] == {"lr": 0.1, "sizes": [1, 2], "name": "ü\n", "none": None}
    assert content["active"] == ["lr", "name", "sizes"]
    assert content["fingerprint"] == made.fingerprint
    assert content["experiment"] == EXPERIMENT
    again = ExperimentHandler.load_existent(folder)
    assert again == made
    assert read_configuration(folder).fingerprint == made.fingerprint


@pytest.mark.parametrize(
    "value", ["/data/\udcff", {"x" * 2000: {"y" * 2000: 1}}, ["é" * 2000], {"": {}}, "a: b # c", "\x85\u2028"]
)
def test_every_value_comes_back_from_the_parameters_file(tmp_path, value):
    made = ExperimentHandler(tmp_path, EXPERIMENT)
    made.set_param("value", value)
    with made.start():
        folder = Path(made.get_save_filename("x")).parent
    assert read_configuration(folder).parameters == {"value": value}
    assert ExperimentHandler.load_existent(folder) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lr: 0.1", "lr: 0.2"),
        ("lr: 0.1", "rate: 0.1"),
        ("lr: 0.1", "lr: 2020-01-01"),
        ("lr: 0.1", "lr: 0.1\n  extra: ["),
        ('active: ["lr"]', "active: []"),
        ('active: ["lr"]', "active: 5"),
        ('active: ["lr"]', "active: [rate]"),
        ("schema: 1", "schema: x"),
        ("schema: 1", "schema: 2"),
        ("parameters:", "parameter:"),
        ("parameters:\n  lr: 0.1", "parameters: [0.1]"),
        ("metadata:", "metadata: 5\nother:"),
        ("metadata:\n  lr:", "metadata:\n  lr: 5\nother:\n  lr:"),
        ("fingerprint", "fingerprints"),
    ],
)
def test_edited_parameters_are_an_error_that_names_the_file(tmp_path, old, new):
    folder = run(tmp_path, 1.0)
    path = folder / PARAMETERS_FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(CorruptFile) as caught:
        read_configuration(folder)
    assert f"{path}, line " in str(caught.value)
    with pytest.raises(CorruptFile):
        ExperimentHandler.load_existent(folder)
    assert str(path) in read_overview(folder).problem


@pytest.mark.parametrize("index", ["current", "made anew", "deleted", "deleted, of an earlier version"])
def test_a_damaged_fingerprint_never_splits_a_configuration(tmp_path, caplog, index):
    folder = run(tmp_path, 1.0)
    path = folder / PARAMETERS_FILE
    if "earlier version" in index:
        path.write_bytes(without_checksums(path))
    sound = path.read_bytes()
    digit = b"1" if sound[20:21] != b"1" else b"2"
    path.write_bytes(sound[:20] + digit + sound[21:])
    if index == "made anew":
        (folder.parent / "mine").mkdir()
        run(tmp_path, 3.0, lr=0.5)
    elif index != "current":
        shutil.rmtree(folder.parent / ".legm")
    for _ in range(2):
        with pytest.raises(CorruptFile, match="edited or damaged") as caught:
            run(tmp_path, 2.0)
        assert str(path) in str(caught.value)
    assert not (folder.parent / "0.1_1").exists()
    list(recover_folders(tmp_path))
    assert without_checksums(path) == sound.partition(b"# legm")[0]
    assert run(tmp_path, 2.0) == folder


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (b'name: "0.1"', b'name: "0.3"', 4),
        (b"priority: 0", b"priority: 8", 9),
        (b"dropout: null", b"dropout: 0.5", 6),  # a parameter that does not count
    ],
)
def test_a_change_of_what_is_not_in_the_fingerprint_is_reported_and_taken(tmp_path, caplog, old, new, line):
    made = handler(tmp_path)
    made.set_param("dropout", None)
    made.start().log()
    path = made.configuration_folder / PARAMETERS_FILE
    sound = path.read_bytes()
    assert sound.count(old) == 1
    path.write_bytes(sound.replace(old, new))
    for act in (ExperimentHandler.load_existent, read_overview):
        caplog.clear()
        act(path.parent)
        assert f"{path}, line {line}: " in caplog.text
        assert "edited or damaged" in caplog.text
    path.write_bytes(without_checksums(path))  # what the message says to do
    caplog.clear()
    assert new.decode().split(": ")[1].strip('"') in str(read_configuration(path.parent))
    assert not caplog.records
    path.write_bytes(sound.replace(b"\n", b"\r\n"))
    assert read_configuration(path.parent)
    assert not caplog.records


def test_a_renamed_experiment_is_found_beside_a_damaged_configuration(tmp_path, caplog):
    folder = run(tmp_path, 1.0)
    other = run(tmp_path, 5.0, lr=0.5)
    path = folder / PARAMETERS_FILE
    path.write_bytes(path.read_bytes().replace(EXPERIMENT.encode(), b"LeNet@MNISU"))
    renamed = folder.parent.rename(tmp_path / "the paper's")
    assert run(tmp_path, 6.0, lr=0.5) == renamed / other.name
    assert str(renamed / folder.name / PARAMETERS_FILE) in caplog.text


def test_seeded_damage_of_the_parameters_is_harmless_or_named_and_never_splits_in_silence(tmp_path, caplog):
    folder = run(tmp_path, 1.0)
    path = folder / PARAMETERS_FILE
    sound, known = path.read_bytes(), read_configuration(folder)
    chance = random.Random(24)
    index = FolderIndex(folder.parent)
    for number in range(90):
        if number % 3 == 0:
            shutil.rmtree(folder.parent / ".legm")
        at = chance.randrange(len(sound))
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << chance.randrange(8)]) + sound[at + 1 :])
        caplog.clear()
        said, place = "", folder
        try:
            place = index.create(known)
            found = read_configuration(folder)
            assert (found.fingerprint, found.experiment) == (known.fingerprint, known.experiment)
            assert found == known or str(path) in caplog.text
        except CorruptFile as error:
            said = str(error)
        assert not said or str(path) in said
        assert place == folder or str(path) in caplog.text
        path.write_bytes(sound)
        for other in folder.parent.glob("0.1_[1-9]*"):
            shutil.rmtree(other)
        assert index.find(known.fingerprint) == folder


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\n", b"- 1\n", b"text", b"\xff\xfe\xfd", b"{"])
def test_destroyed_parameters_are_shown_and_the_next_run_is_kept(tmp_path, content):
    folder = run(tmp_path, 1.0)
    (folder / PARAMETERS_FILE).write_bytes(content)
    assert str(folder / PARAMETERS_FILE) in read_overview(folder).problem
    other = run(tmp_path, 2.0)
    assert other.name == "0.1_1"
    assert list(configuration_folders(tmp_path)) == [folder, other]


def test_a_folder_without_parameters_is_no_configuration(tmp_path):
    for act in (read_configuration, read_overview, ExperimentHandler.load_existent):
        with pytest.raises(StorageError, match=r"not a configuration's folder: it has no params\.yml"):
            act(tmp_path)


def test_the_same_parameters_in_another_style_are_the_same(tmp_path):
    folder = run(tmp_path, 1.0)
    path = folder / PARAMETERS_FILE
    path.write_text("# edited\n" + yaml.safe_dump(yaml.safe_load(path.read_text())))
    assert run(tmp_path, 2.0) == folder
    (folder.parent / ".legm" / "index").unlink()
    assert run(tmp_path, 3.0) == folder


def test_looking_writes_nothing(tmp_path):
    folder = run(tmp_path / "root", 1.0)
    shutil.rmtree(folder.parent / ".legm")
    (tmp_path / "root" / "unrelated").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for place in (tmp_path / "root", folder.parent, folder):
        assert list(configuration_folders(place)) == [folder]
    assert list(configuration_folders(tmp_path / "root" / "unrelated")) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_process_that_made_the_folder_first_is_joined(tmp_path):
    one = configuration()
    first, second = unindexed(tmp_path), unindexed(tmp_path)
    assert second.find(one.fingerprint) is None
    assert first.create(one) == second.create(replace(one, name="another name"))
