"""What stands for a metric, in words that say how the value was chosen: "last accuracy", "test accuracy"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from legm.core.texts import counted
from legm.records import BestRule, Direction
from legm.stats.run_counts import split_summary_key

__all__ = ["choice_as_dict", "choice_note", "choice_text", "exact_choice_text", "value_title"]


def _rule_choice_text(rule: BestRule, metric: str | None = None) -> str:
    """How a rule chooses the step of a value.

    Args:
        rule: the rule.
        metric: the metric of the value; None for any.

    Returns:
        ``"last"``, ``"at step 40"``, ``"at the best val/loss"``, or ``"best"`` if the metric chooses itself.
    """
    if rule.metric is not None:
        return "best" if rule.metric == metric else f"at the best {rule.metric}"
    return "last" if rule.step is None else f"at step {rule.step}"


def exact_choice_text(rule: BestRule) -> str:
    """How a rule chooses the step: ``"last"``, ``"at step 40"``, ``"at the lowest val/loss"``."""
    if rule.metric is None:
        return _rule_choice_text(rule)
    return f"at the {'highest' if rule.higher_better else 'lowest'} {rule.metric}"


def value_title(key: str, rules: Mapping[BestRule, int]) -> str:
    """What stands for a metric.

    Args:
        key: its summary key: ``best_accuracy``, ``test_accuracy``, ``time``.
        rules: the best rules of the runs, each with its number of runs.

    Returns:
        ``"last accuracy"``, ``"accuracy at the best val/loss"``, ``"best loss"``, ``"accuracy at step 40"``,
        or, if the runs differ in that, ``"accuracy at the chosen step"``; ``"test accuracy"``; ``"time"``.
    """
    metric, split = split_summary_key(key)
    if split != "dev":
        return f"test {metric}" if split == "test" else metric
    texts = _choice_texts(metric, rules)
    if len(texts) != 1:
        return f"{metric} at the chosen step"
    (text,) = texts
    return f"{metric} {text}" if text.startswith("at ") else f"{text} {metric}"


def choice_note(key: str, rules: Mapping[BestRule, int]) -> str:
    """How the runs chose the step of a value, if they differ in that; "" otherwise."""
    metric, split = split_summary_key(key)
    texts: Counter[str] = _choice_texts(metric, rules) if split == "dev" else Counter()
    if len(texts) < 2:
        return ""
    choices = ", ".join(f"{text} in {counted(count, 'run')}" for text, count in texts.most_common(4))
    more = f" and {counted(len(texts) - 4, 'further way')}" if len(texts) > 4 else ""
    return f"{metric} is taken differently: {choices}{more}"


def _choice_texts(metric: str, rules: Mapping[BestRule, int]) -> Counter[str]:
    """In how many runs the value is chosen in each way."""
    directions: dict[str, set[bool]] = {}
    for rule in rules:
        if rule.metric is not None:
            directions.setdefault(rule.metric, set()).add(rule.higher_better)
    texts: Counter[str] = Counter()
    for rule, count in rules.items():
        conflicts = rule.metric is not None and len(directions[rule.metric]) > 1
        texts[exact_choice_text(rule) if conflicts else _rule_choice_text(rule, metric)] += count
    return texts


def choice_text(key: str, rules: Mapping[BestRule, int], direction: Direction) -> str:
    """How a metric's values were chosen, and which are better: a sentence below a table or a picture."""
    is_pooled = split_summary_key(key)[1] == "pooled"
    over = "over all values of each run" if is_pooled else ""
    pieces = [f"{value_title(key, rules)}: {direction}", choice_note(key, rules), over]
    return "; ".join(filter(None, pieces))


def choice_as_dict(key: str, rules: Mapping[BestRule, int], direction: Direction) -> dict[str, Any]:
    """How a metric's values were chosen, and which are better, as plain values for a program."""
    return {
        "title": value_title(key, rules),
        "higher_better": direction.higher_better,
        "because": direction.because,
        "rule_runs": direction.runs,
        "rule_runs_against": direction.against,
        "rules": [{**asdict(rule), "runs": count} for rule, count in rules.items()],
    }
