"""Pauses of Python's garbage collector."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from legm.util import garbage
from legm.util.garbage import paused_garbage_collection


@pytest.mark.parametrize("is_enabled", [True, False])
def test_after_a_pause_the_collector_is_as_it_was_before(is_enabled):
    def work():
        with paused_garbage_collection(), paused_garbage_collection():
            assert not gc.isenabled()
            raise KeyError

    was_enabled = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        with pytest.raises(KeyError):
            work()
        assert gc.isenabled() == is_enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_what_was_made_in_a_pause_is_not_searched_right_after_it_but_found_as_garbage_later():
    """In a process of its own: pytest's has frozen objects, and so would be left alone."""
    found = subprocess.run([sys.executable, "-c", _PAUSE], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["0", "100", "0", "7"]


def test_frozen_objects_are_only_counted_where_a_pause_made_many_itself(monkeypatch):
    """Counting them takes milliseconds for each pause where a program has frozen all that it imported."""
    counted, counts = [], iter([20_000, 29_000, 20_000, 31_000])
    monkeypatch.setattr(garbage.gc, "isenabled", lambda: True)
    monkeypatch.setattr(garbage.gc, "get_count", lambda: (next(counts), 0, 0))
    monkeypatch.setattr(garbage.gc, "get_freeze_count", lambda: counted.append(1) or 1_000_000)
    with paused_garbage_collection():
        pass
    assert not counted
    with paused_garbage_collection():
        pass
    assert counted == [1]


_PAUSE = """
import gc
from legm.util.garbage import paused_garbage_collection
class Part:
    def __init__(self):
        self.itself = self
    def __del__(self):
        gone.append(self)
gone, searches = [], []
gc.callbacks.append(lambda phase, info: searches.append(phase))
gc.collect(0)
searches.clear()
with paused_garbage_collection():
    made = [[number] for number in range(20_000)]
    Part()
more = [[number] for number in range(100)]
gc.callbacks.pop()
print(len(searches), len(more), len(gone))
assert gc.get_freeze_count() == 0
gc.collect()
assert len(gone) == 1
gc.freeze()
frozen = gc.get_freeze_count()
with paused_garbage_collection():
    many = [[number] for number in range(20_000)]
assert gc.get_freeze_count() == frozen > 0
print(7)
"""
