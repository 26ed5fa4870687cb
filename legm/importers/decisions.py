"""What is decided of the parameters of imported experiments: wished for by a person, or kept from before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from legm.errors import ParameterError, closest, storage_error
from legm.importers.identity import Identity
from legm.importers.identity_file import read_identities, write_identities
from legm.util.locks import file_lock

__all__ = ["Overrides", "identities_path", "open_decisions"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the caller decided of parameters.

    Args:
        seeds: seeds, and so not compared.
        ignored: not compared.
        compared: compared, whatever they look like.
        named: in the names of configurations, most important first.
    """

    seeds: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    def apply_to(self, before: Identity, names: Sequence[str]) -> Identity:
        """What is decided of an experiment's parameters.

        Args:
            before: what was decided already.
            names: those of its parameters that overrides are for.
        """
        ignored = {
            name: why
            for name, why in before.ignored.items()
            if name not in self.compared or name not in names
        }
        ignored |= {name: "given as a seed" for name in self.seeds if name in names}
        ignored |= {name: "given" for name in self.ignored if name in names}
        compared = [name for name in before.compared if name not in ignored]
        compared += [name for name in self.compared if name in names and name not in compared]
        named = [name for name in self.named if name in names] or [
            n for n in before.named if n not in ignored
        ]
        return Identity(ignored, tuple(compared), tuple(named))

    def require_known(self, names: set[str]) -> None:
        """See that there are such parameters, and that they do not contradict each other.

        Raises:
            ParameterError: there is none, or one is both.
        """
        for name in (*self.seeds, *self.ignored, *self.compared, *self.named):
            if name not in names:
                raise ParameterError(f"no run has a parameter {name!r}: {closest(name, names)}")
        self.require_consistent()

    def require_consistent(self) -> None:
        """See that they do not contradict each other.

        Raises:
            ParameterError: a parameter is both.
        """
        for name in (*self.compared, *self.named):
            if name in self.seeds or name in self.ignored:
                raise ParameterError(f"the parameter {name!r} cannot be both compared and not compared")


def identities_path(root: Path) -> Path:
    """The file below a root directory with what tells the configurations of imported experiments apart."""
    return root / ".legm" / "imported.yml"


@contextmanager
def open_decisions(root: Path, *, keep: bool = True) -> Iterator[dict[str, Identity]]:
    """By experiment what was decided before, to add to: it is written down when the block ends.

    Args:
        root: the root directory.
        keep: whether it is; then nobody else decides in the meantime.

    Raises:
        StorageError: it cannot be read or written.
        CorruptFile: the file says something else.
    """
    path = identities_path(root)
    if not keep:
        yield read_identities(path) if path.exists() else {}
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("make the folder", path.parent, cause) from cause
    with file_lock(path.with_suffix(".lock")):
        before = read_identities(path) if path.exists() else {}
        identities = dict(before)
        yield identities
        if identities != before:
            write_identities(path, identities)
