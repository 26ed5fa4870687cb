"""Runs of W&B's folders, written by the real SDK: every parameter, number, tag and file, each once."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner
from wandb.proto import wandb_internal_pb2 as theirs

from legm import StorageError
from legm.cli import main
from legm.importers import import_runs
from legm.importers.detection import open_detected_source
from legm.importers.import_notes import ROUNDED
from legm.records import BestRule, Display, Media, MediaKind, Points, Series, Split, Status
from legm.runlog import log_reader
from tests.support.wandb_imports import exported, imported, media_of, own_runs, results, same
from tests.support.wandb_log import framed, records
from tests.support.wandb_scripts import logs, run_script

SCRIPT = """
for rate in (0.1, 0.01):
    for seed in range(2):
        run = begin(project="digits", id=f"r{rate}-{seed}", entity="team", name=f"run {seed}", group="g",
            job_type="train", notes="two\\nlines", tags=["baseline", "ä"],
            config={"lr": rate, "seed": seed, "model": {"depth": 3, "sizes": [64, 32]}, "plain": True})
        run.define_metric("accuracy", summary="max")
        for i in range(20):
            run.log({"loss": rate / (i + 1 + seed), "accuracy": -(i - 7) ** 2, "inner": {"a": i}})
        pixels = np.full((4, 4, 3), seed, np.uint8)
        run.log({"picture": wandb.Image(pixels, caption=f"seed {seed}"), "words": "hello", "loss": 0.5})
        run.summary["test accuracy"] = 0.7 + seed / 10
        run.summary["verdict"] = "good"
        with open(run.dir + "/notes.txt", "w") as file:
            file.write(f"seed {seed}")
        open("m.bin", "w").write(f"weights {seed}")
        for version in range(2):
            artifact = wandb.Artifact("model", "model", f"version {version}", {"layers": [version]})
            with artifact.new_file("deep/m.bin") as file:
                file.write(f"weights {seed} {version}")
            artifact.add_reference(f"https://example.com/{version}.csv", checksum=False)
            run.log_artifact(artifact)
        wandb.save("m.bin")
        run.finish()
begin(project="digits", id="failed", config={"lr": 1}).finish(exit_code=1)
begin(project="digits", id="stopped", config={"lr": 1}).finish(exit_code=255)
lonely = begin(id="lonely", settings={"x_disable_stats": False, "x_stats_sampling_interval": 0.1,
    "x_transaction_log_flush_interval": 0.2})
wandb.log({"loss": 1})
wait_for(f"{lonely.dir}/../*.wandb", b"memory_percent")  # its system metrics
wandb.finish()
killed = begin(project="digits", id="killed", config={"lr": 2},
    settings={"x_transaction_log_flush_interval": 0.2})
for i in range(50):
    killed.log({"loss": i})
