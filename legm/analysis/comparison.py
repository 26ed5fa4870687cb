"""Compares configurations: which of their runs form pairs, and whether a difference is significant."""

from __future__ import annotations

import functools
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any

from legm.analysis.configuration_lookup import LookupCandidate, labels_in_backend, resolve_configuration
from legm.analysis.selected_runs import SelectedRuns
from legm.analysis.summaries import require_summarized_runs
from legm.core.code_versions import count_code, different_code_text
from legm.core.direction import decide_direction, merge_direction_rules
from legm.core.naming import check_name, readable_name, safe_name
from legm.core.plain_form import canonical_plain_text
from legm.core.seeds import looks_like_seed
from legm.core.selection import RunSelection
from legm.core.texts import counted
from legm.delivery.client import BackendClient
from legm.delivery.reading import number_of_runs_to_read, read_runs
from legm.errors import LegmError, MetricError, ParameterError, closest
from legm.hooks import Capability
from legm.records import (
    BestRule,
    Comparison,
    Configuration,
    Direction,
    Plain,
    RunResult,
    Series,
    Split,
    Status,
    Summary,
)
from legm.runlog.file_names import OWN_FOLDER
from legm.stats import significance
from legm.stats.run_counts import ALL_VALUES_METRICS, count_repeated, newest_counted_of_each_seed, summary_key
from legm.stats.value_choice import choice_as_dict, choice_note, value_title
from legm.util.progress import show_progress

__all__ = [
    "compare_results",
    "compare_runs",
    "comparison_as_dict",
    "find_compared_configurations",
    "labels_of_compared",
]


@dataclass(frozen=True, slots=True)
class _ComparedSide:
    """One configuration's values in a comparison.

    Args:
        label: "a" or "b".
        key: the metric's, in a summary.
        runs: the parameters of each run that has a number, and the number.
        parameters: the names of those that completed runs have a value of.
        total: how many runs there are.
        left_out: how many of them are not compared, by the reason.
        rules: how the completed runs chose their best step, each rule with its number of runs.
        repeated: how many of the runs have the seed of another one.
        environments: of each of the runs, where it comes from.
    """

    configuration: Configuration
    label: str
    key: str
    runs: list[tuple[Mapping[str, Plain], float]]
    parameters: frozenset[str]
    total: int
    left_out: Counter[str]
    rules: Counter[BestRule]
    repeated: int
    environments: list[Mapping[str, Plain]]


