"""Runs of real MLflow stores in local folders: every parameter, number, tag and file, each once."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import tracemalloc
import uuid
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param

import legm
from legm import CorruptFile, ExperimentHandler, ParameterError, StorageError
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.cli import main
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.importers import import_runs
from legm.importers.detection import open_detected_source
from legm.importers.import_notes import PERHAPS_ROUNDED
from legm.importers.import_source import CountedSource
from legm.records import Points, Query, Series, Status
from legm.runlog import log_reader
from legm.runlog.configuration_folders import configuration_folders
from tests.support.calling import failed, shown
from tests.support.imported import bits, files_in, kill_an_import, log_of, results
from tests.support.mlflow_server import experiment_of
from tests.support.mlflow_store import prepare_store
from tests.support.sample_runs import comparable, script

STATUSES = {
    "FINISHED": Status.COMPLETED,
    "FAILED": Status.FAILED,
    "KILLED": Status.INTERRUPTED,
    "RUNNING": Status.INTERRUPTED,
}
CURVE = [0.1, 1 / 3, math.nan, math.inf, -math.inf, 5e-324, 1e300, -7.25]


def fill(client: MlflowClient, folder: Path, experiment: str) -> list[str]:
    """A bit of everything that MLflow can hold; the ids of the runs that are not deleted.

    The first run has a metric that MLflow's client reads in two pages.
    """
    made = []
    number = client.create_experiment(experiment)
    for i, status in enumerate(STATUSES):
        tags = {"team/sub": f"ä{i}", "mlflow.note.content": "two\nlines"}
        run = client.create_run(number, run_name=f"run {i}", tags=tags)
        run_id = run.info.run_id
        params = {"lr": "0.1", "seed": str(i), "layers": "[64, 32]", "model/name": "résnet", "drop": "None"}
        params |= {"plot": "True", "version": "007"}
        client.log_batch(run_id, params=[Param(*item) for item in params.items()])
        stamp = 1_700_000_000_000 + i * 10_000
        metrics = [Metric("loss", v + i, stamp + 3 * s, 2 * s - 3) for s, v in enumerate(CURVE)]
        metrics += [
            Metric("train/acc (x)".replace("(x)", "x"), s / 7, stamp + s, s)
            for s in range(1500 if i == 0 else 5)
        ]
        metrics += [Metric("loss", 9.5, stamp + 9999, -3), Metric("test/acc", 0.25 + i, stamp, 5)]
        metrics += [Metric("test_loss", 1.0, stamp, 0), Metric("test_loss", 2.0, stamp, 1)]
        client.log_batch(run_id, metrics=metrics)
        client.log_text(run_id, f"text {i}", "notes/deep/a b.txt")
        (folder / "picture.png").write_bytes(os.urandom(200_000))
        client.log_artifact(run_id, str(folder / "picture.png"))
        if status != "RUNNING":
            client.set_terminated(run_id, status)
        made.append(run_id)
    gone = client.create_run(number)
    client.log_metric(gone.info.run_id, "loss", 1)
    client.delete_run(gone.info.run_id)
    other = client.create_experiment(f"{experiment} gone")
    client.create_run(other)
    client.delete_experiment(other)
    return made


@pytest.fixture(params=["sqlite", "folder", "server"])
def store(request, tmp_path, monkeypatch) -> tuple[MlflowClient, str, str]:
    """A client of a store, what legm is given, and the name of an experiment that is not there yet."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    if request.param == "server":
        uri = request.getfixturevalue("mlflow_server").uri
        return MlflowClient(uri), uri, experiment_of(tmp_path)
    if request.param == "folder":
        return MlflowClient((tmp_path / "mlruns").as_uri()), str(tmp_path), "e"
    path = prepare_store(tmp_path / "m%?#" / "mlflow.db")
    return MlflowClient(mlflow_sqlite_uri(path)), str(path), "e"


@pytest.fixture
def sqlite(tmp_path, monkeypatch) -> tuple[MlflowClient, Path]:
    monkeypatch.chdir(tmp_path)
    path = prepare_store(tmp_path / "mlflow.db")
    return MlflowClient(mlflow_sqlite_uri(path)), path


# Everything arrives