wait_for_row(killed, "loss", 49)
os.kill(os.getpid(), signal.SIGKILL)
"""
DEV = Series("loss")
pytestmark = pytest.mark.usefixtures("wandb_home")


@pytest.fixture(scope="module")
def written(tmp_path_factory, prepared) -> Path:
    folder = tmp_path_factory.mktemp("import-wandb")
    done = run_script(prepared, folder, SCRIPT)
    assert len(logs(folder)) == 8, done.stderr
    return folder


def test_every_run_is_what_the_sdk_wrote(written, tmp_path):
    report = import_runs(written, tmp_path / "root")
    assert report.is_complete, report
    assert (report.created, report.kind) == (8, "wandb")
    runs = imported(tmp_path / "root", "digits")
    assert {name: run.status for name, run in runs.items()} == {
        **{f"r{rate}-{seed}": Status.COMPLETED for rate in (0.1, 0.01) for seed in range(2)},
        "failed": Status.FAILED,
        "stopped": Status.INTERRUPTED,
        "killed": Status.INTERRUPTED,
    }
    assert runs["failed"].error == "it ended with exit code 1"
    run = runs["r0.1-1"]
    assert {name: run.run.configuration.parameters[name] for name in run.run.configuration.active} == {
        "lr": 0.1, "model.depth": 3, "model.sizes": [64, 32], "plain": True
    }  # fmt: skip
    assert run.run.parameters == {"seed": 1}
    assert run.run.description == "train"
    origin = run.run.environment["imported"]
    assert (origin["from"], origin["key"], origin["name"]) == ("wandb", "team/digits/r0.1-1", "run 1")
    assert (origin["group"], origin["notes"], origin["entity"]) == ("g", "two\nlines", "team")
    assert origin["tags"] == {"baseline": "", "ä": ""}
    assert origin["summary"] == {"verdict": "good"}
    assert [(one["name"], one["description"], one["metadata"]) for one in origin["artifacts"]] == [
        ("model", f"version {version}", {"layers": [version]}) for version in range(2)
    ]
    assert origin["python"].startswith("CPython")
    assert run.rule == BestRule("early_stopping", metric="accuracy", higher_better=True)
    assert (run.best_step, run.best[DEV]) == (7, 0.1 / 9)
    assert run.test == {Series("test accuracy", Split.TEST): 0.7 + 1 / 10}
    assert {str(series) for series in run.histories} == {"dev/loss", "dev/accuracy", "dev/inner.a"}
    (log,) = written.glob("wandb/*-r0.1-1/*.wandb")
    rows = [
        {"/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in records(log)
        if record.HasField("history")
    ]
    assert run.histories[DEV].values.tolist() == [row["loss"] for row in rows]
    assert run.histories[DEV].steps.tolist() == list(range(21))
    kept = log_reader.read_log(next(tmp_path.glob(f"root/*/*/runs/{run.run.run_id}.log"))).records
    times = {
        (series.name, step): time
        for record in kept
        if isinstance(record, Points)
        for layout, step, time, _ in record.rows()
        for series in layout
    }
    assert [times["loss", step] for step in range(21)] == [row["_timestamp"] for row in rows]
    shown = [(one.name, one.value, one.step) for one in kept if isinstance(one, Display)]
    assert shown == [("words", "hello", 20)]
    (picture,) = (one for one in kept if isinstance(one, Media))
    assert (picture.name, picture.kind, picture.step) == ("picture", MediaKind.IMAGE, 20)
    assert [file.caption for file in picture.files] == ["seed 1"]
    assert Path(picture.files[0].path).read_bytes()[:4] == b"\x89PNG"
    omitted = {remark: count for remark, (count, _) in report.omitted.items()}
    assert omitted.pop("links that lead out of a run's files were left out") == 4
    assert omitted.pop("references to external files in artifacts are not imported") >= 2
    omitted.pop("logs that end in the middle of a record were used up to there", None)
    assert not omitted


def test_what_wandbs_monitor_recorded_is_beside_the_metrics_under_legms_names(written, tmp_path):
    import_runs(written, tmp_path / "root", experiments=["uncategorized"])
    (lonely,) = results(tmp_path / "root", "uncategorized")
    assert lonely.histories[DEV].values.tolist() == [1]
    assert set(lonely.histories) == {DEV}
    kept = log_reader.read_log(next(tmp_path.glob(f"root/*/*/runs/{lonely.run.run_id}.log"))).records
    system = {one.name: one for one in kept if isinstance(one, Display)}
    (log,) = written.glob("wandb/*-lonely/*.wandb")
    stats = {
        item.key: json.loads(item.value_json) for record in records(log) for item in record.stats.item
    }  # the last of each
    assert stats.keys() >= {"memory_percent", "proc.memory.rssMB", "disk./.usageGB", "network.recv"}
    assert system["system/system_memory_usage_percentage"].value == stats["memory_percent"]
    assert system["system/process_memory_megabytes"].value == stats["proc.memory.rssMB"] * 1048576 / 1e6
    assert system["system/disk_usage_megabytes"].value == stats["disk./.usageGB"] * 1073741824 / 1e6
    assert system["system/network_receive_megabytes"].value == stats["network.recv"] / 1e6
    assert system["system/proc.cpu.threads"].value == stats["proc.cpu.threads"]  # legm has none of its own
    assert len(system) == len(stats)
    assert all(name.startswith("system/") and 0 <= one.step < 60 for name, one in system.items())


def test_files_and_artifacts_are_kept_with_the_run(written, tmp_path):
    import_runs(written, tmp_path / "root", experiments=["digits"])
    run = imported(tmp_path / "root", "digits")["r0.1-1"]
    (folder,) = tmp_path.glob(f"root/digits/*/artifacts/{run.run.run_id}")
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert found["notes.txt"].read_text() == "seed 1"
    assert found["model_x3a_v0/deep/m.bin"].read_text() == "weights 1 0"
    assert found["model_x3a_v1/deep/m.bin"].read_text() == "weights 1 1"
    assert not [name for name in found if name.startswith("media/")]  # they are media
    assert "m.bin" not in found


def test_seeds_are_one_configuration_and_a_second_import_adds_nothing(written, tmp_path):
    first = import_runs(written / "wandb", tmp_path / "root", experiments=["digits"])
    assert first.configurations == 4  # two learning rates, and two of runs that ended otherwise
    assert {*first.identities["digits"].ignored} == {"seed"}
    again = import_runs(written / "wandb", tmp_path / "root", experiments=["digits"])
    assert (again.created, again.updated, again.unchanged, again.is_complete) == (0, 0, 7, True)


@pytest.mark.parametrize("what", ["folder", "log"])
def test_a_single_run_is_imported_by_its_folder_or_its_log(written, tmp_path, what):
    (log,) = written.glob("wandb/*-r0.1-1/*.wandb")
    report = import_runs(log if what == "log" else log.parent, tmp_path / "root")
    assert (report.created, report.is_complete) == (1, True)
    assert report.equal["files"] == 4


def test_a_run_whose_log_is_missing_has_its_configuration_and_last_values(written, tmp_path):
    # The SDK writes these files for a run that goes to a server.
    folder = tmp_path / "wandb" / "run-20260131_101502-abc12345"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "config.yaml").write_text(
        "_wandb:\n  value: {cli_version: 0.16.0}\nlr:\n  desc: null\n  value: 0.1\n"
        "model:\n  value: {depth: 3}\nseed:\n  value: 1\n"
    )
    summary = {"loss": 0.25, "nested": {"acc": 1}, "words": "hi", "bad": "NaN"}
    own = {"_step": 20, "_runtime": 5.0, "_timestamp": 1_700_000_100.5, "_wandb": {"runtime": 5}}
    (folder / "files" / "wandb-summary.json").write_text(json.dumps(summary | own))
    metadata = {"startedAt": "2023-11-14T22:13:20.123456789Z", "program": "train.py", "host": "node"}
    (folder / "files" / "wandb-metadata.json").write_text(json.dumps(metadata))
    (folder / "files" / "notes.txt").write_text("of the run")
    (log,) = written.glob("wandb/*-r0.1-1/*.wandb")
    shutil.copytree(log.parent, tmp_path / "wandb" / log.parent.name)
    report = import_runs(tmp_path, tmp_path / "root")
    assert (report.is_complete, report.created) == (True, 2)
    (run,) = results(tmp_path / "root", "uncategorized")
    assert run.run.configuration.active == ("lr", "model.depth")
    assert run.run.configuration.parameters == {"lr": 0.1, "model.depth": 3, "seed": 1}
    assert run.run.started == pytest.approx(1_700_000_000.123456)
    assert (run.status, run.ended) == (Status.COMPLETED, 1_700_000_100.5)
    values = {series.name: (one.steps.tolist(), one.values.tolist()) for series, one in run.histories.items()}
    assert repr(values.pop("bad")) == "([20], [nan])"
    assert values == {"loss": ([20], [0.25]), "nested.acc": ([20], [1.0])}
    assert run.run.environment["imported"]["program"] == "train.py"
    (kept,) = tmp_path.glob("root/uncategorized/*/artifacts/*/notes.txt")
    assert kept.read_text() == "of the run"
    assert any("without their log" in remark for remark in report.omitted)
    (folder / "files" / "wandb-summary.json").write_text("[")
    report = import_runs(tmp_path, tmp_path / "again")
    assert "wandb-summary.json" in next(iter(report.failed.values()))


def test_the_command_reports_what_was_captured(written, tmp_path):
    done = CliRunner().invoke(main, ["import", str(written), str(tmp_path / "root"), "--dry-run"])
    assert "8 runs would be imported" in done.output
    assert not (tmp_path / "root").exists()


def test_wandb_need_not_be_there(written, tmp_path):
    code = (
        "import sys; sys.modules['wandb'] = None\n"
        "from legm.importers import import_runs\n"
        f"assert import_runs({str(written)!r}, {str(tmp_path / 'root')!r}).is_complete\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_resumed_run_is_imported_again(tmp_path):
    whole = [theirs.Record(), theirs.Record(), theirs.Record()]
    whole[0].run.run_id = "live"
    whole[0].run.start_time.seconds = 1_700_000_000
    whole[1].history.item.add(nested_key=["loss"], value_json="1")
    whole[2].history.item.add(nested_key=["loss"], value_json="2")
    whole[2].history.step.num = 1
    end = theirs.Record(exit=theirs.RunExitRecord(exit_code=0))
    log = tmp_path / "wandb" / "run-1-live" / "run-live.wandb"
    log.parent.mkdir(parents=True)
    data = [record.SerializeToString() for record in [*whole, end]]
    log.write_bytes(framed(data[:2]) + b"torn")
    report = import_runs(tmp_path, tmp_path / "root")
    assert (report.created, report.is_complete) == (1, True)
    assert [one.status for one in results(tmp_path / "root", "uncategorized")] == [Status.INTERRUPTED]
    assert any("in the middle of a record" in remark for remark in report.omitted)
    log.write_bytes(framed(data))
    report = import_runs(tmp_path, tmp_path / "root")
    assert (report.created, report.updated, report.is_complete) == (0, 1, True)
    (run,) = results(tmp_path / "root", "uncategorized")
    assert (run.status, run.histories[DEV].values.tolist()) == (Status.COMPLETED, [1, 2])


# Fragments


def test_a_resumed_run_is_one_run(tmp_path, prepared):
    text = """
