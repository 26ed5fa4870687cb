"""The W&B backend with the real SDK: offline folders, and a stand-in for a server."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import wandb

from legm import BackendError, ExperimentHandler
from legm.backends.wandb import history_upload, names
from legm.backends.wandb.backend import WandbBackend
from legm.backends.wandb.display import display_summary_values
from legm.delivery import live_delivery as delivery
from legm.delivery.client import connect_client
from legm.records import Query, Status, Summary
from tests.support.sample_runs import comparable, script
from tests.support.waiting import until
from tests.support.wandb_log import RunLog
from tests.support.wandb_server import ENTITY, KEY, WandbServer, serving

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}
pytestmark = pytest.mark.usefixtures("wandb_home")


@pytest.fixture
def server():
    with serving() as made:
        SERVERS[made.url] = made
        yield made
        assert not made.unknown


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(delivery, "_GRACE", 0.5)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.2)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.5)


def online(server: WandbServer, **settings) -> dict:
    account = {"base_url": server.url, "api_key": KEY}
    return {"mode": "online", "entity": ENTITY, "settings": {**QUIET, **account, **settings}}


@pytest.fixture(params=["offline", "online"])
def options(request) -> dict:
    if request.param == "online":
        return online(request.getfixturevalue("server"))
    return {"mode": "offline", "settings": QUIET}


def handler(root: Path, options: dict, experiment: str = "e", description: str | None = None):
    return ExperimentHandler(root, experiment, description, backend="wandb", backend_options=options)


def folders(root: Path) -> list[Path]:
    return sorted(path for path in (root / "wandb").glob("*run-*-*") if not path.is_symlink())


def log_of(root: Path, job: str = "run") -> RunLog:
    """The only run of a job type, once W&B's own process has written all of it."""
    found = [folder for folder in folders(root) if ("aggregate" in folder.name) == (job == "aggregate")]
    (folder,) = found

    def whole() -> RunLog | None:
        read = RunLog(folder)
        return None if read.exit_code is None else read

    return until(whole, pause=0.05)


def steps(rows: list[dict], key: str) -> list[tuple[int, float]]:
    return [(row["legm/step"], row[key]) for row in rows if key in row]


def test_an_aggregated_run_says_that_its_runs_come_from_different_code():
    summary = Summary({}, 2, 0, 0, different_code="1 run of aaaaaaa, 1 of bbbbbbb")
    assert display_summary_values(summary)[names.DIFFERENT_CODE_KEY] == "1 run of aaaaaaa, 1 of bbbbbbb"
    assert names.DIFFERENT_CODE_KEY not in display_summary_values(Summary({}, 2, 0, 0))


def test_the_same_script_gives_the_local_backends_answers_bit_for_bit(tmp_path, options):
    ours = ExperimentHandler(tmp_path / "local", "e %?#", "it's “d”")
    theirs = handler(tmp_path / "w", options, "e %?#", "it's “d”")
    expected = [comparable(result) for result in script(ours)]
    assert [comparable(result) for result in script(theirs)] == expected
    read = []
    for backend, of in (("local", tmp_path / "local"), ("wandb", tmp_path / "w")):
        clients = connect_client(of, backend, options if backend == "wandb" else None)
        query = Query("e %?#", ours.fingerprint, "it's “d”", None)
        found = sorted(clients.runs_as_stored(query), key=lambda r: r.run.run_id)
        read.append([comparable(r) for r in found if r.status is Status.COMPLETED])
    assert read[0] == read[1] == [expected[1], expected[3]]
    for aggregation in ("mean", "median"):
        assert repr(theirs.aggregate_results(aggregation)) == repr(ours.aggregate_results(aggregation))
    best = [one.get_best("loss", lr=0.1)[0] for one in (ours, theirs)]
    assert repr(best[0].value) == repr(best[1].value)
    assert len(theirs.plot()) == len(ours.plot())
    assert len(theirs.plot_comparison_bars("acc", test=True, formats=("pdf", "png"))) == 2


