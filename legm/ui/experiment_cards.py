"""What the first view shows of an experiment: its best configuration, what runs, what failed lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from legm.core.direction import decide_direction
from legm.records import BestRule, Plain, RunCounts, RunResult
from legm.report.metric_content import metric_keys_of_rules
from legm.report.number_encoding import encode_numbers_exactly
from legm.report.run_content import STATUSES
from legm.stats.aggregate import mean_columns
from legm.stats.run_counts import split_summary_key
from legm.stats.value_choice import value_title

__all__ = ["experiment_card", "failed_runs_of_card"]

_LONGEST_ERROR = 300  # characters


def experiment_card(name: str, counts: Sequence[RunCounts], names: Mapping[str, str]) -> dict[str, Plain]:
    """An experiment as the first view has it, without the runs that failed lately.

    Args:
        name: the experiment's name.
        counts: of the runs of its configurations, by description.
        names: by fingerprint, what each configuration is called.
    """
    return {
        "name": name,
        "configurations": len({one.configuration.fingerprint for one in counts}),
        "counts": {status.value: sum(getattr(one, status.value) for one in counts) for status in STATUSES},
        "last": max((one.last for one in counts if one.last is not None), default=None),
        "best": _card_best_configuration(counts, names),
    }


def failed_runs_of_card(failed: Sequence[RunResult], names: Mapping[str, str]) -> list[dict[str, Plain]]:
    """The runs that failed lately, as a card lists them.

    Args:
        failed: the runs.
        names: by fingerprint, what each configuration is called.
    """
    return [
        {
            "id": one.run.run_id,
            "fingerprint": one.run.configuration.fingerprint,
            "name": names.get(one.run.configuration.fingerprint, ""),
            "ended": one.run.started if one.ended is None else one.ended,
            "error": _card_error_line(one.error),
        }
        for one in failed
    ]


def _card_error_line(error: str | None) -> str:
    """What an error says: the last line of a traceback, as long as a card can show it."""
    lines = (error or "").strip().splitlines()
    return lines[-1][:_LONGEST_ERROR] if lines else ""


def _card_best_configuration(
    counts: Sequence[RunCounts], names: Mapping[str, str]
) -> dict[str, Plain] | None:
    """The best configuration by the metric that the runs chose their best step by, else by the first one."""
    rules: Counter[BestRule] = Counter()
    for one in counts:
        rules.update(one.rules)
    keys = sorted(
        {key for of in {tuple(one.values) for one in counts} for key in of}
        - {key for of in {one.indexed for one in counts} for key in of}
    )
    key = next((one for one in (*metric_keys_of_rules(rules), *keys) if one in keys), None)
    if key is None:
        return None
    metric, _ = split_summary_key(key)
    direction = decide_direction(metric, rules)
    values = mean_columns(counts, key)
    if np.isnan(values.mean).all():
        return None
    at = int((np.nanargmax if direction.higher_better else np.nanargmin)(values.mean))
    best = counts[at]
    return {
        "metric": value_title(key, rules),
        "name": names[best.configuration.fingerprint],
        "fingerprint": best.configuration.fingerprint,
        "description": best.description,
        "value": encode_numbers_exactly([values.mean[at], values.std[at], values.n[at]]),
    }
