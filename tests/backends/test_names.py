"""The names of what legm stores in other trackers: spelled once, and readable without the tracker."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import legm
from legm.backends import portable
from legm.backends.mlflow import names as mlflow_names
from legm.backends.wandb import names as wandb_names
from legm.hooks import Hooks
from tests.support.source_trees import nodes_of

PACKAGE = Path(legm.__file__).parent
HOMES = (mlflow_names, wandb_names, portable)
OF_A_TRACKER = (
    "backends/mlflow",
    "backends/wandb",
    "importers/mlflow",
    "importers/wandb",
    "importers/native_runs.py",
)


def constants(module: ModuleType) -> set[str]:
    values = [value for name, value in vars(module).items() if name.isupper()]
    return {value for value in values if isinstance(value, str)}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every string in the code of a file, with its line; also the pieces of f-strings, but no docstrings."""
    docstrings = {id(node.value) for node in nodes_of(path, ast.Expr)}
    for node in nodes_of(path, ast.Constant):
        if isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def others() -> list[Path]:
    homes = {Path(str(module.__file__)) for module in HOMES}
    return [path for path in PACKAGE.rglob("*.py") if path not in homes]


def test_legms_own_keys_are_spelled_in_one_module_a_tracker():
    keys = {value for module in HOMES for value in constants(module) if "legm" in value} - {portable.FOLDER}
    assert {"legm.kind", "legm_run", "legm/step", "legm/run.json"} <= keys
    wrong = [
        f"{path.relative_to(PACKAGE)}, line {line}: {text!r}"
        for path in others()
        for line, text in texts(path)
        if any(key in text for key in keys) and text not in dir(Hooks)
    ]
    assert not wrong


def test_the_code_of_a_tracker_spells_none_of_its_names():
    words = {"aggregate", "best_step", "comparison", "configuration"}
    assert words <= {value for module in HOMES for value in constants(module)}
    folders = ("aggregate", "best", "curves", "display", "files", "indexed", "param", "plots", "texts")
    prefixes = tuple(f"{folder}/" for folder in folders)
    wrong = [
        f"{path.relative_to(PACKAGE)}, line {line}: {text!r}"
        for path in others()
        if path.relative_to(PACKAGE).as_posix().startswith(OF_A_TRACKER)
        for line, text in texts(path)
        if text in words or text.startswith(prefixes)
    ]
    assert not wrong


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_the_names_are_read_without_the_tracker(tracker):
    code = f"import sys, legm.backends.{tracker}.names\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {name.partition(".")[0] for name in done.stdout.split()}
    assert "legm" in found
    assert not found & {"mlflow", "wandb", "requests", "sqlalchemy", "numpy", "yaml"}


def test_importers_know_of_a_backend_its_names_only():
    found = set()
    for path in (PACKAGE / "importers").rglob("*.py"):
        for node in nodes_of(path, ast.ImportFrom):
            if node.module is not None:
                inside = node.module.endswith(".names")
                found |= {node.module if inside else f"{node.module}.{alias.name}" for alias in node.names}
        found |= {alias.name for node in nodes_of(path, ast.Import) for alias in node.names}
    trackers = ("legm.backends.mlflow", "legm.backends.wandb")
    assert {name for name in found if name.startswith(trackers)} == {f"{name}.names" for name in trackers}
