"""What several backends at once cost the caller: the local folder, MLflow on SQLite and W&B offline.

Imports, and the first start of W&B's own process, are not counted. Afterwards each backend has the whole
run, or the probe fails. And what a mirror that is away costs the caller.
"""

from __future__ import annotations

import itertools
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.wandb_store import SETTINGS
from benchmarks.write import NAMES, row
from legm.hooks import Capability, hookimpl

if TYPE_CHECKING:
    from legm import ExperimentHandler
    from legm.records import Configuration, RunResult

_HANGS = 1.0  # seconds that each second call of a mirror that is away takes

__all__ = ["away", "paced", "steady"]


def _begun(folder: str, opening: float) -> ExperimentHandler:
    """A run of which each backend has the first row, so that all of them are at work."""
    import mlflow  # noqa: F401
    import wandb

    from legm import ExperimentHandler
    from legm.util.wandb_session import WandbSession

    with WandbSession({}).active():
        wandb.setup().ensure_service()
    options = {
        "mlflow": {"tracking_uri": f"sqlite:///{folder}/mlflow.db"},
        "wandb": {"mode": "offline", "settings": SETTINGS},
    }
    logging.basicConfig(level=logging.WARNING)
    handler = ExperimentHandler(
        folder, "write", backend=["local", "mlflow", "wandb"], backend_options=options, strict=True
    )
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_dict_metrics(row(0))
    time.sleep(opening)  # MLflow's store is open, and W&B's run has begun
    return handler


def _logged(handler: ExperimentHandler, folder: str, rows: int) -> None:
    result = handler.log()  # strict: an error where a mirror has not all of it
    if result.points != rows * len(NAMES):
        raise RuntimeError(f"{result.points} values were logged of {rows * len(NAMES)}")
    if list(Path(folder).glob("**/runs/open/*.log")):
        raise RuntimeError("a backend has not all of the run")


def steady(folder: str, rows: int, opening: float) -> dict[str, float]:
    """Seconds of ``set_dict_metrics`` for rows of ten numbers without a pause."""
    made = [row(step) for step in range(1000)]
    handler = _begun(folder, opening)
    call = handler.set_dict_metrics
    began, began_thread = time.perf_counter(), time.thread_time()
    for step in range(rows):
        call(made[step % 1000])
    called, called_thread = time.perf_counter(), time.thread_time()
    _logged(handler, folder, rows + 1)
    return {
        "scalars": rows * len(NAMES),
        "caller": called - began,
        "caller_cpu": called_thread - began_thread,
    }


def paced(folder: str, seconds: float, opening: float) -> dict[str, float]:
    """Seconds of ``set_dict_metrics`` every 2 ms while the backends are at work."""
    made = row(1)
    handler = _begun(folder, opening)
    spent, own, count, ends = 0.0, 0.0, 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        began, began_thread = time.perf_counter(), time.thread_time()
        handler.set_dict_metrics(made)
        own += time.thread_time() - began_thread
        spent += time.perf_counter() - began
        count += 1
        time.sleep(0.002)
    _logged(handler, folder, count + 1)
    return {"scalars": count * len(NAMES), "caller": spent, "caller_cpu": own}


class Away:
    """A mirror that is away: it hangs, raises, hangs, …."""

    name = "away"
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, _root: Path) -> None:
        self._calls = itertools.count()

    def _answer(self) -> None:
        if next(self._calls) % 2:
            raise ConnectionError("no route to host")
        time.sleep(_HANGS)
        raise TimeoutError("no answer")

    @hookimpl
    def legm_open_run(self) -> None:
        self._answer()

    @hookimpl
    def legm_write(self) -> None:
        self._answer()

    @hookimpl
    def legm_close_run(self) -> None:
        self._answer()

    @hookimpl
    def legm_read_runs(self) -> list[RunResult]:
        return []

    @hookimpl
    def legm_read_configurations(self) -> list[Configuration]:
        return []


def away(folder: str, seconds: float) -> dict[str, float]:
    """The slowest call of ``set_dict_metrics`` every 2 ms, with a mirror that is away and without one."""
    from legm import ExperimentHandler

    logging.basicConfig(level=logging.CRITICAL)
    made, slowest = row(1), {}
    for name, backend in (("alone", "local"), ("away", ["local", Away])):
        handler = ExperimentHandler(folder, name, backend=backend).start()
        handler.set_dict_metrics(made)
        calls, ends = [], time.perf_counter() + seconds
        while time.perf_counter() < ends:
            began = time.perf_counter()
            handler.set_dict_metrics(made)
            calls.append(time.perf_counter() - began)
            time.sleep(0.002)
        slowest[name] = max(calls)
        result = handler.log()
        if result.points != (len(calls) + 1) * len(NAMES):
            raise RuntimeError(f"{result.points} values were logged")
    return {**slowest, "hangs": _HANGS}
