"""``legm plot``: draws curves and bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.json_output import print_json
from legm.cli.options import (
    aggregation_option,
    backend_options,
    description_option,
    direction_option,
    group_by_option,
    json_option,
    metric_argument,
    one_per_seed_option,
    path_argument,
    selection_options,
    status_option,
    test_option,
    top_option,
)
from legm.cli.printing import print_problems, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from legm.cli.locations import LocatedExperiment, Location
    from legm.cli.selection import SelectedMetric, Selection
    from legm.core.selection import RunSelection
    from legm.plotting import Style
    from legm.records import Configuration, ConfigurationStatus, Curve, Ranked, RankedGroup, RunResult

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
@direction_option
@test_option
@selection_options
@top_option
@group_by_option
@aggregation_option
@one_per_seed_option
@status_option
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
    higher: bool | None,
    test: bool,
    selection: RunSelection,
    top: int | None,
    group_by: list[str],
    aggregation: str,
    one_per_seed: bool,
    statuses: Sequence[str],
    styles: tuple[str, ...],
    title: str | None,
    description: str | None,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Draw the curves of a metric, or its ranking as bars.

    If PATH is a configuration, each METRIC's curve is drawn with its spread over the runs. If it is
    ROOT/EXPERIMENT, the curves of the best configurations by METRIC are drawn into one figure, or with
    --bars the ranking by each METRIC. With --status the curve of each run with that status is drawn too,
    dotted, in the colour of its metric or configuration. With --group-by there is a curve or bar for each
    group of configurations: the mean over them, and their standard deviation.
    """
    from legm import plotting
    from legm.cli.locations import resolve_location
    from legm.util.atomic_files import write_atomically

    (form,) = plotting.checked_formats(output.suffix.removeprefix(".") if output is not None else "png")
    look = plotting.Style.of(styles)
    if bars and statuses:
        raise click.UsageError("--status draws curves, which --bars does not have")
    if group_by and statuses:
        raise click.UsageError("--status draws single runs, which --group-by does not have")
    asked = _PlotRequest(
        *(
            metric,
            test,
            higher,
            bars,
            selection,
            top,
            group_by,
            aggregation,
            one_per_seed,
            statuses,
            description,
            look,
        ),
        title,
    )
    experiment, member = resolve_location(at(path))
    if member is not None:
        figure, drawn = _plot_configuration(asked, experiment, member)
    else:
        figure, drawn = _plot_experiment(asked, experiment)
    where = output or Path(_plot_file_name(experiment if member is None else member, asked))
    write_atomically(where, plotting.render(figure, form, look))
    if as_json:
        print_json({"output": str(where), **asdict(drawn)})
    else:
        say(str(where))
    print_problems(experiment.problems)


