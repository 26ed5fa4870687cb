"""Whatever reads runs finalizes those whose process died first, in the folders of every backend."""

from __future__ import annotations

import shutil
import signal

import pytest
from click.shell_completion import ZshComplete

from legm import ExperimentHandler, hookimpl
from legm.cli import main
from legm.export import export_runs, export_table
from legm.records import Status
from legm.runlog.log_folder import find_pending_logs
from legm.testing import MemoryBackend
from tests.support import folder_plugins
from tests.support.calling import as_json, failed, shown
from tests.support.reading import runs_of

BACKENDS = ("local", *folder_plugins.PLUGINS)

KILLED = """
import os, signal, sys
from legm import ExperimentHandler, hookimpl

def run(lr, loss):
    handler = ExperimentHandler(sys.argv[1], "e", backend=sys.argv[2])
    handler.set_dict_params({"lr": lr, "seed": loss})
    handler.disable_param("seed")
    handler.start()
    for step in range(3):
        handler.set_metric("loss", loss - step / 8, step=step)
    return handler

for lr in (0.1, 0.2):
    for seed in range(3):
        run(lr, lr + seed).log()
unended = [run(lr, 9) for lr in (0.1, 0.2)]
assert all(one.flush(60) for one in unended)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory, prepared_core):
    """By backend, a root directory with two configurations, in each of which a process left a run."""
    base = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patched:
        folder_plugins.install(base / "site", patched)
        for backend in BACKENDS:
            done = prepared_core.run(["-c", KILLED, base / backend, backend])
            assert done.returncode == -signal.SIGKILL, done.stderr
    return base


@pytest.fixture
def installed(tmp_path, monkeypatch):
    folder_plugins.install(tmp_path / "site", monkeypatch)


@pytest.fixture(params=BACKENDS)
def store(request, killed, installed, tmp_path):
    """A backend's name and a copy of its root directory, in which two dead runs are pending."""
    root = tmp_path / "root"
    shutil.copytree(killed / request.param, root)
    assert len(find_pending_logs(root)) == 2
    return request.param, root


def configurations_of(backend, root):
    """The paths by which commands name the configurations; only files are looked at."""
    return sorted(path for path in (root / "e").iterdir() if not path.name.startswith("."))


def handler_of(backend, root, lr=0.1):
    handler = ExperimentHandler(root, "e", backend=backend)
    handler.set_dict_params({"lr": lr, "seed": 0})
    handler.disable_param("seed")
    return handler


COMMANDS = {
    "ls": lambda _, e, __: ("ls", e.parent),
    "ls of an experiment": lambda _, e, __: ("ls", e),
    "best": lambda _, e, __: ("best", e, "loss"),
    "best over all values": lambda _, e, __: ("best", e, "time_per_sample"),
    "show": lambda _, __, each: ("show", each[0]),
    "table": lambda _, e, __: ("table", e, "loss"),
    "plot": lambda out, e, __: ("plot", e, "loss", "-o", out / "e.png"),
    "plot of a configuration": lambda out, _, each: ("plot", each[0], "loss", "-o", out / "c.png"),
    "report": lambda out, e, __: ("report", e, "-o", out / "e.html"),
    "compare": lambda _, __, each: ("compare", *each, "loss"),
    "diff": lambda _, __, each: ("diff", *each),
}
ONE_CONFIGURATION = {"show", "plot of a configuration"}


@pytest.mark.parametrize(
    "command",
    [pytest.param(one, marks=pytest.mark.libraries) if one == "report" else one for one in COMMANDS],
)
def test_every_command_that_reads_finalizes_first(store, tmp_path, command):
    backend, root = store
    arguments = COMMANDS[command](tmp_path, root / "e", configurations_of(backend, root))
    if command == "best over all values":
        for lr in (0.1, 0.2):
            with handler_of(backend, root, lr).start() as handler:
                handler.set_metric("time_per_sample", 0.5)
    shown(*arguments, "--backend", backend)
    left = find_pending_logs(root)
    assert len(left) <= (command in ONE_CONFIGURATION and backend != "vault")
    found = runs_of(root, "e", backend)
    assert sum(run.status is Status.INTERRUPTED for run in found) == 2
    assert {run.points for run in found if run.status is Status.INTERRUPTED} == {3}


def test_an_export_finalizes_first(store, tmp_path):
    backend, root = store
    target = MemoryBackend(tmp_path)
    report = export_runs(root, target, source=backend)
    assert report.is_complete
    assert report.equal == 8
    assert not find_pending_logs(root)
    assert sum(run.status is Status.INTERRUPTED for run in runs_of(tmp_path, "e", target)) == 2


