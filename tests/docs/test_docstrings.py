"""The docstrings of everything public: every parameter by name, what is returned, what is raised."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from legm.hooks import Hooks
from tests.support.paths import ROOT

_SECTION = re.compile(r"^ *(Args|Returns|Yields|Raises):\n((?:[ \t]*\n|[ \t]+.*\n?)*)", re.MULTILINE)
_ENTRY = re.compile(r"^( *)([*\w.]+(?:, [*\w.]+)*):", re.MULTILINE)
_BY_ANOTHER = {"legm.compat"}
"""Modules whose names mean what another library's documentation says."""


def public_objects() -> Iterator[tuple[str, Any]]:
    """Everything that docs/public-names.md lists, once, with the public methods of its classes."""
    table = (ROOT / "docs" / "public-names.md").read_text(encoding="utf-8").rpartition("## Names")[2]
    found: dict[int, tuple[str, Any]] = {}
    for module, names in re.findall(r"^\| `([\w.]+)` \| (.+) \|$", table, re.MULTILINE):
        if module in _BY_ANOTHER:
            continue
        for name in re.findall(r"`(\w+)`", names):
            one = getattr(importlib.import_module(module), name)
            if inspect.isfunction(one) or inspect.isclass(one):
                found.setdefault(id(one), (f"{module}.{name}", one))
    for title, one in found.values():
        yield title, one
        if inspect.isclass(one):
            for name, member in vars(one).items():
                function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
                if inspect.isfunction(function) and _is_described_here(one, name):
                    yield f"{title}.{name}", function


def _is_described_here(owner: type, name: str) -> bool:
    """Whether a method is public and described by itself: a hook is described once, in Hooks."""
    if name.startswith(("_", "test_")):
        return False
    return owner is Hooks or not hasattr(Hooks, name)


PUBLIC = dict(public_objects())


def sections(docstring: str) -> dict[str, str]:
    """The text of each section by its title."""
    return {
        title: textwrap.dedent(text) for title, text in _SECTION.findall(inspect.cleandoc(docstring) + "\n")
    }


def entries(section: str) -> set[str]:
    """What a section describes: one line may be about several."""
    return {
        name.lstrip("*")
        for indent, names in _ENTRY.findall(section)
        if not indent
        for name in names.split(", ")
    }


def parameters(function: Callable[..., Any]) -> set[str]:
    """The names of what a function or class takes."""
    if inspect.isclass(function) and (
        "__init__" not in vars(function) or getattr(function, "_is_protocol", False)
    ):
        return set()
    if dataclasses.is_dataclass(function):
        return {field.name for field in dataclasses.fields(function) if field.init}
    names = [name for name in inspect.signature(function).parameters if name not in {"self", "cls"}]
    return {name for name in names if not name.startswith("_")}


def raised(function: Callable[..., Any]) -> set[str]:
    """The names of the exceptions that a function raises in its own body."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and isinstance(node.exc.func, ast.Name)
        ):
            names.add(node.exc.func.id)
    if "storage_error" in names:  # it makes one of them, from what the system says
        names = names - {"storage_error"} | {"StorageError"}
    return {name for name in names if name[0].isupper()}


@pytest.mark.parametrize("title", PUBLIC)
def test_a_docstring_names_every_parameter(title):
    described = entries(sections(PUBLIC[title].__doc__ or "").get("Args", ""))
    assert described == parameters(PUBLIC[title])


@pytest.mark.parametrize("title", [title for title, one in PUBLIC.items() if inspect.isfunction(one)])
def test_a_docstring_says_what_is_returned(title):
    returned = PUBLIC[title].__annotations__["return"] not in {"None", "NoReturn"}
    assert bool({"Returns", "Yields"} & sections(PUBLIC[title].__doc__ or "").keys()) == returned


@pytest.mark.parametrize("title", [title for title, one in PUBLIC.items() if inspect.isfunction(one)])
def test_a_docstring_says_what_is_raised(title):
    described = entries(sections(PUBLIC[title].__doc__ or "").get("Raises", ""))
    assert raised(PUBLIC[title]) <= described
