"""The command of a sweep, with the values of a trial in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from legm.errors import ParameterError, closest

__all__ = ["check_command", "command_with_values"]

_ARGS, _OVERRIDES = "args", "overrides"
_PLAIN_OVERRIDE = re.compile(r"[A-Za-z_./][\w./+-]*")
_NO_TEXTS = {"true", "false", "null", "nan", "inf"}  # for Hydra
_FIELD = re.compile(r"\{([^\s{}]+)\}")


def check_command(command: Sequence[str], names: Sequence[str]) -> None:
    """Check that a command takes every parameter.

    Args:
        command: the program and its arguments, with ``{args}``, ``{overrides}``, or each name in braces.
        names: of the parameters.

    Raises:
        ParameterError: a parameter does not occur, or what is in braces is none.
    """
    if "--real" in command and "run" in command[: command.index("--real")]:
        raise ParameterError(
            "legm run --real sends the runs to wandb or mlflow alone, where the sweep does not find them: "
            "use legm run --drop-in"
        )
    fields = {name for word in command for name in _FIELD.findall(word)}
    known = (_ARGS, _OVERRIDES, *names)
    for field in sorted(fields):
        if field not in known:
            raise ParameterError(
                f"the command has {{{field}}}, which is not a parameter; {closest(field, known)}"
            )
    if fields.isdisjoint({_ARGS, _OVERRIDES}):
        missing = [name for name in names if name not in fields]
        if missing:
            raise ParameterError(
                f"the command does not take {', '.join(missing)}: write {{args}} where --name=value of every "
                "parameter is to be, {overrides} for name=value, or each name in braces"
            )


def command_with_values(command: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """The command of a trial.

    Args:
        command: as for :func:`check_command`; ``{args}`` and ``{overrides}`` are words of their own.
        values: by parameter.
    """
    words: list[str] = []  # no shell reads them, so that a value may have spaces and quotes
    for word in command:
        if word == f"{{{_ARGS}}}":
            words += [f"--{name}={value}" for name, value in values.items()]
        elif word == f"{{{_OVERRIDES}}}":
            words += [f"{name}={_override_text(value)}" for name, value in values.items()]
        else:
            words.append(_FIELD.sub(lambda found: str(values.get(found[1], found[0])), word))
    return words


def _override_text(value: Any) -> str:
    """A value as Hydra reads it: a text that it would read as something else is quoted."""
    text = str(value)
    is_plain = _PLAIN_OVERRIDE.fullmatch(text) and text.lower() not in _NO_TEXTS
    if not isinstance(value, str) or is_plain:
        return text
    escaped = re.sub(r"(\\*)'", lambda found: found[1] * 2 + "\\'", text)
    escaped = re.sub(r"\\+$", lambda found: found[0] * 2, escaped)  # before the quote that ends it
    return f"'{escaped}'"
