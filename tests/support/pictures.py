"""What the tests of pictures draw, and what they find drawn."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from matplotlib.backends.backend_pdf import PdfFile
from matplotlib.image import imread
from matplotlib.text import Text

from legm.plotting import Style, plot_bars, plot_configurations, plot_curves, render
from legm.records import Aggregate, BestRule, Configuration, Curve, Direction, Ranked


def curve(center, metric="loss", *, method="mean", steps=None, spread=0.1, runs=5):
    center = np.asarray(center, np.float64)
    steps = np.arange(len(center)) if steps is None else np.asarray(steps)
    with np.errstate(all="ignore"):
        lower, upper = center - spread, center + spread
    counts = np.where(np.isnan(center), 0, runs)
    return Curve(metric, method, steps.astype(np.int64), center, lower, upper, counts)


def ranked(name, center, spread=0.01, method="mean", *, folder=None, failed=0, **fields):
    value = Aggregate(center, spread, 5, 0, method, fields)
    rules = {BestRule("early_stopping", metric="loss", higher_better=False): 5}
    key = hashlib.sha256(f"{name} {folder}".encode()).hexdigest()[:32]
    made = Configuration("e", key, name, {}, (), {})
    direction = Direction(higher_better=False, because="rule")
    return Ranked(made, value, 5, failed, 0, folder, direction, rules, runs=5)


def pictures(style=None):
    """One of each kind, with all that can be in it."""
    gaps = [curve([1, 2, np.inf, 5, np.nan, 4, np.nan]), curve(np.arange(40.0), "b_损"), curve([2], "c")]
    yield plot_curves([gaps[0]], "title", 5, style)
    yield plot_configurations({f"configuration {i}": gaps[i % 3] for i in range(12)}, "title", style)
    yield plot_bars({"best_loss": [ranked(f"n{i}", i - 1.0) for i in range(3)]}, "title", style)


def render_png(figure, style=None):
    return render(figure, "png", Style.of(style))


def draw(figure):
    """Draw a figure, which lays it out."""
    assert imread(io.BytesIO(render_png(figure))).size
    return figure


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def drawn_texts(figure, monkeypatch, form="png", style=None):
    """Each text that is really drawn, with where it is then as shares of the figure."""
    found = []
    draw_text = Text.draw

    def recording(self, renderer, *args, **named):
        draw_text(self, renderer, *args, **named)
        if self.get_visible() and self.get_text().strip():
            extent = self.get_window_extent(renderer).transformed(figure.transFigure.inverted())
            found.append((self.get_text(), extent))

    with monkeypatch.context() as patched:
        patched.setattr(Text, "draw", recording)
        patched.setattr(PdfFile, "finalize", lambda _: None)  # nobody reads the file
        render(figure, form, Style.of(style))
    return found


def problems(found):
    """Which texts leave the figure or touch each other."""
    boxes = np.array([box.extents for _, box in found]).reshape(-1, 4)
    least, most = boxes[:, :2], boxes[:, 2:]
    is_inside = ((least >= -0.001) & (most <= 1.001)).all(axis=1)
    said = [f"{found[i][0]!r} leaves the figure: {found[i][1]}" for i in np.flatnonzero(~is_inside)]
    common = np.minimum(most[:, None], most) - np.maximum(least[:, None], least)
    for i, j in np.argwhere(np.tril((common > 0).all(axis=2), -1)):
        said.append(f"{found[i][0]!r} is over {found[j][0]!r}")
    return said
