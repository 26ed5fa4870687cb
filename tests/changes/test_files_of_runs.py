"""Files and media of runs are there bit for bit, whatever becomes of their configurations."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler, amend
from legm.changes.merge import merge_roots
from legm.delivery.client import connect_client
from legm.runlog.configuration_folders import configuration_folders
from tests.support.calling import as_json, shown
from tests.support.local_runs import known, local_runs


def train(root: Path, rate: float, seed: int) -> None:
    """A run with a file of its own, one that all have, and media of both kinds."""
    with ExperimentHandler(root, "e", provenance=False) as handler:
        handler.set_dict_params({"rate": rate, "seed": seed})
        handler.disable_param("seed")
        handler.name_param("rate")
        handler.start()
        own, common = root / "own.bin", root / "common.bin"
        own.write_bytes(np.float64([rate, seed]).tobytes() * 100)
        common.write_bytes(b"common" * 1000)
        handler.log_artifact(own, "last.bin")
        handler.log_artifact(common)
        own.unlink()
        common.unlink()
        for step in range(3):
            handler.set_metric("loss", rate / (seed + step + 1), step=step)
            handler.log_image("common", np.full((8, 8, 3), step, np.uint8), step=step, caption=f"step {step}")
        handler.log_text("own", f"{rate} {seed}")
        handler.log_histogram("own", [rate, seed, 1.0])


def content(root: Path) -> dict[str, tuple[dict[str, bytes], list[tuple]]]:
    """By run, its files, and its media with what is in their files."""
    found = {}
    client = connect_client(root)
    for folder in configuration_folders(root):
        for one in (one for one in local_runs(root) if (folder / "runs" / f"{one.run.run_id}.log").exists()):
            below = folder / "artifacts" / one.run.run_id
            files = {p.relative_to(below).as_posix(): p.read_bytes() for p in below.rglob("*") if p.is_file()}
            media = [
                (
                    medium.name,
                    medium.step,
                    medium.kind,
                    [client.media_content(one.run, f) for f in medium.files],
                )
                for medium in client.media(one.run)
            ]
            found[one.run.run_id] = (files, media)
    return found


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    for rate in (0.125, 0.25):
        for seed in (0, 1):
            train(tmp_path / "root", rate, seed)
    found = content(tmp_path / "root")
    assert len(found) == 4
    assert all({*files} >= {"last.bin", "common.bin"} for files, _ in found.values())
    assert all(len(media) == 5 for _, media in found.values())
    assert len({files["last.bin"] for files, _ in found.values()}) == 4
    return tmp_path / "root"


def test_united_parted_and_renamed(root):
    before, runs = content(root), known(local_runs(root))
    assert amend(root / "e", ignore=["rate"]).plan.counts()["united"] == 2
    assert content(root) == before
    assert amend(root / "e", compare=["rate", "seed"]).plan.counts()["parted"] == 1
    assert content(root) == before
    shown("mv", root / "e", "f", "--yes")
    assert content(root) == before
    for _ in range(3):
        shown("restore", root)
    assert content(root) == before
    assert known(local_runs(root)) == runs


def test_moved_to_another_experiment_and_back(root):
    before, runs = content(root), known(local_runs(root))
    assert amend(root / "e", to="f", where="rate=0.25").plan.counts()["untouched"] == 1
    assert (len(content(root / "e")), len(content(root / "f"))) == (2, 2)
    assert content(root) == before
    train(root, 0.125, 7)  # what is there is not what was moved away
    (new,) = content(root).keys() - before.keys()
    shown("amend", root / "e", "--to", "f", "--yes")
    assert not (root / "e").exists()
    assert {run_id: one for run_id, one in content(root).items() if run_id != new} == before
    shown("trash", root, "--empty", "--yes")
    assert {run_id: one for run_id, one in content(root).items() if run_id != new} == before
    amend(root / "f", to="e")
    shown("rm", f"{root}/{new}")
    assert content(root) == before
    assert known(local_runs(root)) == runs


def test_moved_into_the_configuration_of_another_experiment(root):
    """The configuration is there already, with a run of its own and a file of the same name."""
    before = content(root)
    train(root, 0.25, 2)
    amend(root / "e", to="f", where="rate=0.25")
    (new,) = content(root).keys() - before.keys()
    amend(root / "f", to="e", where="seed=2")  # of the same name as before
    assert {one.name for one in (root / "e").glob("*_*")} == {"0.125_0", "0.25_0"}
    found = content(root)
    assert {run_id: one for run_id, one in found.items() if run_id != new} == before
    planned = amend(root / "f", to="e", dry_run=True).plan.counts()
    assert planned["united"] == 1
    assert amend(root / "f", to="e").plan.counts() == planned
    assert content(root) == found
    assert len(content(root / "e")) == 5
    shown("restore", root)
    assert content(root) == found


def test_deleted_and_restored(root):
    before = content(root)
    first, *others = before
    shown("rm", f"{root}/{first}")
    assert content(root) == {run_id: before[run_id] for run_id in others}
    shown("rm", root / "e", "--yes")
    assert content(root) == {}
    shown("restore", root)
    assert content(root) == {run_id: before[run_id] for run_id in others}
    shown("restore", root)
    assert content(root) == before


def test_deleted_for_good(root):
    """What the others share with a run that is gone stays theirs."""
    before = content(root)
    first, *others = before
    shown("rm", f"{root}/{first}")
    shown("trash", root, "--empty", "--yes")
    assert content(root) == {run_id: before[run_id] for run_id in others}


def test_merged(root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(root, other)
    (other / "new").mkdir()
    train(other, 0.25, 2)
    train(other, 0.5, 0)
    expected = content(other)
    merge_roots(root, other)
    assert content(root) == expected == content(other)


def test_several_paths_are_deleted_at_once(root):
    before = content(root)
    runs = {one.run.run_id: one.run.configuration.parameters["rate"] for one in local_runs(root)}
    of_first = [run_id for run_id, rate in runs.items() if rate == 0.125]
    of_second = [run_id for run_id, rate in runs.items() if rate == 0.25]

    (done,) = as_json(
        "rm", root / "e" / "0.125_0", f"{root}/{of_second[0]}", f"{root}/{of_first[0]}", "--yes"
    )

    assert sorted(done["runs"]) == sorted([*of_first, of_second[0]])
    assert {*content(root)} == {of_second[1]}
    shown("restore", root, done["trash"])
    assert content(root) == before


def test_paths_in_several_root_directories_are_deleted_each_in_its_own(root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(root, other)
    done = as_json("rm", root / "e" / "0.125_0", other / "e" / "0.25_0", "--yes")
    assert [Path(one["root"]) for one in done] == [root, other]
    assert {len(content(one)) for one in (root, other)} == {2}
    for one in done:
        shown("restore", one["root"])
    assert {len(content(one)) for one in (root, other)} == {4}
