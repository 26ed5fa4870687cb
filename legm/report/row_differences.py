"""How the rows of a report differ from the best one, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from legm.analysis.comparison import compare_runs
from legm.core.selection import RunSelection
from legm.delivery.client import BackendClient
from legm.errors import LegmError
from legm.records import Plain
from legm.report.grouped_content import ReportRow
from legm.report.number_encoding import encode_numbers_exactly
from legm.stats.run_counts import split_summary_key

__all__ = ["differences_from_best_rows"]

_MOST_ROWS = 100
_LEVEL = 0.95


def differences_from_best_rows(
    client: BackendClient,
    rows: Sequence[ReportRow],
    ranked: Sequence[int],
    key: str,
    *,
    higher_better: bool,
    selection: RunSelection,
    one_per_seed: bool,
) -> list[dict[str, Plain]]:
    """Compare the best rows of each description with the very best one by a metric, as ``legm compare`` does.

    Args:
        client: of the backend.
        rows: the leaderboard's.
        ranked: the numbers of those with a value, best first.
        key: the metric's summary key.
        higher_better: whether a higher value is better.
        selection: of the runs.
        one_per_seed: whether of several completed runs with equal seeds only the newest counts.

    Returns:
        for each description the baseline's row, the others' rows and their numbers, ready for JSON.
    """
    name, split = split_summary_key(key)
    if split == "pooled":
        return []
    by_description: dict[str, list[int]] = {}
    for row in ranked:
        by_description.setdefault(rows[row].description, []).append(row)
    found: list[dict[str, Plain]] = []
    for description, (first, *rest) in by_description.items():
        others = {rows[row].configuration.fingerprint: row for row in rest[:_MOST_ROWS]}
        try:
            compared = compare_runs(
                *(client, description, rows[first].configuration),
                [rows[row].configuration for row in others.values()],
                name,
                test=split == "test",
                seed=None,
                level=_LEVEL,
                higher_better=higher_better,
                one_per_seed=one_per_seed,
                selection=selection,
                problems={},  # damaged runs, which the page reports elsewhere
            )
        except LegmError:
            continue
        numbers = [(-one.difference, -one.upper, -one.lower, one.p, one.p_adjusted) for one in compared]
        found.append(
            {
                "metric": key,
                "higher_better": higher_better,
                "baseline": first,
                "rows": [others[one.b.fingerprint] for one in compared],
                "numbers": [*map(encode_numbers_exactly, numbers)],
                "better": [one.better for one in compared],
                "is_all": len(rest) <= _MOST_ROWS,
            }
        )
    return found
