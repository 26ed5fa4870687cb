"""Calls in a forked process are answered, or known to have failed, and leave no process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from legm.util.forked_calls import ForkedCall, ForkedLines
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")


def test_the_result_of_any_size_is_that_of_another_process():
    with ForkedCall(lambda: str(os.getpid()).encode() + b" " * 1_000_000) as call:
        found = call.result()
    assert found is not None
    assert int(found) != os.getpid()
    assert len(found) > 1_000_000


@pytest.mark.parametrize("failure", [lambda: 1 / 0, lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_a_call_that_failed_or_was_killed_has_no_result(failure):
    with ForkedCall(failure) as call:
        assert call.result() is None


def test_a_call_that_nobody_waits_for_is_ended(tmp_path):
    note = tmp_path / "process"

    def note_and_sleep():
        note.with_suffix(".new").write_text(str(os.getpid()))
        note.with_suffix(".new").rename(note)
        signal.pause()

    with ForkedCall(note_and_sleep):
        until(note.exists)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_another_thread_that_waits_for_a_call_which_is_stopped_gets_no_result():
    call, found = ForkedCall(lambda: signal.pause() or b""), []
    waiting = threading.Thread(target=lambda: found.append(call.result()))
    waiting.start()
    call.stop()
    waiting.join()
    assert found == [None]
    call.stop()  # and once more, for nothing
    call.end()


def test_lines_are_taken_while_another_process_makes_them(tmp_path):
    def lines():
        yield b"%d" % os.getpid() + b" " * 20_000 + b"\n"  # more than is kept back
        until((tmp_path / "taken").exists)
        yield b"second\n"

    with ForkedLines(lines) as found:
        assert isinstance(found, ForkedLines)
        assert int(found.next_line() or b"0") not in {0, os.getpid()}
        (tmp_path / "taken").touch()
        assert [found.next_line(), found.next_line()] == [b"second\n", None]


def test_a_process_that_fails_in_the_middle_gives_the_lines_before():
    def lines():
        yield b"first\n"
        yield b"cut off"
        os.kill(os.getpid(), signal.SIGKILL)

    with ForkedLines(lines) as found:
        assert isinstance(found, ForkedLines)
        assert found.next_line() in {b"first\n", None}
        assert found.next_line() is None
