"""How pictures look: legm's style, style sheets over it, and the files that come of it."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import style as styles
from matplotlib.colors import to_hex
from matplotlib.text import Text

from legm.errors import LegmError
from legm.plotting import FORMATS, Style, checked_formats, plot_curves, render
from tests.support.pictures import curve, draw, pictures, render_png


def axes_of(style, **named):
    return draw(plot_curves([curve(np.arange(50.0), **named)], "title", 5, style)).axes[0]


# Of matplotlib's styles, those that differ in more than a palette.
TRIED = [
    *("Solarize_Light2", "bmh", "dark_background", "fivethirtyeight", "ggplot", "grayscale", "seaborn-v0_8"),
    *("seaborn-v0_8-paper", "seaborn-v0_8-poster"),
]


@pytest.fixture(scope="module")
def own_axes():
    """Axes in legm's own look: only to be looked at."""
    return axes_of(None)


@pytest.fixture(scope="module")
def plain():
    """In legm's own look, each picture in each format."""
    return [render(picture, form, Style.of(None)) for picture in pictures() for form in FORMATS]


class TestStyle:
    @pytest.mark.parametrize(("number", "name"), [*enumerate([*TRIED, "classic", "default"])])
    def test_each_style_of_matplotlibs_can_be_used_and_applies(self, number, name, plain):
        """Each with one of the kinds of pictures, whose styles are set in the same way."""
        kind = number % 3
        (styled,) = (render_png(one, name) for one in itertools.islice(pictures(name), kind, kind + 1))
        assert styled != plain[kind * len(FORMATS)]

    @pytest.mark.parametrize(
        "names", [TRIED, TRIED[::-1], ["dark_background"]], ids=["all", "reversed", "dark"]
    )
    def test_matplotlibs_global_settings_do_not_matter_and_are_left_alone(self, names, plain):
        extra = {
            "font.weight": "bold",
            "xtick.minor.visible": True,
            "legend.loc": "center",
            "pdf.fonttype": 3,
        }
        given = {key: value for name in names for key, value in styles.library[name].items()}
        with mpl.rc_context({**given, **extra}):
            before = dict(mpl.rcParams)
            forms = FORMATS if len(names) == 1 else ("png",)  # the others have no settings of theirs
            styled = [render(picture, form, Style.of(None)) for picture in pictures() for form in forms]
            assert dict(mpl.rcParams) == before
        expected = plain[:: len(FORMATS) // len(forms)]
        assert [one == other for one, other in zip(expected, styled, strict=True)] == [True] * len(expected)

    @pytest.mark.parametrize(
        ("settings", "found"),
        [
            ({"axes.prop_cycle": mpl.cycler(color=["#123456"])}, lambda a: to_hex(a.lines[0].get_color())),
            ({"lines.linewidth": 7}, lambda a: a.lines[0].get_linewidth()),
            ({"lines.marker": "s"}, lambda a: a.lines[0].get_marker()),
            ({"axes.facecolor": "#abcdef"}, lambda a: to_hex(a.get_facecolor())),
            ({"figure.facecolor": "#abcdef"}, lambda a: to_hex(a.figure.get_facecolor())),
            ({"figure.figsize": [3.5, 2.25]}, lambda a: list(a.figure.get_size_inches())),
            ({"figure.dpi": 77}, lambda a: a.figure.dpi),
            ({"savefig.dpi": 78}, lambda a: a.figure.dpi),
            ({"font.family": ["DejaVu Serif"]}, lambda a: a.xaxis.label.get_fontfamily()),
            ({"axes.labelsize": 13.5}, lambda a: a.xaxis.label.get_fontsize()),
            ({"axes.labelweight": "bold"}, lambda a: a.yaxis.label.get_fontweight()),
            ({"xtick.labelsize": 5}, lambda a: a.get_xticklabels()[0].get_fontsize()),
            ({"ytick.labelcolor": "#00ff00"}, lambda a: a.get_yticklabels()[0].get_color()),
            ({"font.weight": "bold"}, lambda a: a.get_xticklabels()[0].get_fontweight()),
            ({"ytick.right": True}, lambda a: a.yaxis.get_major_ticks()[0].tick2line.get_visible()),
            ({"xtick.direction": "in"}, lambda a: a.xaxis.get_major_ticks()[0].get_tickdir()),
            ({"xtick.minor.visible": True}, lambda a: len(a.xaxis.get_minor_ticks()) > 0),
            ({"axes.spines.top": True}, lambda a: a.spines["top"].get_visible()),
            ({"axes.edgecolor": "#00ff00"}, lambda a: to_hex(a.spines["left"].get_edgecolor())),
            ({"axes.grid": False}, lambda a: a.xaxis.get_gridlines()[0].get_visible()),
            ({"grid.linestyle": "--"}, lambda a: a.xaxis.get_gridlines()[0].get_linestyle()),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_what_a_style_sheet_says_wins_over_legms_choice(self, settings, found, own_axes):
        (wanted,) = settings.values()
        wanted = "#123456" if "cycler" in type(wanted).__module__ else wanted
        assert found(own_axes) != wanted
        assert found(axes_of(settings)) == wanted

    def test_all_sizes_follow_the_size_of_the_font(self):
        def sizes(size):
            axes = axes_of({"font.size": size})
            return [text.get_fontsize() for text in axes.findobj(Text) if text.get_text()]

        assert sizes(20) == [2 * size for size in sizes(10)]

    def test_of_several_style_sheets_the_later_ones_win(self, tmp_path):
        sheet = tmp_path / "paper.mplstyle"
        sheet.write_text(
            '# mine\nlines.linewidth: 3  # thick\n\naxes.facecolor: "#aabbcc"\nxtick.color : ff0000\n'
        )
        axes = axes_of(["ggplot", sheet, {"lines.linewidth": 4.5}])
        assert axes.lines[0].get_linewidth() == 4.5
        assert to_hex(axes.get_facecolor()) == "#aabbcc"
        assert to_hex(axes.get_xticklabels()[0].get_color()) == "#ff0000"
        assert axes.spines["left"].get_edgecolor()[:3] == (1, 1, 1)  # ggplot's
        assert to_hex(axes_of(str(sheet)).get_facecolor()) == "#aabbcc"

    def test_a_cycle_may_also_set_dashes_and_markers(self):
        cycle = mpl.cycler(color=["r", "g"], linestyle=["-", ":"], marker=["s", "x"])
        axes = plot_curves([curve([1, 2], name) for name in "abc"], "t", 5, {"axes.prop_cycle": cycle}).axes[
            0
        ]
        assert [(one.get_color(), one.get_linestyle(), one.get_marker()) for one in axes.lines] == [
            ("r", "-", "s"),
            ("g", ":", "x"),
            ("r", "-", "s"),
        ]

    @pytest.mark.parametrize(
        ("style", "message"),
        [
            ("seaborn-v0_8-papr", "'seaborn-v0_8-papr' is neither a file nor .* 'seaborn-v0_8-paper'"),
            ("nowhere/paper.mplstyle", "'nowhere/paper.mplstyle' is neither a file"),
            (Path("nowhere.mplstyle"), "'nowhere.mplstyle' is neither a file"),
            ({"lines.linewith": 2}, "no setting 'lines.linewith'; did you mean 'lines.linewidth'"),
            ({"lines.linewidth": "wide"}, "'lines.linewidth' cannot be 'wide'"),
            (["ggplot", 3], "not 3"),
            (3, "not 3"),
        ],
    )
    def test_a_style_that_does_not_exist_is_reported_with_what_is_near(self, style, message):
        with pytest.raises(LegmError, match=message):
            Style.of(style)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (
                "figure.figsiz: 3, 2",
                "line 2: matplotlib has no setting 'figure.figsiz'; did you mean 'figure.fig",
            ),
            ("figure.figsize: 3", "line 2: 'figure.figsize' cannot be '3'"),
            ("figure.figsize", "line 2: 'figure.figsize' is not a setting"),
        ],
    )
    def test_a_mistake_in_a_style_sheet_is_reported_with_its_line(self, tmp_path, line, message):
        sheet = tmp_path / "paper.mplstyle"
        sheet.write_text(f"# mine\n{line}\n")
        with pytest.raises(LegmError, match=message):
            Style.of(sheet)

    def test_a_font_that_is_not_installed_is_replaced_by_the_next(self, caplog):
        style = {"font.family": ["No Such Font", "serif"], "font.serif": ["Nor This", "DejaVu Serif"]}
        assert axes_of(style).xaxis.label.get_fontfamily() == ["DejaVu Serif"]
        assert axes_of({"font.family": "No Such Font"}).xaxis.label.get_fontfamily() == ["DejaVu Sans"]
        assert not caplog.records

    def test_legms_own_look_is_a_style_sheet_that_matplotlib_reads(self):
        import legm.plotting.style

        sheet = legm.plotting.style.OWN_STYLE_SHEET
        theirs = mpl.rc_params_from_file(sheet, fail_on_error=True, use_default_template=False)
        own = Style.of(None).rc
        assert len(theirs) > 20
        assert {name: own[name] for name in theirs} == dict(theirs)


class TestFiles:
    def test_a_pdf_has_letters_in_truetype_and_no_pixels_and_no_date(self):
        content = render(next(pictures()), "pdf", Style.of(None))
        assert content.startswith(b"%PDF-1.4")
        assert b"/FontFile2" in content  # TrueType
        assert b"/ToUnicode" in content  # text that can be searched and copied
        for absent in (b"/Type3", b"/Subtype /Image", b"CreationDate"):
            assert absent not in content

    def test_a_pdf_has_the_size_that_the_style_says(self):
        style = Style.of({"figure.figsize": (3.25, 2.5)})
        content = render(plot_curves([curve([1, 2])], "t", 5, style), "pdf", style)
        assert b"/MediaBox [ 0 0 234 180 ]" in content

    def test_an_svg_has_no_date(self):
        content = render(next(pictures()), "svg", Style.of(None))
        assert b"<svg" in content
        assert b"dc:date" not in content

    def test_a_figure_can_be_rendered_in_any_order_of_formats(self):
        style = Style.of(None)
        for picture, again in zip(pictures(), pictures(), strict=True):
            first = {form: render(picture, form, style) for form in FORMATS}
            assert {form: render(again, form, style) for form in reversed(FORMATS)} == first

    def test_files_are_the_same_in_every_process(self):
        code = """
import hashlib, sys
from legm.plotting import FORMATS, Style, render
from tests.support.pictures import pictures
for picture in pictures():
    for form in FORMATS:
        print(hashlib.sha256(render(picture, form, Style.of(None))).hexdigest())
"""
        found = {
            subprocess.run(
                [sys.executable, "-c", code],
                check=True,
                capture_output=True,
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            ).stdout
            for seed in ("1", "2")
        }
        assert len(found) == 1
        assert len(found.pop().splitlines()) == 9

    def test_threads_write_files_that_are_the_same(self):
        made = []

        def make(form, style):
            made.append((form, style, render(next(pictures(style)), form, Style.of(style))))

        threads = [
            threading.Thread(target=make, args=(form, style))
            for form in FORMATS
            for style in (None, "ggplot")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 6
        for form, style, content in made:
            assert content == render(next(pictures(style)), form, Style.of(style))

    def test_formats_are_checked(self):
        assert checked_formats("pdf") == ["pdf"]
        assert checked_formats(("png", "pdf", "png")) == ["png", "pdf"]
        with pytest.raises(LegmError, match=r"cannot be saved in the format 'pgn'; did you mean 'png'\?"):
            checked_formats(["pdf", "pgn"])
        with pytest.raises(LegmError, match="known: png, pdf, svg"):
            checked_formats([])
