"""Decisions about parameters of imported experiments: the user's overrides, and those of earlier imports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from legm.core.absent_values import given_absent_value
from legm.errors import ParameterError, closest, storage_error
from legm.importers.identity_file import identity_file_path, read_identity_file, write_identity_file
from legm.importers.identity_inference import Identity
from legm.importers.labels import LabelUse
from legm.records import Plain
from legm.util.locks import file_lock

__all__ = ["AbsentValueDecisions", "IdentityOverrides", "open_decisions"]


@dataclass(frozen=True, slots=True)
class IdentityOverrides:
    """What the user decided about parameters, and about labels such as ``mlflow.runName``.

    Args:
        seeds: parameters that are seeds, and therefore not compared.
        ignored: parameters that are not compared.
        compared: parameters that are compared, whatever they look like.
        named: parameters that appear in the names of configurations, most important first.
    """

    seeds: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    def apply_to(self, before: Identity, names: Sequence[str], labels: Iterable[str] = ()) -> Identity:
        """An experiment's identity with these overrides applied.

        Args:
            before: the identity decided so far.
            names: the parameters of the experiment that may be overridden.
            labels: its labels that may be overridden.
        """
        names = [*names]
        uses = dict(before.labels)
        for label in labels:
            if label in self.compared or (label in self.named and label not in uses):
                uses[label] = LabelUse.WHOLE.value
            elif label in (*self.seeds, *self.ignored):
                uses[label] = LabelUse.IGNORED.value
            elif label in before.compared:  # a user may list it there
                uses.setdefault(label, LabelUse.WHOLE.value)
            elif label in before.ignored:
                uses.setdefault(label, LabelUse.IGNORED.value)
        ignored = {
            name: why
            for name, why in before.ignored.items()
            if name not in self.compared or name not in names
        }
        ignored |= {name: "given as a seed" for name in self.seeds if name in names}
        ignored |= {name: "as requested" for name in self.ignored if name in names}
        compared = [name for name in before.compared if name not in ignored]
        compared += [name for name in self.compared if name in names and name not in compared]
        named = [name for name in self.named if name in names or name in uses] or [
            n for n in before.named if n not in ignored
        ]
        absent = {name: value for name, value in before.absent_values.items() if name not in ignored}
        return Identity(
            ignored,
            tuple(compared),
            tuple(named),
            uses,
            before.run_folders,
            absent,
            before.proposed_absent_values,
            before.refused_absent_values,
        )

    def require_known(self, names: set[str]) -> None:
        """Check that the overrides name existing parameters and labels, and do not contradict each other.

        Raises:
            ParameterError: a parameter does not exist, or is both compared and not compared.
        """
        for name in (*self.seeds, *self.ignored, *self.compared, *self.named):
            if name not in names:
                raise ParameterError(f"no run has a parameter {name!r}; {closest(name, names)}")
        self.require_consistent()

    def require_consistent(self) -> None:
        """Check that the overrides do not contradict each other.

        Raises:
            ParameterError: a parameter is both compared and not compared.
        """
        for name in (*self.compared, *self.named):
            if name in self.seeds or name in self.ignored:
                raise ParameterError(f"the parameter {name!r} cannot be both compared and not compared")


@dataclass(frozen=True, slots=True)
class AbsentValueDecisions:
    """What the user decided about the values that runs from before a parameter existed had.

    Args:
        values: by parameter, this value.
        accepted: the parameters whose proposed values are accepted.
        refused: the parameters that have no absent value, and for which none is proposed any more.
    """

    values: Mapping[str, Plain] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, values: Mapping[str, Any], accepted: Sequence[str], refused: Sequence[str]
    ) -> AbsentValueDecisions:
        """The decisions, with values in plain form.

        Raises:
            ParameterError: a value can be no absent value, or something is decided twice about a parameter.
        """
        names = [*values, *accepted, *refused]
        for name in names:
            if names.count(name) > 1:
                raise ParameterError(f"the absent value of {name!r} cannot be decided twice")
        plain = {name: given_absent_value(name, value) for name, value in values.items()}
        return cls(plain, tuple(accepted), tuple(refused))

    def apply_to(self, identity: Identity) -> Identity:
        """An experiment's identity with these decisions applied, which may be about other experiments."""
        proposed = identity.proposed_absent_values
        given = {name: value for name, value in self.values.items() if name in identity.compared}
        given |= {name: proposed[name] for name in self.accepted if name in proposed}
        refused = [name for name in self.refused if name in identity.compared]
        decided = {*given, *refused}
        absent = {name: value for name, value in identity.absent_values.items() if name not in decided}
        before = [name for name in identity.refused_absent_values if name not in decided]
        return replace(
            identity,
            absent_values={**absent, **given},
            proposed_absent_values={name: one for name, one in proposed.items() if name not in decided},
            refused_absent_values=tuple(sorted({*before, *refused})),
        )

    def require_known(self, identities: Iterable[Identity]) -> None:
        """Check that the parameters exist and are compared, and that what is accepted was proposed.

        Args:
            identities: those of all experiments, before the decisions.

        Raises:
            ParameterError: one does not exist, or is not compared, or nothing is proposed for it.
        """
        identities = [*identities]
        compared = {name for one in identities for name in one.compared}
        proposed = {name for one in identities for name in (*one.proposed_absent_values, *one.absent_values)}
        for name in (*self.values, *self.refused):
            if name not in compared:
                known = closest(name, sorted(compared))
                raise ParameterError(f"no compared parameter {name!r} can have an absent value; {known}")
        for name in self.accepted:
            if name not in proposed:
                raise ParameterError(
                    f"nothing suggests an absent value for {name!r}, so say which value it is; "
                    f"{closest(name, sorted(proposed))}"
                )


@contextmanager
def open_decisions(root: Path, *, keep: bool = True) -> Iterator[dict[str, Identity]]:
    """The stored identities by experiment, to be changed in the block; they are saved when it ends.

    Args:
        root: the root directory.
        keep: whether to save them. While the block runs, other processes wait.

    Raises:
        StorageError: the file cannot be read or written.
        CorruptFile: the file is not an identity file.
    """
    path = identity_file_path(root)
    if not keep:
        yield read_identity_file(path) if path.exists() else {}
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("create the folder", path.parent, cause) from cause
    with file_lock(path.with_suffix(".lock")):
        before = read_identity_file(path) if path.exists() else {}
        identities = dict(before)
        yield identities
        if identities != before:
            write_identity_file(path, identities)
