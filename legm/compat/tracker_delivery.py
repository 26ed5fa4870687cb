"""Delivers runs to W&B and MLflow from a process without stand-ins.

Where ``import wandb`` is the stand-in, the library is not available, nor is the backend that needs it. There,
runs are recorded in another backend. When the script has ended, a process of its own exports them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from legm.compat.redirection import REDIRECTED, SHADOW_FOLDER
from legm.compat.settings import Settings
from legm.errors import LegmError
from legm.runlog.file_names import DROP_IN_LOCK, OWN_FOLDER
from legm.util.locks import file_lock
from legm.util.real_libraries import is_library_redirected

__all__ = ["deliver_to_trackers", "split_tracker_backends"]

_TIMEOUT = 600  # seconds


def split_tracker_backends(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The settings with the backends that this process can use, and those that get the runs afterwards."""
    if not is_library_redirected():
        return settings, ()
    usable = tuple(name for name in settings.backend if name not in REDIRECTED)
    later = tuple(name for name in settings.backend if name in REDIRECTED)
    return replace(settings, backend=usable or ("local",)), later


def deliver_to_trackers(settings: Settings, trackers: Sequence[str]) -> Iterator[str]:
    """Export the runs of a root directory to trackers, each run once; yields what went wrong, as text.

    Args:
        settings: name the root directory, and the backend that has the runs.
        trackers: the names of the backends to export to.
    """
    paths = [
        path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path != str(SHADOW_FOLDER)
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    for name in trackers:
        command = ["-m", "legm", "export", str(settings.root), "--to", name, "--from", settings.backend[0]]
        problem = _tracker_delivery_problem([sys.executable, *command], settings.root, environment)
        if problem is not None:
            again = f"legm export {settings.root} --to {name}"
            yield f"not every run is in {name}: {problem}; {again} tries again"


def _tracker_delivery_problem(command: Sequence[str], root: Path, environment: dict[str, str]) -> str | None:
    try:
        with file_lock(root / OWN_FOLDER / DROP_IN_LOCK):
            done = subprocess.run(  # noqa: S603 - legm itself
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
    except (OSError, LegmError) as error:
        return str(error)
    except subprocess.TimeoutExpired:
        return f"it took more than {_TIMEOUT} seconds"
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else f"exit status {done.returncode}") if done.returncode else None
