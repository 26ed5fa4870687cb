"""What a report says: its numbers are aggregate's, and nothing is left out of sight."""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler, LegmError, MetricError, ParameterError, StorageError, report
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.records import BestRule, Configuration, History, Query, Run, RunResult, Series, Split, Status
from legm.report.number_encoding import encode_numbers_exactly, encode_numbers_for_drawing
from legm.report.page import json_for_page_script
from legm.stats import aggregate
from legm.testing.memory import MemoryBackend
from tests.support.mlflow_store import prepare_store
from tests.support.reports import content_of

NAN, INF = float("nan"), float("inf")


def client_of(root: Path, backend: str = "local", **options: object) -> BackendClient:
    return BackendClient(make_backend(backend, root, options), root)


def only(root: Path, experiment: str = "toy", **asked: object) -> dict:
    (found,) = content_of(report.build(client_of(root), [experiment], **asked))["experiments"]
    return found


def decoded(text: str) -> np.ndarray:
    code, _, data = text.partition(":")
    return np.frombuffer(base64.b64decode(data), f"<{code}")


def logged(
    root: Path, params: dict, metrics: dict, test: dict | None = None, *, text: str = "", **options: object
) -> None:
    """One completed run, a value a step for each metric."""
    with ExperimentHandler(root, "toy", **options) as handler:
        handler.set_dict_params(params)
        handler.disable_params([name for name in params if name == "seed"])
        handler.start()
        for name, values in metrics.items():
            for step, value in enumerate(values):
                handler.set_metric(name, value, step=step)
        handler.set_dict_metrics(test or {}, test=True)
        if text:
            handler.log_text("note", text)


def metric_of(content: dict, key: str) -> dict:
    return next(one for one in content["metrics"] if one["key"] == key)


# The numbers


def test_the_leaderboards_numbers_are_those_of_aggregate_bit_for_bit(tmp_path):
    for rate in (0.1, 0.01):
        for seed in range(7):
            values = [math.sin(seed + rate + step) / 3 for step in range(4)]
            logged(
                tmp_path, {"rate": rate, "seed": seed}, {"loss": values, "time": values}, {"f1": values[0]}
            )
    content = only(tmp_path)
    assert len(content["rows"]) == 2
    for row, one in enumerate(content["rows"]):
        fingerprint = content["configurations"][one["configuration"]]["fingerprint"]
        runs = client_of(tmp_path).runs_as_stored(Query("toy", fingerprint, histories=None))
        summary = aggregate.aggregate_runs(runs)
        assert {metric["key"] for metric in content["metrics"]} == set(summary.values)
        for key, expected in summary.values.items():
            metric = metric_of(content, key)
            for field in ("mean", "std"):
                assert (
                    np.float64(decoded(metric[field])[row]).tobytes()
                    == np.float64(getattr(expected, field)).tobytes()
                )
            assert decoded(metric["n"])[row] == expected.n


def test_groups_are_those_of_get_best_bit_for_bit_whatever_the_metric(tmp_path):
    for optimizer, depth, rate in itertools.product(("adam", "sgd"), (1, 2), (0.1, 0.01, 0.001)):
        params = {"optimizer": optimizer, "depth": depth, "rate": rate}
        for seed in range(1 + depth):
            value = math.sin(len(optimizer) + depth + rate + seed) / 3
            metrics = {"loss": [value], "time": [value, 2 * value]}
            logged(tmp_path, {**params, "seed": seed}, metrics, {"f1": -value})
    logged(tmp_path, {"optimizer": "adam", "depth": 1, "rate": 0.1}, {"loss": [9.0]}, description="other")
    content = only(tmp_path, group_by=["optimizer", "depth"])
    groups = content["groups"]
    assert (groups["by"], groups["missing"]) == (["optimizer", "depth"], [])
    assert set(groups["metrics"]) == {"best_loss", "time", "test_f1"}
    handler = ExperimentHandler(tmp_path, "toy")
    for key, test in (("best_loss", False), ("time", False), ("test_f1", True)):
        expected = handler.get_best(key.partition("_")[2] or key, test=test, group_by=["optimizer", "depth"])
        found = groups["metrics"][key]
        own = [i for i, description in enumerate(found["description"]) if not description]
        assert len(own) == len(expected) == 4
        for field in ("mean", "std"):
            values = np.array([getattr(one.value, field) for one in expected], np.float64)
            assert decoded(found[field])[own].astype(np.float64).tobytes() == values.tobytes()
        for field, numbers in {
            "configurations": [len(one.members) for one in expected],
            "runs": [one.runs for one in expected],
        }.items():
            assert decoded(found[field])[own].tolist() == numbers
        firsts = [content["configurations"][found["first"][i]]["fingerprint"] for i in own]
        assert firsts == [one.members[0].configuration.fingerprint for one in expected]
    assert "which differ in rate" in groups["metrics"]["best_loss"]["notes"][""]
    assert groups["metrics"]["best_loss"]["description"].count("other") == 1
    assert "(12 configurations)" in groups["metrics"]["best_loss"]["note"]


