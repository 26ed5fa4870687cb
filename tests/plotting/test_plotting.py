"""Curves and rankings to figures: facts of the figures, not their pixels."""

import io
import itertools
import subprocess
import sys
import threading
from dataclasses import astuple

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.collections import PolyCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.image import imread
from matplotlib.transforms import Bbox

import legm.plotting.text_rendering
from legm.plotting import line, plot_bars, plot_configurations, plot_curves, step_labels, tick_labels
from legm.records import is_record_file_name
from legm.stats.downsampling import POINTS_PER_BUCKET
from tests.support.pictures import curve, draw, ranked, render_png, texts

numbers = st.floats(allow_subnormal=True)


def drawn_lines(axes):
    """The center lines: not error bars, marks at the edge or the zero line."""
    return [one for one in axes.lines if one.get_linestyle() != "None"]


def bands(axes):
    return [one for one in axes.collections if isinstance(one, PolyCollection)]


def error_bars(axes):
    return [one for one in axes.containers if isinstance(one, ErrorbarContainer)]


class TestDownsampling:
    def test_a_short_curve_is_kept_as_it_is(self):
        given_ = curve([1.0, np.nan, 3.0], steps=[2, 5, 9])
        found = line(given_)
        for kept, original in zip(
            astuple(found)[:4], (given_.steps, given_.center, given_.lower, given_.upper), strict=True
        ):
            np.testing.assert_array_equal(kept, original)

    @given(
        st.integers(1, 6),
        hnp.arrays(np.int64, st.integers(25, 60), elements=st.integers(1, 40)),
        hnp.arrays(np.float64, 60, elements=st.integers(-9, 9) | st.just(np.nan)),
        hnp.arrays(np.float64, 60, elements=st.integers(0, 9)),
    )
    def test_a_long_one_keeps_every_buckets_extremes(self, buckets, gaps, center, spread):
        steps, center, spread = np.cumsum(gaps), center[: len(gaps)], spread[: len(gaps)]
        full = curve(center, steps=steps, spread=spread)
        thin = line(full, buckets)
        assert len(thin.steps) <= POINTS_PER_BUCKET * buckets
        assert (np.diff(thin.steps) > 0).all()
        for name in ("center", "lower", "upper"):
            at_kept = getattr(full, name)[np.searchsorted(steps, thin.steps)]
            np.testing.assert_array_equal(getattr(thin, name), at_kept)
        edges = np.linspace(steps[0], steps[-1], buckets + 1)
        edges[-1] += 1
        for low, high in itertools.pairwise(edges):
            inside = (full.steps >= low) & (full.steps < high) & ~np.isnan(center)
            kept = (thin.steps >= low) & (thin.steps < high)
            if inside.any():
                assert np.nanmin(thin.center[kept]) == center[inside].min()
                assert np.nanmax(thin.center[kept]) == center[inside].max()
                there = thin.steps[kept & ~np.isnan(thin.center)]
                assert (there[0], there[-1]) == (full.steps[inside][0], full.steps[inside][-1])
            gaps_inside = (full.steps >= low) & (full.steps < high) & np.isnan(center)
            assert np.isnan(thin.center[kept]).any() == gaps_inside.any()

    def test_the_drawn_spread_is_the_true_one(self):
        seeds = np.random.default_rng(0).normal(0.5, 0.025, (6, 30_000))
        true = curve(seeds.mean(0), spread=seeds.std(0))
        (axes,) = draw(plot_curves([true], "t", 6)).axes
        (center,), (band,) = drawn_lines(axes), bands(axes)
        steps = center.get_xdata().astype(int)
        assert len(steps) < 10_000
        np.testing.assert_array_equal(center.get_ydata(), true.center[steps])
        ends = band.get_paths()[0].vertices
        for step in steps[:: len(steps) // 50]:
            there = ends[ends[:, 0] == step, 1]
            assert (there.min(), there.max()) == (true.lower[step], true.upper[step])
        width = np.mean(true.upper[steps] - true.lower[steps])
        assert width == pytest.approx(np.mean(true.upper - true.lower), rel=0.02)

    def test_a_million_steps_keep_the_one_that_stands_out(self):
        center = np.sin(np.arange(10**6) / 1e5)
        center[[123_456, 765_432]] = 50.0, -70.0
        found = line(curve(center))
        assert len(found.steps) <= POINTS_PER_BUCKET * 2000
        assert found.steps[found.center == 50.0].tolist() == [123_456]
        assert found.steps[found.center == -70.0].tolist() == [765_432]

    def test_a_wide_gap_stays_a_gap(self):
        center = np.zeros(10**5)
        center[40_000:60_000] = np.nan
        found = line(curve(center))
        inside = (found.steps > 40_100) & (found.steps < 59_900)
        assert inside.any()
        assert np.isnan(found.center[inside]).all()
        assert not np.isnan(found.center[(found.steps < 39_900) | (found.steps > 60_100)]).any()

    def test_steps_beyond_float_precision_do_no_harm(self):
        draw(plot_curves([curve(np.arange(9000.0), steps=2**62 + np.arange(9000))], "t", 5))


class TestPlotCurves:
    @pytest.mark.parametrize("runs", [2, 50])
    def test_each_curve_has_a_line_and_a_band_in_the_given_order(self, runs):
        names = ["b", "c", "a"]
        figure = draw(plot_curves([curve([1, i], name) for i, name in enumerate(names)], "title", runs))
        (axes,) = figure.axes
        assert [one.get_ydata().tolist() for one in drawn_lines(axes)] == [[1, 0], [1, 1], [1, 2]]
        assert len(bands(axes)) == 3
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == names
        assert {"title", "step", "value"} <= set(texts(figure))

    def test_a_single_run_has_no_band(self):
        figure = draw(plot_curves([curve([1, 2, 3])], "title", 1))
        assert not bands(figure.axes[0])
        assert "1 run" in texts(figure)

    @pytest.mark.parametrize(
        ("method", "caption"),
        [
            ("mean", "mean ± std over 5 runs"),
            ("median", "median and quartiles over 5 runs"),
            ("outlier_mean", "mean ± std without outliers over 5 runs"),
            ("confidence", "mean with 95 % confidence interval over 5 runs"),
            ("confidence_0.999", "mean with 99.9 % confidence interval over 5 runs"),
        ],
    )
    def test_the_caption_says_what_the_band_is(self, method, caption):
        assert caption in texts(plot_curves([curve([1, 2], method=method)], "title", 5))

    def test_a_configuration_of_which_every_value_is_nan_is_no_unfinished_run(self):
        curves = {"nan": curve([np.nan, np.nan]), "number": curve([1, 2])}
        found = texts(plot_configurations(curves, "title"))
        assert "mean ± std over 0 to 5 runs" in found

    def test_the_caption_says_when_runs_are_missing(self):
        for counts, where in (([4, 5, 5], "some"), ([5, 4, 4], "most"), ([4, 4, 4], "all")):
            found = texts(plot_curves([curve([1, 2, 3], runs=np.array(counts))], "title", 5))
            assert f"mean ± std over 5 runs, fewer at {where} steps" in found
        assert "no completed run" in texts(draw(plot_curves([], "title", 0)))

    @pytest.mark.parametrize(
        ("metric", "label"),
        [
            ("train_loss", "train loss"),
            ("time", "time (s)"),
            ("time_per_sample", "time per sample (s)"),
            ("latency [ms]", "latency [ms]"),
            ("__private", "__private"),
            ("$x_1$", "$x_1$"),
        ],
    )
    def test_the_axis_has_the_metrics_name_and_known_unit(self, metric, label):
        figure = draw(plot_curves([curve([1, 2], metric)], "title", 5))
        assert figure.axes[0].get_ylabel() == label
        assert not figure.legends

    def test_underscores_stay_where_names_would_become_equal(self):
        figure = plot_curves([curve([1], name) for name in ("a_b", "a b", "c_d")], "title", 5)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a_b", "a b", "c d"]

    @pytest.mark.parametrize("count", [2, 6, 40])
    @pytest.mark.parametrize("name", ["m", "encoder/layer/attention/output/projection/gradient_norm"])
    def test_the_legend_is_inside_the_picture_and_outside_of_the_axes(self, count, name):
        curves = [curve([i, i + 1], f"{name}_{i}") for i in range(count)]
        figure = draw(plot_curves(curves, "title", 5))
        legend, axes = figure.legends[0].get_window_extent(), figure.axes[0].bbox
        assert Bbox.intersection(legend, axes) is None
        assert figure.bbox.x1 >= legend.x1
        assert figure.bbox.y0 <= legend.y0
        assert axes.width > 600
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert len(set(labels)) == count

    def test_long_names_that_differ_in_the_middle_keep_what_differs(self):
        names = ["start" * 10 + kind + "_the_end" * 10 for kind in ("mean", "max")]
        labels = [
            text.get_text() for text in plot_curves([curve([1], n) for n in names], "", 5).legends[0].texts
        ]
        assert "mean" in labels[0]
        assert "max" in labels[1]

    def test_more_than_eight_curves_differ_by_dashes(self):
        axes = plot_curves([curve([1, 2], f"m{i}") for i in range(32)], "title", 5).axes[0]
        looks = {(one.get_color(), repr(vars(one)["_unscaled_dash_pattern"])) for one in drawn_lines(axes)}
        assert len(looks) == 32

    def test_a_single_step_is_a_marker_with_an_error_bar(self):
        (bar,) = error_bars(draw(plot_curves([curve([2.0], steps=[7])], "title", 5)).axes[0])
        assert bar.lines[0].get_marker() == "o"
        assert bar.lines[0].get_xydata().tolist() == [[7.0, 2.0]]
        (segment,) = bar.lines[2][0].get_segments()
        assert segment.tolist() == [[7.0, 1.9], [7.0, 2.1]]

    def test_a_point_between_gaps_is_visible(self):
        figure = draw(plot_curves([curve([1, np.nan, 5, np.nan, 1, 1])], "title", 1))
        dots = [one.get_xydata().tolist() for one in figure.axes[0].lines if one.get_linestyle() == "None"]
        assert dots == [[[0, 1], [2, 5]]]

    def test_infinities_are_marked_at_the_edge_and_said(self):
        figure = draw(plot_curves([curve([1, np.inf, 2, -np.inf, 3])], "title", 5))
        (axes,) = figure.axes
        marks = {one.get_marker(): one.get_xdata().tolist() for one in axes.lines if one.get_marker() in "^v"}
        assert marks == {"^": [1], "v": [3]}
        assert axes.get_ylim() == pytest.approx((0.79, 3.21))
        assert any("▲ is +∞; ▼ is \N{MINUS SIGN}∞" in text for text in texts(figure))

    def test_without_a_finite_value_the_picture_says_so(self):
        assert "no finite values" in texts(draw(plot_curves([curve([np.nan, np.inf])], "title", 5)))

    @given(
        st.lists(st.lists(numbers, max_size=8), max_size=3), st.integers(0, 9), st.integers(-(2**62), 2**62)
    )
    @settings(max_examples=15)
    def test_any_numbers_can_be_drawn_without_a_warning(self, centers, runs, start):
        curves = [curve(c, f"m{i}", steps=start + np.arange(len(c)) * 3) for i, c in enumerate(centers)]
        draw(plot_curves(curves, "title", runs))

    @given(st.text(), st.text())
    @settings(max_examples=15)
    def test_any_text_can_be_drawn_without_a_warning(self, title, name):
        draw(plot_curves([curve([1, 2], name), curve([2, 3], name + "_")], title, 5))
        draw(plot_bars({name: [ranked(name if is_record_file_name(name) else "n", 1.0)]}, title))

    def test_a_dollar_is_no_mathematics_and_a_missing_glyph_a_box(self):
        figure = draw(plot_curves([curve([1, 2], "$\\frac{a \U0001f680")], "$\\bad{$ 损", 5))
        assert {"$\\frac{a □", "$\\bad{$ □"} <= set(texts(figure))

    def test_other_fonts_are_asked_for_a_missing_glyph(self, monkeypatch):
        monkeypatch.setattr(legm.plotting.text_rendering, "FALLBACK_FONTS", ("Not Installed", "STIXGeneral"))
        figure = draw(plot_curves([curve([1, 2], "\u2a0a")], "title", 5))
        label = figure.axes[0].yaxis.label
        assert label.get_text() == "\u2a0a"
        assert label.get_fontfamily() == ["DejaVu Sans", "STIXGeneral"]


class TestTickLabels:
    @pytest.mark.parametrize(
        ("steps", "labels"),
        [
            ([0, 5, 10], ["0", "5", "10"]),
            ([0, 2500, 5000], ["0", "2500", "5000"]),
            ([0, 2500, 10_000], ["0", "2.5k", "10k"]),
            ([0, 250_000, 1_000_000], ["0", "250k", "1M"]),
            ([1_000_000, 1_000_005], ["1M", "1.000005M"]),
            ([-20_000, 0], ["\N{MINUS SIGN}20k", "0"]),
            ([3e12], ["3T"]),
        ],
    )
    def test_steps_are_whole_with_units_from_10000_on(self, steps, labels):
        assert step_labels(steps) == labels

    @pytest.mark.parametrize(
        ("values", "labels"),
        [
            ([0.0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
            ([-1.0, 0.0], ["\N{MINUS SIGN}1", "0"]),
            ([0, 20_000], ["0", "20000"]),
            ([0, 5e5, 1e6], ["0", "0.5\N{MULTIPLICATION SIGN}10⁶", "1.0\N{MULTIPLICATION SIGN}10⁶"]),
            (
                [1.00002e-7, 1.00004e-7],
                ["1.00002\N{MULTIPLICATION SIGN}10⁻⁷", "1.00004\N{MULTIPLICATION SIGN}10⁻⁷"],
            ),
            ([1e6 + 0.25, 1e6 + 0.5], ["1000000.25", "1000000.50"]),
            ([0.0], ["0"]),
            ([], []),
        ],
    )
    def test_numbers_are_complete_in_themselves(self, values, labels):
        assert tick_labels(values) == labels

    @given(st.floats(-1e9, 1e9), st.sampled_from([1, 2, 2.5, 5]), st.integers(-6, 8), st.integers(2, 9))
    def test_neighbours_have_different_labels(self, start, step, power, count):
        gap = step * 10.0**power
        ticks = [(round(start / gap) + i) * gap for i in range(count)]
        assert len(set(tick_labels(ticks))) == count

    def test_the_step_axis_has_only_whole_numbers(self):
        axes = draw(plot_curves([curve([1, 2, 3])], "title", 5)).axes[0]
        assert all(tick == int(tick) for tick in axes.get_xticks())


class TestPlotBars:
    @pytest.mark.parametrize("count", [1, 12, 60])
    def test_each_configuration_has_a_bar_up_to_50_best_first(self, count):
        ranking = [ranked(f"c{i}", 1.0 + i) for i in range(count)]
        figure = draw(plot_bars({"best_loss": ranking}, "title"))
        (axes,) = figure.axes
        shown = min(count, 50)
        assert [bar.get_width() for bar in axes.patches] == [1.0 + i for i in range(shown)]
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        assert figure.get_figheight() > 0.27 * shown
        assert axes.get_xlabel() == "best loss"
        assert any("the best 50 of 60 configurations" in text for text in texts(figure)) == (count == 60)

    def test_each_metric_has_its_panel(self):
        figure = draw(plot_bars({"best_loss": [ranked("a", 1.0)], "time": [ranked("a", 2.0)]}, "title"))
        assert [axes.get_xlabel() for axes in figure.axes] == ["best loss", "time (s)"]
        assert "title" in texts(figure)

    def test_error_bars_are_the_methods_spread(self):
        ranking = [
            ranked("a", 5.0, 1.0),
            ranked("b", 5.0, 9.0, "median", median=4.0, q1=3.5, q3=6.0),
            ranked("c", 5.0, 9.0, "confidence", level=0.95, lower=4.0, upper=6.0),
            ranked("d", 5.0, np.nan, "confidence", level=0.95, lower=np.nan, upper=np.nan),
        ]
        figure = draw(plot_bars({"best_loss": ranking}, "title"))
        (bar,) = error_bars(figure.axes[0])
        found = [segment[:, 0].tolist() for segment in bar.lines[2][0].get_segments() if len(segment)]
        assert found == [[4.0, 6.0], [3.5, 6.0], [4.0, 6.0]]
        assert {"5.0 ± 1.0", "4.0 [3.5, 6.0]", "5.0 [4.0, 6.0]", "5.0"} <= set(texts(figure))

    def test_values_and_names_are_outside_the_axes_and_inside_the_figure(self):
        ranking = [ranked(f"{'long_name' * 9}{i}", 10.0**i, 2.0 * 10**i, failed=i) for i in range(4)]
        figure = draw(plot_bars({"best_loss": ranking}, "title"))
        (axes,) = figure.axes
        outside = [text for text in axes.texts if "runs" in text.get_text() or "long" in text.get_text()]
        assert len(outside) == 8
        for text in outside:
            extent = text.get_window_extent()
            assert Bbox.intersection(extent, axes.bbox) is None
            assert figure.bbox.x0 <= extent.x0
            assert extent.x1 <= figure.bbox.x1

    def test_runs_that_do_not_count_are_said(self):
        assert any(
            "(5 runs, 2 failed)" in t for t in texts(plot_bars({"a": [ranked("a", 1.0, failed=2)]}, ""))
        )

    def test_equal_names_are_distinguished_by_their_folder(self):
        ranking = [ranked("lr=1", 1.0, folder="/root/e/lr=1_0"), ranked("lr=1", 2.0, folder="/root/e/lr=1_1")]
        assert {"lr=1_0", "lr=1_1"} <= set(texts(plot_bars({"best_loss": ranking}, "title")))

    def test_nothing_to_compare_is_an_empty_picture(self):
        draw(plot_bars({}, "title"))
        assert "no completed run has a value" in texts(draw(plot_bars({"best_loss": []}, "title")))

    @given(st.lists(st.tuples(numbers, numbers.map(abs)), max_size=5))
    @settings(max_examples=15)
    def test_any_numbers_can_be_drawn_without_a_warning(self, values):
        draw(plot_bars({"best_loss": [ranked(f"c{i}", *value) for i, value in enumerate(values)]}, "title"))


class TestManners:
    def test_global_settings_are_not_changed_and_do_not_matter(self):
        plain = render_png(plot_curves([curve([1, 2, 3]), curve([1, 2], "b")], "title", 5))
        before = dict(mpl.rcParams)
        draw(plot_bars({"best_loss": [ranked("a", 1.0)]}, "title"))
        assert dict(mpl.rcParams) == before
        with mpl.rc_context({"axes.grid": True, "axes.facecolor": "k", "font.size": 20, "savefig.dpi": 30}):
            styled = render_png(plot_curves([curve([1, 2, 3]), curve([1, 2], "b")], "title", 5))
        assert imread(io.BytesIO(styled)).shape == imread(io.BytesIO(plain)).shape

    def test_threads_draw_what_one_thread_draws(self):
        def make(into):
            into.append(
                render_png(plot_curves([curve(np.arange(50.0), "损失_$"), curve([1, 2], "b")], "title", 5))
            )

        pictures = []
        threads = [threading.Thread(target=make, args=(pictures,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        make(pictures)
        assert len(pictures) == 7
        assert len(set(pictures)) == 1

    def test_pyplot_is_not_imported(self):
        code = "import sys, legm.plotting; sys.exit('matplotlib.pyplot' in sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)
