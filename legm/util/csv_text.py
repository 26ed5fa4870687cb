"""Comma-separated values."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _csv import _writer

__all__ = ["csv_writer"]


def csv_writer(file: TextIO, line_end: str = "\r\n") -> _writer:
    """A writer of rows as RFC 4180 has them, of any text.

    Args:
        file: receives them.
        line_end: what ends each row.
    """
    if sys.version_info >= (3, 11):
        return csv.writer(file, lineterminator=line_end)
    # Without an escape character Python 3.10 refuses texts with NUL; this one is of no text.
    return csv.writer(file, lineterminator=line_end, escapechar="\U0010ffff")
