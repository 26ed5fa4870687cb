"""A plan for ``python -m benchmarks`` with a probe that is quick, and one that starts a process and hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks import __main__
from benchmarks.rows import Plan, Row, Sizes, Task


def quick(folder: str) -> dict[str, float]:
    """A measure."""
    assert Path(folder).is_dir()
    return {"number": 7.0}


def hanging(folder: str) -> dict[str, float]:
    """A measure that never ends, and starts a server as that of MLflow is started."""
    server = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(300)  # until it is ended"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        told = Path(folder).parents[1] / "pid"
        told.with_suffix(".new").write_text(str(server.pid))
        told.with_suffix(".new").rename(told)
        time.sleep(300)  # until it is ended
    finally:
        server.terminate()
        server.wait()
    return {}


def plan(_: Sizes) -> Plan:
    """Two rows, of which one is never measured."""
    tasks = {"first": Task(quick), "second": Task(hanging)}
    rows = tuple(Row(name, f"the {name}", "s", (name,), lambda _: 7.0, limit=9.0) for name in tasks)
    return Plan({}, tasks, rows, 3)


def main() -> None:
    """``python -m benchmarks`` with this plan; its probes are imported from here."""
    __main__.plan = plan
    __main__.main()