for part in range(3):
    run = begin(project="p", id="same", resume="allow", config={"lr": 0.1, f"part{part}": part})
    for i in range(4):
        run.log({"loss": 10 * part + i})
    open(run.dir + "/notes.txt", "w").write(f"part {part}")
    open(run.dir + f"/own{part}.txt", "w").write("x")
    run.summary[f"score{part}"] = part
    run.finish(exit_code=1 if part == 0 else 0)
    second = time.localtime().tm_sec
    while time.localtime().tm_sec == second:  # which names the folder
        time.sleep(0.01)
"""
    done = run_script(prepared, tmp_path, text)
    assert len(logs(tmp_path)) == 3, done.stderr
    report = import_runs(tmp_path, tmp_path / "root")
    assert (report.created, report.is_complete) == (1, True)
    (run,) = results(tmp_path / "root", "p")
    assert run.histories[DEV].steps.tolist() == list(range(12))
    assert run.histories[DEV].values.tolist() == [10 * part + i for part in range(3) for i in range(4)]
    assert dict(run.run.configuration.parameters) == {"lr": 0.1, "part0": 0, "part1": 1, "part2": 2}
    assert {series.name for series in run.test} == {"score0", "score1", "score2"}
    assert run.status is Status.COMPLETED
    (folder,) = tmp_path.glob(f"root/p/*/artifacts/{run.run.run_id}")
    kept = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.txt")}
    assert kept["notes.txt"] == "part 2"
    assert (kept["fragments/0/notes.txt"], kept["fragments/1/notes.txt"]) == ("part 0", "part 1")
    assert {"own0.txt", "own1.txt", "own2.txt"} <= {*kept}


def test_a_fragment_that_knows_of_earlier_steps_keeps_its_own(tmp_path):
    for part, steps in enumerate(([0, 1, 2, 3], [2, 3, 4])):
        begun = theirs.Record()
        begun.run.run_id, begun.run.project = "same", "p"
        begun.run.start_time.seconds = 1_700_000_000 + part
        rows = []
        for step in steps:
            row = theirs.Record()
            row.history.item.add(nested_key=["loss"], value_json=str(10 * part + step))
            row.history.step.num = step
            rows.append(row)
        # The folders' names say nothing of the order.
        log = tmp_path / "wandb" / f"run-{9 - part}-same" / "run-same.wandb"
        log.parent.mkdir(parents=True)
        log.write_bytes(framed([record.SerializeToString() for record in [begun, *rows]]))
    import_runs(tmp_path, tmp_path / "root")
    (run,) = results(tmp_path / "root", "p")
    assert run.histories[DEV].steps.tolist() == [0, 1, 2, 3, 4]
    assert run.histories[DEV].values.tolist() == [0, 1, 12, 13, 14]


# legm's own


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("own")
    own_runs(root)
    return root


@pytest.mark.parametrize("tracker", ["wandb", "mlflow"])
def test_runs_that_were_exported_come_back_as_they_were(own, tmp_path, tracker):
    source = exported(own, tracker, tmp_path / "there")
    report = import_runs(source, tmp_path / "root")
    assert report.is_complete, report
    expected, found = results(own, "e “d”"), results(tmp_path / "root", "e “d”")
    assert [one.status for one in expected].count(Status.INTERRUPTED) >= 1
    assert len(expected) == report.created
    for ours, theirs_ in zip(found, expected, strict=True):
        assert same(ours) == same(theirs_)
    (described,) = [one for one in found if len(one.histories) == 1 and one.status is Status.COMPLETED]
    (log,) = (tmp_path / "root").glob(f"*/*/runs/{described.run.run_id}.log")
    shown = {
        (one.name, one.value, one.step)
        for one in log_reader.read_log(log).records
        if isinstance(one, Display)
    }
    assert shown == {("note", "a *text*", 3), ("extra @", 0.5, 4)}
    kept = {path.name for path in (tmp_path / "root").glob(f"*/*/artifacts/{described.run.run_id}/*")}
    assert kept == {"weights @.bin", "legm-media"}
    media = media_of(own, "e “d”")
    assert [one[:4] for one in media] == [
        ("pictures/two", "image", 3, "a"),
        ("pictures/two", "image", 3, "b"),
        ("weights", "histogram", 3, ""),
        ("answers", "table", 4, ""),
    ]
    assert media_of(tmp_path / "root", "e “d”") == media
    (before,) = own.glob(f"*/*/runs/{described.run.run_id}.log")
    ours, original = (
        next(one.times.tolist() for one in log_reader.read_log(path).records if isinstance(one, Points))
        for path in (log, before)
    )
    assert ours == pytest.approx(original, abs=0.0011)
    assert import_runs(source, tmp_path / "root").unchanged == len(expected)


def test_a_run_of_legms_own_without_a_result_comes_from_its_rows(own, tmp_path):
    source = exported(own, "wandb", tmp_path / "there")
    for name in ("result.json", "series.npz"):
        for path in source.glob(f"wandb/*/files/legm/{name}"):
            path.unlink()
    report = import_runs(source, tmp_path / "root")
    assert report.is_complete, report
    assert any("bookkeeping" in remark for remark in report.omitted)
    for found, known in zip(results(tmp_path / "root", "e “d”"), results(own, "e “d”"), strict=True):
        assert (found.status, found.run) == (Status.INTERRUPTED, known.run)
        assert {*found.histories} == {series for series in known.histories if series.index is None}
        for series, history in found.histories.items():
            assert history.steps.tolist() == known.histories[series].steps.tolist()
            assert repr(history.values + 0.0) == repr(known.histories[series].values + 0.0)
        tests = {series.name: value for series, value in known.test.items() if series.index is None}
        assert repr(sorted((one.name, value) for one, value in found.test.items())) == repr(
            sorted(tests.items())
        )


# What is broken, or means harm


def hostile(folder: Path, run_id: str = "r1", project: str = "p", **config: str) -> list[bytes]:
    """The records of a run with one number, and its log in a folder."""
    begun, row = theirs.Record(), theirs.Record()
    begun.run.run_id, begun.run.project = run_id, project
    begun.run.start_time.seconds = 1_700_000_000
    for name, text in config.items():
        begun.run.config.update.add(key=name, value_json=text)
    row.history.item.add(nested_key=["loss"], value_json="1.5")
    row.history.item.add(nested_key=["_timestamp"], value_json="1700000001")
    end = theirs.Record(exit=theirs.RunExitRecord(exit_code=0))
    made = [record.SerializeToString() for record in (begun, row, end)]
    folder.mkdir(parents=True)
    (folder / "run-x.wandb").write_bytes(framed(made))
    return made


def everything(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_names_that_climb_stay_below_the_root(tmp_path):
    folder = tmp_path / "a" / "b" / "wandb" / "run-1-x"
    made = hostile(folder, "../../../climbed", "../../../climbed", **{"../../climbed": '"../../climbed"'})
    artifact = theirs.Record()
    artifact.artifact.name, artifact.artifact.type = "../../../climbed", "model"
    staged = tmp_path / "artifacts" / "staging" / "tmp1"
    staged.parent.mkdir(parents=True)
    staged.write_text("staged")
    secret = tmp_path / "secret"
    secret.write_text("password")
    (staged.parent / "link").symlink_to(secret)
    for name, local in [
        ("../../../climbed", staged),
        ("/climbed", staged),
        ("secret", secret),
        ("link", staged.parent / "link"),
        ("up", staged.parent / ".." / ".." / "secret"),
    ]:
        artifact.artifact.manifest.contents.add(path=name, local_path=str(local), digest="../../climbed")
    text = theirs.Record()
    text.history.item.add(nested_key=["../../../climbed"], value_json='"text"')
    text.history.item.add(nested_key=[".."], value_json="1")
    text.history.item.add(nested_key=["..", "/", "climbed"], value_json="1")
    row = [artifact.SerializeToString(), text.SerializeToString()]
    (folder / "run-x.wandb").write_bytes(framed([*made[:-1], *row, made[-1]]))
    files = folder / "files"
    files.mkdir()
    (files / "out").symlink_to(tmp_path)
    (files / "secret").symlink_to(secret)
    (files / "..x").write_text("fine")
    before = everything(tmp_path)
    root = tmp_path / "a" / "root"
    report = import_runs(tmp_path / "a" / "b", root)
    assert report.is_complete, report
    assert report.created == 1
    new = everything(tmp_path) - before
    assert all(name.startswith("a/root") for name in new)
    assert not [p for p in root.rglob("*") if p.is_file() and b"password" in p.read_bytes()]
    omitted = {remark: count for remark, (count, _) in report.omitted.items()}
    assert omitted["links that lead out of a run's files were left out"] == 2
    assert "files of artifacts that are no longer on this machine" in omitted
    kept = [path for path in root.glob("*/*/artifacts/**/*") if path.is_file()]
    assert sorted(path.read_text() for path in kept) == ["fine", "staged", "staged"]


def test_a_run_that_cannot_be_read_costs_that_run_alone(tmp_path):
    hostile(tmp_path / "wandb" / "run-1-a", "good")
    hostile(tmp_path / "wandb" / "run-2-b", "bad")
    (tmp_path / "wandb" / "run-2-b" / "run-x.wandb").write_bytes(b"no log at all")
    empty = tmp_path / "wandb" / "run-3-c" / "run-c.wandb"
    empty.parent.mkdir()
    empty.write_bytes(b":W&B\xe1\xbe\x00")
    report = import_runs(tmp_path, tmp_path / "root")
    (problem,) = report.failed.values()
    assert "starts with b'no log " in problem
    assert (report.created, report.is_complete) == (1, False)
    assert "logs without a run were left out: nothing was written to them" in report.omitted


def test_odd_values_are_kept_and_damage_is_reported(tmp_path):
    deep = "[" * 100_000
    made = hostile(tmp_path / "wandb" / "run-1-a", "r1", lr="{oops", deep=deep, big="9" * 5000, empty="{}")
    row = theirs.Record()
    row.history.item.add(nested_key=["loss"], value_json="7")
    row.history.step.num = 2**63 - 1
    odd = theirs.Record(
        history=theirs.HistoryRecord(
            item=[
                theirs.HistoryItem(nested_key=[], value_json="1"),
                theirs.HistoryItem(nested_key=["x" * 300], value_json="2"),
                theirs.HistoryItem(nested_key=["huge"], value_json="1e999"),
                theirs.HistoryItem(nested_key=["_timestamp"], value_json="1e300"),
            ],
            step=theirs.HistoryStep(num=-(2**63)),
        )
    )
    log = tmp_path / "wandb" / "run-1-a" / "run-x.wandb"
    data = framed([*made[:-1], odd.SerializeToString(), row.SerializeToString(), b"\xff" * 10, made[-1]])
    log.write_bytes(data)
    report = import_runs(tmp_path, tmp_path / "root")
    assert report.is_complete, report
    (run,) = results(tmp_path / "root", "p")
    odd_ones = {"lr": "{oops", "deep": deep, "big": "9" * 5000, "empty": {}}
    assert dict(run.run.configuration.parameters) == odd_ones
    assert run.histories[Series("huge")].values.tolist() == [float("inf")]
    assert "logs with damaged parts: the records there were left out" in report.omitted


def test_whole_numbers_that_lose_digits_are_reported(tmp_path):
    begun, *rows, end = hostile(tmp_path / "wandb" / "run-1-a")
    for name, text in (("tokens", 2**53 + 1), ("exact", 2**60), ("tokens", 2**53 + 3), ("far", 10**400)):
        row = theirs.Record()
        row.history.item.add(nested_key=[name], value_json=str(text))
        rows.append(row.SerializeToString())
    summary = theirs.Record()
    summary.summary.update.add(nested_key=["set"], value_json=str(-(2**53) - 1))
    log = tmp_path / "wandb" / "run-1-a" / "run-x.wandb"
    log.write_bytes(framed([begun, *rows, summary.SerializeToString(), end]))
    report = import_runs(tmp_path, tmp_path / "root")
    assert report.is_complete, report
    assert report.omitted[ROUNDED] == (3, f"far of {log}")
    (run,) = results(tmp_path / "root", "p")
    assert run.histories[Series("tokens")].values.tolist() == [2.0**53, 2.0**53 + 4]
    assert run.histories[Series("exact")].values.tolist() == [2.0**60]
    assert run.test == {Series("set", Split.TEST): -(2.0**53)}


def within_record(data: bytes, cut: int) -> int:
    """Where to cut a log, in its first block, so that no record ends there."""
    at = 7  # of the file's header
    while at + 7 <= cut:
        at += 7 + int.from_bytes(data[at + 4 : at + 6], "little")
    return cut - 1 if at == cut else cut


@pytest.mark.parametrize("cut", [3, 7, 60, 2_000, 40_000])
def test_a_truncated_log_is_read_up_to_its_end(written, tmp_path, cut):
    (log,) = written.glob("wandb/*-r0.1-1/*.wandb")
    shutil.copytree(log.parent, tmp_path / "wandb" / log.parent.name)
    data = log.read_bytes()
    copy = tmp_path / "wandb" / log.parent.name / log.name
    copy.write_bytes(data[: within_record(data, cut)])
    report = import_runs(tmp_path, tmp_path / "root")
    assert report.is_complete
    assert report.omitted
    assert report.created == (cut > 1000)


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path):
    for number in range(6):
        made = hostile(tmp_path / "wandb" / f"run-{number}-a", f"r{number}")
        rows = []
        for step in range(1500):
            row = theirs.Record()
            row.history.item.add(nested_key=["loss"], value_json=str(step / 7))
            row.history.step.num = step
            rows.append(row.SerializeToString())
        log = tmp_path / "wandb" / f"run-{number}-a" / "run-x.wandb"
        log.write_bytes(framed([made[0], *rows, made[-1]]))
    peaks = []
    for runs in (1, 6):
        tracemalloc.start()
        source = open_detected_source(tmp_path)
        for run, _ in zip(source.runs(), range(runs), strict=False):
            assert sum(len(one) for one in run.records() if isinstance(one, Points)) == 1500
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_what_pretends_to_be_a_run_of_legms_own_costs_that_run_alone(own, tmp_path):
    source = exported(own, "wandb", tmp_path / "a" / "b" / "there")
    path = min(source.glob("wandb/*/files/legm/run.json"))
    content = json.loads(path.read_text())
    content["configuration"]["name"] = "../../../climbed"
    path.write_text(json.dumps(content))
    before = everything(tmp_path)
    report = import_runs(source, tmp_path / "a" / "root")
    (problem,) = report.failed.values()
    assert "is not a safe file name" in problem
    assert report.created >= 2
    assert all(name.startswith("a/root") for name in everything(tmp_path) - before)


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "latest-run").symlink_to(tmp_path)
    with pytest.raises(StorageError, match=r"a wandb folder, a \.wandb file"):
        import_runs(tmp_path, tmp_path / "root")


def test_a_log_that_was_moved_alone_does_not_claim_files_in_its_new_folder(tmp_path):
    made = hostile(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "files").mkdir()
    (tmp_path / "elsewhere" / "files" / "private.txt").write_text("x")
    log = tmp_path / "elsewhere" / "run-x.wandb"
    log.write_bytes(framed(made))
    report = import_runs(log, tmp_path / "root")
    assert (report.created, report.is_complete) == (1, True)
    assert "files" not in report.equal


def test_garbage_with_sound_checksums_never_ends_an_import(tmp_path):
    chance = random.Random(2)
    made = hostile(tmp_path / "wandb" / "run-1-a")
    log = tmp_path / "wandb" / "run-1-a" / "run-x.wandb"
    for attempt in range(40):
        bent = []
        for record in made * 3:
            data = bytearray(record)
            for _ in range(chance.randrange(4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            bent.append(bytes(data))
        log.write_bytes(framed([made[0], *bent, made[-1]]))
        report = import_runs(tmp_path, tmp_path / f"root{attempt}")
        assert not report.differences, report
        assert report.created + len(report.failed) + len(report.omitted) >= 1


def test_a_configuration_that_only_looks_like_legms_own_loses_nothing(tmp_path):
    for number, name in enumerate(("legm_experiment", "legm_run")):
        hostile(tmp_path / "wandb" / f"run-{number}-x", f"r{number}", **{name: '"mine"', "lr": "1"})
    report = import_runs(tmp_path, tmp_path / "root")
    assert (report.created, report.is_complete) == (2, True)
    for run in results(tmp_path / "root", "p"):
        assert run.histories[DEV].values.tolist() == [1.5]
