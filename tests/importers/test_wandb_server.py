"""Runs on a W&B server: the real SDK writes them to a stand-in, and reads them from it."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import wandb
from PIL import Image

import legm
from legm import StorageError
from legm.core.code_versions import count_code, different_code_note
from legm.importers import import_runs
from legm.importers.detection import open_detected_source
from legm.importers.wandb import server
from legm.importers.wandb.server import WandbServerSource
from legm.importers.wandb.server_history import scanned_server_history
from legm.records import BestRule, Display, Series, Split, Status
from legm.runlog.log_reader import read_log
from tests.support.repositories import Repository
from tests.support.wandb_imports import exported, imported, media_of, own_runs, results, same
from tests.support.wandb_media import MEDIA, assert_media_of_wandb
from tests.support.wandb_scripts import run_script
from tests.support.wandb_server import ENTITY, KEY, environment, serving

SCRIPT = """
for seed in range(2):
    run = begin(project="digits", id=f"r{seed}", name=f"run {seed}", group="g", job_type="train",
        notes="two\\nlines", tags=["baseline", "ä"],
        config={"lr": 0.1, "seed": seed, "model": {"depth": 3, "sizes": [64, 32]}, "plain": True})
    run.define_metric("accuracy", summary="max")
    for i in range(2500):
        run.log({"loss": 1 / (i + 1 + seed), "accuracy": -(i - 7) ** 2, "inner": {"a": i},
            "odd": [float("nan"), float("inf"), float("-inf"), 0.5][i % 4]})
    run.log({"picture": wandb.Image(np.full((4, 4, 3), seed, np.uint8)), "words": "hello", "loss": 0.5})
    run.summary["test accuracy"] = 0.5 + seed
    run.summary["undefined"] = float("inf")
    run.summary["verdict"] = "good"
    os.makedirs(run.dir + "/deep")
    for name, text in [("deep/notes.txt", f"seed {seed}"), ("empty.txt", "")]:
        with open(f"{run.dir}/{name}", "w") as file:
            file.write(text)
        run.save(f"{run.dir}/{name}", base_path=run.dir)
    artifact = wandb.Artifact("model", "model", f"of seed {seed}" if seed else None,
        metadata={"epochs": 3, "scores": {"top1": 0.5}} if seed else None)
    with artifact.new_file("deep/m.bin") as file:
        file.write(f"weights {seed}")
    artifact.add_reference("https://example.com/x.csv", checksum=False)
    run.log_artifact(artifact)
    run.finish()
begin(project="digits", id="failed", config={"lr": 1}).finish(exit_code=1)
more = begin(project="other", id="more", config={"lr": 1},
    settings={"x_disable_stats": False, "x_stats_sampling_interval": 0.1})
more.define_metric("val/*", step_metric="epoch", summary="min")
for epoch in range(3):
    more.log({"loss": 1})
    more.log({"epoch": epoch})
    more.log({"val/loss": 3 - epoch})
wait_for(f"{more.dir}/../*.wandb", b"memory_percent")  # its system metrics
more.finish()
"""
LOSS = Series("loss")


@pytest.fixture(autouse=True)
def _home(tmp_path_factory, monkeypatch, filled):
    """Nothing of the user's own W&B is read or written; the server is the stand-in."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name, value in environment(filled, home).items():
        monkeypatch.setenv(name, value)
    wandb.teardown()


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def run_online(prepared, server, folder, script):
    """Run a script in a folder, whose runs go to a server."""
    variables = environment(server, folder / "home")
    wanted = {name: value for name, value in variables.items() if name.startswith(("WANDB_", "NO_", "no_"))}
    done = run_script(prepared, folder, script.replace("begin(", 'begin(mode="online", '), **wanted)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory, prepared):
    """A server with runs."""
    folder = tmp_path_factory.mktemp("server")
    with serving() as server:
        run_online(prepared, server, folder, SCRIPT)
        assert len(server.runs) == 4
        server.words = True
        yield server
    assert not server.unknown


@pytest.mark.parametrize(("address", "count"), [("digits", 3), ("digits/r1", 1), ("", 4)])
def test_the_number_of_runs_is_known_before_they_are_read(filled, address, count):
    source = WandbServerSource(f"wandb:{ENTITY}/{address}".rstrip("/"))
    assert source.number_of_runs() == count == len(list(source.runs()))


