"""What every module of legm.integrations keeps to."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys

import pytest

import legm.integrations
from legm import LegmError
from tests.support.paths import ROOT
from tests.support.source_trees import syntax_nodes

SHARED = {
    "boosting_rounds",
    "calling_frames",
    "estimator_parameters",
    "hydra_configuration",
    "hydra_jobs",
    "hydra_names",
    "hydra_values",
    "keras_configuration",
    "keras_metrics",
    "lazy_classes",
    "lightgbm_configuration",
    "lightning_trainer",
    "optuna_trials",
    "ray_recorder",
    "ray_schedulers",
    "ray_trials",
    "sklearn_calls",
    "stable_baselines3_model",
    "trainer_parameters",
    "training_run",
    "transformers_arguments",
    "wrapped_functions",
    "xgboost_configuration",
}
MODULES = sorted({found.name for found in pkgutil.iter_modules(legm.integrations.__path__)} - SHARED)
FOLDER = ROOT / "legm" / "integrations"
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_an_integration_is_short(name):
    assert len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("name", [*MODULES, *sorted(SHARED)])
def test_an_integration_uses_nothing_private(name):
    """A private name is of the object itself, or of a class that the module itself has."""
    wrong = [
        ast.unparse(node)
        for node in syntax_nodes(FOLDER / f"{name}.py")
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)
        if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
    ]
    assert not wrong


@pytest.mark.parametrize("name", MODULES)
def test_the_page_lists_an_integration_with_the_names_that_it_has(name):
    module = importlib.import_module(f"legm.integrations.{name}")
    assert f"`legm.integrations.{name}`" in PAGE
    assert [one for one in module.__all__ if f"`{one}" not in PAGE] == []


def test_importing_every_integration_imports_no_library():
    statement = "; ".join(f"import legm.integrations.{name}" for name in MODULES)
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "sklearn", "matplotlib", "transformers", "accelerate", "keras", "mlflow"}
    heavy |= {"lightning", "pytorch_lightning", "optuna", "hydra", "ray", "xgboost", "lightgbm", "catboost"}
    assert not {*done.stdout.split()} & heavy


def test_importing_every_integration_imports_only_the_modules_beside_it():
    """The handler and all that it needs is imported when a logger or callback is made."""
    statement = "; ".join(f"import legm.integrations.{name}" for name in MODULES)
    code = f"import sys; {statement}; print(*(name for name in sys.modules if name.startswith('legm')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    beside = {name for name in done.stdout.split() if not name.startswith("legm.integrations")}
    assert beside <= {"legm", "legm.errors", "legm.util", "legm.util.given_paths", "legm.version"}


def lazy_names() -> list[tuple[str, str]]:
    found = []
    for name in MODULES:
        module = importlib.import_module(f"legm.integrations.{name}")
        lazy = [one for one in module.__all__ if one not in vars(module)]
        found += [(name, one) for one in lazy]
    return found


@pytest.mark.parametrize(("module", "name"), lazy_names())
def test_where_the_library_is_missing_the_error_says_what_to_install(module, name):
    """In a process in which no library can be imported."""
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if not name.startswith("legm") and name.partition(".")[0] not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
import legm.integrations.{module} as module
sys.meta_path.insert(0, Missing())
from legm import LegmError
try:
    module.{name}
except LegmError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(rf"{name} needs ([\w\[\]-]+): install it with: pip install \1\n", done.stdout)


def test_an_error_inside_of_a_library_is_no_missing_library(tmp_path, monkeypatch):
    from legm.integrations.lazy_classes import import_library_lazily

    (tmp_path / "brokentrainer.py").write_text("import a_module_that_it_needs\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_it_needs"):
        import_library_lazily("brokentrainer", "brokentrainer", "LegmCallback")
    with pytest.raises(LegmError, match="LegmCallback needs absent: install it with: pip install absent"):
        import_library_lazily("absenttrainer.callbacks", "absent", "LegmCallback")
