"""The live page behind nginx, over an SSH tunnel, and of the runs of trackers."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import os
import shutil
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from legm import ExperimentHandler
from tests.support.browsing import LivePageInBrowser
from tests.support.calling import call
from tests.support.live_page import served_page
from tests.support.waiting import until

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="needs nginx and sshd")]

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        auth_basic "runs";
        auth_basic_user_file {folder}/users;
        location /runs/ {{
            proxy_pass http://127.0.0.1:{ui}/;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-User $remote_user;
            proxy_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""
SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for rate in (0.1, 0.01):
        log_run(tmp_path / "results", rate)
    return tmp_path / "results"


def log_run(root: Path, rate: float, **options: Any) -> None:
    handler = ExperimentHandler(root, "net", **options)
    handler.set_param("rate", rate)
    handler.start()
    for step in range(5):
        handler.set_metric("loss", rate / (step + 1), step=step)
    handler.log()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def running(*command: str | Path, port: int) -> Iterator[None]:
    """A server, from when it listens at its port until the block ends."""
    process = subprocess.Popen([*map(str, command)])
    try:

        def listens() -> bool:
            assert process.poll() is None
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        until(listens)
        yield
    finally:
        process.terminate()
        process.wait(20)


def need(program: str) -> str:
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def follow_a_run(page: LivePageInBrowser, root: Path) -> None:
    """A run begins, its values come, and a tag that is set on the page is stored."""
    until(lambda: page.view() == "board" and page.rows() == ["rate=0.01", "rate=0.1"])
    until(lambda: page.run("return document.getElementById('curves-plot').data?.length > 1"))
    handler = ExperimentHandler(root, "net")
    handler.set_param("rate", 0.5)
    handler.start()
    until(lambda: str(handler.run_id)[-6:] in page.text("#running"))
    took = []
    for value in (0.25, 0.125, 0.0625):
        handler.set_metric("loss", value)
        began = time.monotonic()
        until(lambda value=value: f"loss {value}" in page.text("#running .values"))
        took.append(time.monotonic() - began)
    handler.log()
    assert sorted(took)[1] < 3.0  # what is not passed on at once comes when the connection ends
    until(lambda: len(page.rows()) == 3)
    page.click("#table tr[data-row] button.edit")
    page.run("document.activeElement.value = 'good'")
    page.browser.switch_to.active_element.send_keys("\ue007")
    until(lambda: "good" in page.text("#table"))
    assert "good" in call("tag", str(root / "net"), "--tag", "good").stdout
    assert [one for one in page.browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_behind_nginx_below_a_path(browser, root, tmp_path):
    nginx, port = need("nginx"), free_port()
    folder = tmp_path / "nginx"
    folder.mkdir()
    (folder / "users").write_text("ada:{PLAIN}secret\n")
    options = ("--proxy-header", "X-Forwarded-User")
    with served_page(root, tmp_path, *options) as served:
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "conf").write_text(NGINX.format(folder=folder, port=port, ui=served.port, user=user))
        with running(nginx, "-p", folder, "-c", folder / "conf", port=port):
            assert status_of(port, "/runs/") == 401
            assert status_of(port, "/runs/api/experiments", "ada:wrong") == 401
            assert status_of(port, "/runs/api/experiments", "ada:secret") == 200
            assert served.ask("/api/experiments").status == 401  # nobody who goes around nginx is let in
            browser.get_log("browser")
            browser.get(f"http://ada:secret@127.0.0.1:{port}/runs/#experiment=net")
            follow_a_run(LivePageInBrowser(browser), root)
            browser.get("about:blank")


def status_of(port: int, path: str, user: str = "") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Basic {b64encode(user.encode()).decode()}"} if user else {}
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_over_an_ssh_tunnel(browser, root, tmp_path):
    sshd, ssh, keygen = need("sshd"), need("ssh"), need("ssh-keygen")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # the server's own, where it was only installed
    folder, port, here = tmp_path / "ssh", free_port(), free_port()
    folder.mkdir(mode=0o700)
    for name in ("host", "client"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "conf").write_text(SSHD.format(folder=folder, port=port))
    with (
        served_page(root, tmp_path) as served,
        running(sshd, "-D", "-e", "-f", folder / "conf", port=port),
        running(
            *(ssh, "-N", "-L", f"127.0.0.1:{here}:127.0.0.1:{served.port}", "-i", folder / "client"),
            *("-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "BatchMode=yes", "-F", "none", f"{getpass.getuser()}@127.0.0.1"),
            port=here,
        ),
    ):
        browser.get_log("browser")
        browser.get(f"http://127.0.0.1:{here}/?token={served.token}#experiment=net")
        follow_a_run(LivePageInBrowser(browser), root)
        assert "token" not in browser.current_url
        browser.get("about:blank")


@pytest.mark.parametrize("backend", ["mlflow", "wandb"])
def test_the_runs_of_a_tracker(browser, tmp_path, monkeypatch, backend):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results"
    for rate in (0.1, 0.01):
        log_run(root, rate, backend=backend)
    page = LivePageInBrowser(browser)
    with served_page(root, tmp_path, "--backend", backend) as served:
        browser.get_log("browser")
        browser.get(served.address)
        until(lambda: page.view() == "overview" and "2 configurations" in page.text(".card"), 60)
        assert f"{backend} backend" in page.text("#bottom")
        page.click(".card a")
        until(lambda: page.view() == "board" and page.rows() == ["rate=0.01", "rate=0.1"], 60)
        lines = "return document.getElementById('curves-plot').data?.filter((one) => one.mode !== 'none')"
        until(lambda: page.run(lines) and len(page.run(lines)) == 2, 60)
        assert page.run(lines)[0]["y"] == pytest.approx([0.01 / (step + 1) for step in range(5)])
        page.run("document.querySelector('#table .open').click()")
        until(lambda: page.run("return document.querySelector('#table .runs-part a')"))
        page.click("#table .runs-part a")
        until(lambda: page.view() == "run" and "rate" in page.text("#run"))
        assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []
        browser.get("about:blank")