def compare_runs(
    client: BackendClient,
    description: str,
    a: Configuration,
    others: Sequence[Configuration],
    metric: str,
    *,
    test: bool,
    seed: str | Sequence[str] | None,
    level: float,
    higher_better: bool | None = None,
    one_per_seed: bool = False,
    selection: RunSelection | None = None,
    problems: MutableMapping[str, str] | None = None,
) -> list[Comparison]:
    """Compare a configuration with others by one metric of their completed runs.

    Args:
        client: of the backend.
        description: of the runs.
        a: the configuration to compare.
        others: the configurations to compare it with; their p-values are adjusted together.
        metric: a dev metric, at the best step, or a test metric; for one in ALL_VALUES_METRICS a run
            has the mean of its values.
        test: whether it is a test metric.
        seed: the parameters whose values pair the runs: one, or several of which all must be equal; an
            empty sequence for an unpaired comparison; None for those that look like seeds on both sides.
        level: the coverage of the interval.
        higher_better: whether higher is better; None to decide by the runs' best rules, else by the metric's
            name: see :func:`legm.core.direction.decide_direction`.
        one_per_seed: whether of several completed runs with equal seeds only the newest is compared.
        selection: of the runs that are compared; None for all.
        problems: receives, by fingerprint, why any of the others cannot be compared, which is then left out;
            None to raise that.

    Returns:
        a comparison for each of the others, in their order.

    Raises:
        MetricError: no completed run of a configuration has the metric, or it has one value per index.
        ParameterError: two of the configurations are the same, no run has the seed, or the selection names a
            parameter that none of them has.
        StateError: a configuration has no completed run.
        LegmError: the level is not between 0 and 1.
    """
    try:
        is_level = 0 < level < 1
    except TypeError:
        is_level = False
    if not is_level:
        raise LegmError(f"level={level!r} is not a number strictly between 0 and 1, such as 0.95")
    check_name("metric", metric, MetricError)
    names = None if seed is None else _compared_seed_names(seed)
    everyone = {a.fingerprint}
    for other in others:
        if other.fingerprint in everyone:
            raise ParameterError(f"compare() was given the configuration {_compared_name(other)!r} twice")
        everyone.add(other.fingerprint)
    runs = SelectedRuns.of(selection or RunSelection(), (a, *others), functools.partial(read_runs, client))
    side = functools.partial(
        _compared_side, client, description, runs, metric=metric, test=test, one_per_seed=one_per_seed
    )
    ours, theirs = side(a, "a"), []
    for other in others:
        try:
            theirs.append(side(other, "b"))
        except LegmError as error:
            if problems is None:
                raise
            problems[other.fingerprint] = str(error)
    rules = merge_direction_rules(one.rules for one in (ours, *theirs))
    direction = decide_direction(metric, rules, higher_better, over_all_values=ours.key in ALL_VALUES_METRICS)
    found = [
        _comparison_with_choice(
            _compare_sides(ours, one, names, float(level)),
            merge_direction_rules((ours.rules, one.rules)),
            direction,
        )
        for one in theirs
    ]
    if selection:
        found = [replace(one, notes=(*one.notes, f"only runs with {selection}")) for one in found]
    adjusted = significance.holm_adjust([one.p for one in found])
    return [replace(one, p_adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def _comparison_with_choice(
    comparison: Comparison, rules: Mapping[BestRule, int], direction: Direction
) -> Comparison:
    """The comparison with how its values were chosen, and which are better."""
    key = comparison.metric
    notes = (*comparison.notes, *filter(None, [choice_note(key, rules)]))
    title = value_title(key, rules)
    return replace(comparison, direction=direction, rules=rules, title=title, notes=notes)


def _compared_seed_names(seed: str | Sequence[str]) -> tuple[str, ...]:
    names = (seed,) if isinstance(seed, str) else tuple(seed) if isinstance(seed, Iterable) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise ParameterError(f"seed={seed!r} names no parameters: give a name, or a list of names")
    return names


def _compared_side(
    client: BackendClient,
    description: str,
    selected: SelectedRuns,
    configuration: Configuration,
    label: str,
    *,
    metric: str,
    test: bool,
    one_per_seed: bool,
) -> _ComparedSide:
    wanted = Series(metric, Split.TEST if test else Split.DEV)
    key = summary_key(wanted)
    over_all_values = key in ALL_VALUES_METRICS
    histories = frozenset({metric}) if over_all_values else frozenset()
    status: Counter[Status] = Counter()
    left_out: Counter[str] = Counter()
    known: set[Series] = set()
    parameters: set[str] = set()
    rules: Counter[BestRule] = Counter()
    runs = []
    environments: list[Mapping[str, Plain]] = []
    found: Iterable[RunResult] = selected.read(configuration, description, histories)
    if one_per_seed:
        found = newest_counted_of_each_seed(found)
    total = functools.partial(number_of_runs_to_read, client, configuration, description)
    for run in show_progress(found, "reading runs", total):
        status[run.status] += 1
        if run.status is not Status.COMPLETED:
            left_out[run.status.value] += 1
            continue
        known.update(run.best, run.test)
        rules[run.rule] += 1
        parameters.update(name for name, value in run.run.parameters.items() if value is not None)
        value = _compared_value(run, wanted, over_all_values)
        if value is None:
            left_out["without the metric"] += 1
        elif value != value:  # noqa: PLR0124 - NaN
            left_out["NaN"] += 1
        else:
            runs.append((run.run.parameters, value))
            environments.append(run.run.environment)
    require_summarized_runs(
        Summary(
            *({}, status[Status.COMPLETED], status[Status.FAILED], status[Status.INTERRUPTED]),
            pruned=status[Status.PRUNED],
        ),
        configuration,
        description,
    )
    _require_compared_metric(wanted, known, configuration)
    repeated = count_repeated(parameters for parameters, _ in runs)
    return _ComparedSide(
        *(configuration, label, key, runs, frozenset(parameters), status.total(), left_out, rules, repeated),
        environments=environments,
    )


def _compared_value(run: RunResult, wanted: Series, over_all_values: bool) -> float | None:
    """A run's number, None where it has none."""
    if over_all_values and wanted in run.histories:
        values = [value for value in run.histories[wanted].values.tolist() if value == value]  # noqa: PLR0124
        return significance.sample_mean(values)
    return (run.test if wanted.split is Split.TEST else run.best).get(wanted)


def _require_compared_metric(wanted: Series, known: set[Series], configuration: Configuration) -> None:
    if wanted in known:
        return
    kind, name = wanted.split.value, wanted.name
    if any(series.name == name and series.split is wanted.split for series in known):
        raise MetricError(f"{name!r} has one value per index; compare() takes a metric of the whole run")
    other = {Split.DEV: Split.TEST, Split.TEST: Split.DEV}[wanted.split]
    hint = closest(name, {series.name for series in known if series.split is wanted.split})
    if Series(name, other) in known:
        hint = f"it is a {other.value} metric: test={other is Split.TEST}"
    raise MetricError(
        f"no completed run of {_compared_name(configuration)!r} has the {kind} metric {name!r}; {hint}"
    )


def _compare_sides(
    a: _ComparedSide, b: _ComparedSide, names: tuple[str, ...] | None, level: float
) -> Comparison:
    if names is None:
        names = tuple(sorted(filter(looks_like_seed, a.parameters & b.parameters)))
        reason = "no parameter of both looks like a seed"
    else:
        _require_compared_seed(names, a, b)
        reason = "as asked"
    ours, theirs = _compared_values_by_seed(a.runs, names), _compared_values_by_seed(b.runs, names)
    common = sorted(ours.keys() & theirs.keys())
    notes: list[str] = []
    left_out = {side.label: Counter(side.left_out) for side in (a, b)}
    if paired := len(common) > 1:
        x, y = ([significance.sample_mean(one[seed]) for seed in common] for one in (ours, theirs))
        n_a, n_b = (sum(len(one[seed]) for seed in common) for one in (ours, theirs))
        for side, by_seed, n in ((a, ours, n_a), (b, theirs, n_b)):
            seeded = sum(map(len, by_seed.values()))
            left_out[side.label].update(
                {"without a seed": len(side.runs) - seeded, "without a partner": seeded - n}
            )
        if max(n_a, n_b) > len(common):
            notes.append("where several runs have the same seed, their mean is used")
        outcome = significance.paired_permutation_test(x, y)
        interval = significance.paired_confidence_interval(x, y, level)
    else:
        x, y = ([value for _, value in side.runs] for side in (a, b))
        n_a, n_b = len(x), len(y)
        why = f"they have {len(common) or 'no'} seed in common, and pairs need two" if names else reason
        notes.append(f"not paired: {why}")
        for side in (a, b):
            if side.repeated:
                have, count = ("has", "counts") if side.repeated == 1 else ("have", "count")
                runs = f"{side.repeated} of {len(side.runs)} runs of {side.label}"  # at least two
                notes.append(f"{runs} {have} the seed of another and {count} too")
        outcome = significance.unpaired_permutation_test(x, y)
        interval = significance.unpaired_confidence_interval(x, y, level)
    for side in (a, b):
        out = +left_out[side.label]
        if out:
            kinds = ", ".join(f"{count} {reason}" for reason, count in sorted(out.items()))
            are = "is" if out.total() == 1 else "are"
            runs = f"{out.total()} of {counted(side.total, 'run')}"
            notes.append(f"{runs} of {side.label} {are} left out: {kinds}")
    notes += [
        note for side in (a, b) for note in _compared_code_note(side, names, common if paired else None)
    ]
    notes += _comparison_limits(x, y, outcome, paired, level)
    return Comparison(
        a=a.configuration,
        b=b.configuration,
        metric=a.key,
        mean_a=significance.sample_mean(x),
        mean_b=significance.sample_mean(y),
        n_a=n_a,
        n_b=n_b,
        difference=interval[0],
        lower=interval[1],
        upper=interval[2],
        level=level,
        p=outcome.p,
        p_adjusted=outcome.p,
        paired=paired,
        pairs=len(common) if paired else 0,
        seeds=names,
        method="" if not outcome.arrangements else "exact" if outcome.exact else "sampled",
        arrangements=outcome.arrangements,
        notes=tuple(notes),
    )


def _require_compared_seed(names: Sequence[str], *sides: _ComparedSide) -> None:
    for side in sides:
        for name in names:
            if name in side.parameters:
                continue
            hint = closest(name, side.parameters)
            if name in side.configuration.active:
                hint = "it is compared, so every run has the same value: exclude it with disable_param()"
            raise ParameterError(
                f"no run of {_compared_name(side.configuration)!r} has a seed {name!r}; {hint}"
            )


def _compared_values_by_seed(
    runs: Sequence[tuple[Mapping[str, Plain], float]], names: Sequence[str]
) -> dict[str, list[float]]:
    """The values of the runs by the canonical text of their seed, of those that have one."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for parameters, value in runs:
        seed = _compared_seed(parameters, names)
        if seed is not None:
            found[seed].append(value)
    return found


def _compared_seed(parameters: Mapping[str, Plain], names: Sequence[str]) -> str | None:
    """The canonical text of a run's seed; None where it has none."""
    seed = [parameters.get(name) for name in names]
    return canonical_plain_text(seed) if seed and None not in seed else None


def _compared_code_note(
    side: _ComparedSide, names: Sequence[str], common: Collection[str] | None
) -> list[str]:
    """The note that the runs behind a mean come from different code; only paired ones, if there are pairs."""
    environments = [
        environment
        for (parameters, _), environment in zip(side.runs, side.environments, strict=True)
        if common is None or _compared_seed(parameters, names) in common
    ]
    text = different_code_text(count_code(environments))
    return [f"the runs of {side.label} come from different code: {text}"] if text else []


def _comparison_limits(
    x: Sequence[float],
    y: Sequence[float],
    outcome: significance.PermutationTest,
    paired: bool,
    level: float,
) -> list[str]:
    """Notes on what the numbers cannot show."""
    few = [label for label, values in (("a", x), ("b", y)) if len(values) < 2]
    if few:
        have = "has" if len(few) == 1 else "have"
        return [f"no interval and no p-value: they need two runs, and {' and '.join(few)} {have} fewer"]
    if not all(map(isfinite, (*x, *y))):
        return ["no interval and no p-value: a value is infinite"]
    smallest = (2 if paired or len(x) == len(y) else 1) / outcome.arrangements
    if smallest > 1 - level:
        return [f"so few runs cannot give a p-value below {smallest:.3g}"]
    return []


def _compared_name(configuration: Configuration) -> str:
    return configuration.name or configuration.fingerprint


def compare_results(
    client: BackendClient,
    experiment: str,
    description: str,
    metric: str,
    wanted: Sequence[Configuration | str | os.PathLike[str]],
    **given: Any,
) -> list[Comparison]:
    """Compare the first of several configurations of an experiment with each other one.

    Args:
        client: of the backend.
        experiment: the experiment.
        description: of the runs.
        metric: a dev or test metric.
        wanted: as for :func:`find_compared_configurations`.
        **given: as for :func:`compare_runs`.
    """
    first, *others = find_compared_configurations(client, experiment, wanted)
    return compare_runs(client, description, first, others, metric, **given)


def labels_of_compared(client: BackendClient, compared: Sequence[Comparison]) -> dict[str, str]:
    """By fingerprint, what compared configurations are called in paths.

    Args:
        client: of the backend, which is asked for all configurations where it has no folders.
        compared: the comparisons.
    """
    found = {each.fingerprint: each for one in compared for each in (one.a, one.b)}
    if not client.supports(Capability.FOLDERS):
        for name in {one.a.experiment for one in compared}:
            found |= {one.fingerprint: one for one in client.configurations(name)}
    return labels_in_backend(client, found.values())


def find_compared_configurations(
    client: BackendClient, experiment: str, wanted: Sequence[Configuration | str | os.PathLike[str]]
) -> list[Configuration]:
    """The configurations of an experiment that a user names.

    Args:
        client: of the backend.
        experiment: the experiment.
        wanted: each itself, or a text that names it: see
            :func:`legm.analysis.configuration_lookup.resolve_configuration`.

    Raises:
        ParameterError: there is none, there are several, or it is another experiment's.
    """
    candidates: list[LookupCandidate] = []
    found = []
    for one in wanted:
        if isinstance(one, Configuration):
            if one.experiment != experiment:
                raise ParameterError(
                    f"the configuration {_compared_name(one)!r} is of the experiment {one.experiment!r}, "
                    f"not of {experiment!r}: configurations of one experiment can be compared"
                )
            found.append(one)
        elif isinstance(one, (str, os.PathLike)):
            candidates = candidates or _comparison_candidates(client, experiment)
            found.append(_resolve_compared(os.fspath(one), candidates, experiment, client.root))
        else:
            raise ParameterError(
                "compare() takes handlers, configurations, results of get_best(), or their names, folders or "
                f"fingerprints, not {type(one).__qualname__}"
            )
    return found


def _comparison_candidates(client: BackendClient, experiment: str) -> list[LookupCandidate]:
    """Every configuration of an experiment, as a text may name it."""
    configurations = list(client.configurations(experiment))
    labels = labels_in_backend(client, configurations)
    return [LookupCandidate(labels[one.fingerprint], one, client.folder(one)) for one in configurations]


def _resolve_compared(
    text: str, candidates: Sequence[LookupCandidate], experiment: str, root: Path
) -> Configuration:
    experiment_folder = root / safe_name(experiment)
    parents = [one.folder.parent for one in candidates if one.folder is not None]
    if parents and OWN_FOLDER not in parents[0].parts:  # it may have been renamed
        experiment_folder = parents[0]
    found = resolve_configuration(text, candidates, repr(experiment), experiment_folder).configuration
    assert found is not None  # noqa: S101 - each was read
    return found


def comparison_as_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values, with the experiment, and names and fingerprints of a and b."""
    found: dict[str, Any] = {"experiment": comparison.a.experiment}
    for field in fields(comparison):
        value = getattr(comparison, field.name)
        if isinstance(value, Configuration):
            value = {"name": readable_name(value.name), "fingerprint": value.fingerprint}
        if field.name not in {"direction", "rules", "title"}:
            found[field.name] = list(value) if isinstance(value, tuple) else value
    choice = choice_as_dict(comparison.metric, comparison.rules, comparison.direction)
    return found | {"better": comparison.better, "choice": choice}
