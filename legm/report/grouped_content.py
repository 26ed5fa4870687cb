"""The part of a report's content that ranks groups of configurations, by every metric there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from legm.analysis.grouping import group_notes, group_ranked
from legm.records import Aggregate, Configuration, Direction, Plain, Ranked, RankedGroup
from legm.report.number_encoding import encode_numbers_exactly
from legm.stats.aggregate import sort_by_aggregate

__all__ = ["ReportRow", "grouped_report_content"]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row of the leaderboard: the runs of a configuration with one description.

    Args:
        index: the configuration's place in the report.
        configuration: the configuration.
        description: that of the runs.
        runs: how many of them are completed.
    """

    index: int
    configuration: Configuration
    description: str
    runs: int


def grouped_report_content(
    names: Sequence[str],
    rows: Sequence[ReportRow],
    summaries: Mapping[str, Mapping[int, Aggregate]],
    directions: Mapping[str, Direction],
) -> dict[str, Plain]:
    """The groups of an experiment by parameters, best first by each metric, those of each description apart.

    Args:
        names: the parameters.
        rows: the leaderboard's.
        summaries: by summary key and row, the aggregate of the row's runs.
        directions: by summary key, which values are better.

    Returns:
        the names; those that no configuration has, without any group then; and by summary key the groups.
    """
    known = {name for row in rows for name in row.configuration.active}
    missing = [name for name in names if name not in known]
    if missing:
        return {"by": [*names], "missing": missing, "metrics": {}}
    return {
        "by": [*names],
        "missing": [],
        "metrics": {
            key: _groups_by_metric(names, rows, of, directions[key]) for key, of in summaries.items()
        },
    }


def _groups_by_metric(
    names: Sequence[str], rows: Sequence[ReportRow], values: Mapping[int, Aggregate], direction: Direction
) -> dict[str, Plain]:
    """The columns of the groups, and what is averaged in them: in all, and in those of each description."""
    by_description: dict[str, list[RankedGroup]] = {}
    index_of = {row.configuration.fingerprint: row.index for row in rows}
    for description in sorted({rows[row].description for row in values}):
        own = [row for row in sorted(values) if rows[row].description == description]
        ranked = [
            Ranked(
                rows[row].configuration,
                values[row],
                0,
                0,
                0,
                direction=direction,
                runs=min(values[row].n, rows[row].runs),  # n of a time is of each value of a run
            )
            for row in own
        ]
        ordered = sort_by_aggregate(ranked, direction.higher_better)
        active = {name for one in ranked for name in one.configuration.active}
        by_description[description] = group_ranked(ordered, [name for name in names if name in active])
    every = [(description, one) for description, of in by_description.items() for one in of]
    groups = [one for _, one in every]
    return {
        "description": [description for description, _ in every],
        "first": [index_of[one.members[0].configuration.fingerprint] for one in groups],
        "mean": encode_numbers_exactly([one.value.mean for one in groups]),
        "std": encode_numbers_exactly([one.value.std for one in groups]),
        "n": encode_numbers_exactly([one.value.n for one in groups]),
        "nan": encode_numbers_exactly([one.value.nan for one in groups]),
        "configurations": encode_numbers_exactly([len(one.members) for one in groups]),
        "runs": encode_numbers_exactly([one.runs for one in groups]),
        "note": " ".join(group_notes(names, groups)),
        "notes": {
            description: " ".join(group_notes(names, of)) for description, of in by_description.items()
        },
    }
