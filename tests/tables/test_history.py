"""The table of values: what is in it, its order, its axes, and where it is read from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import legm
from legm import ExperimentHandler, MetricError
from legm.core.point_columns import points_from_blocks
from legm.core.results import run_result
from legm.core.series_rows import rows_by_series
from legm.records import Outcome, Series, Split, Status
from legm.runlog.configuration_folders import configuration_folders
from tests.support.examples import examples
from tests.support.local_runs import local_runs, train
from tests.support.sample_runs import bits, script


def series_of(table) -> dict[tuple[str, Series], tuple[list, list[bytes]]]:
    """By run and series, the steps and values of a history."""
    found: dict = {}
    names = ("run_id", "metric", "split", "index", "step", "value")
    for run_id, metric, split, index, step, value in zip(*(table[name] for name in names), strict=True):
        steps, values = found.setdefault((run_id, Series(metric, Split(split), index)), ([], []))
        steps.append(None if step is np.ma.masked else int(step))
        values.append(bits(value))
    return found


def expected_of(root: Path) -> dict:
    found = {}
    for result in local_runs(root):
        for series, history in result.histories.items():
            values = [bits(value) for value in history.values.tolist()]
            found[result.run.run_id, series] = (history.steps.tolist(), values)
        for series, value in result.test.items():
            found[result.run.run_id, series] = ([None], [bits(value)])
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Runs with every odd number, equal steps, indexed metrics, and values in several layouts."""
    folder = tmp_path_factory.mktemp("history") / "results"
    script(ExperimentHandler(folder, "e"))
    return folder


def test_every_series_is_bit_for_bit_what_counts(root):
    assert series_of(legm.open(root).history()) == expected_of(root)


def test_each_value_has_its_time(root):
    history = legm.open(root).history()
    results = {one.run.run_id: one for one in local_runs(root)}
    for run_id, time in zip(history["run_id"], history["time"], strict=True):
        assert results[run_id].run.started <= time <= results[run_id].ended


def test_metrics_are_chosen_by_name(root):
    history = legm.open(root).history(["f1", "iou"])
    assert set(history["metric"]) == {"f1", "iou"}
    assert set(history["split"]) == {"dev", "test"}
    expected = {key: value for key, value in expected_of(root).items() if key[1].name in {"f1", "iou"}}
    assert series_of(history) == expected


def test_without_logs_the_files_are_read_and_times_are_missing(tmp_path):
    train(tmp_path, rate=0.5)
    expected = series_of(legm.open(tmp_path).history())
    for path in tmp_path.rglob("*.log"):
        path.unlink()
    history = legm.open(tmp_path).history()
    assert series_of(history) == expected
    assert np.isnan(history["time"]).all()


def test_what_a_user_wrote_by_hand_counts_and_not_the_log(tmp_path):
    train(tmp_path, rate=0.5)
    train(tmp_path, rate=0.5, seed=1)
    (folder,) = configuration_folders(tmp_path)
    path = folder / "metrics.yml"
    first, rest = path.read_text().split("\n", 1)
    value = repr(1 / 4)  # of the loss at step 1, which is not the best step
    assert value in first
    path.write_text(first.partition(" # legm ")[0].replace(value, "0.75", 1) + "\n" + rest)
    values = legm.open(tmp_path).history("loss")["value"].tolist()
    assert 0.75 in values
    assert len(values) == 8


