"""Selects metrics by name, and configurations by the values of parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from legm.analysis.selected_runs import SelectedRuns, nothing_selected
from legm.cli.locations import LocatedExperiment, Location, experiment_at
from legm.core.selection import RunSelection
from legm.core.texts import counted, listed_names
from legm.errors import MetricError, StateError, closest
from legm.records import (
    Configuration,
    Curve,
    Direction,
    Ranked,
    RunCounts,
    RunMarks,
    RunResult,
    Series,
    Split,
)
from legm.stats.run_counts import ALL_VALUES_METRICS

__all__ = ["SelectedMetric", "Selection", "select_members", "select_metric", "selectable_metrics"]


@dataclass(frozen=True, slots=True)
class SelectedMetric:
    """A metric that a user named.

    Args:
        name: of the metric.
        test: whether it is a test metric.
    """

    name: str
    test: bool

    def __str__(self) -> str:
        return f"test {self.name}" if self.test else self.name

    @property
    def series(self) -> Series:
        """The series of its values."""
        return Series(self.name, Split.TEST if self.test else Split.DEV)

    @property
    def key(self) -> str:
        """Its key in a summary."""
        from legm.analysis.ranking import ranking_value_key

        return ranking_value_key(self.name, test=self.test)


@dataclass(frozen=True, slots=True)
class Selection:
    """The configurations and runs of an experiment from which a user chooses.

    Args:
        experiment: theirs.
        counts: the selected runs of one description.
        runs: reads the selected runs.
        text: what was selected; "" for everything.
        described: the number of runs by description, where nobody asked for one and those without it count.
    """

    experiment: LocatedExperiment
    counts: Sequence[RunCounts]
    runs: SelectedRuns
    text: str = ""
    described: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, location: Location, description: str | None, selection: RunSelection) -> Selection:
        """The configurations and runs at a location.

        Args:
            location: the experiment's.
            description: the runs'; None for that of the selection, else for runs without one.
            selection: of configurations and runs.

        Raises:
            StateError: no run has the description, or the selected ones have several.
            ParameterError: no configuration has one of the parameters or values, or nothing is selected.
            StorageError: there is no experiment.
        """
        return cls.among(experiment_at(location), description, selection)

    @classmethod
    def among(
        cls, experiment: LocatedExperiment, description: str | None, selection: RunSelection
    ) -> Selection:
        """The configurations and runs of an experiment; see :meth:`of`."""
        every = experiment.counts()
        is_of_selection = description is None and "description" in selection.fields
        wanted = description or ""
        counts = every if is_of_selection else [one for one in every if one.description == wanted]
        if every and not counts:
            kind = f"with the description {wanted!r}" if wanted else "without a description"
            known = {one.description for one in every}
            raise StateError(f"{experiment.path} has no run {kind}; {closest(wanted, known)}")
        runs = SelectedRuns.of(selection, [one.configuration for one in counts], experiment.read_runs)
        chosen = runs.counts(counts)
        descriptions = sorted({one.description for one in chosen})
        if len(descriptions) > 1:
            raise StateError(
                f"{selection} selects runs with several descriptions, which are not averaged together: "
                f"{', '.join(map(repr, descriptions))}"
            )
        described: Counter[str] = Counter()
        if description is None and not is_of_selection:
            for one in every:
                described[one.description] += one.completed + one.running + sum(one.left_out.values())
            del described[""]
        return cls(experiment, chosen, runs, str(selection), described)

    @property
    def description(self) -> str:
        """That of the selected runs."""
        return self.counts[0].description if self.counts else ""

    @property
    def notes(self) -> list[str]:
        """The notes that only selected runs count, or those without a description; none where all do."""
        notes = [f"only runs and configurations with {self.text}"] if self.text else []
        if self.described:
            runs = sum(self.described.values())
            names = listed_names(map(repr, sorted(self.described)))
            what = f"{counted(runs, 'run')} with the description {names}"
            notes.append(f"{what} {'does' if runs == 1 else 'do'} not count: --description selects by it")
        return notes

    def left_out_notes(self, shown: Collection[str] | None = None) -> list[str]:
        """The note that some of the runs are not completed and so not averaged; nothing where all are.

        Args:
            shown: the fingerprints of the configurations that are shown; None for all.
        """
        from legm.analysis.notes import left_out_note

        counts = [one for one in self.counts if shown is None or one.configuration.fingerprint in shown]
        return left_out_note({**one.left_out, "running": one.running} for one in counts)

    def unranked_notes(self, ranked: Iterable[Ranked]) -> list[str]:
        """The note that some of the configurations are in no ranking; nothing where all are.

        Args:
            ranked: those that are in one.
        """
        from legm.analysis.notes import unranked_note

        known = {one.configuration.fingerprint for one in ranked}
        return unranked_note(one for one in self.counts if one.configuration.fingerprint not in known)

    def marks(self) -> dict[str, list[RunMarks]]:
        """By fingerprint, what is noted about the selected runs.

        Raises:
            LegmError: runs cannot be read.
        """
        return {
            one.configuration.fingerprint: [
                run.marks for run in self.runs.read(one.configuration, one.description, frozenset())
            ]
            for one in self.counts
        }

    def metric(self, name: str, *, test: bool, statuses: Sequence[str] = ()) -> SelectedMetric:
        """The metric that a user means; its key is accepted beside its name: ``test_accuracy``.

        Args:
            name: as a user gave it.
            test: whether it is a test metric.
            statuses: of runs that are shown though they are not completed; their metrics are known too.

        Raises:
            MetricError: no such run has it.
        """
        try:
            return select_metric(name, self.counts, test=test)
        except MetricError:
            wanted = SelectedMetric(name, test)
            if any(wanted.series in (*run.histories, *run.test) for run in self.unfinished(statuses, wanted)):
                return wanted
            raise

    def metrics(self) -> list[SelectedMetric]:
        """The metrics that completed runs have a value of, by name, dev metrics first."""
        dev, tests = selectable_metrics(self.counts)
        return [
            *(SelectedMetric(name, False) for name in sorted(dev)),
            *(SelectedMetric(name, True) for name in sorted(tests)),
        ]

    def own_metric(self, *, test: bool) -> str | None:
        """The metric that the runs chose their best step by, or the only one there is; None without one."""
        dev, tests = selectable_metrics(self.counts)
        rules = {rule.metric for one in self.counts for rule in one.rules if rule.metric is not None}
        known = tests if test else dev
        own = known & rules if len(rules) == 1 and not test else known
        return next(iter(own)) if len(own) == 1 else None

    def has(self, metric: SelectedMetric) -> bool:
        """Whether a completed run has the metric."""
        return metric.key in ALL_VALUES_METRICS or any(metric.key in one.values for one in self.counts)

    def direction(
        self, metric: SelectedMetric, higher_better: bool | None, runs: Iterable[RunResult]
    ) -> Direction:
        """Which values of a metric are better, by the best rules of runs that are not completed."""
        from legm.core.direction import decide_direction

        return decide_direction(metric.name, Counter(run.rule for run in runs), higher_better)

    def ranked(
        self,
        metric: SelectedMetric,
        *,
        higher_better: bool | None,
        aggregation: str = "mean",
        one_per_seed: bool = False,
    ) -> list[Ranked]:
        """The configurations that have a metric, best first; none if no completed run has it.

        See :func:`legm.analysis.ranking.rank_experiment`.

        Raises:
            MetricError: there is no such method.
        """
        from legm.analysis.ranking import rank_experiment

        if not self.has(metric):
            return []
        return rank_experiment(
            self.runs.read,
            self.counts,
            metric.name,
            higher_better=higher_better,
            test=metric.test,
            constraints={},
            aggregation=aggregation,
            one_per_seed=one_per_seed,
        )

    def curve(
        self,
        configuration: Configuration,
        name: str,
        aggregation: str = "mean",
        *,
        one_per_seed: bool = False,
    ) -> Curve | None:
        """The curve of a dev metric over the completed runs of a configuration; None without one.

        Raises:
            MetricError: there is no such method.
            LegmError: runs cannot be read.
        """
        from legm.stats.aggregate import aggregate_curves
        from legm.stats.run_counts import newest_counted_of_each_seed

        runs: Iterable[RunResult] = self.runs.read(configuration, self.description, frozenset({name}))
        if one_per_seed:
            runs = newest_counted_of_each_seed(runs)
        return next((one for one in aggregate_curves(runs, None, aggregation) if one.metric == name), None)

    def curve_metric(self, asked: str, ranked: SelectedMetric | None, statuses: Sequence[str] = ()) -> str:
        """The dev metric whose curves a user wants to see.

        Args:
            asked: its name; "" for the one that is ranked, else the runs' own.
            ranked: the metric that is ranked, if any.
            statuses: of runs that are shown though they are not completed.

        Raises:
            MetricError: no such run has it, it is a test metric, or nobody knows which one is meant.
        """
        metric = ranked
        if asked:
            metric = self.metric(asked, test=False, statuses=statuses)
        elif metric is None or metric.test:
            own = self.own_metric(test=False)
            if own is None:
                names = closest("", [one.name for one in self.metrics() if not one.test])
                raise MetricError(f"--curve needs the name of a dev metric here; {names}")
            return own
        if metric.test:
            raise MetricError(f"the test metric {metric.name!r} is a single value and has no curve")
        return metric.name

    def unfinished(self, statuses: Sequence[str], metric: SelectedMetric) -> list[RunResult]:
        """The runs with these statuses of the configurations that are chosen, with the metric's series."""
        if not statuses:
            return []
        from legm.analysis.unfinished import read_unfinished, unfinished_statuses

        histories = frozenset(() if metric.test else {metric.name})
        return list(read_unfinished(self.runs.read, self.counts, unfinished_statuses(statuses), histories))


