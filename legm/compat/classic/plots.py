"""Pictures as the original legm's ``plot()`` made them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from legm.delivery.client import BackendClient
from legm.delivery.reading import read_runs
from legm.records import Configuration

__all__ = ["plot_groups"]


def plot_groups(
    client: BackendClient,
    configuration: Configuration,
    description: str,
    aggregation: Any,
    groups: Sequence[Sequence[str]],
    exclude: Iterable[str],
    exclude_pattern: str | None,
) -> list[str]:
    """Draw each group of metrics, and each other metric in a picture of its own.

    Args:
        client: of the backend.
        configuration: whose runs.
        description: of the runs.
        aggregation: the method.
        groups: the metrics of each picture; those that no run has are left out.
        exclude: metrics that are not drawn.
        exclude_pattern: a regular expression; metrics that it matches as a whole are not drawn.

    Returns:
        where the pictures are.

    Raises:
        StateError: there is no completed run.
    """
    from legm.analysis import summaries

    left_out = {exclude} if isinstance(exclude, str) else set(exclude)
    drawn = [
        name
        for name in _classic_plot_metrics(client, configuration, description)
        if name not in left_out and not (exclude_pattern and re.fullmatch(exclude_pattern, name))
    ]
    found = [[name for name in group if name in drawn] for group in groups]
    grouped = {name for group in found for name in group}
    wanted = [*filter(None, found), *([name] for name in drawn if name not in grouped)]
    if not wanted:
        return []
    return summaries.write_summary_curves(
        *(client, configuration, description, aggregation, wanted, (), None, ("png",), None, None),
        one_per_seed=False,
        statuses=(),
        where=None,
    )


def _classic_plot_metrics(client: BackendClient, configuration: Configuration, description: str) -> list[str]:
    """The dev metrics of the runs that have a curve."""
    found: dict[str, None] = {}
    for run in read_runs(client, configuration, description):
        found.update((series.name, None) for series in run.best if series.index is None)
    return sorted(found)
