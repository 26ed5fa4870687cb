"""Hyperparameters from the command line: declared next to the code that uses them, and passed to it by name.

``declarations`` reads ``argparse_args``, ``parsing`` turns them and the command line into namespaces and
metadata, and ``namespaces`` passes the values of a namespace to functions.
"""

from __future__ import annotations

from legm.arguments.declarations import add_arguments, add_metadata
from legm.arguments.namespaces import from_namespace, splitify_namespace
from legm.arguments.parsing import parse_args_and_metadata

__all__ = ["add_arguments", "add_metadata", "from_namespace", "parse_args_and_metadata", "splitify_namespace"]
