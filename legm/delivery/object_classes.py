"""Configurations from before the classes of objects were compared: an old script finds its own again.

A warning says where such a configuration has objects of different classes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import islice

from legm.core.parameters import Parameters
from legm.delivery.client import BackendClient
from legm.errors import LegmError
from legm.records import Configuration
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head

__all__ = ["CLASSES", "compared_parameters", "warn_of_other_classes"]

log = logging.getLogger(__name__)

CLASSES = "classes"
"""The key of a run's environment that has the classes of the objects among its parameters."""
_MOST_LOGS = 10  # of earlier runs that are asked


def compared_parameters(
    client: BackendClient, parameters: Parameters, experiment: str
) -> tuple[Parameters, Configuration]:
    """Parameters as they are compared, and the configuration that they make.

    Where the root directory has a configuration from before the classes of objects were kept, and none with
    these classes, they are compared without classes, so that runs of an old script join the runs before them.

    Args:
        client: of the primary backend.
        parameters: all that were set.
        experiment: its name.

    Raises:
        UnstableValue: an active parameter has no stable form.
        ParameterError: a parent was never set.
        StorageError: the root directory cannot be read.
        BackendError: the backend failed.
    """
    found = parameters.configuration(experiment)
    if not parameters.has_classes_in(found) or client.folder(found) is not None:
        return parameters, found
    fields_alone = parameters.without_classes()
    earlier = fields_alone.configuration(experiment)
    if client.folder(earlier) is None:
        return parameters, found
    return fields_alone, earlier


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
                    "Their configuration is from before classes were compared, so both are averaged in it: "
                    "set the class as a parameter of its own before start(), such as set_param(%r, %r)",
                    where,
                    name,
                    other,
                    path.stem,
                    f"{where}_class",
                    name,
                )
