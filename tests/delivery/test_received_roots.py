"""Root directories that somebody else made: they are read, and nothing in them is obeyed."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from shlex import split
from typing import ClassVar

import pytest

from legm import CorruptFile, ExperimentHandler, StorageError
from legm.cli import main
from legm.delivery import registry
from legm.delivery.trusted import trust, trusted_target_text
from legm.hooks import Capability
from legm.records import Artifact, Outcome, Status
from legm.runlog import log_frames, log_reader, log_writer
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.file_names import ARTIFACTS, PARAMETERS_FILE, RUNS, TENSORBOARD
from legm.runlog.log_folder import LogFolder, find_logs
from tests.support.calling import as_json, call, shown
from tests.support.local_runs import train
from tests.support.remote_backend import Remote

SECRET = "the content of a private key"
UP = "../../../../../outside/made"
ID = "20300101-000000-000-{:06}"


class Server(Remote):
    """A server that takes files too; its instances are kept."""

    capabilities = frozenset({Capability.REMOTE, Capability.ARTIFACTS})
    made: ClassVar[list[Server]] = []

    def __init__(self, root: Path, **options: object) -> None:
        super().__init__(root, **options)
        self.made.append(self)


@pytest.fixture(autouse=True)
def servers(monkeypatch, tmp_path) -> list[Server]:
    """The servers that were reached, on a machine whose user has reached none yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setitem(registry._BUILT_IN, "remote", f"{__name__}:Server")  # noqa: SLF001
    monkeypatch.setattr(Server, "made", [])
    return Server.made


@pytest.fixture
def outside(tmp_path) -> Iterator[Path]:
    """A folder beside the root directory, in which nothing may appear."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    yield folder
    assert {path.name: path.read_text() for path in folder.rglob("*")} == {"secret": SECRET}
    assert {path.name for path in tmp_path.iterdir()} <= {"root", "copy", "outside", "settings"}


@pytest.fixture
def folder(tmp_path) -> Path:
    """The folder of a configuration with one run."""
    train(tmp_path / "root")
    (found,) = configuration_folders(tmp_path / "root")
    return found


def crafted(folder: Path, number: int = 0, backends: dict | None = None, **changes: object) -> Path:
    """A pending log of a completed run in which somebody changed fields of the run or its configuration."""
    run = log_reader.read_log(next(LogFolder.of(folder).folder.glob("*.log"))).run
    artifact = changes.pop("artifact", None)
    for name, value in {"run_id": ID.format(number), **changes}.items():
        about = run.configuration if name in {"fingerprint", "name"} else run
        object.__setattr__(about, name, value)  # past the check
    writer = log_writer.LogWriter(LogFolder.of(folder).open_folder / f"{ID.format(number)}.log", create=True)
    writer.append(log_frames.run_frame(run), log_frames.backends_frame(backends or {"local": {}}))
    if artifact is not None:
        writer.append(log_frames.record_frame(Artifact("model.pt", str(artifact))))
    writer.append(log_frames.record_frame(Outcome(Status.COMPLETED, 1.8e9)))
    writer.close()
    return writer.path


READING = (
    "ls {root}",
    "best {root}/e loss",
    "best {root}/e loss --curve",
    "compare {folder} {other} loss",
    "table {root} loss -o {made}/table.md",
    "sql {root} select * from runs",
    "plot {root}/e loss -o {made}/loss.svg",
    "report {root} -o {made}/report.html",
    "show {folder}",
    "show {root}/{run}",
    "logs {root}/{run}",
    "watch {root} --json",
    "diff {folder} {other}",
    "trash {root}",
    "tensorboard {root} --print",
    "mlflow-ui {root} --print",
    "import {root} {made}/imported",
    "export {root} --to local --into {made}/root",
    "export {root} -o {made}/runs.csv",
    "merge {made}/merged {root}",
    "resume {root}/{run} -- {nothing}",
    "recover {root}",
    "sync {root}",
)
"""How each command is called that reads a root directory, or does in it what is left to do."""
CHANGING = (
    "upgrade {root}",
    "tag {root} +seen --yes",
    "tag {root}/{run} +seen",
    "note {root} seen --yes",
    "amend {root}/e --set late=1 --yes",
    "amend {root}/e --rename late=later --yes",
    "rm {root}/{run} --yes",
    "rm {root}/e --yes",
    "restore {root}",
    "mv {root}/e moved --yes",
    "trash {root} --empty --yes",
)
"""How each is called that changes one."""
WITHOUT_ROOT = {"backends", "capture", "completion", "run", "sweep", "ui"}
"""Commands that read no root directory that exists, or serve it until they are ended."""


def test_every_command_that_takes_a_root_is_tried():
    tried = {words.split()[0] for words in (*READING, *CHANGING)}
    assert tried == set(main.commands) - WITHOUT_ROOT


def run_every_command(root: Path) -> None:
    """Everything that reads a root directory, on it, and what changes one, on a copy of it.

    What fails does so with a message, and nothing that is written has what is outside.
    """
    made, copy = root / "made", root.with_name("copy")
    made.mkdir()
    shutil.copytree(root, copy, symlinks=True)
    for words, place in (*((one, root) for one in READING), *((one, copy) for one in CHANGING)):
        folders = [*configuration_folders(place)] or [place / "e"]
        for run in [path.stem for path in find_logs(root)] if "{run}" in words else [""]:
            names = {"root": place, "folder": folders[0], "other": folders[-1], "made": made, "run": run}
            result = call(*(word.format(**names, nothing="legm-no-such-program") for word in split(words)))
            assert result.exception is None or isinstance(result.exception, SystemExit), words
    written = (path for path in root.parent.rglob("*") if path.is_file() and not path.is_symlink())
    assert {path.name for path in written if SECRET.encode() in path.read_bytes()} <= {"secret"}


def test_no_id_or_name_in_a_run_log_leads_out_of_the_root(folder, outside):
    hostile = [
        {"run_id": UP},
        {"run_id": UP.replace("/", "\\")},
        {"run_id": ""},
        {"run_id": 3},
        {"run_id": ".."},
        {"name": UP},
        {"name": "made\n"},
        {"fingerprint": UP},
    ]
    paths = [crafted(folder, number, **changes) for number, changes in enumerate(hostile)]
    root = folder.parent.parent
    run_every_command(root)
    with ExperimentHandler.load_existent(folder) as handler:
        handler.start().aggregate_results()
    told = call("sync", root).stdout
    for path in paths:
        assert path.exists()
        assert path.name in told
    assert told.count("is not a run that legm began") == len(paths)


def test_no_name_in_a_yaml_file_leads_out_of_the_root(folder, outside):
    root = folder.parent.parent
    train(root, rate=0.25)
    (other,) = set(configuration_folders(root)) - {folder}
    parameters = other / PARAMETERS_FILE
    parameters.write_text(re.sub("name: .*", f"name: {UP}", parameters.read_text()))
    metrics = folder / "metrics.yml"
    metrics.write_text(metrics.read_text() + f'experiment_1: {{run_id: "{UP}", best_loss: 1.0}}\n')
    with pytest.raises(CorruptFile, match=re.escape(f"{parameters}, line 1")):
        ExperimentHandler.load_existent(other)
    assert f"{metrics}, experiment_1: '{UP}' is not the id of a run" in call("show", folder).output
    run_every_command(root)


def test_files_of_a_run_come_from_its_configurations_folder(folder, outside, servers):
    root = folder.parent.parent
    (folder / "link.pt").symlink_to(outside / "secret")
    (folder / ARTIFACTS).mkdir()
    (folder / ARTIFACTS / ID.format(3)).mkdir()
    (folder / ARTIFACTS / ID.format(3) / "model.pt").write_text("weights")
    trust({"remote": {}})
    for number, artifact in enumerate(
        [
            outside / "secret",
            folder / "link.pt",
            f"{folder}/{ARTIFACTS}/{ID.format(2)}/../../../../../outside/secret",
            f"/moved/from/here/{ARTIFACTS}/{ID.format(3)}/model.pt",
        ]
    ):
        crafted(folder, number, {"local": {}, "remote": {}}, artifact=artifact)
    assert "delivered" in shown("sync", root, "--to", "remote")
    shown("export", root, "--to", "local", "--into", root / "copy")
    (server,) = servers
    sent = [one for batch in server.batches.values() for ones in batch.values() for one in ones]
    paths = [Path(one.path) for one in sent if isinstance(one, Artifact)]
    assert paths == [folder / "secret", folder / ARTIFACTS / ID.format(3) / "model.pt"]
    copied = [path.read_text() for path in (root / "copy").rglob("*model.pt")]
    assert copied == ["weights"]


LINKS = {
    **dict.fromkeys((RUNS, ARTIFACTS, TENSORBOARD, "../.legm"), "."),
    **dict.fromkeys(("metrics.yml", f"{RUNS}/.lock", f"{RUNS}/.marks.lock"), "secret"),
    "../.legm/marked": "absent",
}
"""What may be a link in a configuration's folder, and what in the other folder it leads to."""


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_written_through_a_link(folder, outside, name):
    crafted(folder)
    link = folder / name
    if link.exists():
        link.rename(folder.parent / "moved")
    link.symlink_to(outside / LINKS[name])
    run_every_command(folder.parent.parent)
    with contextlib.suppress(StorageError), ExperimentHandler.load_existent(folder) as handler:
        handler.start().set_metric("loss", 1.0)
        handler.log()
    if name in {RUNS, ARTIFACTS, TENSORBOARD}:
        with pytest.raises(StorageError, match=f"{link} is a link"):
            ExperimentHandler.load_existent(folder).start()


