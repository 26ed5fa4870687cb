"""What the page of a run is given: where it comes from, what it printed, how to run it again."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler
from legm.errors import StorageError
from legm.report.curve_detail import CurveDetail
from legm.runlog.configuration_folders import artifacts_folder
from legm.ui.code_differences import code_differences
from legm.ui.run_curves import run_curves
from legm.ui.run_details import RunDetails
from legm.ui.single_curves import single_curves
from legm.ui.stored_runs import StoredRuns
from tests.support.calling import as_json
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


def logged(root: Path, rate: float, seed: int, *, fails: str = "") -> str:
    handler = ExperimentHandler(root, "net")
    handler.set_dict_params({"rate": rate, "seed": seed})
    handler.disable_param("seed")
    handler.start()
    for step in range(6):
        handler.set_dict_metrics({"loss": rate / (step + 1), "epoch": step // 2}, step=step)
        if rate == 0.1:
            handler.log_image("digits", np.full((4, 4, 3), 10 * step, np.uint8), step=step)
    notes = root.parent / "notes.txt"
    notes.write_text("ü" * 40_000, encoding="utf-8")
    handler.log_artifact(notes)
    weights = root.parent / "weights.bin"
    weights.write_bytes(b"\x00\xff")
    handler.log_artifact(weights)
    if fails:
        handler.end("failed", fails)
    else:
        handler.log()
    return handler.run_id


@pytest.fixture
def net(tmp_path: Path) -> tuple[StoredRuns, list[str], list[str]]:
    """The runs, the fingerprints of both configurations, and the ids of the first one's runs."""
    root = tmp_path / "results"
    ids = [logged(root, 0.1, seed) for seed in range(2)]
    logged(root, 0.01, 0)
    logged(root, 0.01, 1, fails="Traceback\n  line 3\nRuntimeError: out of memory")
    stored = StoredRuns(root)
    by_name = {one["name"]: one["fingerprint"] for one in stored.experiment("net")["configurations"]}
    return stored, [by_name["rate=0.1"], by_name["rate=0.01"]], ids


def test_a_run_says_how_it_differs_from_the_baseline_and_which_runs_are_beside_it(net):
    stored, (own, other), ids = net
    found = RunDetails(stored).run("net", own, ids[0], baseline=other)
    assert found["differences"]["parameters"] == [["rate", "0.1", "0.01"]]
    assert (found["configuration"], found["differences"]["baseline"]) == ("rate=0.1", "rate=0.01")
    assert found["siblings"] == [[ids[1], "completed"]]
    assert RunDetails(stored).run("net", own, ids[0], baseline=own)["differences"] is None
    assert RunDetails(stored).run("net", own, ids[0], baseline="v1-none")["differences"] is None


def test_the_beginning_of_a_text_is_shown_whole_letters_and_nothing_of_other_files(net):
    stored, (own, _), ids = net
    names = {
        one["name"].split("/")[-1]: one["name"] for one in RunDetails(stored).run("net", own, ids[0])["files"]
    }
    preview = RunDetails(stored).preview("net", own, ids[0], names["notes.txt"])
    assert preview["more"] is True
    assert set(preview["text"]) == {"ü"}
    assert RunDetails(stored).preview("net", own, ids[0], names["weights.bin"]) == {
        "text": None,
        "more": False,
    }
    with pytest.raises(StorageError, match="has no file"):
        RunDetails(stored).preview("net", own, ids[0], "../../../params.yml")


def test_the_media_of_two_runs_have_all_of_their_steps(net):
    stored, (own, _), ids = net
    found = stored.media("net", own, ids[::-1])
    assert [one["run"] for one in found["runs"]] == ids[::-1]
    shown = [one["names"]["digits"]["shown"] for one in found["runs"]]
    assert [[medium["step"] for medium in of] for of in shown] == [[0, 1, 2, 3, 4, 5]] * 2
    assert len(found["contents"]) == 6  # what is equal is sent once


def test_what_failed_lately_is_on_the_card_with_its_last_line(net):
    stored, (_, other), _ = net
    (card,) = stored.cards()
    (failed,) = card["failed"]
    assert (failed["fingerprint"], failed["error"]) == (other, "RuntimeError: out of memory")
    assert stored.unfinished("net")["runs"]["id"] == [failed["id"]]


@pytest.mark.parametrize("axis", ["step", "since", "time", "metric:epoch"])
def test_every_run_is_drawn_over_what_is_asked_for(net, axis):
    stored, (own, other), ids = net
    found = single_curves(stored, "net", [own, other], ["loss"], axis, CurveDetail(100))
    assert len(found) == 4
    first = next(one for one in found if one["id"] == ids[0])
    x, y = decoded(first["x"]), decoded(first["y"])
    np.testing.assert_allclose(y, [0.1 / (step + 1) for step in range(6)], rtol=1e-6)
    if axis == "step":
        assert x.tolist() == list(range(6))
    elif axis == "metric:epoch":
        assert x.tolist() == [0, 0, 1, 1, 2, 2]
    else:
        started = stored.run("net", own, ids[0])[1].run.started
        assert (np.diff(x) >= 0).all()
        assert 0 <= x[0] - (started if axis == "time" else 0) < 60
    assert single_curves(stored, "net", [own, "v1-x"], ["loss"], "metric:nothing", CurveDetail(100)) == []


