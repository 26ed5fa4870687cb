"""Capturing from beginning to end: run the script, look at what it logs, take it, compare, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
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

__all__ = ["Capture", "capture"]

log = logging.getLogger("legm.capture")

_INTERVAL = 0.5  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Capture:
    """What a capture came to.

    Args:
        status: the command's exit status.
        reports: for each tracker that it logged to, what was taken and compared.
        problems: what went wrong, in words.
        kept: the private stores, where not all that is in them could be taken; else they are removed.
        earlier: how many runs came of earlier captures that were killed.
    """

    status: int
    reports: tuple[Report, ...]
    problems: tuple[str, ...] = ()
    kept: Path | None = None
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
    place = Place.made(root, experiment)
    try:
        child = Child(command, place.environment(os.environ), place.lock)
    except LegmError:
        place.remove()
        raise
    with child.signals_passed_on(), _feeds(place) as feeds:
        while not child.ends_within(_INTERVAL):
            _look(landing, feeds)
        _look(landing, feeds)
        until = time.monotonic() + max(feed.patience for feed in feeds)
        while landing.is_going_on and time.monotonic() < until:
            time.sleep(_INTERVAL / 2)
            _look(landing, [feed for feed in feeds if feed.patience])
        reports, problems = _finish(root, landing, feeds, experiment, child.ending)
    is_whole = _settle(place, reports, problems)
    problems += landing.complaints()
    earlier = 0
    for other in left_behind(root):
        if other.folder != place.folder:
            others, other_problems = _finish_other(root, other)
            earlier += sum(report.runs for report in others)
            problems += other_problems
    kept = None if is_whole else place.folder
    return Capture(child.status, tuple(reports), tuple(problems), kept, earlier)


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
                reports.append(import_runs(captured, root))
        except Exception as error:  # noqa: BLE001 - the stores are kept, and the exit status is the script's
            what = str(error) if isinstance(error, LegmError) else repr(error)
            problems.append(f"what was logged to {feed.kind} is not all here: {what}")
    landing.close()
    return reports, problems


def _settle(place: Place, reports: Sequence[Report], problems: Sequence[str]) -> bool:
    """Remove the private stores, if all that was in them was taken."""
    is_whole = not problems and all(report.is_whole for report in reports)
    if is_whole:
        place.remove()
    else:
        place.release()
    return is_whole


def _finish_other(root: Path, place: Place) -> tuple[list[Report], list[str]]:
    """Take what a capture left behind that was killed."""
    landing = Landing(root, place.experiment, Wishes())
    ending = "its capture was killed, and it had not ended"
    with _feeds(place) as feeds:
        reports, problems = _finish(root, landing, feeds, place.experiment, ending)
    if not _settle(place, reports, problems):
        problems.append(
            f"an earlier capture could not be finished: what was logged is kept in {place.folder}"
        )
    return reports, problems
