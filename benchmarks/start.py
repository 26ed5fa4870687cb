"""What beginning costs: the import, and ``start()`` beside few and many configurations."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm import ExperimentHandler

__all__ = [
    "build_configurations",
    "build_repository",
    "imports",
    "loaded",
    "resume",
    "run_start",
    "start",
    "start_absent_values",
    "start_in_repository",
    "system_metrics",
]

_HEAVY = ("numpy", "matplotlib", "tensorboard", "mlflow", "wandb")


def imports(rounds: int) -> dict[str, float]:
    """Seconds of a fresh interpreter, bare and with legm; medians of rounds in turns."""
    statements = {
        "bare": "pass",
        "legm": "import legm",
        "handler": "from legm import ExperimentHandler",
        "made": "import legm; legm.ExperimentHandler('nowhere', 'e')",
    }
    seconds: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(rounds + 1):  # the first warms the disk's cache and writes bytecode
        for name, statement in statements.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(found[1:]) for name, found in seconds.items()}


def loaded() -> dict[str, float]:
    """Which heavy packages ``import legm`` loads: 1 or 0 by name."""
    statement = f"import legm, sys; print(*(name for name in {_HEAVY} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True, text=True)
    return {name: float(name in found.stdout.split()) for name in _HEAVY}


def system_metrics(samples: int) -> dict[str, float]:
    """CPU seconds of one sample of system metrics, in the thread that takes it, and of making the readers."""
    from legm.system_metrics.gpus import GpuReader
    from legm.system_metrics.machine import MachineReader

    began = time.thread_time()
    readers = [MachineReader(Path.cwd()), GpuReader()]
    made = time.thread_time()
    for _ in range(samples):
        for reader in readers:
            reader.read()
    return {"made": made - began, "sample": (time.thread_time() - made) / samples}


_IN_REPOSITORY = """
import json, sys, time
from legm import ExperimentHandler
def started(provenance):
    handler = ExperimentHandler(sys.argv[1], "start", provenance=provenance)
    handler.set_param("seed", 1)
    handler.disable_param("seed")
    began = time.perf_counter()
    handler.start()
    return handler, time.perf_counter() - began
started(False)[0].log()  # imports on first use what a run needs
without = started(False)[1]
handler, seconds = started(True)
began = time.perf_counter()
while time.perf_counter() - began < 2:
    handler.set_metric("loss", 1.0)
    time.sleep(0.001)
