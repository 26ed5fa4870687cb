"""How much of a console is kept, and where."""

from __future__ import annotations

import os
from pathlib import Path

from legm.errors import LegmError
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.file_names import CONSOLE_FILE

__all__ = ["LIMIT", "SWITCH", "console_limit", "console_path"]

SWITCH = "LEGM_CONSOLE"
"""The environment variable: 0 keeps no console, 1 or a size keeps one where the program does not say."""
LIMIT = 10_000_000
"""Bytes that are kept of a console, unless asked otherwise."""
_LEAST_LIMIT = 10_000
_WORDS = {
    **dict.fromkeys(("0", "false", "no", "off"), False),
    **dict.fromkeys(("1", "true", "yes", "on"), True),
}


def console_limit(asked: bool | int | None, default: bool = False) -> int:
    """The size in bytes up to which a console is kept; 0 for none.

    Args:
        asked: what the program says; None where it says nothing.
        default: what counts where the environment says nothing either.

    Raises:
        LegmError: it is neither true nor false nor a number of bytes.
    """
    given = os.environ.get(SWITCH, "").strip().lower()
    of_environment: bool | int = _WORDS[given] if given in _WORDS else int(given) if given.isdigit() else -1
    if given and of_environment is not False:
        _console_limit_option(SWITCH, of_environment, given)
    limit = _console_limit_option("console", default if asked is None else asked, asked)
    if not given or (asked is not None and of_environment is not False):
        return limit
    return _console_limit_option(SWITCH, of_environment, given)


def _console_limit_option(name: str, asked: bool | int, given: object) -> int:
    if isinstance(asked, bool):
        return LIMIT if asked else 0
    if not isinstance(asked, int) or asked < _LEAST_LIMIT:
        values = "True, False" if name != SWITCH else "0, 1"
        raise LegmError(
            f"{name} must be {values}, or the largest size in bytes, at least {_LEAST_LIMIT:,}, not {given!r}"
        )
    return asked


def console_path(folder: Path, run_id: str) -> Path:
    """Where the console of a run is.

    Args:
        folder: of the run's configuration.
        run_id: the run's id.
    """
    return artifacts_folder(folder, run_id) / CONSOLE_FILE
