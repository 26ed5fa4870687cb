"""Which parameters later imports into an experiment compare, after an amendment decided it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.changes.absent_values_change import (
    identities_of_imports,
    identity_of_experiment,
    write_identities_of_imports,
)
from legm.core.amendment_changes import AmendmentChanges
from legm.records import Plain

__all__ = ["ComparisonChange"]

_IGNORED, _COMPARED = "not_compared", "compared"
_REASON = "as amended"


@dataclass(frozen=True, slots=True)
class ComparisonChange:
    """What is changed of the parameters that imports compare.

    Args:
        before: by parameter, why it was not compared until now; None for one that was compared.
        after: the same from now on.
    """

    before: Mapping[str, str | None]
    after: Mapping[str, str | None]

    @classmethod
    def of(cls, experiment: Path, changes: AmendmentChanges) -> ComparisonChange:
        """What changes of a whole experiment decide about the parameters that its imports know.

        Raises:
            StorageError: what imports know cannot be read.
            CorruptFile: it is damaged.
        """
        about = identity_of_experiment(identities_of_imports(experiment.parent)[1], experiment) or {}
        known = _decided(about)
        asked = {**dict.fromkeys(changes.ignore, _REASON), **dict.fromkeys(changes.compare)}
        after = {
            name: reason
            for name, reason in asked.items()
            if name in known and (known[name] is None) != (reason is None)
        }
        return cls({name: known[name] for name in after}, after)

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> ComparisonChange:
        """The inverse of :meth:`content`."""
        return cls(dict(content["before"]), dict(content["after"]))

    def content(self) -> dict[str, Plain]:
        """It as a journal has it."""
        return {"before": dict(self.before), "after": dict(self.after)}

    def reversed(self) -> ComparisonChange:
        """What undoes it."""
        return ComparisonChange(self.after, self.before)

    def apply(self, experiment: Path) -> None:
        """Keep it with what imports know of the experiment; this may be repeated.

        Raises:
            LegmError: a file cannot be read or written, or is damaged.
        """
        path, content = identities_of_imports(experiment.parent)
        about = identity_of_experiment(content, experiment)
        if about is None:
            return
        decided = {**_decided(about), **self.after}
        about[_IGNORED] = {name: reason for name, reason in decided.items() if reason is not None}
        about[_COMPARED] = [name for name, reason in decided.items() if reason is None]
        write_identities_of_imports(path, content)


def _decided(about: Mapping[str, Any]) -> dict[str, str | None]:
    """By parameter, why imports do not compare it; None for one that they compare."""
    ignored = about.get(_IGNORED) or {}
    reasons = ignored if isinstance(ignored, dict) else dict.fromkeys(ignored, "as requested")
    return {**dict.fromkeys(about.get(_COMPARED) or []), **reasons}
