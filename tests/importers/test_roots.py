"""Runs of another root directory: they come as they were, from their logs or without them."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from legm import ExperimentHandler
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.importers import import_runs
from legm.importers.legm_root import LegmRootSource
from legm.records import Query, RunResult, Series, Split, Status
from legm.runlog import log_reader
from tests.support.mlflow_store import prepare_store
from tests.support.sample_runs import comparable, script


def results(root: Path, experiment: str = "e") -> list[RunResult]:
    client = BackendClient(make_backend("local", root, {}), root)
    found = client.runs_as_stored(Query(experiment, None, None, None))
    return sorted(found, key=lambda one: one.run.run_id)


def one_run(root: Path, **parameters) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"lr": 0.1, "momentum": 0.9, "opt": "sgd", "seed": 0, **parameters})
    handler.set_param_metadata(
        {
            "momentum": {"parent": "opt", "parent_active": "sgd"},
            "lr": {"name": lambda value: value > 0, "name_transform": lambda value: f"lr{value}"},
            "seed": {"disable_comparison": True},
        }
    )
    return handler.start()


@pytest.mark.parametrize("logs", ["with logs", "without logs"])
def test_every_run_is_imported_bit_for_bit(tmp_path, logs):
    script(ExperimentHandler(tmp_path / "a", "e", "its “d”"))
    if logs == "without logs":
        for path in (tmp_path / "a").glob("*/*/runs/*.log"):
            path.unlink()
    report = import_runs(tmp_path / "a", tmp_path / "b")
    assert report.is_complete, report
    theirs, ours = (
        [one for one in results(tmp_path / root) if one.status is Status.COMPLETED] for root in "ab"
    )
    assert (report.kind, len(ours), report.configurations) == ("legm", 2, 1)
    assert [one.run for one in ours] == [one.run for one in theirs]
    if logs == "without logs":  # which alone know how often a step was set
        assert [r for r, (n, _) in report.omitted.items() if n >= 2]
        ours = [replace(one, points=other.points) for one, other in zip(ours, theirs, strict=True)]
    assert [comparable(one) for one in ours] == [comparable(one) for one in theirs]


def test_the_number_of_runs_is_known_before_they_are_read(tmp_path):
    script(ExperimentHandler(tmp_path, "e"))
    one_run(tmp_path).end("failed", "on purpose")
    with one_run(tmp_path) as running:
        running.set_metric("loss", 1.0)
        running.flush()
        source = LegmRootSource(tmp_path)
        assert source.number_of_runs() == len(list(source.runs())) == 4


def test_metadata_names_files_and_failed_runs_come_too(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"\0\1")
    handler = one_run(tmp_path / "a")
    handler.set_metric("loss", 1.0)
    kept = handler.log_artifact(tmp_path / "w.bin", "weights.bin")
    handler.tensorboard_write("note", "text", 1)
    handler.log()
    broken = one_run(tmp_path / "a", opt="adam")
    broken.set_metric("loss", 2.0)
    broken.__exit__(ValueError, ValueError("broke"), None)
    shutil.move(tmp_path / "a", tmp_path / "moved")
    report = import_runs(tmp_path / "moved", tmp_path / "b")
    assert report.is_complete, report
    assert (report.created, report.equal["files"]) == (2, 1)
    assert [path.read_bytes() for path in (tmp_path / "b").glob("*/*/artifacts/*/*")] == [b"\0\1"]
    assert Path(kept).name == "weights.bin"
    theirs, ours = results(tmp_path / "moved"), results(tmp_path / "b")
    assert [comparable(one) for one in ours] == [comparable(one) for one in theirs]
    assert [one.status for one in ours] == [Status.COMPLETED, Status.FAILED]
    assert {p.name for p in (tmp_path / "b" / "e").glob("*_0")} == {"lr0.1_0"}
    for one, other in zip(ours, theirs, strict=True):
        assert one.run.configuration == other.run.configuration
    (log,) = (tmp_path / "b").glob(f"*/*/runs/{ours[0].run.run_id}.log")
    (before,) = (tmp_path / "moved").glob(f"*/*/runs/{ours[0].run.run_id}.log")
    kinds = [
        [type(record).__name__ for record in log_reader.read_log(path).records] for path in (log, before)
    ]
    assert sorted(kinds[0]) == sorted(kinds[1])


def test_two_roots_are_joined_and_a_second_time_adds_nothing(tmp_path):
    for seed, root in enumerate("abab"):
        handler = one_run(tmp_path / root, seed=seed)
        handler.set_metric("loss", float(seed))
        handler.log()
    before = sorted(path for path in (tmp_path / "b").rglob("*") if path.is_file())
    assert import_runs(tmp_path / "a", tmp_path / "b").created == 2
    assert import_runs(tmp_path / "a", tmp_path / "b").unchanged == 2
    assert one_run(tmp_path / "b").aggregate_results()["best_loss"]["n"] == 4
    assert {*before} < {*(tmp_path / "b").rglob("*")}


def test_what_belongs_to_no_run_is_listed_when_it_is_left_out(tmp_path):
    with ExperimentHandler(tmp_path / "a", "e") as handler:
        handler.set_param("lr", 0.1)
        handler.start()
        handler.set_metric("loss", 1.0)
        Path(handler.model_save_filename).write_text("weights")
    handler.aggregate_results()
    report = import_runs(tmp_path / "a", tmp_path / "b")
    assert {remark: (count, Path(first).name) for remark, (count, first) in report.omitted.items()} == {
        "files of configurations, which belong to no run, were left out": (1, "model.pt"),
        "plots and aggregates, which can be made again, were left out": (1, "aggregated_metrics.yml"),
    }


def test_a_run_that_is_still_running_is_left_for_the_next_import(tmp_path):
    handler = one_run(tmp_path / "a")
    handler.set_metric("loss", 1.0)
    handler.flush()
    report = import_runs(tmp_path / "a", tmp_path / "b")
    assert report.created == 0
    assert any("still running" in remark for remark in report.omitted)
    handler.log()
    assert import_runs(tmp_path / "a", tmp_path / "b").created == 1


def test_local_to_mlflow_to_local_is_equal(tmp_path):
    script(ExperimentHandler(tmp_path / "a", "e", "d"))
    prepare_store(tmp_path / "m" / "mlflow.db")
    there = import_runs(tmp_path / "a", tmp_path / "m", backend="mlflow")
    assert there.is_complete, there
    back = import_runs(tmp_path / "m" / "mlflow.db", tmp_path / "b")
    assert back.is_complete, back
    theirs, ours = results(tmp_path / "a"), results(tmp_path / "b")
    assert [replace(one.run, environment={}) for one in ours] == [
        replace(one.run, environment={}) for one in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        assert comparable(replace(one, points=other.points)) == comparable(other)


@pytest.mark.parametrize("at", [0.02, 0.5, 0.9])
def test_of_damaged_logs_what_is_intact_comes_with_a_remark(tmp_path, at):
    for seed in range(3):
        handler = one_run(tmp_path / "a", seed=seed)
        for step in range(5):
            handler.set_metric("loss", float(seed + step))
            handler.flush()
        with contextlib.suppress(ZeroDivisionError), handler:
            1 / (2 - seed)
        del handler
    paths = sorted((tmp_path / "a").glob("*/*/runs/**/*.log"))
    for path in paths[1:]:
        data = bytearray(path.read_bytes())
        data[int(len(data) * at)] ^= 255
        path.write_bytes(data)
    report = import_runs(tmp_path / "a", tmp_path / "b")
    assert not report.failed
    assert report.created == 3
    assert any(str(paths[2]) in remark for remark in report.omitted)
    whole, completed, other = results(tmp_path / "b")
    assert [whole.status, completed.status] == [Status.COMPLETED] * 2
    assert completed.best == {Series("loss", Split.DEV): 5.0}
    assert other.status is not Status.COMPLETED
    values = set() if other.best == {} else set(other.best.values())
    assert values <= {2.0, 3.0, 4.0, 5.0, 6.0}


@pytest.mark.parametrize("text", ["{", 'fingerprint: "v1-0123"\n'])
def test_parameters_that_cannot_be_read_cost_their_configuration_alone(tmp_path, text):
    for lr in (0.1, 0.2, 0.3):
        with one_run(tmp_path / "a", lr=lr) as handler:
            handler.set_metric("loss", lr)
    ExperimentHandler(tmp_path / "a", "other").start().log()
    damaged = [tmp_path / "a/e/lr0.2_0/params.yml", tmp_path / "a/other/_0/params.yml"]
    for path in damaged:
        path.write_text(text)
    (tmp_path / "a/e/theirs").mkdir()
    (tmp_path / "a/e/theirs/params.yml").write_text("lr: 0.1\n")
    report = import_runs(tmp_path / "a", tmp_path / "b")
    assert (report.created, report.is_complete) == (2, False)
    assert [*report.failed] == ["e/lr0.2_0", "other/_0"]
    for path, problem in zip(damaged, report.failed.values(), strict=True):
        assert problem.startswith(f"{path}, line ")
    assert report.omitted["folders of another program were left out"][1].endswith("theirs")


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        ("steps.yml", "metrics.yml", "is not the entry of a run"),
        ("metrics.yml", "steps.yml", "is not the steps of a run"),
    ],
)
def test_the_steps_of_runs_are_never_read_as_their_metrics(tmp_path, content, place, problem, by_hand):
    for lr in (0.1, 0.2):
        with one_run(tmp_path / "a", lr=lr) as handler:
            handler.set_metric("loss", 1.0)
            handler.set_metric("loss", 2.0)
    folder = tmp_path / "a/e/lr0.2_0"
    (log,) = folder.glob("runs/*.log")
    log.unlink()
    data = (folder / content).read_bytes()
    (folder / place).write_bytes(yaml.dump(yaml.safe_load(data)).encode() if by_hand else data)
    report = import_runs(tmp_path / "a", tmp_path / "b")
    assert report.created == 1
    (failure,) = report.failed.values()
    assert f"{place}, experiment_0" in failure
    assert problem in failure


def test_absent_values_come_too_and_another_one_stays_and_is_reported(tmp_path, caplog):
    def run(root: str, **absent: float) -> None:
        handler = ExperimentHandler(tmp_path / root, "e")
        for name, value in absent.items():
            handler.set_param(name, 7.0, absent_value=value)
        with handler.start():
            handler.set_metric("loss", 1.0)

    run("a", x=0.0, z=1.0)
    run("b", z=2.0)
    assert import_runs(tmp_path / "a", tmp_path / "b").is_complete
    kept = (tmp_path / "b" / "e" / ".legm" / "absent_values.yml").read_text(encoding="utf-8")
    assert kept.endswith("absent_values:\n  x: 0.0\n  z: 2.0\n")
    assert f"the absent_value of 'z' is 1.0 in {tmp_path / 'a'}, and 2.0 in" in caplog.text
    assert {one.levelname for one in caplog.records if "absent_value" in one.getMessage()} == {"ERROR"}
