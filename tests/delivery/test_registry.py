"""Backends by name: those of other packages are found by their entry points, and break nobody else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from legm import BackendError, ExperimentHandler
from legm.cli import main

ACME = """
from legm import hookimpl

class Backend:
    name = "acme"
    capabilities = frozenset()
    results = []

    def __init__(self, root, colour="red"):
        self.colour = colour

    @hookimpl
    def legm_open_run(self, run): ...

    @hookimpl
    def legm_write(self, run, records): ...

    @hookimpl
    def legm_close_run(self, run, result):
        self.results.append(result)

    @hookimpl
    def legm_read_runs(self, query):
        return list(self.results)

    @hookimpl
    def legm_read_configurations(self, experiment):
        return [result.run.configuration for result in self.results]
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three installed packages: one that works, one that cannot be imported, one for another legm."""
    site = tmp_path / "site"
    for name, code in (
        ("acme", ACME),
        ("broken", "import no_such_library"),
        ("outdated", ACME.replace("acme", "outdated").replace("legm_open_run", "legm_begin_run")),
    ):
        info = site / f"legm_{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: legm-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[legm.backends]\n{name} = legm_{name}:Backend\n")
        (site / f"legm_{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, f"legm_{name}", raising=False)
    monkeypatch.syspath_prepend(str(site))
    return site


def test_another_packages_backend_is_found_by_its_name(tmp_path, packages):
    with ExperimentHandler(tmp_path, "e", backend="acme", backend_options={"colour": "blue"}) as handler:
        handler.set_param("lr", 0.1)
        handler.start()
        handler.set_metric("loss", 0.5)
    (ranked,) = handler.get_best("loss")
    assert ranked.value.mean == 0.5
    assert not {"legm_broken", "legm_outdated"} & set(sys.modules)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", r"'broken' of the package legm-broken 1\.2 .*ModuleNotFoundError: .*no_such_library"),
        ("outdated", r"'outdated' does not fit this legm: .*legm_begin_run"),
        ("acmee", "there is no backend 'acmee'; did you mean 'acme'"),
    ],
)
def test_a_broken_one_is_named_with_its_own_error(tmp_path, packages, name, said):
    with pytest.raises(BackendError, match=f"(?s){said}"):
        ExperimentHandler(tmp_path, "e", backend=name)


def test_the_command_lists_every_backend_also_broken_ones(packages):
    done = CliRunner().invoke(main, ["backends", "--json"])
    assert done.exit_code == 0, done.output
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert {"local", "mlflow", "wandb", "acme", "broken", "outdated"} <= set(found)
    assert "folders" in found["local"]["capabilities"]
    assert "remote" in found["wandb"]["capabilities"]
    assert (found["acme"]["package"], found["acme"]["problem"]) == ("legm-acme 1.2", "")
    assert "no_such_library" in found["broken"]["problem"]
    assert "acme (legm-acme 1.2)" in CliRunner().invoke(main, ["backends"]).stdout
