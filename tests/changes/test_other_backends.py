"""Runs that are in MLflow and W&B too are amended, moved, deleted and brought back there too."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from legm import ExperimentHandler, NotSupported, ParameterError, amend
from legm.changes.amend import continue_changes
from legm.changes.backend_deliveries import pending_in_backends
from legm.changes.remove import restore
from legm.changes.trash import trash_items
from legm.delivery.backlog import sync_backlog
from legm.delivery.client import connect_client
from legm.delivery.trusted import trust
from legm.errors import BackendError
from legm.records import Query, RunResult
from legm.runlog.log_folder import find_logs, find_pending_logs
from tests.support.calling import as_json, failed, shown
from tests.support.local_runs import local_runs, numbers
from tests.support.mlflow_server import Server, experiment_of
from tests.support.mlflow_store import client as mlflow_client
from tests.support.mlflow_store import prepare_store
from tests.support.mlflow_store import runs as mlflow_runs
from tests.support.reading import runs_of
from tests.support.shared import once
from tests.support.waiting import until
from tests.support.wandb_server import ENTITY, KEY, serving

KILLS = int(os.environ.get("LEGM_TEST_AMEND_KILLS", "4"))
IS_SERVER = bool(os.environ.get("LEGM_TEST_AMEND_SERVER"))  # by hand: a server instead of an SQLite file
MIRRORS = {"mlflow": {}, "wandb": {"mode": "offline"}}


def train(root: Path, experiment: str = "e", rates=(0.125, 0.25), options=MIRRORS) -> None:
    """A run of each configuration, and two of the first one, in folders and in the other backends."""
    for number, rate in enumerate(rates):
        for seed in (0, 1) if number == 0 else (0,):
            handler = ExperimentHandler(
                root, experiment, backend=["local", *options], backend_options=dict(options), strict=True
            )
            handler.set_dict_params({"rate": rate, "seed": seed})
            handler.disable_param("seed")
            handler.name_param("rate")
            with handler.start():
                for step in range(4):
                    handler.set_dict_metrics({"loss": rate / (step + 3 + seed), "acc": step / 7}, step=step)
                handler.set_metric("acc", rate / 3, test=True)


@pytest.fixture
def root(tmp_path, wandb_home):
    """A root directory with runs in folders, in MLflow's SQLite file and in W&B's folders.

    It is made once, and moved to where each test needs it, as users move theirs.
    """

    def make(folder: Path) -> None:
        prepare_store(folder / "root" / "mlflow.db")
        train(folder / "root")
        (folder / "root").rename(folder / "moved")

    trust(MIRRORS)  # another worker may have made it
    shutil.copytree(once("other-backends", make) / "moved", tmp_path / "root", symlinks=True)
    return tmp_path / "root"


def names(runs: list[RunResult]) -> dict[str, tuple]:
    """By run, what it is: its experiment, fingerprint, active parameters and its own."""
    return {
        one.run.run_id: (
            one.run.configuration.experiment,
            one.run.configuration.fingerprint,
            {name: one.run.configuration.parameters[name] for name in one.run.configuration.active},
            dict(one.run.parameters),
        )
        for one in runs
    }


def in_backend(root: Path, backend: str, options=None) -> list[RunResult]:
    """Every run of a backend, of every experiment, with every series."""
    client = connect_client(root, backend, options if options is not None else MIRRORS[backend])
    queries = [Query(experiment, histories=None) for experiment in client.experiments()]
    found = [one for query in queries for one in client.runs_as_stored(query)]
    return sorted(found, key=lambda one: one.run.run_id)


def require_equal(root: Path, options=MIRRORS) -> None:
    """Every backend has each run once, as its folder has it, and nothing is pending."""
    expected = local_runs(root)
    for name in options:
        found = in_backend(root, name, options[name])
        assert names(found) == names(expected), name
        assert numbers(found) == numbers(expected), name
    assert find_pending_logs(root) == []
    assert pending_in_backends(root) == []


def mlflow_ids(root: Path, experiment: str = "e") -> dict[str, str]:
    """By legm's run id, MLflow's own."""
    found = mlflow_runs(mlflow_client(root), experiment, "tags.`legm.kind` = 'run'")
    return {run.data.tags["legm.run_id"]: run.info.run_id for run in found}


def mlflow_titles(root: Path) -> set[str]:
    found = mlflow_runs(mlflow_client(root), "e", "tags.`legm.kind` = 'run'")
    return {run.info.run_name for run in found}


def test_an_amended_run_is_the_same_run_in_mlflow_and_a_new_folder_in_wandb(root):
    before, ids = numbers(local_runs(root)), mlflow_ids(root)

    dry = shown("amend", root / "e", "--rename", "rate=lr", "--dry-run")
    assert "mlflow: 3 runs change as they are stored there" in dry
    assert "wandb mode=offline: 3 runs are deleted there and written anew" in dry
    require_equal(root)
    done = as_json("amend", root / "e", "--rename", "rate=lr", "--yes")

    assert done["notes"] == []
    assert {(one["backend"], one["kind"], one["runs"]) for one in done["backends"]} == {
        ("mlflow", "amended", 3),
        ("wandb mode=offline", "replaced", 3),
    }
    require_equal(root)
    assert numbers(local_runs(root)) == before
    assert mlflow_ids(root) == ids
    for run in mlflow_runs(mlflow_client(root), "e", "tags.`legm.kind` = 'run'"):
        assert {*run.data.params} == {"lr", "seed"}
    assert len(mlflow_runs(mlflow_client(root), "e", "tags.`legm.kind` = 'configuration'")) == 2
    (best, _) = as_json("best", root / "e", "loss", "--backend", "mlflow")
    assert (best["parameters"]["lr"], best["completed"]) == (0.125, 2)


def described_in_mlflow(root: Path) -> dict[str, tuple[str | None, ...]]:
    """By run, MLflow's note and legm's description of it."""
    found = mlflow_runs(mlflow_client(root), "e", "tags.`legm.kind` = 'run'")
    tags = {run.data.tags["legm.run_id"]: run.data.tags for run in found}
    return {
        run_id: (own.get("mlflow.note.content"), own.get("legm.description")) for run_id, own in tags.items()
    }


def test_a_description_changes_in_mlflow_and_in_wandb_and_a_users_note_stays(root, monkeypatch):
    ids, every = mlflow_ids(root), [one.run.run_id for one in local_runs(root)]
    mlflow_client(root).set_tag(ids[every[0]], "mlflow.note.content", "by hand")

    done = as_json("amend", root / "e", "--describe", "dbg", "--where", "seed=0", "--yes")
    assert {(one["backend"], one["kind"], one["runs"]) for one in done["backends"]} == {
        ("mlflow", "amended", 2),
        ("wandb mode=offline", "replaced", 2),
    }
    require_equal(root)
    assert mlflow_ids(root) == ids
    described = {one.run.run_id for one in local_runs(root) if one.run.description == "dbg"}
    assert len(described) == 2
    assert described_in_mlflow(root) == {
        run_id: ("by hand" if run_id == every[0] else note, note)
        for run_id in every
        for note in ["dbg" if run_id in described else None]
    }
    for name, options in MIRRORS.items():
        client = connect_client(root, name, options)
        for description, number in (("dbg", 2), ("", 1)):
            query = Query("e", description=description)
            assert len(list(client.runs_as_stored(query))) == number, (name, description)

    with monkeypatch.context() as patch:  # as if the command was killed then
        patch.setattr("legm.changes.amend.deliver_changes", lambda _: [])
        amend(root / "e", describe="")
    assert len(pending_in_backends(root)) == 1
    continue_changes(root)
    require_equal(root)
    assert set(described_in_mlflow(root).values()) == {("by hand", None), (None, None)}

    for wanted in (2, 0):
        restore(root, trash_items(root)[-1])
        require_equal(root)
        assert [one.run.description for one in local_runs(root)].count("dbg") == wanted
    assert set(described_in_mlflow(root).values()) == {("by hand", None), (None, None)}
    assert mlflow_ids(root) == ids


def test_a_name_that_no_handler_can_set_is_refused_before_any_backend_is_asked(root):
    before, ids = names(local_runs(root)), mlflow_ids(root)
    for name, message in (
        ("log", "cannot be called 'log'"),
        ("x" * 251, "at most 250 characters"),
        ("\udcff", "surrogate"),
    ):
        for given in ({"rename": {"rate": name}}, {"set": {name: 1}}):
            with pytest.raises(ParameterError, match=message):
                amend(root / "e", **given)
    assert "cannot be called 'log'" in failed("amend", root / "e", "--rename", "rate=log", "--yes")
    assert "cannot be called 'run_id'" in failed("amend", root / "e", "--set", "run_id=1", "--dry-run")
    assert (names(local_runs(root)), mlflow_ids(root)) == (before, ids)
    assert not (root / ".legm" / "journal").exists()
    require_equal(root)


def test_what_is_not_compared_any_more_unites_configurations_everywhere(root):
    before = numbers(local_runs(root))
    titles = mlflow_titles(root)
    amend(root / "e", ignore=["rate"])
    require_equal(root)
    assert titles.isdisjoint(mlflow_titles(root))
    amend(root / "e", compare=["rate", "seed"])
    require_equal(root)
    assert len({one[1] for one in names(in_backend(root, "mlflow")).values()}) == 3
    shown("restore", root)
    require_equal(root)
    assert numbers(local_runs(root)) == before


def test_a_parent_is_given_and_taken_away_and_a_value_corrected_everywhere(root):
    before = numbers(local_runs(root))
    amend(root / "e", set={"optimizer": "adam"})
    apart = names(local_runs(root))
    done = amend(root / "e", parent={"rate": {"optimizer": "sgd"}})
    assert done.plan.counts()["united"] == 2
    require_equal(root)
    amend(root / "e", no_parent="rate", no_name="rate")
    require_equal(root)
    assert {key: one[:3] for key, one in names(local_runs(root)).items()} == {
        key: one[:3] for key, one in apart.items()
    }
    amend(root / "e", correct={"optimizer": "sgd"}, name={"optimizer": 1}, where="rate=0.25")
    require_equal(root)
    assert sorted(one[2]["optimizer"] for one in names(in_backend(root, "mlflow")).values()) == [
        "adam",
        "adam",
        "sgd",
    ]
    shown("restore", root)
    require_equal(root)
    assert numbers(local_runs(root)) == before


def test_an_absent_value_is_corrected_and_taken_away_everywhere(root):
    before, kept = numbers(local_runs(root)), {key: one[:3] for key, one in names(local_runs(root)).items()}
    for rate in (0.125, 0.25):
        done = as_json("amend", root / "e", "--absent", f"rate={rate}", "--yes")
        assert done["notes"] == []
        assert {one["backend"] for one in done["backends"]} == {"mlflow", "wandb mode=offline"}
        require_equal(root)
        found = names(in_backend(root, "mlflow"))
        assert [one[2] for key, one in found.items() if kept[key][2]["rate"] == rate][:1] == [{}]
        assert numbers(local_runs(root)) == before
    assert as_json("amend", root / "e", "--no-absent", "rate", "--yes")["notes"] == []
    require_equal(root)
    assert {key: one[:3] for key, one in names(local_runs(root)).items()} == kept
    shown("restore", root)
    require_equal(root)
    assert numbers(local_runs(root)) == before


def test_an_experiment_that_is_renamed_is_in_another_experiment_everywhere(root):
    before, ids = numbers(local_runs(root)), mlflow_ids(root)
    assert "mlflow: 3 runs are deleted there and written anew" in shown("mv", root / "e", "f", "--dry-run")
    shown("mv", root / "e", "f", "--yes")
    require_equal(root)
    assert {one[0] for one in names(in_backend(root, "wandb")).values()} == {"f"}
    assert not {*mlflow_ids(root, "f").values()} & {*ids.values()}
    assert mlflow_ids(root) == {}
    assert shown("ls", root, "--backend", "mlflow").startswith("f\n")
    shown("restore", root)
    require_equal(root)
    assert numbers(local_runs(root)) == before


def test_the_folder_of_a_configuration_is_renamed_and_nothing_changes_elsewhere(root):
    ids = mlflow_ids(root)
    shown("mv", root / "e" / "0.125_0", "mine")
    require_equal(root)
    assert mlflow_ids(root) == ids


def test_deleted_runs_are_deleted_everywhere_and_come_back_everywhere(root):
    before, content = numbers(local_runs(root)), names(local_runs(root))
    (first, *_) = content
    dry = shown("rm", root / "e", "--dry-run")
    assert "mlflow: 3 runs are deleted there" in dry
    assert "3 runs would be deleted" in dry
    require_equal(root)

    for _ in range(2):  # as often as a user likes
        shown("rm", f"{root}/{first}")
        assert {*names(local_runs(root))} == {*content} - {first}
        require_equal(root)
        shown("restore", root)
        require_equal(root)
    shown("rm", root / "e", "--yes")
    assert local_runs(root) == []
    require_equal(root)
    shown("restore", root)
    require_equal(root)
    assert (numbers(local_runs(root)), names(local_runs(root))) == (before, content)


def test_what_a_user_noted_in_mlflow_only_outlives_that_its_run_is_replaced(root):
    of = mlflow_client(root)
    (run_id, mlflow_id), *_ = mlflow_ids(root).items()
    of.set_tag(mlflow_id, "good", "true")
    amend(root / "e", to="f")
    assert as_json("tag", f"{root}/{run_id}")["tags"] == ["good"]
    assert of.get_run(mlflow_ids(root, "f")[run_id]).data.tags["good"] == "true"
    shown("rm", f"{root}/{run_id}")
    shown("restore", root)
    assert of.get_run(mlflow_ids(root, "f")[run_id]).data.tags["good"] == "true"


def test_a_run_that_was_deleted_in_a_tracker_by_hand_stays_deleted_there(root):
    of, ids = mlflow_client(root), mlflow_ids(root)
    (run_id, mlflow_id), *_ = ids.items()
    of.delete_run(mlflow_id)
    done = as_json("amend", root / "e", "--rename", "rate=lr", "--yes")
    assert {one["backend"]: one["runs"] for one in done["backends"]} == {"mlflow": 2, "wandb mode=offline": 3}
    assert {*mlflow_ids(root)} == {*ids} - {run_id}


def test_a_merged_run_is_written_into_the_store_of_its_new_root_directory(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "root"
    shutil.copytree(root / "e", other / "e")
    shutil.rmtree(root / "e" / "0.25_0")
    kept = tmp_path_factory.mktemp("kept") / "root"
    shutil.copytree(root / "e", kept / "e")
    prepare_store(kept / "mlflow.db")
    said = shown("merge", kept, other)
    assert "mlflow: 1 run is written there" in said
    found = in_backend(kept, "mlflow")
    assert names(found) == {
        key: one for key, one in names(local_runs(kept)).items() if one[2]["rate"] == 0.25
    }


def test_a_folder_that_was_sent_to_wandb_is_refused_before_anything_is_done(root):
    folder = next((root / "wandb").glob("offline-run-*"))
    (folder / "run-x.wandb.synced").touch()
    before = names(local_runs(root))
    with pytest.raises(NotSupported, match="was sent to W&B by wandb sync, where the run stays as it was"):
        amend(root / "e", rename={"rate": "lr"})
    assert names(local_runs(root)) == before
    require_equal(root)
    assert "delete the run there too" in shown("rm", root / "e", "--dry-run")


def test_a_target_that_nobody_here_chose_is_refused(root, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another user"))
    assert "no run was begun on this machine with the target 'wandb mode=offline'" in failed(
        "amend", root / "e", "--rename", "rate=lr", "--yes"
    )
    require_equal(root)


def test_runs_that_only_a_tracker_has_are_amended_in_a_copy_that_is_written_to_a_tracker_again(
    mlflow_store, tmp_path
):
    with ExperimentHandler(mlflow_store, "e", backend="mlflow") as handler:
        handler.set_param("rate", 0.125)
        handler.start()
        handler.set_metric("loss", 0.5)
        (tmp_path / "notes.txt").write_text("kept")
        handler.log_artifact(tmp_path / "notes.txt")
    before = in_backend(mlflow_store, "mlflow")
    wanted = ["e", "--rename", "rate=lr", "--yes"]
    experiment = mlflow_store / "e"
    for command in (
        ("amend", experiment, *wanted[1:], "--backend", "mlflow"),
        ("mv", experiment, "f", "--yes"),
    ):
        assert "legm export NEW_ROOT --to mlflow writes them to a store again" in failed(*command)
    assert "legm recover --discard deletes each of them there" in failed("rm", experiment, "--yes")
    copy = tmp_path / "copy"
    prepare_store(copy / "mlflow.db")

    shown("import", mlflow_store / "mlflow.db", copy)
    shown("amend", copy / wanted[0], *wanted[1:])
    shown("export", copy, "--to", "mlflow")

    after = in_backend(copy, "mlflow")
    assert [one[2] for one in names(after).values()] == [{"lr": 0.125}]
    assert numbers(after) == numbers(before)
    (kept,) = (copy / "mlartifacts").rglob("notes.txt")
    assert kept.read_text() == "kept"
    assert names(in_backend(mlflow_store, "mlflow")) == names(before)


CHANGING = """
import sys, time
from pathlib import Path
from legm import LegmError, amend
from legm.changes.move import rename_experiment
from legm.changes.remove import Deletion, delete, restore
from legm.changes.trash import trash_items

