"""Tables with many long names and numbers: at any width nothing is cut that distinguishes rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from legm import ExperimentHandler, report
from legm.cli import printing
from legm.ui.stored_runs import StoredRuns
from tests.support.calling import as_json, failed, shown
from tests.support.reports import content_of

RATES = [3.38358525856281e-05 * 10**k for k in range(4)]
KINDS = ["sinusoidal", "learned_absolute", "rotary_relative", "rotary_absolute"]


def train(root, experiment, *, is_named):
    for i, rate in enumerate(RATES):
        with ExperimentHandler(root, experiment) as handler:
            handler.set_dict_params(
                {
                    "optimizer.learning_rate_schedule.peak_learning_rate": rate,
                    "model.encoder.position_embedding.kind": KINDS[i],
                    "data.training.corpus": f"/datasets/europarl/version-{i}/preprocessed/tokenized/all.txt",
                    "model.decoder.attention.dropout_probability": 0.1 + 0.2 + i,
                    "epochs": 10,
                }
            )
            if is_named:
                handler.name_params(
                    ["model.encoder.position_embedding.kind", "model.decoder.attention.dropout_probability"]
                )
            handler.start()
            handler.set_metric("loss", 0.123456789 + i, step=0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    place = tmp_path_factory.mktemp("readable") / "root"
    train(place, "named", is_named=True)
    train(place, "unnamed", is_named=False)
    return place


@pytest.mark.parametrize("width", [80, 200])
def test_no_number_is_truncated_and_names_are_complete_at_any_width(root, monkeypatch, width):
    monkeypatch.setattr(printing, "printing_width", lambda: width)
    text = shown("best", root / "named", "loss", "--lower")
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    for number in ("3.384e-05", "0.0003384", "0.003384", "0.03384", "0.3", "1.3", "2.3", "3.3"):
        assert f" {number} " in f"{text} ".replace("\n", " \n"), number
    assert "281" not in text  # of 3.38358525856281e-05
    paths = {word for line in lines for word in line.split() if "version" in word and "kind" not in word}
    assert len(paths) == 4
    if width == 200:
        assert any(line.startswith("1  0.30000000000000004,sinusoidal_0 ") for line in lines)


def test_what_differs_names_configurations_without_a_name(root):
    expected = [
        f"corpus=/datasets/europarl/version-{i}/preprocessed/tokenized/all.txt, "
        f"dropout_probability={dropout}, kind={KINDS[i]}, peak_learning_rate={rate}"
        for i, (dropout, rate) in enumerate(
            [("0.3", "3.384e-05"), ("1.3", "0.0003384"), ("2.3", "0.003384"), ("3.3", "0.03384")]
        )
    ]
    ranked = shown("best", root / "unnamed", "loss", "--lower").splitlines()[2:6]
    assert [line[3 : 3 + len(name)] for line, name in zip(ranked, expected, strict=True)] == expected
    listed = shown("ls", root / "unnamed").splitlines()[3:7]
    assert sorted(line.split("  ")[0] for line in listed) == sorted(expected)
    folders = [one["folder"].rpartition("/")[2] for one in as_json("ls", root / "unnamed")]
    assert [next(name for name in folders if f" {name} " in line) for line in listed] == folders
    compared = shown("compare", *(root / "unnamed" / name for name in folders[:2]), "loss")
    assert "_0" not in compared


def test_what_a_configuration_is_called_finds_it_again(root):
    for line in shown("ls", root / "unnamed").splitlines()[3:7]:
        name, folder = re.split(r" {2,}", line)[:2]
        assert as_json("show", root / "unnamed" / name)["folder"].endswith(f"/{folder}")
    assert as_json("show", root / "unnamed" / "peak_learning_rate=3.384e-05")["parameters"]["epochs"] == 10


def test_a_slash_in_a_name_is_a_slash_for_people(tmp_path):
    with ExperimentHandler(tmp_path, "toy") as handler:
        handler.set_dict_params({"data": "/data/train", "rate": 0.1})
        handler.name_params(["data"])
        handler.start()
        handler.set_metric("loss", 1.0)
    place = f"{tmp_path}/toy//data/train_0"
    for command in (["ls", tmp_path], ["best", tmp_path, "loss"], ["show", place]):
        text = shown(*command)
        assert "/data/train_0" in text
        assert "_x2f_" not in text


def test_an_experiment_with_a_slash_in_its_name_is_found_by_it(tmp_path):
    with ExperimentHandler(tmp_path, "LeNet/MNIST") as handler:
        handler.set_param("net", "a/b")
        handler.name_params(["net"])
        handler.start()
        handler.set_metric("loss", 1.0)
        (tmp_path / "notes.txt").write_text("four")
        handler.log_artifact(tmp_path / "notes.txt", "texts/notes.txt")
    assert as_json("best", f"{tmp_path}/LeNet/MNIST", "loss") == as_json("best", tmp_path, "loss")
    text = shown("show", f"{tmp_path}/LeNet/MNIST/a/b_0")
    assert "texts/notes.txt" in text
    assert "_x2f_" not in text
    assert "has no 'LeNet'" in failed("best", f"{tmp_path}/LeNet/CIFAR", "loss")


def test_the_name_that_ls_prints_is_found_by_every_command_and_no_output_has_it_escaped(tmp_path):
    root = tmp_path / "root"
    for net in ("a/b", "c/d"):
        with ExperimentHandler(root, "CIFAR/ResNet") as handler:
            handler.set_dict_params({"net": net, "rate": 0.1})
            handler.name_params(["net"])
            handler.start()
            handler.set_metric("loss", 1.0)
    handler.reset()
    handler.start()
    handler.set_metric("loss", 2.0)
    handler.end("interrupted")
    title, *lines = shown("ls", root).splitlines()
    names = [line.split()[0] for line in lines if "net=" in line]
    assert (title, names) == ("CIFAR/ResNet", ["a/b_0", "c/d_0"])
    experiment = f"{root}/{title}"
    first, second = (f"{experiment}/{name}" for name in names)
    run_id = as_json("show", second)["runs"][0]["run_id"]
    texts = [
        failed("logs", first),
        failed("logs", f"{second}/{run_id}"),
        shown("show", first),
        shown("diff", first, second),
        shown("tag", first, "+good"),
        shown("amend", experiment, "--set", "depth=3", "--dry-run"),
        shown("table", experiment, "loss"),
        shown("upgrade", first),
        shown("export", first, tmp_path / "x.csv", "--to", "table"),
        shown("recover", root),
        shown("recover", experiment),
        shown("sql", root, "select configuration from runs"),
        shown("rm", first, "--dry-run"),
        shown("rm", f"{second}/{run_id}", "--dry-run"),
        shown("mv", first, "another", "--dry-run"),
        failed("best", f"{root}/CIFAR/LeNet", "loss"),
        failed("show", f"{experiment}/e/f_0"),
        failed("export", f"{experiment}/e/f_0", tmp_path / "y.csv", "--to", "table"),
    ]
    assert [text for text in texts if "_x2f_" in text] == []
    assert all("has no console" in text for text in texts[:2])
    (logdir,) = (root / "CIFAR_x2f_ResNet").glob("a*")
    assert f"--logdir {logdir}" in shown("tensorboard", first, "--print")
    assert "deleted 1 run" in shown("rm", first)
    assert not logdir.exists()
    shown("mv", second, "another")
    assert [line.split()[0] for line in shown("ls", root).splitlines() if "another" in line] == ["another"]


def test_show_lists_artifacts_and_files(tmp_path):
    with ExperimentHandler(tmp_path, "toy") as handler:
        handler.set_param("rate", 0.1)
        handler.start()
        handler.set_metric("loss", 1.0)
        (tmp_path / "notes.txt").write_text("four")
        handler.log_artifact(tmp_path / "notes.txt")
        Path(handler.get_save_filename("model.pt")).write_bytes(b"12")
        run_id = handler.run_id
    artifact = f"artifacts/{run_id}/notes.txt"
    found = as_json("show", handler.configuration_folder)["files"]
    assert found == [{"path": artifact, "bytes": 4}, {"path": "model.pt", "bytes": 2}]
    text = shown("show", handler.configuration_folder)
    assert artifact in text
    assert "model.pt" in text


def test_the_numbers_of_a_program_are_exact(root):
    values = {
        one["parameters"]["optimizer.learning_rate_schedule.peak_learning_rate"]
        for one in as_json("best", root / "named", "loss", "--lower")
    }
    assert values == set(RATES)
    text = shown("table", root / "named", "loss", "--lower", "loss", "--format", "csv")
    assert all(repr(rate) in text for rate in RATES)
    assert "3.384e-05" in shown("table", root / "named", "loss", "--lower", "loss")


def test_a_configuration_without_compared_parameters_is_called_so_wherever_it_is_shown(tmp_path):
    for root, parameters in (("none", {}), ("two", {"lr": 0.1, "depth": 3})):
        handler = ExperimentHandler(tmp_path / root, "e")
        handler.set_dict_params({**parameters, "seed": 0})
        handler.disable_param("seed")
        with handler.start():
            for step in range(3):
                handler.set_metric("loss", 1 / (step + 1), step=step)
    none, two = tmp_path / "none", tmp_path / "two"
    for command in (
        ["ls", none],
        ["best", none, "loss"],
        ["table", none, "loss"],
        ["show", none / "e" / "_0"],
    ):
        assert "no compared parameters" in shown(*command)
    assert shown("show", none / "e" / "_0").splitlines()[0] == "e: no compared parameters (_0)"
    assert shown("show", none / "e" / "no compared parameters") == shown("show", none / "e" / "_0")
    assert shown("show", two / "e" / "_0").splitlines()[0] == "e: depth=3, lr=0.1 (_0)"
    assert shown("diff", none / "e" / "_0", two / "e" / "_0").split()[:1] == ["parameter"]
    assert "depth=3, lr=0.1" in shown("diff", none / "e" / "_0", two / "e" / "_0").splitlines()[0]


def test_configurations_have_the_same_names_wherever_they_are_shown(tmp_path):
    found = {}
    for net, rate in (("a", 0.1), ("a", 0.2), ("b", 0.1), ("", 0.3)):
        with ExperimentHandler(tmp_path, "e") as handler:
            handler.set_dict_params({"net": net or "c", "rate": rate, "seed": 0})
            handler.disable_param("seed")
            if net:
                handler.name_param("net")
            handler.start().set_metric("acc", rate, step=0)
        found[(net, rate)] = handler.configuration_folder
    names = {"a_0", "a_1", "b_0", "net=c, rate=0.3"}
    (content,) = content_of(report.build(tmp_path, ["e"]))["experiments"]
    assert {one["name"] for one in content["configurations"]} == names
    live = StoredRuns(tmp_path).experiment("e")["configurations"]
    assert {one["name"] for one in live} == names
    for more in ([], ["--bars"]):
        picture = tmp_path / "e.svg"
        shown("plot", tmp_path, "acc", "-o", picture, *more)
        assert names <= set(re.findall("<!-- (.*) -->", picture.read_text(encoding="utf-8")))
    ranking = handler.get_best("acc")._repr_html_()
    for text in (shown("best", tmp_path, "acc"), shown("ls", tmp_path), ranking):
        assert all(name in text for name in names), text
    compared = handler.compare("a_0", [handler, "a_1"], "acc")
    assert all(name in repr(compared) for name in ("a_0", "a_1"))
    labels = {path.name for path in found.values()}  # of paths, so in TensorBoard and in tables of numbers
    assert {row["configuration"] for row in as_json("sql", tmp_path, "select * from runs")} == labels
    assert {path.parts[-4] for path in tmp_path.glob("e/*/tensorboard/*/events*")} == labels