def test_every_run_is_to_the_point_what_mlflows_own_client_reads(store, tmp_path):
    client, source, experiment = store
    made = fill(client, tmp_path, experiment)
    root = tmp_path / "root"
    report = import_runs(source, root, experiments=[experiment])
    assert (
        report.created,
        report.unchanged,
        report.configurations,
        report.configurations_if_all_compared,
    ) == (4, 0, 1, 4)
    assert report.is_complete, report
    found = results(root, experiment)
    assert sorted(found) == sorted(made)
    for run_id, result in found.items():
        run = client.get_run(run_id)
        history = {key: client.get_metric_history(run_id, key) for key in run.data.metrics}
        assert result.status is STATUSES[run.info.status]
        assert result.run.started == run.info.start_time / 1000
        assert {str(s) for s in result.histories} == {"dev/loss", "dev/train/acc x", "dev/test_loss"}
        assert {str(s): v for s, v in result.test.items()} == {"test/acc": history["test/acc"][0].value}
        logged = [record for record in log_of(root, result).records if isinstance(record, Points)]
        numbers = {
            (str(series), step, time, bits(value))
            for points in logged
            for layout, step, time, values in points.rows()
            for series, value in zip(layout, values, strict=True)
        }
        largest = sys.float_info.max
        expected = {
            (
                "test/acc" if key == "test/acc" else f"dev/{key}",
                m.step,
                m.timestamp / 1000,
                bits(math.copysign(math.inf, m.value) if abs(m.value) == largest else m.value),
            )
            for key, rows in history.items()
            for m in rows
        }
        assert numbers == expected
        (loss,) = (h for s, h in result.histories.items() if s.name == "loss")
        assert loss.steps.tolist() == [2 * s - 3 for s in range(len(CURVE))]
        assert loss.values.tolist()[0] == 9.5  # set last at this step
        assert np.isposinf(loss.values[3])
        assert np.isneginf(loss.values[4])
        origin = result.run.environment["imported"]
        assert origin["tags"] == run.data.tags
        assert (origin["name"], origin["experiment"]) == (run.info.run_name, experiment)
        parameters = {**result.run.configuration.parameters, **result.run.parameters}
        assert parameters == {
            "lr": 0.1,
            "seed": int(run.data.params["seed"]),
            "layers": [64, 32],
            "model/name": "résnet",
            "drop": None,
            "plot_": True,
            "version": "007",
        }
        assert origin["renamed"]["plot_"] == "plot"
        kept = next(root.glob(f"*/*/artifacts/{result.run.run_id}"))
        local = Path(client.download_artifacts(run_id, "", str(tmp_path)))
        assert files_in(kept) == {
            name: data for name, data in files_in(local).items() if name in files_in(kept)
        }
        assert sorted(files_in(kept)) == ["notes/deep/a b.txt", "picture.png"]
    assert result.run.configuration.active == ("layers", "lr", "model/name", "plot_", "version")


def test_steps_that_a_script_gave_as_whole_numbers_of_numpy_are_read(tmp_path):
    path = tmp_path / "mlflow.db"
    prepare_store(path)
    client = MlflowClient(tracking_uri=mlflow_sqlite_uri(path))
    run = client.create_run(client.create_experiment("e"))
    steps = {"long": np.int64(2), "short": np.int8(49), "below": np.int32(-300), "plain": 5}
    for name, step in steps.items():
        client.log_metric(run.info.run_id, name, float(step), step=step)
    client.set_terminated(run.info.run_id)
    import_runs(path, tmp_path / "root")
    (found,) = results(tmp_path / "root", "e").values()
    read = {series.name: history.steps.tolist() for series, history in found.histories.items()}
    assert read == {name: [int(step)] for name, step in steps.items()}


def test_imported_seeds_aggregate_at_once_and_further_runs_join_them(sqlite, tmp_path):
    client, source = sqlite
    number = client.create_experiment("e")
    for seed in range(3):
        run = client.create_run(number)
        client.log_batch(run.info.run_id, params=[Param("lr", "0.5"), Param("seed", str(seed))])
        client.log_metric(run.info.run_id, "loss", float(seed), step=1)
        client.set_terminated(run.info.run_id)
    import_runs(source, tmp_path / "root")
    (one,) = configuration_folders(tmp_path / "root")
    handler = ExperimentHandler.load_existent(one)
    handler.start()
    handler.set_metric("loss", 3.0, step=1)
    handler.log()
    best = handler.aggregate_results()["best_loss"]
    assert (best["mean"], best["n"]) == (1.5, 4)


def test_a_second_import_adds_nothing_and_a_third_only_what_is_new(store, tmp_path):
    client, source, experiment = store
    fill(client, tmp_path, experiment)
    root = tmp_path / "root"
    import_runs(source, root, experiments=[experiment])
    before = files_in(root)
    report = import_runs(source, root, experiments=[experiment])
    assert (report.created, report.updated, report.unchanged) == (0, 0, 4)
    assert report.is_complete
    caches = ("/.legm/", ".legm/imports/")
    assert {k: v for k, v in files_in(root).items() if not any(one in k for one in caches)} == {
        k: v for k, v in before.items() if not any(one in k for one in caches)
    }
    number = client.get_experiment_by_name(experiment).experiment_id
    client.set_terminated(client.create_run(number).info.run_id)
    report = import_runs(source, root, experiments=[experiment])
    assert (report.created, report.updated, report.unchanged) == (1, 0, 4)


def test_a_run_that_had_not_ended_is_taken_again_when_it_went_on(store, tmp_path):
    client, source, experiment = store
    run_id = client.create_run(client.create_experiment(experiment)).info.run_id
    client.log_metric(run_id, "loss", 1.0, step=0)
    root = tmp_path / "root"
    report = import_runs(source, root, experiments=[experiment])
    assert list(report.adapted) == ["runs that were still running: imported as interrupted"]
    client.log_metric(run_id, "loss", 0.5, step=1)
    client.set_terminated(run_id)
    report = import_runs(source, root, experiments=[experiment])
    assert (report.created, report.updated, report.unchanged) == (0, 1, 0)
    assert report.is_complete, report
    (result,) = results(root, experiment).values()
    assert result.status is Status.COMPLETED
    assert [h.values.tolist() for h in result.histories.values()] == [[1.0, 0.5]]
    assert len(list(root.glob("*/*/runs/**/*.log"))) == 1