def test_an_experiment_without_a_parameter_says_so_and_one_that_none_has_is_refused(tmp_path):
    logged(tmp_path, {"rate": 1}, {"loss": [1.0]})
    with ExperimentHandler(tmp_path, "other") as handler:
        handler.set_param("depth", 1)
        handler.start()
        handler.set_metric("loss", 1.0)
    toy, other = content_of(report.build(client_of(tmp_path), ["toy", "other"], group_by="depth"))[
        "experiments"
    ]
    assert (toy["groups"]["missing"], toy["groups"]["metrics"]) == (["depth"], {})
    assert set(other["groups"]["metrics"]) == {"best_loss"}
    with pytest.raises(ParameterError, match="no configuration has an active parameter 'dept'"):
        report.build(client_of(tmp_path), ["toy", "other"], group_by=["dept"])


def test_every_runs_own_values_are_there(tmp_path):
    losses = {0: 0.25, 1: 1 / 3, 2: 1e-9}
    for seed, loss in losses.items():
        logged(tmp_path, {"rate": 1, "seed": seed}, {"loss": [loss]})
    runs = only(tmp_path)["runs"]
    (seeds,) = runs["parameters"]
    texts = [seeds["values"][place - 1][0] for place in decoded(seeds["of"])]
    values = decoded(runs["values"]["best_loss"]["values"])
    assert {int(seed): value for seed, value in zip(texts, values, strict=True)} == losses


def test_nan_and_infinities_are_kept_and_distinguished_from_what_is_missing(tmp_path):
    logged(tmp_path, {"rate": 1, "seed": 0}, {"loss": [NAN], "accuracy": [1.0]})
    logged(tmp_path, {"rate": 1, "seed": 1}, {"loss": [2.0]})
    logged(tmp_path, {"rate": 2, "seed": 0}, {"loss": [INF], "other": [-INF]})
    content = only(tmp_path)
    first = next(row for row, one in enumerate(content["rows"]) if "accuracy" in one["curves"])
    loss, other = metric_of(content, "best_loss"), metric_of(content, "best_other")
    assert (decoded(loss["mean"])[first], decoded(loss["n"])[first], decoded(loss["nan"])[first]) == (
        2.0,
        1,
        1,
    )
    assert decoded(loss["mean"])[1 - first] == INF
    assert decoded(other["mean"])[1 - first] == -INF
    assert decoded(other["n"])[first] == decoded(other["nan"])[first] == 0
    curve = content["rows"][1 - first]["curves"]["loss"]
    assert list(decoded(curve["above"])) == [0]


def test_a_short_curve_is_shown_as_it_is(tmp_path):
    for seed in range(3):
        logged(tmp_path, {"seed": seed}, {"loss": [1 / (1 + seed + step) for step in range(50)]})
    content = only(tmp_path)
    runs = client_of(tmp_path).runs_as_stored(Query("toy", histories=None))
    (expected,) = aggregate.aggregate_curves(runs)
    found = content["rows"][0]["curves"]["loss"]
    assert list(decoded(content["grids"][found["steps"]])) == list(expected.steps)
    for name in ("center", "lower", "upper"):
        assert np.allclose(decoded(found[name]), getattr(expected, name), rtol=1e-6, atol=0)
    assert found["runs"] == 3


