"""``legm report``: writes an HTML report of experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.completion_values import complete_report_metric
from legm.cli.options import backend_options, json_option, path_argument, test_option
from legm.cli.output import print_json, say

if TYPE_CHECKING:
    from legm.cli.locations import Location

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
@click.option("--lower/--higher", default=None, help="Whether lower values of the metric are better.")
@test_option
@backend_options
@json_option
def report_command(
    path: Path,
    *,
    output: Path,
    metric: str | None,
    lower: bool | None,
    test: bool,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Write an HTML report of experiments.

    PATH is ROOT or ROOT/EXPERIMENT. The report is one HTML file that opens without a server or a network.
    """
    from legm import report
    from legm.cli.locations import experiments_at
    from legm.errors import StorageError

    found = list(experiments_at(at(path)))
    if not found:
        raise StorageError(f"there is no experiment at {path}: no folder in it holds configurations")
    report.write(
        found[0].store.client,
        [one.name for one in found],
        output,
        metric=metric,
        higher_better=None if lower is None else not lower,
        test=test,
    )
    if as_json:
        print_json({"output": str(output), "experiments": [one.name for one in found]})
    else:
        say(str(output))
