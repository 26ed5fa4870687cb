"""The identity file: which parameters identify a configuration, as YAML that a user reviews and edits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.core.plain_form import is_plain
from legm.errors import CorruptFile, storage_error
from legm.importers.identity_inference import Identity
from legm.importers.labels import LabelUse
from legm.records import Plain
from legm.runlog.file_names import IDENTITY_FILE, OWN_FOLDER
from legm.util.atomic_files import write_atomically
from legm.util.yaml_files import load_yaml
from legm.util.yaml_text import yaml_block

__all__ = ["identity_file_path", "read_identity_file", "write_identity_file"]

_ABSENT = ("absent_values", "proposed_absent_values")
_HEADER = """\
# Which parameters identify the configurations of each experiment, for: legm import … --identity FILE
# not_compared: runs that differ only in these are runs of one configuration (the reason is for you).
# Move a name to the list compared if that is wrong, or the other way round.
# name: the parameters that appear in a configuration's name.
# labels: names, groups, tags and the like that are compared. whole: as they are; stem: without seeds, dates
# and counters; unseeded: also without numbers that are values of uncompared parameters; unnumbered: without a
# number at the end; ignored: not at all.
# run_folders: how many of the last folders of a path name a run, if not one.
# absent_values: the value that runs from before a parameter existed had: they are of the same configuration
# as runs with this value. proposed_absent_values: parameters that only the newer runs have, most of them
# with this value. To accept or refuse one: legm amend EXPERIMENT --absent NAME, or --no-absent NAME.
# refused_absent_values: parameters for which none is proposed again.
"""
_REFUSED = "refused_absent_values"
_FIELDS = ("not_compared", "compared", "name", "labels", "run_folders", *_ABSENT, _REFUSED)


def identity_file_path(root: Path) -> Path:
    """The path of the file below a root directory that stores the identities of imported experiments."""
    return root / OWN_FOLDER / IDENTITY_FILE


def write_identity_file(path: Path, identities: Mapping[str, Identity]) -> None:
    """Write the file, replacing an earlier one.

    Raises:
        StorageError: it cannot be written.
    """
    content = {
        experiment: {
            "not_compared": dict(identity.ignored),
            "compared": list(identity.compared),
            "name": list(identity.named),
            **({"labels": {name: LabelUse(use).value for name, use in labels}} if labels else {}),
            **({"run_folders": identity.run_folders} if identity.run_folders != 1 else {}),
            **{field: dict(values) for field in _ABSENT if (values := getattr(identity, field))},
            **({_REFUSED: list(identity.refused_absent_values)} if identity.refused_absent_values else {}),
        }
        for experiment, identity in sorted(identities.items())
        for labels in [sorted(identity.labels.items())]
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("create the folder", path.parent, cause) from cause
    write_atomically(path, (_HEADER + yaml_block(content)).encode())


def read_identity_file(path: Path) -> dict[str, Identity]:
    """The identities in the file, by experiment.

    Raises:
        StorageError: it cannot be read.
        CorruptFile: it is not an identity file.
    """
    content = load_yaml(path) or {}
    if not isinstance(content, dict):
        raise _unexpected_identity_value(path, "the file", content, "a mapping by experiment")
    return {
        str(experiment): _parse_identity(path, str(experiment), fields)
        for experiment, fields in content.items()
    }


def _parse_identity(path: Path, experiment: str, fields: Any) -> Identity:
    if not isinstance(fields, dict) or not set(fields) <= {*_FIELDS}:
        raise _unexpected_identity_value(path, experiment, fields, f"a mapping of {', '.join(_FIELDS)}")
    ignored = fields.get("not_compared") or {}
    if isinstance(ignored, list):
        ignored = dict.fromkeys(ignored, "as requested")
    lists = [fields.get(field) or [] for field in ("compared", "name", _REFUSED)]
    labels = fields.get("labels") or {}
    checked = ("not_compared", "compared", "name", _REFUSED, "labels")
    for field, names in zip(checked, [ignored, *lists, labels], strict=True):
        if not isinstance(names, (list, dict)) or not all(isinstance(name, str) for name in names):
            raise _unexpected_identity_value(
                path, f"{experiment}, {field}", names, "a list of parameter names"
            )
    uses = {use.value for use in LabelUse}
    if not isinstance(labels, dict) or not all(use in uses for use in map(str, labels.values())):
        raise _unexpected_identity_value(
            path, f"{experiment}, labels", labels, f"labels with {', '.join(sorted(uses))}"
        )
    compared, named, refused = lists
    named = [name for name in named if name not in ignored]  # easily forgotten when a name is moved
    both = sorted({*ignored} & {*compared})
    if both:
        raise _unexpected_identity_value(
            path, experiment, both[0], "a name in only one of not_compared and compared"
        )
    reasons = {name: str(reason) for name, reason in ignored.items()}
    run_folders = fields.get("run_folders", 1)
    if type(run_folders) is not int or run_folders < 1:
        raise _unexpected_identity_value(
            path, f"{experiment}, run_folders", run_folders, "a number from 1 on"
        )
    absent, proposed = (_parse_identity_absent_values(path, experiment, field, fields) for field in _ABSENT)
    absent = {name: value for name, value in absent.items() if name not in ignored}
    proposed = {name: value for name, value in proposed.items() if name not in {*absent, *refused}}
    return Identity(
        *(reasons, tuple(compared), tuple(named), dict(labels), run_folders, absent, proposed, tuple(refused))
    )


def _parse_identity_absent_values(path: Path, experiment: str, field: str, fields: Any) -> dict[str, Plain]:
    values = fields.get(field) or {}
    if not isinstance(values, dict) or not all(
        isinstance(name, str) and is_plain(value) for name, value in values.items()
    ):
        raise _unexpected_identity_value(
            path, f"{experiment}, {field}", values, "a mapping of parameter names to values"
        )
    return values


def _unexpected_identity_value(path: Path, where: str, value: object, what: str) -> CorruptFile:
    return CorruptFile(
        path, where, f"expected {what}, found {str(value)[:60]!r}", "Repair the file, or delete it."
    )
