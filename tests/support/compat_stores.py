"""Runs scripts with the real libraries and with legm's stand-ins, and reads what they left."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import legm
from legm.compat.run_snapshot import names_of_tests, read_snapshot_history, stored_snapshots
from legm.compat.settings import Settings
from tests.support.bare_python import bare_python
from tests.support.paths import ROOT, TESTS
from tests.support.prepared import CORE, TRACKERS, prepared_processes
from tests.support.shared import once

SCRIPTS = TESTS / "support" / "compat_scripts"

DRIVER = """
import runpy, sys, traceback
{before}
for script in sys.argv[1:]:
    runpy.run_path(script, run_name="__main__")
    {after}
"""


@dataclass(frozen=True)
class Held:
    """A run: parameters as text-comparable values, and the values of each metric by step."""

    parameters: dict[str, Any]
    points: dict[str, list[tuple[int, float]]]


def scripts(group: str) -> list[Path]:
    """The scripts of a library, or with ``_clients`` behind its name those that train with its clients."""
    return sorted((SCRIPTS / group).glob("*.py"))


def environment(**more: str) -> dict[str, str]:
    """Of a process without the settings of whoever runs the tests, and without provenance."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEGM_", "WANDB_", "MLFLOW_"))
    }
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "LEGM_PROVENANCE": "0"} | more


def run(
    arguments: list[str], folder: Path, python: Path | str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """What Python does with arguments; where these are legm's stand-ins, numpy is imported beforehand.

    Args:
        arguments: what it is given.
        folder: where it runs.
        python: the interpreter; by default that of the tests, and for the stand-ins one in which neither
            wandb nor mlflow is installed.
        **variables: of its environment.
    """
    if arguments[:2] == ["-m", "legm.compat"]:
        command = prepared_processes(CORE, python or bare_python()).command(*arguments)
    else:
        command = [str(python or sys.executable), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**{"LEGM_CONSOLE": "0", **variables}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def run_all(group: str, folder: Path, *command: str, **variables: str) -> str:
    """All scripts of a group, unchanged, one after the other in one process.

    Args:
        group: "mlflow", "wandb", "mlflow_clients" or "wandb_clients".
        folder: where they run.
        *command: what Python is given before the driver of the scripts.
        **variables: of the process's environment.

    Returns:
        What it wrote to standard error.
    """
    library = group.partition("_")[0]
    end = {"mlflow": "mlflow.end_run()", "wandb": "wandb.finish()"}[library]
    driver = DRIVER.format(before=f"import {library}", after=end)
    (folder / "driver.py").write_text(driver, encoding="utf-8")
    arguments = [*command, "driver.py", *map(str, scripts(group))]
    if command:
        done = run(arguments, folder, **variables)
    else:
        done = prepared_processes(TRACKERS).run(arguments, cwd=folder, env=environment(**variables))
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


def with_stand_ins(group: str) -> Path:
    """The root directory of what legm's stand-ins made of all scripts of a group."""

    def make(folder: Path) -> None:
        run_all(group, folder, "-m", "legm.compat", LEGM_ROOT="root")

    return once(f"stand-ins-{group}", make) / "root"


def in_legm(root: Path, experiment: str) -> list[Held]:
    """The runs of an experiment, oldest first."""
    found = []
    for one in stored_snapshots(Settings(root), [experiment]):
        if one.notes.get("deleted"):  # which the library's own search leaves out as well
            continue
        assert one.run is not None
        assert one.folder is not None
        series = read_snapshot_history(one.folder, one.run.run_id, names_of_tests(one.notes))
        points = {name: {number.step: number.value for number in numbers} for name, numbers in series.items()}
        found.append(Held(dict(one.parameters), {name: sorted(by.items()) for name, by in points.items()}))
    return found


def media_of_stand_ins(
    library: str, experiment: str
) -> tuple[dict[tuple[str, int], list[str]], dict[tuple[str, int], bytes]]:
    """By name and step, the captions of the media that scripts left, and the content of the last file."""
    project = legm.open(with_stand_ins(library))
    table = project.media(experiment=experiment)
    captions: dict[tuple[str, int], list[str]] = {}
    contents: dict[tuple[str, int], bytes] = {}
    columns = (table[column].tolist() for column in ("name", "step", "caption", "digest"))
    for name, step, caption, digest in zip(*columns, strict=True):
        captions.setdefault((name, step), []).append(caption)
        contents[name, step] = project.media_content(digest)
    return captions, contents


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def comparable(points: Mapping[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float | str]]]:
    """Points that are equal where their values are, NaN too; of several at one step, the last one."""
    return {
        name: [(step, "NaN" if math.isnan(value) else value) for step, value in sorted(dict(values).items())]
        for name, values in points.items()
    }
