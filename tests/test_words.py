"""The words of names and messages: those of the field, which a reader understands at once."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import legm
from tests.support.paths import ROOT, TESTS
from tests.support.source_trees import syntax_nodes

PACKAGE = Path(legm.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
TEST_MODULES = sorted(
    path for path in TESTS.rglob("*.py") if not {"samples", "compat_scripts"} & set(path.parts)
)
THIS = TESTS / "test_words.py"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

INSTEAD = {
    "apart": "separately, distinguishes",
    "arrival": "ingest",
    "bounded": "size limits",
    "courier": "uploader",
    "foreign": "external",
    "go": "continue, resume",
    "goes": "continues, resumes",
    "going": "running",
    "gone": "missing, deleted, resumed",
    "heard": "last seen",
    "house": "package",
    "inert": "unevaluated",
    "lacking": "missing, without",
    "mend": "repair",
    "mended": "repaired",
    "mends": "repairs",
    "owed": "pending, backlog",
    "owes": "pending, backlog",
    "person": "user",
    "place": "path, folder, position",
    "places": "paths, folders, positions",
    "relay": "client",
    "room": "width, space, package",
    "rooms": "widths, packages",
    "sameness": "equality",
    "settle": "finalize",
    "settled": "finalized",
    "settles": "finalizes",
    "tally": "counts",
    "tallies": "counts",
    "tell": "report, distinguish",
    "telling": "report",
    "tells": "reports, distinguishes",
    "thinned": "downsampled",
    "thinning": "downsampling",
    "told": "known, reported",
    "ways": "targets, choices",
}
"""What is not said, and what is said instead."""

PHRASES = {
    r"\bgo(es)? on\b|\bgoing on\b|\bwent on\b|\bgone on\b": "continue, resume",
    r"\b(tell|tells|told)\b[^.]{0,40}\bapart\b": "distinguish",
    r"\blet(s)? go of\b": "release",
    r"\btake(s|n)? out\b": "delete",
    r"\bstands? (below|above|beside|there)\b": "is printed below, is stored there",
    r"\bto the last bit\b": "bit for bit",
    r"\bwhole or not at all\b": "atomically",
    r"\bknown are\b": "known:",
    r"\bhas not the capability\b": "does not support",
    r"\bit is no (?!longer\b)[a-z]+\b": "it is not a",
    r"\bin no average\b": "not averaged",
    r"\bsettled?\b|\bsettles\b": "finalize",
    r"\bmend(s|ed)?\b": "repair",
    r"\bowe[sd]?\b": "pending",
}
"""What no message, help text, docstring of something public or page says, as a regular expression."""

ANY_PHRASE = re.compile("|".join(PHRASES))


def words(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().strip("_").split("_")


def names(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every name that a module gives: of functions, classes, arguments, variables and attributes."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def texts(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every text of a module: messages, help texts and docstrings; an f-string without what it formats."""
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield "".join(map(str, parts)), node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def in_other_words(text: str) -> list[str]:
    """The phrases of a text that are said otherwise."""
    flat = " ".join(text.split())
    if not ANY_PHRASE.search(flat):
        return []
    return [
        f"{found[0]!r}: say {instead}"
        for phrase, instead in PHRASES.items()
        for found in re.finditer(phrase, flat)
    ]


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_names_are_words_of_the_field(module):
    found = [
        (f"{name}, line {line}", INSTEAD[word])
        for name, line in names(syntax_nodes(module))
        for word in words(name)
        if word in INSTEAD
    ]
    assert found == []


@pytest.mark.parametrize("module", TEST_MODULES, ids=named)
def test_names_of_tests_are_words_of_the_field(module):
    tests = [name for name, _ in names(syntax_nodes(module)) if name.startswith(("test_", "Test"))]
    assert [(name, INSTEAD[word]) for name in tests for word in words(name) if word in INSTEAD] == []


def comments(source: str) -> Iterator[tuple[str, int]]:
    """Every comment of a module that has one in other words; finding out which they are takes longer."""
    if not any(in_other_words(line.partition("#")[2]) for line in source.splitlines() if "#" in line):
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string, token.start[0]


@pytest.mark.parametrize("module", [*MODULES, *(one for one in TEST_MODULES if one != THIS)], ids=named)
def test_messages_docstrings_and_comments_are_in_the_words_of_the_field(module):
    source = module.read_text(encoding="utf-8")
    every = [*texts(syntax_nodes(module)), *comments(source)]
    assert [(line, found) for text, line in every if (found := in_other_words(text))] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pages_are_in_the_words_of_the_field(page):
    assert in_other_words(page.read_text(encoding="utf-8")) == []


def test_what_is_said_otherwise_is_found():
    assert list(comments("x = 1  # the runs that are told apart\ny = '# told apart'\n")) == [
        ("# the runs that are told apart", 1)
    ]
    assert in_other_words("The runs are told\n  apart, and it is no mapping.") == [
        "'told apart': say distinguish",
        "'it is no mapping': say it is not a",
    ]
    assert [word for word in words("_ForeignRuns") if word in INSTEAD] == ["foreign"]
