"""Runs one probe in a process of its own, so that no import, cache or heap leaks into the next.

A probe is a function of this package that takes plain keyword arguments and returns numbers by name.
``python -m benchmarks.sample`` is the other side: it reads what to run from its standard input and prints
the numbers as the last line of its standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from legm.util.child_processes import process_group

__all__ = ["FailedError", "NotInstalled", "Probe", "run"]

_NOT_INSTALLED = 3
QUIET = {
    # No peer may look for updates, count its users or draw to the terminal while it is measured.
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
}

Probe = Callable[..., Mapping[str, float]]


class NotInstalled(Exception):
    """The peer that a probe measures is not installed."""


class FailedError(RuntimeError):
    """A probe ended with an error."""


def run(
    probe: Probe, arguments: Mapping[str, Any], home: Path, timeout: float | None = None
) -> dict[str, float]:
    """Call a probe in a fresh process.

    Args:
        probe: a function of a module of this package.
        arguments: its keyword arguments, plain.
        home: the folder that peers take for the user's own, so that none reads or leaves settings; the
            one around it has matplotlib's list of fonts, which is made once.
        timeout: seconds after which the process is ended, with all that it started.

    Raises:
        subprocess.TimeoutExpired: it took longer.
        NotInstalled: the probe could not import the peer.
        FailedError: it ended otherwise than by returning.
    """
    task = json.dumps([probe.__module__, probe.__qualname__, dict(arguments)])
    places = {"HOME": str(home), "TRACKIO_DIR": str(home / "trackio"), "MPLCONFIGDIR": str(home.parent)}
    with process_group(
        [sys.executable, "-m", "benchmarks.sample"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, **QUIET, **places},
    ) as process:
        output, errors = process.communicate(task, timeout)
    if process.returncode == _NOT_INSTALLED:
        raise NotInstalled(errors.strip().rpartition("\n")[2])
    if process.returncode:
        raise FailedError(f"{probe.__name__}({dict(arguments)}) ended with {process.returncode}:\n{errors}")
    numbers: dict[str, float] = json.loads(output.rstrip("\n").rpartition("\n")[2])
    return numbers


def _main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a probe ends what it started
    module, name, arguments = json.load(sys.stdin)
    probe: Probe = getattr(importlib.import_module(module), name)
    try:
        numbers = probe(**arguments)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "legm":
            raise
        print(missing.name, file=sys.stderr)
        sys.exit(_NOT_INSTALLED)
    sys.stdout.flush()
    print("\n" + json.dumps(dict(numbers)))
    sys.stdout.flush()
    os._exit(0)  # what a peer still does at its exit is not waited for


if __name__ == "__main__":
    _main()
