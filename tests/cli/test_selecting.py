"""``--where`` and ``where=``: what is selected is all that is counted, averaged, drawn and written."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler
from legm.errors import ParameterError, SelectionError, StateError
from legm.records import Curve
from legm.stats.aggregate import average_aggregated_curves
from tests.support.calling import as_json, call, failed, misused, shown


def train(root, experiment="net", fail=False, description="", **values):
    handler = ExperimentHandler(root, experiment, description)
    handler.set_dict_params(values)
    handler.disable_param("seed")
    handler.name_params([name for name in values if name != "seed"])
    handler.start()
    for step in range(3):
        handler.set_metric("loss", values["seed"] + step / 10, step=step)
        handler.set_metric("time", values["seed"] * 10.0, step=step)
    handler.end("failed", "no reason") if fail else handler.log()
    return handler


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read: two configurations with three seeds each, of which one failed; and another one."""
    path = tmp_path_factory.mktemp("selecting") / "root"
    for opt in ("adam", "sgd"):
        for seed in range(3):
            train(path, opt=opt, seed=seed, fail=opt == "sgd" and seed == 2)
    train(path, "other", width=3, seed=0)
    return path


def test_counts_and_averages_are_of_the_selected_runs(root):
    (adam, sgd) = as_json("best", root / "net", "loss", "--where", "seed<2", "--lower")
    assert [one["value"]["mean"] for one in (adam, sgd)] == pytest.approx([0.7, 0.7])
    assert [(one["completed"], one["failed"], one["value"]["n"]) for one in (adam, sgd)] == [(2, 0, 2)] * 2
    (adam,) = as_json("best", root / "net", "loss", "--where", "seed>=1 and not (opt=sgd)")
    assert (adam["value"]["mean"], adam["value"]["n"]) == (pytest.approx(1.7), 2)
    (first, second) = as_json("best", root / "net", "time", "--where", "seed=1")  # reads all values again
    assert [one["value"]["mean"] for one in (first, second)] == [10.0, 10.0]
    text = shown("best", root / "net", "loss", "--where", "seed<2 and opt=adam")
    assert "only runs and configurations with seed<2 and opt=adam" in text


@pytest.mark.libraries
def test_every_command_shows_the_selected_runs_only(root, tmp_path):
    where = ("--where", "opt=adam and seed=0")
    assert [one["runs"][0]["completed"] for one in as_json("ls", root, *where)] == [1]
    assert "opt=adam" in shown("ls", root / "net", *where)
    (one,) = as_json("table", root / "net", "loss", *where)
    assert one["values"]["best_loss"]["n"] == 1
    for arguments in (["loss"], ["loss", "--bars"]):
        drawn = as_json("plot", root / "net", *arguments, *where, "-o", tmp_path / "x.png")
        assert "only runs and configurations with opt=adam and seed=0" in drawn["notes"]
    as_json("plot", root / "net" / "adam_0", "loss", "--where", "seed=0", "-o", tmp_path / "x.png")
    found = as_json("show", root / "net" / "adam_0", "--where", "seed>0")
    assert (len(found["runs"]), found["aggregates"][""]["best_loss"]["n"]) == (2, 2)
    (compared,) = as_json("compare", root / "net/adam_0", root / "net/sgd_0", "loss", "--where", "seed<2")
    assert (compared["n_a"], compared["n_b"]) == (2, 2)
    assert "only runs with seed<2" in compared["notes"]
    as_json("report", root / "net", "-o", tmp_path / "x.html", *where)
    assert "opt=adam and seed=0" in (tmp_path / "x.html").read_text(encoding="utf-8")
    report = as_json(
        "export", root, tmp_path / "x.csv", "--to", "table", "--where", "seed=0 and not status:failed"
    )
    assert report["delivered"] == 3
    with (tmp_path / "x.csv").open(encoding="utf-8") as file:
        assert {row["param.seed"] for row in csv.DictReader(file)} == {"0"}


def test_a_parameter_need_be_known_in_one_experiment_only(root):
    assert [one["folder"] for one in as_json("ls", root, "--where", "width=3")] == [str(root / "other/3_0")]
    assert "no configuration has an active parameter 'widht'; did you mean 'width'?" in failed(
        "ls", root, "--where", "widht=3"
    )
    assert "no configuration has width=3 and opt=adam" in failed(
        "ls", root, "--where", "width=3 and opt=adam"
    )
    assert failed("export", root, "x.csv", "--to", "table", "--where", "seed=9") == "Error: no run has seed=9"


