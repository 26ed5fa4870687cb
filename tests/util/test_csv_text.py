"""Comma-separated values of any text."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from legm.util.csv_text import csv_writer


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3)))
@example([["a\0b", '"', "x,y"], ["line\r\nbreak", "", "ü"]])
def test_every_text_is_read_back(rows):
    file = io.StringIO(newline="")
    csv_writer(file).writerows(rows)
    kept = file.getvalue()
    assert kept.endswith("\r\n") == bool(rows)
    if "\U0010ffff" not in kept:
        readable = kept.replace("\0", "\ue000")  # Python 3.10 writes NUL and does not read it
        expected = [[one.replace("\0", "\ue000") for one in row] for row in rows]
        assert list(csv.reader(io.StringIO(readable, newline=""))) == expected


def test_the_end_of_a_row_may_be_another():
    file = io.StringIO(newline="")
    csv_writer(file, "\n").writerow([1, "a\0"])
    assert file.getvalue() == "1,a\0\n"
