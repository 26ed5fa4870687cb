"""That no ranking, table, picture or list of runs misleads: direction, chosen step, seeds, spread, status."""

from __future__ import annotations

import csv
import logging
import math
import re
import shutil
from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.plotting import plot_bars
from tests.support.calling import as_json, misused, shown
from tests.support.pictures import draw, ranked, texts

RATES = {0.1: 0.125, 0.2: 0.25, 0.3: 0.5}
"""By rate, the lowest loss."""


def handler(root, rate, seed, *, compared=False):
    made = ExperimentHandler(root, "e")
    made.set_dict_params({"rate": rate, "seed": seed})
    made.name_param("rate")
    if not compared:
        made.disable_param("seed")
    return made


def run(root, rate, seed, *, rule="loss", higher=False, compared=False):
    """The loss falls to its lowest value, then rises; the score is highest at that step."""
    with handler(root, rate, seed, compared=compared).start() as made:
        for step, factor in enumerate((4.0, 1.0, 2.0)):
            made.set_dict_metrics({"loss": factor * RATES[rate], "score": rate + seed / factor}, step=step)
        if rule is not None:
            made.set_best("early_stopping", metric=rule, higher_better=higher)
        made.set_metric("acc", 1 - RATES[rate], test=True)


def fail(root, rate, seed, error="CUDA error"):
    made = handler(root, rate, seed).start()
    for step, loss in enumerate((3.0, 0.0625, 2.0)):
        made.set_metric("loss", loss, step=step)
    cause = ValueError(f"{error}\nat layer 3")
    made.__exit__(ValueError, cause, None)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three seeds of two rates, one seed twice; one run of a third rate; one that failed. Only to be read."""
    place = tmp_path_factory.mktemp("answers")
    for rate, seeds in ((0.1, (0, 1, 2, 2)), (0.2, (0, 1, 2)), (0.3, (0,))):
        for seed in seeds:
            run(place, rate, seed)
    fail(place, 0.1, 9)
    return place


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Two rates with two seeds each, which somebody forgot to disable. Only to be read."""
    place = tmp_path_factory.mktemp("compared")
    for rate in (0.1, 0.2):
        for seed in (0, 1):
            run(place, rate, seed, rule=None, compared=True)
    return place


def order(found):
    return [one["parameters"]["rate"] for one in found]


def test_the_best_rule_says_which_end_of_every_ranking_is_the_best(root, tmp_path):
    best_first = [0.1, 0.2, 0.3]
    assert order(as_json("best", root, "loss")) == best_first
    assert order(as_json("table", root, "loss")) == best_first
    assert [
        one.configuration.parameters["rate"] for one in ExperimentHandler(root, "e").get_best("loss")
    ] == (best_first)
    names = ["0.1_0", "0.2_0", "0.3_0"]
    assert as_json("plot", root, "loss", "-o", tmp_path / "x.svg")["configurations"] == names
    assert as_json("plot", root, "loss", "--bars", "-o", tmp_path / "x.png")["configurations"] == names
    (compared,) = as_json("compare", root / "e" / "0.1_0", root / "e" / "0.2_0", "loss")
    assert compared["better"] == "a"
    for option in ("--higher", "--lower"):
        found = as_json("best", root, "loss", option)
        assert order(found) == best_first[:: -1 if option == "--higher" else 1]
        assert found[0]["choice"]["because"] == "asked"


def test_every_output_says_the_direction_and_how_values_were_chosen(root, tmp_path):
    said = "lower is better, by the best rule"
    assert f"best loss: {said}" in shown("best", root, "loss")
    assert "score at the best loss: higher is better" in shown("best", root, "score")
    assert "best loss ↓" in shown("table", root, "loss")
    assert said in shown("table", root, "loss", "--format", "latex")
    assert said in shown("compare", root / "e" / "0.1_0", root / "e" / "0.2_0", "loss")
    for arguments in (["loss"], ["loss", "--bars"]):
        shown("plot", root, *arguments, "-o", tmp_path / "x.svg")
        assert "lower is better" in (tmp_path / "x.svg").read_text(encoding="utf-8")
    for choice in (
        as_json("best", root, "loss")[0]["choice"],
        as_json("table", root, "loss")[0]["values"]["best_loss"]["choice"],
        as_json("compare", root / "e" / "0.1_0", root / "e" / "0.2_0", "loss")[0]["choice"],
        as_json("plot", root, "loss", "-o", tmp_path / "x.png")["choices"]["best_loss"],
        as_json("show", root / "e" / "0.1_0")["choices"][""]["best_loss"],
    ):
        assert (choice["title"], choice["higher_better"], choice["because"]) == ("best loss", False, "rule")
    listed = as_json("ls", root)[0]["runs"][0]
    assert [(one["metric"], one["higher_better"], one["runs"]) for one in listed["rules"]] == [
        ("loss", False, 4)
    ]
    shown("export", root, tmp_path / "x.csv", "--to", "table")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        assert {one["step_choice"] for one in csv.DictReader(file)} == {"at the lowest loss", ""}


