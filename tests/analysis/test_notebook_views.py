"""What a notebook shows of rankings, comparisons and handlers."""

from __future__ import annotations

import math
import pickle

import pytest

import legm
from legm import ExperimentHandler, LegmError, MetricError, ParameterError
from legm.records import Comparison

HOSTILE = "<script>alert(1)</script>\u202e\n&"


def made(root, **params) -> ExperimentHandler:
    handler = ExperimentHandler(root, "a<b")
    handler.set_dict_params({"text": f"{HOSTILE}{params['rate']}", **params})
    handler.disable_param("seed")
    return handler


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    place = tmp_path_factory.mktemp("views") / "root"
    for rate in (1, 2, 3):
        for seed in range(3):
            with made(place, rate=rate, seed=seed) as handler:
                handler.start()
                for step in range(4):
                    handler.set_metric("loss", rate / (step + 1) + seed / 10, step=step)
                    handler.set_metric("nan", math.nan, step=step)
                handler.set_metric("accuracy", rate / 10, test=True)
    failing = made(place, rate=1, seed=9).start()
    failing.set_metric("loss", 100.0, step=0)
    failing.end("failed", "too large")
    return place


def one_line(value: object) -> str:
    text = repr(value)
    assert text.isprintable()
    return text


def page(value) -> str:
    """What a notebook shows, in which the hostile text has no effect."""
    found = value._repr_html_()
    assert "<script>" not in found
    assert "\u202e" not in found
    assert "&lt;script&gt;" in found
    assert found.count("<table>") == found.count("</table>")
    return found


def test_a_ranking_is_a_list_with_a_table(root):
    handler = made(root, rate=1, seed=0)
    best = handler.get_best("loss")
    assert best == list(best)
    assert isinstance(best, list)
    assert one_line(best).startswith(
        "<Ranking of 3 configurations by last loss, lower is better, by its name"
    )
    found = page(best)
    assert found.count("<svg") == 3
    assert "1 failed" in found
    assert "mean loss over the completed runs, all on one scale: steps 0 to 3" in found
    assert page(best[:2]).count("<svg") == 2
    assert best[0].value.mean < best[1].value.mean
    assert page(handler.get_best("accuracy", test=True)).count("<svg") == 0
    assert page(handler.get_best("nan")).count("<svg") == 0
    copied = pickle.loads(pickle.dumps(best))
    assert copied == best
    assert type(copied) is list
    assert best[:0]._repr_html_() == "<p>Ranking of 0 configurations</p>"


def test_the_curve_of_a_row_is_the_mean_over_its_completed_runs(root):
    found = made(root, rate=1, seed=0).get_best("loss")._repr_html_()
    assert "loss: 1.100 at step 0 to 0.3500 at step 3" in found  # 100 of the failed run is not in it


def test_groups_are_a_ranking_too(root):
    handler = made(root, rate=1, seed=0)
    groups = handler.get_best("loss", group_by="text")
    assert one_line(groups).startswith("<Ranking of 3 groups by")
    assert page(groups).count("<svg") == 3
    assert "last loss: lower is better, by its name" in page(groups)


def test_a_ranking_of_groups_says_what_may_mislead_about_its_configurations(root, tmp_path):
    for seed in (0, 0, 1):
        with made(tmp_path, rate=1, seed=seed).start() as handler:
            handler.set_metric("loss", 1.0)
    text = "1 of 3 runs has the seed of another run"
    for ranking in (handler.get_best("loss"), handler.get_best("loss", group_by="text")):
        assert text in page(ranking)


def test_comparisons_are_tables_and_equal_what_they_show(root):
    handler = made(root, rate=1, seed=0)
    best = handler.get_best("loss")
    compared = handler.compare(best[0], best[1], "loss", seed="seed")
    assert isinstance(compared, Comparison)
    assert one_line(compared).startswith("<Comparison of ")
    assert "a - b = " in one_line(compared)
    assert "95 % interval" in compared._repr_html_()
    several = handler.compare(best[0], list(best[1:]), "loss", seed="seed")
    assert one_line(several).startswith("<2 comparisons: ")
    assert several[0].difference == compared.difference
    assert several._repr_html_().count("<tr>") == 3
    assert pickle.loads(pickle.dumps(compared)) == compared


def test_a_handler_shows_its_configuration_and_its_own_run(root, tmp_path):
    fresh = made(tmp_path, rate=1, seed=0)
    assert "no runs yet" in page(fresh)
    assert not list(tmp_path.iterdir())  # nothing was made by looking
    found = page(made(root, rate=1, seed=0))
    assert "runs: 3 completed, 1 failed" in found
    assert "not compared" in found
    assert found.count("<svg") == 1  # of nan there is none
    assert "test accuracy" in found
    running = made(tmp_path, rate=1, seed=0).start()
    running.set_metric("loss", 5.0, step=0)
    running.set_metric("loss", 7.0, step=3)
    running.flush()
    found = page(running)
    assert f"this run ({running.run_id[-6:]}) is running, step 3" in found
    assert "loss: 5 at step 0 to 7 at step 3" in found
    running.log()


def test_a_handler_whose_configuration_has_no_identity_says_why(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("value", object())
    assert "value" in handler._repr_html_()


def test_a_project_draws_what_legm_plot_draws(root, tmp_path):
    project = legm.open(root)
    figure = project.plot("loss", top=2, style={"figure.dpi": 50})
    assert figure._repr_png_().startswith(b"\x89PNG")
    (axes,) = figure.axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert len(curves) == 2
    assert curves[0].get_ydata()[0] == pytest.approx(1.1)
    assert len(project.plot("loss", statuses="failed", rate=1).axes[0].lines) > 1
    assert project.plot(["accuracy"], bars=True, test=True).axes
    with pytest.raises(MetricError, match="did you mean 'loss'"):
        project.plot("los")
    with pytest.raises(MetricError, match="set bars=True"):
        project.plot("accuracy", test=True)
    with pytest.raises(ParameterError):
        project.plot("loss", where="rates=1")
    with pytest.raises(LegmError, match="0 experiments"):
        legm.open(tmp_path).plot("loss")