def test_every_run_of_a_project_is_what_the_sdk_wrote(filled, tmp_path):
    report = import_runs(f"wandb:{ENTITY}/digits", tmp_path / "root")
    assert report.is_complete, report
    assert (report.created, report.kind) == (3, "wandb")
    runs = imported(tmp_path / "root", "digits")
    assert {name: run.status for name, run in runs.items()} == {
        "r0": Status.COMPLETED, "r1": Status.COMPLETED, "failed": Status.FAILED
    }  # fmt: skip
    run = runs["r1"]
    assert {name: run.run.configuration.parameters[name] for name in run.run.configuration.active} == {
        "lr": 0.1, "model.depth": 3, "model.sizes": [64, 32], "plain": True
    }  # fmt: skip
    assert (run.run.parameters, run.run.description) == ({"seed": 1}, "train")
    origin = run.run.environment["imported"]
    assert (origin["key"], origin["name"], origin["group"]) == (f"{ENTITY}/digits/r1", "run 1", "g")
    assert (origin["tags"], origin["notes"]) == ({"baseline": "", "ä": ""}, "two\nlines")
    assert origin["summary"]["verdict"] == "good"
    assert origin["artifacts"] == [
        {"name": "model:v0", "type": "model", "aliases": [], "description": "of seed 1",
         "metadata": {"epochs": 3, "scores": {"top1": 0.5}}}
    ]  # fmt: skip
    assert run.rule == BestRule("early_stopping", metric="accuracy", higher_better=True)
    assert run.test == {
        Series("test accuracy", Split.TEST): 1.5, Series("undefined", Split.TEST): math.inf
    }  # fmt: skip
    assert {str(series) for series in run.histories} == {"dev/loss", "dev/accuracy", "dev/inner.a", "dev/odd"}
    assert run.histories[LOSS].steps.tolist() == list(range(2501))
    assert run.histories[LOSS].values.tolist() == [1 / (i + 2) for i in range(2500)] + [0.5]
    odd = run.histories[Series("odd")].values[:4].tolist()
    assert repr(odd) == "[nan, inf, -inf, 0.5]"
    (folder,) = tmp_path.glob(f"root/digits/*/artifacts/{run.run.run_id}")
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert found["deep/notes.txt"].read_text() == "seed 1"
    assert found["empty.txt"].read_text() == ""
    assert found["model_x3a_v0/deep/m.bin"].read_text() == "weights 1"
    assert [one[0::2][:2] for one in media_of(tmp_path / "root", "digits")] == [("picture", 2500)] * 2
    again = import_runs(f"wandb:{ENTITY}/digits", tmp_path / "root")
    assert (again.created, again.updated, again.unchanged) == (0, 0, 3)


def test_system_metrics_of_wandb_are_beside_the_runs_metrics_under_legms_names(filled, tmp_path, monkeypatch):
    events = filled.run("more").events
    assert {"system.memory_percent", "_timestamp", "_runtime"} <= set().union(*events)
    assert import_runs(f"wandb:{ENTITY}/other", tmp_path / "root").is_complete
    (run,) = results(tmp_path / "root", "other")
    assert {one.name for one in run.histories} == {"loss", "epoch", "val/loss"}
    (log,) = tmp_path.glob(f"root/*/*/runs/{run.run.run_id}.log")
    shown = [one for one in read_log(log).records if isinstance(one, Display)]
    assert len(shown) == sum(key.startswith("system.") for event in events for key in event)
    for key, name, unit in [
        ("memory_percent", "system_memory_usage_percentage", None),
        ("proc.memory.rssMB", "process_memory_megabytes", 1 << 20),
        ("disk./.usageGB", "disk_usage_megabytes", 1 << 30),
        ("network.sent", "network_transmit_megabytes", 1),
        ("proc.cpu.threads", "proc.cpu.threads", None),  # legm has none of its own
    ]:
        assert [(one.value, one.step, one.time) for one in shown if one.name == f"system/{name}"] == [
            (value * unit / 1e6 if unit else value, int(event["_runtime"]), event["_timestamp"])
            for event in events
            if (value := event.get(f"system.{key}")) is not None
        ]
    monkeypatch.setattr(server, "_SAMPLES", 1)  # of a run that has more than W&B's interface gives
    report = import_runs(f"wandb:{ENTITY}/other", tmp_path / "sampled")
    assert report.omitted["of the system metrics 1 samples were imported"][0] == 1