def select_members(
    experiments: Sequence[LocatedExperiment], selection: RunSelection
) -> list[LocatedExperiment]:
    """The experiments with the configurations of which runs are selected, and the counts of these runs.

    A parameter need be known in one of the experiments only.

    Args:
        experiments: all there are.
        selection: of configurations and runs; configurations that cannot be read are never selected.

    Raises:
        ParameterError: no configuration has one of the parameters or values, or nothing is selected.
    """
    if not selection:
        return list(experiments)
    members = [one for of in experiments for one in of.members]
    bound = selection.bound(one.configuration for one in members if one.configuration is not None)
    found = []
    for of in experiments:
        runs = SelectedRuns(bound, of.read_runs)
        kept = [
            replace(one, counts=tuple(counts))
            for one in of.members
            if one.configuration is not None and (counts := runs.counts_if_any(one.counts))
        ]
        found += [replace(of, members=kept)] if kept else []
    if not found:
        raise nothing_selected(bound, [count for one in members for count in one.counts])
    return found


def selectable_metrics(counts: Iterable[RunCounts]) -> tuple[set[str], set[str]]:
    """The names of the dev and of the test metrics that completed runs have a value of."""
    keys = {key for one in counts for key in one.values}
    return tuple(  # type: ignore[return-value]
        {key.removeprefix(prefix) for key in keys if key.startswith(prefix)} for prefix in ("best_", "test_")
    )