def test_without_a_rule_the_last_value_is_called_that_and_the_name_decides(compared):
    text = shown("best", compared, "loss")
    assert "last loss: lower is better, by its name" in text
    assert "best loss" not in text
    assert "last loss" in shown("show", next((compared / "e").glob("0.1*")))


def test_runs_whose_rules_conflict_are_said(tmp_path, caplog):
    for seed, higher in enumerate((False, True, False)):
        run(tmp_path, 0.1, seed, higher=higher)
    said = "the runs' best rules conflict: 2 say lower, 1 says higher"
    text = shown("best", tmp_path, "loss")
    assert said in text
    assert "loss is taken differently: at the lowest loss in 2 runs, at the highest loss in 1 run" in text
    with caplog.at_level(logging.WARNING, "legm"):
        (ranked,) = ExperimentHandler(tmp_path, "e").get_best("loss")
    assert said in caplog.text
    assert (ranked.direction.runs, ranked.direction.against) == (2, 1)
    (folder,) = (tmp_path / "e").glob("*_0")
    taken = "loss is taken differently: at the lowest loss in 2 runs, at the highest loss in 1 run"
    for form in ("markdown", "latex"):
        assert f"{said}; {taken}" in shown("table", tmp_path, "loss", "--format", form)
    assert said in shown("table", tmp_path, "loss", "--group-by", "rate")
    assert taken in shown("show", folder)
    assert said in shown("ls", tmp_path, "--curve", "loss")
    (entry,) = as_json("table", tmp_path, "loss")
    assert [one["runs"] for one in entry["values"]["best_loss"]["choice"]["rules"]] == [2, 1]
    for options in ([], ["--bars"]):
        picture = tmp_path / "loss.svg"
        found = as_json("plot", tmp_path / "e", "loss", "-o", picture, *options)
        assert [one["runs"] for one in found["choices"]["best_loss"]["rules"]] == [2, 1]
        assert said in picture.read_text()
    shown("report", tmp_path / "e", "-o", tmp_path / "report.html")
    assert said in (tmp_path / "report.html").read_text()


def test_equal_seeds_are_said_wherever_runs_are_counted_and_one_of_each_can_be_taken(root, tmp_path, caplog):
    said = "1 of 8 runs has the seed of another run of the same configuration"
    assert said in shown("best", root, "loss")
    assert said in shown("ls", root)
    assert said in shown("ls", root, "--curve", "loss")
    assert said in shown("table", root, "loss", "--format", "latex")
    assert "1 with a repeated seed" in shown("best", root, "loss")
    assert "1 of 4 runs has the seed" in shown("show", root / "e" / "0.1_0")
    made = handler(root, 0.1, 0)
    with caplog.at_level(logging.WARNING, "legm"):
        assert made.aggregate_results()["best_loss"]["n"] == 4
    assert "1 of 4 runs has the seed" in caplog.text
    caplog.clear()
    assert made.aggregate_results(one_per_seed=True)["best_loss"]["n"] == 3
    assert made.get_best("loss", one_per_seed=True)[0].value.n == 3
    assert "has the seed" not in caplog.text
    for command in ("best", "table"):
        assert "seed of another" not in shown(command, root, "loss", "--one-per-seed")
    assert as_json("best", root, "loss", "--one-per-seed")[0]["value"]["n"] == 3
    assert as_json("table", root, "loss", "--one-per-seed")[0]["values"]["best_loss"]["n"] == 3
    picture = tmp_path / "x.svg"
    shown("plot", root / "e" / "0.1_0", "loss", "-o", picture)
    assert "1 of 4 runs has the seed" in picture.read_text(encoding="utf-8")
    shown("plot", root / "e" / "0.1_0", "loss", "--one-per-seed", "-o", picture)
    assert "mean ± std over 3 runs" in picture.read_text(encoding="utf-8")
    two = [root / "e" / name for name in ("0.1_0", "0.2_0")]
    (compared,) = as_json("compare", *two, "loss", "--unpaired")
    assert compared["n_a"] == 4
    assert "1 of 4 runs of a has the seed of another and counts too" in compared["notes"]
    assert as_json("compare", *two, "loss", "--unpaired", "--one-per-seed")[0]["n_a"] == 3


