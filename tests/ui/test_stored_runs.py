"""What the live page is given of the curves of a configuration, whole and zoomed."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler
from legm.delivery.client import connect_client
from legm.records import Query
from legm.report.curve_detail import CurveDetail
from legm.stats import aggregate
from legm.stats.smoothing import smoothed_values
from legm.ui.stored_runs import StoredRuns
from tests.support.different_code import make_runs_of_different_code

STEPS = 20_000


def decoded(text: str) -> np.ndarray:
    code, _, data = text.partition(":")
    return np.frombuffer(base64.b64decode(data), f"<{code}")


def logged(root: Path, seed: int) -> None:
    handler = ExperimentHandler(root, "net")
    handler.set_dict_params({"rate": 0.1, "seed": seed})
    handler.disable_param("seed")
    handler.start()
    values = np.sin(np.arange(STEPS) / 700) + seed / 10
    values[12_345] = 50.0  # a spike of one step
    for step, value in enumerate(values.tolist()):
        handler.set_metric("loss", value, step=step)
    handler.log()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long") / "results"
    for seed in range(2):
        logged(folder, seed)
    return folder


def curve_of(stored: StoredRuns, detail: CurveDetail) -> dict[str, np.ndarray]:
    (configuration,) = stored.experiment("net")["configurations"]
    (part,) = stored.configurations("net", [configuration["fingerprint"]], detail)
    curve = part["experiment"]["rows"][0]["curves"]["loss"]
    steps = decoded(part["experiment"]["grids"][curve["steps"]])
    names = ("center", "lower", "upper", "smoothed")
    return {"steps": steps, **{name: decoded(curve[name]) for name in names if name in curve}}


def whole_curve(root: Path):
    (configuration,) = connect_client(root).configurations("net")
    query = Query("net", configuration.fingerprint, histories=None)
    (curve,) = aggregate.aggregate_curves(connect_client(root).runs_as_stored(query))
    return curve


def test_downsampling_keeps_every_extreme_and_changes_no_point_of_line_or_band(root):
    found = curve_of(StoredRuns(root), CurveDetail(100))
    whole = whole_curve(root)
    assert len(found["steps"]) <= 500
    assert found["center"].max() == np.float32(50)
    at = np.searchsorted(whole.steps, found["steps"])
    for name in ("center", "lower", "upper"):
        np.testing.assert_array_equal(
            found[name], getattr(whole, name)[at].astype(found[name].dtype), err_msg=name
        )


def test_a_zoom_has_every_step_in_view_and_one_beyond_either_end(root):
    found = curve_of(StoredRuns(root), CurveDetail(100, start=12_300, end=12_400))
    assert found["steps"].tolist() == list(range(12_299, 12_402))
    assert found["center"][12_345 - 12_299] == np.float32(50)
    beyond = curve_of(StoredRuns(root), CurveDetail(100, start=10 * STEPS, end=11 * STEPS))
    assert beyond["steps"].tolist() == [STEPS - 1]


def test_the_average_is_that_of_all_values_whatever_is_in_view(root):
    whole = whole_curve(root)
    expected = smoothed_values(whole.center, 0.9)
    for detail in (CurveDetail(50, smoothing=0.9), CurveDetail(50, start=500.5, end=700, smoothing=0.9)):
        found = curve_of(StoredRuns(root), detail)
        at = np.searchsorted(whole.steps, found["steps"])
        np.testing.assert_allclose(found["smoothed"], expected[at], rtol=1e-4)


def test_a_zoom_of_what_is_kept_is_that_of_what_is_read(root):
    kept = StoredRuns(root)
    for detail in (
        CurveDetail(100),
        CurveDetail(80, 300, 700),
        CurveDetail(100),
        CurveDetail(50, smoothing=0.9),
    ):
        for _ in range(2):
            again = curve_of(kept, detail)
            for name, values in curve_of(StoredRuns(root), detail).items():
                np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_what_is_kept_is_read_again_once_something_has_changed(root):
    stored = StoredRuns(root)
    before = curve_of(stored, CurveDetail(100))
    logged(root, 2)
    np.testing.assert_array_equal(curve_of(stored, CurveDetail(100))["center"], before["center"])
    stored.expire("net")
    assert not np.array_equal(curve_of(stored, CurveDetail(100))["upper"], before["upper"])


def test_a_curve_is_read_from_the_log_and_is_that_of_the_store(root, tmp_path, monkeypatch):
    copied = tmp_path / "results"
    shutil.copytree(root, copied)
    details = [CurveDetail(100), CurveDetail(100, start=12_300, end=12_400)]
    with monkeypatch.context() as context:
        context.setattr("legm.backends.local.entry_file.read_entry_series", None)
        logged = [curve_of(StoredRuns(copied), detail) for detail in details]
    for path in copied.glob("net/*/runs/*.log"):
        path.unlink()
    for detail, found in zip(details, logged, strict=True):
        for name, values in curve_of(StoredRuns(copied), detail).items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("status", ["running", "failed"])
def test_the_curve_of_a_run_that_has_not_completed_has_every_extreme_too(tmp_path, status):
    handler = ExperimentHandler(tmp_path, "net")
    handler.set_param("rate", 0.1)
    handler.start()
    values = np.sin(np.arange(STEPS) / 700)
    values[12_345] = 50.0
    for step, value in enumerate(values.tolist()):
        handler.set_metric("loss", value, step=step)
    if status == "failed":
        with pytest.raises(RuntimeError, match="for a test"), handler:
            raise RuntimeError("for a test")
    else:
        handler.flush()
    stored = StoredRuns(tmp_path)
    (configuration,) = stored.experiment("net")["configurations"]
    for detail, most in ((CurveDetail(100), 500), (CurveDetail(100, start=12_300, end=12_400), 103)):
        (part,) = stored.configurations("net", [configuration["fingerprint"]], detail)
        (curve,) = part["experiment"]["rows"][0]["unfinished"]
        steps, center = decoded(part["experiment"]["grids"][curve["steps"]]), decoded(curve["center"])
        assert len(steps) <= most
        assert center.max() == np.float32(50)
        np.testing.assert_array_equal(center, values[steps].astype(center.dtype))
    if status == "running":
        handler.log()


def test_what_other_machines_put_into_a_tracker_is_seen_when_the_page_is_loaded_again(tmp_path, monkeypatch):
    def train(seed):
        handler = ExperimentHandler(tmp_path, "net", backend="mlflow")
        handler.set_dict_params({"rate": 0.1, "seed": seed})
        handler.disable_param("seed")
        with handler.start():
            handler.set_metric("loss", 0.5)

    train(0)
    stored = StoredRuns(tmp_path, "mlflow")
    first = stored.experiment("net")
    train(1)
    assert stored.experiment("net") == first
    monkeypatch.setattr("legm.ui.stored_runs._KEPT_SECONDS", 0.0)  # as if they were over
    again = stored.experiment("net")
    assert [decoded(one["counts"]["completed"]).tolist() for one in (first, again)] == [[1], [2]]
    assert again["version"] > first["version"]


def test_averages_over_runs_of_different_code_say_so(tmp_path, monkeypatch):
    make_runs_of_different_code(tmp_path / "results", monkeypatch)
    (row,) = StoredRuns(tmp_path / "results").experiment("e")["rows"]
    assert row["code"].startswith("1 run of aaaaaaa, 1 of aaaaaaa with changes, 1 of aaaaaaa then bbbbbbb")


def test_what_is_read_ahead_is_there_when_somebody_asks(tmp_path):
    logged_root = tmp_path / "results"
    with ExperimentHandler(logged_root, "net") as handler:
        handler.set_param("rate", 0.1)
        with handler.start():
            handler.set_metric("loss", 0.5)
    stored = StoredRuns(logged_root)
    stored.read_ahead()
    (logged_root / "net").rename(tmp_path / "net")
    assert stored.experiment("net")["metric"] == "best_loss"
    assert StoredRuns(logged_root).cards() == []


def test_reading_ahead_reports_no_error(tmp_path):
    (tmp_path / "net" / "broken").mkdir(parents=True)
    (tmp_path / "net" / "broken" / "params.yml").write_text("{")
    StoredRuns(tmp_path).read_ahead()
