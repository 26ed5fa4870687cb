"""A whole capture: run the script, ingest what it logs while it is running, import and verify, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from legm.capture.kept_store import keep_mlflow_store
from legm.capture.live_ingest import CaptureIngestSource, LiveIngest
from legm.capture.mlflow_tailer import MlflowTailer
from legm.capture.resumed_runs import ResumedByCapture, script_launch
from legm.capture.script_console import ScriptConsole
from legm.capture.script_process import ScriptProcess
from legm.capture.staging import StagingFolder, abandoned_staging_folders
from legm.capture.tailers import Tailer
from legm.capture.wandb_tailer import WandbTailer
from legm.console.console_options import console_limit
from legm.errors import LegmError
from legm.importers.identity_decisions import IdentityOverrides
from legm.importers.mlflow.run_conversion import DELETED
from legm.importers.pipeline import Report, import_runs

__all__ = ["Capture", "capture"]

log = logging.getLogger("legm.capture")

_POLL_INTERVAL = 0.5  # seconds between two reads of the stores
_GRACE_PERIOD = 5.0  # seconds: W&B's own writer process outlives the script briefly


@dataclass(frozen=True, slots=True)
class Capture:
    """The result of a capture.

    Args:
        status: the command's exit status.
        reports: the import report for each tracker that the command logged to.
        problems: what went wrong, as text.
        kept_stores: the private stores if not everything in them could be imported; else they are removed.
        running_processes: how many processes of the script are still running; the next capture imports
            what they log.
        earlier_runs: how many runs of earlier, incomplete captures were imported.
    """

    status: int
    reports: tuple[Report, ...]
    problems: tuple[str, ...] = ()
    kept_stores: Path | None = None
    running_processes: int = 0
    earlier_runs: int = 0


def capture(
    command: Sequence[str],
    root: str | Path,
    *,
    experiment: str | None = None,
    seed_params: Sequence[str] = (),
    ignore: Sequence[str] = (),
    compare: Sequence[str] = (),
    name_params: Sequence[str] = (),
    console: bool | int | None = None,
) -> Capture:
    """Run a script that logs to wandb or mlflow, and capture what it logs.

    Args:
        command: the program and its arguments. Processes that it starts are captured too.
        root: the root directory.
        experiment: the experiment of all runs; by default W&B's project, and MLflow's experiment.
        seed_params: parameters that are seeds, and therefore not compared, whatever they look like.
        ignore: parameters that are not compared, whatever they look like.
        compare: parameters that are compared, whatever they look like.
        name_params: the parameters that make up a configuration's name, most important first.
        console: whether what the script prints is kept with its runs, or the largest size in bytes; None: as
            the environment variable ``LEGM_CONSOLE`` says, else it is.

    Returns:
        the exit status of the command, and what was captured.

    Raises:
        CommandError: the command cannot be run.
        ParameterError: a parameter is to be both compared and not compared.
        LegmError: the size of the console is not valid.
        StorageError: the root directory cannot be written; the command was not started.
    """
    root = Path(root)
    overrides = IdentityOverrides(tuple(seed_params), tuple(ignore), tuple(compare), tuple(name_params))
    overrides.require_consistent()
    limit = console_limit(console, default=True)
    launch = script_launch(command)
    earlier = 0, list[str]()
    with closing(ResumedByCapture(root, launch, os.environ)) as resumed:
        if resumed.is_wanted:  # by now, what was killed with its capture is to be resumed too
            earlier = _finish_earlier_captures(root)
            resumed.choose()
        staging = StagingFolder.create(root, experiment, overrides, launch, resumed.kept)
        done = _capture_into(staging, command, root, resumed.variables(), limit)
    problems = dict.fromkeys((*earlier[1], *done.problems))
    return replace(done, earlier_runs=done.earlier_runs + earlier[0], problems=tuple(problems))


def _capture_into(
    staging: StagingFolder, command: Sequence[str], root: Path, variables: Mapping[str, str], limit: int
) -> Capture:
    """Capture a script that logs into a staging folder.

    Args:
        staging: the folder, which is gone or released afterwards.
        command, root: as for :func:`capture`.
        variables: further environment variables of the script.
        limit: the most bytes of its console; 0 for none.
    """
    script_console = ScriptConsole(staging.console, staging.begun, limit)
    try:
        live_ingest = LiveIngest(root, staging.experiment, staging.overrides, staging)
        environment = {**staging.environment(os.environ), **variables}
        if limit:
            script_console.begin()
            environment.setdefault("PYTHONUNBUFFERED", "1")  # the times of what is printed are true
        script = ScriptProcess(command, environment, staging.lock)
    except LegmError:
        script_console.end()
        staging.remove()
        raise
    with script.signals_forwarded():
        with _open_capture_tailers(staging) as tailers:
            while not script.ends_within(_POLL_INTERVAL):
                _ingest_capture_updates(live_ingest, tailers)
            until = time.monotonic() + _GRACE_PERIOD
            while staging.is_in_use(live_ingest.has_open_runs) and time.monotonic() < until:
                time.sleep(_POLL_INTERVAL / 5)
            _ingest_capture_updates(live_ingest, tailers)
            script_console.end()
            live_ingest.consoles.read()
            live_ingest.consoles.write()
            running_processes = len(
                staging.processes()
            )  # before the import, so that nothing they write is lost
            reports, problems = _import_captured_stores(
                root, live_ingest, tailers, staging, script.end_description, script_console
            )
        is_complete = (
            _remove_complete_capture(root, staging, live_ingest, reports, problems)
            if not running_processes
            else staging.release()
        )
        problems += live_ingest.unmet_overrides()
        earlier_runs, earlier_problems = _finish_earlier_captures(root, but=staging.folder)
        problems += earlier_problems
    kept_stores = None if is_complete else staging.folder
    return Capture(
        script.status, tuple(reports), tuple(problems), kept_stores, running_processes, earlier_runs
    )


@contextmanager
def _open_capture_tailers(staging: StagingFolder) -> Iterator[list[Tailer]]:
    with closing(MlflowTailer(staging.mlflow)) as mlflow, closing(WandbTailer(staging.wandb)) as wandb:
        yield [mlflow, wandb]


def _ingest_capture_updates(live_ingest: LiveIngest, tailers: Sequence[Tailer]) -> None:
    """Ingest what is new in the stores, and then what was printed before.

    Whatever goes wrong here must not stop the script.
    """
    live_ingest.consoles.read()
    for tailer in tailers:
        try:
            live_ingest.ingest_updates(tailer)
        except LegmError as error:
            log.warning("%s. legm will try again.", error)
        except Exception:
            log.exception("what is logged to %s cannot be shown while the script is running", tailer.kind)
    if not any(tailer.is_run_beginning for tailer in tailers):  # else it may have printed some of it
        live_ingest.consoles.write()


def _import_captured_stores(
    root: Path,
    live_ingest: LiveIngest,
    tailers: Sequence[Tailer],
    staging: StagingFolder,
    end_description: str,
    console: ScriptConsole,
) -> tuple[list[Report], list[str]]:
    """Import the runs that have not ended by themselves, and verify all runs."""
    reports, problems = [], []
    for tailer in tailers:
        try:
            source = tailer.open_source()
            if source is None:
                continue
            with closing(
                CaptureIngestSource(
                    source,
                    staging.experiment,
                    end_description,
                    live_ingest.earlier,
                    console,
                    live_ingest.launch,
                )
            ) as as_captured:
                live_ingest.ingest_all(as_captured)
                reports.append(_reworded_capture_note(import_runs(as_captured, root)))
        except Exception as error:  # noqa: BLE001 - the stores are kept, and the exit status is the script's
            what = str(error) if isinstance(error, LegmError) else repr(error)
            problems.append(f"not everything that was logged to {tailer.kind} was captured: {what}")
    live_ingest.close()
    return reports, problems


def _reworded_capture_note(report: Report) -> Report:
    """Adapt an import report to a capture, which has no option for deleted runs."""
    omitted = dict(report.omitted)
    if DELETED in omitted:
        omitted["runs that the script deleted"] = omitted.pop(DELETED)
    return replace(report, omitted=omitted)


def _remove_complete_capture(
    root: Path,
    staging: StagingFolder,
    live_ingest: LiveIngest,
    reports: Sequence[Report],
    problems: Sequence[str],
) -> bool:
    """Remove the private stores if everything in them was imported; the next capture finds MLflow's runs."""
    if problems or not all(report.is_complete for report in reports):
        return staging.release()
    try:
        keep_mlflow_store(root, staging.mlflow, live_ingest.artifact_folders(MlflowTailer.kind))
    except LegmError as error:
        log.warning("later captures will not find the runs of this one in MLflow: %s", error)
    return staging.remove()


def _finish_earlier_captures(root: Path, but: Path | None = None) -> tuple[int, list[str]]:
    """Import what earlier captures left behind; returns how many runs, and what went wrong."""
    runs, problems = 0, []
    for other in abandoned_staging_folders(root, but=but):
        reports, found = _finish_earlier_capture(root, other)
        runs += sum(report.runs for report in reports)
        problems += found
    return runs, problems


def _finish_earlier_capture(root: Path, staging: StagingFolder) -> tuple[list[Report], list[str]]:
    """Import what an earlier capture left behind."""
    live_ingest = LiveIngest(root, staging.experiment, staging.overrides, staging)
    end_description = "still running when the script ended"
    with _open_capture_tailers(staging) as tailers:
        reports, problems = _import_captured_stores(
            root,
            live_ingest,
            tailers,
            staging,
            end_description,
            ScriptConsole(staging.console, staging.begun),
        )
    if not _remove_complete_capture(root, staging, live_ingest, reports, problems):
        problems.append(f"an earlier capture could not be completed: its logs are kept in {staging.folder}")
    return reports, problems
