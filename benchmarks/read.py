"""What reading costs: aggregating and plotting over many runs of one configuration."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.write import row

if TYPE_CHECKING:
    from legm import ExperimentHandler

__all__ = ["aggregate", "build_runs", "curves", "plot"]


def _handler(folder: str) -> ExperimentHandler:
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, "read")
    handler.set_dict_params({"learning_rate": 0.1, "model": "LeNet"})
    return handler


def build_runs(folder: str, runs: int, steps: int) -> dict[str, float]:
    """Log so many runs of one configuration, of ten metrics each, by ``reset()`` and ``log()``."""
    handler = _handler(folder).start()
    began, before = time.perf_counter(), time.process_time()
    for run in range(runs):
        if run:
            handler.reset()
        for step in range(steps):
            handler.set_dict_metrics(row(step + run % 17))
        handler.log()
    return {
        "runs": runs,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - before,
    }


def aggregate(folder: str) -> dict[str, float]:
    """Seconds of ``aggregate_results()``, and of all imports that it needs."""
    began = time.perf_counter()
    import filelock  # noqa: F401
    import yaml  # noqa: F401

    handler = _handler(folder)
    imported = time.perf_counter()
    results = handler.aggregate_results()
    ended = time.perf_counter()
    n = min(result["n"] for result in results.values())
    return {"imports": imported - began, "seconds": ended - imported, "n": n, **_peak()}


def curves(folder: str) -> dict[str, float]:
    """Seconds of all that ``plot()`` reads and computes, imports included, and the peak of memory."""
    began = time.perf_counter()
    from legm.backends.local.backend import LocalBackend
    from legm.records import Query
    from legm.stats.aggregate import aggregate_curves as computed

    handler = _handler(folder)
    found = LocalBackend(Path(folder))
    runs = found.legm_read_runs(query=Query("read", handler.fingerprint, "", None))
    drawn = computed(runs, None, "mean")
    return {"seconds": time.perf_counter() - began, "curves": len(drawn), **_peak()}


def plot(folder: str) -> dict[str, float]:
    """Seconds of a whole ``plot()``, imports and pictures included, and the peak of memory."""
    began = time.perf_counter()
    pictures = _handler(folder).plot()
    return {"seconds": time.perf_counter() - began, "pictures": len(pictures), **_peak()}


def _peak() -> dict[str, float]:
    """The most bytes that were resident in this process."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak": most if sys.platform == "darwin" else most * 1024}
