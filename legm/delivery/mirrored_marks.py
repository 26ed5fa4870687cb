"""Tags and notes of runs in a backend that cannot change them: what the folders have, if it mirrors them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from legm.core.run_marks import merged_marks
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import LegmError
from legm.records import RunMarks, RunResult, StoredRun
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import read_all_marks

__all__ = ["with_marks_of_folders"]

log = logging.getLogger(__name__)


def with_marks_of_folders(
    root: Path, runs: Iterable[RunResult | StoredRun]
) -> Iterator[RunResult | StoredRun]:
    """Runs of a backend, each with what is noted about it in the folder of its configuration, if it has one.

    Args:
        root: the root directory.
        runs: as the backend has them.
    """
    known: dict[str, dict[str, RunMarks]] = {}
    for one in runs:
        if isinstance(one, StoredRun):
            yield one
            continue
        configuration = one.run.configuration
        if configuration.fingerprint not in known:
            known[configuration.fingerprint] = {}
            try:
                folder = find_folder_changer(DEFAULT_BACKEND).find(root, configuration)
            except LegmError as error:
                log.warning("tags and notes in the folders are left out: %s", error)
                folder = None
            if folder is not None:
                known[configuration.fingerprint] = read_all_marks(LogFolder.of(folder))
        own = known[configuration.fingerprint].get(one.run.run_id)
        yield one if own is None else replace(one, marks=merged_marks(own, one.marks, one.sent_marks))
