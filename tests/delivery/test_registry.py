"""Backends by name: those of other packages are found by their entry points, and break nobody else."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from legm import BackendError, ExperimentHandler, hookimpl
from legm.cli import main
from legm.testing import MemoryBackend
from tests.support.waiting import until

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
    """Installed packages: one that works, others that are broken, and two of one name."""
    site = tmp_path / "site"
    for name, code, entry in (
        ("acme", ACME, "acme"),
        ("broken", "import no_such_library", "broken"),
        ("outdated", ACME.replace("acme", "outdated").replace("legm_open_run", "legm_begin_run"), "outdated"),
        ("exits", "raise SystemExit(3)", "exits"),
        ("first", ACME, "twin"),
        ("second", ACME, "twin"),
        ("mine", ACME, "local"),
        ("renamed", ACME.replace('"acme"', '"itself"'), "another-name"),
    ):
        info = site / f"legm_{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: legm-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[legm.backends]\n{entry} = legm_{name}:Backend\n")
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
        ("exits", r"'exits' of the package legm-exits 1\.2 cannot be used: SystemExit: 3"),
        ("twin", r"legm-first 1\.2 and legm-second 1\.2 both have a backend 'twin': uninstall one of them"),
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
    first = next(one for one in json.loads(done.stdout) if one["name"] == "local")
    assert "folders" in first["capabilities"]
    assert (found["acme"]["package"], found["acme"]["problem"]) == ("legm-acme 1.2", "")
    assert "no_such_library" in found["broken"]["problem"]
    assert "does not fit this legm" in found["outdated"]["problem"]
    assert "SystemExit: 3" in found["exits"]["problem"]
    listed = [(one["name"], one["package"]) for one in json.loads(done.stdout) if "legm-" in one["package"]]
    assert {("twin", "legm-first 1.2"), ("twin", "legm-second 1.2")} <= set(listed)
    assert "uninstall one of them" in found["twin"]["problem"]
    assert found["local"]["problem"] == "legm's own backend has this name: it needs another"
    assert "acme (legm-acme 1.2)" in CliRunner().invoke(main, ["backends"]).stdout


@pytest.fixture
def hanging(packages, monkeypatch):
    """A package whose import hangs until something is written to a pipe."""
    monkeypatch.setattr("legm.delivery.registry.PATIENCE", 0.5)
    pipe = packages / "pipe"
    os.mkfifo(pipe)
    (packages / "legm_acme.py").write_text(f"with open({str(pipe)!r}) as pipe:\n    pipe.read()\n{ACME}")
    yield pipe
    with contextlib.suppress(OSError):  # nobody reads
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_mirror_whose_import_hangs_is_waited_for_once_and_gets_the_run_when_it_is_there(
    tmp_path, hanging, caplog
):
    began = time.monotonic()
    for _ in range(5):
        with ExperimentHandler(tmp_path, "e", backend=["local", "acme"]) as handler:
            handler.start()
            handler.set_metric("loss", 0.5)
    done = CliRunner().invoke(main, ["backends", "--json"])
    assert time.monotonic() - began < 20
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert "still being imported" in found["acme"]["problem"]
    assert "still being imported" in caplog.text
    assert "The run continues without the mirror 'acme'" in caplog.text
    assert handler.aggregate_results()["best_loss"]["n"] == 5
    hanging.write_text("x")
    until(lambda: "legm_acme" in sys.modules and hasattr(sys.modules["legm_acme"], "Backend"))
    done = CliRunner().invoke(main, ["sync", str(tmp_path)])
    assert done.exit_code == 0, done.output
    until(lambda: len(sys.modules["legm_acme"].Backend.results) == 5)


def test_a_primary_that_hangs_while_it_is_created_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("legm.delivery.registry.PATIENCE", 0.05)

    class Slow(MemoryBackend):
        def __init__(self, root: Path) -> None:
            until(lambda: "is waited for" in caplog.text)
            super().__init__(root)

    assert ExperimentHandler(tmp_path, "e", backend=Slow).start().run_id
    assert caplog.text.count("the backend 'memory' is still being imported or created after 0.05 s") == 1


# legm sync


def away_run(root: Path, backend: object) -> None:
    """A completed run whose mirror gets nothing, because its process is killed."""
    handler = ExperimentHandler(root, "e", backend=["local", backend]).start()
    handler.set_metric("loss", 0.5)
    handler.log()
    with handler:
        pass


@pytest.fixture
def renamed(packages):
    """The class of a package whose entry point has another name than the backend."""
    from legm.delivery.registry import make_backend

    kind = type(make_backend("another-name", packages, {}))
    kind.results.clear()
    return kind


def refuse(self, run):
    raise OSError("away")


@pytest.mark.parametrize("given", ["class", "name"])
def test_sync_delivers_to_a_backend_whose_entry_point_has_another_name(
    tmp_path, renamed, given, monkeypatch, caplog
):
    monkeypatch.setattr("legm.delivery.live_delivery._GRACE", 0.0)
    with monkeypatch.context() as away:
        away.setattr(renamed, "legm_open_run", hookimpl(refuse))
        away_run(tmp_path, renamed if given == "class" else "another-name")
    assert f"legm sync {tmp_path}" in caplog.text
    done = CliRunner().invoke(main, ["sync", str(tmp_path), "--to", "itself"])
    assert done.exit_code == 0, done.output
    assert "itself: run" in done.stdout
    assert len(renamed.results) == 1


def test_sync_is_not_recommended_where_it_cannot_find_the_backend(tmp_path, packages, monkeypatch, caplog):
    monkeypatch.setattr("legm.delivery.live_delivery._GRACE", 0.0)

    class Own(MemoryBackend):
        name = "own"
        legm_open_run = hookimpl(refuse)

    away_run(tmp_path, Own)
    assert "or by the next run with this backend" in caplog.text
    assert "legm sync" not in caplog.text
    done = CliRunner().invoke(main, ["sync", str(tmp_path)])
    assert done.exit_code == 1
    assert "no installed package has the backend 'own': the next run with it delivers" in done.output


def test_sync_to_a_backend_that_there_is_not_is_an_error(tmp_path, packages):
    for extra in ([], ["--watch"]):
        done = CliRunner().invoke(main, ["sync", str(tmp_path), "--to", "mlfow", *extra])
        assert done.exit_code == 1
        assert "there is no backend 'mlfow'; did you mean 'mlflow'" in done.output
    assert CliRunner().invoke(main, ["sync", str(tmp_path), "--to", "mlflow"]).exit_code == 0


@pytest.mark.parametrize("configured", [False, True])
def test_log_shows_what_each_mirror_has_without_configured_logging(tmp_path, capsys, caplog, configured):
    if configured:
        caplog.set_level("INFO", "legm")
    handler = ExperimentHandler(tmp_path, "e", backend=["local", MemoryBackend]).start()
    handler.set_metric("loss", 0.5)
    for _ in range(2):
        handler.log()
    said = f"delivery of run {handler.run_id}: local: complete; memory: complete"
    assert capsys.readouterr().err.splitlines() == ([] if configured else [said])
    assert (said in caplog.text) is configured
