"""Trainings with the heavy clients of wandb and mlflow, each in a process of its own, and what they left.

Each script runs with the real library, under ``legm capture``, and with legm's stand-ins. ``nox -s trainers``
runs them; ``python -m tests.support.trainer_clients`` writes their result into docs/clients.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.captured import QUIET, prepare_kept_store
from tests.support.captured_scripts import held
from tests.support.compat_stores import Held, in_legm, run, scripts
from tests.support.mlflow_store import prepare_store
from tests.support.originals import runs_of_mlflow, runs_of_wandb
from tests.support.shared import once
from tests.support.wandb_log import RunLog

__all__ = ["SCRIPTS", "left_by"]

GROUPS = ("wandb_trainers", "mlflow_trainers")
SCRIPTS = [script for group in GROUPS for script in scripts(group)]
_QUIET = {**QUIET, "WANDB_MODE": "offline", "TOKENIZERS_PARALLELISM": "false", "RAY_DEDUP_LOGS": "0"}


@dataclass(frozen=True)
class Left:
    """What a script left, and how it ended.

    Args:
        runs: its runs, oldest first.
        said: the end of what it printed; "" where it ended well.
    """

    runs: list[Held]
    said: str


def left_by(script: Path, way: str) -> Left:
    """What a script leaves.

    Args:
        script: the script, whose name is that of its project or experiment.
        way: "original", "captured" or "stand-ins".
    """
    library = script.parent.name.partition("_")[0]

    def make(folder: Path) -> None:
        if way == "original":
            command: list[str] = []
            prepare_store(folder / "mlflow.db")
            variables = {
                "WANDB_DIR": str(folder),
                "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            }
        elif way == "captured":
            prepare_kept_store(folder)
            command = ["-m", "legm", "capture", "--root", "root", "--", sys.executable]
            variables = {}
        else:
            command, variables = ["-m", "legm.compat"], {"LEGM_ROOT": "root"}
        done = run([*command, str(script)], folder, **_QUIET, **variables)
        said = "" if done.returncode == 0 else done.stderr[-3000:] + done.stdout[-1000:]
        (folder / "said.txt").write_text(said, encoding="utf-8")

    folder = once(f"{way}-{script.parent.name}-{script.stem}", make)
    said = (folder / "said.txt").read_text(encoding="utf-8")
    if way == "captured":
        runs = held(folder, script.stem)
    elif way == "stand-ins":
        runs = in_legm(folder / "root", script.stem)
    elif library == "mlflow":
        runs = runs_of_mlflow(folder / "mlflow.db").get(script.stem, [])
    else:
        logs = (RunLog(path) for path in sorted(folder.rglob("offline-run-*")) if path.is_dir())
        runs = runs_of_wandb(logs).get(script.stem, [])
    return Left(runs, said)
