"""What commands ask before they change something, and that nothing is changed without a yes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.calling import Called, call, shown
from tests.support.local_runs import known, local_runs, train


@pytest.fixture
def root(tmp_path):
    for seed in (0, 1):
        train(tmp_path, rate=0.125, seed=seed)
    return tmp_path


COMMANDS = {
    "amend": (("amend", "e", "--rename", "rate=lr"), "Change them?"),
    "mv": (("mv", "e", "f"), "Change them?"),
    "rm": (("rm", "e"), "Delete 2 runs?"),
}


def asked(root: Path, words: tuple[str, ...], answer: str | None) -> Called:
    command, experiment, *rest = words
    return call(command, root / experiment, *rest, answer=answer)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_yes_changes_it(root, name):
    words, question = COMMANDS[name]
    before = known(local_runs(root))
    done = asked(root, words, "y\n")
    assert question in done.output
    assert done.exit_code == 0
    assert known(local_runs(root)) != before
    assert "legm restore" in done.output


@pytest.mark.parametrize("answer", ["n\n", "\n", None], ids=["no", "enter", "no terminal"])
@pytest.mark.parametrize("name", COMMANDS)
def test_anything_else_changes_nothing(root, name, answer):
    words, question = COMMANDS[name]
    before = known(local_runs(root))
    done = asked(root, words, answer)
    assert question in done.output
    assert "legm restore" not in done.output
    assert known(local_runs(root)) == before
    assert shown("trash", root) == "the trash is empty\n"
    assert (done.exit_code != 0) == (answer is None)


def test_the_trash_is_emptied_after_a_yes_only(root):
    shown("rm", root / "e", "--yes")
    for answer in ("n\n", "\n", None):
        done = call("trash", root, "--empty", answer=answer)
        assert "Delete for good what 1 command left, of 2 runs?" in done.output
        assert (done.exit_code != 0) == (answer is None)
        assert "rm " in shown("trash", root)
    assert "the trash is empty" in call("trash", root, "--empty", answer="y\n").output
    assert shown("trash", root) == "the trash is empty\n"
    assert "Delete" not in call("trash", root, "--empty").output


def test_bringing_back_and_copying_take_nothing_away_and_ask_nothing(root, tmp_path_factory):
    before, other = known(local_runs(root)), tmp_path_factory.mktemp("other")
    for words in (("merge", other, root), ("rm", root / "e", "--yes"), ("restore", root)):
        done = call(*words, answer=None)
        assert (done.exit_code, "?" in done.output) == (0, False)
    assert known(local_runs(root)) == before == known(local_runs(other))
