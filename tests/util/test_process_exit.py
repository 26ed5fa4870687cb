"""How a process ended is known at its end, whatever ended it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from legm.util.process_exit import UNKNOWN_EXIT

SCRIPT = """
import atexit, sys, threading
from legm.util.process_exit import PROCESS_EXIT

def leave(code=3):
    raise SystemExit(code)

def begin():
    PROCESS_EXIT.watch()
    atexit.register(lambda: print(repr(PROCESS_EXIT.error())))

def zero():
    return 0

begin()
{end}
"""
NORMAL = [
    "pass",
    "sys.exit()",
    "sys.exit(0)",
    "quit()",
    "raise SystemExit",
    "raise SystemExit()",
    "raise SystemExit(0)",
    "raise SystemExit(None)",
    "code = zero()\nraise SystemExit(code)",
    "try:\n    sys.exit(3)\nexcept SystemExit:\n    pass",
    "try:\n    leave()\nexcept SystemExit:\n    pass",
    "one = threading.Thread(target=leave)\none.start()\none.join()",
]
FAILED = {
    "sys.exit(1)": "SystemExit: 1",
    "sys.exit('no data')": "SystemExit: no data",
    "exit(2)": "SystemExit: 2",
    "raise SystemExit(1)": "SystemExit: 1",
    "raise SystemExit('no data')": "SystemExit: no data",
    "code = zero() + 3\nraise SystemExit(code)": "SystemExit: 3",
    "sys.exit(zero() + 3)": "SystemExit: 3",
    "1 / 0": "ZeroDivisionError: division by zero",
    "try:\n    sys.exit(3)\nfinally:\n    zero()": "SystemExit: 3",
}
RAISED_ELSEWHERE = {"leave()": "SystemExit: 3", "leave(0)": None, "raise SystemExit(zero())": None}


def error_of(end: str, tmp_path) -> str:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(end=end))
    return subprocess.run(
        [sys.executable, script], check=False, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("end", NORMAL)
def test_a_normal_end_has_no_error(end, tmp_path):
    assert error_of(end, tmp_path) == "None"


@pytest.mark.parametrize("end", FAILED)
def test_an_error_and_an_exit_with_another_code_than_0_are_errors(end, tmp_path):
    assert error_of(end, tmp_path) == repr(FAILED[end])


@pytest.mark.parametrize("end", RAISED_ELSEWHERE)
def test_an_exit_that_a_function_raises_is_known_since_python_3_12_and_never_guessed(end, tmp_path):
    is_known = sys.version_info >= (3, 12)
    assert error_of(end, tmp_path) == repr(RAISED_ELSEWHERE[end] if is_known else UNKNOWN_EXIT)
