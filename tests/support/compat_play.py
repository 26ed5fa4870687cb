"""Code that runs as a script with legm's stand-ins, and what it left."""

from __future__ import annotations

import subprocess
from pathlib import Path

from legm.compat.run_snapshot import RunSnapshot, stored_snapshots
from legm.compat.settings import Settings
from tests.support.compat_stores import run


def play(
    folder: Path, code: str, *arguments: str, python: Path | str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run code as a script under ``python -m legm.compat``; by default wandb and mlflow are not installed."""
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    return run(["-m", "legm.compat", "script.py", *arguments], folder, python, LEGM_ROOT="root", **variables)


def played(folder: Path, code: str, python: Path | str | None = None, **variables: str) -> str:
    """What a script prints that ends well."""
    done = play(folder, code, python=python, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def snapshots(folder: Path, experiment: str) -> list[RunSnapshot]:
    return list(stored_snapshots(Settings(folder / "root"), [experiment]))
