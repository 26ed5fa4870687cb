"""Runs as tables: what is in the cells, and that it is read back bit for bit."""

from __future__ import annotations

import contextlib
import csv
import math
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from legm import ExperimentHandler, LegmError, StorageError
from legm.cli import main
from legm.export import State, export_runs, export_table
from legm.records import Series, Split
from legm.tables.columns import column_of
from legm.testing import MemoryBackend
from tests.support.local_runs import begun, known, local_runs, train

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd|'x'!A0",
    "+1",
    "-1",
    "a,b;c\td",
    'say "x"',
    "two\nlines",
    "two\r\nlines",
    "\r",
    "größe 損失 😀",
    " padded ",
    "\u2028\ufeff",
    "'",
    "NULL",
    "nan",
    "n" * 250,
]
NUMBERS = [0.1 + 0.2, 1 / 3, math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def bits(value: float) -> str:
    return "nan" if math.isnan(value) else float(value).hex()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Three runs with every odd number and name: only to be read."""
    folder = tmp_path_factory.mktemp("tables") / "results"
    for seed in range(2):
        handler = ExperimentHandler(folder, "=1+1", HOSTILE[seed])
        handler.set_dict_params({name: name for name in HOSTILE})
        handler.set_dict_params({"rate": 0.1, "layers": 2, "bias": True, "mixed": 1 if seed else "one"})
        handler.set_dict_params({"sizes": [1, [2.5, math.nan]], "none": None, "large": 2**70, "seed": seed})
        handler.disable_params(["seed", "mixed"])
        with handler.start():
            for step, number in enumerate(NUMBERS):
                handler.set_metric("number", number, step=10 * step)
                handler.set_metric(f"test {step}", number, test=True)
            for name in (*HOSTILE, "step"):
                handler.set_metric(name, seed, step=-5)
            handler.set_metric("again", 1, step=3)
            handler.set_metric("again", 2, step=3)
            handler.set_dict_metrics({"ex 1": {"iou": 0.5}, "ex 2": {"iou": 0.25}}, step=1)
    with contextlib.suppress(ZeroDivisionError), begun(folder, 3) as handler:
        handler.set_metric("number", 7, step=1)
        1 / 0  # noqa: B018
    return folder


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_row_a_run_has_its_parameters_and_values(root, tmp_path, kind):
    path = tmp_path / f"runs.{kind}"
    report = export_table(root, path)
    results = {result.run.run_id: result for result in local_runs(root)}
    assert report.states == {State.DELIVERED: len(results)} == {State.DELIVERED: 3}
    rows = read_csv(path) if kind == "csv" else read_parquet(path)
    assert {row["run_id"] for row in rows} == results.keys()
    empty = "" if kind == "csv" else None
    for row in rows:
        result = results[row["run_id"]]
        run, configuration = result.run, result.run.configuration
        assert row["experiment"] == configuration.experiment
        assert row["fingerprint"] == configuration.fingerprint
        assert row["configuration"] in {path.name for path in root.glob("*/*")}
        assert row["description"] == run.description
        assert row["status"] == result.status.value
        assert (row["error"] or None) == result.error
        assert float(row["started"]) == run.started
        assert float(row["ended"]) == result.ended
        assert int(row["points"]) == result.points
        assert (
            row["best_step"] == empty
            if result.best_step is None
            else int(row["best_step"]) == result.best_step
        )
        for name in HOSTILE:
            assert row[f"param.{name}"] == configuration.parameters.get(name, empty)
        best = {series.name: value for series, value in result.best.items() if series.index is None}
        for name, value in best.items():
            column = "best_dev/step" if name == "step" else f"best_{name}"
            assert bits(float(row[column])) == bits(value)
        for number in range(len(NUMBERS)):
            value = result.test.get(Series(f"test {number}", Split.TEST))
            cell = row[f"test_test {number}"]
            assert cell == empty if value is None else bits(float(cell)) == bits(value)
    assert [name for name in rows[0] if "iou" in name] == []


def test_parquet_has_types_and_what_is_of_no_one_type_is_text(root, tmp_path):
    export_table(root, tmp_path / "runs.parquet")
    schema = pq.read_schema(tmp_path / "runs.parquet")
    kinds = {
        "param.layers": pa.int64(),
        "param.seed": pa.int64(),
        "param.bias": pa.bool_(),
        "param.rate": pa.float64(),  # 0.1 and 3
        "param.mixed": pa.string(),
        "param.sizes": pa.string(),
        "param.large": pa.string(),
        "param.none": pa.string(),
        "best_number": pa.float64(),
        "best_step": pa.int64(),
        "started": pa.float64(),
        "run_id": pa.string(),
    }
    assert {name: schema.field(name).type for name in kinds} == kinds
    rows = [row for row in read_parquet(tmp_path / "runs.parquet") if row["status"] == "completed"]
    assert {row["param.mixed"] for row in rows} == {"1", "one"}
    assert {row["param.sizes"] for row in rows} == {"[1, [2.5, NaN]]"}
    assert {int(row["param.large"]) for row in rows} == {2**70}
    assert {row["param.none"] for row in rows} == {None}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_row_a_number_has_every_series_with_its_times(root, tmp_path, kind):
    path = tmp_path / f"points.{kind}"
    export_table(root, path, rows="points")
    rows = read_csv(path) if kind == "csv" else read_parquet(path)
    found: dict[str, dict] = {}
    for row in rows:
        series = Series(row["metric"], Split(row["split"]), row["index"] or None)
        step = None if row["step"] in ("", None) else int(row["step"])
        found.setdefault(row["run_id"], {}).setdefault(series, []).append((step, bits(float(row["value"]))))
    for result in local_runs(root):
        expected = {
            series: [
                (step, bits(value))
                for step, value in zip(history.steps.tolist(), history.values.tolist(), strict=True)
            ]
            for series, history in result.histories.items()
        }
        expected |= {series: [(None, bits(value))] for series, value in result.test.items()}
        assert found[result.run.run_id] == expected
        times = [float(row["time"]) for row in rows if row["run_id"] == result.run.run_id]
        assert all(result.run.started <= time <= result.ended for time in times)
    assert len(found) == 3


def test_times_that_are_not_known_are_empty(tmp_path):
    train(tmp_path / "root")
    memory = MemoryBackend(tmp_path)
    export_runs(tmp_path / "root", memory)
    for path in (tmp_path / "root").rglob("*.log"):
        path.unlink()
    export_table(tmp_path / "root", tmp_path / "files.csv", rows="points")
    export_table(tmp_path, tmp_path / "memory.csv", rows="points", source=memory)
    for rows in (read_csv(tmp_path / "files.csv"), read_csv(tmp_path / "memory.csv")):
        assert len(rows) == 9
        assert {row["time"] for row in rows} == {""}


def test_a_value_that_is_in_no_encoding_is_escaped(tmp_path):
    train(tmp_path / "root", half="\ud83d!")
    for path in (tmp_path / "t.csv", tmp_path / "t.parquet"):
        export_table(tmp_path / "root", path)
    (row,) = read_csv(tmp_path / "t.csv")
    (same,) = read_parquet(tmp_path / "t.parquet")
    assert row["param.half"] == same["param.half"] == "\\ud83d!"


cells = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3)


@given(st.lists(cells, max_size=5))
def test_a_column_holds_its_values_without_losing_a_bit(values):
    column = column_of("x", values, "")
    for value, cell in zip(values, column.cells(), strict=True):
        if value is None:
            assert cell is None
        elif isinstance(cell, str):
            assert cell == str(value).encode(errors="backslashreplace").decode()
        elif isinstance(value, float):
            assert bits(cell) == bits(value)
        else:
            assert cell == value
            assert column.kind is not int or np.int64(cell) == value


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path):
    peaks = []
    for runs in (3, 12):
        root = tmp_path / str(runs)
        for _ in range(runs):
            with begun(root, 1) as handler:
                for step in range(4000):
                    handler.set_metric("loss", step / 7, step=step)
        export_table(root / "e", tmp_path / "warm.csv", rows="points")
        tracemalloc.start()
        try:
            export_table(root, tmp_path / "points.csv", rows="points")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_an_earlier_table_stays_until_the_new_one_is_complete(root, tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("earlier")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("legm.export.table_writers.CsvTableWriter.write", fail)
        with pytest.raises(StorageError, match="the disk is full"):
            export_table(root, path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]
    export_table(root, path)
    assert len(read_csv(path)) == 3


def test_csv_needs_no_pyarrow_and_parquet_says_how_to_get_it(root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert export_table(root, tmp_path / "t.csv").is_complete
    with pytest.raises(LegmError, match=r"pip install 'legm\[parquet\]'"):
        export_table(root, tmp_path / "t.parquet")
    with pytest.raises(LegmError, match="cannot have rows of 'metrics'; known: 'points', 'runs'"):
        export_table(root, tmp_path / "t.csv", rows="metrics")


def test_the_command_writes_tables(root, tmp_path):
    for arguments, count in ((["runs.csv"], 3), (["points.csv", "--rows", "points"], None)):
        path = tmp_path / arguments[0]
        command = ["export", str(root), str(path), "--to", "table", *arguments[1:]]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        points = sum(result.points for result in local_runs(root))
        assert done.stdout == f"{path}: 3 runs with {points} values\n"
        assert len(read_csv(path)) == (count or points - 2)  # a step set twice has one row


def test_a_table_of_another_backends_runs_is_the_same(root, tmp_path):
    memory = MemoryBackend(tmp_path)
    export_runs(root, memory)
    export_table(root, tmp_path / "local.csv")
    export_table(tmp_path, tmp_path / "memory.csv", source=memory)
    ours, theirs = (
        sorted((row for row in read_csv(tmp_path / name)), key=lambda row: row["run_id"])
        for name in ("local.csv", "memory.csv")
    )
    for row in (*ours, *theirs):
        del row["configuration"]  # the folder's name, where there is a folder
    assert ours == theirs
    assert known(local_runs(root))


@pytest.mark.parametrize("again", [False, True], ids=["first", "after log"])
def test_a_run_that_is_still_running_is_in_the_table_as_it_is_now(tmp_path, again):
    runs = tmp_path / "runs"
    with ExperimentHandler(runs, "e").start() as ended:
        ended.set_metric("loss", 1.0)
    going = ExperimentHandler(runs, "e").start()
    going.set_metric("loss", 0.5)
    going.tag("seen")
    if again:
        going.log()
        going.set_metric("loss", 0.25)  # void until it is logged again
    else:
        going.set_metric("accuracy", 0.75, test=True)
    going.flush()
    report = export_table(runs, tmp_path / "table.csv")
    assert report.is_complete
    assert (report.states[State.DELIVERED], report.states[State.RUNNING]) == (1, 1)
    (still,) = (one for one in report.runs if one.state is State.RUNNING)
    assert (going.run_id in still.where, still.text) == (True, "it is still running")
    (row,) = (one for one in read_csv(tmp_path / "table.csv") if one["run_id"] == going.run_id)
    assert row["status"] == ("completed" if again else "running")
    assert row["tags"] == "seen"
    if not again:
        assert (row["test_accuracy"], row["ended"], row["points"]) == ("0.75", "", "2")
    export_table(runs, tmp_path / "points.csv", "points")
    points = [one for one in read_csv(tmp_path / "points.csv") if one["run_id"] == going.run_id]
    assert [(one["metric"], one["value"]) for one in points][:1] == [("loss", "0.5")]
    assert all(one["time"] for one in points)
    assert len(points) == (1 if again else 2)
    command = ["export", str(runs), str(tmp_path / "again.csv"), "--to", "table"]
    said = CliRunner().invoke(main, command).output
    assert f"2 runs with {2 if again else 3} values" in said
    assert "1 run still running, and in the table as of now: export again later" in said
    going.log()


def test_a_run_that_is_running_in_another_backend_is_in_the_table(tmp_path):
    memory = MemoryBackend(tmp_path)
    going = ExperimentHandler(tmp_path, "e", backend=memory).start()
    going.set_metric("loss", 0.5)
    going.flush()
    report = export_table(tmp_path, tmp_path / "table.csv", "points", source=memory)
    assert report.states[State.RUNNING] == 1
    assert [(row["metric"], row["value"]) for row in read_csv(tmp_path / "table.csv")] == [("loss", "0.5")]
    going.log()
