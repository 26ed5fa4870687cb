"""Runs of W&B that a script resumes although an earlier capture imported them: one run, not two.

W&B knows such a run by its id, but the private folder of an earlier capture is gone. What was imported then
is read from the root directory. It comes first, and the new folder continues it, as if both
folders were there. A copy of the earlier log lies in the staging folder, since the run itself is replaced.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from legm.core.origins import IMPORTED
from legm.core.point_columns import columns_by_series, points_from_columns
from legm.delivery.client import BackendClient
from legm.delivery.reading import read_counts
from legm.delivery.script_runs import is_same_script_value
from legm.errors import storage_error
from legm.importers.external_run import ExternalFile, ExternalMedium, ExternalRun
from legm.importers.ingest import ingested_artifact_path
from legm.importers.translation import translated_experiment, translated_run_id
from legm.records import Artifact, BestRule, Display, Media, Plain, Points, Record, Run
from legm.runlog import log_reader
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.file_names import MEDIA, log_file_name
from legm.runlog.log_folder import LogFolder

if TYPE_CHECKING:
    from legm.records import IntArray

__all__ = ["EarlierRuns"]

log = logging.getLogger("legm.capture")

_KIND = "wandb"  # MLflow finds no run of an earlier store


class EarlierRuns:
    """Finds the runs of earlier captures that runs of this one resume.

    Args:
        client: reads the root directory.
        folder: a folder for copies of their logs.
        kept: by its key, the parameters that a run keeps which the script resumes without knowing.
    """

    def __init__(
        self,
        client: BackendClient,
        folder: Path,
        kept: Mapping[str, Mapping[str, Plain]] | None = None,
    ) -> None:
        self._client = client
        self._folder = folder
        self._kept = dict(kept or {})
        self._reported: set[tuple[str, str]] = set()
        self._logs: dict[str, Path | None] = {}
        self._stored: dict[str, list[Path]] = {}

    def has(self, run: ExternalRun, kind: str) -> bool:
        """Whether an earlier capture imported a run under the same id."""
        return self._log(run, kind) is not None

    def stored(self, run: ExternalRun, kind: str) -> Run | None:
        """The run as an earlier capture stored it; None if it is not there any more.

        Raises:
            StorageError: it cannot be read.
        """
        run_id = translated_run_id(run, kind)
        found = next(self._stored_logs(translated_experiment(run), run_id), None)
        return None if found is None else log_reader.read_log(found).run

    def joined(self, run: ExternalRun, kind: str) -> ExternalRun:
        """The run with what an earlier capture imported of it.

        Raises:
            StorageError: the earlier run cannot be read.
        """
        path = self._log(run, kind)
        if path is None:
            return run
        log = log_reader.read_log(path)
        return replace(
            run,
            started=log.run.started,
            parameters={**_earlier_run_parameters(log.run, run), **run.parameters, **self._kept_of(run)},
            records=lambda: _earlier_run_records(path, run),
            files=lambda: self._files(path, run),
        )

    def _kept_of(self, run: ExternalRun) -> Mapping[str, Plain]:
        """The parameters that the run keeps; where the script gave it others, that is said once."""
        kept = self._kept.get(run.key, {})
        for name, value in kept.items():
            own = run.parameters.get(name, value)
            if not is_same_script_value(own, value) and (run.key, name) not in self._reported:
                self._reported.add((run.key, name))
                log.warning("the run was resumed: its %r stays %r, not %r", name, value, own)
        return kept

    def _log(self, run: ExternalRun, kind: str) -> Path | None:
        """The copy of the earlier log; None if there is none."""
        if kind != _KIND or run.native_run is not None:
            return None
        run_id = translated_run_id(run, kind)
        if run_id not in self._logs:
            self._logs[run_id] = self._copy_earlier_log(run, run_id)
        return self._logs[run_id]

    def _copy_earlier_log(self, run: ExternalRun, run_id: str) -> Path | None:
        copy = self._folder / log_file_name(run_id)
        if copy.exists():
            return copy
        digest = run_id.rpartition("-")[2]
        for path in self._stored_logs(translated_experiment(run), f"-{digest}"):
            if path.stem == run_id:
                continue
            imported = log_reader.read_log(path).run.environment.get(IMPORTED)
            if isinstance(imported, dict) and imported.get("key") == run.key:
                try:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy)
                except OSError as cause:
                    raise storage_error("copy", path, cause) from cause
                return copy
        return None

    def _folders(self, experiment: str) -> list[Path]:
        """The folders of an experiment's configurations, as they are now."""
        counts = read_counts(self._client, experiment)
        return [Path(folder) for folder in {one.folder for one in counts if one.folder is not None}]

    def _stored_logs(self, experiment: str, ending: str) -> Iterator[Path]:
        """The logs of the runs whose ids end so, in the folders that were there before this capture."""
        if experiment not in self._stored:
            self._stored[experiment] = self._folders(experiment)
        for folder in self._stored[experiment]:
            yield from sorted(LogFolder.of(folder).folder.glob(f"*{log_file_name(ending)}"))

    def _files(self, path: Path, run: ExternalRun) -> Iterable[ExternalFile]:
        """The new files, and those of the earlier run that have other names."""
        log = log_reader.read_log(path)
        shift = _steps_of_earlier_run(log.records, run.records(), run.counted_metrics())
        new = [_with_step_past_earlier(file, shift) for file in run.files()]
        names = {file.name for file in new}
        kept = dict.fromkeys(one.name for one in log.records if isinstance(one, Artifact))
        folder = self._artifacts(log.run)
        if folder is None:
            return new
        others = [name for name in kept if name not in names]
        shown = {(file.medium.name, file.medium.kind, file.medium.step) for file in new if file.medium}
        return [
            *(
                file
                for one in log.records
                if isinstance(one, Media) and (one.name, one.kind, one.step) not in shown
                for file in _files_of_earlier_medium(one, folder)
            ),
            *new,
            *(ExternalFile.from_path(name, ingested_artifact_path(folder, name)) for name in others),
        ]

    def _artifacts(self, run: Run) -> Path | None:
        """Where the run's files are now; they move with the run."""
        for folder in self._folders(run.configuration.experiment):
            if LogFolder.of(folder).find(run.run_id) is not None:
                return artifacts_folder(folder, run.run_id)
        return None