def test_no_run_is_sent_to_an_address_that_only_a_log_names(folder, outside, servers):
    root = folder.parent.parent
    theirs = {"address": "https://example.org:1", "headers": {"a": 1}}
    path = crafted(folder, 0, {"local": {}, "remote": theirs})
    target = trusted_target_text("remote", theirs)
    assert target == 'remote address=https://example.org:1 headers={"a": 1}'
    for arguments in ([], ["--to", "remote"]):
        (problem,) = [one["problem"] for one in as_json("sync", root, *arguments, status=1) if one["problem"]]
        assert f"legm sync --to '{target}'" in problem
    assert not servers
    assert not as_json("sync", root, "--to", "remote address=https://example.org:2")
    assert [one["run"]["run_id"] for one in as_json("sync", root, "--to", target)] == [path.stem]
    assert [server.options for server in servers] == [theirs]


def test_an_address_with_which_a_run_began_on_this_machine_is_delivered_to(folder, servers):
    root, ours = folder.parent.parent, {"address": "https://example.org:1"}
    options = {"backend": ["local", "remote"], "backend_options": {"remote": ours}}
    with ExperimentHandler(folder.parent.parent.parent / "other", "e", **options).start():
        pass
    crafted(folder, 0, {"local": {}, "remote": ours})
    crafted(folder, 1, {"local": {}, "remote": {**ours, "user": "b"}})
    done = as_json("sync", root, "--to", "remote", status=1)
    assert [(one["log"][-10:], one["problem"] is None) for one in done] == [
        ("000000.log", True),
        ("000001.log", False),
    ]
