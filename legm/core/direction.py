"""Whether higher or lower values of a metric are better: by the runs' best rules, else by its name."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from legm.records import BestRule, Direction

__all__ = ["LOWER_IS_BETTER", "decide_direction", "direction_by_name", "merge_direction_rules"]

# fmt: off
LOWER_IS_BETTER = frozenset((
    "loss", "losses", "logloss", "mlogloss", "nll", "xent", "bce", "ce", "crossentropy", "smoothl1",
    "error", "errors", "merror", "err", "mse", "rmse", "msle", "rmsle", "nmse", "nrmse", "mae", "mape",
    "smape", "wape", "mphe", "mpjpe", "epe", "ade", "fde", "crps", "residual", "deviance", "hamming",
    "perplexity", "ppl", "bpc", "bpb", "bpd", "brier", "ece", "wer", "cer", "ter", "der", "eer", "fpr",
    "fnr", "fid", "kid", "fvd", "lpips",
    "divergence", "kl", "kld", "kldiv", "regret", "distance", "chamfer", "hausdorff", "hd95",
    "assd", "masd", "distortion", "penalty",
    "violation", "violations", "misses",
    "latency", "duration", "time", "runtime", "cost", "memory", "l1", "l2",
))
# fmt: on
"""The words in a metric's name that mean that lower values are better."""

_NEGATED = frozenset(("neg", "negative"))  # scikit-learn's neg_log_loss: higher is better
_FALSE_RATES = frozenset((("false", "positive"), ("false", "negative")))
_LOWER_PHRASES = (
    frozenset((("cross", "entropy"), ("miss", "rate"), ("bits", "per"), ("abs", "rel"), ("sq", "rel")))
    | _FALSE_RATES
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PARTS = re.compile(r"[^\W_]+")
_SPLIT_AND_WORD = re.compile(r"(?:train|training|valid|val|validation|test|dev|eval)(.+)")


def direction_by_name(metric: str) -> bool | None:
    """Whether a metric's name says that higher values are better; None where it says nothing.

    Args:
        metric: its name, of which words are taken as in ``val/crossEntropy_loss`` or ``valloss``. One of
            :data:`LOWER_IS_BETTER`, or a phrase like "cross entropy", means lower, after "neg" or "negative"
            the opposite; a negative likelihood is lower.
    """
    words = [word.lower() for word in _WORDS.findall(metric)]
    parts = [part.lower() for part in _PARTS.findall(metric)]
    parts += [found[1] for part in parts if (found := _SPLIT_AND_WORD.fullmatch(part))]
    pairs = set(itertools.pairwise(words))
    false_rate = not pairs.isdisjoint(_FALSE_RATES)
    lower = not pairs.isdisjoint(_LOWER_PHRASES) or not LOWER_IS_BETTER.isdisjoint((*words, *parts))
    negated = not false_rate and not _NEGATED.isdisjoint(words)
    if negated and not lower and "likelihood" not in words:
        return None
    return negated == lower if lower or negated else None


def decide_direction(
    metric: str,
    rules: Mapping[BestRule, int],
    higher_better: bool | None = None,
    *,
    over_all_values: bool = False,
) -> Direction:
    """Decide whether higher or lower values of a metric are better: the one place that does.

    Args:
        metric: its name, without ``best_`` or ``test_``.
        rules: the best rules of the completed runs, each with its number of runs.
        higher_better: as a user asked; None to decide by the rules that choose the best step by this metric,
            then by the metric's name (see :func:`direction_by_name`), else higher.
        over_all_values: whether the metric is aggregated over all its values, which no best rule is about.
    """
    votes: Counter[bool] = Counter()
    for rule, runs in rules.items():
        if rule.metric == metric and not over_all_values:
            votes[rule.higher_better] += runs
    if higher_better is not None:
        chosen = bool(higher_better)
        return Direction(chosen, "asked", votes[chosen], votes[not chosen])
    if votes[True] != votes[False]:
        chosen = votes[True] > votes[False]
        return Direction(chosen, "rule", votes[chosen], votes[not chosen])
    named = direction_by_name(metric)
    chosen = named is not False
    return Direction(chosen, "default" if named is None else "name", votes[chosen], votes[not chosen])


def merge_direction_rules(rules: Iterable[Mapping[BestRule, int]]) -> Counter[BestRule]:
    """The best rules of several configurations' runs, each with its number of runs."""
    each: dict[int, tuple[Mapping[BestRule, int], list[None]]] = {}  # many configurations share one mapping
    for one in rules:
        each.setdefault(id(one), (one, []))[1].append(None)
    merged: Counter[BestRule] = Counter()
    for one, times in each.values():
        for rule, runs in one.items():
            merged[rule] += runs * len(times)
    return merged
