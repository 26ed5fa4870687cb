"""Commands that change what is stored are killed at any instant, while other processes log runs."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from legm.changes.amend import continue_changes
from legm.changes.journal import pending_journals
from legm.changes.merge import merge_roots
from legm.changes.remove import restore
from legm.changes.trash import trash_items
from legm.records import Status
from legm.runlog.configuration_folders import configuration_folders, configuration_paths
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log_head
from tests.support.local_runs import local_runs, numbers, train
from tests.support.processes import ForkServer, wait_for_end
from tests.support.waiting import until

KILLS = int(os.environ.get("LEGM_TEST_AMEND_KILLS", "10"))

IMPORTS = """
import legm, legm.changes.merge, legm.changes.move, legm.changes.remove, legm.backends.local.folder_changes
import legm.backends.local.event_file, tests.support.local_runs
import numpy, tensorboard.plugins.hparams.plugin_data_pb2
"""

CODE = """
import random, time
from pathlib import Path
from legm import LegmError, amend
from legm.changes import execution, plan
from legm.changes.merge import merge_roots
from legm.changes.move import rename_experiment
from legm.changes.remove import Deletion, delete, restore
from legm.changes.trash import trash_items
from legm.runlog.configuration_folders import configuration_paths
from tests.support.local_runs import train

root, what, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
experiment = next(path for path in sorted(root.iterdir()) if path.name in ("e", "f"))
chosen = random.Random(seed)
if seed % 2:  # processes share the folders, as they do with thousands of them
    for module in (execution, plan):
        module._WORTH_PROCESSES, module.number_of_forked_processes = 2, lambda: 2
if what == "log":
    number = 0
    while True:
        result = train(root, "e", rate=0.125, seed=number, description="live")
        print(result.run.run_id, flush=True)
        number += 1
        time.sleep(0.2)  # as long as a training lasts
try:
    if what == "rename":
        amend(experiment, rename={"rate": "lr"})
    elif what == "back":
        amend(experiment, rename={"lr": "rate"})
    elif what == "ignore":
        amend(experiment, ignore=["rate"])
    elif what == "compare":
        amend(experiment, compare=["rate"])
    elif what == "seed":
        amend(experiment, compare=["seed"])
    elif what == "noseed":
        amend(experiment, ignore=["seed"])
    elif what == "describe":
        amend(experiment, describe=chosen.choice(["", "dbg"]), where="not description:live")
    elif what == "absent":
        amend(experiment, absent={"rate": chosen.choice([0.125, 0.25])})
    elif what == "no_absent":
        amend(experiment, no_absent=["rate"])
    elif what == "mv":
        rename_experiment(experiment, "f" if experiment.name == "e" else "e", confirm=lambda plan: True)
    elif what == "rm":
        folder = experiment / chosen.choice(list(configuration_paths(experiment)))
        delete(Deletion(root, folders=[folder]), title="rm")
    elif what == "merge":
        merge_roots(root, root.parent / "other")
    elif what == "restore" and trash_items(root):
        restore(root, trash_items(root)[-1])
except LegmError as error:
    print(type(error).__name__, error)
