"""A backend that keeps runs as long as it lives, and what it was given."""

from __future__ import annotations

from pathlib import Path

from legm import hookimpl
from legm.hooks import Capability
from legm.records import BestRule, Points


class Memory:
    """The least that a backend can be: it keeps runs as long as it lives."""

    name = "memory"
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, root: Path, **options: object) -> None:
        self.root, self.options = root, options
        self.calls: list[str] = []
        self.batches: dict[str, dict[int, list]] = {}
        self.results: dict = {}
        self.closing: dict[str, list] = {}

    @hookimpl
    def legm_open_run(self, run):
        self.calls.append("open")
        self.batches.setdefault(run.run_id, {})

    @hookimpl
    def legm_write(self, run, records, position):
        self.calls.append("write")
        known = self.batches[run.run_id]
        assert position > max(known, default=0)
        known[position] = list(records)

    @hookimpl
    def legm_close_run(self, run, result, records):
        self.calls.append("close")
        self.results[run.run_id] = result
        self.closing[run.run_id] = list(records)

    @hookimpl
    def legm_read_runs(self, query):
        self.calls.append("read runs")
        for result in self.results.values():
            run = result.run
            if run.configuration.experiment != query.experiment:
                continue
            if query.fingerprint not in {None, run.configuration.fingerprint}:
                continue
            if query.description in {None, run.description}:
                yield result

    @hookimpl
    def legm_read_configurations(self, experiment):
        self.calls.append("read configurations")
        every = [result.run.configuration for result in self.results.values()]
        return list({c.fingerprint: c for c in every if c.experiment == experiment}.values())

    def written(self) -> list:
        """What came by ``legm_write``, as it was set: each number with its series and step."""
        (batches,) = self.batches.values()
        return flat(record for position in sorted(batches) for record in batches[position])


def flat(records) -> list:
    found = []
    for record in records:
        if isinstance(record, Points):
            for series, step, _, values in record.rows():
                found += [
                    (str(s), "position" if step < 0 else step, v) for s, v in zip(series, values, strict=True)
                ]
        elif isinstance(record, BestRule):
            found.append(record)
    return found