def select_metric(name: str, counts: Sequence[RunCounts], *, test: bool) -> SelectedMetric:
    """The metric that a user means, among those of some runs; see :meth:`Selection.metric`.

    Raises:
        MetricError: no completed run has it.
    """
    key = ("test_" if test else "best_") + name
    if (name in ALL_VALUES_METRICS and not test) or any(key in one.values for one in counts):
        return SelectedMetric(name, test)
    dev, tests = selectable_metrics(counts)
    indexed = {key for one in counts for key in one.indexed}
    if key in indexed:
        raise MetricError(f"{name!r} has one value per index: choose a metric of the whole run")
    for prefix, known, is_test in (("test_", tests, True), ("best_", dev, False)):
        if name.startswith(prefix) and name.removeprefix(prefix) in known:
            return SelectedMetric(name.removeprefix(prefix), is_test)
    if not any(one.completed for one in counts):
        others = any(one.running or any(one.left_out.values()) for one in counts)
        hint = "; legm best and legm plot show the others with --status all" if others else ""
        raise MetricError(f"there is no metric {name!r}: no run is completed{hint}")
    kind, other = ("test", dev) if test else ("dev", tests)
    if name in other:
        hint = "it is a dev metric: leave out --test" if test else "it is a test metric: add --test"
    else:
        hint = closest(name, tests if test else dev)
    raise MetricError(f"no completed run has the {kind} metric {name!r}; {hint}")
