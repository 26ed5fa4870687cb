"""Pauses of Python's garbage collector."""

from __future__ import annotations

import gc

import pytest

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