def test_everything_is_where_a_wandb_user_expects_it(tmp_path):
    offline = {"mode": "offline", "settings": QUIET, "tags": ["paper"]}
    with handler(tmp_path, offline, description="why") as one:
        one.set_dict_params({"lr": 0.1, "seed": 3, "hf_token": "abcdefgh12345678", "none": None})
        one.disable_param("seed")
        one.name_param("lr")
        one.start()
        for step in (2, 0, 1):
            one.set_dict_metrics({"loss": 1 / (step + 1), "a": {"iou": 0.5}}, step=10 * step)
        one.set_metric("acc", 0.5, test=True)
        one.tensorboard_write("note", "hello", 1)
        one.tensorboard_write("rate", 0.25, 7)
        (tmp_path / "w.bin").write_bytes(b"weights")
        one.log_artifact(tmp_path / "w.bin")
        one.set_best("early_stopping", metric="loss", higher_better=False)
    one.aggregate_results()
    picture, document = one.plot(formats=("png", "pdf"))
    found = log_of(tmp_path)
    assert found.run.project == "e"
    assert found.run.job_type == "run"
    assert found.run.run_group == f"0.1-{one.fingerprint[:15]}"
    assert found.run.notes == "why"
    assert list(found.run.tags) == ["paper"]
    assert found.config["lr"] == 0.1
    assert found.config["seed"] == 3
    assert found.config["legm_fingerprint"] == one.fingerprint
    assert steps(found.rows, "dev/loss") == [(20, 1 / 3), (0, 1.0), (10, 0.5)]
    assert steps(found.rows, "test/acc") == [(0, 0.5)]
    assert steps(found.rows, "display/rate") == [(7, 0.25)]
    assert {"legm/step", "dev/*", "test/*"} <= set(found.metrics)
    assert found.summary["best/loss"] == 1 / 3
    assert found.summary["best_step"] == 20
    assert found.exit_code == 0
    assert {"legm/run.json", "legm/result.json", "legm/series.npz", "files/w.bin"} <= found.files
    assert found.summary["indexed/best_iou"]["_type"] == "table-file"
    over = log_of(tmp_path, "aggregate")
    assert over.run.run_group == found.run.run_group
    assert over.run.job_type == "aggregate"
    assert over.config["lr"] == 0.1
    (aggregates,) = (tmp_path / "wandb").glob("*aggregate*/files/legm/aggregated_metrics.json")
    assert json.loads(aggregates.read_text())["best_loss"]["n"] == 1
    assert Path(picture).read_bytes()[:4] == b"\x89PNG"
    assert Path(document).read_bytes()[:5] == b"%PDF-"
    assert over.summary["plots/loss"]["_type"] == "image-file"  # as a picture, which a PDF is not
    assert over.summary["best_loss/n"] == 1  # which was kept before the pictures
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and ".legm" not in path.parts]
    assert all(b"abcdefgh12345678" not in path.read_bytes() for path in kept)


def test_a_second_log_replaces_what_the_first_one_wrote(tmp_path, options):
    one = handler(tmp_path, options)
    one.set_param("lr", 0.1)
    one.start()
    one.set_metric("loss", 0.5)
    one.log()
    one.set_metric("loss", 0.25)
    one.log()
    assert one.aggregate_results()["best_loss"]["mean"] == 0.25
    if options["mode"] == "offline":
        rows = log_of(tmp_path).rows
    else:
        (run,) = [run for run in made_by(options).runs.values() if run.job_type == "run"]
        rows = run.history
    assert steps(rows, "dev/loss") == [(0, 0.5), (1, 0.25)]


def test_a_failed_run_says_so_and_does_not_count(tmp_path, options):
    with pytest.raises(RuntimeError), handler(tmp_path, options) as one:  # noqa: PT012
        one.set_param("lr", 0.1)
        one.start()
        one.set_metric("loss", 0.5)
        raise RuntimeError("boom")
    with handler(tmp_path, options) as other:
        other.set_param("lr", 0.1)
        other.start()
        other.set_metric("loss", 0.75)
    found = other.aggregate_results()["best_loss"]
    assert (found["mean"], found["n"], found["failed"]) == (0.75, 1, 1)


