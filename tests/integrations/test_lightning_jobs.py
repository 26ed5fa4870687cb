"""Trainings with Lightning in jobs of a cluster: requeued by SLURM, and on two nodes."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from legm.records import Status
from tests.support.lightning_trainings import train
from tests.support.trainer_runs import only_run, points, test_values

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "1",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_PROCID": "0",
}


def rows_of(folder: Path, version: str) -> list[dict[str, str]]:
    with (folder / "lightning_logs" / version / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def steps_of(rows: list[dict[str, str]], name: str) -> dict[int, float]:
    return {int(row["step"]): float(row[name]) for row in rows if row.get(name) and not row.get("test_loss")}


@pytest.mark.parametrize(("then", "seconds"), [("TERM", 0.2), ("KILL", 1.5)])
def test_a_job_that_slurm_requeues_continues_its_run_from_lightnings_checkpoint(tmp_path, then, seconds):
    """SLURM's own command is a stand-in that ends the job, as a requeued one is ended, after some steps.

    A process that is killed may lose what was set in its last second.
    """
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "scontrol").write_text(f"#!/bin/sh\n(sleep {seconds}; kill -{then} $PPID) &\n")
    (commands / "scontrol").chmod(0o755)
    job = {**JOB, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    options = "{'max_epochs': 100_000}"
    ended = train(tmp_path, "lightning.pytorch", options, REQUEUED_AT="10", CSV="0", **job)
    assert (tmp_path / "hpc_ckpt_1.ckpt").exists(), ended.stderr
    first = only_run(tmp_path / "root")
    assert first.status is Status.INTERRUPTED, first.error
    done = train(tmp_path, "lightning.pytorch", CSV="1", **job)
    assert done.returncode == 0, done.stderr
    found = only_run(tmp_path / "root")
    assert (found.run.run_id, found.status) == (first.run.run_id, Status.COMPLETED)
    before, after = rows_of(tmp_path, "0"), rows_of(tmp_path, "1")
    for name in ("loss_step", "loss_epoch", "val_loss"):
        kept = {step: value for step, value in steps_of(before, name).items() if step < 10}
        assert dict(points(found, name)) == {**kept, **steps_of(after, name)}, name
    assert test_values(found).keys() == {"loss", "accuracy"}
