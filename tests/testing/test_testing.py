"""The conformance kit finds what is broken, and only that; the guide and the hooks say the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from legm.hooks import Capability, Hooks
from legm.testing import BackendTests
from tests.support.kit import PROPERTIES
from tests.support.pages import FILE, blocks
from tests.support.paths import ROOT
from tests.support.prepared import Prepared

GUIDE = ROOT / "docs" / "writing-a-backend.md"
SOURCE = ast.parse((ROOT / "tests/support/broken_backends.py").read_text(encoding="utf-8"))
NOT_BROKEN = {"Changed", "KeepsMedia", "LosesOneKindOfMedia", "OfAcme", "Rewinding"}
BROKEN = [node.name for node in SOURCE.body if isinstance(node, ast.ClassDef) and node.name not in NOT_BROKEN]


def write_guide(folder: Path) -> None:
    """The files of the guide, as it says."""
    for block in blocks(GUIDE, "python"):
        if named := FILE.match(block.text):
            (folder / named[1]).write_text(block.text, encoding="utf-8")


@pytest.fixture(scope="module")
def broken_backends(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guide")
    write_guide(folder)
    sys.path.insert(0, str(folder))
    sys.modules.pop("legm_acme", None)  # another test's package of this name
    importlib.invalidate_caches()
    yield importlib.import_module("tests.support.broken_backends")
    sys.path.remove(str(folder))
    for name in ("tests.support.broken_backends", "legm_acme"):
        sys.modules.pop(name, None)


def failing(
    kit: type[BackendTests], properties: Iterable[str], folder: Path, prepared: Prepared
) -> dict[str, Exception | AssertionError]:
    """By property, what the kit finds."""

    def run_python(_: BackendTests, arguments: list[str], output: Path) -> int:
        with output.open("wb") as said:
            return prepared.begin(arguments, stdout=said, stderr=said).wait()

    found = {}
    for name in properties:
        place = folder / name
        place.mkdir()
        # What is broken is waited for in vain; only another process may take long.
        patience = BackendTests.patience if "killed_process" in name else 8.0
        try:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(BackendTests, "patience", patience)
                patched.setattr(BackendTests, "many", 4_000)  # the kit of each good backend has them all
                patched.setattr(BackendTests, "run_python", run_python)
                getattr(kit(), name)(place)
        except Exception as error:  # noqa: BLE001 - as pytest does
            found[name] = error
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_fails_its_property_and_those_that_need_it_only(
    broken_backends, prepared_core, tmp_path, name
):
    broken = broken_backends.BROKEN[name]
    expected = {f"test_{one}" for one in (broken.fails, *getattr(broken, "also", ()))}
    others = PROPERTIES[BROKEN.index(name) % 12 :: 12]  # each is tried with every twelfth of the broken ones
    tried = sorted(expected.union(others))
    found = failing(getattr(broken_backends, f"Of{name}"), tried, tmp_path, prepared_core)
    assert set(found) == expected, found


def test_every_property_has_a_backend_that_breaks_it(broken_backends):
    broken = {f"test_{one.fails}" for one in broken_backends.BROKEN.values()}
    assert sorted(broken) == PROPERTIES
    assert sorted(broken_backends.BROKEN) == sorted(BROKEN)


def test_the_guides_backend_passes_its_own_tests(tmp_path):
    write_guide(tmp_path)
    (command,) = (block.text for block in blocks(GUIDE, "console") if "pytest" in block.text)
    arguments = [sys.executable, *command.split()[1:], "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(PROPERTIES)} passed" in done.stdout


def test_the_guide_has_every_hook_with_its_signature():
    documented = re.findall(r"^`(legm_.*)`$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    expected = []
    for name, hook in vars(Hooks).items():
        if name.startswith("legm_"):
            signature = inspect.signature(hook)
            without_self = signature.replace(parameters=list(signature.parameters.values())[1:])
            expected.append(name + str(without_self).replace("'", ""))
    assert documented == expected


def test_the_guide_has_every_capability():
    documented = re.findall(r"^\| `([A-Z]+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(one.name for one in Capability)


def test_a_kit_that_makes_no_backend_says_so(tmp_path):
    with pytest.raises(NotImplementedError, match="Nothing must say how"):
        type("Nothing", (BackendTests,), {})().test_metrics_may_be_indexed(tmp_path)


def test_a_kit_inside_a_function_says_that_it_must_be_at_the_top_level(tmp_path):
    class Inside(BackendTests):
        pass

    with pytest.raises(AssertionError, match="top level"):
        Inside().test_a_killed_process_loses_and_repeats_nothing(tmp_path)
