"""What scripts leave under ``legm capture`` and with stand-ins is what the library's own store has."""

from __future__ import annotations

import math
from pathlib import Path

from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from legm.records import RunResult
from tests.support.captured import QUIET, prepare_kept_store, results
from tests.support.compat_stores import Held, comparable, in_legm, run_all, scripts, with_stand_ins
from tests.support.prepared import CAPTURED, prepared_processes
from tests.support.reading import experiments_of, runs_of
from tests.support.shared import once


def captured(group: str) -> Path:
    """The folder in which all scripts of a group were captured."""

    def make(folder: Path) -> None:
        prepare_kept_store(folder)
        python = prepared_processes(CAPTURED).command()
        command = ["-m", "legm", "capture", "--root", "root", "--", *python]
        said = run_all(group, folder, *command, **QUIET)
        assert "different" not in said, said
        assert "failed" not in said, said

    return once(f"captured-{group}", make)


def held(folder: Path, experiment: str) -> list[Held]:
    """The runs that were captured, under the names that the script gave."""
    found = []
    for result in results(folder, experiment):
        names = result.run.environment["imported"].get("renamed", {})
        configuration = result.run.configuration
        values = {
            name: configuration.parameters[name]
            for name in configuration.active
            if not name.startswith(("mlflow.", "tags.", "wandb."))  # names and tags that count too
        } | result.run.parameters
        points = {
            names.get(str(series), series.name): list(
                zip(history.steps.tolist(), history.values.tolist(), strict=True)
            )
            for series, history in result.histories.items()
        }
        # A test value that was not renamed is one of W&B's summary, and of no history.
        points |= {
            names[str(series)]: [(None, value)]
            for series, value in result.test.items()
            if str(series) in names
        }
        found.append(Held({names.get(name, name): value for name, value in values.items()}, points))
    return found


def require_same(ours: list[Held], theirs: list[Held]) -> None:
    """See that each run has the parameters and numbers of the original's; a test value has no step."""
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        by_name = {name.replace("/", "."): numbers for name, numbers in their.points.items()}
        points = {name.replace("/", "."): numbers for name, numbers in our.points.items()}
        assert set(points) == set(by_name)
        for name, numbers in points.items():
            expected = list(dict(sorted(by_name[name], key=lambda one: one[0])).items())
            if len(expected) == 1 < len(numbers):
                # It was logged without steps. MLflow keeps equal values of one millisecond once.
                assert [step for step, _ in numbers] == [*range(len(numbers))]
                assert {value for _, value in numbers} == {value for _, value in by_name[name]}
                continue
            if numbers[0][0] is None:
                expected = [(None, expected[0][1])]
            assert [step for step, _ in numbers] == [step for step, _ in expected], name
            for (_, value), (_, other) in zip(numbers, expected, strict=True):
                assert value == other or (math.isnan(value) and math.isnan(other)), name


def require_same_captured(script: Path, originals: dict[str, list[Held]]) -> None:
    """See that a script left under ``legm capture`` what it leaves in the library's own store."""
    group = script.parent.name
    ours, theirs = held(captured(group), script.stem), originals[script.stem]
    require_same(ours, theirs)
    for our, their in zip(ours, theirs, strict=True):
        as_text = str if group.startswith("mlflow") else lambda value: value
        assert {name: as_text(value) for name, value in our.parameters.items()} == their.parameters


def require_same_both_ways(script: Path) -> None:
    """See that a script leaves the same in legm under ``legm capture`` and with legm's stand-ins.

    That is the runs' ends, their metrics with all steps and values, and their test metrics.
    """
    group = script.parent.name
    captured_runs = results(captured(group), script.stem)
    stand_in_runs = _kept_stand_in_runs(group, script.stem)
    assert [_left(one) for one in stand_in_runs] == [_left(one) for one in captured_runs]


def require_same_experiments(group: str) -> None:
    """See that the runs of all scripts of a group are in experiments of the same names both ways."""
    stand_ins = {name for name in experiments_of(with_stand_ins(group)) if _kept_stand_in_runs(group, name)}
    assert len(stand_ins) >= len(scripts(group)) // 2
    assert stand_ins == set(experiments_of(captured(group) / "root"))


def _kept_stand_in_runs(group: str, experiment: str) -> list[RunResult]:
    """The runs of an experiment that no script has deleted."""
    return [
        one
        for one in runs_of(with_stand_ins(group), experiment)
        if not one.run.environment["drop_in"].get("deleted") and not _is_deleted(group, experiment, one)
    ]


def _is_deleted(group: str, experiment: str, result: RunResult) -> bool:
    """Whether the script deleted a run after it had begun."""
    known = stored_snapshots(Settings(with_stand_ins(group)), [experiment])
    return any(one.notes.get("deleted") for one in known if one.run == result.run)


def _left(result: RunResult) -> tuple[str, dict[str, list[tuple[int, str]]], dict[str, str]]:
    """What a run has, as what can be compared: NaN equals NaN, and W&B's and legm's separators are one."""
    histories = {}
    for series, one in result.histories.items():
        steps, values = one.steps.tolist(), [repr(value) for value in one.values.tolist()]
        if steps == [*range(len(steps))] and len(set(values)) == 1:  # MLflow's own evaluation logs each twice
            steps, values = steps[:1], values[:1]
        histories[str(series).replace("/", ".")] = list(zip(steps, values, strict=True))
    tests = {str(series).replace("/", "."): repr(float(value)) for series, value in result.test.items()}
    return result.status.value, histories, tests


def require_same_with_stand_ins(script: Path, originals: dict[str, list[Held]]) -> None:
    """See that a script left with legm's stand-ins what it leaves in the library's own store."""
    group = script.parent.name
    ours, theirs = in_legm(with_stand_ins(group), script.stem), originals[script.stem]
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        if group.startswith("mlflow"):
            assert {name: str(value) for name, value in our.parameters.items()} == their.parameters
            points = {
                name: _at_one_step(values, their.points.get(name, [])) for name, values in our.points.items()
            }
            assert comparable(points) == comparable(their.points)
        else:
            assert our.parameters == their.parameters
            points = {name.replace("/", "."): values for name, values in our.points.items()}
            assert comparable(points) == comparable(their.points)


def _at_one_step(ours: list[tuple[int, float]], theirs: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """A metric that got one value several times at one step, as MLflow has it; legm has its positions."""
    values = {value for _, value in ours}
    is_repeated = len(theirs) == 1 < len(ours) and values == {theirs[0][1]}
    return theirs if is_repeated and [step for step, _ in ours] == [*range(len(ours))] else ours
