"""Hyperparameters in YAML files beside event files, or above them: ``hparams.yaml``, ``args.yml`` and so on.

They are written by ``yaml.dump``, so they may have tags of Python objects. None of them is evaluated (see
:mod:`legm.importers.unevaluated`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from legm.core.config_objects import parameters_from_config
from legm.errors import CorruptFile, LegmError
from legm.importers.import_notes import ImportNotes
from legm.importers.plain_yaml import parse_plain_yaml
from legm.importers.size_limits import read_within_size_limit
from legm.records import Plain

__all__ = ["EventParameterFiles"]

_LIGHTNING = "hparams.yaml"
_NAMES = tuple(f"{name}.{end}" for name in ("hparams", "config", "opt", "args") for end in ("yaml", "yml"))
"""The files, most important first: ``args`` may have values that ``config`` replaces."""
_MAX_BYTES = 1 << 20
_REMEDY = "Repair it, or delete it in a copy of the folder."


class EventParameterFiles:
    """Reads the parameter files of folders, each once.

    Args:
        root: the source's folder; no file above it is read.
        notes: collects files that have no parameters.
    """

    def __init__(self, root: Path, notes: ImportNotes) -> None:
        self._root = root
        self._notes = notes
        self._known: dict[Path, dict[str, Plain]] = {}

    def of_run(self, folder: Path) -> dict[str, Plain]:
        """The parameters in the files of a run's folder.

        Raises:
            CorruptFile: ``hparams.yaml``, which Lightning wrote for the run, is damaged.
            StorageError: it cannot be read.
            ParameterError: two of its joined names are the same.
        """
        found = _read_parameter_file(folder / _LIGHTNING) if _is_parameter_file(folder / _LIGHTNING) else {}
        return {**self._others(folder, (name for name in _NAMES if name != _LIGHTNING)), **found}

    def above(self, folder: Path) -> dict[str, Plain]:
        """The parameters in the files of the folders above a run's, the nearest first."""
        found: dict[str, Plain] = {}
        while folder != self._root and self._root in folder.parents:
            folder = folder.parent
            if folder not in self._known:
                self._known[folder] = self._others(folder, _NAMES)
            found = {**self._known[folder], **found}
        return found

    def _others(self, folder: Path, names: Iterable[str]) -> dict[str, Plain]:
        """The parameters in files that may well be something else, and do not cost the run then."""
        found: dict[str, Plain] = {}
        for path in (folder / name for name in names):
            if not _is_parameter_file(path):
                continue
            try:
                found = {**_read_parameter_file(path), **found}
            except LegmError as error:
                self._notes.add("YAML files beside event files that have no parameters", f"{path}: {error}")
        return found


def _is_parameter_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _read_parameter_file(path: Path) -> dict[str, Plain]:
    """The parameters in a file, nested names joined with ``.``.

    Raises:
        CorruptFile: it is not valid YAML, not a mapping, or too large.
        StorageError: it cannot be read.
        ParameterError: two joined names are the same.
    """
    content = parse_plain_yaml(path, read_within_size_limit(path, _MAX_BYTES, _REMEDY)) or {}
    if not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is not a mapping", _REMEDY)
    return parameters_from_config(path.name, content, flatten=True)