def test_runs_of_others_are_skipped_with_a_count(tmp_path, options, caplog):
    caplog.set_level(logging.INFO, logger="legm")
    settings = wandb.Settings(**{"silent": True, "console": "off", **options["settings"]})
    given = {"mode": options["mode"], "entity": options.get("entity"), "settings": settings}
    with wandb.init(dir=str(tmp_path), project="e", job_type="run", reinit="create_new", **given) as own:
        own.log({"loss": 9.0})
    with handler(tmp_path, options) as one:
        one.set_param("lr", 0.1)
        one.start()
        one.set_metric("loss", 0.5)
    assert [ranked.value.mean for ranked in one.get_best("loss")] == [0.5]
    assert any(r.getMessage().startswith("1 W&B runs in") for r in caplog.records)


def test_nothing_of_the_users_own_wandb_changes(tmp_path):
    settings = wandb.Settings(silent=True, console="off", **QUIET)
    own = wandb.init(dir=str(tmp_path / "own"), project="mine", mode="offline", settings=settings)
    before = dict(os.environ)
    try:
        ours = [handler(tmp_path / name, {"mode": "offline", "project": name}) for name in ("a", "b")]
        for one in ours:
            one.set_param("lr", 0.1)
            one.start()
            one.set_metric("loss", 0.5)
        for one in ours:
            one.log()
        assert wandb.run is own
    finally:
        own.finish()
    assert dict(os.environ) == before
    assert [log_of(tmp_path / name).run.project for name in ("a", "b")] == ["a", "b"]


def test_rows_are_the_same_where_the_sdk_has_other_messages(tmp_path, monkeypatch):
    written = []
    for name in ("messages", "run.log"):
        if name == "run.log":
            monkeypatch.setattr(history_upload, "InterfaceSock", None)
        with handler(tmp_path / name, {"mode": "offline", "settings": QUIET}) as one:
            one.set_param("lr", 0.1)
            one.start()
            for step in range(1_500):
                one.set_dict_metrics({"loss": step / 7, "bad": float("nan"), "n": -0.0}, step=1_500 - step)
            one.tensorboard_write("shown", 3.5, step=2)
        rows = log_of(tmp_path / name).rows
        written.append([{**row, "_timestamp": 0, "_runtime": 0} for row in rows if row])
    direct, fallback = written
    assert [json.dumps(row, sort_keys=True) for row in direct] == [
        json.dumps(row, sort_keys=True) for row in fallback
    ]
    assert len(direct) == 1_501


def test_credentials_never_leave_the_machine(tmp_path, server):
    secret = "kept-on-this-machine"
    with handler(tmp_path, online(server)) as one:
        one.set_dict_params({"lr": 0.1, "hf_token": secret, "max_tokens": 512})
        one.start()
        one.set_metric("loss", 0.5)
    one.aggregate_results()
    for run in server.runs.values():
        assert secret not in repr(vars(run))
    (run,) = [run for run in server.runs.values() if run.job_type == "run"]
    assert "'<redacted>'" in repr(vars(run)).replace('"', "'")
    assert not any(secret.encode() in blob for blob in server.blobs.values())
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_wandb_monitors_this_process_for_its_own_runs_and_not_for_those_that_it_sends(tmp_path):
    with handler(tmp_path, {"mode": "offline"}).start() as mine:
        mine.set_metric("loss", 1.0)
    backend = WandbBackend(tmp_path, mode="offline")
    (stored,) = backend.legm_read_runs(Query("e"))
    elsewhere = replace(stored.run, run_id="elsewhere", environment={"host": "other", "pid": 1})
    for run, is_monitored in ((stored.run, True), (elsewhere, False)):
        backend.legm_open_run(run)
        live = backend._live[run.run_id]  # noqa: SLF001 - W&B samples too seldom to wait for it
        assert live.handle.settings.x_disable_stats is not is_monitored
    backend.end_open_runs()


