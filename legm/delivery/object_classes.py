"""Configurations from before the classes of objects were compared: an old script finds its own again.

A warning says where such a configuration has objects of different classes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from legm.core.origins import CLASSES
from legm.core.parameters import Parameters
from legm.delivery.client import BackendClient
from legm.delivery.reading import read_runs
from legm.errors import LegmError
from legm.records import Configuration, Plain, Run
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head

__all__ = ["compared_parameters", "run_with_classes", "warn_of_other_classes"]

log = logging.getLogger(__name__)

_MOST_LOGS = 10  # of earlier runs that are asked


def compared_parameters(
    client: BackendClient, parameters: Parameters, experiment: str
) -> tuple[Parameters, Configuration]:
    """Parameters as they are compared, and the configuration that they make.

    Where the root directory has a run from before the classes of objects were kept, and no configuration with
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
    folder = client.folder(earlier)
    if folder is None or all(
        run.environment.get(CLASSES) == {} for run in _earlier_runs(client, earlier, folder)
    ):
        return parameters, found
    return fields_alone, earlier


def _earlier_runs(client: BackendClient, configuration: Configuration, folder: Path) -> Iterator[Run]:
    """The runs of a configuration, oldest first; as the backend has them where no log can be read."""
    are_known = False
    for path in LogFolder.of(folder).logs_except(()):
        with suppress(LegmError):  # which every command that reads the run reports
            run = read_log_head(path).run
            are_known = True
            yield run
    if not are_known:
        yield from (result.run for result in read_runs(client, configuration))


def run_with_classes(run: Run, parameters: Parameters) -> Run:
    """A run whose environment has the classes of the objects among its parameters.

    They are none where a mapping, or a name with a ``.``, only looks like an object's fields. Where nothing
    does, nothing is recorded.

    Args:
        run: as it begins.
        parameters: all that were set.
    """
    configuration = run.configuration
    classes = dict[str, Plain](parameters.object_classes(configuration))
    if not classes and not any(
        "." in name or _has_mapping(configuration.parameters[name]) for name in configuration.active
    ):
        return run
    return replace(run, environment={**run.environment, CLASSES: classes})


def _has_mapping(value: Plain) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_mapping, value)))


def warn_of_other_classes(run: Run, logs: LogFolder) -> None:
    """Log a warning for each object whose class is another one in earlier runs of the same configuration.

    Args:
        run: it begins.
        logs: of the configuration.
    """
    classes = run.environment.get(CLASSES)
    if not classes or not isinstance(classes, Mapping):
        return
    warned: set[str] = set()
    for path in islice(logs.logs_except([run.run_id]), _MOST_LOGS):
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
