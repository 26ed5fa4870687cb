"""The syntax trees of source files, which several tests look at: each is parsed once in a process."""

from __future__ import annotations

import ast
import functools
import gc
from pathlib import Path

__all__ = ["syntax_nodes"]


@functools.cache
def syntax_nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module, the module itself first, each before those inside of it."""
    gc.disable()  # it would look through all trees again for each few modules
    try:
        return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    finally:
        gc.enable()
