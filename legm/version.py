"""The version of legm, alone, so that anybody may import it."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
