"""What beginning costs: the import, and ``start()`` beside few and many configurations."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

__all__ = ["build_configurations", "imports", "loaded", "start"]

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


def build_configurations(folder: str, configurations: int) -> dict[str, float]:
    """Make so many configurations, each by ``start()``."""
    from legm import ExperimentHandler

    began = time.perf_counter()
    for number in range(configurations):
        _handler(ExperimentHandler, folder, number).start()
    return {"seconds": time.perf_counter() - began, "configurations": configurations}


def start(folder: str, configurations: int, rounds: int, fresh: int) -> dict[str, float]:
    """Seconds of ``start()``, medians of rounds: of configurations that are there, and of new ones.

    Args:
        folder: with so many configurations in it.
        configurations: how many.
        rounds: how often each is measured.
        fresh: a number that no earlier call on this folder had.
    """
    from legm import ExperimentHandler

    def started(number: int) -> float:
        handler = _handler(ExperimentHandler, folder, number)
        began = time.perf_counter()
        handler.start()
        return time.perf_counter() - began

    first = started(0)  # imports on first use what it needs
    existing: list[float] = []
    new: list[float] = []
    for turn in range(rounds):
        existing.append(started(turn * 7919 % configurations))
        new.append(started(1_000_000 * (fresh + 1) + turn))
    return {"first": first, "existing": statistics.median(existing), "new": statistics.median(new)}


def _handler(kind, folder: str, number: int):  # noqa: ANN001, ANN202 - legm is imported by the measured process only
    handler = kind(folder, "start")
    handler.set_dict_params({"learning_rate": number / 1000, "layers": [number, 64], "model": "LeNet"})
    handler.name_param("learning_rate")
    return handler
