"""Verification of an import: source and target are read once more and compared, number by number."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from legm.core import results
from legm.core.plain_form import canonical_text
from legm.core.point_columns import columns_by_series
from legm.core.texts import counted
from legm.errors import StorageError
from legm.importers.external_run import ExternalFile, ExternalRun
from legm.importers.ingest import UnreadableFileError, ingested_artifact_path, read_ingested_chunks
from legm.importers.translation import NOT_ENDED, TranslatedRun
from legm.records import Plain, Points, RunResult, Series, Status
from legm.runlog import log_reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Verification"]


class Verification:
    """Compares imported runs with their source: counts what is equal or adapted, and lists differences."""

    def __init__(self) -> None:
        self.equal: dict[str, int] = {}
        self.adapted: dict[str, int] = {}
        self.differences: dict[str, str] = {}
        """By the source's key, how the imported run differs from its source."""

    def verify_run(
        self,
        external: ExternalRun,
        new: TranslatedRun,
        found: RunResult | None,
        log: Path,
        files: Path | None,
    ) -> None:
        """Compare a run with its source.

        Args:
            external: the run, as its source returns it now.
            new: the same run, translated.
            found: the run in the target; None if it is missing there.
            log: the path of its run log.
            files: the folder of its artifacts; None if the backend does not store files.
        """
        problems = _fields_failing_verification(new, found) if found is not None else ["the run is missing"]
        if found is not None:
            self._compare_numbers(new, found, log, problems)
            if files is not None:
                self._compare_files(external, files, problems)
        if problems:
            self.differences[external.key] = "; ".join(problems)
            return
        self._add_count(self.equal, "runs", 1)
        parameters = new.run.configuration.active if external.has_shared_parameters else external.parameters
        self._add_count(self.equal, "parameters", len(parameters))
        self._add_count(self.equal, "tags", len(external.tags))
        self._add_count(
            self.adapted,
            "names that were changed; the original names are stored with the run",
            len(new.renamed),
        )
        self._add_count(
            self.adapted, "metrics whose values are all at one step: their positions count", new.unstepped
        )
        unended = new.outcome.error == NOT_ENDED
        self._add_count(self.adapted, "runs that were still running: imported as interrupted", int(unended))
        is_open = external.can_grow and new.outcome.status is Status.COMPLETED
        self._add_count(self.adapted, "runs without a recorded end: imported as completed", int(is_open))

    @staticmethod
    def _add_count(counts: dict[str, int], what: str, count: int) -> None:
        if count:
            counts[what] = counts.get(what, 0) + count

    def _compare_numbers(self, new: TranslatedRun, found: RunResult, log: Path, problems: list[str]) -> None:
        expected = results.run_result(new.run, [*new.records, new.outcome])
        kept = 0
        for series, history in expected.histories.items():
            there = found.histories.get(series)
            if there is None or not np.array_equal(there.steps, history.steps):
                problems.append(f"the steps of {series}")
                continue
            self._compare_values(series, history.values, there.values, problems)
            kept += len(history.steps)
        for series, value in expected.test.items():
            self._compare_values(
                series, np.array([value]), np.array([found.test.get(series, np.nan)]), problems
            )
            kept += 1
        repeated = expected.points - kept
        self._add_count(
            self.adapted,
            "numbers whose step was set again: the last one counts, the run log has all",
            repeated,
        )
        try:
            logged = log_reader.read_log(log).records
        except StorageError:
            self._add_count(self.adapted, "runs without a run log: their times are not stored", 1)
            return
        source = columns_by_series(one for one in new.records if isinstance(one, Points))
        target = columns_by_series(one for one in logged if isinstance(one, Points))
        for series, columns in source.items():
            logged_columns = target.get(series)
            if logged_columns is None or not all(
                np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
                for a, b in zip(columns, logged_columns, strict=True)
            ):
                problems.append(f"{series} in the run log")

    def _compare_values(
        self, series: Series, source: NDArray[np.float64], target: NDArray[np.float64], problems: list[str]
    ) -> None:
        same = source.view(np.int64) == target.view(np.int64)
        alike = (source == target) | (np.isnan(source) & np.isnan(target))
        if not alike.all():
            problems.append(f"{counted(int(np.count_nonzero(~alike)), 'number')} of {series}")
        nan = int(np.count_nonzero(np.isnan(source) & alike))
        zeros = int(np.count_nonzero(alike & ~same)) - int(np.count_nonzero(~same & np.isnan(source)))
        self._add_count(self.equal, "numbers", int(np.count_nonzero(same & ~np.isnan(source))) + nan)
        self._add_count(self.adapted, "numbers -0.0 that became 0.0", zeros)

    def _compare_files(self, external: ExternalRun, folder: Path, problems: list[str]) -> None:
        for file in external.files():
            try:
                is_same = _verify_same_content(file, ingested_artifact_path(folder, file.name))
            except UnreadableFileError:
                continue  # it was reported when it was copied
            if is_same:
                self._add_count(self.equal, "files", 1)
            else:
                problems.append(f"the file {file.name!r}")


def _fields_failing_verification(new: TranslatedRun, found: RunResult) -> list[str]:
    """Names of what differs between a run and its translation, except for numbers and files."""
    problems = []
    if found.status is not new.outcome.status:
        problems.append(f"the status, which is {found.status.value} instead of {new.outcome.status.value}")
    run, there = new.run, found.run
    expected = {name: run.configuration.parameters[name] for name in run.configuration.active}
    actual = {name: there.configuration.parameters.get(name) for name in there.configuration.active}
    problems += [f"the parameter {name!r}" for name in _keys_failing_verification(expected, actual)]
    # What the source no longer has is not a difference: the original legm keeps a seed until the next run.
    same = {name: value for name, value in there.parameters.items() if name in run.parameters}
    problems += [f"the parameter {name!r}" for name in _keys_failing_verification(run.parameters, same)]
    problems += [
        f"{name} of its environment"
        for name in _keys_failing_verification(run.environment, there.environment)
    ]
    if (run.started, run.description) != (there.started, there.description):
        problems.append("its start time or its description")
    return problems


def _keys_failing_verification(expected: Mapping[str, Plain], actual: Mapping[str, Plain]) -> list[str]:
    return [
        name
        for name in sorted({*expected, *actual})
        if name not in expected
        or name not in actual
        or canonical_text(expected[name]) != canonical_text(actual[name])
    ]


def _verify_same_content(file: ExternalFile, path: Path) -> bool:
    """Whether a file of the source and its copy have the same content.

    Raises:
        UnreadableFileError: the file of the source cannot be read.
    """
    chunks = read_ingested_chunks(file)
    first = next(chunks, b"")
    try:
        with path.open("rb") as copy:
            for chunk in chain([first], chunks):
                if copy.read(len(chunk)) != chunk:
                    return False
            return not copy.read(1)
    except OSError:
        return False
