"""The rings of the package: what may import what, that nothing goes in a circle, and what is pure."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import legm
from tests.support.source_trees import nodes_of

PACKAGE = Path(legm.__file__).parent

_BASE = ("errors", "version", "records")
_INNER = (*_BASE, "core", "stats")
_MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "version": (),
    "records": ("errors",),
    "hooks": ("records",),
    "util": ("errors", "records"),
    "core": _BASE,
    "stats": (*_BASE, "core"),
    "arguments": (*_BASE, "core"),
    "runlog": (*_INNER, "util"),
    "console": (*_INNER, "runlog", "util"),
    "media": (*_INNER, "runlog", "util"),
    "system_metrics": (*_INNER, "util"),
    "plotting": (*_INNER, "util"),
    "provenance": (*_INNER, "runlog", "util"),
    "backends": (*_INNER, "runlog", "util", "hooks", "media"),
    "delivery": (*_INNER, "runlog", "util", "hooks", "console", "media", "provenance", "system_metrics"),
    "analysis": (*_INNER, "runlog", "util", "hooks", "delivery", "plotting"),
}
_MAY_IMPORT["changes"] = (*_INNER, "runlog", "util", "hooks", "delivery", "media", "handler")
_BESIDE_RUNS = ("console", "media", "provenance", "system_metrics")
_MAY_IMPORT["handler"] = (*_MAY_IMPORT["analysis"], "analysis", *_BESIDE_RUNS)
_MAY_IMPORT["tables"] = (*_MAY_IMPORT["analysis"], "analysis", "media")
_MAY_IMPORT["export"] = (*_MAY_IMPORT["handler"], "backends", "tables")
_MAY_IMPORT["importers"] = (*_MAY_IMPORT["export"], "handler")
_OUTER = (*_MAY_IMPORT["handler"], "handler", "arguments")
_MAY_IMPORT["capture"] = (*_OUTER, "importers", "backends")
_MAY_IMPORT["report"] = _MAY_IMPORT["testing"] = _OUTER
_MAY_IMPORT["ui"] = (*_OUTER, "report", "tables")
_MAY_IMPORT["integrations"] = _MAY_IMPORT["handler"] + ("handler",)
_MAY_IMPORT["sweeps"] = (*_OUTER, "capture", "tables")
_MAY_IMPORT["compat"] = (*_OUTER, "changes", "export", "integrations", "__init__")
_MAY_IMPORT["cli"] = (
    *_OUTER,
    "changes",
    "export",
    "importers",
    "capture",
    "compat",
    "integrations",
    "report",
    "sweeps",
    "backends",
    "tables",
    "ui",
)
_MAY_IMPORT["__init__"] = (
    *("errors", "version", "handler", "arguments", "changes", "compat", "hooks", "tables"),
)
_MAY_IMPORT["argparse_utils"] = _MAY_IMPORT["exp_manager"] = ("compat",)
_MAY_IMPORT["__main__"] = ("cli",)
"""By part, the other parts that it may import, for types too; the rings from the inside out."""

PURE = ("errors", "version", "records", "core", "stats")


@dataclass(frozen=True)
class Import:
    """One import: who imports what, where, and whether only for types."""

    module: str
    imported: str
    line: int
    is_for_types: bool

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}: {self.imported}"


def modules() -> dict[str, Path]:
    """Every module of the package by its full name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["legm", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(module: str) -> Iterator[Import]:
    """What a module imports of the package, also inside of functions."""
    path = MODULES[module]
    for_types = {
        id(node)
        for block in nodes_of(path, ast.If)
        if getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: list[tuple[ast.Import | ast.ImportFrom, str]] = [
        (node, alias.name) for node in nodes_of(path, ast.Import) for alias in node.names
    ]
    for node in nodes_of(path, ast.ImportFrom):
        if node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(node, name if name in MODULES else node.module) for name in whole]
    for node, name in found:
        if name.partition(".")[0] == "legm":
            yield Import(module, name, node.lineno, id(node) in for_types)


@functools.cache
def imports() -> tuple[Import, ...]:
    """What all modules import of the package."""
    return tuple(one for module in MODULES for one in imports_of(module))


def part_of(module: str) -> str:
    """The part that a module is in: the package below legm, or the module itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_every_part_imports_only_inner_rings():
    parts = {part_of(module) for module in MODULES}
    assert parts == {*_MAY_IMPORT}, "say of a new part what it may import"
    wrong = [
        str(one)
        for one in imports()
        if part_of(one.imported) != part_of(one.module)
        and part_of(one.imported) not in _MAY_IMPORT[part_of(one.module)]
    ]
    assert not wrong


def test_nothing_but_the_registry_names_a_concrete_backend():
    """What a tracker's store calls things is no backend: others read those names too."""
    wrong = [
        str(one)
        for one in imports()
        if part_of(one.imported) == "backends" and part_of(one.module) != "backends"
        if one.imported not in {"legm.backends.portable", "legm.backends.portable_media"}
        and not one.imported.endswith(".names")
    ]
    assert not wrong
    text = MODULES["legm.delivery.registry"].read_text(encoding="utf-8")
    assert {name for name in ("local", "mlflow", "wandb") if f"legm.backends.{name}" in text} == {
        "local",
        "mlflow",
        "wandb",
    }


def test_backends_do_not_import_each_other():
    def tracker(module: str) -> str:
        return module.split(".")[2] if module.count(".") >= 2 else ""

    wrong = [
        str(one)
        for one in imports()
        if part_of(one.module) == part_of(one.imported) == "backends"
        if tracker(one.imported) not in {tracker(one.module), "portable", "portable_media", ""}
    ]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle():
    """Types aside: those of a class that holds another one may go both ways within a part."""
    edges: dict[str, set[str]] = {module: set() for module in MODULES}
    for one in imports():
        if not one.is_for_types and one.imported in MODULES and one.imported != one.module:
            edges[one.module].add(one.imported)
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join((*way[way.index(module) :], module))}"
        if module not in done:
            for imported in sorted(edges[module]):
                walk(imported, (*way, module))
            done.add(module)

    for module in MODULES:
        walk(module, ())


