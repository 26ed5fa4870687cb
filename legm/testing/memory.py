"""The reference backend, which keeps everything in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from legm.core.rewinding import without_rewound
from legm.hooks import Capability, hookimpl
from legm.records import (
    ChangeKind,
    Configuration,
    Curve,
    Media,
    Query,
    Record,
    Resumption,
    Run,
    RunMarks,
    RunResult,
    Status,
    StoredChange,
    Summary,
)

__all__ = ["MemoryBackend"]


class MemoryBackend:
    """Keeps runs in memory. Run logs and the user's files are still in the root directory.

    Args:
        root: the root directory.
    """

    name = "memory"
    capabilities = frozenset(Capability) - {Capability.FOLDERS, Capability.REMOTE}

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results: dict[str, RunResult] = {}
        """The result of each finished run, by run id."""
        self.records: dict[str, dict[int, Sequence[Record]]] = {}
        """The batches of each run, by run id and position."""
        self.summaries: dict[tuple[str, str], Summary] = {}
        """By fingerprint and description."""
        self.curves: dict[tuple[str, str, str], Curve] = {}
        """By fingerprint, description and metric."""
        self.pictures: dict[tuple[str, str | None, str, str, str], bytes] = {}
        """By experiment, fingerprint (None where configurations are compared), description and name."""

    @hookimpl
    def legm_open_run(self, run: Run) -> int:
        """Open a run; a resumed one continues after the last batch."""
        return max(self.records.setdefault(run.run_id, {}), default=0)

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Store a batch."""
        self.records[run.run_id][position] = records
        known = self.results.get(run.run_id)
        is_resumed = any(isinstance(record, Resumption) for record in records)
        if is_resumed and known is not None and known.status is not Status.COMPLETED:
            del self.results[run.run_id]  # it is running again

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        """Store the result."""
        self.results[run.run_id] = result

    @hookimpl
    def legm_write_marks(self, run: Run, before: RunMarks, marks: RunMarks) -> None:  # noqa: ARG002 - a hook
        """Store what is noted about a run."""
        if run.run_id in self.results:
            self.results[run.run_id] = replace(self.results[run.run_id], marks=marks)

    def _has(self, run: Run) -> bool:
        """Whether a finished run is here with this configuration."""
        known = self.results.get(run.run_id)
        return known is not None and known.run.configuration.fingerprint == run.configuration.fingerprint

    @hookimpl
    def legm_plan_change(self, run: Run, after: Run | None) -> StoredChange:
        """A run is amended as it is stored."""
        if not self._has(run):
            return StoredChange(ChangeKind.ABSENT)
        return StoredChange(ChangeKind.DELETED if after is None else ChangeKind.AMENDED)

    @hookimpl
    def legm_amend_run(self, run: Run, after: Run) -> None:
        """Change the configuration, the parameters and the description of a run."""
        if self._has(run):
            known = self.results[run.run_id]
            now = replace(
                known.run,
                configuration=after.configuration,
                parameters=after.parameters,
                description=after.description,
            )
            self.results[run.run_id] = replace(known, run=now)

    @hookimpl
    def legm_discard_run(self, run: Run) -> None:
        """Delete a run of this configuration."""
        if run.run_id in self.results and not self._has(run):
            return
        self.results.pop(run.run_id, None)
        self.records.pop(run.run_id, None)

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult]:
        """The runs that a query selects."""
        for result in list(self.results.values()):
            if (
                result.run.configuration.experiment == query.experiment
                and query.fingerprint in {None, result.run.configuration.fingerprint}
                and query.description in {None, result.run.description}
            ):
                yield result

    @hookimpl
    def legm_read_media(self, run: Run) -> list[Media]:
        """The media of a run; their files are among its artifacts in the root directory."""
        batches = sorted(self.records.get(run.run_id, {}).items())
        records = without_rewound([record for _, batch in batches for record in batch])
        return [record for record in records if isinstance(record, Media)]

    @hookimpl
    def legm_read_experiments(self) -> set[str]:
        """The experiments of the runs."""
        return {result.run.configuration.experiment for result in self.results.values()}

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> list[Configuration]:
        """The configurations of an experiment."""
        every = [result.run.configuration for result in self.results.values()]
        return list({one.fingerprint: one for one in every if one.experiment == experiment}.values())

    @hookimpl
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Store aggregates."""
        self.summaries[configuration.fingerprint, description] = summary

    @hookimpl
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Store aggregated curves."""
        for curve in curves:
            self.curves[configuration.fingerprint, description, curve.metric] = curve

    @hookimpl
    def legm_write_figure(
        self,
        experiment: str,
        configuration: Configuration | None,
        description: str,
        name: str,
        content: bytes,
        format: str,
    ) -> str:
        """Store a figure."""
        fingerprint = configuration.fingerprint if configuration is not None else None
        self.pictures[experiment, fingerprint, description, name, format] = content
        return f"{name}.{format}"
