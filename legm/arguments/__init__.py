"""Hyperparameters from the command line: declared beside the code that uses them, handed on by name.

``declarations`` reads ``argparse_args``, ``parsing`` makes namespaces and metadata of them and of the
command line, ``namespaces`` hands a namespace's values to functions.
"""

from __future__ import annotations

from legm.arguments.declarations import add_arguments, add_metadata
from legm.arguments.namespaces import from_namespace, splitify_namespace
from legm.arguments.parsing import parse_args_and_metadata

__all__ = ["add_arguments", "add_metadata", "from_namespace", "parse_args_and_metadata", "splitify_namespace"]