def test_an_export_replays_the_selected_runs_without_aggregates_of_others(root, tmp_path):
    options = ("--to", "local", "--into", tmp_path / "copy")
    as_json("export", root / "net", *options, "--where", "seed=1")
    runs = [count for one in as_json("ls", tmp_path / "copy") for count in one["runs"]]
    assert [one["completed"] for one in runs] == [1, 1]
    assert not list((tmp_path / "copy").rglob("aggregated_metrics.yml"))


def test_a_selection_of_failed_runs_has_nothing_to_rank_but_is_listed(root):
    assert [one["runs"][0]["failed"] for one in as_json("ls", root, "--where", "status:failed")] == [1]
    found = as_json("best", root / "net", "loss", "--where", "status:failed", "--status", "failed")
    assert (found["ranking"], len(found["unfinished"])) == ([], 1)


def test_the_description_of_a_selection_is_the_one_that_counts(tmp_path):
    for text in ("", "long", "short"):
        train(tmp_path, opt="adam", seed=0, description=text)
    (one,) = as_json("best", tmp_path / "net", "loss", "--where", "description:long")
    assert one["value"]["n"] == 1
    several = failed("best", tmp_path / "net", "loss", "--where", "description:long,short")
    assert "runs with several descriptions, which are not averaged together: 'long', 'short'" in several


def test_python_selects_alike(root):
    handler = ExperimentHandler(root, "net")
    (adam, sgd) = handler.get_best("loss", where="seed<2")
    assert (adam.value.n, sgd.value.n) == (2, 2)
    (adam,) = handler.get_best("loss", where=["seed<2", "opt=adam"])
    assert adam.configuration.parameters["opt"] == "adam"
    compared = handler.compare("adam_0", "sgd_0", "loss", where="seed<2")
    assert (compared.n_a, compared.n_b) == (2, 2)
    with pytest.raises(SelectionError, match="a value is missing after"):
        handler.get_best("loss", where="seed<")
    with pytest.raises(ParameterError, match="no run has seed=9"):
        handler.get_best("loss", where="seed=9")


def test_results_and_plots_of_selected_runs_are_not_stored_as_the_configurations(tmp_path):
    handlers = [train(tmp_path, opt="adam", seed=seed) for seed in range(3)]
    handler = handlers[0]
    whole = handler.aggregate_results()
    assert whole["best_loss"]["n"] == 3
    path = tmp_path / "net" / "adam_0" / "aggregated_metrics.yml"
    stored = path.read_bytes()
    part = handler.aggregate_results(where="seed<2")
    assert (part["best_loss"]["n"], part["best_loss"]["mean"]) == (2, pytest.approx(0.7))
    assert path.read_bytes() == stored
    other = ExperimentHandler(tmp_path, "net")
    other.set_param("opt", "adam")  # which does not know the seed
    other.name_param("opt")
    assert other.aggregate_results(where="seed=2")["best_loss"]["n"] == 1
    (all_runs,) = handler.plot(groups=[["loss"]])
    (some,) = handler.plot(groups=[["loss"]], formats="svg", where=["seed<2", "seed>0"])
    assert (Path(all_runs).name, Path(some).name != Path(all_runs).with_suffix(".svg").name) == (
        "loss.png",
        True,
    )
    with pytest.raises(StateError, match="and seed=0 and status:failed"):
        handler.aggregate_results(where="seed=0 and status:failed")
    with pytest.raises(SelectionError):
        handler.plot(where="seed<")


