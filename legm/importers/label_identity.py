"""Which labels identify the configurations of imported runs: a pure function of what was observed of them.

Where the compared parameters do not distinguish runs, and their names, groups, tags or data sets differ, the
runs stay separate: these labels become parameters of the configuration. They are tried in this order, and
each is only taken if it distinguishes runs that everything before it does not. Of names, groups and tags the
*stem* counts (see :mod:`legm.importers.labels`).

What merely says where a run comes from is weaker evidence, since a user may change the code between two
seeds. A script or a commit counts if runs with equal parameters, seeds included, differ in it. Digests of
data count unless each seed has its own, as it has when the seed splits the data.

Captured runs arrive one by one, so nothing may differ yet. For them, a name, a group, a tag or a data set is
taken as soon as it is there, and a commit if the run has nothing else that identifies it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from legm.core.plain_form import canonical_plain_text
from legm.core.texts import counted
from legm.importers.labels import (
    LabelKind,
    LabelUse,
    are_numbered_labels,
    is_made_up_label,
    label_has_number,
    label_value,
)
from legm.importers.observed import ObservedRun, ObservedRuns
from legm.records import Plain

__all__ = ["averaged_labels", "infer_labels", "label_values"]

_KINDS = [*LabelKind]
_ORIGINS = frozenset({LabelKind.SCRIPT, LabelKind.COMMIT})


def infer_labels(
    observed: ObservedRuns,
    ignored: Iterable[str],
    compared: Iterable[str],
    given: Mapping[str, str],
    is_noise: Callable[[str, list[Plain]], bool],
    *,
    more_to_come: bool = False,
) -> dict[str, str]:
    """The use of each label that identifies configurations, or about which a decision was given.

    Args:
        observed: what was observed of the runs.
        ignored, compared: the parameters that are not compared, and those that are.
        given: what is already decided.
        is_noise: whether a tag and its values are those of a seed, a device, a host and so on.
        more_to_come: whether further runs are expected: see above.
    """
    found = dict(given)
    groups = _LabelGroups(observed, ignored, compared)
    for name, use in found.items():
        groups.split(name, use)
    undecided = [name for name in observed.labels if name not in found]
    for name in sorted(undecided, key=lambda name: (_KINDS.index(observed.labels[name].kind), name)):
        kind = observed.labels[name].kind
        if kind is LabelKind.TAG and is_noise(name, groups.texts(name)):
            continue
        use = groups.use_for(name, more_to_come=more_to_come)
        if groups.is_distinguished_by(name, use, kind) or (
            more_to_come and groups.may_distinguish(name, use, kind)
        ):
            found[name] = use.value
            groups.split(name, use)
    return found


def averaged_labels(
    observed: ObservedRuns, ignored: Iterable[str], compared: Iterable[str], uses: Mapping[str, str]
) -> dict[str, str]:
    """What differs between runs of one configuration although it does not count, as text by label."""
    groups = _LabelGroups(observed, ignored, compared)
    for name, use in uses.items():
        groups.split(name, use)
    return {
        name: text
        for name in sorted(observed.labels, key=lambda name: (_KINDS.index(observed.labels[name].kind), name))
        if uses.get(name) != LabelUse.IGNORED and (text := groups.averaged(name))
    }


def label_values(
    observed: ObservedRuns, ignored: Iterable[str], uses: Mapping[str, str]
) -> dict[str, list[Plain]]:
    """The different values of the labels that are compared; None for runs without one."""
    positions = observed.positions(ignored)
    found: dict[str, dict[str, Plain]] = {name: {} for name in uses if name in observed.labels}
    for run in observed:
        unimportant = observed.values_at(run, positions)
        for name, known in found.items():
            label = run.labels.get(name)
            value = None if label is None else label_value(label, uses[name], unimportant)
            known.setdefault(canonical_plain_text(value), value)
    return {name: [known[text] for text in sorted(known)] for name, known in found.items()}


class _LabelGroups:
    """The observed runs, in groups that nothing distinguishes so far."""

    def __init__(self, observed: ObservedRuns, ignored: Iterable[str], compared: Iterable[str]) -> None:
        self._observed = observed
        self._ignored = observed.positions(ignored)
        positions = observed.positions(compared)
        self._groups = _grouped_by_label(
            observed, lambda run: (run.description, *(run.value_number(one) for one in positions))
        )
        self._unimportant = {id(run): observed.values_at(run, self._ignored) for run in observed}
        self._is_identified = any(run.value_number(one) for run in observed for one in positions)

    def _value(self, run: ObservedRun, name: str, use: LabelUse | str) -> str:
        label = run.labels.get(name)
        value = None if label is None else label_value(label, use, self._unimportant[id(run)])
        return canonical_plain_text(value)

    def _seeds(self, run: ObservedRun) -> tuple[int, ...]:
        return tuple(run.value_number(position) for position in self._ignored)

    def split(self, name: str, use: LabelUse | str) -> None:
        """Split the groups by a label."""
        self._is_identified |= any(
            self._value(run, name, use) != "null" for group in self._groups for run in group
        )
        self._groups = [
            part
            for group in self._groups
            for part in _grouped_by_label(group, lambda run: self._value(run, name, use))
        ]

    def texts(self, name: str) -> list[Plain]:
        """The different values of a label."""
        found = {str(run.labels[name].value) if name in run.labels else None for run in self._observed}
        return [*sorted(found, key=str)]

    def use_for(self, name: str, *, more_to_come: bool) -> LabelUse:
        """Which numbers in a label do not count.

        That a number is the seed's may be chance: ``v2`` with the seed 2. It is none if the same text never
        has two stems. Captured runs come one by one, and for them it must be a word of its own.
        """
        runs = [run for run in self._observed if name in run.labels]
        texts = [str(run.labels[name].value) for run in runs]
        stems = [self._value(run, name, LabelUse.STEM) for run in runs]
        unseeded = [self._value(run, name, LabelUse.UNSEEDED) for run in runs]
        is_unique = len({*zip(texts, unseeded, strict=True)}) == len({*texts})
        if more_to_come:
            numbers = [
                label_has_number(text, self._unimportant[id(run)])
                for run, text in zip(runs, texts, strict=True)
            ]
            return LabelUse.UNSEEDED if any(numbers) else LabelUse.STEM
        if unseeded != stems and is_unique:
            return LabelUse.UNSEEDED
        named = all(run.labels[name].kind in {LabelKind.NAME, LabelKind.GROUP} for run in runs)
        values = {label_value(run.labels[name], LabelUse.STEM, ()) for run in runs if named}
        if len({*texts}) == len(texts) and are_numbered_labels(one for one in values if isinstance(one, str)):
            return LabelUse.UNNUMBERED
        return LabelUse.STEM

    def is_distinguished_by(self, name: str, use: LabelUse, kind: LabelKind) -> bool:
        """Whether some runs that nothing distinguishes differ in a label."""
        for group in self._groups:
            values = {self._value(run, name, use) for run in group}
            if len(values) < 2:
                continue
            if kind in _ORIGINS or kind is LabelKind.DIGEST:
                by_seed = _grouped_by_label(group, self._seeds)
                if any(len({self._value(run, name, use) for run in part}) > 1 for part in by_seed):
                    return True
                if kind is LabelKind.DIGEST and len(values) < len(by_seed):
                    return True
            else:
                return True
        return False

    def may_distinguish(self, name: str, use: LabelUse, kind: LabelKind) -> bool:
        """Whether a label may distinguish a run from later ones."""
        if kind is LabelKind.SCRIPT:
            return False
        if kind is LabelKind.COMMIT and self._is_identified:
            return False
        if kind is LabelKind.DIGEST and self._ignored:
            return False
        return any(
            self._value(run, name, use) != "null" and run.labels[name].value != run.description
            for run in self._observed
        )

    def averaged(self, name: str) -> str | None:
        """How a label differs between runs of one group, as text; None if it does not.

        Names that a tracker made up always differ, which tells nothing.
        """
        found: set[str] = set()
        for group in self._groups:
            labels = [run.labels[name] for run in group if name in run.labels]
            values = {
                str(label.value)
                for label in labels
                if not (label.kind is LabelKind.NAME and is_made_up_label(str(label.value)))
            }
            if len(values) > 1 or (values and len(labels) < len(group)):
                found |= values
        if not found:
            return None
        count = counted(len(found), "value")
        return f"{count}, such as {' and '.join(map(repr, sorted(found)[:2]))}"


def _grouped_by_label(
    runs: Iterable[ObservedRun], key: Callable[[ObservedRun], Hashable]
) -> list[Sequence[ObservedRun]]:
    groups: dict[Hashable, list[ObservedRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return [*groups.values()]
