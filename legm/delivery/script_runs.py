"""Finds the run that a script of another tracker resumes, which does not say so itself: ``LEGM_RESUME``.

Such a script says its parameters after its run has begun, so that they cannot choose the run. The run is
recognised by what is known before: the same command in the same folder had begun it as its first one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from legm.core.origins import DROP_IN, IMPORTED
from legm.core.seeds import looks_like_seed
from legm.delivery.resuming import WantedRun
from legm.errors import LegmError, StorageError, closest
from legm.records import Plain, Run, Status, is_record_file_name
from legm.runlog.log_folder import LogFolder, find_logs
from legm.runlog.log_reader import read_log_head
from legm.runlog.log_writer import logs_being_written
from legm.runlog.trashed import in_trash_text

__all__ = [
    "FIRST",
    "LAUNCH",
    "EarlierScriptRun",
    "earlier_script_runs",
    "is_same_script_value",
    "script_launch_digest",
]

log = logging.getLogger(__name__)

FIRST = "first"
"""In the origin of a script's run: whether it was the first one of its process."""
LAUNCH = "launch"
"""In the origin of a script's run: :func:`script_launch_digest` of the script."""
_PYTHON = re.compile(r"^(python|pypy)[\d.]*(\.exe)?$")
_UNFINISHED = frozenset({Status.INTERRUPTED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class EarlierScriptRun:
    """A stored run of a script, which the script may resume.

    Args:
        run: the run.
        key: its id in the other tracker.
    """

    run: Run
    key: str

    @property
    def distinguishing(self) -> dict[str, Plain]:
        """The compared parameters and the seeds, by the script's names."""
        names = _script_run_origin(self.run).get("renamed")
        names = names if isinstance(names, Mapping) else {}
        configuration = self.run.configuration
        found = {
            name: value
            for name, value in {**configuration.parameters, **self.run.parameters}.items()
            if looks_like_seed(name) or name in configuration.active
        }
        return {str(names.get(name, name)): value for name, value in found.items()}

    def contradiction(self, given: Mapping[str, Plain]) -> str:
        """In which of the parameters that are known by now a script differs; "" for none.

        Args:
            given: the parameters of the script.
        """
        for name, value in self.distinguishing.items():
            if name in given and not is_same_script_value(given[name], value):
                return f"{name} was {value!r} and is {given[name]!r}"
        return ""


def is_same_script_value(a: Plain, b: Plain) -> bool:
    """Whether two values of a parameter count as equal; a tracker may have made a text of one."""
    return a == b or str(a) == str(b)


def script_launch_digest(command: Sequence[str], folder: str) -> str:
    """What distinguishes the launches of scripts, whatever the path of Python: a hash; "" for an unknown one.

    Args:
        command: the command's arguments, without credentials.
        folder: the working folder.
    """
    if not command or not folder:
        return ""
    program = _PYTHON.sub("python", PurePath(command[0]).name)
    text = json.dumps([program, *command[1:], folder])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def earlier_script_runs(
    root: Path, tracker: str, wanted: WantedRun, launch: str
) -> Iterator[EarlierScriptRun]:
    """The runs that a script may resume, newest first, without those that a process is writing.

    Args:
        root: the root directory.
        tracker: the other tracker's name.
        wanted: which run: one with an id, in legm or the tracker, whatever its status; or the newest one that
            did not complete, and that the same command had begun first.
        launch: of the script, as :func:`script_launch_digest` gives it.
    """
    paths = sorted(find_logs(root), key=lambda path: path.stem, reverse=True)
    is_found = False
    for path in paths:
        try:
            run = read_log_head(path).run
        except (StorageError, FileNotFoundError):
            continue  # legm recover says what is damaged
        origin = _script_run_origin(run)
        key = str(origin.get("key", ""))
        if wanted.run_id is not None:
            if not (run.run_id.endswith(wanted.run_id) or wanted.run_id in {key, key.rpartition("/")[2]}):
                continue
            is_found = True
        if origin.get("from") != tracker or not is_record_file_name(key.rpartition("/")[2]):
            continue
        if logs_being_written([path]):
            if wanted.run_id is not None:
                log.warning("the run %s cannot be resumed while a process is writing it", run.run_id)
            continue
        if wanted.run_id is None and not _is_unfinished_script_run(path, run, launch):
            continue
        yield EarlierScriptRun(run, key)
    if wanted.run_id is not None and not is_found:
        why = in_trash_text(root / wanted.run_id) or closest(wanted.run_id, [path.stem for path in paths])
        log.warning("there is no run %r: %s. A new run begins instead.", wanted.run_id, why)


def _script_run_origin(run: Run) -> Mapping[str, Plain]:
    found = run.environment.get(DROP_IN) or run.environment.get(IMPORTED)
    return found if isinstance(found, Mapping) else {}


def _is_unfinished_script_run(path: Path, run: Run, launch: str) -> bool:
    """Whether a script's command had begun a run as its first one, and the run did not complete."""
    origin = _script_run_origin(run)
    if not launch or origin.get(FIRST) is not True or origin.get(LAUNCH) != launch:
        return False
    try:
        found = LogFolder.containing(path).read_run_status(path)
    except LegmError:
        return False
    return found is not None and found[1] in _UNFINISHED