def _files_of_earlier_medium(medium: Media, folder: Path) -> Iterator[ExternalFile]:
    """The files of a medium, which are among the artifacts in a folder by now."""
    for one in medium.files:
        name = Path(one.path).name
        shown = ExternalMedium(
            medium.name, medium.kind, medium.step, medium.time, one.caption, dict(one.details)
        )
        yield ExternalFile.from_path(name, folder / MEDIA / name, shown)


def _with_step_past_earlier(file: ExternalFile, shift: int) -> ExternalFile:
    medium = file.medium
    return file if medium is None else replace(file, medium=replace(medium, step=medium.step + shift))


def _earlier_run_parameters(earlier: Run, run: ExternalRun) -> dict[str, Plain]:
    """The parameters of the earlier run under the names that they have in W&B, without its labels."""
    imported = earlier.environment.get(IMPORTED)
    renamed = imported.get("renamed") if isinstance(imported, dict) else None
    names = renamed if isinstance(renamed, dict) else {}
    known = {**earlier.configuration.parameters, **earlier.parameters}
    labels = {f"{_KIND}.{name}" for name in ("name", "group", "job_type", "tags", "program", "commit")}
    kept = {name: value for name, value in known.items() if name not in labels or name in run.parameters}
    return {str(names.get(name, name)): value for name, value in kept.items()}


def _earlier_run_records(path: Path, run: ExternalRun) -> Iterator[Points | Display | BestRule]:
    """The records of the earlier run, and those of the new one, with continued steps if these begin at 0."""
    earlier, new, counted = log_reader.read_log(path).records, list(run.records()), run.counted_metrics()
    yield from (one for one in earlier if isinstance(one, (Points, Display, BestRule)))
    shift = _steps_of_earlier_run(earlier, new, counted)
    for record in new:
        yield _shifted_past_earlier_run(record, shift, counted)


def _steps_of_earlier_run(earlier: Sequence[Record], new: Iterable[Record], counted: frozenset[str]) -> int:
    """How many steps the earlier run has before the new one, whose steps begin at 0; 0 if they continue.

    Args:
        earlier: the earlier run's records.
        new: those of the new one.
        counted: the metrics whose steps are no numbers of rows.
    """
    last = max((int(steps.max()) for steps in _earlier_row_numbers(earlier, counted)), default=-1)
    first = min((int(steps.min()) for steps in _earlier_row_numbers(new, counted)), default=None)
    return last + 1 if first == 0 else 0


def _earlier_row_numbers(records: Iterable[Record], counted: frozenset[str]) -> Iterator[IntArray]:
    """The steps, of each series, that are numbers of rows."""
    columns = columns_by_series(one for one in records if isinstance(one, Points))
    for series, (steps, _, _) in columns.items():
        if series.name not in counted and len(steps):
            yield steps


def _shifted_past_earlier_run(
    record: Points | Display | BestRule, shift: int, counted: frozenset[str]
) -> Points | Display | BestRule:
    if isinstance(record, Points):
        columns = {
            series: (steps if series.name in counted else np.asarray(steps + shift, np.int64), times, values)
            for series, (steps, times, values) in columns_by_series([record]).items()
        }
        return points_from_columns(columns, lambda series: series)
    return replace(record, step=record.step + shift) if isinstance(record, Display) else record
