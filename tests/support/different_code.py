"""Runs of one configuration whose code differs, one of them resumed, with a console and system metrics."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from legm import ExperimentHandler

__all__ = ["COMMITS", "make_runs_of_different_code"]

COMMITS = ("a" * 40, "b" * 40)


def make_runs_of_different_code(root: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> str:
    """Make three runs in this process, which does as if it ran a script of a repository.

    Args:
        root: the root directory.
        monkeypatch: of the test.
        **options: of the handlers.

    Returns:
        the id of the run that was begun with one commit and resumed with another.
    """
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    monkeypatch.chdir(root.parent)  # it is in no repository

    def begin(seed: int, commit: str, changes: str = "", *, resume: bool = False) -> ExperimentHandler:
        git = {"commit": commit, "branch": "main", "remote": "https://example.org/code.git"}
        known = {"command": ["python", "train.py"], "script": "/home/me/code/train.py"}
        known |= {"git": {**git, "dirty": bool(changes), "changes": changes}}
        monkeypatch.setattr("legm.delivery.run_start.collect_started_environment", lambda *_: known)
        handler = ExperimentHandler(root, "e", console=True, system_metrics=True, **options)
        handler.set_dict_params({"net": "other", "seed": seed})
        handler.disable_param("seed")
        handler.start(resume=resume)
        os.write(1, b"epoch of seed %d\n" % seed)
        for step in range(3):
            handler.set_metric("loss", seed / (step + 1), step=(handler.last_step or 0) + 1)
        return handler

    begin(1, COMMITS[0]).log()
    begin(2, COMMITS[0], "5e1f5e1f").log()
    begin(3, COMMITS[0]).end("interrupted", "preempted")
    resumed = begin(3, COMMITS[1], resume=True)
    resumed.log()
    begin(4, COMMITS[0]).end("interrupted", "preempted")
    assert resumed.run_id is not None
    return resumed.run_id
