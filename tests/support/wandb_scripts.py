"""Scripts that log to W&B with the real SDK, in processes of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.prepared import Prepared
from tests.support.waiting import WAIT_FOR, until
from tests.support.wandb_log import records

PRELUDE = f"""{WAIT_FOR}
import os, signal, sys, time
import numpy as np
import wandb
QUIET = {{"x_disable_stats": True, "disable_git": True, "x_save_requirements": False, "console": "off"}}

def begin(**given):
    settings = wandb.Settings(**{{**QUIET, **given.pop("settings", {{}})}})
    return wandb.init(**{{"mode": "offline", "dir": "."}} | given, settings=settings)

def wait_for_row(run, key, value):
    # A row has the key, then the number as the text in field 16.
    text = str(value).encode()
    wait_for(f"{{run.dir}}/../*.wandb", key.encode() + bytes([0x82, 0x01, len(text)]) + text)
"""


def run_script(
    prepared: Prepared, folder: Path, text: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder; nothing of the user's own W&B is read or written."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    own = dict.fromkeys(("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"), str(home))
    variables = {**kept, **own, "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", **environment}
    return prepared.run(["-c", PRELUDE + text], cwd=folder, env=variables)


def logs(folder: Path) -> list[Path]:
    """The logs below a folder, oldest first."""
    return sorted(folder.glob("wandb/*run-*/run-*.wandb"))


def wait_for_ends(folder: Path) -> None:
    """Wait until every log below a folder has its end: ``finish`` may return a little before."""
    for log in logs(folder):
        until(lambda log=log: any(record.HasField("exit") for record in records(log)), pause=0.05)
