"""How long the steps of a training take while legm works beside them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

__all__ = ["steps_beside", "time_steps"]

_SCRIPT = "import sys; from benchmarks.steps import time_steps; time_steps(*sys.argv[1:])"
_SAMPLER = 0.05  # seconds between two samples, of which a run has one in 15 s


def steps_beside(folder: str, steps: int, rounds: int) -> dict[str, float]:
    """Milliseconds of a step, in turns alone, while git is asked, and while system metrics are sampled.

    Args:
        folder: a repository, which the training runs in.
        steps: how many steps are timed, or more until git has answered.
        rounds: how often each is measured; medians come back.
    """
    found: dict[str, list[float]] = {}
    environment = {**os.environ, "LEGM_PROVENANCE": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    for _ in range(rounds):
        for kind in ("alone", "git", "sampler"):
            with tempfile.TemporaryDirectory() as root:
                command = [sys.executable, "-c", _SCRIPT, root, kind, str(steps)]
                done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            for name, value in json.loads(done.stdout).items():
                found.setdefault(f"{kind}_{name}", []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def time_steps(root: str, kind: str, steps: str) -> None:
    """Print how long the steps of a training took, in ms, as JSON.

    Args:
        root: where the run is logged.
        kind: what legm does meanwhile: "git", "sampler", or "alone" for neither.
        steps: how many there are at least.
    """
    from legm import ExperimentHandler
    from legm.delivery import run_start

    run_start.SystemSampler = partial(run_start.SystemSampler, interval=_SAMPLER)  # type: ignore[assignment,misc]
    handler = ExperimentHandler(root, "steps", provenance=kind == "git", system_metrics=kind == "sampler")
    handler.start()
    least, seconds = int(steps), list[float]()
    while len(seconds) < least or (_is_asking_git() and len(seconds) < 20 * least):
        began = time.perf_counter()
        handler.set_dict_metrics({"loss": 1 / (1 + len(seconds)), "accuracy": 0.5})
        time.sleep(0.001)  # as a device that calculates, while other threads run
        seconds.append(time.perf_counter() - began)
    git = handler.log().run.environment.get("git", {})
    ordered = sorted(seconds)
    found = {
        "median": 1e3 * ordered[len(ordered) // 2],
        "late": 1e3 * ordered[int(len(ordered) * 0.999)],
        "longest": 1e3 * ordered[-1],
        "complete": float(isinstance(git, dict) and git.get("dirty") is True),
    }
    print(json.dumps(found))


def _is_asking_git() -> bool:
    return any(thread.name == "legm-provenance" for thread in threading.enumerate())
