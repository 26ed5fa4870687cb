"""The default backend: a folder a configuration, plain YAML, and event files for TensorBoard.

What is where below ``<root>/<experiment>/<configuration>/`` is described in ``docs/files.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm.backends.local.backend import LocalBackend

__all__ = ["PARAMETERS_FILE", "LocalBackend"]

PARAMETERS_FILE = "params.yml"
"""What makes a folder a configuration's."""


def __getattr__(name: str) -> object:
    # A look at what the catalogue has needs none of what writes.
    if name == "LocalBackend":
        from legm.backends.local.backend import LocalBackend

        return LocalBackend
    raise AttributeError(f"module 'legm.backends.local' has no attribute {name!r}")
