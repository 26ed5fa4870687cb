"""The module of this name of the original legm, another package, for projects that were written for it.

In legm itself these are :func:`legm.add_arguments` and its siblings, with other arguments.
"""

from __future__ import annotations

from legm.compat.classic.argument_parsing import (
    add_arguments,
    add_metadata,
    parse_args_and_metadata,
    splitify_namespace,
)

__all__ = ["add_arguments", "add_metadata", "parse_args_and_metadata", "splitify_namespace"]