def test_one_value_has_no_spread_and_unequal_numbers_of_runs_have_a_column(root):
    lines = shown("best", root, "loss").splitlines()
    assert re.search(r"0\.1_0 .*0\.125.* ± ", lines[2])
    assert "±" not in lines[4]
    latex = shown("table", root, "loss", "--format", "latex").splitlines()
    assert r"rate & best loss $\downarrow$ & n \\" in latex
    assert r"0.3 & 0.5000 & 1 \\" in latex
    same = shown("table", root, "loss", "--where", "rate=0.2", "--format", "latex")
    assert "& n" not in same
    assert "% mean ± std over 3 runs" in same
    aggregates = shown("show", root / "e" / "0.3_0").partition("metric")[2]
    assert re.search(r"^best loss +0\.5  1    0$", aggregates, re.MULTILINE)


def test_runs_that_are_not_completed_are_shown_separately_on_request(root, tmp_path):
    assert "CUDA" not in shown("best", root, "loss")
    text = shown("best", root, "loss", "--status", "failed")
    ranking, _, apart = text.partition("not completed, and not averaged:")
    assert re.search(r"0\.1_0 +failed +2 +2 +0\.0625 +ValueError: CUDA error$", apart, re.MULTILINE)
    assert ranking.splitlines()[:5] == shown("best", root, "loss").splitlines()[:5]
    found = as_json("best", root, "loss", "--status", "all")
    assert order(found["ranking"]) == [0.1, 0.2, 0.3]
    (one,) = found["unfinished"]
    assert (one["status"], one["last_value"], one["best_so_far"]) == ("failed", 2.0, 0.0625)
    picture = tmp_path / "x.svg"
    for path in (root, root / "e" / "0.1_0"):
        drawn = as_json("plot", path, "loss", "--status", "failed", "-o", picture)
        assert drawn["unfinished"] == [one["run_id"]]
        text = picture.read_text(encoding="utf-8")
        assert f"failed {one['run_id'][-6:]}" in text
        assert "not averaged" in text
    assert as_json("plot", root, "loss", "-o", picture)["unfinished"] == []
    assert "--status draws curves" in misused(
        "plot", root, "loss", "--bars", "--status", "all", "-o", picture
    )


def test_an_experiment_of_which_every_run_failed_still_has_curves(tmp_path):
    fail(tmp_path, 0.1, 0)
    fail(tmp_path, 0.2, 0)
    drawn = as_json("plot", tmp_path, "loss", "--status", "failed", "-o", tmp_path / "x.png")
    assert (len(drawn["unfinished"]), drawn["configurations"]) == (2, [])
    found = as_json("best", tmp_path, "loss", "--status", "failed")
    assert (found["ranking"], [one["best_so_far"] for one in found["unfinished"]]) == ([], [0.0625] * 2)
    assert handler(tmp_path, 0.1, 0).plot(statuses="failed")


def test_show_has_the_error_of_a_failed_run_and_can_be_limited_to_a_status(root):
    text = shown("show", root / "e" / "0.1_0")
    assert "ValueError: CUDA error\n        at layer 3" in text
    assert len(as_json("show", root / "e" / "0.1_0", "--status", "failed")["runs"]) == 1
    text = shown("show", root / "e" / "0.1_0", "--status", "failed")
    assert "failed runs:" in text
    assert not re.search(r"^\w{6}  completed", text, re.MULTILINE)
    assert "none" in shown("show", root / "e" / "0.1_0", "--status", "running")


