"""``legm resume``, and what ``legm recover`` does with single runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.records import Status
from legm.runlog.log_folder import find_logs
from tests.support.calling import as_json, call, failed, shown
from tests.support.reading import runs_of

SCRIPT = """
import sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_param("lr", float(sys.argv[2]))
with handler.start():
    handler.set_metric("loss", 0.5)
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture
def interrupted(tmp_path) -> str:
    """The id of a run that was interrupted after its first value."""
    return begin(tmp_path, "interrupted")


def begin(root: Path, status: str) -> str:
    handler = ExperimentHandler(root, "e")
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_metric("loss", 1.0)
    run_id = handler.run_id
    handler.end(status)
    assert run_id is not None
    return run_id


def resume(root: Path, run: str, *arguments: object) -> tuple[int, str]:
    script = root / "train.py"
    script.write_text(SCRIPT)
    done = call("resume", root / run, "--", sys.executable, script, root, *arguments)
    return done.exit_code, done.stderr


def test_a_script_that_does_not_ask_continues_the_run(tmp_path, interrupted):
    status, _ = resume(tmp_path, interrupted[-6:], 0.1, 0)

    (run,) = runs_of(tmp_path)
    assert (status, run.run.run_id, run.status, run.last_step) == (0, interrupted, Status.COMPLETED, 1)


def test_the_exit_status_is_that_of_the_script(tmp_path, interrupted):
    assert resume(tmp_path, interrupted, 0.1, 7)[0] == 7


def test_a_script_of_another_configuration_is_reported(tmp_path, interrupted):
    status, printed = resume(tmp_path, interrupted, 0.5, 0)

    assert status == 1
    assert f"ended without resuming the run {interrupted}" in printed
    assert sorted(run.status.value for run in runs_of(tmp_path)) == ["completed", "interrupted"]


def test_an_unknown_run_is_an_error_before_the_script_begins(tmp_path, interrupted):
    status, printed = resume(tmp_path, "nothing", 0.1, 0)

    assert status == 1
    assert f"there is no run 'nothing'; known: '{interrupted}'" in printed
    assert len(find_logs(tmp_path)) == 1


def test_a_run_is_marked_as_failed(tmp_path, interrupted):
    (row,) = as_json("recover", tmp_path, "--fail", interrupted)["runs"]

    assert (row["status"], runs_of(tmp_path)[0].status) == ("failed", Status.FAILED)
    assert "is failed already" in failed("recover", tmp_path, "--fail", interrupted)


@pytest.mark.parametrize("status", ["completed", "failed", "interrupted", "pruned"])
def test_a_run_is_deleted_with_its_files(tmp_path, status):
    other = begin(tmp_path, "completed")
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("lr", 0.1)
    handler.start()
    source = tmp_path / "weights.bin"
    source.write_bytes(b"1")
    kept = Path(handler.log_artifact(source))
    run_id = handler.run_id
    handler.end(status)
    assert run_id is not None

    assert shown("recover", tmp_path, "--discard", run_id) == f"deleted: {run_id}\n"

    assert [run.run.run_id for run in runs_of(tmp_path)] == [other]
    assert not kept.exists()
    assert not [path for path in tmp_path.rglob("*") if run_id in path.name]


def test_a_run_that_is_being_written_is_not_deleted(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("lr", 0.1)
    handler.start()

    assert "is being written by another process" in failed("recover", tmp_path, "--discard", handler.run_id)
    assert handler.log().status is Status.COMPLETED
