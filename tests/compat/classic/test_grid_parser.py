"""Command lines of grids give what gridparse makes of them, with and without that package."""

from __future__ import annotations

import warnings

import pytest

from legm.compat.classic.grid_parser import GridParser, make_grid_parser
from legm.errors import ParameterError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its source has escapes that Python warns of
    from gridparse import GridArgumentParser

PARSERS = [GridParser, GridArgumentParser]


def parsed(parser_class, line: str):
    parser = parser_class()
    parser.add_argument("--lr", type=float, searchable=True, default=1.0)
    parser.add_argument("--opt", type=str, searchable=True, default="sgd")
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--layers", type=int, nargs="+", searchable=True)
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--nested", type=bool, searchable=True, default=False)
    parser.add_argument("--other-rate", type=float, searchable=True, default="args.lr")
    return [vars(point) for point in parser.parse_args(line.split())]


@pytest.mark.parametrize("parser_class", PARSERS)
def test_the_first_declared_argument_changes_fastest(parser_class):
    points = parsed(parser_class, "--opt a b --lr 1 2")
    assert [(one["lr"], one["opt"]) for one in points] == [(1, "a"), (2, "a"), (1, "b"), (2, "b")]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--lr 1 2 --opt a b",
        "--layers 1|2 3",
        "--nested true false",
        "--opt _None_ x",
        "--flag --n 4",
        "--lr 1 2 --other-rate args.lr 7",
        "--lr 1 2 --other-rate 5",
        "--n 5 {--lr 1 2} {--lr 3 --opt q r}",
        "{--lr 1 2 {--opt a b } {--n 7 --layers 4 } }",
        "{--lr 1 2 {--opt a b } {--n 7 } } {--lr 5}",
    ],
)
def test_a_command_line_means_the_same_with_and_without_gridparse(line):
    ours, theirs = ([sorted(map(repr, one.items())) for one in parsed(use, line)] for use in PARSERS)
    assert ours
    assert sorted(ours) == sorted(theirs)


def test_braces_may_end_together():
    points = parsed(GridParser, "{--lr 1 2 {--opt a b} {--n 7 --layers 4}}")
    assert len(points) == 6
    assert [one["layers"] for one in points if one["n"] == 7] == [[4], [4]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--lr x", "invalid float value: 'x'"),
        ("--nested maybe", "invalid bool value: 'maybe'"),
        ("--n 4 5", "unrecognized arguments: 5"),
        ("{--lr 1", "a { is not closed"),
        ("--lr 1}", "a } has no { before it"),
    ],
)
def test_a_wrong_command_line_is_refused(line, message, capsys):
    with pytest.raises(SystemExit):
        parsed(GridParser, line)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("reference", ["args.nothing", "args.other-rate"])
def test_a_reference_leads_to_another_argument(reference):
    with pytest.raises(ParameterError, match=reference.replace("-", "_")):
        parsed(GridParser, f"--other-rate {reference}")


def test_gridparse_is_used_where_it_is_installed(monkeypatch):
    assert isinstance(make_grid_parser(), GridArgumentParser)
    monkeypatch.setitem(__import__("sys").modules, "gridparse", None)
    assert isinstance(make_grid_parser(), GridParser)


def test_without_a_searchable_argument_there_is_one_namespace():
    parser = GridParser()
    parser.add_argument("--n", type=int, default=1)
    assert vars(parser.parse_args([])) == {"n": 1}
