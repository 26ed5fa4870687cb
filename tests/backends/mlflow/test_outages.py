"""A real MLflow server behind a proxy that answers errors, slowly, or not at all."""

from __future__ import annotations

import contextlib
import http.client
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient

from legm import BackendError, ExperimentHandler
from legm.delivery import circuit_breaker
from legm.delivery import live_delivery as delivery
from tests.support.mlflow_server import experiment_of
from tests.support.mlflow_store import has_ended, history, only_run
from tests.support.waiting import until


class Proxy:
    """Passes requests on to the server, as long as ``mode`` is "pass".

    Another mode is a status to answer with; "slow"; "hang", to answer nothing; or "lose", to pass the
    request on and lose the answer.
    """

    def __init__(self, port: int) -> None:
        self.mode: str | int = "pass"
        self.healed = threading.Event()
        self.lost: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                mode = proxy.mode
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if mode == "hang":
                    proxy.healed.wait(60)
                    self.close_connection = True
                elif isinstance(mode, int):
                    self._answer(mode, b"{}", "application/json")
                else:
                    if mode == "slow":
                        time.sleep(0.2)  # it is slow, which is what is tried
                    server = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    own = {"host", "connection"}
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in own}
                    server.request(self.command, self.path, body, headers)
                    answer = server.getresponse()
                    data = answer.read()
                    server.close()
                    if mode == "lose":
                        proxy.lost.append(self.path)
                        self.close_connection = True
                    else:
                        self._answer(answer.status, data, answer.getheader("Content-Type") or "text/plain")

            def _answer(self, status: int, data: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def heal(self) -> None:
        self.mode = "pass"
        self.healed.set()

    def stop(self) -> None:
        self.heal()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def proxy(mlflow_server):
    made = Proxy(mlflow_server.port)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(delivery, "_GRACE", 0.5)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.1)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.3)
    monkeypatch.setattr(delivery, "_INTERVAL", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def begun(tmp_path, proxy: Proxy) -> ExperimentHandler:
    handler = ExperimentHandler(
        tmp_path, experiment_of(tmp_path), backend="mlflow", backend_options={"tracking_uri": proxy.uri}
    )
    handler.set_param("lr", 0.1)
    return handler


def errors(caplog) -> list[str]:
    return [
        r.getMessage() for r in caplog.records if r.name.startswith("legm") and r.levelno == logging.ERROR
    ]


@pytest.mark.parametrize("moment", ["before", "between"])
@pytest.mark.parametrize("mode", [500, 503, "hang", "lose"])
def test_no_value_is_lost_or_there_twice(tmp_path, proxy, mlflow_server, caplog, mode, moment):
    handler = begun(tmp_path, proxy)
    if moment == "before":
        proxy.mode = mode
    handler.start()
    for step in range(50):
        handler.set_metric("loss", step / 7, step=step)
    if moment == "between":
        assert handler.flush(60)
        proxy.mode = mode
    for step in range(50, 100):
        handler.set_metric("loss", step / 7, step=step)
    handler.log()
    assert len(errors(caplog)) == 1
    assert any("undelivered" in r.getMessage() for r in caplog.records if r.levelno == logging.WARNING)
    proxy.heal()
    until(lambda: has_ended(MlflowClient(mlflow_server.uri), experiment_of(tmp_path)))
    with handler:
        pass
    until(lambda: not list(tmp_path.rglob("open/*.log")))
    reader = MlflowClient(mlflow_server.uri)
    run = only_run(reader, experiment_of(tmp_path))
    assert history(reader, run, "dev/loss") == [(step, step / 7) for step in range(100)]
    assert run.info.status == "FINISHED"
    assert handler.aggregate_results()["best_loss"]["n"] == 1
    if mode == "lose":
        assert any("runs/" in path or "experiments/" in path for path in proxy.lost)


def test_a_server_that_hangs_is_an_error_in_time_for_the_first_read_and_at_once_for_others(
    tmp_path, proxy, monkeypatch
):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    with begun(tmp_path, proxy).start() as handler:
        handler.set_metric("loss", 1.0)
    monkeypatch.setattr(circuit_breaker, "PATIENCE", 1.0)
    proxy.mode = "hang"
    for limit in (8.0, 1.0, 1.0):
        began = time.monotonic()
        with pytest.raises(BackendError, match=r"'mlflow' (has not answered for 1 s|does not answer)"):
            handler.aggregate_results()
        assert time.monotonic() - began < limit
    proxy.heal()
    monkeypatch.setattr(circuit_breaker, "PATIENCE", 10.0)

    def answers() -> bool:
        with contextlib.suppress(BackendError):
            return handler.aggregate_results()["best_loss"]["n"] == 1
        return False

    until(answers)


def test_a_slow_server_is_waited_for(tmp_path, proxy, mlflow_server, caplog):
    proxy.mode = "slow"
    with begun(tmp_path, proxy).start() as handler:
        for step in range(100):
            handler.set_metric("loss", float(step), step=step)
    assert errors(caplog) == []
    assert not list(tmp_path.rglob("open/*.log"))
    reader = MlflowClient(mlflow_server.uri)
    run = only_run(reader, experiment_of(tmp_path))
    assert len(history(reader, run, "dev/loss")) == 100
