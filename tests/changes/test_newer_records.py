"""What a newer legm added to the log of a run stays in it, byte for byte, whatever is done to the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.runlog.log_folder import find_logs, find_pending_logs
from legm.runlog.log_frames import FRAME_HEAD, HEADER, RECORD, RUN
from tests.support.calling import shown
from tests.support.local_runs import begun, train
from tests.support.odd_frames import NEWER_FRAMES, json_frame

DISPLAY = {"type": "display", "metric": "loss", "higher_better": False, "mood": "bad"}
ADDED = NEWER_FRAMES["a kind of frame"] + NEWER_FRAMES["a type of record"] + json_frame(RECORD, DISPLAY)


def add_newer_content(path: Path) -> bytes:
    """Give a run a field and its log frames of a newer version; returns the frame of the run."""
    data = path.read_bytes()
    end = len(HEADER) + FRAME_HEAD.size + FRAME_HEAD.unpack_from(data, len(HEADER))[1]
    content = json.loads(data[len(HEADER) + FRAME_HEAD.size : end])
    run = json_frame(RUN, {**content, "weather": "fine"})
    path.write_bytes(HEADER + run + data[end:] + ADDED)
    return run


def require_kept(root: Path, name: str, run: bytes) -> None:
    """Check the log of a run, which is in one place."""
    (data,) = [path.read_bytes() for path in find_logs(root) if path.name == name]
    assert data.startswith(HEADER + run)
    assert data.count(ADDED) == 1


@pytest.mark.parametrize(
    "commands",
    [
        ["recover {root}", "sync {root}", "upgrade {root}"],
        ["amend {root}/e --rename rate=lr --yes", "amend {root}/e --set late=1 --yes"],
        ["mv {root}/e moved --yes"],
        ["rm {root}/e --yes", "restore {root}"],
        ["merge {merged} {root}"],
        ["tag {root} +good --yes", "note {root} seen --yes"],
    ],
    ids=lambda commands: commands[0].split()[0],
)
def test_a_command_that_changes_a_run_keeps_it(tmp_path, commands):
    root, merged = tmp_path / "root", tmp_path / "merged"
    train(root)
    (path,) = find_logs(root)
    run = add_newer_content(path)
    for command in commands:
        shown(*command.format(root=root, merged=merged).split())
    require_kept(merged if merged.exists() else root, path.name, run)


@pytest.mark.parametrize("is_resumed", [False, True], ids=["recovered", "resumed"])
def test_an_interrupted_run_keeps_it(tmp_path, is_resumed):
    root = tmp_path / "root"
    with begun(tmp_path / "alive", 0.5) as alive:
        alive.set_metric("loss", 1.0, step=0)
        alive.flush()
        shutil.copytree(tmp_path / "alive", root)  # where no process holds the log
    (path,) = find_pending_logs(root)
    run = add_newer_content(path)
    if is_resumed:
        with ExperimentHandler(root, "e") as handler:
            handler.set_param("rate", 0.5)
            handler.start(resume=path.stem)
            handler.set_metric("loss", 0.5, step=1)
    else:
        shown("recover", root)
    assert not find_pending_logs(root)
    require_kept(root, path.name, run)


def test_a_log_that_is_repaired_keeps_it(tmp_path):
    root = tmp_path / "root"
    with begun(root, 0.5) as handler:
        for step in range(3):
            handler.set_metric("loss", 1.0, step=step)
            handler.flush()
        handler.end("failed")
    (path,) = find_logs(root)
    run = add_newer_content(path)
    data = bytearray(path.read_bytes())
    data[len(HEADER + run) + FRAME_HEAD.size + 1] ^= 1
    path.write_bytes(data)
    assert "damage" in shown("recover", root)
    require_kept(root, path.name, run)