@pytest.mark.parametrize("deleted", [False, True])
def test_the_first_look_at_a_store_knows_how_many_runs_there_are(tmp_path, monkeypatch, deleted):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    path = prepare_store(tmp_path / "mlflow.db")
    for uri, place in (
        (mlflow_sqlite_uri(path), path),
        ((tmp_path / "mlruns").as_uri(), tmp_path / "mlruns"),
    ):
        client = MlflowClient(uri)
        for name in ("a", "b"):
            number = client.create_experiment(name)
            for _ in range(3):
                client.log_metric(client.create_run(number).info.run_id, "loss", 1.0)
        if place == path:
            client.delete_run(client.search_runs([number])[0].info.run_id)
        with closing(open_detected_source(place, deleted=deleted)) as source:
            assert isinstance(source, CountedSource)
            assert (
                source.number_of_runs()
                == len(list(source.runs()))
                == (5 if place == path and not deleted else 6)
            )
    totals = []
    monkeypatch.setattr(
        "legm.importers.pipeline.show_progress",
        lambda items, _, total=None: totals.append(total() if callable(total) else total) or items,
    )
    import_runs(path, tmp_path / "root", deleted=deleted)
    assert totals[:2] == [5 + deleted, 5 + deleted]


def test_deleted_runs_come_only_when_they_are_asked_for(store, tmp_path):
    client, source, experiment = store
    fill(client, tmp_path, experiment)
    gone = f"{experiment} gone"
    report = import_runs(source, tmp_path / "one", experiments=[experiment])
    assert any("deleted" in remark for remark in report.omitted)
    report = import_runs(source, tmp_path / "all", experiments=[experiment, gone], deleted=True)
    assert report.is_complete
    assert (report.created, len(results(tmp_path / "all", gone))) == (6, 1)


def test_of_a_server_only_the_experiments_that_are_imported_are_read(mlflow_server, tmp_path):
    client, name = MlflowClient(mlflow_server.uri), experiment_of(tmp_path)
    ids = [client.create_run(client.create_experiment(f"{name}{end}")).info.run_id for end in ("", " other")]
    report = import_runs(mlflow_server.uri, tmp_path / "root", experiments=[name])
    assert (report.created, report.is_complete) == (1, True)
    requested = (mlflow_server.folder / "server.log").read_text(encoding="utf-8")
    assert [one in requested for one in ids] == [True, False]
    with pytest.raises(StorageError, match=f"no experiment '{name} othe'; .*{name} other"):
        import_runs(mlflow_server.uri, tmp_path / "root", experiments=[name, f"{name} othe"])


def test_metrics_without_steps_keep_every_value_and_parameters_lose_their_memory_addresses(store, tmp_path):
    client, source, experiment = store
    number = client.create_experiment(experiment)
    for _ in range(2):
        run_id = client.create_run(number).info.run_id
        client.log_param(run_id, "loss", f"[<Loss object at {hex(id(run_id))}>]")
        for at, value in enumerate([0.5, 0.25, 0.25, 1.0]):
            client.log_batch(run_id, metrics=[Metric("loss", value, 1_700_000_000_000 + at, 7)])
        client.log_metric(run_id, "late", 1.0, step=7)
        client.set_terminated(run_id)
    report = import_runs(source, tmp_path / "root", experiments=[experiment])
    assert report.is_complete, report
    assert report.adapted["metrics whose values are all at one step: their positions count"] == 2
    assert report.configurations == 1
    for result in results(tmp_path / "root", experiment).values():
        assert result.run.configuration.parameters == {"loss": "[<Loss object>]"}
        curves = {s.name: (h.steps.tolist(), h.values.tolist()) for s, h in result.histories.items()}
        assert curves == {"loss": ([0, 1, 2, 3], [0.5, 0.25, 0.25, 1.0]), "late": ([7], [1.0])}


def test_whole_numbers_beyond_what_floats_represent_are_exact_as_params_and_reported_as_metrics(
    store, tmp_path
):
    client, source, experiment = store
    number = client.create_experiment(experiment)
    run_id = client.create_run(number).info.run_id
    client.log_param(run_id, "tokens", 2**53 + 1)
    client.log_metric(run_id, "tokens", 2**53 + 1)
    for name, value in (("far", -(2**60) - 1), ("small", 2**53 - 1), ("loss", 1e30), ("endless", math.inf)):
        client.log_metric(run_id, name, value)
    client.set_terminated(run_id)
    report = import_runs(source, tmp_path / "root", experiments=[experiment])
    count, example = report.omitted[PERHAPS_ROUNDED]
    assert count == 2
    assert example in (f"tokens of {run_id}", f"far of {run_id}")
    (result,) = results(tmp_path / "root", experiment).values()
    assert result.run.configuration.parameters == {"tokens": 2**53 + 1}
    assert result.best[Series("tokens")] == 2**53


def test_data_sets_and_models_of_a_run_come_too(store, tmp_path):
    client, source, experiment = store
    number = client.create_experiment(experiment)
    run_id = client.create_run(number).info.run_id
    client.log_inputs(run_id, [DatasetInput(Dataset("mnist", "d1", "local", "{}", "s", "p"), [])])
    model = client.create_logged_model(number, name="net", source_run_id=run_id, params={"depth": "3"})
    client.set_experiment_tag(number, "mlflow.note.content", "digits, **all** of them")
    client.set_experiment_tag(number, "team", "vision")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "weights.bin").write_bytes(b"\0\1")
    client.log_model_artifacts(model.model_id, str(tmp_path / "w"))
    client.set_terminated(run_id)
    root = tmp_path / "root"
    assert import_runs(source, root, experiments=[experiment]).is_complete
    (result,) = results(root, experiment).values()
    (inputs,) = result.run.environment["imported"]["inputs"]
    assert (inputs["name"], inputs["digest"]) == ("mnist", "d1")
    origin = result.run.environment["imported"]
    assert origin["logged_models"] == [{"name": "net", "model_id": model.model_id, "params": {"depth": 3}}]
    described = {"mlflow.note.content": "digits, **all** of them", "team": "vision"}
    assert described.items() <= origin["experiment_tags"].items()
    (kept,) = root.glob("*/*/artifacts/*/models/*/weights.bin")
    assert kept.read_bytes() == b"\0\1"


