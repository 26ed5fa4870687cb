"""What every version of legm stored opens for ever, with the same answers, and can be upgraded.

``tests/samples/schema`` has a small root directory of each version, as the code of that commit wrote it by
``tests/support/schema_samples.py``.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from legm import ExperimentHandler, NewerFile, ParameterError
from legm.backends.local.entry_file import EntryFile
from legm.export import export_runs
from legm.records import RunResult, Series, Split, Status
from tests.support.calling import as_json, call, failed, shown
from tests.support.paths import ROOT
from tests.support.reading import runs_of
from tests.support.schema_samples import begin, fill

SAMPLES = sorted(path for path in (ROOT / "tests" / "samples" / "schema").glob("0*"))
CHANGED = sorted((ROOT / "tests" / "samples" / "schema").glob("changed-*"))
"""Experiments that were amended, with absent values, tags and notes."""
FIRST = [path for path in SAMPLES if path.name in {"0002-78621c9", "0010-851f767"}]
"""Those whose entries have trailers of the first version."""
WITHOUT_CHECKSUMS = [path for path in SAMPLES if path.name < "0451"]
CONFIGURATIONS = {
    "0.1_0": "v1-ff379a339837d3748f1091ccb2124623",
    "0.2_0": "v1-93efd9f981ce227d5a532b47463b2064",
}


def copied(sample: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "root"))


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*.yml")}


def require_answers(root: Path) -> None:
    """Every answer about a sample is the one that its version gave, bit for bit."""
    listed = {Path(one["folder"]).name: one for one in as_json("ls", root)}
    assert {name: one["fingerprint"] for name, one in listed.items()} == CONFIGURATIONS
    assert [one["problem"] for one in listed.values()] == [None, None]
    ranked = as_json("best", root, "loss")
    assert [(one["configuration"], one["value"]["mean"], one["value"]["n"]) for one in ranked] == [
        ("0.1_0", (0.1 + 1 / 3 + (0.1 + 1 / 4)) / 2, 2),
        ("0.2_0", (0.2 + 1 / 3 + (0.2 + 1 / 4)) / 2, 2),
    ]
    assert [(one["failed"], one["interrupted"]) for one in ranked] == [(1, 0), (0, 1)]
    found = as_json("show", root / "Le Net" / "0.1_0")
    assert found["problem"] is None
    assert [run["status"] for run in found["runs"]] == ["completed", "completed", "completed", "failed"]
    assert found["aggregates"][""]["test_f1"]["mean"] == 0.3125
    assert found["aggregates"]["try"]["test_score"]["b"]["mean"] == 0.5


def values_of(results: list[RunResult]) -> list[tuple]:
    """Whatever a run may say, without times."""
    return [
        (
            *(one.run.run_id, one.run.description, one.run.configuration, one.run.parameters),
            *(one.status, one.rule, one.best_step, one.points, one.last_step, one.error),
            *(repr(dict(one.best)), repr(dict(one.test))),
            {str(s): (h.steps.tolist(), h.values.tolist()) for s, h in one.histories.items()},
        )
        for one in results
    ]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_stored_version_opens_with_the_same_answers(sample, tmp_path):
    root = copied(sample, tmp_path)
    before = contents(root)
    require_answers(root)
    assert contents(root) == before
    for result in runs_of(root, "Le Net"):
        rate, seed = result.run.configuration.parameters["lr"], result.run.parameters["seed"]
        if result.status is Status.COMPLETED:
            history = result.histories[Series("loss")]
            assert history.values.tolist() == [rate + 1 / (step + seed + 1) for step in range(3)]
            assert history.steps.tolist() == [0, 1, 2]
        assert result.test[Series("f1", Split.TEST)] == 0.25 + seed / 8
        assert math.isnan(result.test[Series("score", Split.TEST, "a")])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_runs_of_every_stored_version_are_resumed_and_aggregated_with_new_ones(sample, tmp_path, monkeypatch):
    root = copied(sample, tmp_path)
    killed = next(run for run in runs_of_after_recovery(root) if run.status is Status.INTERRUPTED)
    monkeypatch.setattr("sys.argv", ["", str(root)])
    monkeypatch.setenv("LEGM_RESUME", "auto")
    with begin(0.2, 5) as handler:
        assert (handler.is_resumed, handler.run_id, handler.last_step) == (True, killed.run.run_id, 2)
        handler.set_metric("loss", 0.0, step=3)
        handler.set_best("early_stopping", metric="loss", higher_better=False)
    assert handler.aggregate_results()["best_loss"]["n"] == 3
    assert handler.aggregate_results()["best_loss"]["interrupted"] == 0
    monkeypatch.delenv("LEGM_RESUME")
    with begin(0.1, 7) as handler:
        handler.set_metric("loss", 0.0)
    assert handler.aggregate_results()["best_loss"]["n"] == 3
    assert "nothing to recover" in shown("recover", root)


def runs_of_after_recovery(root: Path) -> list[RunResult]:
    shown("recover", root)
    return runs_of(root, "Le Net")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_upgrading_changes_no_answer_and_a_second_time_nothing(sample, tmp_path):
    root = copied(sample, tmp_path)
    runs = values_of(runs_of_after_recovery(root))
    before = contents(root)
    would = shown("upgrade", root, "--dry-run")
    assert contents(root) == before
    report = shown("upgrade", root)
    assert report == would.replace("would upgrade", "upgraded")
    expected = 2 * (sample in WITHOUT_CHECKSUMS) + 4 * (sample in FIRST)
    assert report.count("upgraded ") == expected
    assert sum(before[path] != data for path, data in contents(root).items()) == expected
    assert values_of(runs_of(root, "Le Net")) == runs
    require_answers(root)
    assert shown("upgrade", root) == "nothing to upgrade in 2 configurations\n"
    assert all("# legm crc=" in path.read_text() for path in root.rglob("params.yml"))
    assert all("damaged" not in line for line in shown("recover", root).splitlines())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_runs_and_aggregates_of_every_stored_version_are_exported_as_they_are(sample, tmp_path):
    report = export_runs(copied(sample, tmp_path), "local", into=tmp_path / "copy")
    assert report.is_complete
    assert (sum(report.states.values()), report.summaries) == (7, 2)


def by_run(root: Path) -> dict[str, tuple]:
    """Whatever a run may say, by its id; of its configuration what counts."""
    found = runs_of_after_recovery(root)
    return {
        one.run.run_id: (one.run.configuration.fingerprint, one.run.configuration.active, *rest[3:])
        for one, (_, _, _, *rest) in zip(found, values_of(found), strict=True)
    }


def written_now(root: Path, monkeypatch) -> dict[str, tuple]:
    """Runs of this version: of both configurations of the samples, and of one more."""
    monkeypatch.setattr("sys.argv", ["", str(root)])
    for rate, seed in ((0.1, 7), (0.2, 8), (0.3, 0)):
        with begin(rate, seed) as handler:
            fill(handler, rate, seed)
    return by_run(root)


@pytest.mark.slow
def test_every_stored_version_is_merged_into_one_root_directory(tmp_path, monkeypatch):
    root = tmp_path / "root"
    expected = written_now(root, monkeypatch)
    for sample in SAMPLES:
        copied_sample = copied(sample, tmp_path / sample.name)
        theirs = by_run(copied_sample)
        assert shown("merge", root, copied_sample).endswith("copied 7 runs; 0 were there before\n")
        expected |= theirs
    assert by_run(root) == expected
    ranked = {one["configuration"]: one["value"]["n"] for one in as_json("best", root, "loss")}
    assert ranked == {"0.1_0": 2 * len(SAMPLES) + 1, "0.2_0": 2 * len(SAMPLES) + 1, "0.3_0": 1}
    assert "nothing to recover" in shown("recover", root)
    assert shown("merge", root, copied_sample).endswith("copied 0 runs; 7 were there before\n")


@pytest.mark.parametrize(
    "sample", [SAMPLES[0], WITHOUT_CHECKSUMS[-1], SAMPLES[-1]], ids=lambda path: path.name
)
def test_runs_of_now_are_merged_into_a_root_directory_of_every_kind_of_version(sample, tmp_path, monkeypatch):
    root, new = copied(sample, tmp_path), tmp_path / "new"
    expected = {**by_run(root), **written_now(new, monkeypatch)}
    assert shown("merge", root, new).endswith("copied 3 runs; 0 were there before\n")
    assert by_run(root) == expected
    ranked = {one["configuration"]: one["value"]["n"] for one in as_json("best", root, "loss")}
    assert ranked == {"0.1_0": 3, "0.2_0": 3, "0.3_0": 1}
    shown("upgrade", root)
    assert by_run(root) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "sample", [SAMPLES[0], WITHOUT_CHECKSUMS[-1], SAMPLES[-1]], ids=lambda path: path.name
)
def test_runs_of_every_kind_of_version_are_amended_deleted_and_brought_back(sample, tmp_path):
    root = copied(sample, tmp_path)
    before, experiment = by_run(root), root / "Le Net"
    for there, back in (
        (("--rename", "lr=rate"), ("--rename", "rate=lr")),
        (("--compare", "seed"), ("--ignore", "seed")),
        (("--ignore", "lr"), ("--compare", "lr")),
    ):
        for options in (there, back):
            shown("amend", experiment, *options, "--yes")
            assert {*by_run(root)} == {*before}
        assert by_run(root) == before
        shown("restore", root)
        shown("restore", root)
        assert by_run(root) == before
    shown("rm", f"{root}/{min(before)}")
    shown("rm", experiment, "--yes")
    assert by_run(root) == {}
    shown("restore", root)
    shown("restore", root)
    assert by_run(root) == before
    require_answers(root)


def test_absent_values_tags_and_notes_are_merged_from_and_into_a_changed_experiment(tmp_path):
    old, new = copied(CHANGED[0], tmp_path), tmp_path / "new"
    handler = ExperimentHandler(new, "Changing")
    handler.set_param("rate", 0.1)
    with handler:
        handler.start()
        handler.set_metric("loss", 2.0)
    shown("merge", new, old)
    shown("merge", old, new)
    for root in (old, new):
        again = ExperimentHandler(root, "Changing")
        again.set_dict_params({"rate": 0.1})
        again.set_param("depth", 2, absent_value=2)
        assert again.aggregate_results()["best_loss"]["n"] == 4
        assert "depth: 2" in (root / "Changing" / ".legm" / "absent_values.yml").read_text()
        assert len(as_json("best", root / "Changing", "loss", "--where", "tag:seed:1")) == 1


@pytest.mark.parametrize("is_target", [False, True], ids=["from it", "into it"])
def test_a_merge_with_what_a_newer_legm_wrote_is_refused_before_anything_is_done(
    tmp_path, monkeypatch, is_target
):
    old, new = copied(SAMPLES[-1], tmp_path), tmp_path / "new"
    written_now(new, monkeypatch)
    newer = (new if is_target else old) / "Le Net" / "0.2_0" / "params.yml"
    newer.write_bytes(newer.read_bytes().replace(b"schema: 1", b"schema: 7", 1))
    before = contents(new), contents(old)
    for command in (("merge", new, old),) * 2:
        refused = failed(*command)
        assert (
            f"{newer}, line 2: its format has version 7, of a newer legm: this one reads up to 1" in refused
        )
    assert (contents(new), contents(old)) == before
    assert not [*new.glob(".legm/journal/*"), *new.glob(".legm/merge")]


def test_configurations_are_not_moved_into_one_that_a_newer_legm_wrote(tmp_path, monkeypatch):
    root = tmp_path / "root"
    written_now(root, monkeypatch)
    shown("amend", root / "Le Net", "--to", "other", "--yes")
    written_now(root, monkeypatch)
    newer = root / "other" / "0.2_0" / "params.yml"
    newer.write_bytes(newer.read_bytes().replace(b"schema: 1", b"schema: 7", 1))
    before = contents(root)
    for command in (
        ("amend", root / "Le Net", "--to", "other", "--yes"),
        ("mv", root / "Le Net", "other", "--yes"),
        ("mv", root / "Le Net" / "0.2_0", root / "other", "--yes"),
    ):
        assert "its format has version 7, of a newer legm" in failed(*command)
    assert contents(root) == before
    assert not [*root.glob(".legm/journal/*")]


def test_a_log_of_a_newer_version_is_merged_as_it_is(tmp_path, caplog):
    old, new = copied(SAMPLES[-1], tmp_path), tmp_path / "new"
    path = failed_log(old)
    path.write_bytes(path.read_bytes().replace(b"legm run log 1", b"legm run log 7", 1))
    assert shown("merge", new, old).endswith("copied 7 runs; 0 were there before\n")
    assert "its format has version 7, of a newer legm" in caplog.text
    (copy,) = new.rglob(path.name)
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("sample", FIRST, ids=lambda path: path.name)
def test_damage_in_entries_of_the_first_version_is_found(sample, tmp_path):
    root = copied(sample, tmp_path)
    path = root / "Le Net" / "0.1_0" / "metrics.yml"
    path.write_bytes(path.read_bytes().replace(b'"test_f1": 0.25', b'"test_f1": 0.26', 1))
    assert "metrics.yml, line 1 (experiment_0): it is not what legm wrote" in call("ls", root).stderr
    refused = call("upgrade", root)
    assert refused.exit_code == 1
    assert "metrics.yml, line 1 (experiment_0)" in refused.stderr
    assert len(EntryFile(path).check()[0]) == 2


@pytest.mark.parametrize("sample", FIRST, ids=lambda path: path.name)
def test_a_damaged_series_is_not_upgraded_as_if_it_were_intact(sample, tmp_path):
    root = copied(sample, tmp_path)
    path = root / "Le Net" / "0.1_0" / "metrics.yml"
    damaged = path.read_bytes().replace(b'"loss": [1.1, ', b'"loss": [1.2, ', 1)
    path.write_bytes(damaged)
    refused = call("upgrade", root)
    assert refused.exit_code == 1
    assert "metrics.yml, line 1 (experiment_0)" in refused.stderr
    assert path.read_bytes() == damaged


@pytest.mark.parametrize(
    ("name", "old", "new", "known"),
    [("params.yml", b"schema: 1", b"schema: 7", 1), ("*.log", b"legm run log 1", b"legm run log 7", 2)],
)
def test_a_newer_format_is_an_error_with_its_file_and_version_and_is_never_repaired(
    tmp_path, caplog, name, old, new, known
):
    root = copied(SAMPLES[-1], tmp_path)
    path = root / "Le Net" / "0.1_0" / name if name == "params.yml" else failed_log(root)
    newer = path.read_bytes().replace(old, new, 1)
    path.write_bytes(newer)
    for command in ("ls", "recover", *(["upgrade"] if name == "params.yml" else [])):
        caplog.clear()
        done = call(command, root)
        said = done.stdout + done.stderr + caplog.text
        assert f"{path}, " in said
        assert f"its format has version 7, of a newer legm: this one reads up to {known}. Update" in said
        assert path.read_bytes() == newer


def test_no_run_begins_in_a_configuration_of_a_newer_legm(tmp_path, monkeypatch):
    root = copied(SAMPLES[-1], tmp_path)
    path = root / "Le Net" / "0.1_0" / "params.yml"
    path.write_bytes(path.read_bytes().replace(b"schema: 1", b"schema: 7", 1))
    before = {file for file in root.rglob("*") if file.parent.name != ".legm"}
    monkeypatch.setattr("sys.argv", ["", str(root)])
    with pytest.raises(NewerFile, match=r"params\.yml, line 2: its format has version 7"):
        begin(0.1, 0)
    assert {file for file in root.rglob("*") if file.parent.name != ".legm"} == before
    with begin(0.2, 0) as handler:
        handler.set_metric("loss", 1.0)


def failed_log(root: Path) -> Path:
    """The log of the run that only has a log."""
    (failed,) = (run for run in runs_of(root, "Le Net") if run.status is Status.FAILED)
    (path,) = root.rglob(f"{failed.run.run_id}.log")
    return path


@pytest.mark.parametrize("sample", CHANGED, ids=lambda path: path.name)
def test_every_stored_version_of_a_changed_experiment_opens_with_the_same_answers(sample, tmp_path):
    root = copied(sample, tmp_path)
    before, net = contents(root), root / "Changing"
    ranked = as_json("best", net, "loss", "--lower")
    found = [(one["parameters"], one["value"]["mean"], one["value"]["n"]) for one in ranked]
    assert [(values.get("rate"), values.get("depth"), *rest) for values, *rest in found] == [
        (0.1, 3, 0.125, 1),
        (0.1, None, 0.5, 3),
        (0.2, None, 1.0, 2),
    ]
    (both,) = as_json("best", net, "loss", "--where", "tag:seed:1")
    assert both["value"]["mean"] == 0.25
    assert sorted(tuple(one["tags"]) for one in as_json("tag", net)) == sorted(
        ("all", f"seed:{seed}") for seed in (0, 0, 1, 2, 2, 4)
    )
    assert contents(root) == before
    again = ExperimentHandler(root, "Changing")
    again.set_dict_params({"rate": 0.1, "depth": 2})
    again.set_param("depth", 2, absent_value=2)
    assert again.aggregate_results()["best_loss"]["n"] == 3
    again = ExperimentHandler(root, "Changing")
    again.set_param("rate", 0.1)
    again.set_param("depth", 3, absent_value=4)
    with pytest.raises(ParameterError, match="the absent_value of 'depth' is 2"):
        again.start()
    shown("amend", net, "--compare", "workers", "--yes")
    assert [one["value"]["n"] for one in as_json("best", net, "loss", "--where", "rate=0.2")] == [1, 1]
    shown("amend", net, "--rename", "rate=lr", "--yes")
    assert [one["value"]["n"] for one in as_json("best", net, "loss", "--where", "lr=0.1")] in (
        [1, 3],
        [3, 1],
    )
