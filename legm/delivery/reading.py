"""The door to what backends hold: runs whose process died are finalized first, then the runs are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from legm.hooks import Capability
from legm.records import Configuration, Query, RunCounts, RunResult, StoredRun
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import runs_with_marks

if TYPE_CHECKING:
    from legm.delivery.client import BackendClient

__all__ = [
    "number_of_runs_to_read",
    "read_counts",
    "read_runs",
]


def read_runs(
    client: BackendClient,
    configuration: Configuration,
    description: str | None = None,
    histories: frozenset[str] | None = frozenset(),
    report: Callable[[StoredRun], None] | None = None,
) -> Iterator[RunResult]:
    """The runs of a configuration, without those of a store whose files are damaged.

    Args:
        client: of the backend.
        configuration: whose runs.
        description: only runs with this one; None for all.
        histories: the dev metrics whose series are wanted; None for all.
        report: takes each damaged run; by default it is logged.

    Raises:
        LegmError: the backend could not read them.
    """
    folder = client.folder(configuration)
    if folder is not None:
        finalize_before_reading(client, LogFolder.of(folder))
    elif client.supports(Capability.FOLDERS):
        return iter(())
    query = Query(configuration.experiment, configuration.fingerprint, description, histories)
    found = client.intact_runs_as_stored(query, report)
    return found if folder is None else runs_with_marks(found, LogFolder.of(folder))


def number_of_runs_to_read(
    client: BackendClient, configuration: Configuration, description: str | None
) -> int | None:
    """How many runs :func:`read_runs` gives; None where the backend would have to read them to know."""
    if not client.supports(Capability.FOLDERS):
        return None
    return sum(
        one.completed + one.running + sum(one.left_out.values())
        for one in client.counts_as_stored(configuration.experiment)
        if one.configuration.fingerprint == configuration.fingerprint
        and description in {None, one.description}
    )


def read_counts(client: BackendClient, experiment: str) -> Sequence[RunCounts]:
    """The runs of every configuration of an experiment, counted by description.

    Raises:
        LegmError: the backend could not read them.
    """
    found = client.counts_as_stored(experiment)
    pending = [
        logs
        for folder in {one.folder for one in found if one.folder is not None}
        if (logs := LogFolder.of(Path(folder))).pending_logs()
    ]
    for logs in pending:
        finalize_before_reading(client, logs)
    return client.counts_as_stored(experiment) if pending else found


def finalize_before_reading(client: BackendClient, logs: LogFolder) -> list[RunResult]:
    from legm.delivery.backlog import finalize_dead_runs  # only where something is pending

    return finalize_dead_runs(client, logs) if logs.pending_logs() else []