def test_the_drawn_line_and_spread_are_the_true_ones_at_every_point(tmp_path):
    random = np.random.default_rng(0)
    configuration = Configuration("toy", f"v1-{1:032x}", "c", {"n": 1}, ("n",), {})
    backend = MemoryBackend(tmp_path)
    for seed in range(6):
        history = History(np.arange(3000), random.normal(0.5, 0.025, 3000))
        run = Run(f"2026-{seed}", configuration, "", 1.0)
        histories = {Series("loss"): history}
        backend.results[run.run_id] = RunResult(
            run, Status.COMPLETED, best={Series("loss"): 0.5}, histories=histories
        )
    (true,) = aggregate.aggregate_curves(backend.results.values())
    (content,) = content_of(report.build(BackendClient(backend, tmp_path), ["toy"]))["experiments"]
    found = content["rows"][0]["curves"]["loss"]
    steps = decoded(content["grids"][found["steps"]])
    assert 100 < len(steps) <= 300
    for name in ("center", "lower", "upper"):
        assert np.allclose(decoded(found[name]), getattr(true, name)[steps], rtol=1e-6, atol=0)
    spread = np.mean(decoded(found["upper"]) - decoded(found["lower"])) / 2
    assert spread == pytest.approx(np.mean(true.upper - true.lower) / 2, rel=0.1)


def test_a_long_curve_keeps_its_extremes_in_few_points(tmp_path):
    values = [math.sin(step / 50) for step in range(5000)]
    values[1234], values[4321] = 9.0, -9.0
    logged(tmp_path, {"seed": 0}, {"loss": values})
    found = only(tmp_path)["rows"][0]["curves"]["loss"]
    center = decoded(found["center"])
    assert len(center) <= 300
    assert (center.max(), center.min()) == (9.0, -9.0)
    assert "lower" not in found  # a single run has no spread


def test_a_curve_far_from_zero_keeps_its_shape():
    values = 1.7e9 + np.arange(5) / 8
    assert list(decoded(encode_numbers_for_drawing(values))) == list(values)
    assert encode_numbers_for_drawing(np.array([0.1, 0.2, NAN])).startswith("f4:")


@pytest.mark.parametrize("values", [[], [0, 255], [-1, 2], [70_000], [0.5, NAN], [-0.0, 1.0], [2.0**60, 1.0]])
def test_numbers_survive_their_text_exactly(values):
    found = decoded(encode_numbers_exactly(values)).astype(np.float64)
    assert found.tobytes() == np.array(values, np.float64).tobytes()


# What is shown


def test_runs_that_did_not_complete_are_counted_and_listed_with_their_error(tmp_path):
    logged(tmp_path, {"rate": 1, "seed": 0}, {"loss": [1.0]})
    with suppress(ZeroDivisionError), ExperimentHandler(tmp_path, "toy") as failing:
        failing.set_dict_params({"rate": 1, "seed": 1})
        failing.disable_param("seed")
        failing.start()
        failing.set_metric("loss", 7.0)
        _ = 1 / 0
    killed = (
        "import os, sys; from legm import ExperimentHandler; h = ExperimentHandler(sys.argv[1], 'toy')\n"
        "h.set_dict_params({'rate': 1, 'seed': 2}); h.disable_param('seed'); h.start(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", killed, str(tmp_path)], check=False).returncode == 9
    running = ExperimentHandler(tmp_path, "toy")
    running.set_dict_params({"rate": 1, "seed": 3})
    running.disable_param("seed")
    running.start()
    content = only(tmp_path)
    running.log()
    assert {status: list(decoded(text)) for status, text in content["counts"].items()} == {
        "completed": [1],
        "failed": [1],
        "interrupted": [1],
        "pruned": [0],
        "running": [1],
    }
    assert list(decoded(metric_of(content, "best_loss")["n"])) == [1]
    runs = content["runs"]
    assert sorted(decoded(runs["status"])) == [0, 1, 2, 4]
    failed = list(decoded(runs["status"])).index(1)
    assert "ZeroDivisionError" in runs["errors"][str(failed)]
    assert decoded(runs["ended"])[failed] >= decoded(runs["started"])[failed]