@pytest.mark.parametrize("reinit", [None, "finish_previous", "return_previous", "create_new"])
def test_a_users_init_never_returns_or_ends_a_run_of_legm(tmp_path, reinit):
    ours = handler(tmp_path / "ours", {"mode": "offline", "project": "ours"})
    ours.set_param("lr", 0.1)
    ours.start()
    own_settings = wandb.Settings(silent=True, console="off", **QUIET)
    more = {} if reinit is None else {"reinit": reinit}
    own = wandb.init(dir=str(tmp_path / "own"), project="mine", mode="offline", settings=own_settings, **more)
    try:
        assert own.project == "mine"
        own.log({"loss": 2.0})
        ours.set_metric("loss", 0.5)
        ours.log()
        assert wandb.run is (None if reinit == "create_new" else own)
    finally:
        own.finish()
    assert len(steps(log_of(tmp_path / "ours").rows, "dev/loss")) == 1
    users = log_of(tmp_path / "own")
    assert (users.run.project, users.rows[0]["loss"]) == ("mine", 2.0)


def test_a_key_decides_between_online_and_offline_and_the_log_says_how_to_send(tmp_path, monkeypatch, caplog):
    wandb.teardown()  # forgets the account of other tests
    assert connect_client(tmp_path, "wandb").options["mode"] == "offline"
    (said,) = [r.getMessage() for r in caplog.records if r.name.startswith("legm")]
    assert f"wandb sync {tmp_path / 'wandb' / 'offline-run-*'}" in said
    with pytest.raises(BackendError, match=r"no login for https://.*wandb login"):
        handler(tmp_path, {"mode": "online"})
    with pytest.raises(BackendError, match="cannot keep runs in wandb's mode 'disabled'"):
        handler(tmp_path, {"mode": "disabled"})
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    options = connect_client(tmp_path, "wandb", {"project": "p"}).options
    assert (options["mode"], options["project"]) == ("online", "p")
    assert KEY not in json.dumps(options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"settings": {"no_such": 1}}, "settings"),
        ({"tags": [""]}, "1 to 64 characters"),
        ({"project": 3}, "must be text"),
        ({"projct": "p"}, "did you mean 'project'"),
    ],
)
def test_options_that_wandb_does_not_accept_are_refused_at_once(tmp_path, options, said):
    with pytest.raises(BackendError, match=said):
        handler(tmp_path, options)