def test_values_that_were_rewound_are_not_there(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.start()
    for step in range(6):
        handler.set_metric("loss", step, step=step)
    handler.rewind(2)
    handler.set_metric("loss", 30, step=3)
    handler.flush()
    assert legm.open(tmp_path).history("loss")["value"].tolist() == [0, 1, 2, 30]
    handler.log()
    assert legm.open(tmp_path).history("loss")["value"].tolist() == [0, 1, 2, 30]


@pytest.mark.parametrize(
    ("metrics", "x"), [(5, "step"), (["loss", None], "step"), ("loss", None), ("loss", 3)]
)
def test_metrics_and_x_are_names(tmp_path, metrics, x):
    with ExperimentHandler(tmp_path, "e") as handler:
        handler.start().set_metric("loss", 1)
    with pytest.raises(MetricError, match="name"):
        legm.open(tmp_path).history(metrics, x=x)


def test_a_folder_that_is_called_like_the_file_of_parameters_hides_nothing(tmp_path):
    with ExperimentHandler(tmp_path, "e") as handler:
        handler.start().set_metric("loss", 1)
    (tmp_path / "params.yml").mkdir()
    assert len(legm.open(tmp_path).runs()) == 1


def test_x_is_the_time_or_another_metric(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.start()
    for step in range(6):
        handler.set_metric("loss", step / 7, step=step)
        if step in {1, 4}:
            handler.set_metric("epoch", step // 3, step=step)
    handler.set_metric("loss", 1, test=True)
    handler.log()
    project = legm.open(tmp_path)
    history = project.history("loss", x="epoch")
    assert set(history["metric"]) == {"loss"}
    nan = math.nan
    np.testing.assert_array_equal(history["x"], [nan, 0, 0, 0, 1, 1, nan])
    both = project.history(x="epoch")
    np.testing.assert_array_equal(both["x"][both["metric"] == "epoch"], [0, 1])
    timed = project.history("loss", x="time")
    started = project.runs()["started"][0]
    np.testing.assert_array_equal(timed["x"], timed["time"] - started)
    assert "x" not in project.history("loss")


def test_a_run_without_the_axis_has_none(tmp_path):
    train(tmp_path, rate=0.5)
    handler = ExperimentHandler(tmp_path, "e")
    handler.start()
    handler.set_metric("loss", 1, step=0)
    handler.log()
    history = legm.open(tmp_path).history("loss", x="acc")
    assert np.isnan(history["x"]).tolist() == [name == handler.run_id for name in history["run_id"]]


layouts = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True).map(tuple)
steps = st.integers(-3, 3)


@examples(60)
@given(st.lists(st.tuples(layouts, st.lists(steps, min_size=1, max_size=5), st.booleans()), max_size=6))
def test_rows_of_a_series_are_those_of_the_result(blocks):
    """Whatever layouts a series is in, and however its steps are ordered."""
    records, number = [], 0
    for names, own_steps, is_together in blocks:
        size = len(own_steps) * len(names)
        values = np.arange(number, number + size, dtype=float).reshape(-1, len(names))
        number += size
        block = (tuple(map(Series, names)), np.array(own_steps), np.array(own_steps, float), values)
        if is_together and records:
            records[-1].append(block)
        else:
            records.append([block])
    points = [points_from_blocks(one) for one in records]
    folder_run = _run()
    result = run_result(folder_run, [*points, Outcome(Status.COMPLETED, 1.0)])
    found = dict(rows_by_series(points, lambda _: True))
    assert set(found) == set(result.histories)
    for series, (own_steps, times, values) in found.items():
        np.testing.assert_array_equal(own_steps, result.histories[series].steps)
        np.testing.assert_array_equal(values, result.histories[series].values)
        np.testing.assert_array_equal(times, own_steps)


def _run():
    from legm.records import Configuration, Run

    return Run("r", Configuration("e", "v1-0", "", {}, (), {}), "", 0.0)


def test_memory_is_little_more_than_the_numbers(tmp_path):
    """Labels take a byte a value, and nothing is copied where a history is one series."""
    handler = ExperimentHandler(tmp_path, "e")
    handler.start()
    for step in range(20_000):
        handler.set_metric("loss", step, step=step)
    handler.log()
    history = legm.open(tmp_path).history()
    assert sum(one.data.nbytes for one in history.columns) <= 20_000 * (3 * 8 + 8)
    assert history["value"] is history["value"]
    assert history["value"].flags.writeable
