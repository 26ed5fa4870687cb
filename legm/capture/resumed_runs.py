"""Which runs of earlier captures a captured script resumes although it does not say so: ``LEGM_RESUME``."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import lock_descriptor

from legm.core.credentials import redact
from legm.core.origins import IMPORTED
from legm.delivery.resuming import WantedRun, run_to_resume
from legm.delivery.script_runs import EarlierScriptRun, earlier_script_runs, script_launch_digest
from legm.records import Plain
from legm.runlog.file_names import CAPTURES, OWN_FOLDER

__all__ = ["ResumedByCapture", "digest_of_launch", "script_launch"]

_VARIABLE = "LEGM_CAPTURE_RESUME"
_DECIDED_BY = {"wandb": "WANDB_RUN_ID", "mlflow": "MLFLOW_RUN_ID"}
"""By tracker, its own variable that says which run the script continues."""


def script_launch(command: Sequence[str]) -> dict[str, Plain]:
    """The command and the folder of a script, without credentials.

    Args:
        command: the program and its arguments.
    """
    try:
        folder = os.getcwd()  # noqa: PTH109 - a text
    except OSError:  # it was deleted
        folder = ""
    found: dict[str, Plain] = redact("", {"command": [*redact("command", list(command))], "folder": folder})
    return found


def digest_of_launch(launch: Mapping[str, Plain]) -> str:
    """What distinguishes a script's command and folder; "" where they are unknown."""
    command = launch.get("command")
    given = [str(one) for one in command] if isinstance(command, list) else []
    return script_launch_digest(given, str(launch.get("folder", "")))


class ResumedByCapture:
    """Chooses a run for each tracker, and keeps other captures from resuming it.

    Args:
        root: the root directory.
        launch: the script's command and folder.
        given: the environment variables.
    """

    def __init__(self, root: Path, launch: Mapping[str, Plain], given: Mapping[str, str]) -> None:
        self._root = root
        self._launch = launch
        self._wanted = run_to_resume(None)
        self._mlflow_run = given.get("MLFLOW_RUN_ID", "")
        self._trackers = [tracker for tracker, name in _DECIDED_BY.items() if not given.get(name)]
        self._chosen: dict[str, EarlierScriptRun] = {}
        self._locks: dict[Path, int] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether a run of an earlier capture may have to be resumed."""
        return self._root.is_dir() and bool((self._wanted is not None and self._trackers) or self._mlflow_run)

    def choose(self) -> None:
        """Choose the runs, once all that earlier captures left behind is stored."""
        launch = digest_of_launch(self._launch)
        for tracker in self._trackers if self._wanted is not None else ():
            assert self._wanted is not None  # noqa: S101
            for found in earlier_script_runs(self._root, tracker, self._wanted, launch):
                if IMPORTED in found.run.environment and self._claim(found.run.run_id):
                    self._chosen[tracker] = found
                    break

    @property
    def kept(self) -> dict[str, Mapping[str, Plain]]:
        """By its key, the parameters that a resumed run keeps, whatever the script says."""
        return {one.key: one.distinguishing for one in self._chosen.values()}

    def _claim(self, run_id: str) -> bool:
        """Whether no other capture resumes a run."""
        path = self._root.absolute() / OWN_FOLDER / CAPTURES / f"{run_id}.resumed"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError:
            return False
        if not lock_descriptor(lock, blocking=False):
            os.close(lock)
            return False
        self._locks[path] = lock
        return True

    def variables(self) -> dict[str, str]:
        """The environment variables of the script that say which runs it resumes."""
        found = {tracker: _description_of_resumed(one) for tracker, one in self._chosen.items()}
        variables = {_VARIABLE: json.dumps(found)} if found else {}
        if self._mlflow_run and self.is_wanted:
            known = earlier_script_runs(self._root, "mlflow", WantedRun(self._mlflow_run), "")
            if next(known, None) is not None:  # else it is one of another store
                variables["MLFLOW_RUN_ID"] = self._mlflow_run
        return variables

    def close(self) -> None:
        """Let other captures resume the runs."""
        for path, lock in self._locks.items():
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(lock)
        self._locks.clear()


def _description_of_resumed(found: EarlierScriptRun) -> dict[str, Plain]:
    """What the script's process has to know of a run, which has no legm."""
    imported = found.run.environment.get(IMPORTED)
    origin = imported if isinstance(imported, Mapping) else {}
    above, _, key = found.key.rpartition("/")
    return {
        "key": key,
        "project": above.rpartition("/")[2],
        "job_type": found.run.description,
        "parameters": found.distinguishing,
        "run_id": found.run.run_id,
        "experiment": origin.get("captured_experiment") or origin.get("experiment"),
    }
