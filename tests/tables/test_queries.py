"""Queries in SQL: what they find, and that they reach nothing but the tables."""

from __future__ import annotations

import csv
import io
import socket
import sys
from pathlib import Path

import pytest

import legm
from legm import LegmError, NotSupported
from legm.records import Series
from legm.tables import queries
from legm.tables.queries import run_query
from tests.support.calling import as_json, failed, misused, shown
from tests.support.local_runs import local_runs, train


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("queries") / "results"
    for rate in (0.5, 0.25):
        for seed in range(2):
            train(folder, rate=rate, seed=seed, net="größe, 😀")
    return folder


def test_tables_are_queried_and_joined(root):
    project = legm.open(root)
    found = run_query(
        project,
        """with best as (select run_id, min(value) as least from history where metric = 'loss' group by all)
        select "param.rate" as rate, count(*) as n, avg(least) as least
        from Runs join best using (run_id) group by rate order by rate""",
    )
    assert found.names == ("rate", "n", "least")
    mean = (1 / 6 + 1 / 7) / 2
    assert [(rate, n, pytest.approx(mean)) for rate, n, _ in found.rows] == found.rows
    (counts,) = run_query(project, "from experiments").rows
    assert counts[:3] == ("e", 2, 4)
    (n,) = run_query(project, "select sum(best_loss_n) from configurations").rows[0]
    assert n == 4
    for text in ("describe history", "show History", "describe select * from history"):
        assert [row[0] for row in run_query(project, text).rows] == list(project.history())
    assert run_query(project, "select count(*)::int, '1'::decimal(4, 1) from runs").rows[0][0] == 4


def test_only_the_tables_that_are_named_are_read(root, monkeypatch):
    read: list[str] = []
    tables = {
        name: lambda project, name=name, make=make: (read.append(name), make(project))[1]
        for name, make in queries.QUERY_TABLES.items()
    }
    monkeypatch.setattr(queries, "QUERY_TABLES", tables)
    run_query(legm.open(root), "select count(*) from runs where 'history' <> ''")
    assert read == ["runs"]


REACHING = [
    "copy runs to '{there}'",
    "copy (select 1) to '{there}' (format parquet)",
    "attach '{there}'",
    "export database '{there}'",
    "create table t as select 1",
    "insert into runs values (1)",
    "drop view runs",
    "set enable_external_access = true",
    "pragma enable_profiling",
    "call enable_profiling(save_location = '{there}')",
    "select * from enable_profiling(save_location = '{there}')",
    "select * from enable_logging(storage = 'file', storage_path = '{there}')",
    "install httpfs",
    "load '{there}'",
    "select * from read_text('{secret}')",
    "select (select content from Read_Text('{secret}'))",
    "select * from '{secret}'",
    'select * from "{secret}"',
    "select * from read_csv('{secret}')",
    "select * from runs order by (select max(file) from glob('{secret}'))",
    "select * from runs where run_id in (select content from read_blob('{secret}'))",
    "with x as (from read_json('{secret}')) from x",
    "from query('select * from read_text(''{secret}'')')",
    "from json_execute_serialized_sql('x')",
    "from arrow_scan(1, 2, 3)",
    'from main."ARROW_SCAN"(1, 2, 3)',
    "from pandas_scan(1)",
    "from python_map_function(1)",
    "select * from read_csv('http://127.0.0.1:{port}/x.csv')",
    "select 1; copy (select 1) to '{there}'",
    "select secret",
    "select * from secret",
]


@pytest.mark.parametrize("query", REACHING)
def test_a_query_reaches_no_file_and_no_network(root, tmp_path, query):
    secret_file = tmp_path / "secret.csv"
    secret_file.write_text("a,b\nhidden,1\n")
    there = tmp_path / "there"
    secret = [1]  # a variable is no table
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        with pytest.raises(LegmError) as raised:
            run_query(legm.open(root), query.format(there=there, secret=secret_file, port=port))
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "hidden" not in str(raised.value)
    assert sorted(tmp_path.iterdir()) == [secret_file]
    assert secret == [1]


