"""Tables for a terminal: whatever the cells and the width, nothing sticks out and nothing is lost."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from legm.cli.terminal_tables import Column, terminal_table_lines, terminal_width

CELLS = st.text(st.sampled_from("ab1 ,_/=-精度é\u0301\n\x1b"), max_size=40)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5)
FITS = st.tuples(*[st.sampled_from(["cut", "fold"])] * 3)


def lines(columns, rows, width=None, **more):
    return list(terminal_table_lines(columns, rows, width, **more))


def test_columns_are_as_wide_as_needed_where_there_is_no_terminal():
    columns = [
        Column("name", fit="cut"),
        Column("n", right=True),
        Column("note", fit="fold"),
    ]
    assert lines(columns, [("a" * 30, "1", "x"), ("b", "22", "y" * 30)]) == [
        "name                             n  note",
        "─" * 66,
        f"{'a' * 30}   1  x",
        f"b                               22  {'y' * 30}",
    ]


def test_a_wide_character_takes_two_columns_and_a_combining_mark_none():
    assert [terminal_width(text) for text in ("abc", "精度", "é", "e\u0301", "")] == [3, 4, 1, 1, 0]
    first, _, *rest = lines([Column("精度"), Column("x")], [("a", "1"), ("e\u0301精", "2")])
    assert [
        terminal_width(line[: line.rindex(end)]) for line, end in zip([first, *rest], "x12", strict=True)
    ] == [6] * 3


@given(ROWS, FITS, st.integers(40, 90))
def test_no_line_is_wider_than_the_terminal(rows, fits, width):
    columns = [
        Column("first", fit=fits[0]),
        Column("second", right=True, fit=fits[1]),
        Column("精", fit=fits[2]),
    ]
    assert max(map(terminal_width, lines(columns, rows, width))) <= width


@given(ROWS, st.integers(40, 90))
def test_what_is_folded_is_all_there(rows, width):
    columns = [Column(name, fit="fold") for name in ("first", "second", "third")]
    found = lines(columns, rows, width)

    def kept(text):
        escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        return sorted(escaped.replace(" ", ""))

    shown = sorted("".join(found[2:]).replace(" ", ""))
    assert shown == sorted(itertools.chain.from_iterable(kept(cell) for row in rows for cell in row))


def test_cells_are_cut_before_others_are_folded():
    columns = [Column("name", fit="fold"), Column("parameters", fit="cut")]
    row = ("adam,64+32,lr=0.002_0,seed=3_0", "/data/europarl/version-3/tokenized/train.txt")
    assert lines(columns, [row], 60) == [
        "name                            parameters",
        "─" * 60,
        "adam,64+32,lr=0.002_0,seed=3_0  /data/europarl…zed/train.txt",
    ]
    assert lines(columns, [row], 40) == [
        "name                        parameters",
        "─" * 40,
        "adam,64+32,lr=0.002_0,      /data/…n.txt",
        "seed=3_0",
    ]


def test_headers_are_folded_before_any_cell_is_cut_or_folded():
    columns = [
        Column("configuration", fit="fold", is_name=True),
        Column("optimizer.learning_rate", right=True),
        Column("model.encoder.kind", fit="cut"),
    ]
    row = ("rotary,3.384e-05,europarl_0", "3.384e-05", "rotary")
    assert lines(columns, [row], 64) == [
        "                                   optimizer.  model.encoder.",
        "configuration                   learning_rate  kind",
        "─" * 63,
        "rotary,3.384e-05,europarl_0         3.384e-05  rotary",
    ]


def test_no_number_is_folded():
    columns = [Column("name", fit="fold"), Column("n")]
    found = lines(columns, [("peak_rate=0.0001015,weight_decay=3.384e-05,data.x", "1")], 23)[2:]
    assert [line[:20].strip() for line in found] == [
        "peak_rate=0.0001015,",
        "weight_decay=",
        "3.384e-05,data.x",
    ]


def test_cut_cells_stay_different_and_lists_end_after_an_item():
    columns = [Column("name"), Column("data", fit="cut")]
    rows = [(str(i), f"/data/europarl/version-{i}/preprocessed/tokenized") for i in range(3)]
    found = lines(columns, rows, 26)[2:]
    assert len({line[6:] for line in found}) == 3
    columns = [Column("name"), Column("parameters", fit="list")]
    assert (
        lines(columns, [("a", "lr=3.384e-05, depth=3, heads=12")], 30)[2] == "a     lr=3.384e-05, depth=3, …"
    )


def test_a_fold_is_after_a_comma_rather_than_elsewhere_and_headers_fold_too():
    columns = [Column("parameter"), Column("adam,64+32,lr=0.002_0", fit="fold")]
    assert lines(columns, [("others", "1 failed, 2 interrupted")], 28, head=str.upper) == [
        "           ADAM,64+32,",
        "PARAMETER  LR=0.002_0",
        "─" * 28,
        "others     1 failed,",
        "           2 interrupted",
    ]


def test_what_does_not_fit_even_so_comes_below_with_the_first_column_again():
    columns = [Column("run"), *(Column(f"metric {i}", right=True) for i in range(3))]
    assert lines(columns, [("a1", "0.5", "0.25", "1")], 25) == [
        "run  metric 0  metric 1",
        "─" * 23,
        "a1        0.5      0.25",
        "",
        "run  metric 2",
        "─" * 13,
        "a1          1",
    ]


def test_colors_do_not_change_the_positions():
    columns = [Column("a", paint=lambda cell: f"<{cell}>"), Column("b")]
    assert lines(columns, [("x", "1"), ("yy", "2")], 40, head=str.upper) == [
        "A   B",
        "─────",
        "<x >  1",
        "<yy>  2",
    ]


def test_line_breaks_and_escape_codes_in_a_cell_are_shown_escaped():
    assert lines([Column("x")], [("a\nb\x1b[31m",)])[2] == r"a\nb\x1b[31m"
