"""Hyperparameters as Lightning stores them, in a file ``hparams.yaml`` next to the event files.

It is written by ``yaml.dump``, so it may have tags of Python objects. None of them is evaluated (see
:mod:`legm.importers.unevaluated`).
"""

from __future__ import annotations

from pathlib import Path

from legm.core.config_objects import parameters_from_config
from legm.errors import CorruptFile
from legm.importers.plain_yaml import parse_plain_yaml
from legm.importers.size_limits import read_within_size_limit
from legm.records import Plain

__all__ = ["read_hparams_yaml"]

_MAX_BYTES = 1 << 20
_REMEDY = "Repair it, or delete it in a copy of the folder."


def read_hparams_yaml(path: Path) -> dict[str, Plain]:
    """Read the parameters in an ``hparams.yaml``, nested names joined with ``.``; none without a file.

    Raises:
        CorruptFile: it is not valid YAML, not a mapping, or too large.
        StorageError: it cannot be read.
        ParameterError: two joined names are the same.
    """
    if not path.exists():
        return {}
    content = parse_plain_yaml(path, read_within_size_limit(path, _MAX_BYTES, _REMEDY)) or {}
    if not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is not a mapping", _REMEDY)
    return parameters_from_config("hparams.yaml", content, flatten=True)
