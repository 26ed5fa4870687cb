"""The way out: runs replayed into other backends, from there back, and written to tables."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from legm import BackendError, ExperimentHandler, StorageError, hookimpl
from legm.analysis.recovery import recover_folders
from legm.cli import main
from legm.core import results
from legm.core.result_equality import RESULT_FIELDS, differing_result_fields, result_digests
from legm.core.results import records_from_result
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.export import State, export_runs
from legm.records import (
    BestRule,
    Configuration,
    History,
    Points,
    Query,
    Run,
    RunResult,
    Series,
    Split,
    Status,
)
from legm.runlog import log_reader
from legm.runlog.log_writer import write_run_log
from legm.testing import MemoryBackend
from tests.support.local_runs import begun, known, local_runs, train
from tests.support.mlflow_store import prepare_store
from tests.support.sample_runs import comparable, script

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}


@pytest.fixture(autouse=True)
def _home(tmp_path_factory, monkeypatch):
    """Nothing of the user's own W&B or MLflow is read or written."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_TRACKING"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


def elsewhere(name: str, tmp_path: Path) -> dict:
    """Arguments that let a backend keep its runs outside the root directory of the exported ones."""
    into = tmp_path / f"at {name}"
    into.mkdir(exist_ok=True)
    if name == "mlflow":
        prepare_store(into / "mlflow.db")
    options = {"mode": "offline", "settings": QUIET} if name == "wandb" else {}
    return {"into": into, "options": options}


def read_back(name: object, into: Path, options: dict, experiment: str) -> list[RunResult]:
    """The runs as a fresh instance of the backend gives them."""
    backend = name if isinstance(name, MemoryBackend) else make_backend(name, into, options)
    query = Query(experiment, histories=None)
    found = BackendClient(backend, into).runs_as_stored(query)
    return sorted(found, key=lambda result: result.run.run_id)


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its content's digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


