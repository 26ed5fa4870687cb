"""What a ranking says of runs that are not in its averages."""

from __future__ import annotations

import math

import numpy as np

from legm.analysis.grouping import group_notes, group_ranked
from legm.analysis.notes import method_note, ranking_notes, unranked_note
from legm.analysis.ranking import rank_experiment
from legm.records import Configuration, History, Run, RunResult, Series, Status
from legm.stats.run_counts import count_runs

COMPLETED = Status.COMPLETED


def configuration(name):
    return Configuration("e", name, name, {"m": name}, ("m",), {})


def run(name, number, status=COMPLETED, times=(), **best):
    history = History(np.arange(len(times), dtype=np.int64), np.array(times, np.float64))
    return RunResult(
        Run(f"{name}{number}", configuration(name), "", 0.0),
        status,
        best={Series(metric): value for metric, value in best.items()},
        histories={Series("time"): history} if times else {},
    )


RUNS = {
    "a": [run("a", 0, loss=0.5), run("a", 1, loss=math.nan), run("a", 2, accuracy=1.0)],
    "b": [run("b", 0, loss=0.25, times=[1, 2, 3]), run("b", 1, loss=0.75, times=[4, 5])],
    "c": [run("c", 0, accuracy=1.0)],
    "d": [run("d", 0, Status.FAILED, loss=0.125), run("d", 1, Status.PRUNED)],
    "e": [run("e", 0, loss=1.0, times=[2]), run("e", 1, loss=1.0)],
}
COUNTS = [count_runs(configuration(name), "", runs) for name, runs in RUNS.items()]


def ranking(metric, aggregation="mean"):
    def read(found, description, histories):
        return iter(RUNS[found.name])

    options = {"higher_better": None, "test": False, "constraints": {}, "aggregation": aggregation}
    return rank_experiment(read, COUNTS, metric, **options)


def test_runs_without_a_number_are_counted_beside_those_that_are_averaged():
    found = [
        (one.configuration.name, one.value.mean, one.runs, one.missing, one.value.nan)
        for one in ranking("loss")
    ]
    assert found == [("a", 0.5, 1, 1, 1), ("b", 0.5, 2, 0, 0), ("e", 1.0, 2, 0, 0)]


def test_a_mean_over_all_values_says_over_how_many_runs_it_is():
    found = [
        (one.configuration.name, one.value.mean, one.value.n, one.runs, one.missing)
        for one in ranking("time")
    ]
    assert found == [("e", 2.0, 1, 1, 1), ("b", 3.0, 5, 2, 0)]


def test_the_notes_say_what_is_not_averaged():
    assert ranking_notes("best_loss", ranking("loss")) == [
        "last loss: lower is better, by its name",
        "last loss is NaN in 1 and missing in 1 of 7 completed runs; these are not averaged",
    ]
    assert ranking_notes("time", ranking("time")) == [
        "time: lower is better, by its name; over all values of each run",
        "time is missing in 1 of 4 completed runs; these are not averaged",
    ]
    assert len(ranking_notes("best_loss", ranking("loss")[1:])) == 1


def test_configurations_that_are_in_no_ranking_are_counted():
    (note,) = unranked_note(one for one in COUNTS if one.configuration.name in "cd")
    kinds = (
        "1 configuration without the metric and 1 configuration without a completed run (1 failed, 1 pruned)"
    )
    assert note == f"not ranked: {kinds}"
    assert unranked_note([]) == []


def test_what_is_no_mean_is_said():
    medians = ranking("loss", "median")
    assert method_note(medians) == ["median and quartiles over the runs"]
    assert method_note(ranking("loss")) == []
    (note,) = group_notes(["m"], group_ranked(medians, "m"))
    assert note.endswith("each of these is the median over its runs (3 configurations)")