_AS_STORED = {
    *("runs_as_stored", "intact_runs_as_stored", "counts_as_stored"),  # of a client
    *("find_folder_reader", "folder_reader", "folder_readers"),
    *("runs_in_folders", "scan_folder_contents"),  # of the local backend
    *("legm_read_runs", "legm_read_counts"),
}
"""What reads runs without finalizing those whose process died."""

_BEHIND_THE_DOOR = {
    "legm.delivery.folder_access",  # the door to folders
    "legm.delivery.reading",  # the door
    "legm.delivery.client",
    "legm.delivery.registry",
    "legm.delivery.marking",  # what a backend has of a run that ended, before that is changed
    "legm.importers.ingest",  # what the target of an import has
    "legm.importers.pipeline",
    "legm.importers.legm_root",  # a source is only read
    "legm.export.to_backend",  # what the target of an export has
    "legm.compat.run_snapshot",  # what a script sees of runs that others may be writing
    "legm.testing.failures",
    "legm.testing.kit",
    "legm.testing.runs",
}


def names_in(module: str) -> set[str]:
    """Every name that a module uses, imports or spells in a text that could be one."""
    path = MODULES[module]
    found = {node.id for node in nodes_of(path, ast.Name)} | {
        node.attr for node in nodes_of(path, ast.Attribute)
    }
    for node in (*nodes_of(path, ast.Import), *nodes_of(path, ast.ImportFrom)):
        found |= {part for alias in node.names for part in alias.name.split(".")}
    texts = {node.value for node in nodes_of(path, ast.Constant) if isinstance(node.value, str)}
    return found | {part for text in texts if " " not in text for part in text.split(".")}


