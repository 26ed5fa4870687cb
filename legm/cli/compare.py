"""``legm compare``: tests whether configurations differ in a metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.completion_values import complete_compared
from legm.cli.json_output import print_json
from legm.cli.options import (
    FOLDER,
    backend_options,
    description_option,
    direction_option,
    json_option,
    one_per_seed_option,
    selection_options,
    test_option,
)
from legm.cli.printing import print_table, printable_text, say
from legm.cli.terminal_tables import Column

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.core.selection import RunSelection
    from legm.records import Comparison

__all__ = ["compare_command"]


@click.command("compare")
@click.argument(
    "paths", nargs=-1, required=True, type=FOLDER, metavar="A B [C]...", shell_complete=complete_compared
)
@click.argument("metric")
@direction_option
@test_option
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    metavar="NAME",
    help="The parameter by which runs are paired; may be given several times. "
    "By default the parameters that look like seeds.",
)
@click.option("--unpaired", is_flag=True, help="Compare the runs without pairing them.")
@click.option("--level", default=0.95, show_default=True, help="The coverage of the confidence interval.")
@one_per_seed_option
@selection_options
@description_option
@backend_options
@json_option
def compare_command(
    paths: Sequence[Path],
    metric: str,
    *,
    higher: bool | None,
    test: bool,
    seeds: tuple[str, ...],
    unpaired: bool,
    level: float,
    one_per_seed: bool,
    selection: RunSelection,
    description: str | None,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Test whether configurations differ in a metric.

    A is compared with each of the others, seed by seed if seeds are known: the difference of the means
    with its confidence interval, and the p-value of a permutation test, adjusted by Holm's method if
    there are several others. Each is a folder, or ROOT/EXPERIMENT/NAME as for legm show.
    """
    from legm.analysis.comparison import compare_runs, comparison_as_dict
    from legm.cli.locations import configuration_at_location, located_configuration
    from legm.cli.selection import select_metric
    from legm.core.display_names import display_names
    from legm.errors import ParameterError

    if len(paths) < 2:
        raise click.UsageError(
            f"only {paths[0]} and {metric!r} were given: name two configurations and a metric"
        )
    if unpaired and seeds:
        raise click.UsageError("--unpaired and --seed cannot be combined")
    found = [configuration_at_location(at(path)) for path in paths]
    (experiment, first), *others = found
    for other, one in others:
        if other.title != experiment.title:
            raise ParameterError(
                f"{one.folder} belongs to the experiment {other.title!r}, not to {experiment.title!r}: "
                "only configurations of the same experiment can be compared"
            )
    text = description or ""
    counts = [count for _, one in found for count in one.counts if count.description == text]
    wanted = select_metric(metric, counts, test=test)
    compared = compare_runs(
        experiment.store.client,
        text,
        located_configuration(first),
        [located_configuration(one) for _, one in others],
        wanted.name,
        test=wanted.test,
        seed=() if unpaired else seeds or None,
        level=level,
        higher_better=higher,
        one_per_seed=one_per_seed,
        selection=selection,
    )
    if as_json:
        print_json([comparison_as_dict(one) for one in compared])
        return
    every = [located_configuration(one) for _, one in found]
    titles = display_names(
        every, {one.fingerprint: each.label for one, (_, each) in zip(every, found, strict=True)}
    )
    name, *names = [titles[one.fingerprint] for one in every]
    _print_compared(name, names, compared)


def _print_compared(name: str, others: Sequence[str], compared: Sequence[Comparison]) -> None:
    from legm.stats.number_formatting import decimal_text, number_decimals_for_spreads

    digits = number_decimals_for_spreads(
        ((one.upper - one.lower) / 2 for one in compared), (one.mean_a for one in compared)
    )

    def text(value: float) -> str:
        return "" if value != value else printable_text(decimal_text(value, digits))  # noqa: PLR0124 - NaN

    def compared_interval(one: Comparison) -> str:
        return f"{text(one.lower)} to {text(one.upper)}" if one.lower <= one.upper else ""

    rows = [
        (
            str(position) if len(compared) > 1 else "",
            label,
            text(one.mean_a),
            text(one.mean_b),
            text(one.difference),
            compared_interval(one),
            f"{one.p:.3g}" if one.arrangements else "",
            f"{one.p_adjusted:.3g}" if one.arrangements and len(compared) > 1 else "",
            str(one.pairs) if one.paired else "none",
            one.better,
        )
        for position, (label, one) in enumerate(zip(others, compared, strict=True), 1)
    ]
    titles = list(dict.fromkeys(one.title for one in compared))
    say(f"{' or '.join(titles)}: a = {name}", bold=True)
    columns = [
        Column("#", right=True),
        Column("b", fit="fold"),
        Column("mean a", right=True),
        Column("mean b", right=True),
        Column("a - b", right=True),
        Column(f"{100 * compared[0].level:.6g} % interval", right=True),
        Column("p", right=True),
        Column("Holm p", right=True),
        Column("pairs", right=True),
        Column("better mean"),
    ]
    print_table(columns, rows)
    notes = {str(compared[0].direction): [str(number) for number in range(1, len(compared) + 1)]}
    for position, one in enumerate(compared, 1):
        for note in one.notes:
            notes.setdefault(note, []).append(str(position))
    say()
    for note, positions in notes.items():
        say(note if len(positions) == len(compared) else f"{', '.join(positions)}: {note}")
