"""Calls of the command line in this process."""

from __future__ import annotations

import inspect
import json
from typing import Any

from click.testing import CliRunner, Result

from legm.cli import main

# Before click 8.2 a result has what was printed to stderr by itself only if it is asked for.
_SEPARATE: dict[str, Any] = {"mix_stderr": False}
_OPTIONS = _SEPARATE if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def call(*arguments: object, answer: str | None = None) -> Result:
    return CliRunner(**_OPTIONS).invoke(main, [str(argument) for argument in arguments], answer)


def shown(*arguments: object) -> str:
    """What a user is shown by a call that can be answered."""
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    assert result.exception is None
    return result.output


def as_json(*arguments: object, status: int = 0) -> Any:
    """What a program is given."""
    result = call(*arguments, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def failed(*arguments: object) -> str:
    """The message of a call that cannot be answered: one line, and no traceback."""
    result = call(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def misused(*arguments: object) -> str:
    """The message of a call that is not how the command is called."""
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")
    return result.stderr.splitlines()[-1]
