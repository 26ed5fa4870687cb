"""The rules of the tests themselves."""

from __future__ import annotations

import ast
import functools
import gc
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import APART, FOLDERS, spread_slow_first
from tests.support.paths import ROOT, TESTS
from tests.support.source_trees import syntax_nodes

FILES = sorted(path for path in TESTS.rglob("*.py") if not {"compat_scripts", "samples"} & set(path.parts))
MODULES = [path for path in FILES if path.name.startswith("test_")]


def named(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}.{node.names[0].name}"


def attributes(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every attribute of a name, as ``time.sleep``, with its line."""
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", node.lineno


def unexplained_sleeps(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The lines of scripts in texts that sleep outside of a loop over a condition and without a reason."""
    for node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        before = ""
        for line in node.value.splitlines():
            is_loop = before.strip().startswith("while ") or line.strip().startswith("while ")
            if re.search(r"\bsleep\([\d.]|\bsetTimeout\(", line) and not is_loop and "  # " not in line:
                yield line
            before = line


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_test_module_imports_no_other_one(module):
    found = [name for name in imports(syntax_nodes(module)) if name[:6] == "tests."]
    assert [name for name in found if not name.startswith(("tests.support.", "tests.conftest."))] == []


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_wait_is_for_a_condition_or_says_why_not(file):
    if named(file) == "support/waiting.py":
        return
    lines = file.read_text(encoding="utf-8").splitlines()
    sleeps = [line for name, line in attributes(syntax_nodes(file)) if name == "time.sleep"]
    assert [line for line in sleeps if "  # " not in lines[line - 1]] == []
    assert list(unexplained_sleeps(syntax_nodes(file))) == []


@pytest.mark.parametrize("file", FILES, ids=named)
def test_where_the_project_is_is_said_once(file):
    if named(file) in {"support/paths.py", "test_suite.py"}:
        return
    assert "Path(__file__)" not in file.read_text(encoding="utf-8")


def required_distributions() -> set[str]:
    """The distributions that are installed with legm's extra ``test-core``, by their canonical names."""
    found: set[str] = set()
    waiting = [("legm", ""), ("legm", "test-core")]
    while waiting:
        name, extra = waiting.pop()
        for requirement in map(Requirement, metadata.requires(name) or ()):
            own = canonicalize_name(requirement.name)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                new = [(own, one) for one in ("", *requirement.extras)] if own not in found else []
                found.add(own)
                waiting += new
    return found


def imported_when_collected(file: Path) -> set[str]:
    """The libraries that a file imports when it is imported, also by what it imports of the project."""
    found, seen, waiting = set[str](), set[Path](), [file]
    while waiting:
        seen.add(one := waiting.pop())
        libraries, own = imported_at_once(one)
        found |= libraries
        waiting += own - seen
    return found - {"legm", "tests", "benchmarks"} - sys.stdlib_module_names


@functools.cache
def imported_at_once(file: Path) -> tuple[set[str], set[Path]]:
    """What a file imports outside of functions: the libraries' names, and the project's own files."""
    names = set[str]()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    bases = [ROOT.joinpath(*name.split(".")) for name in names]
    own = {
        path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()
    }
    return {name.partition(".")[0] for name in names}, own


def test_what_has_not_the_marker_of_libraries_needs_none_to_be_collected():
    marked = [TESTS / name for name in (*FOLDERS["libraries"], *APART)]
    installed, allowed = metadata.packages_distributions(), required_distributions()
    missing = {
        f"{named(file)}: {name}"
        for file in MODULES
        if not any(file.is_relative_to(one) for one in marked)
        for name in imported_when_collected(file)
        if not {canonicalize_name(one) for one in installed.get(name, ())} & allowed
    }
    assert missing == set()


def test_each_folder_and_module_that_has_a_marker_is_there():
    named_here = [*(name for names in FOLDERS.values() for name in names), *APART]
    assert [name for name in named_here if not (TESTS / name).exists()] == []


def test_private_access_is_excused_line_by_line():
    """An exception for a whole file would hide the next one."""
    wide = re.compile(r"^# (ruff|flake8): noqa($|.*SLF)", re.MULTILINE)
    files = [path for folder in ("legm", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in files if wide.search(path.read_text(encoding="utf-8"))] == []
    assert "SLF" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_each_test_module_is_in_a_folder_that_is_a_package():
    assert [named(path) for path in MODULES if not (path.parent / "__init__.py").exists()] == []


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_every_worker_begins_with_slow_tests_and_ends_with_quick_ones(workers):
    slow = [f"{module}{number}" for module in "ABCDEFGHI" for number in range(3)]
    others = [f"other{number}" for number in range(400)]
    quick = [f"quick{number}" for number in range(600)]
    order = spread_slow_first(slow, others, quick, workers, lambda one: one[0])
    assert sorted(order) == sorted([*slow, *others, *quick])
    at = 0
    for left in range(workers, 0, -1):  # as pytest-xdist divides them
        own, at = order[at : at + (len(order) - at) // left], at + (len(order) - at) // left
        kinds = ["SLOW" if one[0].isupper() else one[0] for one in own]
        assert kinds == sorted(kinds)
        assert kinds.count("SLOW") >= 3
        assert kinds.count("SLOW") % 3 == 0  # those of a module stay together
        assert abs(kinds.count("o") - 400 / workers) <= 1
        assert kinds[-1] == "q"
    few = spread_slow_first(slow, [], [], workers, lambda one: one[0])
    assert sorted(few) == sorted(slow)


def test_a_forked_process_that_is_released_leaves_no_open_socket(prepared_core, tmp_path):
    with (tmp_path / "said.txt").open("w") as said:
        process = prepared_core.begin(["-c", "pass"], stdout=said, stderr=said)
    process.release()
    process.itself = process  # so that only the search for garbage finds it
    del process
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(one.message) for one in warned if "family=1," in str(one.message)] == []


def test_every_control_of_the_page_is_tried_in_a_browser():
    """Each that has an id: those of a report, and those that the live page adds."""
    page, live = ROOT / "legm" / "report" / "page", ROOT / "legm" / "ui" / "page"
    body = (page / "body.html").read_text(encoding="utf-8")
    controls = re.findall(r'<(?:a|button|details|input|select)\b[^>]* id="([\w-]+)"', body)
    made = re.compile(r'element\(\s*"(?:a|button|input|select|textarea)",\s*{[^{}]*?\bid: "([\w-]+)"')
    for script in (*page.glob("*.js"), *live.glob("*.js")):
        controls += made.findall(script.read_text(encoding="utf-8"))
    tests = [
        path.read_text(encoding="utf-8") for name in ("report", "ui") for path in (TESTS / name).glob("*.py")
    ]
    tried = set(
        re.findall(r"(?:#|getElementById\(')([\w-]+)", "\n".join(one for one in tests if "browser" in one))
    )
    assert len(controls) > 40
    assert sorted({*controls} - tried) == []
