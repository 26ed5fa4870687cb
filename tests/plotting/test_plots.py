"""plot(), plot_comparison_bars() and curves to compare, from a handler's runs to files."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from matplotlib.image import imread

from legm import ExperimentHandler, InvalidName, LegmError, MetricError, StateError, plotting
from legm.analysis import summaries as analysis
from legm.delivery.client import BackendClient, connect_client
from legm.records import Configuration
from tests.support.pictures import texts

STARTS = {"png": b"\x89PNG", "pdf": b"%PDF-1.4", "svg": b"<?xml"}


def client_of(handler: ExperimentHandler) -> BackendClient:
    return connect_client(handler.configuration_folder.parents[1])


def best_of(handler: ExperimentHandler) -> Configuration:
    return handler.get_best("loss")[0].configuration


def logged(root, lr=0.1, description=None, seeds=3, metrics=("loss", "acc")):
    for seed in range(seeds):
        with ExperimentHandler(root, "e", description) as handler:
            handler.set_dict_params({"lr": lr, "seed": seed})
            handler.disable_param("seed")
            handler.name_param("lr")
            handler.start()
            for step in range(5):
                handler.set_dict_metrics(dict.fromkeys(metrics, lr * (seed + step)))
            handler.set_metric("f1", lr + seed / 10, test=True)
    return handler


@pytest.fixture(scope="module")
def handler(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    logged(root, 0.2)
    return logged(root, 0.1)


def test_without_more_said_pictures_are_png(handler):
    folder = handler.configuration_folder
    assert handler.plot() == [str(folder / "plots" / name) for name in ("acc.png", "loss.png")]


def test_each_picture_is_kept_in_each_format_in_the_order_asked_for(handler):
    places = handler.plot(groups=[["loss"], ["acc"]], formats=("pdf", "svg", "png"))
    names = [f"{name}.{form}" for name in ("loss", "acc") for form in ("pdf", "svg", "png")]
    assert [Path(place).name for place in places] == names
    for place in places:
        assert Path(place).read_bytes().startswith(STARTS[Path(place).suffix[1:]])


def test_bars_are_kept_in_each_format(handler):
    places = handler.plot_comparison_bars("f1", test=True, formats=("png", "pdf"))
    plots = Path(handler.configuration_folder).parent / "plots"
    assert places == [str(plots / f"comparison-test_f1.{form}") for form in ("png", "pdf")]
    assert Path(places[1]).read_bytes().startswith(b"%PDF")
    assert handler.plot_comparison_bars("f1", test=True, formats="pdf") == places[1:]


def test_a_style_applies_to_both_kinds_of_figure(handler, tmp_path):
    sheet = tmp_path / "paper.mplstyle"
    sheet.write_text("figure.figsize: 3, 2\nfigure.dpi: 100\naxes.facecolor: 00ff00\n")
    (curves,) = handler.plot(groups=[["loss"]], style=sheet)
    (bars,) = handler.plot_comparison_bars("f1", test=True, style=[sheet, {"figure.dpi": 200}])
    assert imread(curves).shape[:2] == (200, 300)
    assert imread(bars).shape[1] == 600
    for place in (curves, bars):
        assert (imread(place)[:, :, :3] == (0, 1, 0)).all(axis=2).mean() > 0.05


def test_the_title_can_be_another_one_or_none(handler):
    def written(title):
        options = {"formats": "svg", "title": title, "style": {"svg.fonttype": "none"}}
        places = [
            *handler.plot(groups=[["loss"]], **options),
            *handler.plot_comparison_bars("loss", **options),
        ]
        return [re.findall(r">([^<>]*)</text>", Path(place).read_text(encoding="utf-8")) for place in places]

    assert [("e, 0.1" in said, "e" in said) for said in written(None)] == [(True, False), (False, True)]
    assert all("Digits" in said for said in written("Digits"))
    assert not any("e" in said or "e, 0.1" in said for said in written(""))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ["jpg"]}, "cannot be saved in the format 'jpg'"),
        ({"formats": []}, "names no format"),
        ({"style": "gplot"}, "did you mean 'ggplot'"),
        ({"style": {"lines.width": 1}}, "no setting 'lines.width'"),
    ],
)
def test_a_wrong_format_or_style_is_reported_before_anything_is_read(tmp_path, options, message):
    empty = ExperimentHandler(tmp_path, "e").start()
    with pytest.raises(LegmError, match=message):
        empty.plot(**options)
    with pytest.raises(StateError, match="no completed run"):
        empty.plot()
    logged(tmp_path).plot_comparison_bars("loss")
    with pytest.raises(LegmError, match=message):
        empty.plot_comparison_bars("loss", **options)


class TestComparisonCurves:
    def test_each_configuration_has_its_curve_in_the_order_given(self, handler):
        places = handler.get_best("loss")
        found = analysis.summary_curves(
            client_of(handler),
            [place.configuration for place in reversed(places)],
            "",
            "loss",
            "median",
        )
        assert [configuration.name for configuration, _ in found] == ["0.2", "0.1"]
        for lr, (_, curve) in zip((0.2, 0.1), found, strict=True):
            assert (curve.metric, curve.method) == ("loss", "median")
            assert curve.center.tolist() == pytest.approx([lr * (1 + step) for step in range(5)])
        assert found[0][1].runs.tolist() == [3] * 5
        figure = plotting.plot_configurations([(made.name, curve) for made, curve in found], "e")
        assert {"0.1", "0.2", "loss", "median and quartiles over 3 runs"} <= set(texts(figure))

    def test_a_configuration_without_the_metric_is_left_out(self, tmp_path):
        one, other = logged(tmp_path, 0.1), logged(tmp_path, 0.2, metrics=["loss"])
        both = [place.configuration for place in one.get_best("loss")]
        found = analysis.summary_curves(client_of(one), both, "", "acc")
        assert [configuration.fingerprint for configuration, _ in found] == [one.fingerprint]
        assert other.fingerprint in {configuration.fingerprint for configuration in both}

    def test_only_runs_with_the_description_count(self, tmp_path):
        one = logged(tmp_path, seeds=2)
        logged(tmp_path, description="other", seeds=1)
        for description, runs in (("", 2), ("other", 1)):
            ((_, curve),) = analysis.summary_curves(
                client_of(one),
                [best_of(one)],
                description,
                "loss",
            )
            assert set(curve.runs) == {runs}

    def test_a_metric_that_none_has_is_reported_with_what_is_near(self, handler):
        with pytest.raises(MetricError, match=r"'los'; did you mean 'loss'\?"):
            analysis.summary_curves(
                client_of(handler),
                [best_of(handler)],
                "",
                "los",
            )


def test_configurations_with_unequal_runs_say_so():
    from tests.support.pictures import curve

    figure = plotting.plot_configurations({"a": curve([1, 2], runs=5), "b": curve([1, 2], runs=3)}, "t")
    assert "mean ± std over 3 to 5 runs" in texts(figure)
    single = plotting.plot_configurations([("a", curve([1, 2], runs=1))], "")
    assert "1 run" in texts(single)
    assert not single.axes[0].collections  # no band
    assert "no completed run" in texts(plotting.plot_configurations({}, "t"))


def test_a_users_file_that_is_called_like_the_folder_of_plots_does_not_break_plot(tmp_path):
    own = logged(tmp_path, description="dbg")
    (own.configuration_folder / "dbg-plots").write_text("mine", encoding="utf-8")
    (first, *_) = own.plot()
    assert Path(first).parent.name == "dbg-plots_1"
    assert (own.configuration_folder / "dbg-plots").read_text(encoding="utf-8") == "mine"
    assert own.plot()[0] == first
    other = logged(tmp_path, description="other")
    other.plot()
    plain = logged(tmp_path)
    with pytest.raises(InvalidName, match="where legm keeps plots"):
        plain.get_save_filename("other-plots")


def test_runs_that_did_not_complete_are_counted_and_indexed_metrics_refused_by_name(
    tmp_path, monkeypatch, caplog
):
    with ExperimentHandler(tmp_path, "e") as handler:
        handler.set_param("lr", 0.1)
        handler.start()
        for step in range(2):
            handler.set_dict_metrics({"loss": 1.0}, step=step)
            handler.set_dict_metrics({"cat": {"dice": 0.5}}, step=step)
    for _ in range(2):
        with suppress(ZeroDivisionError), ExperimentHandler(tmp_path, "e") as failing:
            failing.set_param("lr", 0.1)
            failing.start()
            failing.set_metric("loss", 1 / 0)
    drawn = []

    def render(figure, *more, of=plotting.render):
        drawn.append(figure)
        return of(figure, *more)

    monkeypatch.setattr(plotting, "render", render)
    handler.plot()
    (figure,) = drawn
    assert any("2 failed runs are not averaged" in text for text in texts(figure))
    assert "plot() leaves out metrics with one value per index: dice" in caplog.messages
    with pytest.raises(MetricError, match="'dice', which has one value per index and no curve"):
        handler.plot(groups=[["dice"]])
