"""The stand-in for a W&B server carries the real SDK: what arrives, is read back and outlives outages."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.prepared import Prepared
from tests.support.waiting import until
from tests.support.wandb_server import ENTITY, KEY, Run, WandbServer, environment, serving

pytestmark = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")

BEGIN = """
import json, sys, time
from pathlib import Path
import numpy
import wandb

def init(name, *, wait=20, **more):
    settings = wandb.Settings(
        console="off", x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
        disable_git=True, disable_code=True, x_save_requirements=False, x_transaction_log_flush_interval=0.1,
        x_file_stream_transmit_interval=1, init_timeout=wait, finish_timeout=wait,
        finish_timeout_raises=True,
    )
    return wandb.init(project="p", id=name, settings=settings, **more)

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.01)

"""


class Script:
    """A process that runs the SDK in ``home``; it is killed at the end."""

    def __init__(self, prepared: Prepared, server: WandbServer, home: Path, code: str) -> None:
        given = {"cwd": home, "env": environment(server, home)}
        self.said = home / "said.txt"  # no pipe: the SDK's own process would keep it open
        with self.said.open("w") as said:
            self.process = prepared.begin(["-c", BEGIN + code], **given, stdout=said, stderr=said)

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()

    def printed(self) -> str:
        status = self.process.wait()
        printed = self.said.read_text(encoding="utf-8")
        assert status == 0, printed
        return printed

    def wait_until(self, condition: Callable[[], bool]) -> None:
        def is_so() -> bool:
            assert not self.process.has_ended(), self.said.read_text(encoding="utf-8")
            return condition()

        until(is_so)


def script(prepared: Prepared, server: WandbServer, home: Path, code: str) -> str:
    with Script(prepared, server, home, code) as running:
        return running.printed()


def sync(server: WandbServer, home: Path, folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "wandb", "sync", *options, str(folder)]
    done = subprocess.run(
        command,
        cwd=home,
        env=environment(server, home),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def rows(server: WandbServer, name: str) -> int:
    return sum(len(run.history) for run in list(server.runs.values()) if run.name == name)


def values(server: WandbServer, name: str) -> list:
    return [row["a"] for row in server.run(name).history]


@pytest.fixture
def server():
    with serving() as made:
        yield made
    assert not made.unknown


def test_a_run_arrives_completely_and_is_read_back_up_to_the_last_row(server, prepared, tmp_path):
    code = """
run = init("r", group="g", job_type="run", tags=["x", "y"], notes="why", config={"lr": 0.1})
run.define_metric("a", step_metric="legm/step")
for i in range(2500):
    run.log({"a": i, "legm/step": i})
run.log({"inf": float("inf"), "nan": float("nan"), "third": 1 / 3})
run.config.update({"late": [1, 2]})
run.notes = "because"
(Path(run.dir) / "legm" / "deep").mkdir(parents=True)
for name in ("legm/run.json", "legm/deep/a b%.json"):
    (Path(run.dir) / name).write_text('{"é": 1}', encoding="utf-8")
    run.save(str(Path(run.dir) / name), base_path=run.dir, policy="now")
run.log({"table": wandb.Table(columns=["c"], data=[[7]])})
run.summary["second"] = wandb.Table(columns=["c"], data=[[8]])
run.summary["picture"] = wandb.Image(numpy.zeros((2, 2, 3), dtype="uint8"))
run.summary["best"] = 1.5
run.finish()
init("bad").finish(exit_code=1)

