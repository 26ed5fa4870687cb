"""Absent values that are kept with an experiment: who gives them, who is refused, which runs they unite."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from legm import BackendError, ExperimentHandler, ParameterError, StorageError, hookimpl
from legm.core.absent_values import LibraryDefault
from legm.delivery import absent_values_file, live_delivery
from legm.hooks import Capability
from legm.testing import MemoryBackend
from tests.support.processes import run_at_once
from tests.support.reading import runs_of

KEPT = "e/.legm/absent_values.yml"


def made(root: Path, absent=None, experiment="e", **params) -> ExperimentHandler:
    handler = ExperimentHandler(root, experiment, provenance=False)
    handler.set_dict_params({"lr": 0.1, **params})
    handler.set_param_metadata({name: {"absent_value": value} for name, value in (absent or {}).items()})
    return handler


def run(handler: ExperimentHandler, loss: float = 1.0) -> ExperimentHandler:
    with handler.start():
        handler.set_metric("loss", loss)
    return handler


def test_old_runs_without_the_parameter_are_of_the_same_configuration(tmp_path):
    run(made(tmp_path), 1.0)
    new = run(made(tmp_path, {"dropout": 0.0}, dropout=0.0), 2.0)
    other = run(made(tmp_path, {"dropout": 0.0}, dropout=0.5), 3.0)
    assert new.aggregate_results()["best_loss"]["n"] == 2
    assert other.aggregate_results()["best_loss"]["n"] == 1
    assert [ranked.configuration.parameters.get("dropout") for ranked in new.get_best("loss")] == [None, 0.5]


def test_an_absent_value_is_kept_with_the_experiment_in_a_file_that_a_user_can_read(tmp_path):
    run(made(tmp_path, {"dropout": 0.0, "blocks": [1, 2]}, dropout=0.5, blocks=[3]))
    run(made(tmp_path, {"eps": 1e-8}, eps=1e-8))
    text = (tmp_path / KEPT).read_text(encoding="utf-8")
    assert text.startswith("# Absent values: runs from before a parameter existed had this value")
    assert text.endswith("absent_values:\n  blocks: [1, 2]\n  dropout: 0.0\n  eps: 1.0e-08\n")


def test_another_absent_value_names_the_old_one_and_its_file_and_begins_nothing(tmp_path):
    run(made(tmp_path, {"dropout": 0.0}, dropout=0.5))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    wrong = made(tmp_path, {"dropout": 0.1, "new": 1}, dropout=0.7, new=2)
    expected = rf"'dropout' is 0\.0 in {tmp_path / KEPT}, and cannot be 0\.1 too"
    for call in (wrong.start, lambda: wrong.should_run(1)):
        with pytest.raises(ParameterError, match=expected):
            call()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    run(made(tmp_path, {"dropout": 0.1}, dropout=0.7, experiment="other"))


def test_a_value_that_a_user_corrected_in_the_file_holds(tmp_path):
    run(made(tmp_path, {"dropout": 0.0}, dropout=0.5))
    kept = tmp_path / KEPT
    kept.write_text(kept.read_text(encoding="utf-8").replace("dropout: 0.0", "dropout: 0.1 # was"))
    with pytest.raises(ParameterError, match=r"is 0\.1"):
        made(tmp_path, {"dropout": 0.0}, dropout=0.5).start()
    run(made(tmp_path, {"dropout": 0.1}, dropout=0.1))


BEGIN = """
write = absent_values_file.write_atomically
absent_values_file.write_atomically = lambda *given: (time.sleep(0.05), write(*given))  # all want to write
handler = ExperimentHandler(sys.argv[1], "e", provenance=False)
handler.set_param("x", 5, absent_value=int(sys.argv[2]))
said = "begun"
try:
    handler.start().log()
except ParameterError as error:
    said = str(error)
