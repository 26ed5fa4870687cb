"""Starts ``legm ui`` as a user does, and asks its server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.paths import ROOT

__all__ = ["Answer", "ServedPage", "served_page"]


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.body, parse_constant=refuse)


@dataclass(frozen=True)
class ServedPage:
    """A server that runs, and the address that it printed."""

    process: subprocess.Popen[str]
    address: str

    @property
    def port(self) -> int:
        found = urlsplit(self.address).port
        assert found is not None
        return found

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.address).query)["token"][0]

    def ask(
        self,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        **headers: str | None,
    ) -> Answer:
        """Ask with the token; headers replace the usual ones, None leaves one out."""
        every = {
            "Host": f"127.0.0.1:{self.port}",
            "Authorization": f"Bearer {self.token}" if "token" in self.address else None,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        target = f"{path}?{urlencode(parameters, doseq=True)}" if parameters else path
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, target, skip_host=True)
            content = b"" if body is None else json.dumps(body).encode()
            for name, value in every.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            answer = connection.getresponse()
            headers_of = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers_of, answer.read())
        finally:
            connection.close()

    def download(self, path: str, parameters: Mapping[str, Any]) -> tuple[int, bytes]:
        """Read an answer of any size; returns how many bytes it has, and the last three of them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request("GET", f"{path}?{urlencode(parameters)}", headers=headers)
            answer, size, last = connection.getresponse(), 0, b""
            while piece := answer.read(1 << 20):
                size, last = size + len(piece), (last + piece)[-3:]
            return size, last
        finally:
            connection.close()


@contextlib.contextmanager
def served_page(
    root: Path, home: Path, *options: str, cwd: Path = ROOT, **variables: str
) -> Iterator[ServedPage]:
    """``legm ui`` on a root directory, until the block ends.

    Args:
        root: the root directory.
        home: a folder for the user's settings.
        *options: of the command.
        cwd: the folder in which it is started.
        **variables: of its environment.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "legm", "ui", str(root), "--port", "0", "--json", *options],
        cwd=cwd,
        env={**os.environ, "XDG_CONFIG_HOME": str(home), **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, f"legm ui ended: {process.wait(10)}"
            text += line
        yield ServedPage(process, json.loads(text)["address"])
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