@pytest.mark.parametrize(
    ("form", "count"),
    [
        ("wandb:{entity}", 4),
        ("wandb:{entity}/other", 1),
        ("wandb:{entity}/digits/r1", 1),
        ("{url}/{entity}/other", 1),
        ("{url}/{entity}/digits/workspace?nw=x", 3),
        ("{url}/{entity}/digits/runs/r0/overview", 1),
    ],
)
def test_a_source_is_an_entity_a_project_or_a_run(filled, tmp_path, form, count):
    source = form.format(entity=ENTITY, url=filled.url)
    assert import_runs(source, tmp_path / "root", dry_run=True).created == count


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("wandb:", "is not an address of W&B runs: pass wandb:ENTITY/PROJECT"),
        ("wandb:a/b/c/d", "is not an address of W&B runs"),
        ("https://wandb.ai/", "is not an address of W&B runs"),
        (f"wandb:{ENTITY}/nothing", "cannot list the runs of wandb:"),
        (f"wandb:{ENTITY}/digits/nothing", "cannot read the run of wandb:"),
    ],
)
def test_what_is_not_there_is_a_clear_error(tmp_path, source, said):
    with pytest.raises(StorageError, match=said):
        import_runs(source, tmp_path / "root")


def test_without_a_login_or_without_wandb_the_error_says_what_to_do(monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    wandb.teardown()
    with pytest.raises(StorageError, match="run `wandb login`, or set WANDB_API_KEY"):
        open_detected_source(f"wandb:{ENTITY}/digits")
    code = """
import sys
sys.modules["wandb"] = None
from legm.importers import import_runs
import_runs("wandb:a/b", "root")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "install W&B: pip install 'legm[wandb]'" in done.stderr


LABELLED = """
for name in ("svm", "forest"):
    begin(project="named", name=name, id=name).finish()
for group in ("g", "h"):
    for seed in range(2):
        begin(project="groups", group=group, config={"seed": seed}, id=f"{group}{seed}").finish()
"""


def test_runs_that_only_names_or_groups_distinguish_are_not_averaged(filled, prepared, tmp_path):
    run_online(prepared, filled, tmp_path, LABELLED)
    found = {}
    try:
        for project in ("named", "groups"):
            assert import_runs(f"wandb:{ENTITY}/{project}", tmp_path / "root").is_complete
            by_configuration = {}
            for key, run in imported(tmp_path / "root", project).items():
                by_configuration.setdefault(run.run.configuration.fingerprint, []).append(key)
            found[project] = sorted(map(sorted, by_configuration.values()))
    finally:
        for key in [key for key in filled.runs if key[1] in {"named", "groups"}]:
            del filled.runs[key]
    assert found == {"named": [["forest"], ["svm"]], "groups": [["g0", "g1"], ["h0", "h1"]]}


@pytest.mark.parametrize("state", ["crashed", "killed", "running"])
def test_a_run_without_an_end_is_an_interrupted_one_and_taken_again(filled, tmp_path, state):
    run = filled.runs[ENTITY, "other", "more"]
    run.state = state
    try:
        report = import_runs(f"wandb:{ENTITY}/other", tmp_path / "root")
        assert (report.created, report.is_complete) == (1, True)
        assert [one.status for one in results(tmp_path / "root", "other")] == [Status.INTERRUPTED]
    finally:
        run.state = "finished"
    assert import_runs(f"wandb:{ENTITY}/other", tmp_path / "root").updated == 1
    assert [one.status for one in results(tmp_path / "root", "other")] == [Status.COMPLETED]


def test_media_of_a_server_are_media_with_their_names_steps_and_captions(prepared, tmp_path, monkeypatch):
    with serving() as server:
        script = f'{MEDIA}\nrun = begin(project="pictures", id="one")\nlog_media(run)\nrun.finish()\n'
        run_online(prepared, server, tmp_path, script)
        for name, value in environment(server, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        server.words = True
        report = import_runs(f"wandb:{ENTITY}/pictures", tmp_path / "root")
        assert report.is_complete, report
        assert_media_of_wandb(tmp_path / "root")


def test_pictures_in_a_table_that_is_logged_again_are_those_of_its_step(prepared, tmp_path, monkeypatch):
    script = """
run = begin(project="tables", id="one")
for step in range(2):
    picture = wandb.Image(np.full((4, 4, 3), 7 + step, np.uint8))
    run.log({"predictions": wandb.Table(columns=["id", "picture"], data=[[1, picture]])})
run.finish()
"""
    with serving() as server:
        run_online(prepared, server, tmp_path, script)
        for name, value in environment(server, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        (run,) = server.runs.values()
        assert [one["version"] for one in run.artifacts.values() if one["type"] == "run_table"] == [0, 1]
        assert import_runs(f"wandb:{ENTITY}/tables", tmp_path / "root").is_complete
        project = legm.open(tmp_path / "root")
        pictures = project.media("predictions/picture")
        shades = [pixels(project.media_content(digest)).max() for digest in pictures["digest"]]
        assert list(zip(pictures["step"].tolist(), shades, strict=True)) == [(0, 7), (1, 8)]

        for one in run.artifacts.values():
            one["client_id"] = None  # as of a server that does not know it
        report = import_runs(f"wandb:{ENTITY}/tables", tmp_path / "other")
        assert report.is_complete
        assert report.omitted["media of tables whose artifact the server does not name"][0] == 2
        assert not len(legm.open(tmp_path / "other").media("predictions/picture"))


def test_names_of_files_that_climb_are_left_out(filled, tmp_path):
    run = filled.runs[ENTITY, "other", "more"]
    for name in ("../../climbed", "/climbed", "a/../../climbed", "..\\climbed", "fine.txt"):
        run.files[name] = b"x"
    try:
        report = import_runs(f"wandb:{ENTITY}/other", tmp_path / "a" / "root")
    finally:
        for name in [name for name in run.files if "climbed" in name or name == "fine.txt"]:
            del run.files[name]
    assert report.is_complete
    assert report.omitted["files whose names lead out of the run's folder were left out"][0] == 4
    assert not [*tmp_path.rglob("*climbed*")]
    assert [*tmp_path.rglob("fine.txt")]


TRACED = """
import os, subprocess
from pathlib import Path
os.environ["WANDB_DISABLE_GIT"] = "false"
for seed in range(2):
    with begin(project="traced", id=f"t{seed}", config={"lr": 1, "seed": seed},
            settings={"disable_git": False, "program": "train.py", "x_save_requirements": True}) as run:
        run.log({"loss": 0.5})
    subprocess.run(["git", *GIT, "commit", "-q", "--allow-empty", "-m", "next"], check=True)
"""
ORIGIN = ("git", "script", "command", "host", "os", "python", "distributions")


def test_a_run_comes_from_where_an_import_of_its_folder_says(filled, prepared, tmp_path):
    repository = Repository(tmp_path / "code", **{".gitignore": "wandb/\nhome/\n"})
    repository.git("remote", "add", "origin", "https://me:secret@example.org/code.git")
    first = repository.head
    git = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    try:
        run_online(prepared, filled, repository.folder, f"GIT = {git}\n{TRACED}")
        assert import_runs(f"wandb:{ENTITY}/traced", tmp_path / "root").is_complete
        assert import_runs(repository.folder / "wandb", tmp_path / "of folder").is_complete
        stored = filled.runs[ENTITY, "traced", "t1"].files
        damaged = {}
        odd = b'{"git": [], "args": {"a": 1}, "program": 3, "host": "\\ud800", "os": "x"}'
        for content in (b"[", b"[" * 100_000, b"[]", odd):
            stored["wandb-metadata.json"] = content
            report = import_runs(f"wandb:{ENTITY}/traced/t1", tmp_path / f"damaged {len(damaged)}")
            assert (report.created, report.is_complete) == (1, True)
            damaged[content] = any("wandb-metadata.json of runs" in remark for remark in report.omitted)
        del stored["wandb-metadata.json"]
        filled.runs[ENTITY, "traced", "t1"].commit = "a" * 40
        report = import_runs(f"wandb:{ENTITY}/traced/t1", tmp_path / "without")
        assert not report.omitted
    finally:
        for key in [key for key in filled.runs if key[1] == "traced"]:
            del filled.runs[key]
    found, of_folder = imported(tmp_path / "root", "traced"), imported(tmp_path / "of folder", "traced")
    for name in ("t0", "t1"):
        environment = found[name].run.environment
        assert {one: environment[one] for one in ORIGIN} == {
            one: of_folder[name].run.environment[one] for one in ORIGIN
        }
        assert environment["imported"]["program"] == "train.py"
    git, other = (found[name].run.environment["git"] for name in ("t0", "t1"))
    assert (git["commit"], git["remote"]) == (first, "https://example.org/code.git")
    assert other["commit"] != first
    assert found["t0"].run.configuration.fingerprint == found["t1"].run.configuration.fingerprint
    code = count_code([one.run.environment for one in found.values()])
    assert "different code" in different_code_note([code])[0]
    assert [*damaged.values()] == [True, True, True, False]
    assert results(tmp_path / "damaged 3", "traced")[0].run.environment["os"] == "x"
    assert results(tmp_path / "without", "traced")[0].run.environment["git"] == {"commit": "a" * 40}


def test_runs_of_legms_own_come_back_as_they_were(filled, tmp_path):
    own_runs(tmp_path / "own")
    settings = {"base_url": filled.url, "api_key": KEY}
    exported(tmp_path / "own", "wandb", tmp_path / "there", mode="online", entity=ENTITY, settings=settings)
    project = results(tmp_path / "own", "e “d”")
    (name,) = {key[1] for key in filled.runs if "d" in key[1] and key[1] not in {"digits", "other"}}
    report = import_runs(f"wandb:{ENTITY}/{name}", tmp_path / "root")
    assert report.is_complete, report
    assert any("bookkeeping" in remark for remark in report.omitted)
    found = results(tmp_path / "root", "e “d”")
    assert [same(one) for one in found] == [same(one) for one in project]
    assert media_of(tmp_path / "root", "e “d”") == media_of(tmp_path / "own", "e “d”") != []
    for key in [key for key in filled.runs if key[1] == name]:
        del filled.runs[key]


def test_the_steps_of_a_metric_are_those_of_its_step_metric(filled, tmp_path):
    import_runs(f"wandb:{ENTITY}/other", tmp_path / "root")
    run = imported(tmp_path / "root", "other")["more"]
    steps = {series.name: history.steps.tolist() for series, history in run.histories.items()}
    assert steps == {"loss": [0, 3, 6], "epoch": [1, 2, 4, 5, 7, 8], "val/loss": [0, 1, 2]}
    assert run.best_step == 2


class StepsOfRun:
    """A run with a row at each of some steps, which W&B's library asks for page by page.

    Args:
        steps: the steps.
    """

    def __init__(self, steps):
        self.steps, self.requests = np.array(steps, np.int64), 0
        self.lastHistoryStep = int(self.steps[-1])

    def scan_history(self, page_size, min_step=0, max_step=None, use_cache=True):
        assert not use_cache
        stop = self.lastHistoryStep + 1 if max_step is None else max_step
        for start in range(min_step, stop, page_size):
            self.requests += 1
            first, end = np.searchsorted(self.steps, [start, min(start + page_size, stop)])
            yield from ({"_step": int(one)} for one in self.steps[first:end])


@pytest.mark.parametrize(
    ("steps", "most"),
    [
        (range(2500), 3),
        ([0, 2**40, 2**53 + 1], 500),
        (range(0, 2**40, 2**27), 3000),
        ([*range(5000), 10**9, *range(10**12, 10**12 + 50_000)], 1000),
    ],
)
def test_steps_that_count_tokens_are_read_with_few_requests_and_each_row_once(steps, most):
    run = StepsOfRun(steps)
    assert [row["_step"] for row in scanned_server_history(run)] == list(steps)
    assert run.requests <= most
