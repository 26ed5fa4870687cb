"""SQL queries over the tables of a project, by DuckDB, which can neither reach files nor the network.

A query is one SELECT over the tables and what is computed of them. Its tree is looked at before it runs: of
DuckDB's table functions only those are accepted that compute rows. Beside that, DuckDB itself is started with
no access to anything outside, and its configuration is locked before the query.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from legm.errors import LegmError, NotSupported
from legm.tables.project import Project
from legm.tables.table import Table

__all__ = ["QUERY_TABLES", "QueryResult", "run_query"]

QUERY_TABLES: Mapping[str, Callable[[Project], Table]] = {
    "experiments": Project.experiments,
    "configurations": Project.configurations,
    "runs": Project.runs,
    "history": Project.history,
}
"""By the name that a query has for it, what makes a table."""

_ROW_FUNCTIONS = frozenset(
    ("unnest", "range", "generate_series", "repeat", "repeat_row", "json_each", "json_tree")
)
"""The table functions that compute rows from their arguments, and reach nothing else."""

_AT_START = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # names of tables are no variables of legm's
    "temp_directory": "",
}
_BEFORE_THE_QUERY = ("SET enable_external_access = false", "SET lock_configuration = true")


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query gives.

    Args:
        names: of the columns.
        rows: a value for each column: bool, int, float, str, a date or time, a list or a mapping; or None.
    """

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def run_query(project: Project, query: str) -> QueryResult:
    """The result of a query over the tables of a project.

    Args:
        project: the project; only the tables that are named in the query are read.
        query: a SELECT statement over the tables :data:`QUERY_TABLES`.

    Raises:
        NotSupported: it is another statement, or uses a function that could reach outside of the tables.
        LegmError: it is not a query, or duckdb or pyarrow is not installed.
    """
    try:
        import duckdb
    except ImportError as cause:
        raise LegmError(f"queries need duckdb ({cause}): install it with: pip install 'legm[sql]'") from cause
    try:
        with duckdb.connect(":memory:", config=_AT_START) as connection:
            tree = _query_tree(connection, query)
            for name, make in QUERY_TABLES.items():
                if name in _tables_in_query(tree):
                    connection.register(name, make(project).arrow())
            for statement in _BEFORE_THE_QUERY:
                connection.execute(statement).fetchall()
            found = connection.execute(query)
            return QueryResult(tuple(one[0] for one in found.description), found.fetchall())
    except duckdb.Error as error:
        raise LegmError(_query_problem(str(error))) from error


def _query_tree(connection: Any, query: str) -> Any:
    """The tree of a query that may run.

    Raises:
        NotSupported: it may not.
        LegmError: it is not a query.
    """
    ((text,),) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    tree = json.loads(text)
    if tree["error"]:
        if "SELECT statements" not in tree["error_message"]:
            raise LegmError(f"the query cannot be read: {tree['error_message']}")
        raise NotSupported("a query has to be a SELECT statement: what runs recorded is only read")
    if len(tree["statements"]) != 1:
        raise NotSupported(f"there are {len(tree['statements'])} statements: a query is one SELECT")
    for node in _query_nodes(tree["statements"]):
        if node.get("type") == "TABLE_FUNCTION":
            name = node["function"]["function_name"].casefold()
            if name not in _ROW_FUNCTIONS:
                raise NotSupported(
                    f"a query reads the tables {', '.join(QUERY_TABLES)}, and not by the function {name!r}"
                )
        elif (
            node.get("type") == "SHOW_REF"
            and not node["query"]
            and _table_name_in_query(node) not in QUERY_TABLES
        ):
            raise NotSupported(f"the tables are {', '.join(QUERY_TABLES)}: DESCRIBE runs lists its columns")
    return tree


def _tables_in_query(tree: Any) -> set[str]:
    return {_table_name_in_query(node) for node in _query_nodes(tree) if "table_name" in node}


def _table_name_in_query(node: Mapping[str, Any]) -> str:
    return str(node["table_name"]).strip('"').casefold()


def _query_nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a tree, however deep it is."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _query_problem(text: str) -> str:
    """What was wrong with a query, in one line."""
    problem = " ".join(text.partition("\n\nLINE ")[0].split())
    if '"param"' in problem:
        problem += ' (write the column of a parameter in double quotes: "param.lr")'
    return f"the query failed: {problem}"