git = handler.log().run.environment["git"]
print(json.dumps({"start": seconds, "without": without, "complete": float(git.get("dirty") is True)}))
"""


def build_repository(folder: str, files: int, changed: int) -> dict[str, float]:
    """Make a repository with so many files, of which some are changed, and as many new ones."""
    top = Path(folder)
    for number in range(files):
        if number % 1000 == 0:
            (top / f"folder{number // 1000}").mkdir()
        (top / f"folder{number // 1000}" / f"{number}.py").write_text(f"number = {number}\n")
    (top / "train.py").write_text("")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        identity = ["-c", "user.name=legm", "-c", "user.email=legm@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)
    (top / "train.py").write_text(_IN_REPOSITORY)
    for number in range(changed):
        lines = "".join(
            f"number = {line}  # one of the lines of a program\n" for line in range(number, number + 100)
        )
        (top / f"folder{number // 1000}" / f"{number}.py").write_text(lines)
        (top / f"new{number}.py").write_text(lines)
    return {"files": files}


def start_in_repository(folder: str, rounds: int) -> dict[str, float]:
    """Seconds of ``start()`` with provenance by a script in a repository; the median of processes."""
    environment = {**os.environ, "LEGM_PROVENANCE": "1"}
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as root:
            command = [sys.executable, "train.py", root]
            done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            found.append(json.loads(done.stdout))
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def run_start(folder: str, rounds: int) -> dict[str, float]:
    """Seconds until the first line of a script runs: by plain Python, and by ``legm run`` with stand-ins."""
    script = Path(folder, "train.py")
    script.write_text("import time\nprint(time.time())\n")
    plain = [sys.executable, str(script)]
    commands = {"plain": plain, "run": [sys.executable, "-m", "legm", "run", "--drop-in", "--", *plain]}
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):  # the first one compiles what it imports
        for name, command in commands.items():
            began = time.time()
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True)
            found[name].append(float(done.stdout) - began)
    return {name: statistics.median(seconds[1:]) for name, seconds in found.items()}


def build_configurations(folder: str, configurations: int) -> dict[str, float]:
    """Make so many configurations, each by ``start()``."""
    began = time.perf_counter()
    for number in range(configurations):
        _handler(folder, number).start()
    return {"seconds": time.perf_counter() - began, "configurations": configurations}


def start(few: str, many: str, configurations: list[int], rounds: int, fresh: int) -> dict[str, float]:
    """Seconds of ``start()`` in turns beside few and many: of configurations that are there, and of new ones.

    Args:
        few: the folder with few configurations.
        many: the one with many.
        configurations: how many these are.
        rounds: how often each is measured; medians come back.
        fresh: a number that no earlier call on these folders had.
    """

    def started(folder: str, number: int) -> float:
        handler = _handler(folder, number)
        began = time.perf_counter()
        handler.start()
        return time.perf_counter() - began

    first = started(many, 0)  # imports on first use what it needs
    started(few, 0)
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds):
        for name, folder, count in zip(("few", "many"), (few, many), configurations, strict=True):
            existing, new = turn * 7919 % count, 1_000_000 * (fresh + 1) + turn
            seconds.setdefault(f"existing_{name}", []).append(started(folder, existing))
            seconds.setdefault(f"new_{name}", []).append(started(folder, new))
    return {"first": first, **{name: statistics.median(found) for name, found in seconds.items()}}


def start_absent_values(folder: str, count: int, rounds: int) -> dict[str, float]:
    """Seconds of ``start()`` with absent values, in turns with one without; medians.

    Args:
        folder: an empty one.
        count: how many parameters have an absent value; every other one has this very value.
        rounds: how often each is measured.
    """

    def started(experiment: str, absent: int) -> float:
        handler = _handler(folder, 0, experiment)
        for number in range(count):
            value = None if absent == 0 else number / 7
            handler.set_param(f"late{number}", number / 7 + number % 2, absent_value=value)
        began = time.perf_counter()
        handler.start()
        return time.perf_counter() - began

    for experiment in ("warm", "plain"):
        started(experiment, 0)  # imports on first use what it needs
    found = {"first": started("start", count), "with": 0.0, "without": 0.0}
    seconds = [(started("start", count), started("plain", 0)) for _ in range(rounds)]
    found["with"], found["without"] = (statistics.median(column) for column in zip(*seconds, strict=True))
    return found


_KILLED = """
import os, sys
from benchmarks.start import _handler
handler = _handler(sys.argv[1], 0).start()
for step in range(int(sys.argv[2])):
    handler.set_dict_metrics({f"metric {number}": step / 7 + number for number in range(10)}, step=step)
handler.flush()
os.kill(os.getpid(), 9)
"""


def resume(folder: str, rows: int) -> dict[str, float]:
    """Seconds from ``start(resume=True)`` until the first new value is accepted; a process was killed before.

    Args:
        folder: an empty one.
        rows: how many times ten values the killed process had set.
    """
    subprocess.run([sys.executable, "-c", _KILLED, folder, str(rows)], check=False)
    _handler(folder, 1).start()  # imports on first use what it needs
    handler = _handler(folder, 0)
    began = time.perf_counter()
    handler.start(resume=True, rewind_to=rows * 9 // 10)
    handler.set_metric("metric 0", 0.5)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "resumed": float(handler.is_resumed), "values": rows * 10}


def _handler(folder: str, number: int, experiment: str = "start") -> ExperimentHandler:
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, experiment)
    handler.set_dict_params({"learning_rate": number / 1000, "layers": [number, 64], "model": "LeNet"})
    handler.name_param("learning_rate")
    return handler
