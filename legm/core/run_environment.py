"""Where a run ran: one environment for each stretch, that is, for each process that wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from legm.core.origins import DROP_IN, IMPORTED
from legm.core.record_sequences import records_without_numbers
from legm.records import EnvironmentUpdate, Plain, Record, Resumption, Run

__all__ = ["STARTED", "STRETCHES", "run_in_environment", "run_stretches"]

STRETCHES = "stretches"
"""The key of a resumed run's environment that lists the environments of all its stretches."""

STARTED = "started"
"""The key in each of these that says when the stretch began, in seconds since 1970."""

_OF_THE_RUN = (IMPORTED, DROP_IN)  # said once, by the first stretch


def run_in_environment(run: Run, records: Iterable[Record]) -> Run:
    """A run with the environment that its records tell: that of its last stretch, and a list of all of them.

    Args:
        run: as it was begun.
        records: its records, in order.
    """
    known = [
        one for one in records_without_numbers(records) if isinstance(one, (Resumption, EnvironmentUpdate))
    ]
    if not known:
        return run
    stretches = [dict(one) for one in run_stretches(run)]
    current = stretches[0]
    for record in known:
        if isinstance(record, EnvironmentUpdate):
            current.update(record.environment)
            continue
        there = [one for one in stretches if one.get(STARTED) == record.time]  # a copy of a run has it twice
        current = there[0] if there else {STARTED: record.time, **record.environment}
        stretches += [] if there else [current]
    environment = {name: value for name, value in stretches[-1].items() if name != STARTED}
    environment |= {name: run.environment[name] for name in _OF_THE_RUN if name in run.environment}
    if len(stretches) > 1:
        environment[STRETCHES] = stretches
    return replace(run, environment=environment)


def run_stretches(run: Run) -> list[Mapping[str, Plain]]:
    """The environment of each stretch of a run, oldest first, each with its time of begin as ``started``."""
    known = run.environment.get(STRETCHES)
    if isinstance(known, list) and known and all(isinstance(one, dict) for one in known):
        return known
    own = {name: value for name, value in run.environment.items() if name != STRETCHES}
    return [{STARTED: run.started, **own}]
