"""Progress bars on a terminal: how much is done, and of how much."""

from __future__ import annotations

import io
import sys

import pytest

from legm.util import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("items", "total", "expected"),
    [
        ([1, 2, 3, 4], None, "4/4"),
        (iter([1, 2, 3, 4]), 4, "4/4"),
        (iter([1, 2, 3, 4]), lambda: 4, "4/4"),
        (iter([1, 2, 3, 4]), None, "4/?"),
    ],
    ids=["a list", "a number", "a function", "unknown"],
)
def test_a_bar_has_the_total_where_it_is_known(monkeypatch, items, total, expected):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_DELAY", -1.0)
    assert list(progress.show_progress(items, "reading", total)) == [1, 2, 3, 4]
    shown = terminal.getvalue()
    assert "reading" in shown
    assert expected in shown


def test_the_total_is_only_asked_for_where_a_bar_is_shown(monkeypatch):
    def total() -> int:
        raise AssertionError

    assert list(progress.show_progress(iter([1]), "reading", total)) == [1]
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress.show_progress(iter([1]), "reading", total)) == [1]
