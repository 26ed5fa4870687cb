"""Calls that several threads share."""

from __future__ import annotations

import threading

import pytest

from legm.util import threaded_calls
from legm.util.threaded_calls import call_in_threads


@pytest.fixture(autouse=True)
def _four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded_calls, "_processors", lambda: 4)


def test_several_threads_make_results_in_the_order_of_the_arguments():
    together = threading.Barrier(4, timeout=60)

    def call(number: int) -> tuple[int, int]:
        together.wait()
        return number, threading.get_ident()

    found = call_in_threads(call, range(8))
    assert [number for number, _ in found] == list(range(8))
    assert len({thread for _, thread in found}) == 4
    assert call_in_threads(call, []) == []


def test_an_error_of_any_call_is_raised():
    def call(number: int) -> None:
        if number == 5:
            raise ValueError("the sixth")

    with pytest.raises(ValueError, match="the sixth"):
        call_in_threads(call, range(8))


def test_where_no_thread_can_begin_the_calls_are_made_all_the_same(monkeypatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert call_in_threads(abs, [-1, 2, -3]) == [1, 2, 3]