def test_descriptions_are_rows_of_their_own(tmp_path):
    logged(tmp_path, {"rate": 1}, {"loss": [1.0]})
    logged(tmp_path, {"rate": 1}, {"loss": [3.0]}, description="other code")
    content = only(tmp_path)
    assert [row["description"] for row in content["rows"]] == ["", "other code"]
    assert list(decoded(metric_of(content, "best_loss")["mean"])) == [1.0, 3.0]
    assert len(content["configurations"]) == 1


def test_parameters_say_where_they_count_and_which_values_are_the_same(tmp_path):
    for optimizer, momentum in (("sgd", 1), ("sgd", 1.0), ("adam", 0.9)):
        with ExperimentHandler(tmp_path, "toy") as handler:
            handler.set_dict_params(
                {"optimizer": optimizer, "momentum": momentum, "text": "1", "layers": {2, 1}}
            )
            handler.set_parent("momentum", "optimizer", "sgd")
            handler.start()
    content = only(tmp_path)
    parameters = {one["name"]: one for one in content["parameters"]}
    assert len(content["configurations"]) == 2  # 1 is 1.0
    assert sorted(decoded(parameters["momentum"]["active"])) == [0, 1]
    assert parameters["text"]["values"] == [['"1"', None]]  # not the number
    assert sorted(text for text, _ in parameters["optimizer"]["values"]) == ["adam", "sgd"]
    assert [number for _, number in parameters["momentum"]["values"]] != [None, None]


def test_an_indexed_metric_is_named_but_never_ranked_by(tmp_path):
    with ExperimentHandler(tmp_path, "toy") as handler:
        handler.set_param("rate", 1)
        handler.start()
        handler.set_dict_metrics({"a": {"f1": 0.5}, "b": {"f1": 0.7}}, test=True)
        handler.set_metric("loss", 1.0)
    content = only(tmp_path)
    assert [one["key"] for one in content["metrics"]] == ["best_loss"]
    assert content["indexed"] == {"test_f1": 2}


def test_two_configurations_never_have_one_name(tmp_path):
    for rate in (1, 2):
        with ExperimentHandler(tmp_path, "toy") as handler:
            handler.set_dict_params({"rate": rate, "model": "LeNet"})
            handler.name_param("model")
            handler.start()
    assert sorted(one["name"] for one in only(tmp_path)["configurations"]) == ["LeNet_0", "LeNet_1"]


def test_credentials_are_not_on_the_page(tmp_path):
    logged(tmp_path, {"api_key": "sk-very-private", "rate": 1}, {"loss": [1.0]})
    page = report.build(client_of(tmp_path), ["toy"])
    assert b"sk-very-private" not in page
    assert b"\\u003credacted\\u003e" in page


def test_a_damaged_configuration_is_reported_and_the_others_are_shown(tmp_path):
    for rate in (1, 2):
        logged(tmp_path, {"rate": rate}, {"loss": [float(rate)]})
    damaged = min(tmp_path.glob("toy/*/metrics.yml"))
    damaged.write_bytes(damaged.read_bytes().replace(b"best_loss", b"best_los5"))
    content = only(tmp_path)
    (problem,) = content["problems"]
    assert "metrics.yml" in problem
    assert sorted(decoded(metric_of(content, "best_loss")["n"])) == [0, 1]


@pytest.mark.parametrize("experiments", [[], ["nothing"]])
def test_a_root_without_runs_makes_a_page_all_the_same(tmp_path, experiments):
    content = content_of(report.build(client_of(tmp_path), experiments))
    assert [one["rows"] for one in content["experiments"]] == [[] for _ in experiments]
    assert content["title"] == tmp_path.name


def test_an_experiment_without_a_completed_run_has_rows_and_no_metric(tmp_path):
    with suppress(KeyError), ExperimentHandler(tmp_path, "toy") as handler:
        handler.set_param("rate", 1)
        handler.start()
        handler.set_metric("loss", 1.0)
        raise KeyError("rate")
    content = only(tmp_path, metric="loss")
    assert (content["metrics"], content["metric"]) == ([], None)
    assert list(decoded(content["counts"]["failed"])) == [1]


