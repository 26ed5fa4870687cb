"""Groups of ranked configurations: what is left of a ranking when only some parameters count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from legm.core.direction import merge_direction_rules
from legm.core.effective_values import EffectiveValues
from legm.core.missing import MISSING
from legm.core.plain_form import canonical_plain_text
from legm.core.texts import counted
from legm.errors import ParameterError, closest
from legm.records import Configuration, Plain, Ranked, RankedGroup, RunCounts
from legm.stats.aggregate import AggregationMethod, MethodKind, aggregate_counts, aggregate_interval

__all__ = ["group_notes", "group_ranked", "require_group_parameters"]

_CENTERS = {MethodKind.MEDIAN: "median", MethodKind.OUTLIER_MEAN: "mean without outliers"}  # others: the mean


def group_ranked(ranked: Sequence[Ranked], names: Sequence[str] | str) -> list[RankedGroup]:
    """Group ranked configurations by parameters, and rank the groups by the mean over their configurations.

    Each configuration counts once, however many runs it has. Those in which a parameter is not active
    are in groups of their own.

    Args:
        ranked: the configurations, as they were ranked.
        names: the parameters.

    Returns:
        the groups, best first; those of which no configuration has a number are last.

    Raises:
        ParameterError: no configuration has one of the parameters, or it was given twice.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    require_group_parameters(wanted, [one.configuration for one in ranked])
    effective = EffectiveValues(one.configuration for one in ranked)
    groups: dict[str, tuple[dict[str, Plain], list[Ranked]]] = {}
    for one in ranked:
        own = _group_values(effective, one.configuration, wanted)
        groups.setdefault(canonical_plain_text(own), (own, []))[1].append(one)
    found = [_ranked_group(members, own) for own, members in groups.values()]
    sign = -1 if ranked and ranked[0].direction.higher_better else 1
    return sorted(found, key=lambda one: (math.isnan(one.value.mean), sign * one.value.mean))


def require_group_parameters(names: Sequence[str], every: Sequence[Configuration]) -> None:
    """Check that configurations can be grouped by parameters.

    Args:
        names: the parameters.
        every: the configurations.

    Raises:
        ParameterError: no configuration has one of the parameters, or it was given twice.
    """
    known = {name for one in every for name in one.active}
    for name in names:
        if name not in known and any(name in one.parameters for one in every):
            raise ParameterError(
                f"{name!r} is not compared or not active in any configuration, so there is nothing to group "
                f"by; {closest(name, known)}"
            )
        if name not in known:
            raise ParameterError(f"no configuration has an active parameter {name!r}; {closest(name, known)}")
        if list(names).count(name) > 1:
            raise ParameterError(f"{name!r} was given twice to group by")


def _group_values(
    effective: EffectiveValues, configuration: Configuration, names: Sequence[str]
) -> dict[str, Plain]:
    found = {name: effective.value_of(configuration, name) for name in names}
    return {name: value for name, value in found.items() if value is not MISSING}


def _ranked_group(members: Sequence[Ranked], parameters: Mapping[str, Plain]) -> RankedGroup:
    centers = [aggregate_interval(one.value)[0] for one in members]
    whole = RunCounts(members[0].configuration, values={"best_": centers})
    (value,) = aggregate_counts([whole], "best_", "mean")
    assert value is not None  # noqa: S101
    return RankedGroup(
        parameters,
        value,
        tuple(members),
        sum(one.runs for one in members),
        members[0].direction,
        merge_direction_rules(one.rules for one in members),
    )


def group_notes(names: Sequence[str], groups: Sequence[RankedGroup]) -> list[str]:
    """What is averaged in groups: nothing where there are none."""
    if not groups:
        return []
    members = [one.configuration for group in groups for one in group.members]
    effective = EffectiveValues(members)
    others = sorted({name for one in members for name in one.active} - set(names))
    over = [name for name in others if any(_varies_in_group(effective, name, group) for group in groups)]
    what = f", which differ in {', '.join(over)}" if over else ""
    mean = f"each value is the mean over the configurations of a group{what}, and their standard deviation"
    different = len({one.fingerprint for one in members})
    kinds = {AggregationMethod.parse(one.value.method).kind for group in groups for one in group.members}
    center = "".join(f"the {text} " for kind, text in _CENTERS.items() if kind in kinds)
    each = f"each of these is {center}over its runs ({counted(different, 'configuration')})"
    return [f"grouped by {', '.join(names)}: {mean}; {each}"]


def _varies_in_group(effective: EffectiveValues, name: str, group: RankedGroup) -> bool:
    texts = {
        canonical_plain_text(_group_values(effective, one.configuration, [name])) for one in group.members
    }
    return len(texts) > 1
