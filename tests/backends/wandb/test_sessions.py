"""Several servers in one process: each run reaches its own; the user's W&B is as if legm were not there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import wandb
from wandb.sdk import wandb_setup

from legm import ExperimentHandler
from legm.util import wandb_session
from legm.util.wandb_session import WandbSession
from tests.support.wandb_server import ENTITY, KEY, environment, serving

SEVERAL = """
import os, sys
from pathlib import Path
import wandb
from legm import ExperimentHandler

root, other_server, key = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
quiet = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}
account = {"base_url": other_server, "api_key": key}
before = dict(os.environ)
handlers = []
for name, settings in (("by-settings", account), ("by-environment", {})):
    options = {"mode": "online", "settings": {**quiet, **settings}}
    handler = ExperimentHandler(root / name, name, backend="wandb", backend_options=options)
    handlers.append(handler.start())
    handler.set_metric("loss", 1.0)
    assert handler.flush(60)
assert dict(os.environ) == before
folder = root / "chosen-later"
os.environ.update(WANDB_MODE="offline", WANDB_PROJECT="mine", WANDB_DIR=str(folder), WANDB_TAGS="mine")
folder.mkdir()
own = wandb.init(settings=wandb.Settings(console="off", **quiet))
print(own.project, own.offline, own.tags, Path(own.dir).is_relative_to(folder))
online = wandb.init(mode="online", reinit="create_new", settings=wandb.Settings(console="off", **quiet))
online.log({"x": 1})
for handler in handlers:
    handler.log()
    handler.aggregate_results()
    handler.plot()
online.finish()
own.finish()
print(list(root.rglob("open/*.log")))
"""


@pytest.mark.slow
def test_two_servers_and_the_users_own_runs_share_a_process(tmp_path):
    with serving() as by_environment, serving() as by_settings:
        arguments = [str(tmp_path), by_settings.url, KEY]
        done = subprocess.run(
            [sys.executable, "-c", SEVERAL, *arguments],
            env={**environment(by_environment, tmp_path / "home"), "WANDB_ENTITY": ENTITY},
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ["mine True ('mine',) True", "[]"]
        projects = [{project for _, project, _ in server.runs} for server in (by_settings, by_environment)]
        assert projects == [{"by-settings"}, {"by-environment", "mine"}]
        (own,) = [run for run in by_environment.runs.values() if run.project == "mine"]
        assert [row["x"] for row in own.history] == [1]
        assert not by_settings.unknown
        assert not by_environment.unknown


@pytest.mark.usefixtures("wandb_home")
def test_a_session_reads_the_environment_when_it_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_BASE_URL", "http://first:1/")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    first = WandbSession({})
    monkeypatch.setenv("WANDB_BASE_URL", "http://second:2")
    monkeypatch.delenv("WANDB_API_KEY")
    second = WandbSession({"base_url": "http://third:3"})
    with first.active():
        with second.active():
            assert wandb.setup().settings.base_url == "http://third:3"
        assert wandb.setup().settings.base_url == "http://first:1"
        assert wandb.setup().settings.api_key == KEY
    assert (first.has_login, second.has_login) == (True, False)
    (tmp_path / "netrc").write_text(f"machine third\nlogin user\npassword {KEY}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert WandbSession({"base_url": "http://third:3"}).api_key == KEY
    assert not WandbSession({}).has_login


@pytest.mark.usefixtures("wandb_home")
def test_where_the_library_has_other_internals_the_settings_are_given_explicitly(monkeypatch, tmp_path):
    monkeypatch.setattr(wandb_session, "_is_session_redirected", lambda: False)
    before = wandb_setup.singleton().most_recent_active_run
    with serving() as server:
        account = {"base_url": server.url, "api_key": KEY}
        options = {"mode": "online", "entity": ENTITY, "settings": {"x_disable_meta": True, **account}}
        with ExperimentHandler(tmp_path, "e", backend="wandb", backend_options=options) as handler:
            handler.start()
            handler.set_metric("loss", 1.0)
            assert handler.flush(60)
            assert wandb_setup.singleton().most_recent_active_run is before
        (run,) = server.runs.values()
        assert run.exit_code == 0
    assert os.environ.get("WANDB_MODE") is None