# The metric that the page opens with


def test_the_page_opens_with_the_metric_that_chose_the_best_steps(tmp_path):
    with ExperimentHandler(tmp_path, "toy") as handler:
        handler.set_param("rate", 1)
        handler.start()
        handler.set_dict_metrics({"accuracy": 0.5, "score": 0.1})
        handler.set_best("early_stopping", metric="score", higher_better=False)
        handler.set_metric("score", 1.0, test=True)
    content = only(tmp_path)
    assert content["metric"] == "best_score"
    directions = {one["key"]: (one["higher_better"], one["because"]) for one in content["metrics"]}
    assert directions == {
        "best_accuracy": (True, "default"),
        "best_score": (False, "rule"),
        "test_score": (False, "rule"),
    }


@pytest.mark.parametrize(
    ("name", "higher"),
    [
        *[(name, False) for name in ("loss", "trainLoss", "val/perplexity", "top1_error", "word_error_rate")],
        *[(name, True) for name in ("accuracy", "f1", "lossless_ratio", "timeliness", "BLEU")],
    ],
)
def test_without_a_rule_words_in_the_name_say_what_is_better(tmp_path, name, higher):
    logged(tmp_path, {"rate": 1}, {name: [1.0]})
    (metric,) = only(tmp_path)["metrics"]
    assert (metric["higher_better"], metric["because"]) == (higher, "default" if higher else "name")


def test_what_is_asked_for_wins(tmp_path):
    logged(tmp_path, {"rate": 1}, {"loss": [1.0]}, {"accuracy": 0.5})
    content = only(tmp_path, metric="accuracy", test=True, higher_better=False)
    assert content["metric"] == "test_accuracy"
    assert metric_of(content, "test_accuracy")["because"] == "asked"
    assert metric_of(content, "test_accuracy")["higher_better"] is False


def test_a_metric_that_no_run_has_is_refused_with_those_there_are(tmp_path):
    logged(tmp_path, {"rate": 1}, {"loss": [1.0]}, {"accuracy": 0.5})
    with pytest.raises(MetricError, match="dev metric 'los'; did you mean 'loss'"):
        report.build(client_of(tmp_path), ["toy"], metric="los")
    with pytest.raises(MetricError, match="test metric 'loss'; known: 'accuracy'"):
        report.build(client_of(tmp_path), ["toy"], metric="loss", test=True)


# Runs that did not complete, and runs that repeat a seed


def test_curves_of_unfinished_runs_are_there_when_asked_for_and_in_no_average(tmp_path):
    logged(tmp_path, {"rate": 1, "seed": 0}, {"loss": [3.0, 1.0]})
    failing = ExperimentHandler(tmp_path, "toy")
    failing.set_dict_params({"rate": 1, "seed": 1})
    failing.disable_param("seed")
    run_id = failing.start().run_id
    for step, loss in enumerate((9.0, 8.0, 7.0)):
        failing.set_metric("loss", loss, step=step)
    failing.__exit__(KeyError, KeyError("x"), None)
    (plain,) = only(tmp_path)["rows"]
    assert plain["unfinished"] == []
    content = only(tmp_path, statuses="failed")
    (row,) = content["rows"]
    (curve,) = row["unfinished"]
    assert (curve["id"], curve["metric"], row["curves"]) == (run_id, "loss", plain["curves"])
    assert decoded(curve["center"]).tolist() == [9.0, 8.0, 7.0]
    assert metric_of(content, "best_loss")["title"] == "last loss"
    with pytest.raises(LegmError, match="no status 'completed'"):
        only(tmp_path, statuses="completed")


def test_repeated_seeds_are_counted_and_one_of_each_can_be_taken(tmp_path):
    for seed, loss in ((0, 1.0), (1, 2.0), (1, 4.0)):
        logged(tmp_path, {"rate": 1, "seed": seed}, {"loss": [loss]})
    content = only(tmp_path)
    assert (content["rows"][0]["repeated"], decoded(metric_of(content, "best_loss")["n"]).tolist()) == (
        1,
        [3],
    )
    content = only(tmp_path, one_per_seed=True)
    assert (content["rows"][0]["repeated"], decoded(metric_of(content, "best_loss")["n"]).tolist()) == (
        0,
        [2],
    )
    assert decoded(metric_of(content, "best_loss")["mean"]).tolist() == [2.5]