def test_runs_are_read_through_one_function():
    """Runs whose process died are finalized first; the others read what an import or export just wrote."""
    users = {module for module in MODULES if part_of(module) != "backends" and names_in(module) & _AS_STORED}
    assert users == _BEHIND_THE_DOOR


def test_nothing_is_decided_by_the_name_of_a_backend():
    """What a backend can do is asked: by its capabilities, or whether it reads folders by their paths."""
    names = {"local", "mlflow", "wandb"}
    wrong = []
    for module in MODULES:
        if part_of(module) == "backends":
            continue
        path = MODULES[module]
        decisions = [(node, [node.left, *node.comparators]) for node in nodes_of(path, ast.Compare)]
        decisions += [(node, [case.pattern for case in node.cases]) for node in nodes_of(path, ast.Match)]
        for node, compared in decisions:
            texts = {
                one.value for each in compared for one in ast.walk(each) if isinstance(one, ast.Constant)
            }
            if texts & names:
                wrong.append(f"{module}, line {node.lineno}: {ast.unparse(node)}")
    assert not wrong


# What is pure


def imported_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement, and not before."""
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def pure_modules() -> list[str]:
    return [module for module in MODULES if part_of(module) in PURE]


def test_what_is_pure_imports_no_backend():
    found = imported_by("; ".join(f"import {module}" for module in pure_modules()))
    assert {part_of(name) for name in found if name.startswith("legm.")} <= {*PURE}
    assert not found & {"pluggy", "filelock", "yaml", "matplotlib", "tensorboard", "google_crc32c", "rich"}


def test_what_listing_folders_imports_is_light():
    found = imported_by("import legm.cli.ls, legm.cli.locations, legm.core.selection, legm.cli.selection")
    assert not found & {"importlib.metadata", "email", "hashlib", "zipfile", "fractions", "numpy"}
    assert not found & {"legm.core.credentials", "legm.core.plain_form", "legm.backends.mlflow.names"}


DOING = {
    *("io", "shutil", "socket", "subprocess", "tempfile", "glob"),
    *("sqlite3", "urllib", "http", "sys", "time"),
}
PATH_METHODS = {
    name
    for name in vars(Path)
    if not name.startswith("_") and ("read" in name or "write" in name or name in {"open", "mkdir", "touch"})
} | {"unlink", "rmdir", "iterdir", "exists", "is_file", "is_dir", "stat", "rglob", "glob", "savez", "tofile"}


@pytest.mark.parametrize("module", pure_modules())
def test_what_is_pure_does_no_input_or_output(module):
    path = MODULES[module]
    for node in nodes_of(path, ast.Import):
        assert not {alias.name.partition(".")[0] for alias in node.names} & DOING, ast.unparse(node)
    for node in nodes_of(path, ast.ImportFrom):
        assert (node.module or "").partition(".")[0] not in DOING, ast.unparse(node)
    for node in nodes_of(path, ast.Name):
        assert node.id not in {"open", "print", "input", "exec", "eval", "__import__"}
    for node in nodes_of(path, ast.Attribute):
        assert node.attr not in PATH_METHODS, ast.unparse(node)
        if isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr in {"PathLike", "fspath", "fsdecode"}


# What is light


def test_package_inits_are_empty_or_lazy():
    """Importing a package costs nothing: what its ``__init__`` needs of the others comes on first use."""
    for name in ("core", "stats", "runlog", "delivery", "analysis", "util", "backends"):
        assert not list(imports_of(f"legm.{name}")), name


@pytest.mark.libraries
def test_every_module_can_be_imported_first():
    """No module relies on another one's having been imported before; the drop-in's shadows are scripts."""
    names = [
        found.name
        for found in pkgutil.walk_packages(legm.__path__, "legm.")
        if not any(part in found.name for part in (".site", ".shadow", "__main__"))
    ]
    assert set(map(part_of, names)) >= {"core", "delivery", "handler"}
    for name in names:
        importlib.import_module(name)