root, what = Path(sys.argv[1]), sys.argv[2]
experiment = next((path for path in sorted(root.iterdir()) if path.name in ("e", "f")), root / "e")
print("begun", flush=True)
try:
    if what == "rename":
        amend(experiment, rename={"rate": "lr"})
    elif what == "compare":
        amend(experiment, compare=["seed"])
    elif what == "absent":
        amend(experiment, absent={"rate": 0.125})
    elif what == "no_absent":
        amend(experiment, no_absent=["rate"])
    elif what == "mv":
        rename_experiment(experiment, "f" if experiment.name == "e" else "e", confirm=lambda plan: True)
    elif what == "rm":
        folder = next(path.parent for path in experiment.glob("*/params.yml"))
        delete(Deletion(root, folders=[folder]), title="rm")
    elif trash_items(root):
        restore(root, trash_items(root)[-1])
except LegmError as error:
    print(error)
"""


def test_a_command_that_is_killed_at_any_instant_is_finished_in_every_backend(
    prepared, mlflow_store, wandb_home, request
):
    root, chosen = mlflow_store, random.Random(KILLS)
    server = {"tracking_uri": request.getfixturevalue("mlflow_server").uri} if IS_SERVER else {}
    options = {"mlflow": server, "wandb": MIRRORS["wandb"]}
    train(root, options=options)
    before = numbers(local_runs(root))
    for number in range(KILLS):
        what = ["mv", "absent", "rm", "restore", "no_absent", "rename", "compare"][number % 7]
        output = root.parent / f"output-{number}"
        with output.open("w") as said:
            process = prepared.begin(["-c", CHANGING, root, what], stdout=said, stderr=said)
        until(lambda output=output: "begun" in output.read_text(), pause=0.01)
        time.sleep(chosen.uniform(0, 0.5))  # at a random instant
        process.kill()
        continue_changes(root)
        for one in sync_backlog(root):
            assert not one.problem
        require_equal(root, options)
        found = numbers(local_runs(root))
        assert found == {run_id: before[run_id] for run_id in found}
    while trash_items(root):
        restore(root, trash_items(root)[-1])
    require_equal(root, options)
    assert numbers(local_runs(root)) == before


def test_a_run_on_a_wandb_server_stays_the_same_run(tmp_path, wandb_home, monkeypatch):
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        options = {"wandb": {"mode": "online", "entity": ENTITY}}
        train(tmp_path, rates=(0.125,), options=options)
        before = numbers(local_runs(tmp_path))
        (first, _) = local_runs(tmp_path)
        rows = [len(server.run(run_id).history) for run_id in before]

        done = as_json("amend", tmp_path / "e", "--rename", "rate=lr", "--yes")
        assert [(one["kind"], one["runs"]) for one in done["backends"]] == [("amended", 2)]
        require_equal(tmp_path, options)
        assert numbers(local_runs(tmp_path)) == before
        assert [len(server.run(run_id).history) for run_id in before] == rows
        for run_id in before:
            assert "lr" in server.run(run_id).config
            assert "rate" not in server.run(run_id).config

        server.run(first.run.run_id).notes = "by hand"
        for description in ("dbg", ""):
            done = as_json("amend", tmp_path / "e", "--describe", description, "--yes")
            assert [(one["kind"], one["runs"]) for one in done["backends"]] == [("amended", 2)]
            require_equal(tmp_path, options)
            notes = {run_id: server.run(run_id).notes or "" for run_id in before}
            assert notes == {**dict.fromkeys(before, description), first.run.run_id: "by hand"}

        text = failed("mv", tmp_path / "e", "f", "--yes")
        assert "cannot move a W&B run from the project e to another one" in text
        assert "never takes the id of a deleted run" in shown("rm", tmp_path / first.run.run_id, "--yes")
        require_equal(tmp_path, options)
        assert "restore it on the project's page first" in shown("restore", tmp_path)
        assert len(local_runs(tmp_path)) == 2
        assert len(in_backend(tmp_path, "wandb", options["wandb"])) == 1


@pytest.fixture
def server(prepared, tmp_path):
    """An MLflow server of its own, that may be stopped."""
    made = Server(tmp_path, prepared)
    made.start()
    yield made
    made.stop()


def test_what_a_server_that_stops_missed_is_refused_or_delivered_later(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    root, options = tmp_path / "root", {"mlflow": {"tracking_uri": server.uri}}
    train(root, options=options)
    before = numbers(local_runs(root))
    of = [one.run.run_id for one in local_runs(root)]

    # It goes away in the middle: after the plan, before the runs are replaced.
    with monkeypatch.context() as patch:
        patch.setattr("legm.changes.backend_deliveries.backends_with_backlog", stop_first(server))
        done = as_json("amend", root / "e", "--rename", "rate=lr", "--yes")
    (note,) = done["notes"]
    assert "3 runs are still to be changed in mlflow tracking_uri=" in note
    assert "legm sync" in note
    assert numbers(local_runs(root)) == before
    assert len(find_pending_logs(root)) == 3

    with pytest.raises(BackendError, match="nothing was changed"):
        amend(root / "e", rename={"lr": "rate"})
    assert "nothing was changed" in failed("rm", root / "e", "--yes")
    server.start()
    shown("sync", root)
    require_equal(root, options)

    # And while runs are deleted.
    with monkeypatch.context() as patch:
        patch.setattr("legm.changes.backend_deliveries._read_backend_tasks", stop_before(server))
        shown("rm", root / "e" / "0.25_0", "--yes")
    assert len(pending_in_backends(root)) == 1
    assert len(local_runs(root)) == 2
    server.start()
    shown("sync", root)
    require_equal(root, options)
    shown("restore", root)
    require_equal(root, options)
    assert [one.run.run_id for one in local_runs(root)] == of
    assert numbers(local_runs(root)) == before


def stop_first(server):
    from legm.delivery.backlog import backends_with_backlog

    def stopping(known):
        server.stop()
        return backends_with_backlog(known)

    return stopping


def stop_before(server):
    from legm.changes.backend_deliveries import _read_backend_tasks

    def stopping(path):
        server.stop()
        return _read_backend_tasks(path)

    return stopping


def test_a_server_keeps_the_runs_whose_params_stay_and_replaces_the_others(mlflow_server, tmp_path):
    experiment, uri = experiment_of(tmp_path), mlflow_server.uri
    options = {"mlflow": {"tracking_uri": uri}}
    train(tmp_path, experiment, rates=(0.125,), options=options)
    before = numbers(local_runs(tmp_path))

    def changed(*arguments) -> dict:
        done = as_json("amend", tmp_path / shortened(tmp_path), *arguments, "--yes")
        found = runs_of(tmp_path, experiment, connect_client(tmp_path, "mlflow", options["mlflow"]).backend)
        assert names(found) == names(local_runs(tmp_path))
        assert numbers(found) == before
        return {one["kind"]: one["runs"] for one in done["backends"]}

    assert changed("--set", "dropout=0.5") == {"amended": 2}
    assert changed("--ignore", "dropout") == {"amended": 2}
    assert changed("--rename", "rate=lr") == {"replaced": 2}
    assert find_pending_logs(tmp_path) == []
    assert len(find_logs(tmp_path)) == 2


def shortened(root: Path) -> str:
    (folder,) = [path.name for path in root.iterdir() if not path.name.startswith(".")]
    return folder


def test_a_run_that_is_resumed_before_its_change_was_delivered_is_changed_then(mlflow_store, monkeypatch):
    root = mlflow_store

    def begin(name: str, **options) -> ExperimentHandler:
        handler = ExperimentHandler(root, "e", backend=["local", "mlflow"], strict=True)
        handler.set_param(name, 0.5)
        return handler.start(**options)

    with begin("rate") as handler:
        handler.set_metric("loss", 1.0, step=0)
        handler.end("failed", "by hand")
    ids = mlflow_ids(root)
    with monkeypatch.context() as patch:  # as if the command was killed then
        patch.setattr("legm.changes.amend.deliver_changes", lambda _: [])
        amend(root / "e", rename={"rate": "lr"})
    assert len(pending_in_backends(root)) == 1
    assert names(in_backend(root, "mlflow")) != names(local_runs(root))

    with begin("lr", resume=True) as handler:
        assert handler.is_resumed
        handler.set_metric("loss", 0.5, step=1)
    continue_changes(root)

    require_equal(root, {"mlflow": {}})
    assert mlflow_ids(root) == ids
