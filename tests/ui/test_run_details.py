"""What the page of a run is given: where it comes from, what it printed, how to run it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from legm.report.curve_detail import CurveDetail
from legm.ui.run_curves import run_curves
from legm.ui.run_details import RunDetails
from legm.ui.stored_runs import StoredRuns
from tests.support.different_code import COMMITS, make_runs_of_different_code


@pytest.fixture
def resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[StoredRuns, tuple[str, str, str]]:
    """The runs, and which of them was resumed with other code."""
    run_id = make_runs_of_different_code(tmp_path / "results", monkeypatch)
    stored = StoredRuns(tmp_path / "results")
    (configuration,) = stored.experiment("e")["configurations"]
    return stored, ("e", configuration["fingerprint"], run_id)


def test_a_run_has_where_it_comes_from_and_the_commands_that_repeat_it(resumed):
    stored, run = resumed
    found = RunDetails(stored).run(*run)
    origin = dict(found["origin"])
    assert origin["git.commit"] == COMMITS[1]
    assert (found["status"], found["last_step"], found["has_patch"]) == ("completed", 6, False)
    assert ["seed", "3", "of this run"] in found["parameters"]
    assert any(COMMITS[1] in one and "git" in one for one in found["reproduce"])
    assert found["reproduce"][-1].endswith("python train.py")


def test_a_run_has_the_console_of_each_of_its_processes(resumed):
    stored, run = resumed
    details = RunDetails(stored)
    assert details.run(*run)["has_console"]
    found = details.console(*run)
    assert [line for line in found["lines"] if "epoch" in line] == ["epoch of seed 3"] * 2
    assert details.console(*run, after=found["total"])["lines"] == []


def test_system_metrics_of_a_run_are_curves_beside_its_metrics(resumed):
    stored, run = resumed
    found = {one["metric"]: one["isSystem"] for one in run_curves(stored, *run, CurveDetail(100))}
    assert found.pop("loss") is False
    assert found
    assert all(name.startswith("system/") and is_system for name, is_system in found.items())
