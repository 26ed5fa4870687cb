"""Capturing from beginning to end: run the script, look at what it logs, take it, compare, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from legm.capture.live_ingest import CapturedSource, LiveIngest
from legm.capture.mlflow_tailer import MlflowTailer
from legm.capture.script_process import ScriptProcess
from legm.capture.staging import StagingFolder, abandoned_folders
from legm.capture.tailers import Tailer
from legm.capture.wandb_tailer import WandbTailer
from legm.errors import LegmError
from legm.importers.decisions import Overrides
from legm.importers.importing import Report, import_runs
from legm.importers.mlflow.external_run import DELETED

__all__ = ["Capture", "capture"]

log = logging.getLogger("legm.capture")

_POLL_INTERVAL = 0.5  # seconds between two looks
_GRACE_PERIOD = 5.0  # seconds: W&B writes by a process of its own, which goes on for a moment


@dataclass(frozen=True, slots=True)
class Capture:
    """What a capture came to.

    Args:
        status: the command's exit status.
        reports: for each tracker that it logged to, what was taken and compared.
        problems: what went wrong, in words.
        kept: the private stores, where not all that is in them could be taken; else they are removed.
        outliving: how many processes of the script go on; what they log yet is for the next capture.
        earlier: how many runs came of earlier captures that could not take all.
    """

    status: int
    reports: tuple[Report, ...]
    problems: tuple[str, ...] = ()
    kept: Path | None = None
    outliving: int = 0
    earlier: int = 0


def capture(
    command: Sequence[str],
    root: str | Path,
    *,
    experiment: str | None = None,
    seed_params: Sequence[str] = (),
    ignore: Sequence[str] = (),
    compare: Sequence[str] = (),
    name_params: Sequence[str] = (),
) -> Capture:
    """Run a script that logs to wandb or mlflow, and take what it logs.

    Args:
        command: the program and its arguments. Processes that it begins are captured too.
        root: the root directory.
        experiment: the experiment of all runs; without it W&B's project, and MLflow's experiment.
        seed_params: parameters that are seeds, and so not compared, whatever they look like.
        ignore: parameters that are not compared, whatever they look like.
        compare: parameters that are compared, whatever they look like.
        name_params: the parameters that a configuration's name is made of, most important first.

    Raises:
        CommandError: the command cannot be run.
        ParameterError: a parameter is to be both compared and not compared.
        StorageError: the root directory cannot be written; the command was not begun then.
    """
    root = Path(root)
    overrides = Overrides(tuple(seed_params), tuple(ignore), tuple(compare), tuple(name_params))
    overrides.require_consistent()
    live_ingest = LiveIngest(root, experiment, overrides)
    staging = StagingFolder.create(root, experiment, overrides)
    try:
        child = ScriptProcess(command, staging.environment(os.environ), staging.lock)
    except LegmError:
        staging.remove()
        raise
    with child.signals_forwarded():
        with _open_tailers(staging) as tailers:
            while not child.ends_within(_POLL_INTERVAL):
                _ingest_updates(live_ingest, tailers)
            until = time.monotonic() + _GRACE_PERIOD
            while staging.is_in_use(live_ingest.has_open_runs) and time.monotonic() < until:
                time.sleep(_POLL_INTERVAL / 5)
            _ingest_updates(live_ingest, tailers)
            outliving = len(staging.processes())  # asked first: what one still writes is read, or kept
            reports, problems = _import_stores(root, live_ingest, tailers, experiment, child.end_description)
        is_whole = _remove_if_complete(staging, reports, problems) if not outliving else staging.release()
        problems += live_ingest.unmet_overrides()
        earlier = 0
        for other in abandoned_folders(root, but=staging.folder):
            others, other_problems = _finish_earlier_capture(root, other)
            earlier += sum(report.runs for report in others)
            problems += other_problems
    kept = None if is_whole else staging.folder
    return Capture(child.status, tuple(reports), tuple(problems), kept, outliving, earlier)


@contextmanager
def _open_tailers(staging: StagingFolder) -> Iterator[list[Tailer]]:
    with closing(MlflowTailer(staging.mlflow)) as mlflow, closing(WandbTailer(staging.wandb)) as wandb:
        yield [mlflow, wandb]


def _ingest_updates(live_ingest: LiveIngest, tailers: Sequence[Tailer]) -> None:
    """Look at what came. Whatever goes wrong here, the script goes on."""
    for tailer in tailers:
        try:
            live_ingest.ingest_updates(tailer)
        except LegmError as error:
            log.warning("%s. It is tried again.", error)
        except Exception:
            log.exception("what is logged to %s cannot be shown", tailer.kind)


def _import_stores(
    root: Path,
    live_ingest: LiveIngest,
    tailers: Sequence[Tailer],
    experiment: str | None,
    end_description: str,
) -> tuple[list[Report], list[str]]:
    """Take what did not end by itself, and compare all that was taken."""
    reports, problems = [], []
    for tailer in tailers:
        try:
            source = tailer.open_source()
            if source is None:
                continue
            with closing(CapturedSource(source, experiment, end_description)) as as_captured:
                live_ingest.ingest_all(as_captured)
                reports.append(_reworded(import_runs(as_captured, root)))
        except Exception as error:  # noqa: BLE001 - the stores are kept, and the exit status is the script's
            what = str(error) if isinstance(error, LegmError) else repr(error)
            problems.append(f"what was logged to {tailer.kind} is not all here: {what}")
    live_ingest.close()
    return reports, problems


def _reworded(report: Report) -> Report:
    """The report of an import in words of a capture, which has no option for deleted runs."""
    omitted = dict(report.omitted)
    if DELETED in omitted:
        omitted["runs that the script deleted"] = omitted.pop(DELETED)
    return replace(report, omitted=omitted)


def _remove_if_complete(staging: StagingFolder, reports: Sequence[Report], problems: Sequence[str]) -> bool:
    """Remove the private stores, if all that was in them was taken."""
    is_whole = not problems and all(report.is_complete for report in reports)
    return staging.remove() if is_whole else staging.release()


def _finish_earlier_capture(root: Path, staging: StagingFolder) -> tuple[list[Report], list[str]]:
    """Take what a capture left behind."""
    live_ingest = LiveIngest(root, staging.experiment, staging.overrides)
    end_description = "the script ended, and it had not"
    with _open_tailers(staging) as tailers:
        reports, problems = _import_stores(root, live_ingest, tailers, staging.experiment, end_description)
    if not _remove_if_complete(staging, reports, problems):
        problems.append(
            f"an earlier capture could not be finished: what was logged is kept in {staging.folder}"
        )
    return reports, problems
