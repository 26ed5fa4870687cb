"""What an import left in a root directory, for tests of any source."""

from __future__ import annotations

import math
import signal
import struct
import subprocess
import sys
from pathlib import Path

from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.records import Query, RunResult
from legm.runlog import log_reader
from tests.support.waiting import until


def results(root: Path, experiment: str) -> dict[str, RunResult]:
    """The runs of an experiment by the keys that they have in their source."""
    client = BackendClient(make_backend("local", root, {}), root)
    found = client.runs_as_stored(Query(experiment, None, None, None))
    return {one.run.environment["imported"]["key"]: one for one in found}


def log_of(root: Path, result: RunResult) -> log_reader.Log:
    (path,) = root.glob(f"*/*/runs/{result.run.run_id}.log")
    return log_reader.read_log(path)


def kill_an_import(source: Path, root: Path, logs: int) -> None:
    """Begin an import, and kill it when there are so many run logs, if it lives so long."""
    command = [sys.executable, "-m", "legm", "import", str(source), str(root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(
        lambda: process.poll() is not None or len(list(root.glob("*/*/runs/**/*.log"))) >= logs, pause=0.002
    )
    process.send_signal(signal.SIGKILL)
    process.wait()


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)
