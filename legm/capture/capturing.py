"""Capturing from beginning to end: run the script, look at what it logs, take it, compare, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from legm.capture.child import Child
from legm.capture.feeds import Feed
from legm.capture.landing import Captured, Landing
from legm.capture.mlflow import MlflowFeed
from legm.capture.place import Place, left_behind
from legm.capture.wandb import WandbFeed
from legm.errors import LegmError
from legm.importers.decisions import Wishes
from legm.importers.importing import Report, import_runs
from legm.importers.mlflow.mapping import DELETED

__all__ = ["Capture", "capture"]

log = logging.getLogger("legm.capture")

_INTERVAL = 0.5  # seconds between two looks
_PATIENCE = 5.0  # seconds: W&B writes by a process of its own, which goes on for a moment


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
    wishes = Wishes(tuple(seed_params), tuple(ignore), tuple(compare), tuple(name_params))
    wishes.require_sense()
    landing = Landing(root, experiment, wishes)
    place = Place.made(root, experiment, wishes)
    try:
        child = Child(command, place.environment(os.environ), place.lock)
    except LegmError:
        place.remove()
        raise
    with child.signals_passed_on():
        with _feeds(place) as feeds:
            while not child.ends_within(_INTERVAL):
                _look(landing, feeds)
            until = time.monotonic() + _PATIENCE
            while place.is_in_use(landing.is_going_on) and time.monotonic() < until:
                time.sleep(_INTERVAL / 5)
            _look(landing, feeds)
            outliving = len(place.processes())  # asked first: what one still writes is read, or kept
            reports, problems = _finish(root, landing, feeds, experiment, child.ending)
        is_whole = _settle(place, reports, problems) if not outliving else place.release()
        problems += landing.complaints()
        earlier = 0
        for other in left_behind(root, but=place.folder):
            others, other_problems = _finish_other(root, other)
            earlier += sum(report.runs for report in others)
            problems += other_problems
    kept = None if is_whole else place.folder
    return Capture(child.status, tuple(reports), tuple(problems), kept, outliving, earlier)


@contextmanager
def _feeds(place: Place) -> Iterator[list[Feed]]:
    with closing(MlflowFeed(place.mlflow)) as mlflow, closing(WandbFeed(place.wandb)) as wandb:
        yield [mlflow, wandb]


def _look(landing: Landing, feeds: Sequence[Feed]) -> None:
    """Look at what came. Whatever goes wrong here, the script goes on."""
    for feed in feeds:
        try:
            landing.look(feed)
        except LegmError as error:
            log.warning("%s. It is tried again.", error)
        except Exception:
            log.exception("what is logged to %s cannot be shown", feed.kind)


def _finish(
    root: Path, landing: Landing, feeds: Sequence[Feed], experiment: str | None, ending: str
) -> tuple[list[Report], list[str]]:
    """Take what did not end by itself, and compare all that was taken."""
    reports, problems = [], []
    for feed in feeds:
        try:
            source = feed.source()
            if source is None:
                continue
            with closing(Captured(source, experiment, ending)) as captured:
                landing.end_all(captured)
                reports.append(_worded(import_runs(captured, root)))
        except Exception as error:  # noqa: BLE001 - the stores are kept, and the exit status is the script's
            what = str(error) if isinstance(error, LegmError) else repr(error)
            problems.append(f"what was logged to {feed.kind} is not all here: {what}")
    landing.close()
    return reports, problems


def _worded(report: Report) -> Report:
    """The report of an import in words of a capture, which has no option for deleted runs."""
    impossible = dict(report.impossible)
    if DELETED in impossible:
        impossible["runs that the script deleted"] = impossible.pop(DELETED)
    return replace(report, impossible=impossible)


def _settle(place: Place, reports: Sequence[Report], problems: Sequence[str]) -> bool:
    """Remove the private stores, if all that was in them was taken."""
    is_whole = not problems and all(report.is_whole for report in reports)
    return place.remove() if is_whole else place.release()


def _finish_other(root: Path, place: Place) -> tuple[list[Report], list[str]]:
    """Take what a capture left behind."""
    landing = Landing(root, place.experiment, place.wishes)
    ending = "the script ended, and it had not"
    with _feeds(place) as feeds:
        reports, problems = _finish(root, landing, feeds, place.experiment, ending)
    if not _settle(place, reports, problems):
        problems.append(
            f"an earlier capture could not be finished: what was logged is kept in {place.folder}"
        )
    return reports, problems
