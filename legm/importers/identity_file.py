"""What tells configurations apart, as a YAML file that a person reviews and gives back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.backends.local.yamltext import block
from legm.errors import CorruptFile, storage_error
from legm.importers.identity import Identity
from legm.util.atomic_files import load_yaml, write_atomically

__all__ = ["read_identities", "write_identities"]

_HEADER = """\
# Which parameters tell the configurations of each experiment apart, for: legm import … --identity FILE
# not_compared: another value is the same configuration (the reason is for you). Move a name to the list
# compared where that is wrong, or from there to here. name: the parameters in a configuration's name.
"""
_FIELDS = ("not_compared", "compared", "name")


def write_identities(path: Path, identities: Mapping[str, Identity]) -> None:
    """Write the file, in place of an earlier one.

    Raises:
        StorageError: the disk refuses.
    """
    content = {
        experiment: {
            "not_compared": dict(identity.ignored),
            "compared": list(identity.compared),
            "name": list(identity.named),
        }
        for experiment, identity in sorted(identities.items())
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("make the folder", path.parent, cause) from cause
    write_atomically(path, (_HEADER + block(content)).encode())


def read_identities(path: Path) -> dict[str, Identity]:
    """What the file says, by experiment.

    Raises:
        StorageError: it cannot be read.
        CorruptFile: it says something else.
    """
    content = load_yaml(path) or {}
    if not isinstance(content, dict):
        raise _unexpected_value(path, "the file", content, "a mapping by experiment")
    return {
        str(experiment): _parse_identity(path, str(experiment), fields)
        for experiment, fields in content.items()
    }


def _parse_identity(path: Path, experiment: str, fields: Any) -> Identity:
    if not isinstance(fields, dict) or not set(fields) <= {*_FIELDS}:
        raise _unexpected_value(path, experiment, fields, f"a mapping of {', '.join(_FIELDS)}")
    ignored = fields.get("not_compared") or {}
    if isinstance(ignored, list):
        ignored = dict.fromkeys(ignored, "as given")
    lists = [fields.get(field) or [] for field in _FIELDS[1:]]
    for field, names in zip(_FIELDS, [ignored, *lists], strict=True):
        if not isinstance(names, (list, dict)) or not all(isinstance(name, str) for name in names):
            raise _unexpected_value(path, f"{experiment}, {field}", names, "a list of parameters' names")
    compared, named = lists
    named = [name for name in named if name not in ignored]  # who moves a name may forget it here
    both = sorted({*ignored} & {*compared})
    if both:
        raise _unexpected_value(path, experiment, both[0], "a name in one of not_compared and compared only")
    return Identity({name: str(reason) for name, reason in ignored.items()}, tuple(compared), tuple(named))


def _unexpected_value(path: Path, where: str, value: object, what: str) -> CorruptFile:
    return CorruptFile(
        path, where, f"{str(value)[:60]!r} stands where {what} belongs", "Mend it, or delete the file."
    )
