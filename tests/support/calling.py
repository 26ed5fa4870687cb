"""Calls of the command line in this process."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from legm.cli import main


@dataclass(frozen=True)
class Called:
    """What came of a call.

    Args:
        exit_code: 0, or what says that it failed.
        stdout: what a program is given.
        stderr: messages.
        output: both, as a user sees them; before click 8.2 the messages at the end.
        exception: what ended it, which may be the exit itself.
    """

    exit_code: int
    stdout: str
    stderr: str
    output: str
    exception: BaseException | None


# Before click 8.2 what is printed to stderr is separate if that is asked for, and missing in the output then.
_IS_OLD = "mix_stderr" in inspect.signature(CliRunner).parameters
_OPTIONS: dict[str, Any] = {"mix_stderr": False} if _IS_OLD else {}


def call(*arguments: object, answer: str | None = None) -> Called:
    done = CliRunner(**_OPTIONS).invoke(main, [str(argument) for argument in arguments], answer)
    output = done.stdout + done.stderr if _IS_OLD else done.output
    return Called(done.exit_code, done.stdout, done.stderr, output, done.exception)


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
