"""legm diff shows the lines in which the code of two runs differs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import legm
from legm import ExperimentHandler
from tests.support import calling
from tests.support.repositories import Repository

SCRIPT = """
import sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e", backend=sys.argv[2:] or "local")
handler.set_param("x", 1)
handler.start()
handler.set_metric("loss", 0.5)
handler.log()
"""
LIBRARY = "".join(f"line{n} = {n}\n" for n in range(30))
CHANGED = LIBRARY.replace("line3 = 3\n", "line3 = 'both'\n")


def call(*arguments: object) -> str:
    done = calling.call(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def run_variables(**more: str) -> dict[str, str]:
    home = str(Path(legm.__file__).parents[1])
    return {**os.environ, "LEGM_PROVENANCE": "1", "PYTHONPATH": home, **more}


def train(repository: Repository, root: Path) -> None:
    command = [sys.executable, "train.py", str(root)]
    subprocess.run(command, cwd=repository.folder, env=run_variables(), check=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    """A repository with four runs: the first and second of one commit with different changes, the third of a
    later commit with the changes of the second, the fourth of that commit without any.
    """
    made = Repository(
        tmp_path_factory.mktemp("differences") / "code", **{"train.py": SCRIPT, "lib.py": LIBRARY}
    )
    root = made.folder.parent / "runs"
    made.write({"lib.py": CHANGED.replace("line9 = 9", "line9 = 'first'"), "notes.txt": "first\nend\n"})
    train(made, root)
    made.write({"lib.py": CHANGED.replace("line20 = 20", "line20 = 'second'"), "notes.txt": "second\nend\n"})
    made.write({"only.py": "x = 1\n"})
    train(made, root)
    made.git("add", "only.py")
    made.git("commit", "-q", "-m", "a file")
    train(made, root)
    made.git("checkout", "-q", "-f")
    (made.folder / "notes.txt").unlink()
    train(made, root)
    return made


@pytest.fixture
def runs(repository, monkeypatch) -> list[Path]:
    """The runs, each as a user names it, in their order."""
    monkeypatch.chdir(repository.folder.parent)
    found = json.loads(call("show", "runs/e/_0", "--json"))["runs"]
    return [Path("runs") / run["run_id"] for run in sorted(found, key=lambda run: run["started"])]


def signed(lines: list[str]) -> list[str]:
    return [line for line in lines if line[0] in "+-"]


def code(a: object, b: object, *options: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call("diff", a, b, "--json", *options))["code"]
    return found


def test_the_changed_lines_of_uncommitted_changes_are_shown(runs):
    shown = call("diff", runs[0], runs[1])
    lines = [line[2:] for line in shown.splitlines() if line[2:3] in ("+", "-")]
    assert lines == [
        "-line9 = 'first'",
        "+line9 = 9",
        "-line20 = 20",
        "+line20 = 'second'",
        "-first",
        "+second",
        "+x = 1",
    ]
    assert "uncommitted changes: 3 files with differences" in shown
    assert "only.py, changed only in B" in shown
    assert "'both'" not in shown
    assert "sha256" not in shown


def test_json_has_them_by_file(runs):
    found = code(runs[0], runs[1])
    assert found["commits"] is None
    assert found["notes"] == []
    assert [(one["file"], one["changed_in"]) for one in found["uncommitted"]] == [
        ("lib.py", "both"),
        ("notes.txt", "both"),
        ("only.py", "b"),
    ]
    assert signed(found["uncommitted"][0]["lines"])[0] == "-line9 = 'first'"


def test_commits_differ_by_what_git_says_where_the_repository_is(repository, runs, monkeypatch):
    found = code(runs[1], runs[2])
    assert [(one["file"], signed(one["lines"])) for one in found["committed"]] == [("only.py", ["+x = 1"])]
    assert found["commits"]["b"] == repository.head
    (one,) = found["uncommitted"]  # what was untracked is in the commit now, and nothing else is different
    assert (one["file"], signed(one["lines"])) == ("only.py", ["-x = 1"])
    shown = call("diff", runs[1], runs[2])
    assert f"and {repository.head[:10]}: 1 file with differences" in shown
    assert code(runs[2], runs[3])["commits"] is None
    assert [one["changed_in"] for one in code(runs[2], runs[3])["uncommitted"]] == ["a", "a"]


def test_a_repository_is_read_and_nothing_that_it_names_is_run(repository, runs, tmp_path):
    mark = tmp_path / "was run"
    program = f"touch '{mark}'; cat"
    repository.git("config", "diff.external", program)
    repository.git("config", "diff.own.command", program)
    repository.git("config", "diff.own.textconv", program)
    repository.git("config", "core.fsmonitor", program)
    (repository.folder / ".git" / "info" / "attributes").write_text("*.py diff=own\n")
    before = repository.contents(), repository.git("status", "--porcelain")
    mark.unlink(missing_ok=True)  # git itself asks the monitor
    assert [one["file"] for one in code(runs[1], runs[2])["committed"]] == ["only.py"]
    assert not mark.exists()
    assert (repository.contents(), repository.git("status", "--porcelain")) == before


def test_more_between_commits_than_is_read_is_reported(runs, monkeypatch):
    monkeypatch.setattr("legm.provenance.commit_difference._MOST_BYTES", 100)
    notes = code(runs[1], runs[2])["notes"]
    assert "of what differs in the commits only the first 100 bytes are known" in notes


def test_without_the_repository_that_is_said_and_the_rest_is_shown(repository, runs):
    away = repository.folder.with_name("away")
    repository.folder.rename(away)
    try:
        found = code(runs[0], runs[2])
    finally:
        away.rename(repository.folder)
    assert found["committed"] == []
    assert found["notes"][0] == (
        "what differs in the commits is unknown: no repository that has both is on this machine"
    )
    assert "lib.py" in [one["file"] for one in found["uncommitted"]]


@pytest.fixture
def made_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a run that says of its code what somebody wants it to say."""
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    monkeypatch.chdir(tmp_path)  # it is in no repository

    def make(patch: bytes | None, /, **git: object) -> Path:
        digest = hashlib.sha256(patch or b"").hexdigest()
        kept = {} if patch is None else {"patch": {"file": "given.patch", "sha256": digest}}
        environment = {"git": {"dirty": True, **kept, **git}}
        monkeypatch.setattr("legm.delivery.run_start.collect_started_environment", lambda *_: environment)
        with ExperimentHandler(tmp_path, "e") as handler:
            handler.set_param("x", 1)
            handler.start()
            run = str(handler.run_id)
            if patch is not None:
                (tmp_path / "given.patch").write_bytes(patch)
                handler.log_artifact(tmp_path / "given.patch")
        return tmp_path / run

    return make


