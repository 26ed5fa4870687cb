"""What it costs a script to be captured: the time of its own calls, alone and under ``legm capture``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["script"]

_SCRIPT = """
import json, sys, time
import mlflow
mlflow.set_experiment("captured")
with mlflow.start_run():
    mlflow.log_param("lr", 0.1)
    began = time.perf_counter()
    for step in range(int(sys.argv[1])):
        mlflow.log_metrics({f"metric {name}": step / (1 + name) for name in range(10)}, step=step)
    spent = time.perf_counter() - began
print(json.dumps(spent))
"""


def script(folder: str, rows: int, *, captured: bool) -> dict[str, float]:
    """A script that logs rows of ten metrics to MLflow's SQLite store, each with a call."""
    path = Path(folder, "script.py")
    path.write_text(_SCRIPT, encoding="utf-8")
    command = [sys.executable, str(path), str(rows)]
    if captured:
        command = [sys.executable, "-m", "legm", "capture", "--root", f"{folder}/root", "--", *command]
    variables = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    began = time.perf_counter()
    found = subprocess.run(command, check=True, capture_output=True, env=variables, cwd=folder)
    return {"calls": json.loads(found.stdout), "seconds": time.perf_counter() - began, "points": rows * 10}
