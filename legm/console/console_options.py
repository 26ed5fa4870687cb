"""How much of a console is kept, and where."""

from __future__ import annotations

from pathlib import Path

from legm.errors import LegmError
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.file_names import CONSOLE_FILE

__all__ = ["console_limit", "console_path"]

LIMIT = 10_000_000
"""Bytes that are kept of a console, unless asked otherwise."""
_LEAST_LIMIT = 10_000


def console_limit(asked: bool | int) -> int:
    """The size in bytes up to which a console is kept; 0 for none.

    Raises:
        LegmError: it is neither true nor false nor a number of bytes.
    """
    if isinstance(asked, bool):
        return LIMIT if asked else 0
    if not isinstance(asked, int) or asked < _LEAST_LIMIT:
        raise LegmError(
            f"console must be True, False, or the largest size in bytes, at least {_LEAST_LIMIT:,}, "
            f"not {asked!r}"
        )
    return asked


def console_path(folder: Path, run_id: str) -> Path:
    """Where the console of a run is.

    Args:
        folder: of the run's configuration.
        run_id: the run's id.
    """
    return artifacts_folder(folder, run_id) / CONSOLE_FILE