HEAD = "diff --git a/{0} b/{0}\nnew file mode 100644\n--- /dev/null\n+++ b/{0}\n"


def new_file(name: str, *lines: str) -> bytes:
    text = HEAD.format(name) + f"@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)
    return text.encode("utf-8", "surrogateescape")


def test_a_patch_that_somebody_made_does_nothing_to_a_terminal(made_run):
    hostile = new_file("\x1b]0;x\x07.py", "\x1b[31mred\x1b[2J", "a\rb\x00c", "\u202eevil", "\x9b1m", "\udcff")
    a, b = made_run(hostile), made_run(new_file("ok.py", "1"))
    shown = call("diff", a, b)
    assert not set(shown) & {"\x1b", "\r", "\0", "\u202e", "\x9b", "\x07", "\udcff"}
    assert r"-\x1b[31mred\x1b[2J" in shown
    assert r"\u202eevil" in shown
    json.loads(call("diff", a, b, "--json"))


def test_a_long_patch_is_cut_and_that_is_said(made_run):
    many = b"".join(new_file(f"f{n}.py", *(f"{n} {k}" for k in range(250))) for n in range(9))
    a, b = made_run(many + new_file("wide.py", "w" * 5000)), made_run(b"")
    shown = call("diff", a, b)
    assert len(shown.splitlines()) < 1_100
    assert "not shown: 51 more lines of it; --json has them" in shown
    assert "not shown: 5 files with differences; --json has them" in shown
    found = code(b, a)["uncommitted"]
    assert [len(one["lines"]) for one in found] == [251] * 9 + [2]
    alone = made_run(new_file("wide.py", "w" * 5000))
    assert "w (and 4,001 characters)" in call("diff", alone, b)