def test_tables_and_plots_of_groups_average_over_configurations(tmp_path):
    for opt, depth, seeds in (("adam", 1, (0,)), ("adam", 2, (2, 4, 6)), ("sgd", 1, (5,))):
        for seed in seeds:
            train(tmp_path, opt=opt, depth=depth, seed=seed)
    adam, sgd = as_json("table", tmp_path, "loss", "--lower", "loss", "--group-by", "opt")
    value = adam["values"]["best_loss"]
    assert (adam["group"], value["mean"], value["std"]) == (
        {"opt": "adam"},
        pytest.approx(2.2),
        pytest.approx(2.0),
    )
    assert (value["configurations"], value["runs"]) == (["1,adam_0", "2,adam_0"], 4)
    assert sgd["values"]["best_loss"]["mean"] == pytest.approx(5.2)
    text = shown("table", tmp_path, "loss", "time", "--lower", "loss", "--group-by", "opt")
    lines = text.splitlines()
    assert [one.strip() for one in lines[0].strip("|").split("|")][:4] == [
        "opt",
        "mean last loss ↓",
        "configurations",
        "runs",
    ]
    assert "**2.2 ± 2.0**" in lines[2]
    assert "the mean over the configurations of a group, which differ in depth" in text
    csv_lines = shown("table", tmp_path, "loss", "--group-by", "opt,depth", "--format", "csv").splitlines()
    assert csv_lines[0].startswith("opt,depth,best_loss_mean,best_loss_std,best_loss_configurations,")
    assert len(csv_lines) == 4
    assert "--params and --tags are for configurations" in misused(
        "table", tmp_path, "loss", "--group-by", "opt", "--tags"
    )
    for more in ((), ("--bars",)):
        output = tmp_path / "x.svg"
        drawn = as_json("plot", tmp_path, "loss", "--lower", "--group-by", "opt", *more, "-o", output)
        assert drawn["configurations"] == ["opt=adam", "opt=sgd"]
        assert any("differ in depth" in note for note in drawn["notes"])
        assert output.stat().st_size > 1000


def test_the_curve_of_a_group_is_the_mean_of_its_configurations_curves():
    def curve(steps, center):
        n = len(steps)
        return Curve(
            "loss", "mean", np.array(steps), np.array(center), *np.full((2, n), np.nan), np.full(n, 7)
        )

    found = average_aggregated_curves([curve([0, 1], [1.0, 2.0]), curve([1, 2], [4.0, 5.0])])
    assert (found.steps.tolist(), found.center.tolist()) == ([0, 1, 2], [1.0, 3.0, 5.0])
    assert (found.runs.tolist(), found.upper[1]) == ([1, 2, 1], 4.0)


def test_what_is_no_selection_is_shown_with_a_caret_before_anything_is_read(root):
    result = call("ls", root, "--where", "opt=adam and (seed<2")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-2:] == ["  opt=adam and (seed<2", "               ^"]


def test_groups_are_ranked_by_the_mean_over_their_configurations(tmp_path):
    for opt, depth, seeds in (("adam", 1, (0,)), ("adam", 2, (2, 4, 6)), ("sgd", 1, (5,))):
        for seed in seeds:
            train(tmp_path, opt=opt, depth=depth, seed=seed)
    train(tmp_path, opt="none", seed=7)
    found = as_json("best", tmp_path, "loss", "--lower", "--group-by", "opt")
    values = [(one["group"], one["value"]["mean"], one["value"]["n"], one["runs"]) for one in found]
    assert values == [
        ({"opt": "adam"}, pytest.approx(2.2), 2, 4),  # of 0.2 and 4.2, however many runs each has
        ({"opt": "sgd"}, pytest.approx(5.2), 1, 1),
        ({"opt": "none"}, pytest.approx(7.2), 1, 1),
    ]
    assert found[0]["value"]["std"] == pytest.approx(2.0)
    assert [len(one["configurations"]) for one in found] == [2, 1, 1]
    assert [one["group"] for one in as_json("best", tmp_path, "loss", "--lower", "--group-by", "depth")] == [
        {"depth": 1},
        {"depth": 2},
        {},
    ]
    assert len(as_json("best", tmp_path, "loss", "--group-by", "opt,depth")) == 4
    text = shown("best", tmp_path, "loss", "--lower", "--group-by", "opt")
    assert "mean last loss" in text
    assert "the mean over the configurations of a group, which differ in depth, and their standard" in text
    handler = ExperimentHandler(tmp_path, "net")
    first = handler.get_best("loss", higher_better=False, group_by="opt", where="depth is not absent")[0]
    assert (dict(first.parameters), len(first.members), first.runs) == ({"opt": "adam"}, 2, 4)
    with pytest.raises(ParameterError, match="'seed' is not compared or not active in any configuration"):
        handler.get_best("loss", group_by=["opt", "seed"])
    assert "did you mean 'depth'?" in failed("best", tmp_path, "loss", "--group-by", "dept")
