"""``legm plot``: draws curves and bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from legm.cli.output import print_json, print_problems, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from legm.cli.locations import LocatedExperiment, Location
    from legm.cli.selection import SelectedMetric
    from legm.plotting import Style
    from legm.records import Configuration, ConfigurationStatus, Curve

__all__ = ["plot_command"]

_CURVES = 10  # configurations in one picture, unless a user says how many


@click.command("plot")
@path_argument("path")
@metric_argument(nargs=-1, required=True)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file: .png, .pdf or .svg. By default a PNG in the current folder.",
)
@click.option("--bars", is_flag=True, help="Draw the ranking as bars instead of curves.")
@click.option("--lower", is_flag=True, help="Lower is better.")
@test_option
@constraints_option
@top_option
@aggregation_option
@click.option(
    "--style",
    "styles",
    multiple=True,
    metavar="SHEET",
    help="A matplotlib style sheet, by its path or name; may be given several times.",
)
@click.option("--title", help="The title; an empty text for none.")
@description_option
@backend_options
@json_option
def plot_command(
    path: Path,
    metric: tuple[str, ...],
    *,
    output: Path | None,
    bars: bool,
    lower: bool,
    test: bool,
    constraints: Sequence[tuple[str, str]],
    top: int | None,
    aggregation: str,
    styles: tuple[str, ...],
    title: str | None,
    description: str,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Draw the curves of a metric, or its ranking as bars.

    If PATH is a configuration, each METRIC's curve is drawn with its spread over the runs. If it is
    ROOT/EXPERIMENT, the curves of the best configurations by METRIC are drawn into one picture, or with
    --bars the ranking by each METRIC.
    """
    from legm import plotting
    from legm.cli.locations import configuration_or_experiment
    from legm.util.atomic_files import write_atomically

    (form,) = plotting.checked_formats(output.suffix.removeprefix(".") if output is not None else "png")
    look = plotting.Style.of(styles)
    asked = _PlotRequest(metric, test, lower, bars, constraints, top, aggregation, description, look, title)
    experiment, member = configuration_or_experiment(at(path))
    if member is not None:
        figure, shown = _plot_configuration(asked, experiment, member)
    else:
        figure, shown = _plot_experiment(asked, experiment)
    where = output or Path(_plot_file_name(experiment if member is None else member, asked))
    write_atomically(where, plotting.render(figure, form, look))
    if as_json:
        print_json({"output": str(where), "configurations": shown})
    else:
        say(str(where))
    print_problems(experiment.problems)


@dataclass(frozen=True, slots=True)
class _PlotRequest:
    """What a user wants to see; each field is the command's option."""

    metrics: tuple[str, ...]
    test: bool
    lower: bool
    bars: bool
    constraints: Sequence[tuple[str, str]]
    top: int | None
    aggregation: str
    description: str
    style: Style
    title: str | None

    def heading(self, *words: str) -> str:
        """The picture's title."""
        return ", ".join(filter(None, (*words, self.description))) if self.title is None else self.title


def _plot_configuration(
    asked: _PlotRequest, experiment: LocatedExperiment, member: ConfigurationStatus
) -> tuple[Figure, list[str]]:
    """The curves of one configuration, and what is shown."""
    from legm import plotting
    from legm.cli.locations import located_configuration
    from legm.cli.selection import select_metric

    if asked.bars or asked.constraints or asked.top is not None:
        raise click.UsageError(
            f"--bars, --where and --top are for an experiment; {member.folder} is a configuration"
        )
    configuration = located_configuration(member)
    counts = [one for one in member.counts if one.description == asked.description]
    names = [_plotted_metric_name(select_metric(name, counts, test=asked.test)) for name in asked.metrics]
    drawn = _plotted_curves(asked, experiment, configuration, names)
    completed = sum(one.completed for one in counts)
    heading = asked.heading(experiment.title, member.label if configuration.name else "")
    return plotting.plot_curves(drawn, heading, completed, asked.style), [member.label]


def _plot_experiment(asked: _PlotRequest, experiment: LocatedExperiment) -> tuple[Figure, list[str]]:
    """Bars, or the curves of the best configurations; and the names of those that are shown."""
    from legm import plotting
    from legm.cli.selection import Selection
    from legm.core.texts import display_names
    from legm.util.progress import show_progress

    choice = Selection.among(experiment, asked.description, asked.constraints)
    metrics = [choice.metric(name, test=asked.test) for name in asked.metrics]
    if not asked.bars:
        name = _plotted_metric_name(metrics[0])
        if len(metrics) > 1:
            raise click.UsageError(
                "curves of several configurations show one METRIC; --bars can show several"
            )
    rankings = {
        one.key: choice.ranked(one, higher_better=not asked.lower, aggregation=asked.aggregation)
        for one in metrics
    }
    top = asked.top if asked.top is not None or asked.bars else _CURVES
    every = [one.configuration for one in rankings[metrics[0].key]]
    rankings = {key: ranking[: top or None] for key, ranking in rankings.items()}
    labels, heading = experiment.labels(), asked.heading(experiment.title)
    first = [one.configuration for one in rankings[metrics[0].key]]
    shown = [labels[one.fingerprint] for one in first]
    if asked.bars:
        return plotting.plot_bars(rankings, heading, asked.style), shown
    titles = display_names(first if len(first) > 1 else every, labels)
    curves = [
        (titles[configuration.fingerprint], curve)
        for configuration in show_progress(first, "reading runs")
        for curve in _plotted_curves(asked, experiment, configuration, [name])
    ]
    return plotting.plot_configurations(curves, heading, asked.style), shown


def _plotted_curves(
    asked: _PlotRequest, experiment: LocatedExperiment, configuration: Configuration, names: Sequence[str]
) -> list[Curve]:
    from legm.delivery.reading import read_runs
    from legm.stats.aggregate import aggregate_curves

    found = replace(configuration, experiment=experiment.name)
    runs = read_runs(experiment.store.client, found, asked.description, frozenset(names))
    return aggregate_curves(runs, names, asked.aggregation)


def _plotted_metric_name(metric: SelectedMetric) -> str:
    """The name of a metric that has a curve.

    Raises:
        MetricError: it has none.
    """
    from legm.errors import MetricError

    if metric.test:
        raise MetricError(f"the test metric {metric.name!r} is a single value and has no curve: add --bars")
    return metric.name


def _plot_file_name(of: LocatedExperiment | ConfigurationStatus, asked: _PlotRequest) -> str:
    from legm.core.naming import short_name

    return f"{of.label}-{short_name('+'.join(asked.metrics), 60)}.png"
