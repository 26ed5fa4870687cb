"""To whom a login for an MLflow server is sent: to nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from legm import StorageError
from legm.importers.mlflow.server import MlflowServerSource


class Server(HTTPServer):
    """Redirects every request to a host, where there is nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Redirects)
        self.home = f"127.0.0.1:{self.server_port}"
        self.target = self.home
        self.logins: list[str | None] = []


class Redirects(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        self.server.logins.append(self.headers.get("Authorization"))
        self.send_response(404 if self.path == "/moved" else 302)
        self.send_header("Location", f"http://{self.server.target}/moved")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with Server() as ours, Server() as theirs:
        for server in (ours, theirs):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield ours, theirs
        for server in (ours, theirs):
            server.shutdown()


def ask(address: str) -> None:
    with pytest.raises(StorageError, match="answers 404"):
        list(MlflowServerSource(address).runs())


def test_a_login_is_not_sent_on_to_another_host(servers, monkeypatch):
    ours, theirs = servers
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    ask(f"http://u:pw@{ours.home}")
    assert ours.logins == ["Basic dTpwdw=="] * 2
    ours.logins.clear()
    ours.target = theirs.home
    ask(f"http://u:pw@{ours.home}")
    ask(f"http://{ours.home}")
    assert ours.logins == ["Basic dTpwdw==", "Bearer t"]
    assert theirs.logins == [None, None]


def test_the_login_in_mlflows_variables_is_for_the_server_that_they_name(servers, monkeypatch):
    ours, theirs = servers
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "u")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{ours.home}/path")
    ask(f"http://{ours.home}")
    ask(f"http://{theirs.home}")
    assert ours.logins == ["Basic dTpwdw=="] * 2
    assert theirs.logins == [None, None]