open(sys.argv[3], "w").write(json.dumps(said))
"""


def test_of_processes_that_begin_at_once_with_different_ones_one_wins(tmp_path):
    """The others get the winner's value in an error, whichever it is."""
    said = [tmp_path / f"said{i}" for i in range(6)]
    root = tmp_path / "root"
    arguments = [[root, i % 3, path] for i, path in enumerate(said)]
    imports = (
        "import time, yaml, filelock, legm.backends.local.backend\n"
        "from legm import ExperimentHandler, ParameterError\n"
        "from legm.delivery import absent_values_file"
    )
    assert run_at_once(BEGIN, arguments, imports, timeout=60) == [0] * 6
    answers = [json.loads(path.read_text()) for path in said]
    (line,) = [one for one in (root / KEPT).read_text().splitlines() if one.startswith("  x:")]
    won = int(line.split()[1])
    assert [answer == "begun" for answer in answers] == [i % 3 == won for i in range(6)]
    assert all(answer == "begun" or f"absent_value of 'x' is {won} in" in answer for answer in answers)


def test_a_damaged_file_is_reported_and_ends_no_training(tmp_path, caplog):
    run(made(tmp_path, {"dropout": 0.0}, dropout=0.5))
    for damage in ("absent_values: [", "absent_values: {x: !!python/name:os.system }", "- 1", "schema: 2"):
        (tmp_path / KEPT).write_text(damage)
        caplog.clear()
        run(made(tmp_path, {"dropout": 0.1}, dropout=0.5))
        (error,) = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
        assert str(tmp_path / KEPT) in error
        assert (tmp_path / KEPT).read_text() == damage
    assert "its format has version 2, of a newer legm" in error


def test_absent_values_are_not_written_through_a_link(tmp_path, caplog):
    outside = tmp_path / "outside"
    outside.write_text("absent_values: {}\n")
    run(made(tmp_path / "root"))
    (tmp_path / "root" / KEPT).symlink_to(outside)
    run(made(tmp_path / "root", {"dropout": 0.0}, dropout=0.5))
    assert outside.read_text() == "absent_values: {}\n"
    assert "is a link" in caplog.text


def test_a_run_that_no_longer_gives_the_absent_value_is_warned(tmp_path, caplog):
    run(made(tmp_path, {"dropout": 0.0}, dropout=0.0))
    assert not caplog.records
    run(made(tmp_path, dropout=0.5))
    assert not caplog.records
    run(made(tmp_path, dropout=0.0))
    assert "gave 'dropout' the absent_value 0.0, and this one" in caplog.text


def test_a_librarys_new_default_counts_and_is_reported_once(tmp_path, caplog):
    run(made(tmp_path))
    old = run(made(tmp_path, {"eps": LibraryDefault(1e-8, "trainer 2")}, eps=1e-8))
    assert old.aggregate_results()["best_loss"]["n"] == 2
    assert not caplog.records
    new = made(tmp_path, {"eps": LibraryDefault(1e-6, "trainer 3")}, eps=1e-6)
    assert new.should_run(1)
    run(new)
    new.reset()
    new.set_metric("loss", 1.0)
    new.log()
    (said,) = [one.getMessage() for one in caplog.records]
    assert said.startswith("trainer 3 has the default 1e-06 for 'eps' now, while runs from before")
    assert new != old
    assert new.aggregate_results()["best_loss"]["n"] == 2
    again = run(made(tmp_path, {"eps": LibraryDefault(1e-6, "trainer 3")}, eps=1e-8))
    assert again == old
    assert len(caplog.records) == 1
    kept = (tmp_path / KEPT).read_text()
    assert kept.endswith("absent_values:\n  eps: 1.0e-08\nreported_defaults:\n  eps: [1.0e-06]\n")
    run(made(tmp_path, {"x": 1, "eps": LibraryDefault(1e-4, "trainer 4")}, x=1, eps=1e-4))
    assert [one.getMessage()[:37] for one in caplog.records[1:]] == ["trainer 4 has the default 0.0001 for "]
    assert "eps: [1.0e-06, 0.0001]\n" in (tmp_path / KEPT).read_text()


