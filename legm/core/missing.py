"""What stands for a value that a configuration does not have: a module without imports, for listings."""

from __future__ import annotations

from typing import Any

__all__ = ["MISSING"]

MISSING: Any = object()
"""What a configuration has as the value of a parameter that is absent or inactive."""
