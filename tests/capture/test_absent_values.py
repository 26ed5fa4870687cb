"""Absent values in captures: what no earlier run had is proposed, and what is accepted is used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from legm.capture.live_ingest import LiveIngest
from legm.capture.staging import StagingFolder
from legm.importers.external_run import ExternalRun
from legm.importers.identity_decisions import IdentityOverrides
from legm.importers.identity_file import identity_file_path, read_identity_file, write_identity_file
from legm.importers.identity_inference import Identity
from legm.records import Status
from tests.support.reading import runs_of


def ended(root: Path, number: int, **params: object) -> None:
    """A script has logged a run, and the run has ended."""
    started = 1_700_000_000.0 + number
    run = ExternalRun(
        *(f"run {number}", "e", "", params, {}, Status.COMPLETED, started, started + 0.5, None),
        records=lambda: iter(()),
    )
    staging = StagingFolder.create(root, None, IdentityOverrides())
    ingest = LiveIngest(root, None, IdentityOverrides(), staging)
    ingest.ingest_ended(("mlflow", run.key), run)
    ingest.close()
    staging.remove()


def decided(root: Path) -> Identity:
    return read_identity_file(identity_file_path(root))["e"]


def test_a_parameter_that_no_earlier_run_had_is_proposed_and_used_once_it_is_accepted(tmp_path):
    ended(tmp_path, 0, lr=0.1, seed=1)
    assert decided(tmp_path).proposed_absent_values == {}
    ended(tmp_path, 1, lr=0.1, seed=2, dropout=0.0, device="cpu", trick=None)
    assert decided(tmp_path).proposed_absent_values == {"dropout": 0.0}
    ended(tmp_path, 2, lr=0.1, seed=3, dropout=0.5)
    assert decided(tmp_path).proposed_absent_values == {"dropout": 0.0}
    assert len({run.run.configuration.fingerprint for run in runs_of(tmp_path)}) == 3

    accepted = replace(decided(tmp_path), absent_values={"dropout": 0.0}, proposed_absent_values={})
    write_identity_file(identity_file_path(tmp_path), {"e": accepted})
    ended(tmp_path, 3, lr=0.1, seed=4, dropout=0.0)
    first, *_, last = (run.run.configuration.fingerprint for run in runs_of(tmp_path))
    assert last == first
    assert decided(tmp_path).absent_values == {"dropout": 0.0}
    assert decided(tmp_path).proposed_absent_values == {}
