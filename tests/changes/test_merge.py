"""Two root directories become one: each run once, equal configurations united."""

from __future__ import annotations

import shutil

import pytest

from legm import ExperimentHandler, ParameterError
from legm.changes.merge import merge_roots
from legm.runlog.configuration_folders import configuration_folders
from tests.support.calling import failed, shown
from tests.support.local_runs import begun, known, local_runs, train


@pytest.fixture
def roots(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    for rate in (0.125, 0.25):
        train(one, rate=rate)
    shutil.copytree(one, other)
    train(other, rate=0.25, seed=1, description="d")
    train(other, rate=0.5)
    train(other, "f", rate=0.5)
    return one, other


def test_each_run_is_there_once_and_equal_configurations_are_united(roots):
    one, other = roots
    (other / "e" / "0.25_0" / "model.pt").write_text("weights")
    before, expected = known(local_runs(one)), known(local_runs(other))
    assert len(before) == 2

    assert shown("merge", one, other) == "copied 3 runs; 2 were there before\n"

    assert known(local_runs(one)) == expected
    assert known(local_runs(other)) == expected
    assert len(list(configuration_folders(one))) == 4
    assert (one / "e" / "0.25_0" / "model.pt").read_text() == "weights"
    assert not (one / ".legm" / "merge").exists()
    assert shown("merge", one, other) == "copied 0 runs; 5 were there before\n"


def test_an_empty_root_receives_all(roots, tmp_path):
    shown("merge", tmp_path / "new", roots[1])
    assert known(local_runs(tmp_path / "new")) == known(local_runs(roots[1]))


def test_what_runs_is_left_out(roots):
    handler = begun(roots[1], 0.5)
    try:
        done = merge_roots(*roots)
        assert done.running == [handler.run_id]
        assert len(local_runs(roots[0])) == 5
    finally:
        handler.log()
    assert merge_roots(*roots).runs == [handler.run_id]


def test_a_root_is_not_merged_into_itself(roots):
    with pytest.raises(ParameterError, match="not two separate root directories"):
        merge_roots(roots[0], roots[0] / "e")
    assert "there is no folder" in failed("merge", roots[0], roots[1] / ".." / "nothing")


def test_experiments_with_two_absent_values_of_a_parameter_are_not_merged_or_moved(tmp_path):
    """Runs with one value would be averaged with runs with the other."""
    for root, experiment, value in (("a", "e", 0.0), ("b", "e", 0.5), ("b", "f", 0.25)):
        handler = ExperimentHandler(tmp_path / root, experiment)
        handler.set_param("drop", value, absent_value=value)
        with handler.start():
            handler.set_metric("loss", value)
    before = {root: known(local_runs(tmp_path / root)) for root in "ab"}
    said = failed("merge", tmp_path / "a", tmp_path / "b")
    assert "the absent_value of 'drop' is 0.5 in" in said
    assert "and 0.0 in" in said
    assert "legm amend … --absent, --no-absent" in said
    for command in (
        ("mv", tmp_path / "b" / "f", "e", "--yes"),
        ("amend", tmp_path / "b" / "f", "--to", "e", "--yes"),
    ):
        for dry in ((), ("--dry-run",)):
            assert "the absent_value of 'drop' is 0.25 in" in failed(*command, *dry)
    assert {root: known(local_runs(tmp_path / root)) for root in "ab"} == before
    shown("amend", tmp_path / "b" / "e", "--no-absent", "drop", "--yes")
    shown("merge", tmp_path / "a", tmp_path / "b")
    assert len(local_runs(tmp_path / "a")) == 3
    assert len([*configuration_folders(tmp_path / "a")]) == 3