api = wandb.Api()
run = api.run("p/r")
found = {
    "rows": list(run.scan_history()),
    "keyed": [row["third"] for row in run.scan_history(keys=["third"])],
    "sampled": len(run.history(pandas=False)),
    "config": run.config, "best": run.summary["best"], "notes": run.notes, "group": run.group,
    "tags": run.tags, "job_type": run.job_type, "states": [run.state, api.run("p/bad").state],
    "files": [file.name for file in run.files(per_page=2)],
    "file": run.file("legm/deep/a b%.json").download("down", replace=True).read(),
    "projects": [project.name for project in api.projects()],
}
print(json.dumps(found))
"""
    found = json.loads(script(prepared, server, tmp_path, code))
    run = server.runs[ENTITY, "p", "r"]
    assert [row["a"] for row in run.history[:-2]] == list(range(2500))
    assert (run.history[-2]["inf"], run.history[-2]["third"]) == (float("inf"), 1 / 3)
    assert run.history[-1]["table"]["_type"] == run.summary["second"]["_type"] == "table-file"
    assert (run.state, run.exit_code, server.run("bad").state) == ("finished", 0, "failed")
    assert run.files["legm/run.json"] == '{"é": 1}'.encode()
    assert run.files[run.summary["picture"]["path"]].startswith(b"\x89PNG")
    assert len([name for name in run.files if name.startswith("media/table/")]) == 2
    assert [artifact["state"] for artifact in run.artifacts.values()] == ["COMMITTED"] * 2
    read, sent = (json.dumps(rows, sort_keys=True) for rows in (found["rows"], run.history))
    assert read == sent  # as text, since NaN is not equal to itself
    assert (len(found["rows"]), found["keyed"], found["sampled"]) == (2502, [1 / 3], 500)
    assert found["config"] == run.config == {"lr": 0.1, "late": [1, 2]}
    kept = [found[name] for name in ("best", "notes", "group", "tags", "job_type", "projects")]
    assert kept == [1.5, "because", "g", ["x", "y"], "run", ["p"]]
    assert (found["states"], found["files"]) == (["finished", "failed"], sorted(run.files))
    assert found["file"] == '{"é": 1}'


def test_a_resumed_run_continues_after_the_rows_of_one_that_was_killed(server, prepared, tmp_path):
    code = """
run = init("r", resume="allow", config={"first": 1})
run.summary["best"] = 3
for i in range(40):
    run.log({"a": i})
time.sleep(60)  # until it is killed
"""
    with Script(prepared, server, tmp_path, code) as running:
        running.wait_until(lambda: rows(server, "r") == 40)
    server.crash_after = 0.0
    code = """
states = [wandb.Api().run("p/r").state]
run = init("r", resume="must", config={"second": 2})
print(json.dumps([states, run.resumed, run.starting_step, run.summary["best"], run.config["first"]]))
for i in range(40, 45):
    run.log({"a": i})
run.finish()
"""
    assert json.loads(script(prepared, server, tmp_path, code)) == [["crashed"], True, 40, 3, 1]
    run = server.run("r")
    assert values(server, "r") == [row["_step"] for row in run.history] == list(range(45))
    assert (run.state, run.config, run.summary["best"]) == ("finished", {"first": 1, "second": 2}, 3)
    code = """
for name, resume in (("none", "must"), ("r", "never")):
    try:
        init(name, resume=resume)
    except wandb.errors.UsageError as error:
        print(error)
"""
    printed = script(prepared, server, tmp_path, code)
    assert "Run (none) does not exist" in printed
    assert "Run (r) already exists" in printed


def test_wandb_sync_delivers_an_offline_run_once(server, prepared, tmp_path):
    code = """
run = init("r", mode="offline", group="g", config={"c": 1})
for i in range(50):
    run.log({"a": i})
