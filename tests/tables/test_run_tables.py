"""The tables of runs, configurations and experiments: rows, types, selections and damage."""

from __future__ import annotations

import contextlib
import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

import legm
from legm import ExperimentHandler, LegmError, MetricError, ParameterError, StorageError
from legm.export import export_runs
from legm.records import Status
from legm.testing import MemoryBackend
from tests.support.calling import shown
from tests.support.local_runs import local_runs, train
from tests.support.processes import run_at_once


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Two experiments; one has runs of every status but running."""
    folder = tmp_path_factory.mktemp("tables") / "results"
    for seed in range(3):
        train(folder, rate=0.5, seed=seed)
    train(folder, rate=0.25, seed=0, net="lenet", layers=[1, 2])
    train(folder, rate=0.25, seed=1, net="lenet", layers=[1, 2], description="late")
    with contextlib.suppress(ZeroDivisionError), ExperimentHandler(folder, "e") as handler:
        handler.set_dict_params({"rate": 0.5, "seed": 7})
        handler.disable_param("seed")
        handler.start()
        handler.set_metric("loss", 9)
        1 / 0  # noqa: B018
    train(folder, "other", rate=1, deep=True)
    return folder


def rows(table) -> list[dict]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def test_a_relative_root_stays_where_it_was_when_the_process_changes_its_folder(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root.parent)
    project = legm.open(root.name)
    monkeypatch.chdir(tmp_path)
    assert len(project.runs()) == 7
    assert len(project.history("loss", experiment="other")) == 4


def test_a_project_can_be_copied_and_sent_to_another_process(root):
    project = legm.open(root)
    for other in (copy.copy(project), copy.deepcopy(project), pickle.loads(pickle.dumps(project))):
        assert repr(rows(other.runs())) == repr(rows(project.runs()))


def test_a_run_is_a_row_with_its_parameters_and_values(root):
    table = legm.open(root).runs()
    results = {one.run.run_id: one for one in local_runs(root)}
    assert len(table) == len(results) == 7
    for row in rows(table):
        result = results[row["run_id"]]
        configuration = result.run.configuration
        assert (row["experiment"], row["fingerprint"]) == (
            configuration.experiment,
            configuration.fingerprint,
        )
        assert row["configuration"] in {one.name for one in (root / configuration.experiment).iterdir()}
        assert row["status"] == result.status.value
        assert (row["started"], row["ended"]) == (result.run.started, result.ended)
        assert (row["points"], row["param.seed"]) == (result.points, result.run.parameters["seed"])
        assert row["param.rate"] == configuration.parameters["rate"]
        assert row["param.net"] == configuration.parameters.get("net")
        for series, value in result.best.items():
            assert row[f"best_{series.name}"] == value
        if result.status is Status.FAILED:
            assert math.isnan(row["best_loss"])
            assert "ZeroDivisionError" in row["error"]


def test_columns_have_types_and_say_what_they_mean(root):
    runs, configurations = legm.open(root).runs(), legm.open(root).configurations()
    kinds = {"run_id": str, "started": float, "points": int, "param.seed": int, "best_loss": float}
    assert {name: runs.column(name).kind for name in kinds} == kinds
    assert runs["best_step"].dtype == np.int64  # masked, as the failed run has none
    assert np.ma.is_masked(runs["best_step"])
    assert set(runs["param.layers"].tolist()) == {None, "[1, 2]"}
    assert all(one.about for table in (runs, configurations) for one in table.columns)
    assert runs.column("best_loss").about == "last loss: lower is better, by its name"
    assert configurations.column("test_acc_std").about == (
        "population standard deviation over runs; test acc: higher is better, by default"
    )
    with pytest.raises(LegmError, match="no column 'best_los'; did you mean 'best_loss'"):
        runs["best_los"]


def test_a_configuration_has_counts_and_means_of_its_completed_runs(root):
    table = legm.open(root).configurations("e")
    of = {(row["param.rate"], row["description"]): row for row in rows(table)}
    losses = [one.best for one in local_runs(root) if one.run.configuration.parameters["rate"] == 0.5]
    values = [value for best in losses for series, value in best.items() if series.name == "loss"]
    first = of[0.5, ""]
    assert (first["completed"], first["failed"], first["best_loss_n"]) == (3, 1, 3)
    assert first["best_loss_mean"] == pytest.approx(np.mean(values))
    assert first["best_loss_std"] == pytest.approx(np.std(values))
    assert of[0.25, "late"]["best_loss_n"] == 1
    assert "param.seed" not in table  # it is not compared: each run has its own


def test_an_experiment_has_its_counts(root):
    table = legm.open(root).experiments()
    found = {row["experiment"]: row for row in rows(table)}
    assert {name: row["configurations"] for name, row in found.items()} == {"e": 2, "other": 1}
    assert (found["e"]["completed"], found["e"]["failed"]) == (5, 1)
    assert found["e"]["last"] == max(one.ended for one in local_runs(root / "e"))


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ({"where": "rate<0.5"}, 2),
        ({"where": ["rate=0.5", "seed<2"]}, 2),
        ({"where": "status:failed"}, 1),
        ({"where": "not status:failed", "rate": 0.5}, 3),
        ({"where": "rate>7"}, 0),
        ({"net": "lenet"}, 2),
        ({"net": None}, 5),
        ({"layers": (1, 2)}, 2),
        ({"seed": np.int64(1)}, 2),
        ({"seed": 12}, 0),
        ({"deep": True}, 1),
        ({"deep": False}, 6),
        ({"experiment": "other"}, 1),
    ],
)
def test_selections_are_those_of_the_commands_and_equality(root, selection, count):
    project = legm.open(root)
    table = project.runs(**selection)
    assert len(table) == count
    counted = project.configurations(**selection)
    names = ("completed", "failed", "interrupted", "pruned", "running")
    assert sum(int(counted[name].sum()) for name in names) == count
    ids = set(project.history(**selection)["run_id"])
    assert ids == set(table["run_id"])


def test_a_selection_that_cannot_be_meant_is_an_error(root):
    project = legm.open(root)
    with pytest.raises(ParameterError, match=r"no configuration has rate=0\.51"):
        project.runs(rate=0.51)
    with pytest.raises(ParameterError, match="active parameter 'rat'; did you mean 'rate'"):
        project.runs(rat=0.5)
    with pytest.raises(ParameterError, match="status:failed selects by a run's status"):
        project.runs(status="failed")
    with pytest.raises(StorageError, match="no experiment 'othr'; did you mean 'other'"):
        project.runs("othr")
    with pytest.raises(MetricError, match="no run has the metric 'los'; did you mean 'loss'"):
        project.history("los")
    with pytest.raises(MetricError, match="not 'epoc'"):
        project.history("loss", x="epoc")
    with pytest.raises(StorageError, match="no folder"):
        legm.open(root / "nothing")


def test_tags_select(tmp_path):
    results = [train(tmp_path, rate=0.5, seed=seed) for seed in range(2)]
    shown("tag", tmp_path / results[1].run.run_id, "+good")
    assert legm.open(tmp_path).runs(where="tag:good")["run_id"].tolist() == [results[1].run.run_id]


def test_an_experiment_or_a_configuration_may_be_opened(root):
    assert set(legm.open(root / "other").runs()["experiment"]) == {"other"}
    (folder,) = (root / "other").glob("*_0")
    assert len(legm.open(folder).runs()) == 1


def test_what_is_running_is_in_the_tables(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("rate", 0.5)
    handler.start()
    for step in range(5):
        handler.set_metric("loss", 1 / (step + 1), step=step)
    handler.flush()
    project = legm.open(tmp_path)
    (run,) = rows(project.runs())
    assert (run["status"], run["points"], run["last_step"]) == ("running", 5, 4)
    history = project.history("loss")
    assert history["value"].tolist() == [1 / (step + 1) for step in range(5)]
    assert set(history["status"]) == {"running"}
    assert project.configurations()["running"].tolist() == [1]
    handler.log()
    assert project.runs()["status"].tolist() == ["completed"]


def test_a_damaged_run_hides_no_other(tmp_path, caplog):
    for rate in (0.5, 0.25):
        for seed in range(2):
            train(tmp_path, rate=rate, seed=seed)
    broken = min(tmp_path.glob("e/*_0"))
    lines = (broken / "metrics.yml").read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b"loss", b"lost", 1)
    (broken / "metrics.yml").write_bytes(b"".join(lines))
    other = max(tmp_path.glob("e/*_0"))
    (other / "params.yml").write_text("{")
    project = legm.open(tmp_path)
    found = project.runs()
    assert set(found["configuration"]) == {broken.name}
    assert len(found) >= 1
    assert "params.yml" in caplog.text
    assert len(project.history("loss")) == 4 * len(found)


def comparable(table, *left_out: str) -> list[str]:
    """The rows in one order, without columns that a store need not have."""
    return sorted(repr({k: v for k, v in row.items() if k not in left_out}) for row in rows(table))


def test_another_backend_has_the_same_tables(root, tmp_path):
    memory = MemoryBackend(tmp_path)
    export_runs(root, memory)
    ours, theirs = legm.open(root), legm.open(tmp_path, memory)
    assert comparable(ours.runs(), "configuration") == comparable(theirs.runs(), "configuration")
    left_out = ("configuration", "time")
    assert comparable(ours.history(), *left_out) == comparable(theirs.history(), *left_out)
    counted = [comparable(one.configurations(), "configuration") for one in (ours, theirs)]
    assert counted[0] == counted[1]
    assert theirs.experiments()["completed"].tolist() == [5, 1]
    with pytest.raises(StorageError, match="no experiment 'x'"):
        theirs.runs("x")


def test_a_run_whose_process_was_killed_is_finalized(tmp_path):
    code = """
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_param("rate", 1)
handler.start()
for step in range(5):
    handler.set_metric("loss", step, step=step)
handler.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    imports = "import signal; from legm import ExperimentHandler; import legm.delivery.run_session, numpy"
    assert run_at_once(code, [[tmp_path]], imports) == [-9]
    project = legm.open(tmp_path)
    assert project.runs()["status"].tolist() == ["interrupted"]
    assert project.history("loss")["value"].tolist() == [0, 1, 2, 3, 4]
    assert list(tmp_path.glob("e/*/runs/open/*.log")) == []


def test_repr_is_one_line_and_html_is_short_and_escaped(root, tmp_path):
    train(tmp_path, "<script>alert(1)</script>", text="<b>&")
    project = legm.open(tmp_path)
    assert repr(project) == f"<Project {str(tmp_path)!r} in the backend 'local'>"
    assert "\n" not in repr(project.runs())
    assert repr(project.runs()).startswith("<Table of 1 run: experiment, ")
    for one in (project, project.runs(), project.history(), project.configurations()):
        page = one._repr_html_()
        assert "<script>" not in page
        assert "<b>" not in page
        assert "<table>" in page
    assert "&lt;script&gt;" in project._repr_html_()
    long = legm.open(root).history()._repr_html_()
    assert f"and {len(legm.open(root).history()) - 10} more rows" in long
    assert long.count("<tr>") == 11