@pytest.mark.parametrize("how", ["deleted", "changed", "linked", "in a linked folder", "huge", "never kept"])
def test_a_patch_that_is_not_what_was_recorded_is_not_shown(tmp_path, made_run, how):
    secret = tmp_path / "secret.patch"
    secret.write_bytes(new_file("secret.py", "hidden"))
    a = made_run(None if how == "never kept" else new_file("a.py", "1"))
    b = made_run(new_file("b.py", "1"))
    kept = next(iter(tmp_path.glob(f"e/_0/artifacts/{a.name}/given.patch")), None)
    if kept is not None and how != "in a linked folder":
        kept.unlink()
    if how == "changed":
        kept.write_bytes(secret.read_bytes())
    elif how == "linked":
        kept.symlink_to(secret)
    elif how == "in a linked folder":
        kept.parent.rename(tmp_path / "outside")
        kept.parent.symlink_to(tmp_path / "outside", target_is_directory=True)
    elif how == "huge":
        with kept.open("wb") as file:
            file.truncate(5_000_000)
    shown = call("diff", a, b)
    assert f"the uncommitted changes of {a.name} are unknown: " in shown
    assert "so only the changes of the other one are shown" in shown
    assert "hidden" not in shown
    assert "b.py, changed only in B" in shown


def test_the_patch_of_an_imported_run_may_be_in_a_folder_of_the_runs(tmp_path, made_run):
    """As a file of another tracker's run is, which keeps its path."""
    patch = new_file("a.py", "1")
    named = {"file": "files/given.patch", "sha256": hashlib.sha256(patch).hexdigest()}
    a, b = made_run(patch, patch=named), made_run(new_file("b.py", "1"))
    (kept,) = tmp_path.glob(f"e/_0/artifacts/{a.name}/given.patch")
    (kept.parent / "files").mkdir()
    kept.rename(kept.parent / "files" / "given.patch")
    assert [one["file"] for one in code(a, b)["uncommitted"]] == ["a.py", "b.py"]


def test_commits_and_folders_that_somebody_made_up_reach_no_command(made_run):
    for commits in (("--output=/tmp/x", "a" * 40), ("a" * 40, "HEAD"), ("b" * 40, "c" * 40)):
        a, b = (made_run(b"", commit=one, folder="//host/share") for one in commits)
        found = code(a, b)
        assert found["committed"] == []
        assert "what differs in the commits is unknown" in found["notes"][0]


def test_lines_have_colours_in_a_terminal(runs, monkeypatch):
    from click.testing import CliRunner

    from legm.cli import main

    done = CliRunner().invoke(main, ["diff", str(runs[0]), str(runs[1])], color=True)
    assert "\x1b[31m  -first\x1b[0m\n\x1b[32m  +second\x1b[0m" in done.output
    assert "\x1b" not in call("diff", runs[0], runs[1])


@pytest.mark.libraries
@pytest.mark.parametrize("backend", ["mlflow", "wandb"])
def test_the_lines_come_from_every_backend_that_keeps_files(prepared, tmp_path, backend):
    """Also where nothing but the backend's own store is left."""
    from tests.support.mlflow_store import prepare_store

    made = Repository(tmp_path / "code", **{"train.py": SCRIPT})
    root = tmp_path / "runs"
    prepare_store(root / "mlflow.db")
    for value in (1, 2):
        made.write({"new.py": f"value = {value}\n"})
        prepared.run(
            ["train.py", root, backend],
            cwd=made.folder,
            env=run_variables(WANDB_MODE="offline"),
            check=True,
        )
    options = ("--backend", backend)
    (folder,) = (root / ".legm" / "e").iterdir()
    listed = json.loads(call("show", root / "e" / folder.name, "--json", *options))["runs"]
    a, b = (root / "e" / folder.name / run["run_id"] for run in listed)
    shown = json.loads(call("show", a, "--json", *options))
    assert Path(shown["changes"]).read_text().endswith("+value = 1\n")
    for _ in range(2):
        (one,) = code(a, b, *options)["uncommitted"]
        assert signed(one["lines"]) == ["-value = 1", "+value = 2"]
        for patch in (root / ".legm").rglob("*.patch"):
            patch.unlink()
