"""Processes that a script with stand-ins starts, and folders that it changes to."""

from __future__ import annotations

import sys

import pytest

from tests.support.compat_play import played
from tests.support.compat_stores import in_legm

SPAWNED = """
import multiprocessing

import wandb

def train(seed):
    with wandb.init(project="p", config={"seed": seed}) as run:
        run.log({"loss": seed})

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=train, args=(1,))
    child.start()
    child.join()
    train(2)
"""


@pytest.mark.parametrize("python", [None, sys.executable], ids=["absent", "installed"])
def test_a_spawned_process_has_the_stand_ins_whether_or_not_the_library_is_installed(tmp_path, python):
    played(tmp_path, SPAWNED, python)
    assert [run.points for run in in_legm(tmp_path / "root", "p")] == [
        {"loss": [(0, 1.0)]},
        {"loss": [(0, 2.0)]},
    ]
    assert not (tmp_path / "wandb").exists()


CHANGING = """
import os, subprocess, sys

import wandb

for job in ("a", "b"):
    os.makedirs(job)
    os.chdir(job)
    with wandb.init(project="p", config={"job": job}) as run:
        run.log({"loss": 1})
inner = "import wandb; wandb.init(project='p', config={'job': 'child'}).log({'loss': 2})"
subprocess.run([sys.executable, "-c", inner], check=True)
"""


def test_jobs_that_change_the_folder_record_into_the_root_directory_of_the_begin(tmp_path):
    played(tmp_path, CHANGING)
    jobs = [run.parameters["job"] for run in in_legm(tmp_path / "root", "p")]
    assert jobs == ["a", "b", "child"]
    assert not (tmp_path / "a" / "root").exists()