@pytest.mark.parametrize("where", ["sqlite", "server"])
def test_runs_that_legm_wrote_to_mlflow_come_back_as_they_were(tmp_path, request, where):
    options = {"tracking_uri": request.getfixturevalue("mlflow_server").uri} if where == "server" else {}
    source = options.get("tracking_uri", tmp_path / "m")
    name = f"{experiment_of(tmp_path)} “d”"
    if not options:
        prepare_store(tmp_path / "m" / "mlflow.db")
    handler = ExperimentHandler(tmp_path / "m", name, "its “d”", backend="mlflow", backend_options=options)
    expected = [comparable(result) for result in script(handler)]
    handler.start()
    handler.tensorboard_write("note", "a *text*", 3)
    handler.tensorboard_write("extra @", 0.5, 4)
    (tmp_path / "x.bin").write_bytes(b"\0")
    handler.log_artifact(tmp_path / "x.bin", "weights @.bin")
    handler.log_image("pictures", [np.full((2, 2), 7, np.uint8)] * 2, 3, ["a", "b"])
    handler.log_text("long", "a text", step=4)
    handler.log()
    handler.aggregate_results()
    root = tmp_path / "root"
    report = import_runs(source, root, experiments=[name])
    assert report.is_complete, report
    assert (report.created, report.configurations) == (3, 1)
    assert any("bookkeeping" in remark for remark in report.omitted)
    client = BackendClient(make_backend("local", root, {}), root)
    found = [*client.runs_as_stored(Query(name, None, None, None))]
    found.sort(key=lambda one: one.run.run_id)
    counts = [one.points for one in found]
    assert all(counts[:2])
    for ours, theirs in zip(found[:2], [expected[1], expected[3]], strict=True):
        count = theirs[-1][3]
        assert comparable(replace(ours, points=count)) == theirs
    log = log_of(root, found[2])
    shown = {(one.name, one.value, one.step) for one in log.records if type(one).__name__ == "Display"}
    assert shown == {("note", "a *text*", 3), ("extra @", 0.5, 4)}
    kept = {path.name for path in root.glob(f"*/*/artifacts/{found[2].run.run_id}/*")}
    assert kept == {"weights @.bin", "legm-media"}
    media = legm.open(root).media()
    described = zip(*(media[column].tolist() for column in ("name", "step", "caption")), strict=True)
    assert [*described] == [("pictures", 3, "a"), ("pictures", 3, "b"), ("long", 4, "")]
    assert import_runs(source, root, experiments=[name]).unchanged == 3


def test_the_times_of_runs_that_legm_wrote_are_those_that_mlflow_has(tmp_path):
    prepare_store(tmp_path / "m" / "mlflow.db")
    with ExperimentHandler(tmp_path / "m", "e", backend="mlflow") as handler:
        handler.set_param("lr", 1)
        handler.start()
        for step in range(3):
            handler.set_metric("a @", step, step=step)
            time.sleep(0.01)  # each has a time of its own
    import_runs(tmp_path / "m", tmp_path / "root")
    (path,) = (tmp_path / "root").glob("*/*/runs/*.log")
    (theirs,) = (tmp_path / "m").rglob("*.log")
    ours, original = (
        [r for r in log_reader.read_log(p).records if isinstance(r, Points)] for p in (path, theirs)
    )
    assert ours[0].times.tolist() == pytest.approx(
        np.concatenate([p.times for p in original]).tolist(), abs=0.0011
    )


# Broken off


def test_a_killed_import_continues_and_stores_nothing_twice(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=60, names=5, steps=400)
    root = tmp_path / "root"
    for kill in range(4):
        kill_an_import(source, root, 10 * kill + 3)
    report = import_runs(source, root)
    assert report.is_complete, report
    assert report.created + report.unchanged == 60
    assert report.unchanged >= 20
    assert report.equal == {"numbers": 60 * 2000, "runs": 60, "parameters": 180}
    assert not list(root.rglob("*.new"))
    assert not list(root.glob("*/*/runs/open/*"))
    assert len(results(root, "e")) == 60
    completed = [one for one in results(root, "e").values() if one.status is Status.COMPLETED]
    assert len({one.run.run_id for one in completed}) == 60


# What would be done, and what is decided