@dataclass(frozen=True, slots=True)
class _PlotRequest:
    """What a user wants to see; each field is the command's option."""

    metrics: tuple[str, ...]
    test: bool
    higher: bool | None
    bars: bool
    selection: RunSelection
    top: int | None
    group_by: list[str]
    aggregation: str
    one_per_seed: bool
    statuses: Sequence[str]
    description: str | None
    style: Style
    title: str | None

    def heading(self, *words: str) -> str:
        """The picture's title."""
        return ", ".join(filter(None, (*words, self.description))) if self.title is None else self.title


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a picture shows.

    Args:
        configurations: their names.
        choices: by metric, how it was chosen which configurations are shown, and in which order.
        unfinished: the ids of the runs that are drawn though they are not completed.
        notes: what a user should know about it.
    """

    configurations: list[str]
    choices: dict[str, dict[str, Any]]
    unfinished: list[str]
    notes: list[str]


def _plot_configuration(
    asked: _PlotRequest, experiment: LocatedExperiment, member: ConfigurationStatus
) -> tuple[Figure, _Drawn]:
    """The curves of one configuration, and what is shown."""
    from legm import plotting
    from legm.analysis.experiment_figures import newest_unfinished_in_figure
    from legm.analysis.notes import brief_notes, left_out_note, repeated_note
    from legm.analysis.summaries import unfinished_curves
    from legm.cli.locations import located_configuration
    from legm.cli.selection import Selection
    from legm.core.code_versions import different_code_note
    from legm.core.naming import readable_name

    if asked.bars or asked.top is not None or asked.group_by:
        raise click.UsageError(
            f"--bars, --top and --group-by are for an experiment; {member.folder} is a configuration"
        )
    configuration = located_configuration(member)
    choice = Selection.among(replace(experiment, members=[member]), asked.description, asked.selection)
    asked = replace(asked, description=choice.description)
    metrics = [choice.metric(name, test=asked.test, statuses=asked.statuses) for name in asked.metrics]
    names = [_plotted_metric_name(one) for one in metrics]
    completed = [one.name for one in metrics if choice.has(one)]
    drawn = _plotted_curves(asked, choice, configuration, completed) if completed else []
    others = {run.run.run_id: run for one in metrics for run in choice.unfinished(asked.statuses, one)}
    runs, note = newest_unfinished_in_figure(list(others.values()))
    unfinished = unfinished_curves(runs, names)
    repeated = 0 if asked.one_per_seed else sum(one.repeated for one in choice.counts)
    count = sum(one.completed for one in choice.counts)
    codes = different_code_note(one.code for one in choice.counts)
    left_out = left_out_note(one.left_out for one in choice.counts)
    notes = [*choice.notes, *left_out, *repeated_note(repeated, count), *codes, *note]
    heading = asked.heading(experiment.title, readable_name(member.label) if configuration.name else "")
    count -= sum(one.repeated for one in choice.counts) if asked.one_per_seed else 0
    figure = plotting.plot_curves(drawn, heading, count, asked.style, unfinished, brief_notes(notes))
    return figure, _Drawn([readable_name(member.label)], {}, [run.run.run_id for run in runs], notes)


def _plot_experiment(asked: _PlotRequest, experiment: LocatedExperiment) -> tuple[Figure, _Drawn]:
    """Bars, or the curves of the best configurations; and what is shown."""
    from legm import plotting
    from legm.analysis.experiment_figures import draw_experiment_curves
    from legm.analysis.notes import ranking_notes
    from legm.cli.selection import Selection
    from legm.core.direction import merge_direction_rules
    from legm.core.naming import readable_name
    from legm.stats.value_choice import choice_as_dict

    choice = Selection.among(experiment, asked.description, asked.selection)
    asked = replace(asked, description=choice.description)
    metrics = [choice.metric(name, test=asked.test, statuses=asked.statuses) for name in asked.metrics]
    if not asked.bars:
        name = _plotted_metric_name(metrics[0])
        if len(metrics) > 1:
            raise click.UsageError(
                "curves of several configurations show one METRIC; --bars can show several"
            )
    every = {
        one.key: choice.ranked(
            one, higher_better=asked.higher, aggregation=asked.aggregation, one_per_seed=asked.one_per_seed
        )
        for one in metrics
    }
    top = asked.top if asked.top is not None or asked.bars else _CURVES
    if asked.group_by:
        return _plot_groups(asked, choice, experiment, every, top)
    rankings = {key: ranking[: top or None] for key, ranking in every.items()}
    labels, heading = experiment.labels(), asked.heading(experiment.title)
    first = [one.configuration for one in rankings[metrics[0].key]]
    shown = [readable_name(labels[one.fingerprint]) for one in first]
    notes = [note for key, ranking in every.items() for note in ranking_notes(key, ranking)]
    notes += choice.unranked_notes(one for ranking in every.values() for one in ranking)
    notes += choice.notes
    choices = {
        key: choice_as_dict(key, merge_direction_rules(one.rules for one in ranking), ranking[0].direction)
        for key, ranking in every.items()
        if ranking
    }
    if asked.bars:
        figure = plotting.plot_bars(rankings, heading, asked.style, labels=labels)
        return figure, _Drawn(shown, choices, [], notes)
    drawn = draw_experiment_curves(
        name,
        every[metrics[0].key],
        top,
        lambda configuration: _plotted_curves(asked, choice, configuration, [name]),
        labels,
        heading,
        asked.style,
        choice.unfinished(asked.statuses, metrics[0]),
        notes,
    )
    runs = [run.run.run_id for run in drawn.unfinished]
    return drawn.figure, _Drawn(shown, choices, runs, list(drawn.notes))


def _plot_groups(
    asked: _PlotRequest,
    choice: Selection,
    experiment: LocatedExperiment,
    ranked: Mapping[str, Sequence[Ranked]],
    top: int | None,
) -> tuple[Figure, _Drawn]:
    """Bars, or the curves of the best groups of configurations; and what is shown."""
    from legm import plotting
    from legm.analysis.grouping import group_notes, group_ranked
    from legm.analysis.notes import brief_notes, ranking_notes
    from legm.core.display_names import group_display_names
    from legm.stats.value_choice import choice_as_dict
    from legm.util.progress import show_progress

    every = {key: group_ranked(them, asked.group_by) for key, them in ranked.items() if them}
    groups = {key: them[: top or None] for key, them in every.items()}
    first = next(iter(groups.values()), [])
    about = [note for key, them in ranked.items() for note in ranking_notes(key, them)]
    about += [note for them in groups.values() for note in group_notes(asked.group_by, them)]
    about += choice.unranked_notes(one for them in ranked.values() for one in them)
    drawn = {
        one.configuration.fingerprint for them in groups.values() for group in them for one in group.members
    }
    notes = list(dict.fromkeys([*about, *choice.notes, *choice.left_out_notes(drawn)]))
    shown = group_display_names(first)
    choices = {key: choice_as_dict(key, them[0].rules, them[0].direction) for key, them in groups.items()}
    heading = asked.heading(experiment.title)
    if asked.bars:
        what = [note for them in groups.values() for note in group_notes(asked.group_by, them)]
        caption = brief_notes(dict.fromkeys([*what, *choice.notes, *choice.left_out_notes(drawn)]))
        return plotting.plot_bars(groups, heading, asked.style, caption), _Drawn(shown, choices, [], notes)
    name = next(iter(ranked)).removeprefix("best_")
    curves = [
        (f"{title} ({_plotted_group_counts(group)})", curve)
        for title, group in show_progress(list(zip(shown, first, strict=True)), "reading runs")
        for curve in _plotted_group_curves(asked, choice, group, name)
    ]
    key = next(iter(every), "")
    selected = [f"the best {len(first)} of {len(every[key])} groups"] if key and first != every[key] else []
    caption = brief_notes([*selected, *(f"ranked by {one}" for one in notes[:1]), *notes[1:]])
    figure = plotting.plot_configurations(
        curves, heading, asked.style, note=caption, averaged="configuration"
    )
    return figure, _Drawn(shown, choices, [], [*notes, *selected])


def _plotted_group_counts(group: RankedGroup) -> str:
    from legm.core.texts import counted

    return f"{counted(len(group.members), 'configuration')}, {counted(group.runs, 'run')}"


def _plotted_group_curves(
    asked: _PlotRequest, choice: Selection, group: RankedGroup, name: str
) -> list[Curve]:
    """The mean curve of a group; none where no configuration has one."""
    from legm.stats.aggregate import average_aggregated_curves

    members = [
        curve for one in group.members for curve in _plotted_curves(asked, choice, one.configuration, [name])
    ]
    return [average_aggregated_curves(members)] if members else []


def _plotted_curves(
    asked: _PlotRequest, choice: Selection, configuration: Configuration, names: Sequence[str]
) -> list[Curve]:
    from legm.stats.aggregate import aggregate_curves
    from legm.stats.run_counts import newest_counted_of_each_seed

    runs: Iterable[RunResult] = choice.runs.read(configuration, choice.description, frozenset(names))
    if asked.one_per_seed:
        runs = newest_counted_of_each_seed(runs)
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