KILLED = """
import os, signal, sys, time
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e", backend="wandb")
handler.set_param("lr", 0.1)
handler.start()
for step in range(500):
    handler.set_dict_metrics({"loss": step / 7, "acc": float(step)}, step=step)
time.sleep(float(sys.argv[2]))  # how long it lives
for step in range(500, 600):
    handler.set_dict_metrics({"loss": step / 7, "acc": float(step)}, step=step)
handler.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("lives", [0, 3])
def test_a_killed_run_is_restored_completely_from_its_log(tmp_path, lives, options, prepared, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", options["mode"])
    if options["mode"] == "online":
        monkeypatch.setenv("WANDB_BASE_URL", options["settings"]["base_url"])
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_ENTITY", ENTITY)
    assert prepared.run(["-c", KILLED, tmp_path, lives]).returncode == -signal.SIGKILL
    for owed in (1, 0):
        said = prepared.run(["-m", "legm", "sync", tmp_path, "--json"], check=True).stdout
        assert len(json.loads(said)) == owed
    expected = [(step, step / 7) for step in range(600)]
    if options["mode"] == "offline":
        found = log_of(tmp_path)
        assert steps(found.rows, "dev/loss") == expected
        assert found.exit_code == 255
    else:
        (run,) = made_by(options).runs.values()
        assert steps(run.history, "dev/loss") == expected
        assert run.summary["legm_status"] == "interrupted"


def made_by(options: dict) -> WandbServer:
    return SERVERS[options["settings"]["base_url"]]


SERVERS: dict[str, WandbServer] = {}


@pytest.mark.parametrize("outage", ["refuse", "fail", "hang"])
@pytest.mark.parametrize("moment", ["start", "middle"])
def test_an_outage_costs_no_value_and_no_row_comes_twice(
    tmp_path, server, outage, moment, impatient, caplog, monkeypatch
):
    monkeypatch.setattr("legm.backends.wandb.server_health._TIMEOUT", 0.5)
    monkeypatch.setattr("legm.backends.wandb.backend._HEALTH_INTERVAL", 0.5)
    one = handler(tmp_path, online(server, init_timeout=5))
    one.set_param("lr", 0.1)
    if moment == "start":
        getattr(server, outage)()
    one.start()
    for step in range(50):
        one.set_metric("loss", step / 7, step=step)
    if moment == "middle":
        until(lambda: server.runs)
        getattr(server, outage)()
    for step in range(50, 100):
        one.set_metric("loss", step / 7, step=step)
    one.log()
    reported = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(reported) == 1, reported
    assert "Training continues" in reported[0]
    assert any("The undelivered part stays in the run log" in r.getMessage() for r in caplog.records)
    server.heal()
    until(lambda: any(run.exit_code is not None for run in list(server.runs.values())))
    (run,) = [run for run in server.runs.values() if run.job_type == "run"]
    assert steps(run.history, "dev/loss") == [(step, step / 7) for step in range(100)]
    assert one.aggregate_results()["best_loss"]["mean"] == 99 / 7


def test_a_server_that_says_it_is_well_and_takes_nothing_is_waited_for_a_few_seconds(
    tmp_path, server, impatient, caplog, monkeypatch
):
    monkeypatch.setattr("legm.backends.wandb.backend._HEALTH_INTERVAL", 0.2)
    monkeypatch.setattr("legm.delivery.circuit_breaker.PATIENCE", 2.0)
    one = handler(tmp_path, online(server))
    one.start()
    one.set_metric("loss", 0.5)
    until(lambda: server.runs)
    server.hang(only="file_stream")
    for limit in (2.0 + 3.0, 1.0):  # the patience with a silent server, once
        began = time.monotonic()
        one.log()
        assert time.monotonic() - began < limit
        assert "The undelivered part stays in the run log" in caplog.text
        one.set_metric("loss", 0.25)
    server.heal()
    assert one.flush(60)
    one.log()
    assert one.aggregate_results()["best_loss"]["mean"] == 0.25


def test_a_slow_server_is_waited_for(tmp_path, server):
    server.slow(0.3)
    with handler(tmp_path, online(server)) as one:
        one.set_param("lr", 0.1)
        one.start()
        for step in range(30):
            one.set_metric("loss", float(step), step=step)
    assert not list((tmp_path / ".legm").rglob("open/*.log"))
    (run,) = server.runs.values()
    assert len(steps(run.history, "dev/loss")) == 30


def test_wandb_sync_of_an_offline_run_arrives_completely(tmp_path, server):
    with handler(tmp_path, {"mode": "offline", "settings": QUIET}) as one:
        one.set_param("lr", 0.1)
        one.start()
        for step in range(40):
            one.set_metric("loss", step / 7, step=step)
    log_of(tmp_path)
    account = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, "WANDB_ENTITY": ENTITY}
    command = [sys.executable, "-m", "wandb", "sync", str(folders(tmp_path)[0])]
    for _ in range(2):
        subprocess.run(
            command, check=True, env={**os.environ, **account}, timeout=60, capture_output=True, cwd=tmp_path
        )
    (run,) = server.runs.values()
    assert steps(run.history, "dev/loss") == [(step, step / 7) for step in range(40)]
    there = handler(tmp_path / "elsewhere", online(server))
    there.set_param("lr", 0.1)
    assert repr(there.aggregate_results()["best_loss"]) == repr(one.aggregate_results()["best_loss"])


def test_a_link_in_a_received_folder_is_not_copied_into_the_run_that_replaces_it(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not to be copied")
    root = tmp_path / "root"
    with handler(root, {"mode": "offline", "project": "p", "settings": QUIET}) as one:
        one.set_param("lr", 0.1)
        one.start()
        one.set_metric("loss", 0.5)
    one.aggregate_results()
    (aggregates,) = root.glob("wandb/offline-run-*/files/legm/aggregated*")
    (aggregates.parent / "link.json").symlink_to(secret)
    one.aggregate_results()
    kept = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(b"not to be copied" in path.read_bytes() for path in kept)