KILLED = """
import os, signal, sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e", "killed")
handler.set_param("rate", 0.25)
handler.start()
for step in range(10):
    handler.set_metric("loss", step / 3, step=step)
handler.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def every(tmp_path_factory) -> Path:
    """A root directory with runs of every kind: only to be read."""
    root = tmp_path_factory.mktemp("every") / "results"
    with ExperimentHandler(root, "e", "a bit of everything") as handler:
        script(handler)  # two runs, and one without a number
    train(root, rate=0.5, seed=1)
    train(root, rate=0.5, seed=2)
    train(root, rate=2, sizes=[1, [2.5, "x"]], none=None, net="=1+1", description="déjà vu / β")
    with contextlib.suppress(ZeroDivisionError), begun(root, 0.125) as handler:
        handler.set_metric("loss", 0.1, step=5)
        handler.set_metric("loss", 0.2, step=5)
        1 / 0  # noqa: B018
    pruned = begun(root, 0.0625)
    pruned.set_metric("loss", 9.0)
    pruned.end("pruned", "worse than the median")
    train(root, experiment="another / one", rate=1)
    process = subprocess.run([sys.executable, "-c", KILLED, str(root)], check=False)
    assert process.returncode == -signal.SIGKILL
    ExperimentHandler.load_existent(next(root.glob("e/0.5_0"))).aggregate_results("median")
    return root


# Sameness, reconstruction and transcripts


def test_two_results_are_the_same_only_where_every_piece_is(every):
    (first, second, *_) = (result for result in local_runs(every) if result.run.description == "")
    ours, theirs = (result_digests(result, RESULT_FIELDS) for result in (first, second))
    own = {"run id", "start", "own parameters", "best values", "values"}
    assert {name for name in RESULT_FIELDS if ours[name] != theirs[name]} == own
    history = first.histories[Series("loss")]
    values = np.nextafter(history.values, np.inf)
    changed = replace(first, histories={**first.histories, Series("loss"): History(history.steps, values)})
    assert differing_result_fields(first, ours) == []
    assert differing_result_fields(changed, ours) == ["values"]
    assert differing_result_fields(replace(first, test={Series("acc", Split.TEST): -0.0}), ours) == [
        "test values"
    ]


def run_results() -> st.SearchStrategy[RunResult]:
    numbers = st.floats(allow_nan=True, allow_infinity=True)
    series = st.builds(Series, st.text(max_size=3), st.just(Split.DEV), st.none() | st.text(max_size=2))
    histories = st.dictionaries(
        series, st.dictionaries(st.integers(-(2**62), 2**62), numbers, min_size=1, max_size=5), max_size=5
    )
    tests = st.dictionaries(
        st.text(max_size=3).map(lambda name: Series(name, Split.TEST)), numbers, max_size=3
    )
    run = Run("r", Configuration("e", "v1-0", "", {}, (), {}), "", 5.5)

    def made(found: dict, test: dict, status: Status) -> RunResult:
        known = {
            one: History(np.array(sorted(rows), np.int64), np.array([rows[step] for step in sorted(rows)]))
            for one, rows in found.items()
        }
        points = sum(len(history.steps) for history in known.values()) + len(test)
        bare = RunResult(run, status, BestRule(), histories=known, test=test, points=points, ended=7.25)
        return results.run_result(run, records_from_result(bare))

    return st.builds(made, histories, tests, st.sampled_from([Status.COMPLETED, Status.FAILED]))


@given(run_results())
def test_a_result_comes_back_from_the_records_that_are_made_of_it(result):
    again = results.run_result(result.run, records_from_result(result))
    assert comparable(again) == comparable(result)
    assert (again.ended, again.run.started) == (7.25, 5.5)


def test_records_come_back_from_a_log_that_is_made_of_them(every, tmp_path):
    for number, result in enumerate(local_runs(every)):
        path = tmp_path / f"{number}.log"
        write_run_log(path, result.run, records_from_result(result))
        log = log_reader.read_log(path)
        assert log.run == result.run
        assert comparable(results.run_result(log.run, log.records)) == comparable(
            results.run_result(result.run, records_from_result(result))
        )
        again = tmp_path / f"{number} again.log"
        write_run_log(again, result.run, records_from_result(result))
        assert again.read_bytes() == path.read_bytes()


def test_a_long_run_comes_back_from_its_log_and_is_read_in_pieces(tmp_path):
    loss, acc = Series("loss"), Series("acc")
    count = 30_000
    layout = (np.arange(count) % 3 == 0).astype(np.uint32)
    values = np.arange(count + int(layout.sum()), dtype=float) / 7
    points = Points(((loss,), (acc, loss)), layout, np.arange(count), np.zeros(count), values)
    run = Run("r", Configuration("e", "v1-0", "", {}, (), {}), "", 0.0)
    write_run_log(tmp_path / "r.log", run, [points])
    (found,) = log_reader.read_log(tmp_path / "r.log").records
    assert [*found.rows()] == [*points.rows()]
    tail, pieces = log_reader.LogTail(tmp_path / "r.log"), []
    for _ in range(10):
        pieces += [len(record) for record in tail.read(1 << 16)]
    tail.close()
    assert sum(pieces) == len(points)
    assert max(pieces) < len(points) / 2


# Into another backend


@pytest.mark.parametrize("name", ["mlflow", "wandb", "local"])
def test_every_run_is_read_back_bit_for_bit_and_a_second_export_adds_nothing(every, tmp_path, name):
    root = tmp_path / "root"
    shutil.copytree(every, root)
    list(recover_folders(root))
    before, place = tree(root), elsewhere(name, tmp_path)
    report = export_runs(root, name, **place)
    assert report.is_complete
    assert report.states == {State.DELIVERED: report.equal}
    assert tree(root) == before
    expected = local_runs(root)
    assert len(expected) == report.equal == 10
    assert {result.status for result in expected} == set(Status) - {Status.RUNNING}
    found = [run for one in ("e", "another / one") for run in read_back(name, **place, experiment=one)]
    assert known(sorted(found, key=lambda result: result.run.run_id)) == known(expected)
    stored = sorted(
        path for path in place["into"].rglob("*") if path.is_file() and "aggregate" not in str(path)
    )
    again = export_runs(root, name, **place)
    assert again.states == {State.THERE: report.equal}
    assert (again.points, again.equal) == (0, report.equal)
    if name != "wandb":  # which keeps what is computed over runs in a run of another name
        assert [path for path in place["into"].rglob("*") if path.is_file() and "aggregate" not in str(path)]
        assert (
            sorted(p for p in place["into"].rglob("*") if p.is_file() and "aggregate" not in str(p)) == stored
        )


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_what_went_out_comes_back_as_local_runs(every, tmp_path, name):
    root = tmp_path / "root"
    shutil.copytree(every, root)
    for _ in recover_folders(root):
        pass
    place = elsewhere(name, tmp_path)
    export_runs(root, name, **place)
    back = tmp_path / "back"
    report = export_runs(place["into"], "local", into=back, source=name, source_options=place["options"])
    assert report.is_complete
    assert report.equal == 10
    expected, found = local_runs(root), local_runs(back)
    twice = next(at for at, one in enumerate(expected) if one.status is Status.FAILED)
    assert (expected[twice].points, found[twice].points) == (2, 1)
    (note,) = report.runs
    assert "a step that was set twice counts once" in note.text
    del expected[twice], found[twice]
    assert known(found) == known(expected)
    handler = ExperimentHandler.load_existent(next(back.glob("e/0.5_0")))
    assert handler.aggregate_results()["best_loss"]["n"] == 2
    again = export_runs(place["into"], "local", into=back, source=name, source_options=place["options"])
    assert again.states == {State.THERE: 10}


def test_an_experiment_or_a_configuration_can_be_exported_alone(every, tmp_path):
    for folder, count in ((every / "e", 9), (next(every.glob("e/0.5_0")), 2)):
        memory = MemoryBackend(tmp_path)
        assert export_runs(folder, memory).equal == count
        assert len(memory.results) == count


def test_aggregates_are_exported_with_the_runs(every, tmp_path):
    memory = MemoryBackend(tmp_path)
    report = export_runs(every, memory)
    (summary,) = memory.summaries.values()
    assert report.summaries == 1
    handler = ExperimentHandler.load_existent(next(every.glob("e/0.5_0")))
    expected = handler.aggregate_results("median")["best_loss"]
    assert summary.completed == expected["n"] == 2
    kept = summary.values["best_loss"]
    assert {**kept.fields, "mean": kept.mean, "std": kept.std, "n": kept.n} == {
        name: value
        for name, value in expected.items()
        if name not in ("nan", "failed", "interrupted", "pruned", "repeated", "method", "chosen")
    }


def test_a_run_without_its_log_is_read_from_the_yaml_files(every, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(every, root)
    completed = [result for result in local_runs(root) if result.status is Status.COMPLETED]
    for path in root.rglob("*.log"):
        path.unlink()
    place = elsewhere("mlflow", tmp_path)
    report = export_runs(root, "mlflow", **place)
    assert report.is_complete
    assert report.equal == len(completed) == 7
    assert {one.text for one in report.runs} == {"its log is missing, so the times of its values are unknown"}
    found = [run for one in ("e", "another / one") for run in read_back("mlflow", **place, experiment=one)]
    assert known(sorted(found, key=lambda result: result.run.run_id)) == known(completed)


def test_what_a_user_changed_or_deleted_counts(tmp_path):
    root = tmp_path / "root"
    kept, changed, out = (train(root, seed=seed) for seed in range(3))
    path = root / "e" / "0.5_0" / "metrics.yml"
    lines = path.read_text().splitlines()
    lines = [line for line in lines if out.run.run_id not in line]
    (at,) = (number for number, line in enumerate(lines) if changed.run.run_id in line)
    lines[at] = re.sub(r'"test_acc": [^,]+', '"test_acc": 0.75', lines[at].partition(" # legm")[0])
    path.write_text("\n".join(lines) + "\n")
    memory = MemoryBackend(tmp_path)
    report = export_runs(root, memory)
    assert sorted(memory.results) == [kept.run.run_id, changed.run.run_id]
    assert memory.results[changed.run.run_id].test == {Series("acc", Split.TEST): 0.75}
    assert memory.results[kept.run.run_id].test == kept.test
    (note,) = report.runs
    assert "metrics.yml was used; the run's log differs in test values" in note.text


def test_a_copy_of_a_folder_is_exported_once(tmp_path):
    root = tmp_path / "root"
    train(root)
    shutil.copytree(root / "e" / "0.5_0", root / "e" / "copy")
    assert export_runs(root, MemoryBackend(tmp_path)).states == {State.DELIVERED: 1}


def test_a_running_run_is_left_for_the_next_export(tmp_path):
    root, memory = tmp_path / "root", MemoryBackend(tmp_path)
    train(root)
    handler = begun(root, 3)
    handler.set_metric("loss", 0.5)
    handler.flush()
    report = export_runs(root, memory)
    assert report.states == {State.DELIVERED: 1, State.RUNNING: 1}
    assert report.is_complete
    handler.log()  # it is complete, though its process lives
    assert export_runs(root, memory).states == {State.THERE: 1, State.DELIVERED: 1}
    handler.set_metric("loss", 0.25)
    handler.log()
    assert export_runs(root, memory).states == {State.THERE: 1, State.DELIVERED: 1}
    handler.set_metric("loss", 0.125)
    handler.flush()
    assert export_runs(root, memory).states == {State.THERE: 1, State.RUNNING: 1}
    handler.log()
    export_runs(root, memory)
    assert known(read_back(memory, tmp_path, {}, "e")) == known(local_runs(root))


def test_damage_is_reported_and_the_rest_continues(every, tmp_path):
    root, memory = tmp_path / "root", MemoryBackend(tmp_path)
    shutil.copytree(every, root)
    (root / "e" / "0.5_0" / "params.yml").write_text("}{")
    train(root, experiment="no logs", rate=1)
    shutil.rmtree(root / "no logs" / "1_0" / "runs")
    (root / "no logs" / "1_0" / "params.yml").write_text("}{")
    for experiment, was, now in (
        ("series", b'"loss": [0.3', b'"loss": [0.4'),
        ("head", b'_step": 3', b'_step": 2'),
    ):
        train(root, experiment=experiment, rate=1)
        train(root, experiment=experiment, rate=1)
        metrics = root / experiment / "1_0" / "metrics.yml"
        metrics.write_bytes(metrics.read_bytes().replace(was, now, 1))
    train(root, experiment="log", rate=1)
    (log,) = (root / "log" / "1_0" / "runs").glob("*.log")
    with contextlib.suppress(ZeroDivisionError), begun(root, 1, "failed") as handler:
        handler.set_metric("loss", 0.1)
        1 / 0  # noqa: B018
    (failed,) = (root / "failed").glob("*/runs/*.log")
    for path in (log, failed):
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 255
        path.write_bytes(bytes(data))
    report = export_runs(root, memory)
    assert report.states == {State.DELIVERED: 15, State.MISSING: 2}
    assert report.equal == 15
    missing = {one.where: one.text for one in report.runs if one.state is State.MISSING}
    assert any("no logs" in where and "params.yml" in text for where, text in missing.items())
    assert any("head" in where and "legm recover" in text for where, text in missing.items())
    notes = [one.text for one in report.runs if one.state is State.DELIVERED]
    assert sum("it was read from its log" in text and "params.yml" in text for text in notes) == 2
    assert sum("it was read from its log" in text and "metrics.yml" in text for text in notes) == 1
    assert sum(log.name in text for text in notes) == 1
    assert sum(f"{failed}, byte " in text and "What is intact" in text for text in notes) == 1
    done = CliRunner().invoke(main, ["export", str(root), str(tmp_path / "t.csv"), "--to", "table"])
    assert done.exit_code == 1
    assert "legm recover" in done.output


class Choosy(MemoryBackend):
    """Refuses some runs, forgets others, and changes a bit of others."""

    def __init__(self, root: Path, refused=(), forgotten=(), changed=()) -> None:
        super().__init__(root)
        self.refused, self.forgotten, self.changed = refused, forgotten, changed
        self.asked = 0

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        self.asked += 1
        if run.run_id in self.refused:
            raise StorageError("no room")
        if run.run_id in self.changed:
            (series, history), *_ = result.histories.items()
            values = np.nextafter(history.values, np.inf)
            result = replace(result, histories={**result.histories, series: History(history.steps, values)})
        if run.run_id not in self.forgotten:
            self.results[run.run_id] = result


def test_what_a_target_refuses_forgets_or_changes_is_missing_and_the_rest_continues(tmp_path):
    root = tmp_path / "root"
    ids = [train(root, seed=seed).run.run_id for seed in range(5)]
    target = Choosy(tmp_path, refused=ids[:1], forgotten=ids[1:2], changed=ids[2:3])
    report = export_runs(root, target)
    assert report.states == {State.DELIVERED: 2, State.MISSING: 3}
    assert not report.is_complete
    texts = {one.where[-len(ids[0]) :]: one.text for one in report.runs}
    assert texts == {
        ids[0]: "no room",
        ids[1]: "the target does not return it",
        ids[2]: "the target returns it with different values",
    }
    target.refused = target.forgotten = target.changed = ()
    again = export_runs(root, target)
    assert again.is_complete
    assert again.equal == 5


def test_a_target_that_refuses_everything_is_not_asked_for_every_run(tmp_path):
    root = tmp_path / "root"
    ids = [train(root, seed=seed).run.run_id for seed in range(6)]
    target = Choosy(tmp_path, refused=ids)
    report = export_runs(root, target)
    assert target.asked == 3
    assert report.states == {State.MISSING: 6}
    assert [one.text for one in report.runs][-1] == "not tried, because 3 runs in a row were refused: no room"


DYING = """
import os, signal, sys
from legm.export import export_runs
from legm.delivery.client import BackendClient

