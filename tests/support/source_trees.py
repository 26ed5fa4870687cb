"""The syntax trees of source files, which several tests look at: each is parsed once in a process."""

from __future__ import annotations

import ast
import functools
import gc
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

__all__ = ["nodes_of", "syntax_nodes"]

N = TypeVar("N", bound=ast.AST)


@functools.cache
def syntax_nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module, the module itself first, each before those inside of it.

    What a name is there for, to be loaded or stored, is in its ``ctx`` and no node of its own here.
    """
    gc.disable()  # it would look through all trees again for each few modules
    try:
        nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
        for node in nodes:  # it becomes longer meanwhile; ast.walk takes three times as long
            for field in node._fields:
                value = getattr(node, field, None)
                if isinstance(value, list):
                    nodes += [one for one in value if isinstance(one, ast.AST)]
                elif isinstance(value, ast.AST) and field != "ctx":
                    nodes.append(value)
        return tuple(nodes)
    finally:
        gc.enable()


@functools.cache
def _nodes_by_kind(path: Path) -> dict[type[ast.AST], list[ast.AST]]:
    found = defaultdict(list)
    for node in syntax_nodes(path):
        found[type(node)].append(node)
    return dict(found)


def nodes_of(path: Path, kind: type[N]) -> Sequence[N]:
    """The nodes of a kind, such as ``ast.Import``, in the order of :func:`syntax_nodes`."""
    return _nodes_by_kind(path).get(kind, [])