def test_a_changed_default_is_reported_by_the_rank_that_records_also_where_nothing_can_be_noted(
    tmp_path, caplog, monkeypatch
):
    changed = {"eps": LibraryDefault(1e-6, "trainer 3")}
    run(made(tmp_path, {"eps": LibraryDefault(1e-8, "trainer 2")}, eps=1e-8))
    other_rank = ExperimentHandler(tmp_path, "e", main_process=False)
    other_rank.set_param("eps", 1e-6, absent_value=changed["eps"])
    other_rank.start()
    assert not caplog.records
    kept = tmp_path / KEPT
    kept.write_text(kept.read_text() + "reported_defaults: {eps: 1, 2: []}\n")
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise StorageError("the disk is full")

        patch.setattr(absent_values_file, "write_atomically", full)
        new = run(made(tmp_path, changed, eps=1e-6))
    first, second = [one.getMessage() for one in caplog.records]
    assert first == "the disk is full"
    assert second.startswith("trainer 3 has the default 1e-06 for 'eps' now")
    assert run(made(tmp_path, changed, eps=1e-6)) == new


def test_an_existing_configuration_knows_the_experiments_absent_values(tmp_path):
    run(made(tmp_path))
    run(made(tmp_path, {"dropout": 0.0}, dropout=0.5))
    handler = ExperimentHandler.load_existent(tmp_path / "e" / "_0", "again")
    assert handler == made(tmp_path)
    handler.set_param("dropout", 0.0)
    assert handler == made(tmp_path)
    run(handler)
    with pytest.raises(ParameterError, match=r"'dropout' is 0\.0"):
        ExperimentHandler.load_existent(tmp_path / "e" / "_0").set_param("dropout", 0.0, absent_value=1)


def test_a_parameter_that_is_set_again_after_start_may_give_its_absent_value_again(tmp_path):
    handler = made(tmp_path, {"dropout": 0.0}, dropout=0.5).start()
    assert handler.set_param("dropout", 0.5, absent_value=0.0) == 0.5
    with pytest.raises(Exception, match="freezes the parameters"):
        handler.set_param("dropout", 0.5, absent_value=0.5)
    handler.log()


def test_ranks_that_do_not_record_compare_absent_values_and_write_none(tmp_path):
    def other_rank(absent):
        handler = ExperimentHandler(tmp_path, "e", main_process=False)
        handler.set_param("x", 1, absent_value=absent)
        return handler.start()

    other_rank(0)
    assert not (tmp_path / KEPT).exists()
    run(made(tmp_path, {"x": 2}, x=1))
    with pytest.raises(ParameterError, match="'x' is 2"):
        other_rank(0)


class Away(MemoryBackend):
    """A server that does not answer."""

    capabilities = MemoryBackend.capabilities | {Capability.REMOTE}

    @hookimpl
    def legm_open_run(self, run):
        raise BackendError("the server is away")

    @hookimpl
    def legm_experiment_folder(self, experiment):
        raise AssertionError("a backend without folders is asked for one")


def test_a_server_that_is_away_delays_nothing_and_two_values_are_still_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(live_delivery, "_GRACE", 0.1)  # seconds for which the end of a run waits

    def begun(absent: float) -> ExperimentHandler:
        handler = ExperimentHandler(tmp_path, "e", backend=Away(tmp_path))
        handler.set_param("dropout", 0.5, absent_value=absent)
        return handler.start()

    handler = begun(0.0)
    with pytest.raises(ParameterError, match=r"'dropout' is 0\.0"):
        begun(0.1)
    handler.end("failed")


def test_a_backend_without_folders_keeps_them_below_the_root_directory(tmp_path):
    backend = MemoryBackend(tmp_path)
    for params in ({}, {"dropout": 0.0}, {"dropout": 0.5}):
        handler = ExperimentHandler(tmp_path, "Res/Net", backend=backend)
        handler.set_dict_params(params)
        if params:
            handler.set_param_metadata({"dropout": {"absent_value": 0.0}})
        run(handler)
    (kept,) = tmp_path.rglob("absent_values.yml")
    assert kept.parent.parent == tmp_path / ".legm"
    first, second, third = (
        one.run.configuration.fingerprint for one in runs_of(tmp_path, "Res/Net", backend)
    )
    assert first == second != third
    handler = ExperimentHandler(tmp_path, "Res/Net", backend=backend)
    handler.set_param("dropout", 0.1, absent_value=0.1)
    with pytest.raises(ParameterError, match=r"'dropout' is 0\.0"):
        handler.start()
