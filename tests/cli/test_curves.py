"""``--curve``: small curves beside the rows of ``legm best``, ``ls`` and ``show``."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm import ExperimentHandler
from legm.cli import printing, terminal_curves
from legm.cli.terminal_curves import drawn_curve
from legm.core.naming import safe_name
from legm.records import Curve
from legm.stats.curve_scale import CurveScale, curve_scale
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import as_json, failed, misused, shown

FOLDER = safe_name(EXPERIMENT)
BLANK = "\N{BRAILLE PATTERN BLANK}"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    place = tmp_path_factory.mktemp("curves") / "root"
    fill(place)
    return place


def curve(*values: float, runs: int = 1) -> Curve:
    center = np.array(values, np.float64)
    steps = np.arange(len(values))
    return Curve("loss", "mean", steps, center, center, center, np.full(len(values), runs))


def braille(text: str) -> list[str]:
    """The cells of curves in an output, row by row."""
    words = [word for line in text.splitlines() for word in line.split(" ")]
    return [word for word in words if word and all("\u2800" <= one <= "\u28ff" for one in word)]


def test_a_curve_is_the_mean_over_the_completed_runs_at_each_step(root):
    found = as_json("best", root / FOLDER, "loss", "--lower", "--curve")
    second = found[1]["curve"]  # of 0.5, 0.25 and 0.75; a run that failed had 0
    assert second["steps"] == [0, 1, 2]
    assert second["values"] == [2.5, 1.5, 0.5]
    assert second["runs"] == [3, 3, 3]
    assert (second["metric"], second["method"]) == ("loss", "mean")
    assert found[3]["curve"]["values"] == ["nan"] * 3
    assert "curve" not in as_json("best", root / FOLDER, "loss", "--lower")[0]
    median = as_json("best", root / FOLDER, "loss", "--curve", "time", "--aggregation", "median")
    assert [one["curve"]["values"] for one in median] == [[1.0, 2.0, 3.0]] * 4


def test_curves_fall_on_one_scale_and_what_they_are_is_said(root):
    text = shown("best", root / FOLDER, "loss", "--lower", "--curve")
    first, _, third = braille(text)  # all is NaN in the fourth
    assert first == "⠒" * 6 + "⠢" + "⠤" * 11 + "⣀" * 6  # 2.25, 1.25, 0.25
    assert third[0] == "⠉"  # 4, 3, 2
    assert third[-1] == "⠤"
    (note,) = [line for line in text.splitlines() if line.startswith("curves: ")]
    assert "mean loss over the 3 completed runs that have a value at a step" in note
    assert "steps 0 to 2, and 0.25 at the bottom to 4 at the top" in note
    assert "a gap is where all values are NaN" in note
    assert "1 failed run is not averaged" in text
    assert "mean loss by step" in text.splitlines()[0]
    other = shown("best", root / FOLDER, "accuracy", "--test", "--curve", "loss")
    assert "lower is better, by its name" in other  # not the direction of what is ranked


def test_runs_that_are_not_completed_have_their_own_curves_below(root):
    text = shown("best", root / FOLDER, "loss", "--lower", "--curve", "--status", "failed")
    above, below = text.split("not completed, and not averaged:")
    assert len(braille(above)) == 3
    assert len(braille(below)) == 1
    assert "over the 3 completed runs" in above
    assert "0 at the bottom" in above  # of the failed run: one scale
    found = as_json("best", root / FOLDER, "loss", "--curve", "--status", "failed")
    assert found["unfinished"][0]["curve"]["values"] == [0.0]


def test_groups_lists_and_runs_have_curves(root):
    text = shown("best", root / FOLDER, "loss", "--lower", "--curve", "--group-by", "solver")
    assert len(braille(text)) == 2
    assert "mean loss over the 1 to 2 configurations that have a value at a step" in text
    found = as_json("best", root / FOLDER, "loss", "--lower", "--curve", "--group-by", "solver")
    assert found[0]["curve"]["values"] == [2.375, 1.375, 0.375]
    text = shown("ls", root, "--curve")
    assert len(braille(text)) == 3
    assert "curves: mean loss" in text
    listed = as_json("ls", root, "--curve", "loss")
    assert [2.25, 1.25, 0.25] in [one["curve"]["values"] for one in listed]
    text = shown("show", root / FOLDER / "0.1,adam_0", "--curve")
    assert len(braille(text)) == 4
    assert "over the" not in text  # nothing is averaged
    (failing,) = [
        one
        for one in as_json("show", root / FOLDER / "0.1,adam_0", "--curve", "loss")["runs"]
        if one["status"] == "failed"
    ]
    assert failing["curve"]["values"] == [0.0]


def test_what_has_no_curve_is_an_error(root):
    path = root / FOLDER
    assert "did you mean 'loss'" in failed("best", path, "loss", "--curve", "los")
    assert "it is a test metric" in failed("best", path, "loss", "--curve", "accuracy")
    assert "has no curve" in failed("best", path, "loss", "--curve", "test_accuracy")
    assert "did you mean 'loss'" in failed("ls", root, "--curve", "los")
    assert "did you mean 'loss'" in failed("show", path / "0.1,adam_0", "--curve", "los")
    run = as_json("show", path / "0.1,adam_0")["runs"][0]["run_id"]
    assert "is one run" in misused("show", path / run, "--curve", "loss")


@pytest.mark.parametrize("width", [80, 200])
def test_rows_fit_the_terminal_and_curves_are_whole(root, monkeypatch, width):
    for module in (printing, terminal_curves):
        monkeypatch.setattr(module, "printing_width", lambda: width)
    text = shown("best", root / FOLDER, "loss", "--lower", "--curve", "--status", "all")
    tables = [line for line in text.splitlines() if braille(line)]
    assert max(map(len, tables)) <= width
    assert {len(one) for one in braille(text)} == {14 if width == 80 else 24}


def test_an_output_without_braille_has_digits(root, monkeypatch):
    monkeypatch.setattr(terminal_curves, "can_print", lambda _: False)
    text = shown("best", root / FOLDER, "loss", "--lower", "--curve")
    assert not braille(text)
    row = next(line for line in text.splitlines() if line.startswith("3 "))
    assert " 999888888877776666555544 " in row  # from 4 to 2
    assert "0.25 as the digit 0 to 4 as 9" in text


def test_a_gap_is_where_there_is_no_value():
    some = curve(0, 1, math.nan, math.nan, 1, 0)
    drawn = drawn_curve(some, curve_scale([some]), 6, braille=True)
    assert BLANK in drawn[2:4]
    assert drawn[0] != BLANK != drawn[-1]
    assert drawn_curve(some, curve_scale([some]), 6, braille=False) == "09  90"
    assert drawn_curve(curve(math.nan), curve_scale([some]), 6, braille=True) == ""
    assert curve_scale([curve(math.nan, math.inf)]) is None


def test_what_is_far_from_everything_else_does_not_flatten_it():
    usual = [curve(*np.linspace(1, 0, 100)), curve(*np.linspace(1, 0.5, 100))]
    diverged = curve(*np.linspace(1, 1e6, 100))
    assert curve_scale([*usual, diverged]) == CurveScale(0, 99, 0.0, 1.0, has_beyond=True)
    spike = np.linspace(1, 0, 100)
    spike[50] = 1e9
    scale = curve_scale([curve(*spike)])
    assert scale is not None
    assert scale.high <= 1
    assert scale.has_beyond
    infinite = curve(0, math.inf, -math.inf)
    assert drawn_curve(infinite, CurveScale(0, 2, 0, 1, has_beyond=True), 3, braille=False) == "090"


@given(st.lists(st.floats(), min_size=1, max_size=300), st.integers(1, 30), st.booleans())
def test_any_values_are_drawn_within_the_width(values, width, is_braille):
    some = curve(*values)
    drawn = drawn_curve(some, curve_scale([some]), width, braille=is_braille)
    assert len(drawn) <= width
    assert drawn or not any(math.isfinite(one) and abs(one) <= 1e300 for one in values)


def test_a_metric_of_some_experiments_is_drawn_where_it_is(tmp_path):
    for name, metric in (("one", "loss"), ("two", "gain")):
        with ExperimentHandler(tmp_path, name).start() as handler:
            handler.set_metric(metric, 1.0, step=0)
            handler.set_metric(metric, 2.0, step=5)
    text = shown("ls", tmp_path, "--curve", "gain")
    assert len(braille(text)) == 1
    assert text.index("two") < text.index("mean gain by step")
