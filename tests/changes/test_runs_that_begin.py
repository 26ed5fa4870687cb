"""A run that begins between the steps of a command: none is lost or doubled, and it is where it belongs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.changes import amend, execution, merge, move, remove
from legm.records import RunResult, Status
from tests.support.calling import shown
from tests.support.local_runs import begun, local_runs, numbers, train

MOMENTS = {
    "planned": "execute_steps",
    "changing": "move_path",
    "changed": "finish_changes",
}
"""The functions before which the run begins: all is planned; the first folder is moved; all folders are."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "rm a configuration": ("rm", "root/e/0.125_0", "--yes"),
    "rm an experiment": ("rm", "root/e", "--yes"),
    "rm a run": ("rm", "root/e", "--where", "seed=0", "--yes"),
    "restore": ("restore", "root"),
    "mv an experiment": ("mv", "root/e", "f", "--yes"),
    "mv a configuration": ("mv", "root/e/0.125_0", "root/f", "--yes"),
    "mv a folder": ("mv", "root/e/0.125_0", "mine"),
    "merge": ("merge", "root", "other"),
    "amend": ("amend", "root/e", "--rename", "rate=lr", "--yes"),
    "amend and unite": ("amend", "root/e", "--ignore", "rate", "--yes"),
    "amend and part": ("amend", "root/e", "--compare", "seed", "--yes"),
}


@contextlib.contextmanager
def before_first(function: str, event: Callable[[], None], monkeypatch) -> Iterator[list[str]]:
    """Let something happen once, before a function of the commands is called for the first time."""
    happened: list[str] = []

    def replaced(original):
        def with_event(*arguments, **options):
            if not happened:
                happened.append(function)
                event()
            return original(*arguments, **options)

        return with_event

    with monkeypatch.context() as patch:
        for module in (amend, execution, merge, move, remove):
            if hasattr(module, function):
                patch.setattr(module, function, replaced(getattr(module, function)))
        yield happened


@pytest.fixture
def runs(tmp_path, monkeypatch) -> dict[str, tuple]:
    """Two runs of each of two configurations, and in another root directory one of each."""
    monkeypatch.chdir(tmp_path)
    for rate in (0.125, 0.25):
        for seed in (0, 1):
            train(tmp_path / "root", rate=rate, seed=seed)
        train(tmp_path / "other", rate=rate, seed=2)
    return numbers(local_runs(tmp_path / "root"))


def everywhere(root: Path) -> list[RunResult]:
    """The runs in a root directory, those in its trash included."""
    found = [*local_runs(root)]
    for item in (root / ".legm" / "trash").glob("*/files"):
        found += local_runs(item)
    return found


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_that_begins_meanwhile_is_kept_with_all_others(runs, command, moment, monkeypatch):
    root, handlers = Path("root").absolute(), list[ExperimentHandler]()
    if command == "restore":
        shown("rm", root / "e" / "0.125_0", "--yes")

    def begin() -> None:
        handlers.append(begun(root, 0.125))
        handlers[0].set_metric("loss", 0.5)

    with before_first(MOMENTS[moment], begin, monkeypatch) as happened:
        shown(*COMMANDS[command])
    if not happened:
        assert moment == "changing", "the command moves nothing"
        return
    (handler,) = handlers
    handler.set_metric("loss", 0.25)
    handler.log()

    after = numbers(everywhere(root))
    assert {run_id: after[run_id] for run_id in runs} == runs
    more = {*after} - {*runs}
    assert (handler.run_id in more, len(more)) == (True, 3 if command == "merge" else 1)
    (own,) = [one for one in local_runs(root) if one.run.run_id == handler.run_id]
    its = own.run.configuration
    assert (own.status, own.points) == (Status.COMPLETED, 2)
    assert {name: its.parameters[name] for name in its.active} == {"rate": 0.125}
    assert its.experiment == "e"
    if command.startswith("rm"):
        shown("restore", root)
        assert {*numbers(local_runs(root))} == {*runs, handler.run_id}
        assert not list((root / ".legm" / "trash").glob("*"))