def test_a_zoom_of_a_single_curve_has_what_is_in_view_and_its_average_is_that_of_all(net):
    stored, (own, _), _ = net
    whole = single_curves(stored, "net", [own], ["loss"], "step", CurveDetail(100, smoothing=0.5))
    part = single_curves(stored, "net", [own], ["loss"], "step", CurveDetail(100, 2.5, 3.5, smoothing=0.5))
    assert decoded(part[0]["x"]).tolist() == [2, 3, 4]
    assert decoded(part[0]["smoothed"]).tolist() == decoded(whole[0]["smoothed"]).tolist()[2:5]


def test_the_code_of_configurations_is_compared_and_shown_by_git(tmp_path, monkeypatch):
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    monkeypatch.chdir(tmp_path)
    versions = {"numpy": "2.4.6", "scipy": "1.16.0"}, {"numpy": "2.4.6", "PyYAML": "6.0.3", "scipy": "1.17.0"}
    for rate, commit, distributions in ((0.1, COMMITS[0], versions[0]), (0.01, COMMITS[1], versions[1])):
        known = {"command": ["python", "train.py"], "git": {"commit": commit, "folder": "/home/me/my code"}}
        monkeypatch.setattr(
            "legm.provenance.distributions.InstalledDistributions.imported",
            lambda *_, found=distributions: found,
        )
        monkeypatch.setattr(
            "legm.delivery.run_start.collect_started_environment", lambda *_, known=known: known
        )
        logged(tmp_path / "results", rate, 0)
    stored = StoredRuns(tmp_path / "results")
    by_name = {one["name"]: one["fingerprint"] for one in stored.experiment("net")["configurations"]}
    found = code_differences(stored, "net", [by_name["rate=0.1"], by_name["rate=0.01"]], "")
    assert found["facts"] == [["git.commit", *COMMITS], ["distributions.scipy", "1.16.0", "1.17.0"]]
    assert found["versions"] == "PyYAML 6.0.3"  # unknown of the other run, which had not imported it
    assert found["commands"] == [f"git -C '/home/me/my code' diff {COMMITS[0]} {COMMITS[1]}"]
    assert code_differences(stored, "net", [by_name["rate=0.1"]] * 2, "")["facts"] == []


def test_the_uncommitted_changes_of_a_run_are_given_and_applied_by_its_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    monkeypatch.chdir(tmp_path)
    git = {"commit": COMMITS[0], "folder": "/home/me/code", "patch": {"file": "code.patch"}}
    known = {"command": ["python", "train.py"], "folder": "/home/me/code", "git": git}
    monkeypatch.setattr("legm.delivery.run_start.collect_started_environment", lambda *_: known)
    run_id = logged(tmp_path / "results", 0.1, 0)
    stored = StoredRuns(tmp_path / "results")
    (configuration,) = stored.experiment("net")["configurations"]
    run = ("net", configuration["fingerprint"], run_id)
    with pytest.raises(StorageError, match="no uncommitted changes"):
        RunDetails(stored).patch(*run)
    folder = stored.stored_configuration(*run[:2]).folder
    assert folder is not None
    (artifacts_folder(folder, run_id) / "code.patch").write_text("+new\n-old\n")
    assert RunDetails(stored).patch(*run) == {"name": "code.patch", "text": "+new\n-old\n"}
    found = RunDetails(stored).run(*run)
    assert found["has_patch"] is True
    assert any(line.startswith("git apply") and "code.patch" in line for line in found["reproduce"])


def test_the_uncommitted_changes_of_configurations_are_compared_as_by_legm_diff(tmp_path, monkeypatch):
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    monkeypatch.chdir(tmp_path)
    root, runs, patches = tmp_path / "results", {}, {}
    for rate, width in ((0.1, 1), (0.01, 2), (0.001, 3)):
        patches[rate] = "\n".join(
            [
                *("diff --git a/net.py b/net.py", "index 1111111..2222222 100644"),
                *("--- a/net.py", "+++ b/net.py", "@@ -1 +1 @@", "-width = 0", f"+width = {width}", ""),
            ]
        )
        kept = {"file": "code.patch", "sha256": hashlib.sha256(patches[rate].encode()).hexdigest()}
        git = {"commit": COMMITS[0], "folder": "/home/me/code", "dirty": True, "patch": kept}
        monkeypatch.setattr(
            "legm.delivery.run_start.collect_started_environment", lambda *_, git=git: {"git": git}
        )
        runs[rate] = logged(root, rate, 0)
    stored = StoredRuns(root)
    by_name = {one["name"]: one["fingerprint"] for one in stored.experiment("net")["configurations"]}
    fingerprints = [by_name[f"rate={rate}"] for rate in runs]
    for rate, fingerprint in zip(runs, fingerprints, strict=True):
        folder = stored.stored_configuration("net", fingerprint).folder
        assert folder is not None
        changed = patches[rate].replace("3", "4")  # one is not what was recorded
        (artifacts_folder(folder, runs[rate]) / "code.patch").write_text(changed)
    other, edited = code_differences(stored, "net", fingerprints, "")["changes"]
    (file,) = other["files"]
    assert (other["other"], other["problems"], file["name"]) == (1, [], "net.py")
    assert [line for line in file["lines"] if line[0] in "-+"] == ["-width = 1", "+width = 2"]
    compared = as_json("diff", *(root / runs[rate] for rate in (0.1, 0.01)))
    assert compared["code"]["uncommitted"][0]["lines"] == list(file["lines"])
    assert (edited["other"], edited["files"]) == (2, [])
    assert "not the one that was recorded" in edited["problems"][0]


def decoded(text: str) -> np.ndarray:
    code, _, data = text.partition(":")
    return np.frombuffer(base64.b64decode(data), f"<{code}").astype(float)
