"""What earlier versions left in the trash and in journals is finished and brought back by this one.

``tests/samples/schema/pending-*`` has a root directory of each version of the journal, as the code of that
commit wrote it by ``tests/support/schema_samples.py``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from legm.changes.journal import pending_journals
from legm.changes.trash import trash_items
from tests.support.calling import shown
from tests.support.local_runs import local_runs, numbers
from tests.support.paths import ROOT

PENDING = sorted((ROOT / "tests" / "samples" / "schema").glob("pending-*"))


@pytest.fixture(params=PENDING, ids=lambda path: path.name)
def root(request, tmp_path) -> Path:
    """Four runs: a parameter of all was renamed, two were deleted, and a change of the others was killed."""
    return Path(shutil.copytree(request.param, tmp_path / "root"))


def parameters(root: Path) -> list[dict]:
    found = [one.run.configuration for one in local_runs(root)]
    return sorted(({name: one.parameters[name] for name in one.active} for one in found), key=repr)


def losses(root: Path) -> list[float]:
    """The values that the version logged, bit for bit."""
    return sorted(
        value for one in local_runs(root) for history in one.histories.values() for value in history.values
    )


def test_there_is_a_sample_of_each_version():
    assert len(PENDING) >= 3


def test_a_journal_of_every_version_is_finished_and_all_is_brought_back(root):
    before = numbers(local_runs(root))
    assert (len(pending_journals(root)), parameters(root)) == (1, [{"rate": 0.1}] * 2)

    assert "finished: amend Changing: decay = 0.5 where absent" in shown("amend", root, "--continue")

    assert (pending_journals(root), len(trash_items(root))) == ([], 3)
    assert parameters(root) == [{"decay": 0.5, "rate": 0.1}] * 2
    assert numbers(local_runs(root)) == before
    assert losses(root) == [0.1, 1.1]
    expected = [
        [{"rate": 0.1}] * 2,
        [{"rate": 0.1}] * 2 + [{"rate": 0.2}] * 2,
        [{"lr": 0.1}] * 2 + [{"lr": 0.2}] * 2,
    ]
    for wanted in expected:
        shown("restore", root)
        assert parameters(root) == wanted
    assert trash_items(root) == []
    assert losses(root) == [0.1, 0.2, 1.1, 1.2]
    assert {run_id: one for run_id, one in numbers(local_runs(root)).items() if run_id in before} == before


def test_what_every_version_deleted_comes_back_while_a_journal_is_pending(root):
    """The next command finishes it first."""
    deleted = next(one.name for one in trash_items(root) if one.title.startswith("rm"))
    said = shown("restore", root, deleted)
    assert "finished: amend Changing" in said
    assert parameters(root) == [{"decay": 0.5, "rate": 0.1}] * 2 + [{"rate": 0.2}] * 2
    assert losses(root) == [0.1, 0.2, 1.1, 1.2]