# Backends, and the file


def test_every_backend_has_the_same_report(tmp_path):
    pages, media = [], []
    for backend in ("local", "mlflow"):
        root = tmp_path / backend
        if backend == "mlflow":
            prepare_store(root / "mlflow.db")
        for seed in range(2):
            logged(
                *(root, {"rate": 1, "seed": seed}, {"loss": [1 / (3 + seed), 0.7]}, {"f1": 0.1}),
                text="as it was",
                backend=backend,
            )
        page = content_of(report.build(client_of(root, backend), ["toy"]))
        media.append(page["media"])
        (content,) = page["experiments"]
        for varying in ("id", "started", "ended"):
            del content["runs"][varying]
        (row,) = content["rows"]
        assert row["media"].pop("run")
        pages.append({**content, "configurations": [one["fingerprint"] for one in content["configurations"]]})
    assert pages[0] == pages[1]
    assert [list(one.values()) for one in media] == [[{"text": "as it was", "left": 0}]] * 2


def test_a_backend_without_folders_is_read_too(tmp_path):
    backend = MemoryBackend(tmp_path)
    for number in range(2):
        digest = f"v1-{number + 1}{0:031}"
        configuration = Configuration("toy", digest, "same", {"rate": number}, ("rate",), {})
        run = Run(f"2026-{number}", configuration, "", 1.0)
        backend.results[run.run_id] = RunResult(
            run, Status.COMPLETED, BestRule(), 0, {Series("loss"): 1.0}, {}, {Series("f1", Split.TEST): 0.5}
        )
    (content,) = content_of(report.build(BackendClient(backend, tmp_path), ["toy"]))["experiments"]
    assert [one["name"] for one in content["configurations"]] == ["same_0", "same_1"]  # as everywhere


def test_the_curves_of_many_configurations_stay_within_their_axes(tmp_path):
    backend = MemoryBackend(tmp_path)
    steps, values = np.arange(1000), np.random.default_rng(0).normal(size=1000)
    names = [f"metric_{number}" for number in range(20)]
    for number in range(300):
        configuration = Configuration("toy", f"v1-{number:032x}", f"c{number}", {"n": number}, ("n",), {})
        run = Run(f"2026-{number:03}", configuration, "", 1.0)
        histories = {Series(name): History(steps, values + number) for name in names}
        backend.results[run.run_id] = RunResult(
            run, Status.COMPLETED, best={Series(name): 1.0 for name in names}, histories=histories
        )
    client = BackendClient(backend, tmp_path)
    many = sum(
        len(json.dumps(row["curves"]))
        for row in content_of(report.build(client, ["toy"]))["experiments"][0]["rows"]
    )
    assert many < 9 << 20


def test_the_page_is_written_atomically(tmp_path):
    logged(tmp_path / "results", {"rate": 1}, {"loss": [1.0]})
    client = client_of(tmp_path / "results")
    place = tmp_path / "report.html"
    place.write_text("an earlier one", encoding="utf-8")
    with pytest.raises(MetricError):
        report.write(client, ["toy"], place, metric="nothing")
    assert place.read_text(encoding="utf-8") == "an earlier one"
    report.write(client, ["toy"], place)
    assert content_of(place.read_bytes())["experiments"][0]["name"] == "toy"
    assert list(tmp_path.glob(".report*")) == []
    with pytest.raises(StorageError, match="missing"):
        report.write(client, ["toy"], tmp_path / "missing" / "report.html")


def test_without_plotly_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(LegmError, match=r"pip install 'legm\[report\]'"):
        report.build(client_of(tmp_path), [])


def test_content_cannot_leave_its_script_element():
    hostile = "</script><!-- \u2028 & \ud800"
    text = json_for_page_script({"name": hostile})
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == {"name": hostile}
