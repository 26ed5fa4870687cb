"""The site: its pages of reference, and the page that says what is public."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from legm.hooks import Capability
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "public-names.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "docs" / "api"

PUBLIC = dict(re.findall(r"^\| `(legm[\w.]*)` \| (.+) \|$", PAGE, re.MULTILINE))
LINKED = dict(re.findall(r"^\| \[`(legm[\w.]*)`\]\((api/[\w.]+)\)", PAGE, re.MULTILINE))


@pytest.mark.parametrize("module", PUBLIC)
def test_the_page_of_public_names_has_what_a_module_exports(module: str) -> None:
    exported = [*importlib.import_module(module).__all__]
    if module == "legm":
        exported.append("open")  # which `from legm import *` must not put in the place of Python's own
    assert re.findall(r"`(\w+)`", PUBLIC[module]) == sorted(exported)


def test_the_public_modules_are_these() -> None:
    assert set(PUBLIC) == {
        *("legm", "legm.errors", "legm.hooks", "legm.records", "legm.testing", "legm.backends.portable"),
        *("legm.capture", "legm.compat", "legm.export", "legm.importers", "legm.plotting", "legm.report"),
        "legm.tables",
    }


@pytest.mark.parametrize("module", PUBLIC)
def test_what_is_public_exists(module: str) -> None:
    loaded = importlib.import_module(module)
    for name in loaded.__all__:
        getattr(loaded, name)


def test_every_public_module_has_a_page_of_reference() -> None:
    assert list(LINKED) == list(PUBLIC)
    assert {module: f"api/{module}.rst" for module in PUBLIC} == LINKED
    assert {path.stem for path in REFERENCE.glob("*.rst")} == set(PUBLIC)
    for module in PUBLIC:
        assert f".. automodule:: {module}\n" in (REFERENCE / f"{module}.rst").read_text(encoding="utf-8")


def _exists(name: str) -> bool:
    """Whether a module, or something in it, has this full name."""
    module, rest = name, list[str]()
    while module:
        try:
            found: object = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
            continue
        for part in rest:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_names_that_docstrings_refer_to_and_that_the_site_ignores_exist() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "legm").rglob("*.py"))]
    names = {name for text in texts for name in re.findall(r":\w+:`~?(legm\.[\w.]+)`", text)}
    ignored = re.findall(r'r"(legm(?:\\\.\w+)+)"', (ROOT / "docs" / "conf.py").read_text(encoding="utf-8"))
    assert names
    assert ignored
    names |= {name.replace("\\", "") for name in ignored}
    assert {name for name in names if not _exists(name)} == set()


def _imported(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "legm"}


def test_examples_import_public_names_only() -> None:
    known = {f"{module}.{name}" for module, names in PUBLIC.items() for name in re.findall(r"`(\w+)`", names)}
    known |= set(PUBLIC)
    trainers = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    for module, names in re.findall(
        r"^\|.*\| `(legm\.integrations\.\w+)` \| (.+) \|$", trainers, re.MULTILINE
    ):
        known |= {f"{module}.{name}" for name in re.findall(r"`(\w+)`", names)}
    original = (ROOT / "docs" / "from-original-legm.md").read_text(encoding="utf-8")
    for names in re.findall(r"^\| `from legm import ([\w, ]+)` \|", original, re.MULTILINE):
        known |= {f"legm.{name}" for name in names.split(", ")}
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            assert _imported(block) <= known, page.name


def test_the_guide_for_backends_has_every_hook_as_it_is_and_every_capability() -> None:
    page = (ROOT / "docs" / "writing-a-backend.md").read_text(encoding="utf-8")
    source = (ROOT / "legm" / "hooks.py").read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    hooks = [function for function in functions if function.name.startswith("legm_")]
    assert hooks
    for hook in hooks:
        arguments = ", ".join(ast.unparse(argument) for argument in hook.args.args[1:])
        assert f"\n`{hook.name}({arguments}) -> {ast.unparse(hook.returns)}`\n" in page
    assert re.findall(r"^\| `([A-Z]+)` \|", page, re.MULTILINE) != []
    assert set(re.findall(r"^\| `([A-Z]+)` \|", page, re.MULTILINE)) == set(Capability.__members__)
