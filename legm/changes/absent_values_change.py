"""Corrects the absent values of an experiment, and decides about those that an import proposed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.core.absent_values import given_absent_value
from legm.core.amendment_changes import AmendmentChanges
from legm.delivery.absent_values_file import AbsentValuesFile
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import CorruptFile, ParameterError, closest
from legm.records import Plain
from legm.runlog.file_names import IDENTITY_FILE, OWN_FOLDER
from legm.util.atomic_files import write_atomically
from legm.util.yaml_files import load_yaml
from legm.util.yaml_text import yaml_block

__all__ = [
    "AbsentValuesChange",
    "decided_absent_values",
    "identities_of_imports",
    "identity_of_experiment",
    "proposed_absent_values",
    "write_identities_of_imports",
]

_KEPT, _PROPOSED, _REFUSED = "absent_values", "proposed_absent_values", "refused_absent_values"


@dataclass(frozen=True, slots=True)
class AbsentValuesChange:
    """What is changed of the absent values that an experiment keeps.

    Args:
        before: by parameter, its absent value until now.
        after: its absent value from now on.
        refused: the parameters of which no import is to propose one again.
    """

    before: Mapping[str, Plain]
    after: Mapping[str, Plain]
    refused: tuple[str, ...] = ()

    @classmethod
    def of(cls, experiment: Path, changes: AmendmentChanges) -> AbsentValuesChange:
        """What changes decide, where an experiment keeps what they say.

        Raises:
            ParameterError: a parameter has no absent value that could be taken away, or the changes are not
                those of a whole experiment.
        """
        kept = changes.absent
        proposed = proposed_absent_values(experiment) if changes.no_absent else {}
        for name in changes.no_absent:
            if name not in kept and name not in proposed:
                known = closest(name, sorted({*kept, *proposed}))
                raise ParameterError(f"{name!r} has no absent value in {experiment.name}; {known}")
        if changes.decided_absent and (changes.rename or changes.experiment is not None):
            raise ParameterError(
                "absent values change by a command of their own, and not while something is renamed"
            )
        before = {name: kept[name] for name in sorted(changes.decided_absent & kept.keys())}
        return cls(before, dict(changes.new_absent), tuple(changes.no_absent))

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> AbsentValuesChange:
        """The inverse of :meth:`content`."""
        return cls(dict(content["before"]), dict(content["after"]), tuple(content["refused"]))

    def content(self) -> dict[str, Plain]:
        """It as a journal has it."""
        return {"before": dict(self.before), "after": dict(self.after), "refused": list(self.refused)}

    def reversed(self) -> AbsentValuesChange:
        """What undoes it; a proposal is one again with the next import."""
        return AbsentValuesChange({**self.after}, {**self.before})

    def apply(self, experiment: Path) -> None:
        """Keep it with the experiment, and with what imports know of it; this may be repeated.

        Raises:
            LegmError: a file cannot be read or written, or is damaged.
        """
        AbsentValuesFile(experiment / OWN_FOLDER).correct(self.before, self.after)
        path, content = identities_of_imports(experiment.parent)
        about = identity_of_experiment(content, experiment)
        if about is None:
            return
        decided = {*self.before, *self.after, *self.refused}
        kept = {name: value for name, value in _values(about, _KEPT).items() if name not in decided}
        proposed = {name: value for name, value in _values(about, _PROPOSED).items() if name not in decided}
        refused = [name for name in about.get(_REFUSED) or [] if name not in decided]
        new: dict[str, Any] = {
            _KEPT: {**kept, **self.after},
            _PROPOSED: proposed,
            _REFUSED: sorted({*refused, *self.refused}),
        }
        rest = {name: value for name, value in about.items() if name not in new}
        now = {**rest, **{name: value for name, value in new.items() if value}}
        if now != about:
            about.clear()
            about.update(now)
            write_identities_of_imports(path, content)


def proposed_absent_values(experiment: Path) -> dict[str, Plain]:
    """By parameter, the absent value that imports proposed, and nobody has accepted or refused.

    Args:
        experiment: the folder of the experiment.

    Raises:
        StorageError: what imports know cannot be read.
        CorruptFile: it is damaged.
    """
    about = identity_of_experiment(identities_of_imports(experiment.parent)[1], experiment) or {}
    return {str(name): value for name, value in _values(about, _PROPOSED).items()}


def decided_absent_values(
    experiment: Path, given: Mapping[str, Any], accepted: Iterable[str] = ()
) -> dict[str, Plain]:
    """Absent values as a user gives them.

    Args:
        experiment: the folder of the experiment.
        given: values by parameter.
        accepted: the parameters whose proposed values are accepted.

    Raises:
        ParameterError: a value can be no absent value, or none was proposed.
    """
    accepted = list(accepted)
    proposed = proposed_absent_values(experiment) if accepted else {}
    found = {name: given_absent_value(name, value) for name, value in given.items()}
    for name in accepted:
        if name not in proposed:
            raise ParameterError(
                f"no import proposed an absent value for {name!r}, so say which value it is; "
                f"{closest(name, sorted(proposed))}"
            )
        found[name] = proposed[name]
    return found


def identities_of_imports(root: Path) -> tuple[Path, dict[str, Any]]:
    """What imports into a root directory know of its experiments; the importers check the whole of it."""
    path = root / OWN_FOLDER / IDENTITY_FILE
    content = load_yaml(path) if path.exists() else None
    return path, content if isinstance(content, dict) else {}


def identity_of_experiment(content: Mapping[str, Any], experiment: Path) -> dict[str, Any] | None:
    """What imports know of an experiment; None where none was into it."""
    changer = find_folder_changer(DEFAULT_BACKEND)
    for name, about in content.items():
        if isinstance(about, dict) and changer.experiment_path(experiment.parent, str(name)) == experiment:
            return about
    return None


def _values(about: Mapping[str, Any], field: str) -> dict[str, Plain]:
    values = about.get(field) or {}
    if not isinstance(values, dict):
        raise CorruptFile(
            Path(OWN_FOLDER, IDENTITY_FILE),
            field,
            "it must map names of parameters to values",
            "Repair the file.",
        )
    return values


def write_identities_of_imports(path: Path, content: Mapping[str, Any]) -> None:
    """Write what :func:`identities_of_imports` read; the comments in the file stay.

    Raises:
        StorageError: it cannot be written.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    comments = b"".join(line for line in lines if line.startswith(b"#"))
    write_atomically(path, comments + yaml_block(dict(content)).encode())
