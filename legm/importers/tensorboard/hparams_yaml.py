"""Hyperparameters as Lightning keeps them, in a file ``hparams.yaml`` beside the event files.

It is written by ``yaml.dump``, so it may hold tags of Python's objects. None of them is made (see
:mod:`legm.importers.unevaluated`).
"""

from __future__ import annotations

from pathlib import Path

from legm.core.config_objects import parameters_from_config
from legm.errors import CorruptFile
from legm.importers.plain_yaml import parse_plain_yaml
from legm.importers.size_limits import read_at_most
from legm.records import Plain

__all__ = ["read_hparams_yaml"]

_MAX_BYTES = 1 << 20  # bytes
_REMEDY = "Mend it, or take it out of a copy of the folder."


def read_hparams_yaml(path: Path) -> dict[str, Plain]:
    """The parameters in a ``hparams.yaml``, nested names joined with ``.``; none where there is no file.

    Raises:
        CorruptFile: it is no YAML, no mapping, or too large.
        StorageError: it cannot be read.
        ParameterError: two names are the same when joined.
    """
    if not path.exists():
        return {}
    content = parse_plain_yaml(path, read_at_most(path, _MAX_BYTES, _REMEDY)) or {}
    if not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is no mapping", _REMEDY)
    return parameters_from_config("hparams.yaml", content, flatten=True)
