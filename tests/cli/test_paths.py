"""Paths that no file can have, in every command: an error that says what is wrong, and no traceback."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from legm import ExperimentHandler
from legm.cli import main
from tests.support.calling import call, failed

LONG = ("x" * 5000, "é/" * 3000)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("paths") / "root"
    with ExperimentHandler(root, "e") as handler:
        handler.set_param("rate", 0.5)
        handler.start().set_metric("acc", 0.5, step=0)
    return root


def given(name: str, root: Path) -> list[tuple[str, list[str]]]:
    """The calls of a command in which one path is to be filled in, as ``{}``; by what is filled in."""
    command = main.commands[name]
    folder = next(root.glob("e/_*"))
    known = {
        "metric": "acc",
        "query": "select 1",
        "tags": "+a",
        "text": "t",
        "target": "new",
        "command": "true",
    }
    known |= {
        "config": str(folder),
        "a": str(folder),
        "b": str(folder),
        "paths": str(folder),
        "what": str(folder),
    }
    known |= {"run": next(root.glob("e/*/runs/*.log")).stem, "out": "out.csv", "experiment": str(root / "e")}
    arguments = [one for one in command.params if isinstance(one, click.Argument) and one.required]
    more = {"export": ["--to", "table"], "amend": ["--drop", "rate", "--dry-run"], "compare": ["acc"]}.get(
        name, []
    )
    found = []
    for one in command.params:
        if not isinstance(one.type, click.Path) and (name, one.name) not in OTHERS:
            continue
        line = [name]
        if isinstance(one, click.Option):
            line += [one.opts[0], "{}"]
        wanted = [*arguments, *([one] if isinstance(one, click.Argument) and one not in arguments else [])]
        line += ["{}" if each is one else known.get(each.name or "", str(root)) for each in wanted]
        found.append((one.name or "", [*line, *more]))
    return found


OTHERS = {("rm", "what"), ("import", "source"), ("resume", "run"), ("logs", "run"), ("resume", "command")}
"""Texts that may be paths too."""


@pytest.mark.parametrize("name", [name for name in main.commands if name not in {"backends", "completion"}])
def test_a_path_that_no_file_can_have_is_an_error_that_names_it(root, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    calls = given(name, root)
    for what, line in calls:
        for path in (
            "x" * 5000,
            f"{root}/{'y' * 300}",
            "é/" * 3000,
            "file/x.csv",
            "file/x.png",
            "loop/x.csv",
        ):
            done = call(*(one.replace("{}", path) for one in line))
            assert isinstance(done.exception, SystemExit), (what, path[:20], done.exception)
            assert done.exit_code in {1, 2, 126}, (what, path[:20], done.output)
            assert "Traceback" not in done.output
    assert calls or name == "run"


def test_a_picture_without_a_known_ending_names_those_there_are(root, tmp_path):
    for name, said in (("x", "under a name that does not end in a format"), ("x.gif", "in the format 'gif'")):
        message = failed("plot", root / "e", "acc", "-o", tmp_path / name)
        assert f"figures cannot be saved {said}" in message
        assert all(repr(one) in message for one in ("pdf", "png", "svg")) or "did you mean" in message
    assert list(tmp_path.iterdir()) == []


def test_no_half_written_table_is_left_where_none_can_be(root, tmp_path):
    (tmp_path / "file").write_text("kept")
    assert "a part of the path is a file" in failed(
        "export", root, tmp_path / "file" / "x.csv", "--to", "table"
    )
    assert (tmp_path / "file").read_text() == "kept"
