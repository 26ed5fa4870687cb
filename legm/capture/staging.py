"""The staging folder of one captured script: its private stores, below the root directory until imported."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from filelock import lock_descriptor

from legm.backends.mlflow.names import SQLITE_FILE
from legm.errors import storage_error
from legm.importers.identity_decisions import IdentityOverrides
from legm.records import Plain
from legm.runlog.file_names import CAPTURES, OWN_FOLDER
from legm.util.user_environment import GIVEN, describe_replaced_variables

__all__ = ["StagingFolder", "abandoned_staging_folders"]

_SITE = Path(__file__).with_name("site")
_LOCK_FILE, _ABOUT_FILE, _VARIABLE = ".lock", "capture.json", "LEGM_CAPTURE"
_OTHER_STORE_VARIABLES = ("MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")


def _staging_root(root: Path) -> Path:
    return root.absolute() / OWN_FOLDER / CAPTURES


class StagingFolder:
    """A folder with an offline folder for wandb and a SQLite store for mlflow.

    Args:
        folder: its path.
        lock: the descriptor of a file that stays locked while it is open, here or in the script.
        experiment: the experiment of all runs; None for their own.
        overrides: what the user decided about parameters.
        launch: the command and the folder of the script; None where they are unknown.
        kept: by its key, the parameters that a run keeps which the script resumes without knowing.
    """

    def __init__(
        self,
        folder: Path,
        lock: int,
        experiment: str | None,
        overrides: IdentityOverrides,
        launch: Mapping[str, Plain] | None = None,
        kept: Mapping[str, Mapping[str, Plain]] | None = None,
    ) -> None:
        self.folder = folder
        self.lock = lock
        self.experiment = experiment
        self.overrides = overrides
        self.launch = dict(launch or {})
        self.kept = dict(kept or {})
        self.wandb = folder / "wandb"
        """The folder that contains W&B's own folders."""
        self.mlflow = folder / SQLITE_FILE
        self.console = folder / "console.txt"
        """What the script prints."""

    @classmethod
    def create(
        cls,
        root: Path,
        experiment: str | None,
        overrides: IdentityOverrides,
        launch: Mapping[str, Plain] | None = None,
        kept: Mapping[str, Mapping[str, Plain]] | None = None,
    ) -> StagingFolder:
        """Create a staging folder below a root directory.

        Args:
            root: the root directory.
            experiment: the experiment of all runs; None for their own.
            overrides: what the user decided about parameters.
            launch: the command and the folder of the script, without credentials.
            kept: by its key, the parameters that a run keeps which the script resumes without knowing.

        Raises:
            StorageError: it cannot be created.
        """
        folder = _staging_root(root) / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        about: dict[str, Any] = {"experiment": experiment, "overrides": asdict(overrides)}
        about |= {"launch": dict(launch or {}), "kept": dict(kept or {})}
        try:
            (folder / "wandb").mkdir(parents=True)
            (folder / _ABOUT_FILE).write_text(json.dumps(about), encoding="utf-8")
            lock = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
            lock_descriptor(lock)
        except OSError as cause:
            shutil.rmtree(folder, ignore_errors=True)
            raise storage_error("create the folder", folder, cause) from cause
        return cls(folder, lock, experiment, overrides, launch, kept)

    @classmethod
    def take_over(cls, folder: Path) -> StagingFolder | None:
        """Take over an abandoned folder; None if a capture, or a process of its script, still uses it."""
        try:
            lock = os.open(folder / _LOCK_FILE, os.O_RDWR)
        except OSError:
            return None
        try:
            about = json.loads((folder / _ABOUT_FILE).read_bytes())
            overrides = IdentityOverrides(
                **{name: tuple(names) for name, names in about["overrides"].items()}
            )
            more = about.get("launch"), about.get("kept")
            staging = cls(folder, lock, about["experiment"], overrides, *more)
            if lock_descriptor(lock, blocking=False) and not staging.processes():
                return staging
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not a valid staging folder
        os.close(lock)
        return None

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The script's environment variables.

        Args:
            given: the environment that it would have otherwise.
        """
        replaced = {
            "MLFLOW_TRACKING_URI": "sqlite:///" + quote(self.mlflow.as_posix(), safe="/:"),
            "_MLFLOW_SERVER_ARTIFACT_ROOT": (self.folder / "artifacts").as_uri(),
            "WANDB_DIR": str(self.folder),
            "WANDB_DATA_DIR": str(self.folder / "data"),
        }
        if given.get("WANDB_MODE") != "disabled":
            replaced["WANDB_MODE"] = "offline"
        variables = {
            **given,
            **replaced,
            GIVEN: describe_replaced_variables(given, replaced),  # for handlers in the script
            "MLFLOW_DISABLE_TELEMETRY": given.get("MLFLOW_DISABLE_TELEMETRY", "true"),
            "WANDB__TRANSACTION_LOG_FLUSH_INTERVAL": "1",  # seconds until a row becomes visible
            "WANDB_ERROR_REPORTING": given.get("WANDB_ERROR_REPORTING", "false"),
            "WANDB_SILENT": given.get("WANDB_SILENT", "true"),  # its messages say how to upload the folder
            _VARIABLE: str(self.folder),
            "PYTHONPATH": os.pathsep.join([str(_SITE), *filter(None, [given.get("PYTHONPATH")])]),
        }
        for name in _OTHER_STORE_VARIABLES:
            variables.pop(name, None)
        return variables

    @property
    def begun(self) -> float:
        """When the capture began, in s since 1970."""
        try:
            return (self.folder / _ABOUT_FILE).stat().st_mtime
        except OSError:
            return 0.0

    def processes(self) -> list[int]:
        """The processes of the script that are still running, where the system shows them (Linux)."""
        mark = f"{_VARIABLE}={self.folder}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:  # it has ended, or belongs to another user
                continue
        return found

    def is_in_use(self, has_open_runs: bool) -> bool:
        """Whether something may still be written.

        Args:
            has_open_runs: whether some runs have not ended; used where the system shows no processes.
        """
        return bool(self.processes()) if Path("/proc/self/environ").exists() else has_open_runs

    def remove(self) -> Literal[True]:
        """Delete the folder, after everything in it was imported."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)
        return True

    def release(self) -> Literal[False]:
        """Release the folder, for a later capture to finish."""
        os.close(self.lock)
        return False


def abandoned_staging_folders(root: Path, but: Path | None) -> Iterator[StagingFolder]:
    """The staging folders that nobody uses any more, except for one: they could not be imported yet."""
    for folder in sorted(_staging_root(root).glob("*/")):
        staging = StagingFolder.take_over(folder) if folder != but else None
        if staging is not None:
            yield staging
