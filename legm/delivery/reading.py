"""The door to what backends hold: runs whose process died are finalized first, then the runs are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from legm.delivery.backlog import finalize_dead_runs
from legm.delivery.client import BackendClient
from legm.hooks import Capability
from legm.records import Configuration, Query, RunCounts, RunResult
from legm.runlog.log_folder import LogFolder

__all__ = ["number_of_runs_to_read", "read_counts", "read_runs"]


def read_runs(
    client: BackendClient,
    configuration: Configuration,
    description: str | None = None,
    histories: frozenset[str] | None = frozenset(),
) -> Iterator[RunResult]:
    """The runs of a configuration.

    Args:
        client: of the backend.
        configuration: whose runs.
        description: only runs with this one; None for all.
        histories: the dev metrics whose series are wanted; None for all.

    Raises:
        LegmError: the backend could not read them.
    """
    folder = client.folder(configuration)
    if folder is not None:
        finalize_dead_runs(client, LogFolder.of(folder))
    elif client.supports(Capability.FOLDERS):
        return iter(())
    return client.runs(Query(configuration.experiment, configuration.fingerprint, description, histories))


def number_of_runs_to_read(
    client: BackendClient, configuration: Configuration, description: str | None
) -> int | None:
    """How many runs :func:`read_runs` gives; None where the backend would have to read them to know."""
    if not client.supports(Capability.FOLDERS):
        return None
    return sum(
        one.completed + one.failed + one.interrupted + one.running
        for one in client.run_counts(configuration.experiment)
        if one.configuration.fingerprint == configuration.fingerprint
        and description in {None, one.description}
    )


def read_counts(client: BackendClient, experiment: str) -> Sequence[RunCounts]:
    """The runs of every configuration of an experiment, counted by description.

    Raises:
        LegmError: the backend could not read them.
    """
    found = client.run_counts(experiment)
    pending = [
        logs
        for folder in {one.folder for one in found if one.folder is not None}
        if (logs := LogFolder.of(Path(folder))).pending_logs()
    ]
    for logs in pending:
        finalize_dead_runs(client, logs)
    return client.run_counts(experiment) if pending else found