def test_a_table_of_runs_finalizes_first(store, tmp_path):
    backend, root = store
    assert export_table(root, tmp_path / "runs.csv", source=backend).is_complete
    assert not find_pending_logs(root)
    assert (tmp_path / "runs.csv").read_text().count(",interrupted,") == 2


def test_calls_in_python_finalize_first(store, tmp_path):
    backend, root = store
    another = tmp_path / "another"
    shutil.copytree(root, another)
    one, other = (handler_of(backend, root, lr) for lr in (0.1, 0.2))
    assert [found.interrupted for found in one.get_best("loss")] == [1, 1]
    assert not find_pending_logs(root)
    one, other = (handler_of(backend, another, lr) for lr in (0.1, 0.2))
    one.compare(one, other, "loss")
    assert not find_pending_logs(another)


@pytest.mark.parametrize("backend", ["local", "cellar"])
def test_aggregating_finalizes_first(killed, installed, tmp_path, backend):
    root = tmp_path / "root"
    shutil.copytree(killed / backend, root)
    assert handler_of(backend, root).aggregate_results()["best_loss"]["interrupted"] == 1
    (left,) = find_pending_logs(root)
    assert handler_of(backend, root, 0.2).fingerprint in (left.parents[2] / "params.yml").read_text()


def test_what_is_offered_on_a_command_line_is_of_finalized_runs(store, monkeypatch, capfd):
    backend, root = store
    monkeypatch.chdir(root.parent)
    asked = ZshComplete(main, {}, "legm", "_LEGM_COMPLETE")
    found = asked.get_completions(["best", "--backend", backend, "root/e"], "")
    assert [one.value for one in found] == ["loss"]
    assert not find_pending_logs(root)
    (folder,) = asked.get_completions(["ls", "--backend", backend], "ro")
    assert (folder.type, folder.value) == (("plain", "root/") if backend == "vault" else ("dir", "ro"))
    assert capfd.readouterr() == ("", "")


# Folders of other backends


def test_a_backend_with_a_folder_reader_is_treated_as_the_local_one(store, killed, tmp_path):
    backend, root = store
    local = tmp_path / "local"
    shutil.copytree(killed / "local", local)

    def known(found):
        return [
            (one["fingerprint"], one["runs"][0]["completed"], one["runs"][0]["interrupted"]) for one in found
        ]

    assert sorted(known(as_json("ls", root, "--backend", backend))) == sorted(known(as_json("ls", local)))
    ours, theirs = (
        as_json("best", at / "e", "loss", "--backend", by) for at, by in ((root, backend), (local, "local"))
    )
    assert [(one["fingerprint"], one["value"]) for one in ours] == [
        (one["fingerprint"], one["value"]) for one in theirs
    ]
    if backend != "vault":
        inner = configurations_of(backend, root)[0]
        moved = root.parent / "elsewhere" / "e" / inner.name
        moved.parent.mkdir(parents=True)
        inner.rename(moved)
        (one,) = as_json("ls", moved, "--backend", backend)
        assert one["folder"] == str(moved)
    target = MemoryBackend(tmp_path)
    assert export_runs(root, target, source=backend).is_complete


@pytest.mark.parametrize("backend", BACKENDS)
def test_options_that_a_folder_backend_has_not_are_refused(killed, installed, backend):
    message = failed("best", killed / backend / "e", "loss", "--backend", backend, "--backend-option", "a=1")
    assert f"the backend '{backend}' has no options, but was given a" in message


class Away(MemoryBackend):
    """A mirror that does not answer."""

    name = "away"

    @hookimpl
    def legm_open_run(self, run):
        raise OSError("away")


def test_a_run_for_which_only_a_mirror_still_waits_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("legm.delivery.live_delivery._GRACE", 0.0)
    with ExperimentHandler(tmp_path, "e", backend=["local", Away(tmp_path)]).start() as handler:
        handler.set_metric("loss", 0.5)
    (log,) = find_pending_logs(tmp_path)
    before = log.stat().st_mtime_ns, log.read_bytes()
    for _ in range(2):
        (one,) = as_json("best", tmp_path / "e", "loss")
        assert one["completed"] == 1
        assert handler.get_best("loss")[0].completed == 1
        assert not any(as_json("recover", tmp_path).values())
    assert (log.stat().st_mtime_ns, log.read_bytes()) == before
