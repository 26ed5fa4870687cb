"""Tables in other libraries: pandas, polars, Arrow and DuckDB, with types and without losing a bit."""

from __future__ import annotations

import math
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import legm
from legm.tables.columns import column_of, label_column, number_column, repeated_label_column
from legm.tables.table import Table
from tests.support.local_runs import train

NUMBERS = [0.1 + 0.2, 1 / 3, math.nan, math.inf, -math.inf, -0.0, 5e-324, None]
COUNTS = [0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63), 7, None]
TEXTS = ["a", "b", "größe 😀", "", "\x00", "\ud83d!", "a,b", None]
LABELS = ["a", "b", "a", "", "ü", "a", "b", None]
FLAGS = [True, False, True, True, False, False, True, None]


@pytest.fixture
def table() -> Table:
    return Table(
        "row",
        [
            column_of("number", NUMBERS, "a number"),
            column_of("count", COUNTS, "a count"),
            column_of("text", TEXTS, "a text"),
            label_column("label", LABELS, "a label"),
            column_of("flag", FLAGS, "a flag"),
            column_of("nothing", [None] * 8, "missing everywhere"),
            label_column("no label", [None] * 8, "missing everywhere"),
        ],
    )


def plain(values: list) -> list[str]:
    """Values that can be compared: NaN and each missing value have a text of their own."""
    missing = (None, pd.NA)
    return ["missing" if any(one is other for other in missing) else repr(one) for one in values]


EXPECTED = {
    "count": plain(COUNTS),
    "text": plain([*TEXTS[:5], "\\ud83d!", *TEXTS[6:]]),
    "label": plain(LABELS),
    "flag": plain(FLAGS),
    "nothing": ["missing"] * 8,
    "no label": ["missing"] * 8,
}


def test_arrow_has_every_value_with_its_type_and_meaning(table):
    found = table.arrow()
    assert {name: plain(found[name].to_pylist()) for name in EXPECTED} == EXPECTED
    assert plain(found["number"].to_pylist()) == plain(NUMBERS)  # missing is not NaN
    schema = found.schema
    assert schema.field("label").type == pa.dictionary(pa.int8(), pa.string())
    assert [schema.field(name).type for name in ("number", "count", "text", "flag")] == [
        pa.float64(),
        pa.int64(),
        pa.string(),
        pa.bool_(),
    ]
    assert schema.field("count").metadata == {b"about": b"a count"}


def test_polars_has_every_value_with_its_type(table):
    for found in (table.polars(), pl.DataFrame(table), pl.from_arrow(table.arrow())):
        assert {name: plain(found[name].to_list()) for name in EXPECTED} == EXPECTED
        assert plain(found["number"].to_list()) == plain(NUMBERS)
    found = table.polars()
    kinds = [pl.Float64, pl.Int64, pl.String, pl.Categorical, pl.Boolean, pl.String, pl.Categorical]
    assert found.dtypes == kinds


def test_pandas_has_every_value_with_its_type(table):
    found = table.pandas()
    for name in ("count", "flag"):
        assert plain(found[name].tolist()) == EXPECTED[name]
    for name in ("text", "label", "nothing", "no label"):
        values = [None if isinstance(one, float) else one for one in found[name].tolist()]
        assert plain(values) == EXPECTED[name]
    assert plain(found["number"].tolist()) == plain([*NUMBERS[:-1], math.nan])
    assert (str(found["count"].dtype), str(found["flag"].dtype)) == ("Int64", "boolean")
    assert isinstance(found["label"].dtype, pd.CategoricalDtype)


def test_numpy_has_every_value(table):
    assert plain(table["number"].tolist()) == plain([*NUMBERS[:-1], math.nan])
    assert plain(table["count"].tolist()) == EXPECTED["count"]
    assert plain(table["flag"].tolist()) == EXPECTED["flag"]
    assert {name: plain(table[name].tolist()) for name in ("text", "label", "no label")} == {
        name: EXPECTED[name] for name in ("text", "label", "no label")
    }
    assert plain(dict(table)["label"].tolist()) == EXPECTED["label"]
    assert len(table) == 8
    assert list(table) == list(table.keys()) == [one.name for one in table.columns]


def test_duckdb_reads_a_table_by_its_name(table):
    numbers = table
    found = duckdb.sql("select label, max(count) from numbers group by label order by label nulls last")
    assert found.fetchall() == [("", 2**53 + 1), ("a", 0), ("b", 7), ("ü", 2**63 - 1), (None, None)]
    assert len(numbers) == 8


@pytest.mark.parametrize("length", [0, 1, 5])
def test_tables_of_any_length(length):
    lengths = np.full(3, length)
    values = np.arange(3.0 * length)
    found = Table(
        "row",
        [
            repeated_label_column("label", ["a", None, "b"], lengths, "a label"),
            number_column("value", values, "a value", None),
        ],
    )
    expected = ["a"] * length + [None] * length + ["b"] * length
    assert found.polars()["label"].to_list() == expected
    assert found.arrow()["label"].to_pylist() == expected
    assert found.pandas()["label"].astype(object).where(lambda one: one.notna(), None).tolist() == expected
    assert found.polars()["value"].to_list() == values.tolist()


def test_many_labels_and_long_blocks_are_the_same_in_polars():
    texts = [str(number) for number in range(300)]
    for lengths in (np.full(300, 1), np.full(300, 2000), np.arange(300) * 50):
        column = repeated_label_column("label", texts, lengths, "a label")
        frame = Table("row", [column]).polars()
        assert frame["label"].to_list() == column.array().tolist()


def test_tables_of_a_project_can_be_joined(tmp_path):
    for seed in range(2):
        train(tmp_path, rate=0.5, seed=seed)
    project = legm.open(tmp_path)
    runs, history = project.runs(), project.history("loss")
    joined = history.polars().join(runs.polars().select("run_id", "param.seed"), on="run_id")
    assert joined.height == len(history) == 8
    merged = history.pandas().merge(runs.pandas()[["run_id", "param.seed"]], on="run_id")
    assert len(merged) == 8
    found = duckdb.sql(
        'select "param.seed", min(value) from history join runs using (run_id) group by all order by 1'
    ).fetchall()
    assert found == [(0, 1 / 6), (1, 1 / 7)]


def test_libraries_that_are_not_there_are_named(tmp_path):
    train(tmp_path, rate=0.5)
    code = """
import sys
for name in ("pandas", "polars", "pyarrow"):
    sys.modules[name] = None
import legm
history = legm.open(sys.argv[1]).history("loss")
assert history["value"].size == 4
for call in (history.pandas, history.polars, history.arrow, history.__arrow_c_stream__):
    try:
        call()
    except legm.LegmError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert [line.rpartition("pip install ")[2] for line in lines] == [
        "pandas",
        "polars",
        "'legm[parquet]'",
        "'legm[parquet]'",
    ]
