"""Code that runs as a script under ``legm capture``, and what is kept of it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from legm.capture.earlier_store import kept_store
from legm.records import RunResult
from legm.runlog.file_names import OWN_FOLDER
from tests.support.compat_stores import environment
from tests.support.mlflow_store import prepare_store
from tests.support.prepared import CAPTURED, CORE, prepared_processes
from tests.support.reading import runs_of

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "WANDB_SILENT": "true",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_CONSOLE": "off",
}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "legm", "capture", "--root", "root", *arguments]


def begin(folder: Path, code: str, *options: str, **variables: str) -> subprocess.Popen[str]:
    """Begin to capture code as a script."""
    (folder / "script.py").write_text(code, encoding="utf-8")
    return subprocess.Popen(
        [*command(*options), "--", sys.executable, "script.py"],
        cwd=folder,
        env=environment(**QUIET, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def play(folder: Path, code: str, *options: str, **variables: str) -> tuple[int, str, str]:
    """Capture code as a script: its exit status, and what was printed."""
    (folder / "script.py").write_text(code, encoding="utf-8")
    script = prepared_processes(CAPTURED).command("script.py")
    arguments = [*command(*options)[1:], "--", *script]
    variables = environment(**QUIET, **variables)
    done = prepared_processes(CORE).run(arguments, cwd=folder, env=variables)
    return done.returncode, done.stdout, done.stderr


def prepare_kept_store(folder: Path) -> None:
    """Let the next capture begin with MLflow's tables, as after an earlier one: there are no runs."""
    prepare_store(kept_store(folder / "root" / OWN_FOLDER, version("mlflow")))


def results(folder: Path, experiment: str) -> list[RunResult]:
    return runs_of(folder / "root", experiment)