IN_MEMORY = ("_scan", "map_function", "drop", "create", "insert", "; ")
"""What reaches nothing but the process's own memory."""


@pytest.mark.parametrize(
    "query", [one for one in REACHING if not any(part in one.casefold() for part in IN_MEMORY)]
)
def test_duckdb_itself_is_locked_too(root, tmp_path, query, monkeypatch):
    """Also where the look at the query's tree would let something pass."""
    monkeypatch.setattr(queries, "_query_tree", lambda *_: {"type": "BASE_TABLE", "table_name": "runs"})
    secret_file = tmp_path / "secret.csv"
    secret_file.write_text("a,b\nhidden,1\n")
    with pytest.raises(LegmError):
        run_query(legm.open(root), query.format(there=tmp_path / "there", secret=secret_file, port=1))
    assert sorted(tmp_path.iterdir()) == [secret_file]


def test_rows_may_be_computed(root):
    project = legm.open(root)
    assert run_query(project, "select unnest([1, 2])").rows == [(1,), (2,)]
    assert run_query(project, "select count(*) from range(5), generate_series(1, 2)").rows == [(10,)]


def test_what_is_wrong_with_a_query_is_said(root):
    project = legm.open(root)
    for query, error, message in [
        ("selec 1", LegmError, 'cannot be read: syntax error at or near "selec"'),
        ("select param.rate from runs", LegmError, r'double quotes: "param\.lr"'),
        ("select los from history", LegmError, 'Referenced column "los" not found'),
        ("select * from run", LegmError, "Table with name run does not exist"),
        ("delete from runs", NotSupported, "has to be a SELECT statement"),
        ("select 1; select 2", NotSupported, "there are 2 statements"),
        ("", NotSupported, "there are 0 statements"),
        ("show tables", NotSupported, "the tables are experiments, configurations, runs, history"),
    ]:
        with pytest.raises(error, match=message):
            run_query(project, query)


def test_without_duckdb_its_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(LegmError, match=r"pip install 'legm\[sql\]'"):
        run_query(legm.open(root), "select 1")


def test_the_command_prints_a_table_json_or_csv(root):
    query = """select "param.rate" as rate, "param.net" as net, count(*) as n, max(best_loss) as loss,
        to_timestamp(0)::date as day, [1.5, null] as list, null as nothing
        from runs group by all order by rate"""
    table = shown("sql", root, query)
    assert table.splitlines()[0].split() == ["rate", "net", "n", "loss", "day", "list"]
    found = as_json("sql", root, query)
    assert [one["rate"] for one in found] == [0.25, 0.5]
    assert found[0]["net"] == "größe, 😀"
    assert (found[0]["n"], found[0]["nothing"], found[0]["list"]) == (2, None, [1.5, None])
    assert found[0]["day"] == "1970-01-01"
    rows = list(csv.DictReader(io.StringIO(shown("sql", root, query, "--csv"))))
    losses = [one.best[Series("loss")] for one in local_runs(root)]
    assert {float(row["loss"]) for row in rows} <= {*losses}
    assert [row["net"] for row in rows] == ["größe, 😀"] * 2
    assert shown("sql", root, "select 1 where false") == "no rows\n"
    assert shown("sql", root, query).splitlines()[-1] == "without a value: nothing"
    assert "without a value" not in shown("sql", root, "select 1 as one")
    times = "select unnest([1796083163.94, 1796083163.99]) as began"
    assert shown("sql", root, times).split()[-2:] == ["1796083163.94", "1796083163.99"]
    assert "exclude each other" in misused("sql", root, "select 1", "--csv", "--json")
    assert "does not exist" in failed("sql", root, "select * from nothing")


def test_the_command_says_where_runs_of_another_backend_are(tmp_path):
    (tmp_path / "mlruns").mkdir()
    assert "legm import" in shown("sql", tmp_path, "from runs")