(Path(run.dir) / "legm").mkdir()
(Path(run.dir) / "legm" / "run.json").write_text("{}")
run.save(str(Path(run.dir) / "legm" / "run.json"), base_path=run.dir, policy="now")
run.finish()
"""
    script(prepared, server, tmp_path, code)
    assert not server.requests
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    for _ in range(2):
        sync(server, tmp_path, folder)
        run = server.run("r")
        assert values(server, "r") == list(range(50))
        assert (run.state, run.group, run.config) == ("finished", "g", {"c": 1})
        assert run.files["legm/run.json"] == b"{}"
    assert server.requests["UpsertBucket"] == 2  # both by the first
    server.tells_count = False
    sync(server, tmp_path, folder, "--include-synced")
    assert values(server, "r") == list(range(50))
    server.tells_count = True
    sync(server, tmp_path, folder, "--include-synced")
    assert len(values(server, "r")) == 100


def made(server: WandbServer, number: int, **fields) -> Run:
    """A run that is on the server without having been sent."""
    key = (ENTITY, "p", f"r{number}")
    server.projects[key[:2]] = "2030-01-01T00:00:00Z"
    config = {"lr": number / 2, "net": f"n{number % 2}", "deep": {"x": number}}
    run = Run(*key, serial=number, display_name=f"name {number}", state="finished", **fields)
    run.created_at = f"2030-01-01T00:00:{number // 2:02}Z"
    run.raw_config = {name: {"value": value} for name, value in config.items()}
    server.runs[key] = run
    return run


def test_runs_are_found_by_filters_and_come_in_pages(server, prepared, tmp_path):
    for number in range(7):
        made(
            server,
            number,
            group=f"g{number % 3}",
            job_type="run" if number else "aggregate",
            tags=["t"][: number % 2],
        )
    server.run("r6").state = "failed"
    filters = {
        "0123456": {},
        "036": {"group": "g0"},
        "36": {"$and": [{"group": "g0"}, {"jobType": "run"}]},
        "06": {"$or": [{"jobType": "aggregate"}, {"state": "failed"}]},
        "14": {"name": {"$in": ["r1", "r4"]}},
        "5": {"displayName": "name 5"},
        "135": {"tags": "t"},
        "024": {"tags": {"$ne": "t"}, "state": "finished"},
        "3": {"config.lr.value": 1.5},
        "012": {"config.lr.value": {"$in": [0, 0.5, 1.0]}},
        "0246": {"config.net": "n0"},
        "56": {"config.lr.value": {"$gt": 2}},
        "": {"config.none.value": 1},
    }
    code = f"""
api = wandb.Api()
for wanted, filters in {filters!r}.items():
    for lazy in (True, False):
        found = api.runs("p", filters=filters, order="+created_at", per_page=2, lazy=lazy)
        assert "".join(run.id[1:] for run in found) == wanted, (filters, [run.id for run in found])
        assert len(found) == len(wanted)
assert [run.id[1:] for run in api.runs("p", order="-created_at", per_page=3)] == list("6543210")
assert [run.id[1:] for run in api.runs("p", order="-config.lr.value")] == list("6543210")
assert [run.config["deep"]["x"] for run in api.runs("p", per_page=2)] == list(range(7))
for ask in (lambda: list(api.runs("none")), lambda: api.run("p/none"), lambda: api.run("none/r1")):
    try:
        ask()
    except Exception as error:
        print(type(error).__name__, error)
try:
    len(api.runs("p", filters={{"$where": 1}}))
except Exception as error:
    print(type(error).__name__, error)
"""
    said = script(prepared, server, tmp_path, code).splitlines()
    assert said[0] == "ValueError Could not find project none"
    assert said[1].startswith("CommError Could not find run <Run legm-tests/p/none")
    assert said[2].startswith("CommError Could not find run <Run legm-tests/none/r1")
    assert said[3] == "WandbApiFailedError the stand-in does not know the operator $where"
    assert server.unknown == ["Runs: the operator $where"]
    server.unknown.clear()


def test_a_run_is_changed_given_files_and_deleted_by_the_api(server, prepared, tmp_path):
    run, other = made(server, 1), made(server, 2)
    run.history, server.words = [{"_step": 0, "a": float("-inf")}], True
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "f.txt").write_bytes(b"content")
    code = """
