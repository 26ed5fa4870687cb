"""``--tag`` selects runs in every command that has it: the commands are found from the parser itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from legm import ExperimentHandler
from legm.cli import main
from tests.support.calling import as_json, failed

GOOD, BAD = ("0.1875", "0.3125"), "0.4375"
"""The rates of the configurations that have a run with the tag, and of the one that has none."""
OF_OTHERS = "7712345"
"""What the losses of all runs without the tag begin with."""
WORDS: dict[str, tuple[str, ...]] = {
    "amend": ("net", "--set", "late=1", "--dry-run"),
    "best": ("net", "loss"),
    "compare": ("net/0.1875_0", "net/0.3125_0", "loss"),
    "export": (".", "table.csv", "--to", "table"),
    "ls": (".",),
    "note": (".", "--yes", "seen"),
    "plot": ("net", "loss", "--top", "9", "-o", "picture.svg"),
    "report": (".", "-o", "report.html"),
    "rm": ("net", "--dry-run"),
    "show": ("net/0.1875_0",),
    "table": ("net", "loss", "--params", "rate"),
    "tag": (".", "--yes", "+seen"),
    "watch": (".",),
}
"""What each command is called with. A command that is new has to be added."""


def commands_with_tag(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands_with_tag(command, (*words, name))
        elif any("--tag" in parameter.opts for parameter in command.params):
            yield " ".join((*words, name))


COMMANDS = sorted(commands_with_tag(main))


def run(root: Path, rate: str, tag: str) -> str:
    with ExperimentHandler(root, "net") as handler:
        handler.set_param("rate", float(rate))
        handler.name_param("rate")
        handler.tag(tag)
        handler.start()
        handler.set_metric("loss", float(rate) + (0 if tag == "good" else 7712345))
        return handler.run_id


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two configurations of two runs, of which one has the tag, and one of a run that does not."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tagged(root):
    """The ids of the runs with the tag."""
    return [run(root, rate, "good") for rate in GOOD]


@pytest.fixture
def others(root, tagged):
    """The ids of the runs without the tag."""
    return [run(root, rate, "bad") for rate in (*GOOD, BAD)]


def test_every_command_with_tags_is_tried():
    assert [*WORDS] == COMMANDS


def said_and_written(root: Path, command: str, *options: str) -> str:
    """What a command prints for a program, and what it writes into a file."""
    known = {*root.iterdir()}
    said = str(as_json(*command.split(), *WORDS[command], *options))
    written = (path for path in root.iterdir() if path not in known and path.is_file())
    return said + "".join(path.read_text("utf-8") for path in written)


@pytest.mark.parametrize("command", COMMANDS)
def test_only_runs_with_the_tag_are_in_what_a_command_answers_or_does(root, tagged, others, command):
    found = said_and_written(root, command, "--tag", "good")
    assert not any(run_id in found for run_id in others)
    assert OF_OTHERS not in found
    assert BAD not in found
    of_configuration = command == "show"
    for rate, run_id in [*zip(GOOD, tagged, strict=True)][: 1 if of_configuration else 2]:
        assert rate in found or run_id in found


SAYS_NO_RUNS = {"show": "runs", "watch": ""}
"""Commands that answer that there are none, by the key of what they answer, instead of an error."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_tag_that_no_run_has_selects_none(root, tagged, command):
    before = {path: path.read_bytes() for path in root.rglob("*.yml")}
    words = (*command.split(), *WORDS[command], "--tag", "nothing")
    if command in SAYS_NO_RUNS:
        found = as_json(*words)
        assert (found[SAYS_NO_RUNS[command]] if SAYS_NO_RUNS[command] else found) == []
    else:
        assert ("has no completed run" if command == "compare" else "tag:nothing") in failed(*words)
    assert {path: path.read_bytes() for path in root.rglob("*.yml")} == before
