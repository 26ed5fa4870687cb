"""``legm report``: writes an HTML report of experiments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.completion_values import complete_report_metric
from legm.cli.json_output import print_json
from legm.cli.options import (
    backend_options,
    direction_option,
    group_by_option,
    json_option,
    one_per_seed_option,
    path_argument,
    selection_options,
    status_option,
    test_option,
)
from legm.cli.printing import say

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.core.selection import RunSelection

__all__ = ["report_command"]


@click.command("report")
@path_argument("path", default=Path())
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The file.",
)
@click.option(
    "--metric",
    metavar="METRIC",
    shell_complete=complete_report_metric,
    help="The metric by which configurations are ranked when the page opens.",
)
@direction_option
@test_option
@status_option
@one_per_seed_option
@group_by_option
@selection_options
@backend_options
@json_option
def report_command(
    path: Path,
    *,
    output: Path,
    metric: str | None,
    higher: bool | None,
    test: bool,
    statuses: Sequence[str],
    one_per_seed: bool,
    group_by: list[str],
    selection: RunSelection,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Write an HTML report of experiments.

    PATH is ROOT or ROOT/EXPERIMENT. The report is one HTML file that opens without a server or a network.
    """
    from legm import report
    from legm.cli.locations import experiments_at, no_experiment_at_location_text
    from legm.errors import StorageError

    found = list(experiments_at(at(path)))
    if not found:
        raise StorageError(no_experiment_at_location_text(at(path)))
    chosen = report.write(
        found[0].store.client,
        [one.name for one in found],
        output,
        metric=metric,
        higher_better=higher,
        test=test,
        statuses=statuses,
        one_per_seed=one_per_seed,
        where=selection.texts,
        group_by=group_by,
    )
    if as_json:
        print_json({"output": str(output), "experiments": [one.name for one in found], "choices": chosen})
    else:
        say(str(output))
