"""The figures that a project draws: those of ``legm plot``, for a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from legm import plotting
from legm.analysis.experiment_figures import draw_experiment_curves
from legm.analysis.notes import brief_notes, ranking_notes
from legm.analysis.ranking import rank_experiment, ranking_value_key
from legm.analysis.selected_runs import SelectedRuns
from legm.analysis.unfinished import read_unfinished, unfinished_statuses
from legm.errors import LegmError, MetricError
from legm.records import Configuration, Curve, Ranked, RunCounts, RunResult
from legm.stats.aggregate import aggregate_curves
from legm.stats.run_counts import newest_counted_of_each_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FigureRequest", "project_figure"]

_CURVES = 10  # configurations in one figure, unless a user says how many


@dataclass(frozen=True, slots=True)
class FigureRequest:
    """What a user wants to see; each field is an argument of :meth:`legm.tables.Project.plot`.

    ``selection`` is the text of what is selected; "" for everything.
    """

    metrics: tuple[str, ...]
    top: int | None
    bars: bool
    higher_better: bool | None
    test: bool
    aggregation: str
    one_per_seed: bool
    description: str
    statuses: Sequence[str]
    title: str | None
    selection: str


def project_figure(
    asked: FigureRequest,
    runs: SelectedRuns,
    counts: Sequence[RunCounts],
    labels: Mapping[str, str],
    style: plotting.StyleSheets,
) -> Figure:
    """The curves of the best configurations, or bars.

    Args:
        asked: what a user wants to see.
        runs: reads the selected runs.
        counts: theirs, of one description.
        labels: by fingerprint, the names of the configurations' folders.
        style: the figure's.

    Raises:
        MetricError: no completed run has a metric, or it has no curve.
        LegmError: there is no such style or aggregation, or runs cannot be read.
    """
    look = plotting.Style.of(style)
    _require_project_figure(asked)
    ranked = {
        ranking_value_key(name, test=asked.test): _project_figure_ranking(asked, runs, counts, name)
        for name in asked.metrics
    }
    heading = asked.title
    if heading is None:
        experiment = counts[0].configuration.experiment if counts else ""
        heading = ", ".join(filter(None, (experiment, asked.description)))
    selected = [f"only runs and configurations with {asked.selection}"] if asked.selection else []
    if asked.bars:
        shown = {key: ranking[: asked.top or None] for key, ranking in ranked.items()}
        return plotting.plot_bars(shown, heading, look, brief_notes(selected), labels)
    (name,), ((key, ranking),) = asked.metrics, ranked.items()
    wanted = frozenset({name})

    def read_curves(configuration: Configuration) -> Iterator[Curve]:
        chosen: Iterable[RunResult] = runs.read(configuration, asked.description, wanted)
        chosen = newest_counted_of_each_seed(chosen) if asked.one_per_seed else chosen
        return (one for one in aggregate_curves(chosen, None, asked.aggregation) if one.metric == name)

    statuses = unfinished_statuses(asked.statuses)
    unfinished = list(read_unfinished(runs.read, counts, statuses, wanted)) if statuses else []
    top = _CURVES if asked.top is None else asked.top
    notes = [*ranking_notes(key, ranking), *selected]
    return draw_experiment_curves(
        name, ranking, top, read_curves, labels, heading, look, unfinished, notes
    ).figure


def _require_project_figure(asked: FigureRequest) -> None:
    if not asked.metrics:
        raise MetricError("name a metric to draw")
    if asked.bars and asked.statuses:
        raise LegmError("statuses draws curves, which bars=True does not have")
    if not asked.bars and asked.test:
        name = asked.metrics[0]
        raise MetricError(f"the test metric {name!r} is a single value and has no curve: set bars=True")
    if not asked.bars and len(asked.metrics) > 1:
        raise MetricError("curves of several configurations show one metric; bars=True can show several")


def _project_figure_ranking(
    asked: FigureRequest, runs: SelectedRuns, counts: Sequence[RunCounts], name: str
) -> list[Ranked]:
    return rank_experiment(
        runs.read,
        counts,
        name,
        higher_better=asked.higher_better,
        test=asked.test,
        constraints={},
        aggregation=asked.aggregation,
        one_per_seed=asked.one_per_seed,
    )
