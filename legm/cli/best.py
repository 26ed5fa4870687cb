"""``legm best``: which configuration is best, over its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.options import (
    aggregation_option,
    backend_options,
    constraints_option,
    description_option,
    json_option,
    metric_argument,
    path_argument,
    test_option,
    top_option,
)
from legm.cli.output import (
    color_statuses,
    configuration_dict,
    parameter_column,
    print_json,
    print_problems,
    print_table,
    printable_text,
    printed_number,
    printed_parameter_column,
    printed_statuses,
    say,
    value_dict,
)
from legm.cli.terminal_tables import Column

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.records import Configuration, Ranked

__all__ = ["best_command"]

_SHOWN = 20  # configurations, unless a user says how many


@click.command("best")
@path_argument("path")
@metric_argument()
@click.option("--lower", is_flag=True, help="Lower is better.")
@test_option
@constraints_option
@top_option
@aggregation_option
@description_option
@backend_options
@json_option
def best_command(
    path: Path,
    metric: str,
    *,
    lower: bool,
    test: bool,
    constraints: Sequence[tuple[str, str]],
    top: int | None,
    aggregation: str,
    description: str,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Rank configurations by a metric over their runs.

    PATH is ROOT/EXPERIMENT, or ROOT if it has only one experiment. Only completed runs count; a dev METRIC is
    read at each run's best step. A METRIC may also be given as test_NAME or best_NAME.
    """
    from legm.cli.selection import Selection

    choice = Selection.of(at(path), description, constraints)
    wanted = choice.metric(metric, test=test)
    ranked = choice.ranked(wanted, higher_better=not lower, aggregation=aggregation)
    labels = choice.experiment.labels()
    if top is None:
        top = 0 if as_json else _SHOWN
    shown = ranked[: top or None]
    if as_json:
        print_json([_best_dict(i, one, labels) for i, one in enumerate(shown, 1)])
    else:
        _print_best(shown, [one.configuration for one in ranked], labels, wanted.title)
        if len(shown) < len(ranked):
            say(f"\n{len(ranked) - len(shown):,} more: --top 0 shows all")
    print_problems(choice.experiment.problems)


def _print_best(
    shown: Sequence[Ranked], every: Sequence[Configuration], labels: Mapping[str, str], title: str
) -> None:
    from legm.core.texts import differing_parameters, display_names
    from legm.stats.number_formatting import decimals_for, value_text

    digits = decimals_for([one.value for one in shown])
    found = [one.configuration for one in shown]
    titles, names = display_names(every, labels), differing_parameters(every)
    columns = [
        Column("#", right=True),
        Column("configuration", fit="fold", is_name=True),
        Column(title, right=True),
        Column("runs", right=True),
        Column("others", fit="fold", paint=color_statuses),
        *(parameter_column(found, name) for name in names),
    ]
    cells = [printed_parameter_column(found, name) for name in names]
    rows = [
        (
            str(rank),
            titles[one.configuration.fingerprint],
            printable_text(value_text(one.value, digits)),
            printed_number(one.value.n),
            _best_aggregates_text(one),
            *(column[rank - 1] for column in cells),
        )
        for rank, one in enumerate(shown, 1)
    ]
    print_table(columns, rows)


def _best_aggregates_text(one: Ranked) -> str:
    """The runs that do not count."""
    counts = {"failed": one.failed, "interrupted": one.interrupted}
    return ", ".join(
        filter(None, (printed_statuses(counts), f"{one.value.nan} NaN" if one.value.nan else ""))
    )


def _best_dict(rank: int, one: Ranked, labels: Mapping[str, str]) -> dict[str, Any]:
    found = one.configuration
    return {
        "rank": rank,
        "configuration": labels[found.fingerprint],
        **configuration_dict(found),
        "folder": one.folder,
        "value": value_dict(one.value),
        "completed": one.completed,
        "failed": one.failed,
        "interrupted": one.interrupted,
    }
