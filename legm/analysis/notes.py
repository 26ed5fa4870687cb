"""What a user should know about a ranking: direction, choice of values, repeated and compared seeds."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from legm.core.code_versions import different_code_note
from legm.core.direction import merge_direction_rules
from legm.core.seeds import looks_like_seed
from legm.core.texts import counted
from legm.records import Configuration, Ranked, RunCounts
from legm.stats.number_formatting import spread_description
from legm.stats.run_counts import ALL_VALUES_METRICS
from legm.stats.value_choice import choice_note, choice_text, value_title

__all__ = [
    "brief_notes",
    "compared_seeds_note",
    "left_out_note",
    "log_ranking_notes",
    "method_note",
    "ranking_notes",
    "repeated_note",
    "unranked_note",
    "valueless_note",
]

log = logging.getLogger(__name__)


def ranking_notes(key: str, ranked: Sequence[Ranked]) -> list[str]:
    """What a user should know about a ranking, but for what is only about its configurations.

    Args:
        key: the metric's summary key.
        ranked: all of the ranking.

    Returns:
        how the values were chosen and which are better; then, if there are any, the runs without a value, the
        repeated seeds and the averages over runs of different code.
    """
    if not ranked:
        return []
    notes = [choice_text(key, merge_direction_rules(one.rules for one in ranked), ranked[0].direction)]
    notes += valueless_note(key, ranked)
    repeated = sum(one.repeated for one in ranked)
    notes += repeated_note(repeated, sum(one.completed for one in ranked))
    return [*notes, *different_code_note(one.code for one in ranked)]


def log_ranking_notes(key: str, ranked: Sequence[Ranked]) -> None:
    """Log what a user should know about a ranking; what may mislead is a warning.

    Args:
        key: the metric's summary key.
        ranked: all of the ranking.
    """
    rules = merge_direction_rules(one.rules for one in ranked)
    chosen, *warnings = ranking_notes(key, ranked)
    misleads = bool(ranked[0].direction.against or choice_note(key, rules))
    log.log(logging.WARNING if misleads else logging.INFO, "the ranking is by %s", chosen)
    for warning in (*warnings, *compared_seeds_note(one.configuration for one in ranked)):
        log.warning("%s", warning)


def method_note(ranked: Iterable[Ranked]) -> list[str]:
    """The note what the values and their spreads are; nothing for means with their deviations.

    Args:
        ranked: all of the ranking.
    """
    methods = dict.fromkeys(one.value.method for one in ranked)
    return [f"{spread_description(method)} over the runs" for method in methods if method != "mean"]


def valueless_note(key: str, ranked: Sequence[Ranked]) -> list[str]:
    """The note that completed runs are NaN, or do not have the metric; nothing where all have a number.

    Args:
        key: the metric's summary key.
        ranked: the configurations that are shown.
    """
    title = value_title(key, merge_direction_rules(one.rules for one in ranked))
    missing, nan = sum(one.missing for one in ranked), sum(one.value.nan for one in ranked)
    is_pooled = key in ALL_VALUES_METRICS
    facts = [f"NaN in {nan}"] if nan and not is_pooled else []
    facts += [f"missing in {missing}"] if missing else []
    completed = counted(sum(one.completed for one in ranked), "completed run")
    notes = [f"{title} is {' and '.join(facts)} of {completed}; these are not averaged"] if facts else []
    if nan and is_pooled:
        notes.append(f"{counted(nan, 'value')} of {title} {'is' if nan == 1 else 'are'} NaN and not averaged")
    return notes


def brief_notes(notes: Iterable[str]) -> str:
    """Notes for the caption of a picture, without what to do about them."""
    return "; ".join(note.partition(": --")[0] for note in notes)


def repeated_note(repeated: int, completed: int) -> list[str]:
    """The note that some runs have the seed of another one of their configuration; nothing without any.

    Args:
        repeated: how many.
        completed: of how many completed runs.
    """
    if not repeated:
        return []
    verbs = ("has", "counts") if repeated == 1 else ("have", "count")
    fact = f"{repeated} of {completed} runs {verbs[0]} the seed of another run of the same configuration"
    advice = "--one-per-seed (in Python one_per_seed=True) takes the newest of each seed"
    return [f"{fact} and {verbs[1]} all the same: {advice}"]


def left_out_note(counts: Iterable[Mapping[str, int]]) -> list[str]:
    """The note that some runs are not averaged; nothing without any.

    Args:
        counts: by status, how many runs are not averaged, of each configuration.
    """
    sums: Counter[str] = Counter()
    for one in counts:
        sums.update(one)
    kinds = [f"{count} {status}" for status, count in sums.items() if count]
    if not kinds:
        return []
    named = " and ".join([", ".join(kinds[:-1]), kinds[-1]] if kinds[1:] else kinds)
    return [f"{named} {'run is' if sums.total() == 1 else 'runs are'} not averaged"]


def unranked_note(counts: Iterable[RunCounts]) -> list[str]:
    """The note that configurations are in no ranking; nothing without any.

    Args:
        counts: theirs.
    """
    missing = 0
    unfinished: list[RunCounts] = []
    for one in counts:
        if one.completed:
            missing += 1
        elif one.running or any(one.left_out.values()):
            unfinished.append(one)
    kinds = [f"{counted(missing, 'configuration')} without the metric"] if missing else []
    if unfinished:
        sums: Counter[str] = Counter()
        for one in unfinished:
            sums.update({**one.left_out, "running": one.running})
        runs = ", ".join(f"{count} {status}" for status, count in sums.items() if count)
        kinds.append(f"{counted(len(unfinished), 'configuration')} without a completed run ({runs})")
    return [f"not ranked: {' and '.join(kinds)}"] if kinds else []


def compared_seeds_note(configurations: Iterable[Configuration]) -> list[str]:
    """The hint that configurations differ only in a compared seed; nothing where none do.

    Args:
        configurations: of one experiment.
    """
    groups: dict[str, int] = {}
    seeds_of: dict[str, list[str]] = {}
    seeds_among: dict[tuple[str, ...], list[str]] = {}  # most configurations have the same parameters
    for one in configurations:
        seeds = seeds_among.get(one.active)
        if seeds is None:
            seeds = seeds_among[one.active] = [name for name in one.active if looks_like_seed(name)]
        if not seeds:
            continue
        from legm.core.plain_form import canonical_plain_text

        rest = {name: one.parameters[name] for name in one.active if name not in seeds}
        key = canonical_plain_text([seeds, rest])
        groups[key] = groups.get(key, 0) + 1
        seeds_of[key] = seeds
    several = [key for key, members in groups.items() if members > 1]
    if not several:
        return []
    names = sorted({name for key in several for name in seeds_of[key]})
    fact = f"{sum(groups[key] for key in several)} configurations differ from another one only in "
    advice = (
        "each value is a configuration of its own, and no average is over them. In new runs, call "
        f"disable_param({names[0]!r}) before start(). Stored runs are united by "
        f"legm amend EXPERIMENT --ignore {names[0]}"
    )
    return [f"{fact}{' and '.join(names)}: {advice}"]
