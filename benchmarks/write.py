"""What writing costs: legm's own calls. The peers' are in :mod:`benchmarks.peers`."""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["legm", "live_memory", "log_late", "log_memory", "peak_memory", "restart_peak", "slow"]

NAMES = tuple(f"metric_{i}" for i in range(10))


def row(step: int) -> dict[str, float]:
    """Ten metrics of a step, with values of as many digits as measured ones have."""
    return {name: 1.0 / (step + place + 3.7) for place, name in enumerate(NAMES)}


def legm(folder: str, rows: int) -> dict[str, float]:
    """One run: seconds of ``set_dict_metrics``, of ``log()``, and all CPU from before start() on.

    What legm imports on first use is in the CPU; ``import legm`` and the rows' making are not.
    """
    from legm import ExperimentHandler

    made = [row(step) for step in range(1000)]
    before = time.process_time()
    handler = ExperimentHandler(folder, "write")
    handler.set_param("rows", rows)
    handler.start()
    call = handler.set_dict_metrics
    began, began_thread = time.perf_counter(), time.thread_time()
    for step in range(rows):
        call(made[step % 1000])
    called, called_thread = time.perf_counter(), time.thread_time()
    result = handler.log()
    ended = time.perf_counter()
    if result.points != rows * len(NAMES):
        raise RuntimeError(f"{result.points} values were logged of {rows * len(NAMES)}")
    return {
        "scalars": rows * len(NAMES),
        "caller": called - began,
        "caller_cpu": called_thread - began_thread,
        "total": ended - began,
        "cpu": time.process_time() - before,
    }


def slow(folder: str, seconds: float) -> dict[str, float]:
    """CPU seconds of a second of a run that sets a row every 10 ms, and of the loop alone."""
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, "slow")
    handler.set_param("seconds", seconds)
    handler.start()
    handler.set_dict_metrics(row(0))
    time.sleep(0.4)  # the first batch imports what the recorder needs

    def loop(call: Callable[[dict[str, float]], object]) -> float:
        made = row(1)
        before, began = time.process_time(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            call(made)
            time.sleep(0.01)
        return (time.process_time() - before) / seconds

    cpu = loop(handler.set_dict_metrics)
    handler.log()
    return {"cpu": cpu, "sleeping": loop(lambda _: None)}


def log_late(folder: str, runs: int, steps: int, configurations: int) -> dict[str, float]:
    """Seconds of ``log()`` for a configuration's first three and last three runs, medians.

    The last three of a configuration and the first three of the next are timed in turns.
    """
    import statistics

    from legm import ExperimentHandler

    made = [row(step) for step in range(steps)]

    def begun(number: int) -> ExperimentHandler:
        handler = ExperimentHandler(folder, "log")
        handler.set_param("number", number)
        return handler.start()

    def logged(handler: ExperimentHandler, *, again: bool) -> float:
        if again:
            handler.reset()
        for metrics in made:
            handler.set_dict_metrics(metrics)
        began = time.perf_counter()
        handler.log()
        return time.perf_counter() - began

    handler = begun(0)
    for number in range(runs - 3):
        logged(handler, again=number > 0)
    first: list[float] = []
    last: list[float] = []
    for number in range(1, configurations + 1):
        fresh = begun(number)
        for turn in range(3):
            last.append(logged(handler, again=True))
            first.append(logged(fresh, again=turn > 0))
        if number < configurations:
            for _ in range(runs - 6):
                logged(fresh, again=True)
        handler = fresh
    return {"first": statistics.median(first), "last": statistics.median(last)}


def live_memory(folder: str, portions: int, rows: int) -> dict[str, float]:
    """Bytes by which the process grew for each number of a run that goes on.

    Between portions of rows the recorder's thread has time to write them, as in a training. The most
    that was resident after a portion counts, less what was after the first two.
    """
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, "memory")
    handler.set_param("rows", rows)
    handler.start()
    resident: list[int] = []
    for portion in range(portions + 2):
        for step in range(portion * rows, (portion + 1) * rows):
            handler.set_dict_metrics(row(step), step=step)
        time.sleep(0.4)  # the recorder looks every quarter of a second
        gc.collect()
        resident.append(_resident())
    handler.log()
    grown = max(resident[2:]) - resident[1]
    return {"bytes": grown / (portions * rows * len(NAMES)), "resident": resident[-1], "at_log": _resident()}


def log_memory(folder: str, rows: int, metrics: int) -> dict[str, float]:
    """Bytes by which log() makes the process grow at most, for each number of the run.

    Before it, all is on disk and a small run was logged, so that neither what is still to be written nor
    legm's imports count.
    """
    from legm import ExperimentHandler

    def run_of(many: int) -> ExperimentHandler:
        handler = ExperimentHandler(folder, "memory")
        handler.set_param("rows", many)
        handler.start()
        for step in range(many):
            handler.set_dict_metrics({name: random.random() for name in NAMES[:metrics]}, step=step)
        handler.flush()
        return handler

    run_of(200).log()
    handler = run_of(rows)
    gc.collect()
    before = restart_peak()
    handler.log()
    return {"bytes": (peak_memory() - before) / (rows * metrics), "peak": peak_memory()}


def restart_peak() -> int:
    """Let the peak of memory count from here on; returns what is resident now (bytes)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _resident()


def peak_memory() -> int:
    """The most that has been resident (bytes)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