api = wandb.Api()
run = api.run("p/r1")
print([row["a"] for row in run.scan_history()])
run.notes, run.tags, run.config["lr"], run.summary["best"] = "changed", ["new"], 7, 2
run.update()
run.upload_file("up/f.txt")
print(run.file("up/f.txt").download("down", replace=True).read(), api.run("p/r1").notes)
print(run.file("none").size)
try:
    run.file("none").download("down", replace=True)
except wandb.errors.CommError as error:
    print(error)
run.file("up/f.txt").delete()
api.run("p/r2").delete()
"""
    printed = script(prepared, server, tmp_path, code).splitlines()
    assert printed[0] == "['-Infinity']"
    assert printed[1:3] == ["content changed", "0"]
    assert "404" in printed[3]
    assert (run.notes, run.tags, run.config["lr"], run.summary) == ("changed", ["new"], 7, {"best": 2})
    assert run.state == "finished"
    assert not run.files
    assert list(server.runs.values()) == [run]
    assert other.name == "r2"


def test_a_run_outlives_each_outage_and_has_every_row_once(server, prepared, tmp_path):
    outages = {
        "refuse": server.refuse,
        "fail": server.fail,
        "applied": lambda: server.fail(applied=True, only="file_stream"),
        "hang": server.hang,
        "slow": lambda: server.slow(0.5),
    }
    code = """
run = init("{name}", wait=40)
for i in range(10):
    run.log({{"a": i}})
wait_for("{name}-down")
for i in range(10, 20):
    run.log({{"a": i}})
Path("{name}-logged").touch()
run.finish()
"""
    for name, begin in outages.items():
        with Script(prepared, server, tmp_path, code.format(name=name)) as running:
            running.wait_until(lambda name=name: rows(server, name) == 10)
            begin()
            posts = server.requests["file_stream"]
            (tmp_path / f"{name}-down").touch()
            running.wait_until((tmp_path / f"{name}-logged").exists)
            if name == "applied":
                running.wait_until(lambda posts=posts: server.requests["file_stream"] > posts + 1)
            elif name != "slow":
                time.sleep(0.5)  # as long as the outage lasts, nothing comes
                assert rows(server, name) == 10
                assert not running.process.has_ended()
            if name != "slow":
                server.heal()
            running.printed()
        server.heal()
        assert values(server, name) == list(range(20)), name
        assert server.run(name).state == "finished"


def test_init_and_finish_give_up_when_they_were_configured_to(server, prepared, tmp_path):
    code = """
for begin in ("refused", "failing"):
    wait_for(begin)
    try:
        init(begin, wait=2)
    except wandb.errors.CommError as error:
        print(error)
    Path(begin + "-done").touch()
wait_for("healed")
run = init("r", wait=2)
Path("begun").touch()
wait_for("hanging")
run.log({"a": 1})
try:
    run.finish()
except TimeoutError as error:
    print("late")
"""
    with Script(prepared, server, tmp_path, code) as running:
        for name, begin in (("refused", server.refuse), ("failing", server.fail)):
            begin()
            (tmp_path / name).touch()
            running.wait_until((tmp_path / f"{name}-done").exists)
            server.heal()
        (tmp_path / "healed").touch()
        running.wait_until((tmp_path / "begun").exists)
        server.hang()
        (tmp_path / "hanging").touch()
        printed = running.printed()
    assert "connection refused" in printed
    assert "HTTP 500" in printed
    assert printed.endswith("late\n")
    assert [run.name for run in server.runs.values()] == ["r"]
    assert rows(server, "r") == 0


def test_what_the_stand_in_does_not_support_is_recorded_and_refused(server):
    for path in ("/graphql", "/other"):
        request = urllib.request.Request(server.url + path, data=b'{"query": "query NotKnown { x }"}')
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 401  # no key
        refused.value.close()
        request.add_header("Authorization", "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode())
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 400
        refused.value.close()
    assert server.unknown == ["NotKnown", "POST /other"]
    server.unknown.clear()
