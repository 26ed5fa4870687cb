"""What an import left in a root directory, for tests of any source."""

from __future__ import annotations

import math
import struct
from pathlib import Path

from legm import runlog
from legm.records import Query, RunResult
from legm.registry import make_backend
from legm.relay import Relay


def results(root: Path, experiment: str) -> dict[str, RunResult]:
    """The runs of an experiment by the keys that they have in their source."""
    relay = Relay(make_backend("local", root, {}), root)
    found = relay.call("legm_read_runs", query=Query(experiment, None, None, None))
    return {one.run.environment["imported"]["key"]: one for one in found}


def log_of(root: Path, result: RunResult) -> runlog.Log:
    (path,) = root.glob(f"*/*/runs/{result.run.run_id}.log")
    return runlog.read(path)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)
