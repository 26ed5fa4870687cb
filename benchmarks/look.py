"""What a look at many configurations costs: ``legm ls`` and ``legm best``, as a person starts them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

__all__ = ["amend", "build_looked_at", "look", "look_at_large"]

_SERIES = 10  # values of each metric


def build_looked_at(folder: str, configurations: int, runs: int) -> dict[str, float]:
    """Make so many configurations with so many completed runs each.

    The runs of one are logged; the others' are what logging them would have left, written by the local
    backend's own files, but not forced to disk.

    Args:
        folder: the root directory.
        configurations: how many.
        runs: of each.
    """
    from legm import ExperimentHandler
    from legm.backends.local.backend import LocalBackend
    from legm.backends.local.entry_file import EntryFile
    from legm.backends.local.result_yaml import metrics_yaml_head, series_yaml, steps_yaml_head
    from legm.records import Query

    def handler(number: int) -> ExperimentHandler:
        made = ExperimentHandler(folder, "look")
        made.set_dict_params(
            {"learning_rate": number / 1000, "batch_size": 2 ** (number % 8), "momentum": 0.9}
        )
        made.set_dict_params(
            {"layers": [number % 10 * 16, 64], "model": "LeNet", "optimizer": "sgd", "seed": 0}
        )
        made.set_parent("momentum", "optimizer", "sgd")
        made.disable_param("seed")
        made.name_params(["learning_rate", "batch_size"])
        return made

    began = time.perf_counter()
    first = handler(0).start()
    for run in range(runs):
        if run:
            first.reset(seed=run)
        for step in range(_SERIES):
            first.set_dict_metrics({"loss": 1 / (1 + step + run / 10), "accuracy": step / 10 + run / 100})
        first.set_best("early_stopping", metric="loss", higher_better=False)
        first.set_metric("accuracy", 0.9 + run / 100, test=True)
        first.log()
    backend = LocalBackend(Path(folder))
    results = list(backend.legm_read_runs(Query("look", first.fingerprint, histories=None)))
    logs = sorted((first.configuration_folder / "runs").glob("*.log"))
    os.fsync = lambda _: None  # type: ignore[assignment]
    for number in range(1, configurations):
        configuration = handler(number)._current()  # noqa: SLF001 - a run is not wanted here
        place = backend.legm_folder(configuration, create=True)
        assert place is not None
        (place / "runs" / "open").mkdir(parents=True)
        (place / "runs" / ".lock").touch()
        metrics, steps = EntryFile(place / "metrics.yml"), EntryFile(place / "steps.yml")
        for result, log in zip(results, logs, strict=True):
            run_id = f"{result.run.run_id[:-6]}{number:06x}"
            best = {series: value + number / 1e6 for series, value in result.best.items()}
            made = replace(result, run=replace(result.run, run_id=run_id), best=best)
            values_text, steps_text = series_yaml(made)
            steps.put(steps_yaml_head(made), steps_text)
            metrics.put(metrics_yaml_head(made), values_text)
            (place / "runs" / f"{run_id}.log").write_bytes(log.read_bytes())
            for path in (first.configuration_folder / "tensorboard" / log.stem).iterdir():
                (place / "tensorboard" / run_id).mkdir(parents=True, exist_ok=True)
                (place / "tensorboard" / run_id / path.name).write_bytes(path.read_bytes())
    return {"seconds": time.perf_counter() - began, "configurations": configurations, "runs": runs}


def look(folder: str, experiment: str, rounds: int) -> dict[str, float]:
    """Seconds of ``legm ls`` and ``legm best``, each a whole process, and of ``legm --help``; their CPU too.

    Args:
        folder: the root directory.
        experiment: its experiment.
        rounds: how often each is started; medians come back.
    """
    place = Path(folder) / experiment
    catalogue = place / ".legm" / "catalogue"
    calls = {
        "help": ["--help"],
        "ls": ["ls", folder],
        "best": ["best", str(place), "loss", "--lower"],
    }
    found: dict[str, list[float]] = {}
    for _ in range(rounds + 1):  # the first warms the disk's cache
        for name, arguments in calls.items():
            for state in ("_cold", "_warm") if name != "help" else ("",):
                if state == "_cold":
                    catalogue.unlink(missing_ok=True)
                began, before = time.perf_counter(), os.times()
                subprocess.run([sys.executable, "-m", "legm", *arguments], check=True, capture_output=True)
                after = os.times()
                cpu = sum(after[2:4]) - sum(before[2:4])  # of processes that have ended
                found.setdefault(f"{name}{state}", []).append(time.perf_counter() - began)
                found.setdefault(f"{name}{state}_cpu", []).append(cpu)
    return {name: statistics.median(values[1:]) for name, values in found.items()}


def look_at_large(folder: str, size: int) -> dict[str, float]:
    """The peak of memory of ``legm ls`` with a parameter of so many characters, and with a small one."""
    from legm import ExperimentHandler

    peaks = {}
    for name, length in (("small", 1), ("large", size)):
        handler = ExperimentHandler(f"{folder}/{name}", "look")
        handler.set_dict_params({"rate": 0.1, "data": "x" * length})
        with handler.start():
            handler.set_metric("loss", 0.5)
        found = subprocess.run(
            [sys.executable, "-c", _PEAK, f"{folder}/{name}"], check=True, capture_output=True, text=True
        )
        peaks[name] = float(found.stdout.splitlines()[-1])
    return peaks


def amend(folder: str, few: str, experiment: str) -> dict[str, float]:
    """Seconds of ``legm amend`` that renames a parameter of every configuration, and back, as a process.

    Args:
        folder: the root directory.
        few: another one, with few configurations, of which the peak of memory is measured too.
        experiment: the experiment in both.
    """
    found: dict[str, float] = {}
    for name, root in (("few", few), ("many", folder)):
        seconds, cpu, peaks = [], [], []
        for change in ("batch_size=batch", "batch=batch_size"):
            command = [sys.executable, "-c", _AMEND, f"{root}/{experiment}", change]
            began, before = time.perf_counter(), os.times()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            after = os.times()
            seconds.append(time.perf_counter() - began)
            cpu.append(sum(after[2:4]) - sum(before[2:4]))  # of processes that have ended
            peaks.append(float(done.stdout.splitlines()[-1]))
        found |= {
            name: statistics.median(seconds),
            f"{name}_cpu": statistics.median(cpu),
            f"{name}_peak": max(peaks),
        }
    return found


_AMEND = """
import resource, sys
from legm.cli import main
main(["amend", sys.argv[1], "--rename", sys.argv[2], "--yes"], standalone_mode=False)
status = open("/proc/self/status").read()  # ru_maxrss has that of the process that started this one
own = int(status.partition("VmHWM:")[2].split()[0])
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024)
"""

_PEAK = """
import sys
from legm.cli import main
main(["ls", sys.argv[1]], standalone_mode=False)
status = open("/proc/self/status").read()  # ru_maxrss has that of the process that started this one
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""