root, into, name, hook, left = sys.argv[1:]
left, original = int(left), BackendClient._call

def call(self, called, **arguments):
    global left
    found = original(self, called, **arguments)
    left -= called == hook
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

BackendClient._call = call
export_runs(root, name, into=into)
"""


@pytest.mark.parametrize(
    ("name", "hook", "left"),
    [
        ("mlflow", "legm_write", 1),
        ("mlflow", "legm_write", 4),
        ("mlflow", "legm_open_run", 2),
        ("local", "legm_write", 3),
        ("local", "legm_open_run", 2),
        ("local", "legm_close_run", 2),
    ],
)
def test_an_export_that_was_killed_is_continued_and_counts_nothing_twice(
    tmp_path, prepared, name, hook, left
):
    root, into = tmp_path / "root", tmp_path / "into"
    with begun(root, 7) as handler:
        for step in range(30_000):
            handler.set_metric("loss", step / 7, step=step)
    train(root, seed=1)
    train(root, seed=2)
    prepare_store(into / "mlflow.db")
    assert prepared.run(["-c", DYING, root, into, name, hook, left]).returncode == -signal.SIGKILL
    report = export_runs(root, name, into=into)
    assert report.is_complete
    assert report.equal == 3
    expected = local_runs(root)
    assert known(read_back(name, into, {}, "e")) == known(expected)
    if name == "mlflow":
        with contextlib.closing(sqlite3.connect(into / "mlflow.db")) as database:
            shown = database.execute("select count(*) from metrics where key like 'dev/%'").fetchone()
            runs = database.execute("select count(*) from tags where key = 'legm.run_id'").fetchone()
        assert shown == (30_000 + 2 * 8,)
        assert runs == (3,)
    else:
        assert len([*into.rglob("*.log")]) == 3
        assert [*into.rglob("*.new"), *into.glob("*/*/runs/open/*")] == []


def test_credentials_stay_here(tmp_path):
    root = tmp_path / "root"
    train(root, api_key="sk-very-secret")
    place = elsewhere("mlflow", tmp_path)
    report = export_runs(root, "mlflow", **place)
    assert report.is_complete
    assert report.runs == ()
    assert not any(
        b"sk-very-secret" in path.read_bytes() for path in place["into"].rglob("*") if path.is_file()
    )


def test_files_of_a_run_are_exported_even_if_the_root_was_moved(tmp_path):
    for name in ("kept.txt", "gone.txt"):
        (tmp_path / name).write_text(f"what is in {name}")
    with begun(tmp_path / "was", 1) as handler:
        handler.log_artifact(tmp_path / "kept.txt", "näme/1.txt")
        handler.log_artifact(tmp_path / "gone.txt")
        handler.set_metric("loss", 0.5)
    root = tmp_path / "root"
    (tmp_path / "was").rename(root)
    (gone,) = root.rglob("gone.txt")
    gone.unlink()
    for name in ("mlflow", "local"):
        place = elsewhere(name, tmp_path)
        report = export_runs(root, name, **place)
        assert report.is_complete
        assert [one.text for one in report.runs] == ["these files of the run no longer exist: gone.txt"]
        assert b"what is in kept.txt" in [p.read_bytes() for p in place["into"].rglob("*.txt")]


def test_hundreds_of_runs_are_exported_and_read_back(tmp_path):
    root, back, memory = tmp_path / "root", tmp_path / "back", MemoryBackend(tmp_path)
    for seed in range(200):
        train(root, rate=seed % 4, seed=seed)
    assert export_runs(root, memory).equal == 200
    assert export_runs(root, memory).states == {State.THERE: 200}
    report = export_runs(tmp_path, "local", into=back, source=memory)
    assert report.equal == 200
    assert known(local_runs(back)) == known(local_runs(root))


def test_a_store_is_not_exported_into_itself(every, tmp_path):
    root = tmp_path / "root"
    train(root)
    with pytest.raises(BackendError, match="writes folders: give its root directory"):
        export_runs(root, "local")
    with pytest.raises(BackendError, match="already in this store: local"):
        export_runs(root / "e", "local", into=root)
    prepare_store(root / "mlflow.db")
    ExperimentHandler(root, "e", backend="mlflow").start().log()
    with pytest.raises(BackendError, match="already in this store: mlflow"):
        export_runs(root, "mlflow", source="mlflow")


def test_where_there_are_no_runs_it_is_said(tmp_path):
    with pytest.raises(StorageError, match="there are no runs below"):
        export_runs(tmp_path, MemoryBackend(tmp_path))
    with pytest.raises(StorageError, match="there is no folder"):
        export_runs(tmp_path / "nowhere", MemoryBackend(tmp_path))
    with pytest.raises(BackendError, match="has no options"):
        export_runs(tmp_path, MemoryBackend(tmp_path), source_options={"a": 1})
    with pytest.raises(BackendError, match="ROOT/EXPERIMENT"):
        export_runs(tmp_path, MemoryBackend(tmp_path), experiment="e")


# The command


def test_the_command_says_what_was_done_and_its_status_whether_something_is_missing(every, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(every, root)
    option = f"tracking_uri=sqlite:///{prepare_store(tmp_path / 'm.db')}"
    command = ["export", str(root), "--to", "mlflow", "--backend-option", option, "--into", str(tmp_path)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    points = sum(result.points for result in local_runs(root))
    assert done.stdout.splitlines()[:2] == [
        f"mlflow: 10 runs with {points} values delivered, 0 runs already there",
        "read back and compared: 10 runs equal, 1 aggregate written",
    ]
    (log,) = (
        path
        for path in root.glob("e/*/runs/*.log")
        if "0.125" in str(path) or b"ZeroDivision" in path.read_bytes()
    )
    log.write_bytes(b"nothing of ours")
    done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert (said["there"], said["missing"], said["equal"]) == (10, 0, 9)
    (problem,) = said["runs"]
    assert log.stem in problem["run"]
    assert "not a run log" in problem["text"]
    assert "the target's run is kept as it is" in problem["text"]
    (log.parent.parent / "params.yml").write_text("}{")
    done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert any(log.stem in one["run"] and "not a run log" in one["text"] for one in said["runs"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "table"], "a table needs a file"),
        (["out.csv", "--to", "mlflow"], "are for tables"),
        (["--to", "mlflow", "--rows", "points"], "are for tables"),
        (["out.csv", "--to", "table", "--into", "x"], "not for a table"),
        (["--to", "mlflow", "--backend-option", "x"], "not of the form NAME=VALUE"),
        (["--to", "mlflow", "--backend-option", "tracking_url=x"], "did you mean 'tracking_uri'"),
        (["--to", "mlflo"], "did you mean 'mlflow'"),
        (["out.xls", "--to", "table"], ".csv or a .parquet file"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(tmp_path, arguments, said):
    root = tmp_path / "root"
    train(root)
    before = tree(tmp_path)
    done = CliRunner().invoke(main, ["export", str(root), *arguments])
    assert done.exit_code in (1, 2)
    assert said in " ".join(done.output.split())
    assert tree(tmp_path) == before


def test_options_may_be_more_than_text(tmp_path):
    root = tmp_path / "root"
    train(root)
    command = [
        "export",
        str(root),
        "--to",
        "wandb",
        "--backend-option",
        "mode=offline",
        "--into",
        str(tmp_path),
    ]
    done = CliRunner().invoke(main, [*command, "--backend-option", f"settings={json.dumps(QUIET)}"])
    assert done.exit_code == 0, done.output
    assert len(read_back("wandb", tmp_path, {"mode": "offline"}, "e")) == 1


def test_absent_values_are_kept_with_the_experiment_in_another_root(tmp_path):
    handler = ExperimentHandler(tmp_path / "a", "e")
    handler.set_param("x", 0.5, absent_value=0.0)
    with handler.start():
        handler.set_metric("loss", 1.0)
    assert export_runs(tmp_path / "a", "local", into=tmp_path / "b").is_complete
    kept = [tmp_path / root / "e" / ".legm" / "absent_values.yml" for root in "ab"]
    assert kept[0].read_bytes() == kept[1].read_bytes()
