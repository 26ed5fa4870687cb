"""Comma-separated values."""

from __future__ import annotations

import csv
import sys
from typing import Any, TextIO

__all__ = ["csv_writer"]

# Without an escape character Python 3.10 refuses texts with NUL; this one is of no text.
_ESCAPE = None if sys.hexversion >= 0x030B0000 else "\U0010ffff"


def csv_writer(file: TextIO, line_end: str = "\r\n") -> Any:
    """A writer of rows as RFC 4180 has them, of any text.

    Args:
        file: receives them.
        line_end: what ends each row.

    Returns:
        what ``csv.writer`` does.
    """
    return csv.writer(file, lineterminator=line_end, escapechar=_ESCAPE)
