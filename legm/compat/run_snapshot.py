"""A run as the reading calls of another tracker show it: of this process, or stored by an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from legm.compat.settings import Settings
from legm.core.origins import DROP_IN, IMPORTED
from legm.core.rewinding import without_rewound
from legm.delivery.client import connect_client
from legm.errors import LegmError, NotSupported
from legm.records import Artifact, Plain, Points, Query, Record, Run, RunResult, Series, Split, Status
from legm.runlog.file_names import DROP_IN_NOTES_FILE
from legm.runlog.log_folder import LogFolder
from legm.util.yaml_files import load_yaml

__all__ = [
    "NAMES_OF_TESTS",
    "LoggedNumber",
    "RunSnapshot",
    "find_snapshot",
    "names_of_tests",
    "read_snapshot_history",
    "snapshot_experiments",
    "snapshot_of_result",
    "stored_snapshots",
]


NAMES_OF_TESTS = "names_of_tests"
"""In the notes of a run, the names that its script gave to what are test metrics."""


class LoggedNumber(NamedTuple):
    """One value of a metric, its step, and the time it was set (seconds since 1970)."""

    value: float
    step: int
    time: float


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """The state of a run at one moment.

    Args:
        key: the run's id in the other tracker.
        experiment: the experiment's name.
        parameters: the parameters in plain form, by the names the script gave them.
        notes: name, tags and other metadata.
        latest: the newest value of each dev metric.
        tests: the test values, but for those that are ``latest`` under the names that the script gave them.
        status: whether the run is still running, and else how it ended.
        started, ended: seconds since 1970.
        files: the paths of the run's files, by their names in the run.
        run: the legm run; None if it has not begun yet.
        folder: the configuration's folder, which holds the run log.
    """

    key: str
    experiment: str
    parameters: Mapping[str, Plain]
    notes: Mapping[str, Plain]
    latest: Mapping[str, LoggedNumber]
    tests: Mapping[str, float]
    status: Status
    started: float
    ended: float | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    run: Run | None = None
    folder: Path | None = None


def read_snapshot_records(folder: Path, run_id: str) -> Sequence[Record]:
    """The records in the run log that count; empty if there is no log.

    Raises:
        CorruptFile, StorageError: the log cannot be read.
    """
    known = LogFolder.of(folder).read(run_id)
    return [] if known is None else without_rewound(known.records)


def read_snapshot_history(
    folder: Path, run_id: str, names_of_tests: Mapping[str, str] | None = None
) -> dict[str, list[LoggedNumber]]:
    """Every value of every metric of a script, in the order in which they were set.

    Args:
        folder: the configuration's.
        run_id: of the run.
        names_of_tests: by test metric its name in the script, which did not call it a test metric.
    """
    names = {Series(name, Split.TEST): own for name, own in (names_of_tests or {}).items()}
    found: dict[str, list[LoggedNumber]] = {}
    for record in read_snapshot_records(folder, run_id):
        if not isinstance(record, Points):
            continue
        for layout, step, time, values in record.rows():
            for series, value in zip(layout, values, strict=True):
                if series in names or (series.split is Split.DEV and series.index is None):
                    name = names.get(series, series.name)
                    found.setdefault(name, []).append(LoggedNumber(value, step, time))
    return found


def names_of_tests(notes: Mapping[str, Plain]) -> dict[str, str]:
    """By test metric its name in the script, which did not call it a test metric."""
    found = notes.get(NAMES_OF_TESTS)
    return {str(name): str(own) for name, own in found.items()} if isinstance(found, Mapping) else {}


def stored_snapshots(
    settings: Settings, experiments: list[str] | None = None, *, latest: bool = True
) -> Iterator[RunSnapshot]:
    """The stored runs, oldest first within each experiment.

    Args:
        settings: name the root directory and the backend.
        experiments: the experiments to read; None for all that the backend lists.
        latest: whether to read the newest values of metrics too.
    """
    for experiment in snapshot_experiments(settings) if experiments is None else experiments:
        client = connect_client(settings.root, settings.backend[0])
        runs = client.runs_as_stored(Query(experiment, histories=None if latest else frozenset()))
        for result in sorted(runs, key=lambda one: one.run.run_id):
            yield snapshot_of_result(result, client.folder(result.run.configuration))


def snapshot_experiments(settings: Settings) -> list[str]:
    """The experiments that the backend lists."""
    try:
        return connect_client(settings.root, settings.backend[0]).experiments()
    except NotSupported:
        return []


def find_snapshot(settings: Settings, key: str, experiments: list[str] | None = None) -> RunSnapshot | None:
    """The stored run with this key in the other tracker; the newest if there are several.

    Args:
        settings: name the root directory and the backend.
        key: the run's id in the other tracker.
        experiments: those to read; None for all.
    """
    found = [one for one in stored_snapshots(settings, experiments) if one.key == key]
    return found[-1] if found else None


def snapshot_of_result(result: RunResult, folder: Path | None) -> RunSnapshot:
    """A stored run as the reading calls of another tracker show it.

    Args:
        result: the run, with its series.
        folder: the configuration's, which holds the run log; None without one.
    """
    run = result.run
    # Earlier versions stored drop-in runs under the key of imported runs.
    origin = dict(run.environment.get(DROP_IN) or run.environment.get(IMPORTED) or {})
    files: dict[str, Path] = {}
    if folder is not None:
        try:
            records = read_snapshot_records(folder, run.run_id)
        except LegmError:
            records = []
        files = {record.name: Path(record.path) for record in records if isinstance(record, Artifact)}
    if DROP_IN_NOTES_FILE in files and files[DROP_IN_NOTES_FILE].exists():
        origin |= load_yaml(files[DROP_IN_NOTES_FILE])
    names, of_tests = origin.get("renamed") or {}, names_of_tests(origin)
    parameters = {**run.configuration.parameters, **run.parameters}
    when = result.ended or run.started
    return RunSnapshot(
        key=str(origin.get("key") or run.run_id),
        experiment=run.configuration.experiment,
        parameters={names.get(name, name): value for name, value in parameters.items()},
        notes=origin,
        latest={
            series.name: LoggedNumber(float(one.values[-1]), int(one.steps[-1]), when)
            for series, one in result.histories.items()
            if len(one.steps) and series.index is None
        }
        | {
            of_tests[one.name]: LoggedNumber(value, 0, when)
            for one, value in result.test.items()
            if one.name in of_tests
        },
        tests={
            series.name: value
            for series, value in result.test.items()
            if series.index is None and series.name not in of_tests
        },
        status=result.status,
        started=run.started,
        ended=result.ended,
        files={name: path for name, path in files.items() if name != DROP_IN_NOTES_FILE},
        run=run,
        folder=folder,
    )