def test_a_dry_run_says_what_would_come_and_writes_nothing(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=6, names=1, steps=3)
    root, review = tmp_path / "root", tmp_path / "review.yml"
    done = CliRunner().invoke(
        main,
        ["import", str(source), str(root), "--dry-run", "--identity", str(review)],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    assert "6 runs make 3 configurations (6 if all parameters were compared)" in done.output
    assert "seed is not compared: looks like a seed, 2 values" in done.output
    assert "6 runs would be imported; 0 already imported" in done.output
    assert not root.exists()
    review.write_text(review.read_text().replace('compared: ["lr", "note"]', 'compared: ["lr"]'))
    review.write_text(review.read_text().replace("  not_compared:", '  not_compared:\n    note: "by hand"'))
    done = CliRunner().invoke(main, ["import", str(source), str(root), "--identity", str(review), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert (done.exit_code, report["created"], report["is_complete"]) == (0, 6, True)
    assert report["identities"]["e"]["ignored"]["note"] == "by hand"
    assert {one.run.configuration.active for one in results(root, "e").values()} == {("lr",)}


def test_what_the_caller_decides_overrides_what_is_inferred(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=6, names=1, steps=1)
    report = import_runs(
        source, tmp_path / "a", compare=["seed"], ignore=["lr"], name_params=["seed", "note"]
    )
    assert report.identities["e"].ignored == {"lr": "as requested"}
    names = sorted(folder.name for folder in configuration_folders(tmp_path / "a"))
    assert names == ["0,n0_0", "0,n1_0", "1,n0_0", "1,n1_0"]
    report = import_runs(source, tmp_path / "b", seed_params=["lr"])
    assert report.identities["e"].ignored["lr"] == "given as a seed"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ({"ignore": ["sed"]}, "no run has a parameter 'sed'; did you mean 'seed'"),
        ({"ignore": ["lr"], "compare": ["lr"]}, "both compared and not"),
        ({"experiments": ["f"]}, "has no experiment 'f'; known: 'e'"),
    ],
)
def test_an_impossible_override_is_an_error_before_anything_is_imported(sqlite, tmp_path, override, said):
    client, source = sqlite
    write_runs(client, source, runs=2, names=1, steps=1)
    with pytest.raises((ParameterError, StorageError), match=said):
        import_runs(source, tmp_path / "root", **override)
    assert not (tmp_path / "root").exists()


def test_decisions_of_the_first_import_apply_to_the_next(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=2, names=1, steps=1)
    root = tmp_path / "root"
    import_runs(source, root, ignore=["lr"])
    write_runs(client, source, runs=4, names=1, steps=1)
    report = import_runs(source, root)
    assert (report.created, report.unchanged) == (4, 2)
    assert report.identities["e"].ignored["lr"] == "as requested"
    with pytest.raises(ParameterError, match="'lr' not compared, which cannot change"):
        import_runs(source, root, compare=["lr"])


# Large stores


def write_runs(client: MlflowClient, path: Path, *, runs: int, names: int, steps: int) -> None:
    """Many completed runs, as rows of the tables that MLflow made."""
    found = client.get_experiment_by_name("e")
    number = int(found.experiment_id if found else client.create_experiment("e"))
    connection = sqlite3.connect(path)
    have = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    for i in range(have, have + runs):
        run_id, start = uuid.uuid4().hex, 1_700_000_000_000 + i * 1000
        connection.execute(
            "INSERT INTO runs (run_uuid, name, source_type, status, start_time, end_time, lifecycle_stage, "
            "artifact_uri, experiment_id) VALUES (?, ?, 'LOCAL', 'FINISHED', ?, ?, 'active', '', ?)",
            (run_id, f"r{i}", start, start + 1, number),
        )
        params = {"seed": i % 2, "lr": 0.1 / (i // 2 + 1), "note": f"n{i // 2 % 2}"}
        rows = [(name, str(value), run_id) for name, value in params.items()]
        connection.executemany("INSERT INTO params VALUES (?, ?, ?)", rows)
        connection.executemany(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
            [(f"m{k}", s / (k + 3), start + s, run_id, s) for s in range(steps) for k in range(names)],
        )
    connection.commit()
    connection.close()


def peak(source: Path, root: Path) -> int:
    tracemalloc.start()
    try:
        assert import_runs(source, root).is_complete
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_runs(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=1, names=4, steps=1000)
    peak(source, tmp_path / "warm")
    write_runs(client, source, runs=1, names=4, steps=1000)
    few = peak(source, tmp_path / "few")
    write_runs(client, source, runs=6, names=4, steps=1000)
    assert peak(source, tmp_path / "many") < 1.3 * few


def test_a_store_of_an_older_mlflow_is_read_without_a_change(tmp_path):
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, lifecycle_stage TEXT);
        CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, status TEXT, start_time INTEGER,
            end_time INTEGER, lifecycle_stage TEXT, artifact_uri TEXT, experiment_id INTEGER);
        CREATE TABLE metrics (key TEXT, value FLOAT, timestamp INTEGER, run_uuid TEXT);
        CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
        CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
        INSERT INTO experiments VALUES (0, 'Default', 'active');
        INSERT INTO runs VALUES ('r1', '', 'FINISHED', 1500000000000, NULL, 'active', '', 0);
        INSERT INTO params VALUES ('lr', '0.5', 'r1');
        INSERT INTO metrics VALUES ('loss', 2.0, 1500000001, 'r1'), ('loss', 1.0, 1500000002, 'r1');
        """
    )
    connection.close()
    before = path.read_bytes()
    assert import_runs(path, tmp_path / "root").is_complete
    assert path.read_bytes() == before
    (result,) = results(tmp_path / "root", "Default").values()
    (log,) = (r for r in log_of(tmp_path / "root", result).records if isinstance(r, Points))
    assert log.times.tolist() == [1500000001, 1500000002]
    assert [h.values.tolist() for h in result.histories.values()] == [[2.0, 1.0]]  # there were no steps


def test_a_store_that_was_moved_finds_its_artifacts(sqlite, tmp_path):
    client, source = sqlite
    number = client.create_experiment("e", artifact_location=str(tmp_path / "mlruns" / "5"))
    run_id = client.create_run(number).info.run_id
    client.log_text(run_id, "x", "a.txt")
    client.set_terminated(run_id)
    (tmp_path / "moved").mkdir()
    shutil.copy(source, tmp_path / "moved")
    shutil.move(tmp_path / "mlruns", tmp_path / "moved" / "mlruns")
    report = import_runs(tmp_path / "moved", tmp_path / "root")
    assert report.is_complete
    assert report.equal["files"] == 1


# Damage and malice


def test_a_truncated_database_is_an_error_that_names_it(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=4, names=2, steps=500)
    cut = tmp_path / "cut.db"
    cut.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(CorruptFile, match=r"cut\.db, the database: .* Restore it from a copy"):
        import_runs(cut, tmp_path / "root")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"SQLite format 3\0" + b"\xff" * 5000, "cut.db"), (b"nothing", "not a store that legm can import")],
)
def test_a_file_that_is_no_store_is_an_error(tmp_path, content, said):
    (tmp_path / "cut.db").write_bytes(content)
    with pytest.raises(StorageError, match=said):
        import_runs(tmp_path / "cut.db", tmp_path / "root")


def test_another_sqlite_file_is_no_store(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE runs (a)")
    connection.close()
    with pytest.raises(StorageError, match="not an MLflow store: the database has no table 'experiments'"):
        import_runs(tmp_path / "x.db", tmp_path / "root")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("absent", "absent does not exist"),
        ("ftp://u:secret@h/x", r"'ftp://u:\*\*\*@h/x' has an unknown scheme"),
        (".", "is not a store that legm can import"),
        ("http://127.0.0.1:9/", "cannot read the MLflow server http://127.0.0.1:9/"),
    ],
)
def test_a_source_that_is_not_there_is_an_error_that_says_what_could_be(tmp_path, monkeypatch, source, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=said):
        import_runs(source, tmp_path / "root")


def hostile_folder(root: Path) -> Path:
    """An ``mlruns`` folder with one sound run."""
    run = root / "mlruns" / "1" / "r1"
    for name in ("params", "metrics", "tags", "artifacts"):
        (run / name).mkdir(parents=True)
    (root / "mlruns" / "1" / "meta.yaml").write_text("experiment_id: '1'\nname: ../../../evil\n")
    meta = (
        "run_id: r1\nstatus: 3\nstart_time: 1700000000000\nend_time: 1700000001000\nlifecycle_stage: active\n"
    )
    (run / "meta.yaml").write_text(meta)
    (run / "params" / "lr").write_text("0.1")
    (run / "metrics" / "loss").write_text("1700000000000 1.5 0\n")
    return run


def test_a_line_of_200_megabytes_costs_that_run_alone(tmp_path):
    run = hostile_folder(tmp_path)
    shutil.copytree(run, run.with_name("r2"))
    other = run.with_name("r2") / "meta.yaml"
    other.write_text(other.read_text().replace("r1", "r2"))
    with (run / "metrics" / "loss").open("ab") as file:
        file.write(b"1700000000000 1.5 1\n")
        for _ in range(200):
            file.write(b"9" * (1 << 20))
    report = import_runs(tmp_path, tmp_path / "root")
    assert list(report.failed) == ["r1"]
    assert "loss, line 3: a line of more than 4096 bytes is not a number" in report.failed["r1"]
    assert (report.created, report.is_complete) == (1, False)
    assert CliRunner().invoke(main, ["import", str(tmp_path), str(tmp_path / "root")]).exit_code == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1700000000000 one 1", "line 2: '1700000000000 one 1' is not a timestamp, a value and a step"),
        ("1700000000000 1.0 99999999999999999999", "line 2: "),
        ("7", "line 2: '7' is not"),
        ("\0\0\0", "line 2: "),
    ],
)
def test_a_damaged_line_is_named_with_its_number(tmp_path, line, said):
    run = hostile_folder(tmp_path)
    with (run / "metrics" / "loss").open("a") as file:
        file.write(f"{line}\n1700000000000 1.0 2\n")
    report = import_runs(tmp_path, tmp_path / "root")
    assert said in report.failed["r1"]


def test_folders_of_data_sets_are_no_runs_and_a_run_without_its_meta_yaml_is_one(tmp_path):
    run = hostile_folder(tmp_path)
    for name in ("datasets", "traces"):
        (run.parent / name).mkdir()
        (run.parent / name / "meta.yaml").write_text("name: mnist\ndigest: d1\n")
    (run.parent / "mine").mkdir()
    (run.parent / "mine" / "meta.yaml").write_text("note: of my own\n")
    shutil.copytree(run, run.with_name("r2"))
    (run.with_name("r2") / "meta.yaml").unlink()
    (run.with_name("r2") / "params" / "lr").write_text("0.2")
    report = import_runs(tmp_path, tmp_path / "root")
    assert (report.is_complete, report.created) == (True, 2)
    found = results(tmp_path / "root", "../../../evil")
    assert {key: (one.status, one.run.started) for key, one in found.items()} == {
        "r1": (Status.COMPLETED, 1_700_000_000),
        "r2": (Status.INTERRUPTED, 1_700_000_000),
    }
    assert found["r2"].run.configuration.parameters == {"lr": 0.2}
    assert {remark: count for remark, (count, _) in report.omitted.items()} == {
        "what a missing meta.yaml says of a run: the run counts as interrupted": 1,
        "folders of an experiment that are not of a run were left out": 1,
    }


def test_yaml_that_would_make_objects_makes_none(tmp_path):
    run = hostile_folder(tmp_path)
    shutil.copytree(run, run.with_name("r2"))
    mark = tmp_path / "executed"
    evil = f"run_id: !!python/object/apply:os.system ['touch {mark}']\nstatus: 3\n"
    (run / "meta.yaml").write_text(evil)
    report = import_runs(tmp_path, tmp_path / "root")
    assert not mark.exists()
    assert report.created == 1
    assert "meta.yaml, line 1: it is not valid YAML" in report.failed["r1"]


def test_links_in_a_folder_are_not_followed_out_of_it(tmp_path):
    run = hostile_folder(tmp_path)
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    (run / "artifacts" / "real.txt").write_text("real")
    (run / "artifacts" / "inner.txt").symlink_to("real.txt")
    (run / "artifacts" / "out.txt").symlink_to(secret)
    (run / "artifacts" / "out").symlink_to(tmp_path)
    (run / "artifacts" / "loop").symlink_to("loop")
    (run / "params" / "leak").symlink_to(secret)
    (run / "tags" / "deep").symlink_to(tmp_path)
    (run.parent / "r3").symlink_to(run)
    report = import_runs(tmp_path, tmp_path / "root")
    assert report.is_complete
    assert report.created == 1
    kept = {path.name for path in (tmp_path / "root").glob("*/*/artifacts/*/*")}
    assert kept == {"real.txt", "inner.txt"}
    assert not [
        path for path in (tmp_path / "root").rglob("*") if path.is_file() and b"password" in path.read_bytes()
    ]
    omitted = {remark: count for remark, (count, _) in report.omitted.items()}
    assert omitted["links that lead out of a run's artifacts were left out"] == 2
    assert omitted["artifacts that are not files were left out"] == 1
    assert omitted["links instead of params, tags or metrics were left out"] == 2


def test_names_that_climb_stay_below_the_root(sqlite, tmp_path):
    client, source = sqlite
    number = client.create_experiment("harmless", artifact_location=str(tmp_path / "art"))
    run_id = client.create_run(number).info.run_id
    client.log_metric(run_id, "m", 1.0)
    client.log_param(run_id, "p", "../../../../up")
    client.set_terminated(run_id)
    with sqlite3.connect(source) as connection:
        connection.execute("UPDATE experiments SET name = '../../../../climbed' WHERE name = 'harmless'")
        connection.execute("UPDATE metrics SET key = '../../climbed/m'")
        connection.execute("UPDATE params SET key = '/etc/climbed'")
        connection.execute("INSERT INTO tags VALUES ('../climbed', 'x', ?)", (run_id,))
    connection.close()
    inside = tmp_path / "deep" / "er" / "root"
    before = set(tmp_path.rglob("*"))
    report = import_runs(source, inside, name_params=["/etc/climbed"])
    assert report.is_complete
    new = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "deep") for path in new)
    assert [path for path in (tmp_path / "deep").rglob("*") if not path.is_relative_to(inside)] == [
        inside.parent
    ]
    (result,) = results(inside, "../../../../climbed").values()
    assert [str(s) for s in result.histories] == ["dev/../../climbed/m"]
    assert result.run.environment["imported"]["tags"]["../climbed"] == "x"


def test_an_artifact_whose_name_climbs_stays_with_the_run(tmp_path):
    from legm.importers.external_run import ExternalFile, ExternalRun
    from legm.importers.import_notes import ImportNotes

    (tmp_path / "f").write_text("x")
    names = ["../../../up", "/abs", "a/../b", "a//b", "C:\\x", "CON", "é"]

    class Source:
        kind, location, notes = "made", "made", ImportNotes()

        def run(self, key: str) -> ExternalRun:
            return ExternalRun(
                key, "e", "", {}, {}, Status.COMPLETED, 1.0, 2.0, None, lambda: iter(()),
                lambda: [ExternalFile.from_path(name, tmp_path / "f") for name in names],
            )  # fmt: skip

        def runs(self):
            yield self.run("k")

        def close(self) -> None: ...

    report = import_runs(Source(), tmp_path / "in" / "root")
    assert report.is_complete, report
    assert report.equal["files"] == len(names)
    kept = [path for path in (tmp_path / "in").rglob("*") if path.is_file() and path.read_bytes() == b"x"]
    assert len(kept) == len(names)
    assert all(
        path.resolve().is_relative_to(next((tmp_path / "in" / "root").glob("*/*/artifacts/*")))
        for path in kept
    )


def test_a_database_with_texts_for_numbers_is_an_error_of_that_run(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=2, names=1, steps=2)
    with sqlite3.connect(source) as connection:
        first = connection.execute("SELECT min(rowid) FROM metrics").fetchone()[0]
        connection.execute("UPDATE metrics SET value = 'x' WHERE rowid = ?", (first,))
    connection.close()
    report = import_runs(source, tmp_path / "root")
    assert report.created == 1
    (problem,) = report.failed.values()
    assert "not numbers" in problem


def test_a_server_that_refuses_the_login_is_an_error_with_the_remedy(tmp_path):
    import http.server
    import threading

    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(401)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Refuses) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        with pytest.raises(StorageError, match=r"u:\*\*\*@.*answers 401.*MLFLOW_TRACKING_USERNAME"):
            import_runs(f"http://u:secret@127.0.0.1:{made.server_port}", tmp_path / "root")
        made.shutdown()


def test_mlflow_itself_is_not_needed_to_read_its_stores(sqlite, tmp_path):
    client, source = sqlite
    write_runs(client, source, runs=1, names=1, steps=1)
    code = (
        "import sys; sys.modules['mlflow'] = None\n"
        "from legm.importers import import_runs\n"
        f"assert import_runs({str(source)!r}, {str(tmp_path / 'root')!r}).is_complete\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("run.json", {"name": "../../../climbed"}, "is not a safe file name"),
        (
            "result.json",
            {"run": {"run_id": "../../climbed", "description": "", "started": 1.0}},
            "safe file name",
        ),
        ("run.json", {"configuration": 3}, "are damaged"),
        ("result.json", {"status": "unheard"}, "are damaged"),
        ("series.npz", b"PK nothing", "are damaged"),
    ],
)
def test_what_pretends_to_be_a_run_of_legms_own_costs_that_run_alone(tmp_path, name, change, said):
    source = tmp_path / "a" / "b" / "c" / "m"
    prepare_store(source / "mlflow.db")
    for rate in (0.1, 0.2):
        with ExperimentHandler(source, "e", backend="mlflow") as handler:
            handler.set_param("lr", rate)
            handler.start()
            handler.set_metric("loss", rate, step=0)
    path = min(source.rglob(f"legm/{name}"))
    if isinstance(change, bytes):
        path.write_bytes(change)
    else:
        whole = [p for p in sorted(source.rglob("legm/run.json")) if (p.parent / "result.json").exists()]
        path = whole[0].with_name(name)
        content = json.loads(path.read_text())
        (content["configuration"] if "name" in change else content).update(change)
        path.write_text(json.dumps(content))
    before = set(tmp_path.rglob("*climbed*"))
    report = import_runs(source / "mlflow.db", tmp_path / "a" / "root")
    (problem,) = report.failed.values()
    assert said in problem
    assert (report.created, set(tmp_path.rglob("*climbed*"))) == (1, before)


def make_store_with_a_later_parameter(path: Path) -> Path:
    """The newer three of five runs have a parameter, two of them with one value."""
    prepare_store(path)
    client = MlflowClient(mlflow_sqlite_uri(path))
    number = client.create_experiment("digits")
    for hour, params in enumerate([{}, {}, {"drop": "0.0"}, {"drop": "0.0"}, {"drop": "0.5"}]):
        run_id = client.create_run(number, start_time=1_700_000_000_000 + hour * 3_600_000).info.run_id
        for name, value in {"lr": "0.1", **params}.items():
            client.log_param(run_id, name, value)
        client.log_metric(run_id, "loss", hour)
        client.set_terminated(run_id)
    return path


def test_absent_values_are_decided_with_the_import(tmp_path):
    store = make_store_with_a_later_parameter(tmp_path / "mlflow.db")

    def sizes(root: Path) -> list[int]:
        found = Counter(run.run.configuration.fingerprint for run in results(root, "digits").values())
        return sorted(found.values())

    accepted, given, refused = (tmp_path / name for name in ("accepted", "given", "refused"))
    text = shown("import", store, accepted, "--absent", "drop")
    assert "drop = 0.0 equals an absent one, as accepted" in text
    assert sizes(accepted) == [1, 4]
    shown("import", store, given, "--absent", "drop=0.5")
    assert sizes(given) == [2, 3]
    text = shown("import", store, refused, "--no-absent", "drop")
    assert "in the newer runs only" not in text
    assert sizes(refused) == [1, 2, 2]
    assert "in the newer runs only" not in shown("import", store, refused)
    shown("import", store, refused, "--absent", "drop=0.0")  # on second thoughts
    assert sizes(refused) == [1, 4]
    for words, message in (
        (("--absent", "drop=0.5"), "were imported with the absent value 0.0 of 'drop': legm amend"),
        (("--no-absent", "drop"), "were imported with the absent value 0.0 of 'drop': legm amend"),
        (("--absent", "lr"), "an absent value for 'lr', so say which value it is; known: 'drop'"),
        (("--absent", "dorp=1"), "no compared parameter 'dorp' can have an absent value; did you mean"),
        (("--absent", "drop=null"), "cannot be None"),
        (("--absent", "drop", "--no-absent", "drop"), "the absent value of 'drop' cannot be decided twice"),
    ):
        assert message in failed("import", store, accepted, *words)
    assert sizes(accepted) == [1, 4]


def test_a_proposed_absent_value_unites_runs_once_it_is_accepted(tmp_path):
    make_store_with_a_later_parameter(tmp_path / "mlflow.db")
    root, identity = tmp_path / "root", tmp_path / "root" / ".legm" / "imported.yml"

    first = CliRunner().invoke(main, ["import", str(tmp_path / "mlflow.db"), str(root)])
    assert "drop is in the newer runs only, mostly as 0.0: if older runs had this value too" in first.output
    assert len({run.run.configuration.fingerprint for run in results(root, "digits").values()}) == 3
    assert not list(root.rglob("absent_values.yml"))

    text = identity.read_text(encoding="utf-8")
    assert "  proposed_absent_values:\n    drop: 0.0\n" in text
    identity.write_text(text.replace("  proposed_absent_values:\n", "  absent_values:\n"), encoding="utf-8")
    report = import_runs(tmp_path / "mlflow.db", root)
    assert (report.created, report.updated, report.unchanged) == (0, 2, 3)
    assert report.is_complete
    found = results(root, "digits").values()
    of_old = min(found, key=lambda run: run.run.run_id).run.configuration.fingerprint
    assert sum(run.run.configuration.fingerprint == of_old for run in found) == 4
    assert len(found) == 5
    assert "  drop: 0.0\n" in (root / "digits" / ".legm" / "absent_values.yml").read_text(encoding="utf-8")
    again = import_runs(tmp_path / "mlflow.db", root)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 5)
