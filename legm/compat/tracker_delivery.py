"""Delivers runs to W&B and MLflow from a process without stand-ins.

Where ``import wandb`` is the stand-in, the library is not available, nor is the backend that needs it. There,
runs are recorded in another backend. When the script has ended, a process of its own exports them. Until then
a file in the root directory says so, so that ``legm sync`` does it for a script that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from legm.compat.redirection import REDIRECTED, SHADOW_FOLDER
from legm.compat.settings import Settings
from legm.errors import LegmError
from legm.runlog.file_names import DROP_IN_LOCK, OWN_FOLDER
from legm.util.locks import file_lock
from legm.util.real_libraries import is_library_redirected

__all__ = [
    "PendingExport",
    "TrackerExport",
    "TrackerExportReminders",
    "deliver_pending_to_trackers",
    "deliver_to_trackers",
    "pending_tracker_exports",
    "split_tracker_backends",
]

_TIMEOUT = 600  # seconds
_PENDING_FOLDER = "tracker-exports"  # in the root directory's own folder


def split_tracker_backends(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The settings with the backends that this process can use, and those that get the runs afterwards."""
    if not is_library_redirected():
        return settings, ()
    usable = tuple(name for name in settings.backend if name not in REDIRECTED)
    later = tuple(name for name in settings.backend if name in REDIRECTED)
    return replace(settings, backend=usable or ("local",)), later


def deliver_to_trackers(
    settings: Settings, trackers: Sequence[str], reminders: TrackerExportReminders
) -> Iterator[str]:
    """Export the runs of a root directory to trackers, each run once; yields what went wrong, as text.

    Args:
        settings: name the root directory, and the backend that has the runs.
        trackers: the names of the backends to export to.
        reminders: of each tracker, until it has the runs.
    """
    paths = [
        path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path != str(SHADOW_FOLDER)
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    for name in trackers:
        command = ["-m", "legm", "export", str(settings.root), "--to", name, "--from", settings.backend[0]]
        problem = _tracker_delivery_problem([sys.executable, *command], settings.root, environment)
        if problem is None:
            reminders.remove(name)
        else:
            yield f"not every run is in {name}: {problem}; legm sync {settings.root} tries again"


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


@dataclass(frozen=True, slots=True)
class PendingExport:
    """Runs of drop-in scripts that a tracker may not have.

    Args:
        tracker: the name of the backend to export to.
        source: the name of the backend that has the runs.
        files: those that say so.
    """

    tracker: str
    source: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class TrackerExport:
    """The outcome of an export that a script did not make, because it was killed.

    Args:
        tracker: the name of the backend.
        delivered: how many runs it got.
        problem: why it may lack some; "" where it has all that have ended.
    """

    tracker: str
    delivered: int
    problem: str = ""


class TrackerExportReminders:
    """The files of this process that say which trackers get its runs when it ends.

    Args:
        settings: name the root directory, and the backend that has the runs.
        trackers: the names of the backends to export to.
    """

    def __init__(self, settings: Settings, trackers: Sequence[str]) -> None:
        folder = settings.root / OWN_FOLDER / _PENDING_FOLDER
        token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._files = {folder / f"{name}-{token}.json": name for name in trackers}
        self._source = settings.backend[0]

    def write(self) -> None:
        """Write those that are not there; a folder that cannot be written is the backend's to report."""
        for path, name in self._files.items():
            if not path.exists():
                with contextlib.suppress(OSError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(json.dumps({"tracker": name, "source": self._source}))

    def remove(self, tracker: str) -> None:
        """Remove that of a tracker, which has the runs."""
        for path, name in self._files.items():
            if name == tracker:
                path.unlink(missing_ok=True)


def pending_tracker_exports(root: Path) -> list[PendingExport]:
    """What scripts were to export when they ended: they still run, or were killed."""
    found: dict[tuple[str, str], list[Path]] = {}
    folder = root / OWN_FOLDER / _PENDING_FOLDER
    for path in sorted(folder.glob("*.json")) if not folder.is_symlink() else ():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # not a file of legm's
            content = json.loads(path.read_bytes())
            tracker, source = str(content["tracker"]), str(content["source"])
            if tracker in REDIRECTED and source not in REDIRECTED:
                found.setdefault((tracker, source), []).append(path)
    return [PendingExport(tracker, source, tuple(files)) for (tracker, source), files in found.items()]


def deliver_pending_to_trackers(root: Path, to: str | None = None) -> Iterator[TrackerExport]:
    """Export to trackers the runs of scripts that were killed before they did it themselves.

    Args:
        root: the root directory.
        to: only to this tracker.
    """
    from legm.export import State, export_runs

    for one in pending_tracker_exports(root):
        if to not in {None, one.tracker}:
            continue
        try:
            with file_lock(root / OWN_FOLDER / DROP_IN_LOCK):
                report = export_runs(root, one.tracker, source=one.source)
        except LegmError as error:
            yield TrackerExport(one.tracker, 0, str(error))
            continue
        missing = [run.text for run in report.runs if run.state is State.MISSING]
        if report.is_complete and not report.states.get(State.RUNNING):
            for path in one.files:
                path.unlink(missing_ok=True)
        yield TrackerExport(one.tracker, report.states.get(State.DELIVERED, 0), missing[0] if missing else "")
