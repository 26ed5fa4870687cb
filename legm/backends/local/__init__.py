"""The default backend: a folder a configuration, plain YAML, and event files for TensorBoard.

What is where below ``<root>/<experiment>/<configuration>/`` is described in ``docs/files.md``. The backend
itself is in :mod:`legm.backends.local.backend`; a look at folders needs none of what writes.
"""
