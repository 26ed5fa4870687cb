"""Runs that were imported from W&B, and runs of legm's own that went there and came back."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import legm
from legm import ExperimentHandler
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.export.to_backend import export_runs
from legm.records import Query, RunResult, Status
from tests.support.mlflow_store import prepare_store
from tests.support.sample_runs import comparable, script
from tests.support.waiting import until
from tests.support.wandb_scripts import wait_for_ends


def results(root: Path, experiment: str) -> list[RunResult]:
    client = BackendClient(make_backend("local", root, {}), root)
    found = [*client.runs_as_stored(Query(experiment, None, None, None))]
    return sorted(found, key=lambda one: one.run.run_id)


def imported(root: Path, experiment: str) -> dict[str, RunResult]:
    """The runs by W&B's ids."""
    return {one.run.environment["imported"]["key"].split("/")[-1]: one for one in results(root, experiment)}


def own_runs(root: Path) -> None:
    """Runs of every kind in a root directory of legm."""
    handler = ExperimentHandler(root, "e “d”", "its “d”")
    script(handler)
    handler.start()
    handler.set_metric("loss", 1 / 3, step=4)
    handler.tensorboard_write("note", "a *text*", 3)
    handler.tensorboard_write("extra @", 0.5, 4)
    (root / "x.bin").write_bytes(b"\0")
    handler.log_artifact(root / "x.bin", "weights @.bin")
    log_media(handler)
    handler.log()
    handler.aggregate_results()
    code = f"""
import time
from legm import ExperimentHandler
try:
    with ExperimentHandler({str(root)!r}, "e “d”") as handler:
        handler.set_param("lr", 3)
        handler.start()
        handler.set_metric("loss", 2)
        raise ZeroDivisionError
except ZeroDivisionError:
    pass
handler = ExperimentHandler({str(root)!r}, "e “d”")
handler.set_param("lr", 9)
handler.start()
for step in range(5):
    handler.set_metric("loss", step / 7, step=2 * step)
handler.set_metric("accuracy", 0.25, test=True)
time.sleep(600)  # until it is killed
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: 6 in [one.points for one in results(root, "e “d”")])
    process.send_signal(signal.SIGKILL)
    process.wait()


def log_media(handler: ExperimentHandler) -> None:
    """Media of several kinds, one of them at a step that a rewind makes void."""
    handler.log_text("note @", "void", step=9)
    handler.rewind(4)
    handler.log_image("pictures/two", [np.full((2, 2), shade, np.uint8) for shade in (1, 2)], 3, ["a", "b"])
    handler.log_histogram("weights", [1.0, 2.0, 2.0], step=3)
    handler.log_table("answers", {"x": [1, None]}, step=4)


def media_of(root: Path, experiment: str) -> list[tuple[object, ...]]:
    """The media of a root directory of legm, and the digests of their contents, which are there."""
    project = legm.open(root)
    table = project.media(experiment=experiment)
    for digest in table["digest"]:
        project.media_content(digest)
    return list(
        zip(*(table[name].tolist() for name in ("name", "kind", "step", "caption", "digest")), strict=True)
    )


def same(result: RunResult) -> tuple:
    """What a run is, wherever it was; without numbers that did not count and why it was broken off."""
    error = None if result.status is Status.INTERRUPTED else result.error
    return result.run.run_id, result.run.started, comparable(replace(result, points=0, error=error))


def exported(own: Path, tracker: str, into: Path, **options) -> Path:
    if tracker == "wandb":
        quiet = {"x_disable_stats": True, "disable_git": True, "x_save_requirements": False}
        options = {"mode": "offline", **options, "settings": {**quiet, **options.get("settings", {})}}
    if tracker == "mlflow":
        prepare_store(into / "mlflow.db")
    assert export_runs(own, tracker, options, into=into).is_complete
    if options.get("mode") == "offline":
        wait_for_ends(into)
    return into
