"""Says where objects of different classes are one value of a parameter: only their fields are compared."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import islice

from legm.errors import LegmError
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head

__all__ = ["CLASSES", "warn_of_other_classes"]

log = logging.getLogger(__name__)

CLASSES = "classes"
"""The key of a run's environment that has the classes of the objects among its parameters."""
_MOST_LOGS = 10  # of earlier runs that are asked


def warn_of_other_classes(run_id: str, classes: Mapping[str, str], logs: LogFolder) -> None:
    """Log a warning for each object whose class is another one in earlier runs of the same configuration.

    Args:
        run_id: of the run that begins.
        classes: of its objects, by where they are.
        logs: of the configuration.
    """
    warned: set[str] = set()
    for path in islice(logs.logs_except([run_id]), _MOST_LOGS):
        try:
            earlier = read_log_head(path).run.environment.get(CLASSES)
        except LegmError:  # which every command that reads the run reports
            continue
        for where, name in classes.items():
            other = earlier.get(where) if isinstance(earlier, Mapping) else None
            if isinstance(other, str) and other != name and where not in warned:
                warned.add(where)
                log.warning(
                    "%s is an object of the class %s, and of the class %s in the run %s, with equal fields. "
                    "Only fields are compared, so both are one configuration, and are averaged: set the "
                    "class as a parameter of its own before start(), such as set_param(%r, %r)",
                    where,
                    name,
                    other,
                    path.stem,
                    f"{where}_class",
                    name,
                )
