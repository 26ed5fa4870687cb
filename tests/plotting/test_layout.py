"""Where text stands in pictures: none over another, none outside, long names cut but still different."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.display_names import truncate_display_name, truncate_display_names
from legm.plotting import plot_bars, plot_configurations, plot_curves
from legm.plotting.readable_names import wrap_name
from tests.support.pictures import curve, drawn_texts, problems, ranked

STYLES = {
    "legm": None,
    "column": {"figure.figsize": (3.3, 2.5), "font.size": 8},
    "small": {"figure.figsize": (2, 1.4)},
    "large": {"font.size": 22},
    "large in a column": {"figure.figsize": (3.3, 2.5), "font.size": 16},
    "inside": {"legend.loc": "upper right", "legend.frameon": True},
    "ticks inside": {"xtick.direction": "in", "ytick.direction": "in", "xtick.minor.visible": True},
    "poster": "seaborn-v0_8-poster",
    "classic": "classic",
}
x = np.arange(50.0)
SERIES = {
    "huge": (x * 1e280, {}),
    "small steps at one": (1 + x * 1e-12, {}),
    "small steps far away": (123456.789 + x * 1e-7, {}),
    "negative": (-1e-7 - x * 1e-9, {}),
    "many orders": (10 ** (x - 20), {}),
    "across zero": (x * 1e6 - 3e7, {}),
    "late steps": (x, {"steps": 10**15 + np.arange(50)}),
    "negative steps": (x, {"steps": np.arange(50) * 123_457 - 10**7}),
    "a million steps": (x, {"steps": np.arange(50) * 20_408}),
    "one step": (x[:1] + 1e-9, {"steps": [123_456_789]}),
    "nothing": (np.full(3, np.nan), {}),
}
LONG = "transformer_encoder_with_a_name_that_nobody_can_read" * 4
CJK = "学习率调整器与优化器的组合实验"


def pairs(first, second, every):
    """Of all pairs, one of so many: each of both is in several."""
    return [(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if (i + j) % every == 0]


@pytest.mark.parametrize(("data", "style"), pairs(SERIES, STYLES, every=5))
def test_no_text_of_a_curve_touches_another_or_leaves_the_picture(data, style, monkeypatch):
    values, named = SERIES[data]
    shown = curve(values, "validation_loss", spread=0.0, **named)
    figure = plot_curves([shown], "LeNet@MNIST, lr=0.1,sgd", 5, STYLES[style])
    form = "png" if len(data + style) % 2 else "pdf"  # each has its own measures
    found = drawn_texts(figure, monkeypatch, form, STYLES[style])
    assert problems(found) == []
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        assert len(labels) == len(set(labels))
        assert labels or data == "nothing"


LEGENDS = {
    "two": ["loss", "train_loss"],
    "thirty": [f"metric_{i}" for i in range(30)],
    "thirty long": [f"{LONG}/{i}/{LONG}" for i in range(30)],
    "CJK": [f"{CJK * 6}_{i}" for i in range(12)],
}


@pytest.mark.parametrize(("kind", "style"), pairs(LEGENDS, STYLES, every=3))
def test_no_entry_of_a_legend_touches_another_or_leaves_the_picture(kind, style, monkeypatch):
    names = LEGENDS[kind]
    curves = {name: curve(x / (i + 1)) for i, name in enumerate(names)}
    figure = plot_configurations(curves, LONG, STYLES[style])
    found = drawn_texts(figure, monkeypatch, "pdf", STYLES[style])
    assert problems(found) == []
    (legend,) = figure.legends or [figure.axes[0].get_legend()]
    assert len({text.get_text() for text in legend.get_texts()}) == len(names)


@pytest.mark.parametrize(("count", "style"), pairs([1, 5, 50], STYLES, every=2))
def test_no_text_next_to_bars_overlaps_another_or_leaves_the_figure(count, style, monkeypatch):
    names = [f"{LONG[:100]}{i}{CJK}{LONG[:100]}" for i in range(count)]
    ranking = [ranked(name, 10.0**i / 7, 10.0 ** (i - 2), failed=i % 3) for i, name in enumerate(names)]
    below = [ranked(f"n{i}", -i * 1e-7, 1e-9) for i in range(count)]
    figure = plot_bars({"best_loss": ranking, f"test_{LONG}": below}, LONG, STYLES[style])
    found = drawn_texts(figure, monkeypatch, "pdf", STYLES[style])
    assert problems(found) == []
    assert sum(text.startswith("n") and text[1:].isdigit() for text, _ in found) == count


@pytest.mark.parametrize(
    "style", [{"figure.figsize": (3.3, 2.5), "font.size": 8}, {"figure.figsize": (7, 3)}]
)
def test_a_styles_size_is_the_pictures_and_only_its_height_may_grow(style):
    width, height = style["figure.figsize"]
    few = plot_configurations({name: curve(x) for name in ("a", "b")}, "t", style)
    many = plot_configurations({f"{LONG}{i}": curve(x) for i in range(20)}, "t", style)
    assert tuple(few.get_size_inches()) == (width, height)
    assert many.get_size_inches()[0] == width
    assert many.get_size_inches()[1] > height
    assert plot_bars({"best_loss": [ranked(LONG, 1.0)]}, "t", style).get_size_inches()[0] == width


def test_axes_keep_most_of_a_picture_of_a_column(monkeypatch):
    style = STYLES["column"]
    figure = plot_configurations({f"configuration {i}": curve(x) for i in range(20)}, "t", style)
    drawn_texts(figure, monkeypatch)
    width, height = figure.axes[0].bbox.size / figure.dpi
    assert width > 0.8 * 3.3
    assert height > 1.1


letters = st.text("ab,/_=.0é学", max_size=60)


class TestNames:
    @given(st.lists(letters.map(" ".join), max_size=8), st.integers(8, 40))
    def test_different_names_stay_different_and_within_the_width(self, names, room):
        short = truncate_display_names(names, room, len)
        assert max(map(len, short), default=0) <= room
        for (name, label), (other, also) in itertools.combinations(zip(names, short, strict=True), 2):
            assert (label == also) == (name == other)

    @given(st.text(max_size=600), st.integers(1, 600))
    def test_a_shortened_text_fills_the_width_and_keeps_its_ends(self, text, room):
        whole = " ".join(text.split())
        short = truncate_display_name(text, room, len)
        if len(whole) <= min(room, 400):
            assert short == whole
        else:
            start, end = short.split("…")[0], short.rpartition("…")[2]
            assert len(short) == min(room, 401)
            assert whole.startswith(start)
            assert whole.endswith(end)

    def test_values_that_differ_are_kept_of_names_that_are_too_long(self):
        names = [f"adam,hidden=1024+1024+512,lr={lr},warm=1000,decay=cosine,seed=0" for lr in (0.1, 0.001)]
        assert truncate_display_names(names, 30, len) == ["…lr=0.1…", "…lr=0.001…"]

    def test_names_that_differ_at_two_distant_positions_are_distinguished(self):
        names = [f"{a}{'x' * 80}{b}{'y' * 80}end" for a in "ab" for b in "cd"]
        assert len(set(truncate_display_names(names, 20, len))) == 4

    @given(st.text(max_size=300), st.integers(1, 60))
    def test_a_wrapped_text_keeps_its_words_in_lines_no_wider_than_asked(self, text, room):
        lines = wrap_name(text, room, len)
        assert all(len(one) <= room for one in lines)
        if all(len(word) <= room for word in text.split()):
            assert " ".join(lines) == " ".join(text.split())
