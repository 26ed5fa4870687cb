"""The private stores of one captured script: a folder of the root directory, while it is needed."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import lock_descriptor

from legm.runlog import storage_error
from legm.smallfiles import write_whole

__all__ = ["Place", "left_behind"]

_SITE = Path(__file__).with_name("site")
_LOCK, _ABOUT = ".lock", "capture.json"


def _places(root: Path) -> Path:
    return root.absolute() / ".legm" / "capture"


class Place:
    """A folder with an offline folder for wandb and a SQLite store for mlflow.

    Args:
        folder: where it is.
        lock: the descriptor of a file that is locked as long as it is open, here or in the script.
        experiment: the experiment of all runs; None for their own.
    """

    def __init__(self, folder: Path, lock: int, experiment: str | None) -> None:
        self.folder = folder
        self.lock = lock
        self.experiment = experiment
        self.wandb = folder / "wandb"
        """What W&B's own folders are in."""
        self.mlflow = folder / "mlflow.db"

    @classmethod
    def made(cls, root: Path, experiment: str | None) -> Place:
        """A new one below a root directory.

        Raises:
            StorageError: it cannot be made.
        """
        folder = _places(root) / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        try:
            (folder / "wandb").mkdir(parents=True)
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            lock_descriptor(lock)
        except OSError as cause:
            raise storage_error("make the folder", folder, cause) from cause
        write_whole(folder / _ABOUT, json.dumps({"experiment": experiment}).encode())
        return cls(folder, lock, experiment)

    @classmethod
    def taken(cls, folder: Path) -> Place | None:
        """One that nobody works with; None where somebody does, or its script still runs."""
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            return None
        try:
            is_free = lock_descriptor(lock, blocking=False)
            experiment = json.loads((folder / _ABOUT).read_bytes())["experiment"]
        except (OSError, ValueError, KeyError, TypeError):
            is_free, experiment = False, None
        if not is_free:
            os.close(lock)
            return None
        return cls(folder, lock, experiment)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The script's environment variables.

        Args:
            given: those that it would have otherwise.
        """
        variables = {
            **given,
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.mlflow}",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": str(self.folder / "artifacts"),
            "WANDB_DIR": str(self.folder),
            "WANDB_DATA_DIR": str(self.folder / "data"),
            "WANDB__TRANSACTION_LOG_FLUSH_INTERVAL": "1",  # seconds until a row can be seen
            "WANDB_SILENT": given.get("WANDB_SILENT", "true"),  # it would say how to upload what is private
            "LEGM_CAPTURE": str(self.folder),
            "PYTHONPATH": os.pathsep.join([str(_SITE), *filter(None, [given.get("PYTHONPATH")])]),
        }
        variables.pop("MLFLOW_REGISTRY_URI", None)
        if given.get("WANDB_MODE") != "disabled":
            variables["WANDB_MODE"] = "offline"
        return variables

    def remove(self) -> None:
        """Remove it with all that is in it, which is in the root directory by now."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let it be, for somebody else to finish."""
        os.close(self.lock)


def left_behind(root: Path) -> Iterator[Place]:
    """The places that nobody works with any more: their capture was killed, or could not finish."""
    for folder in sorted(_places(root).glob("*/")):
        place = Place.taken(folder)
        if place is not None:
            yield place
