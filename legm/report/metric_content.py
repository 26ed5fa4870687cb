"""The metrics by which the page ranks: the aggregates of each row, and which values are better."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from legm.core.direction import decide_direction
from legm.records import Aggregate, BestRule, Direction, Plain
from legm.report.number_encoding import encode_numbers_exactly
from legm.stats.aggregate import MeanColumns
from legm.stats.run_counts import split_summary_key
from legm.stats.value_choice import choice_note, value_title

__all__ = ["InitialReportView", "MetricContent", "metric_keys_of_rules"]

_EMPTY = Aggregate(math.nan, math.nan, 0, 0, "")


@dataclass(frozen=True, slots=True)
class InitialReportView:
    """The metric that the page shows first.

    Args:
        key: its summary key (``best_loss``); None to choose it by the runs.
        higher_better: whether a higher value is better; None to judge by the runs or by its name.
    """

    key: str | None = None
    higher_better: bool | None = None


@dataclass(slots=True)
class MetricContent:
    """The aggregates of the rows of an experiment, by metric.

    Args:
        summaries: by summary key and row, the aggregate of the row's runs.
        columns: by summary key, the means of all rows, where they are known without an aggregate of each.
        rules: how the completed runs chose their best step.
        rules_of: the same by summary key, of the runs that have it.
    """

    summaries: dict[str, dict[int, Aggregate]] = field(default_factory=dict)
    columns: dict[str, MeanColumns] = field(default_factory=dict)
    rules: Counter[BestRule] = field(default_factory=Counter)
    rules_of: dict[str, Counter[BestRule]] = field(default_factory=dict)

    def direction(self, key: str, asked: InitialReportView) -> Direction:
        """Which values of a metric are better."""
        name, split = split_summary_key(key)
        higher_better = asked.higher_better if key == asked.key else None
        return decide_direction(name, self.rules, higher_better, over_all_values=split == "pooled")

    def first(self, asked: InitialReportView) -> str | None:
        """The metric to show first: the requested one, that of the runs' early stopping, or the first one."""
        keys = (asked.key, *metric_keys_of_rules(self.rules), *self.keys)
        return next((key for key in keys if key in self.columns or key in self.summaries), None)

    @property
    def keys(self) -> list[str]:
        """The summary keys of all metrics, those of dev metrics first."""
        return sorted({*self.summaries, *self.columns}, key=_report_metric_order)

    def _means(self, key: str, rows: int) -> MeanColumns:
        if key in self.columns:
            return self.columns[key]
        of = [self.summaries[key].get(row, _EMPTY) for row in range(rows)]
        return MeanColumns(
            np.array([one.mean for one in of]),
            np.array([one.std for one in of]),
            np.array([one.n for one in of], np.int64),
            np.array([one.nan for one in of], np.int64),
        )

    def content(self, rows: int, asked: InitialReportView) -> list[dict[str, Plain]]:
        """The columns of each metric, dev metrics first.

        Args:
            rows: how many the leaderboard has.
            asked: the metric to show first.
        """
        found: list[dict[str, Plain]] = []
        for key in self.keys:
            name, split = split_summary_key(key)
            direction = self.direction(key, asked)
            means = self._means(key, rows)
            found.append(
                {
                    "key": key,
                    "name": name,
                    "split": split,
                    "title": value_title(key, self.rules_of.get(key, {})),
                    "note": choice_note(key, self.rules_of.get(key, {})),
                    "higher_better": direction.higher_better,
                    "because": direction.because,
                    "direction": str(direction),
                    "conflicts": direction.against > 0,
                    "mean": encode_numbers_exactly(means.mean),
                    "std": encode_numbers_exactly(means.std),
                    "n": encode_numbers_exactly(means.n),
                    "nan": encode_numbers_exactly(means.nan),
                }
            )
        return found


def metric_keys_of_rules(rules: Counter[BestRule]) -> list[str]:
    """The summary keys of the metrics by which runs chose their best step, that of most runs first."""
    return [f"best_{rule.metric}" for rule, _ in rules.most_common() if rule.metric is not None]


def _report_metric_order(key: str) -> tuple[int, str]:
    name, split = split_summary_key(key)
    return ("dev", "test", "pooled").index(split), name