print("done", flush=True)
"""


WHAT = [
    *("rename", "back", "ignore", "compare", "seed", "noseed", "absent", "no_absent", "describe"),
    *("mv", "rm", "restore", "merge"),
]


def ids_in_trash(root: Path) -> set[str]:
    return {path.stem for path in (root / ".legm" / "trash").rglob("runs/*.log")}


def test_every_run_exists_once_and_bit_for_bit_whatever_was_killed(tmp_path):
    root, chosen = tmp_path / "root", random.Random(KILLS)
    for rate in (0.125, 0.25):
        for seed in (0, 1):
            train(root, rate=rate, seed=seed)
    before = numbers(local_runs(root))
    other = tmp_path / "other"
    for rate in (0.25, 0.5):
        train(other, rate=rate, seed=5)
    theirs = numbers(local_runs(other))
    logged = tmp_path / "logged"
    killed = 0
    with ForkServer(CODE, IMPORTS) as server:
        writer = server.begin(logged, root, "log", 0)
        until(lambda: logged.exists() and logged.read_text().count("\n") > 1)
        while killed < KILLS:
            what = chosen.choice(WHAT)
            output = tmp_path / f"output-{killed}"
            seconds = chosen.uniform(0, 0.3)  # at a random instant
            server.begin_and_kill(seconds, output, root, what, killed)
            killed += 1
            continue_changes(root)
            check(root, before, theirs, {*logged.read_text().split()})
        server.kill(writer)
        wait_for_end(writer)
    for item in reversed(trash_items(root)):
        if item.title == "rm":
            restore(root, item)
    merge_roots(root, other)
    after = numbers([one for one in local_runs(root) if one.status is Status.COMPLETED])
    assert {run_id: after[run_id] for run_id in (*before, *theirs)} == {**before, **theirs}
    live, alone = logged.read_text().split(), tmp_path / "alone"
    again = [train(alone, rate=0.125, seed=seed, description="live").run.run_id for seed in range(len(live))]
    expected = numbers(local_runs(alone))
    assert [after[run_id] for run_id in live] == [expected[run_id] for run_id in again]
    check_consistency(root)


def test_a_merge_that_is_killed_is_finished_or_was_never_begun(tmp_path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for rate in (0.125, 0.25):
        train(mine, rate=rate, seed=0)
    for rate, seed in ((0.25, 5), (0.5, 5), (0.5, 6)):
        train(theirs, rate=rate, seed=seed)
    before = numbers(local_runs(mine))
    after = {**before, **numbers(local_runs(theirs))}
    chosen = random.Random(KILLS)
    with ForkServer(CODE, IMPORTS) as server:
        for number in range(KILLS // 3):
            root = tmp_path / f"{number}" / "root"
            shutil.copytree(mine, root)
            shutil.copytree(theirs, root.parent / "other")
            seconds = chosen.uniform(0, 0.12)  # at a random instant
            server.begin_and_kill(seconds, tmp_path / f"output-{number}", root, "merge", number)
            was_pending = bool(pending_journals(root))
            continue_changes(root)
            found = numbers(local_runs(root))
            assert found == (after if was_pending else found)
            assert found in (before, after)
            merge_roots(root, root.parent / "other")
            assert numbers(local_runs(root)) == after
            check_consistency(root)
            shutil.rmtree(root.parent)


def check(root: Path, before: dict[str, tuple], theirs: dict[str, tuple], live: set[str]) -> None:
    """Every run that was there before is there once, or in the trash; what was merged is as it was.

    Args:
        root: the root directory.
        before: what was there before.
        theirs: what is merged.
        live: the ids of the runs that were logged meanwhile.
    """
    assert pending_journals(root) == []
    here = [one.run.run_id for one in local_runs(root)]
    assert len(here) == len({*here})
    assert live <= {*here} | ids_in_trash(root)
    every = completed(root)
    assert {run_id: theirs[run_id] for run_id in theirs if run_id in every} == {
        run_id: every[run_id] for run_id in theirs if run_id in every
    }
    found = {run_id: content for run_id, content in every.items() if run_id in before}
    assert found == {run_id: before[run_id] for run_id in found}
    assert {*before} - {*found} <= ids_in_trash(root) - {*found}


def completed(root: Path) -> dict[str, tuple]:
    return numbers([one for one in local_runs(root) if one.run.description == ""])


def check_consistency(root: Path) -> None:
    """No configuration has two folders, no log is of another configuration than its folder."""
    folders = list(configuration_folders(root))
    by_run = {one.run.run_id: one.run.configuration.fingerprint for one in local_runs(root)}
    for path in find_logs(root):
        run = read_log_head(path).run
        if run.run_id in by_run:
            assert run.configuration.fingerprint == by_run[run.run_id]
    for experiment in {folder.parent for folder in folders}:
        stated = [
            (experiment / name / "params.yml").read_text().split("\n")[0]
            for name in configuration_paths(experiment)
        ]
        assert len(stated) == len({*stated})
