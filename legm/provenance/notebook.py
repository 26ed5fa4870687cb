"""The notebook that a process belongs to, and the cell that runs in it."""

from __future__ import annotations

import os
import sys
from typing import Any

from legm.records import Plain

__all__ = ["is_interactive", "read_notebook"]

_MOST_CHARACTERS = 100_000


def is_interactive() -> bool:
    """Whether a user types or runs cells in this process, so that its code may change between runs."""
    return hasattr(sys, "ps1") or _notebook_shell() is not None


def read_notebook() -> dict[str, Plain]:
    """The notebook's path and the cell that runs, with its number; empty outside of IPython and Jupyter."""
    shell = _notebook_shell()
    if shell is None:
        return {}
    names = getattr(shell, "user_ns", {})
    cells = names.get("In") or [""]
    path = names.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
    found: dict[str, Plain] = {
        "path": path if str(path).endswith(".ipynb") else "",
        "cell": str(cells[-1])[:_MOST_CHARACTERS],
        "execution_count": len(cells) - 1,  # IPython counts on before the cell runs, or after it
    }
    return {name: value for name, value in found.items() if value not in ("", None)}


def _notebook_shell() -> Any:
    ipython: Any = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()
