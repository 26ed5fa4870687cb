"""What names a run or a configuration that is in the trash says so, and how it comes back."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.errors import LegmError
from tests.support import calling


def make_run(root: Path, seed: int = 1, x: int = 1) -> str:
    handler = ExperimentHandler(root, "e", console=True)
    handler.set_dict_params({"x": x, "seed": seed})
    handler.disable_param("seed")
    handler.name_param("x")
    with handler.start():
        handler.set_metric("loss", 1 / seed)
        return str(handler.run_id)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A root directory in which a run was deleted, and another one of its configuration was not."""
    root = tmp_path_factory.mktemp("trashed") / "runs"
    run = make_run(root)
    make_run(root, seed=2)
    calling.shown("rm", root / run)
    return root, run


@pytest.fixture
def deleted(stored: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The deleted run, in the folder ``runs``, which the test leaves as it is."""
    monkeypatch.chdir(stored[0].parent)
    return stored[1]


@pytest.fixture
def own_deleted(stored: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same in a folder that the test may change."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(stored[0], tmp_path / "runs")
    return stored[1]


def refusal(*arguments: object) -> str:
    done = calling.call(*arguments)
    assert done.exit_code != 0, done.output
    return done.output


@pytest.mark.parametrize(
    "command",
    [
        "show runs/{run}",
        "show runs/{end}",
        "show runs/e/{run}",
        "show runs/e/1_0/{run}",
        "show runs/{run} --reproduce",
        "diff runs/{run} runs/e/1_0",
        "diff runs/e/1_0 runs/{end}",
        "logs {run} runs",
        "logs runs/{end}",
        "recover runs --complete {run}",
        "recover runs --fail {end}",
        "recover runs --discard {run}",
        "resume runs/{run} -- true",
        "tag runs/{run} +good",
        "note runs/{run} text",
        "rm runs/{run}",
        "mv runs/{run} other",
        "amend runs/{run} --drop x",
        "best runs/{run} loss",
        "table runs/{run} loss",
        "plot runs/{run} loss",
        "compare runs/{run} runs/e/1_0 loss",
        "ls runs/{run}",
        "report runs/{run}",
        "sql runs/{run} 'select 1'",
        "export runs/{run} runs.csv --to table",
        "tensorboard runs/{run} --print",
        "watch runs/{run} --json",
        "sync runs/{run}",
        "ui runs/{run} --json",
    ],
)
def test_every_command_says_that_a_run_is_in_the_trash(deleted, command):
    shown = refusal(*shlex.split(command.format(run=deleted, end=deleted[-6:])))
    assert f"the run {deleted} is in the trash; legm restore runs " in shown


def test_the_command_that_is_named_brings_the_run_back(own_deleted, monkeypatch):
    monkeypatch.chdir("runs/e/1_0")  # from anywhere
    shown = refusal("logs", own_deleted[-8:])
    named = re.search(r"legm (restore .*) brings it back", shown)
    assert named is not None
    calling.shown(*shlex.split(named[1]))
    assert own_deleted in calling.shown("show", f"../../{own_deleted}")


def test_a_script_that_resumes_it_gets_the_same_error(deleted):
    handler = ExperimentHandler("runs", "e")
    handler.set_dict_params({"x": 1, "seed": 1})
    handler.disable_param("seed")
    handler.name_param("x")
    with pytest.raises(LegmError, match=f"the run {deleted} is in the trash; legm restore runs "):
        handler.start(resume=deleted)


def test_a_script_that_resumes_it_by_the_environment_begins_a_new_run_with_a_warning(
    own_deleted, monkeypatch, caplog
):
    monkeypatch.setenv("LEGM_RESUME", own_deleted)
    assert make_run(Path("runs")) != own_deleted
    assert f"the run {own_deleted} is in the trash" in caplog.text


def test_configurations_and_experiments_in_the_trash_are_named_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for x in (1, 2):
        make_run(Path("runs"), x=x)
    calling.shown("rm", "runs/e/1_0", "--yes")
    assert "it is in the trash; legm restore runs " in refusal("show", "runs/e/1_0")
    with pytest.raises(LegmError, match="it is in the trash; legm restore runs "):
        ExperimentHandler.load_existent("runs/e/1_0")
    calling.shown("rm", "runs/e", "--yes")
    for command in (["ls", "runs/e"], ["table", "runs/e", "loss"]):
        assert "it is in the trash; legm restore runs " in refusal(*command)


def test_a_run_that_was_only_moved_is_not_said_to_be_in_the_trash(tmp_path, monkeypatch):
    """Its folder as it was before the change is, though."""
    monkeypatch.chdir(tmp_path)
    run = make_run(Path("runs"))
    calling.shown("amend", "runs/e", "--set", "new=3", "--name", "new", "--yes")
    calling.shown("show", f"runs/{run}")
    (folder,) = Path("runs/e").glob("*/params.yml")
    assert "in the trash" not in refusal("show", f"runs/other/{run}")
    assert folder.parent.name != "1_0"


def test_what_is_nowhere_is_not_said_to_be_in_the_trash(own_deleted):
    for text in ("runs/abcdef", "runs/zz", "runs/e/*", f"{own_deleted}0", "../x", "runs/.."):
        assert "in the trash" not in refusal("logs", text)
    calling.shown("trash", "runs", "--empty", "--yes")
    assert "in the trash" not in refusal("logs", f"runs/{own_deleted}")
