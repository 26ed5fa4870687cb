"""Figures of an experiment: the curves of its best configurations, for the command line and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from legm.analysis.notes import brief_notes, left_out_note
from legm.analysis.summaries import unfinished_curves
from legm.core.display_names import display_names
from legm.records import Configuration, Curve, Ranked, RunResult
from legm.util.progress import show_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from legm.plotting import Style

__all__ = ["ExperimentFigure", "draw_experiment_curves", "newest_unfinished_in_figure"]

_UNFINISHED = 20  # runs that can be distinguished in a figure


@dataclass(frozen=True, slots=True)
class ExperimentFigure:
    """A figure and what it shows.

    Args:
        figure: the figure.
        unfinished: the runs that are drawn though they are not completed.
        notes: what a user should know about it.
    """

    figure: Figure
    unfinished: Sequence[RunResult]
    notes: Sequence[str]


def newest_unfinished_in_figure(runs: Sequence[RunResult]) -> tuple[list[RunResult], list[str]]:
    """The newest runs, as many as can be distinguished in a figure, and what was left out."""
    newest = sorted(runs, key=lambda run: run.run.run_id)[-_UNFINISHED:]
    if len(newest) == len(runs):
        return newest, []
    return newest, [f"the newest {len(newest)} of {len(runs)} runs that are not completed"]


def draw_experiment_curves(
    metric: str,
    ranking: Sequence[Ranked],
    top: int | None,
    read_curves: Callable[[Configuration], Iterable[Curve]],
    labels: Mapping[str, str],
    heading: str,
    style: Style,
    unfinished: Sequence[RunResult],
    notes: Sequence[str],
) -> ExperimentFigure:
    """The curves of the best configurations in one figure, and of runs that are not completed.

    Args:
        metric: a dev metric.
        ranking: all of the ranking by it.
        top: how many configurations at most; None or 0 for all.
        read_curves: reads the aggregated curve of a configuration; nothing if it has none.
        labels: by fingerprint, the names of the configurations' folders.
        heading: above the figure.
        style: its look.
        unfinished: runs that are not completed; those of configurations that are not shown are left out.
        notes: about the ranking.
    """
    from legm import plotting

    first = [one.configuration for one in ranking[: top or None]]
    beyond = {one.configuration.fingerprint for one in ranking[len(first) :]}
    runs, note = newest_unfinished_in_figure(
        [run for run in unfinished if run.run.configuration.fingerprint not in beyond]
    )
    drawn = {one.fingerprint: one for one in (*first, *(run.run.configuration for run in runs))}
    if len(drawn) == 1:  # what makes it differ from those that are not shown
        drawn |= {one.configuration.fingerprint: one.configuration for one in ranking}
    titles = display_names(list(drawn.values()), labels)
    curves = [
        (titles[configuration.fingerprint], curve)
        for configuration in show_progress(first, "reading runs")
        for curve in read_curves(configuration)
    ]
    note += left_out_note(one.left_out for one in ranking[: len(first)])
    selected = [f"the best {len(first)} of {len(ranking)} configurations"] if beyond else []
    caption = brief_notes([*selected, *(f"ranked by {one}" for one in notes[:1]), *notes[1:], *note])
    lines = unfinished_curves(runs, [metric], titles)
    figure = plotting.plot_configurations(curves, heading, style, lines, caption)
    return ExperimentFigure(figure, runs, [*notes, *selected, *note])
