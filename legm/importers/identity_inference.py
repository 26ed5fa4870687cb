"""Which parameters of imported runs identify a configuration: a pure function of the runs' parameters.

Other trackers store runs, not configurations: nothing states that a run with another seed belongs to the same
configuration. So this is inferred for each experiment, and the user reviews it. A parameter is proposed as
*not compared*

1. if its name and its values look like those of a **seed**, whether it varies or not, since the next run will
   have another one;
2. if it varies, and its name and its values look like those of a **device**, of **workers**, of a **host** or
   process, of a **time** of each run's own, or of a **path that is written to**;
3. if it varies, every run has a **path** in it, whatever its name, and the last part of all these paths is
   the same: one file or folder at different paths on different machines.

Captured runs arrive one by one, so a parameter may not have varied yet. For them, rule 2 only requires a
matching name and value.

Both name and values must match: :mod:`legm.core.parameter_kinds`. Everything else is compared. In doubt
runs are therefore kept separate, which is obvious and fixed with ``--ignore``, instead of being averaged
together, which might go unnoticed. A path that is read (of data, of a pretrained model) only falls under
rule 3.

If the source knows whether a parameter is compared, nothing is inferred: a parameter that no run compares is
ignored, one that all runs compare is compared, and one on which runs disagree stays as it was for each run.

A compared parameter that only the newer runs have, most of them with one value, was probably added later,
with the old behaviour as its default. This value is *proposed* as its absent value
(:mod:`legm.core.absent_values`) and never used before the user accepts it.

Where these parameters do not distinguish runs, names, groups, tags and the like may:
:mod:`legm.importers.label_identity`.

The rules never look at metrics, and, except for absent values and times, at a parameter's values only as a
set: neither the order nor the number of runs changes the proposal, only which values occur. Parameters that
are not compared never join runs that differ in a compared one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from legm.core.parameter_kinds import describe_parameter_kind, infer_parameter_kind
from legm.core.parameters import format_parameter_value
from legm.core.texts import counted
from legm.core.value_parsing import parse_value_text
from legm.importers.label_identity import infer_labels, label_values
from legm.importers.observed import ObservedRuns
from legm.records import Plain

__all__ = ["UNDECIDED", "Identity", "infer_identity"]

_MAX_NAMES, _MAX_VALUE_LENGTH = 4, 24


@dataclass(frozen=True, slots=True)
class Identity:
    """Which parameters identify the configurations of one experiment.

    Args:
        ignored: the parameters that are not compared, each with a short reason.
        compared: all other parameters.
        named: the compared parameters that make up a configuration's name, most important first.
        labels: the use (:class:`legm.importers.labels.LabelUse`) of each label about which something is
            decided. One that is not ignored is a parameter of the configurations.
        run_folders: in a source of folders, how many of the last ones name a run of the experiment.
        absent_values: by compared parameter, the value that runs from before it existed had.
        proposed_absent_values: what may be one, for the user to accept; it is not used.
        refused_absent_values: the parameters for which none is proposed any more.
    """

    ignored: Mapping[str, str] = field(default_factory=dict)
    compared: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    run_folders: int = 1
    absent_values: Mapping[str, Plain] = field(default_factory=dict)
    proposed_absent_values: Mapping[str, Plain] = field(default_factory=dict)
    refused_absent_values: tuple[str, ...] = ()


UNDECIDED = Identity()


def infer_identity(
    observed: ObservedRuns, given: Identity = UNDECIDED, *, more_to_come: bool = False
) -> Identity:
    """Infer which parameters and labels identify an experiment's configurations.

    Args:
        observed: what was observed of the runs.
        given: what is already decided; the rest is inferred. A ``named`` that is not empty is kept.
        more_to_come: whether further runs are expected, so that a parameter does not have to vary to count as
            a device, a host, a time or a path that is written to.
    """
    ignored, compared = dict(given.ignored), list(given.compared)
    for name in observed.names():
        if name in ignored or name in compared:
            continue
        votes = observed.compared_by_source(name)
        if votes is not None:
            if votes == {False}:
                ignored[name] = "its source does not compare it"
            elif False not in votes:
                compared.append(name)
            continue
        values = observed.values(name)
        kind = infer_parameter_kind(
            name, values, more_to_come=more_to_come, are_own_times=observed.are_own_times(name)
        )
        if kind is None:
            compared.append(name)
        else:
            ignored[name] = f"{describe_parameter_kind(kind)}, {counted(len(values), 'value')}"
    labels = infer_labels(
        *(observed, ignored, compared, given.labels),
        functools.partial(_is_identity_noise, observed),
        more_to_come=more_to_come,
    )
    return Identity(
        ignored,
        tuple(compared),
        given.named
        or observed.name_parameters()
        or _infer_name_parameters(observed, ignored, compared, labels),
        labels,
        given.run_folders,
        given.absent_values,
        _infer_absent_values(observed, compared, given),
        given.refused_absent_values,
    )


def _infer_absent_values(
    observed: ObservedRuns, compared: Iterable[str], given: Identity
) -> Mapping[str, Plain]:
    """What may be absent values, with those that were proposed before."""
    found = {name: observed.dominating_value_of_newer_runs(name) for name in compared}
    proposed = {**given.proposed_absent_values, **{n: v for n, v in found.items() if v is not None}}
    decided = {*given.absent_values, *given.refused_absent_values}
    return {name: proposed[name] for name in sorted({*proposed} & {*compared} - decided)}


def _is_identity_noise(observed: ObservedRuns, label: str, values: Iterable[Plain]) -> bool:
    """Whether a tag looks like a parameter that is not compared."""
    known = [parse_value_text(value) if isinstance(value, str) else value for value in values]
    kind = infer_parameter_kind(
        label.removeprefix("tags."), known, more_to_come=True, are_own_times=observed.are_own_times(label)
    )
    return kind is not None


def _infer_name_parameters(
    observed: ObservedRuns, ignored: Iterable[str], compared: Iterable[str], labels: Mapping[str, str]
) -> tuple[str, ...]:
    """The few compared parameters with the most values that are short enough for a readable name."""
    varied: list[tuple[int, str]] = []
    candidates = {name: observed.values(name) for name in compared if name in observed.names()}
    for name, values in {**candidates, **label_values(observed, ignored, labels)}.items():
        if len(values) > 1 and all(
            len(format_parameter_value(value)) <= _MAX_VALUE_LENGTH for value in values
        ):
            varied.append((-len(values), name))
    return tuple(name for _, name in sorted(varied)[:_MAX_NAMES])