def test_a_seed_that_is_compared_is_hinted_at(compared, root, tmp_path, caplog):
    said = "4 configurations differ from another one only in seed"
    assert said in shown("ls", compared)
    assert said in shown("best", compared, "loss")
    for command in (["ls", root], ["best", root, "loss"]):
        assert "differ from another" not in shown(*command)
    with caplog.at_level(logging.WARNING, "legm"):
        ExperimentHandler(compared, "e").get_best("loss")
    assert said in caplog.text
    (command,) = re.findall(r"legm (amend .*?--ignore seed)", shown("ls", compared).replace("\n", " "))
    united = shutil.copytree(compared, tmp_path / "united")
    shown(*command.replace("EXPERIMENT", str(united / "e")).split(), "--yes")
    rows = as_json("best", united, "loss")
    assert {row["parameters"]["rate"]: row["completed"] for row in rows} == {0.1: 2, 0.2: 2}
    caplog.clear()
    handler(tmp_path, 0.1, 0).start().log()
    assert caplog.text == ""
    handler(tmp_path, 0.1, 0, compared=True).start().log()
    assert "the parameter 'seed' is compared" in caplog.text


# Pruned runs


def prune(root, rate, seed):
    made = handler(root, rate, seed).start()
    made.set_metric("loss", 99.0)
    made.end("pruned", "worse than the median")


def test_a_pruned_run_is_counted_in_every_output_and_averaged_in_none(tmp_path):
    run(tmp_path, 0.1, 0)
    prune(tmp_path, 0.1, 1)
    prune(tmp_path, 0.1, 2)

    (ranked,) = as_json("best", tmp_path, "loss")
    (listed,) = as_json("ls", tmp_path)
    aggregates = handler(tmp_path, 0.1, 0).aggregate_results()["best_loss"]
    assert (ranked["completed"], ranked["pruned"], ranked["value"]["n"]) == (1, 2, 1)
    assert (listed["runs"][0]["completed"], listed["runs"][0]["pruned"]) == (1, 2)
    assert (aggregates["n"], aggregates["pruned"], aggregates["mean"]) == (1, 2, 0.125)
    for command in (("best", tmp_path, "loss"), ("ls", tmp_path), ("show", tmp_path / "e" / "0.1_0")):
        assert "2 pruned" in shown(*command) or shown(*command).count("pruned") == 2
    assert "worse than the median" in shown("show", tmp_path / "e" / "0.1_0")


def test_pruned_runs_are_drawn_when_they_are_asked_for(tmp_path):
    run(tmp_path, 0.1, 0)
    prune(tmp_path, 0.1, 1)

    (picture,) = handler(tmp_path, 0.1, 0).plot(formats="svg", groups=[["loss"]], statuses="pruned")

    assert "pruned" in Path(picture).read_text(encoding="utf-8")


def test_a_number_is_the_same_text_in_every_command_and_typeset_in_pictures_and_latex_alone(tmp_path):
    numbers = {"tiny": -3.384e-07, "small": -0.2512, "endless": float("-inf")}
    expected = {"tiny": "-3.384e-07", "small": "-0.2512", "endless": "-inf"}
    for rate in (0.1, 0.2):
        with handler(tmp_path, rate, 1).start() as made:
            for name, number in numbers.items():
                made.set_metric(name, number)
    one, other = sorted((tmp_path / "e").glob("*_0"))
    latex = {name: text.replace("-", "$-$").replace("inf", r"$\infty$") for name, text in expected.items()}
    for name, text in expected.items():
        assert shown("best", tmp_path / "e", name).count(f" {text} ") == 2
        assert shown("table", tmp_path / "e", name).count(f"**{text}**") == 2
        assert shown("compare", one, other, name).count(f" {text} ") == 2
        assert shown("sql", tmp_path, f"select value from history where metric = '{name}'").count(text) == 2
        assert shown("table", tmp_path / "e", name, "--format", "latex").count(latex[name]) == 2
        bars = draw(plot_bars({name: [ranked("a", numbers[name], math.nan)]}, ""))
        assert text.replace("-", "\N{MINUS SIGN}").replace("inf", "∞") in texts(bars)
    assert all(text in shown("show", one) for text in expected.values())
    assert expected["tiny"] in shown("ls", tmp_path / "e", "--curve", "tiny")
    view = made.get_best("tiny")._repr_html_()
    assert expected["tiny"] in view
    assert "\N{MINUS SIGN}" not in view
