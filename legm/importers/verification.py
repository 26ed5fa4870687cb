"""Verification of an import: source and target are read once more and compared, number by number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from legm.core.plain_form import canonical_plain_text
from legm.core.point_columns import columns_by_series
from legm.core.texts import counted
from legm.errors import StorageError
from legm.importers.external_run import ExternalFile, ExternalRun
from legm.importers.ingest import UnreadableFileError, ingested_artifact_path, read_ingested_chunks
from legm.importers.translation import NOT_ENDED, TranslatedRun
from legm.media.content_files import content_extension
from legm.records import History, Plain, Points, RunResult, Series, Status
from legm.runlog.file_names import MEDIA
from legm.runlog.log_reader import read_log
from legm.runlog.log_records import read_log_in_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Verification"]


_KINDS = ("numbers", "files", "runs", "parameters", "tags")


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is known of a run before its series were compared.

    Args:
        problems: how it differs so far.
        series: a digest of each expected dev series.
        equal: how many items are equal if it does not differ, by kind.
        adapted: the same of those that had to be changed.
    """

    problems: list[str]
    series: Mapping[Series, bytes]
    equal: Mapping[str, int]
    adapted: Mapping[str, int]


def _digest_to_verify(history: History) -> bytes:
    """A digest of a series, the same for the same bits."""
    digest = blake2b(digest_size=16)
    for column in (history.steps, history.values):
        digest.update(np.ascontiguousarray(column).data)
    return digest.digest()


class Verification:
    """Compares imported runs with their source: counts what is equal or adapted, and lists differences."""

    def __init__(self) -> None:
        self.equal: dict[str, int] = dict.fromkeys(_KINDS, 0)
        self.adapted: dict[str, int] = {}
        self.differences: dict[str, str] = {}
        """By the source's key, how the imported run differs from its source."""
        self._pending: dict[str, _Pending] = {}

    def verify_source(
        self,
        external: ExternalRun,
        new: TranslatedRun,
        found: RunResult,
        log: Path,
        files: Path | None,
    ) -> None:
        """Compare a run with its source, apart from its series in the target: see :meth:`verify_series`.

        So the numbers of both sides are never in memory at once.

        Args:
            external: the run, as its source returns it now.
            new: the same run, translated.
            found: the run in the target, which may lack its series.
            log: the path of its run log.
            files: the folder of its artifacts; None if the backend does not store files.
        """
        problems = _fields_failing_verification(new, found)
        expected = new.result()
        for series, value in expected.test.items():
            self._compare_values(
                series, np.array([value]), np.array([found.test.get(series, np.nan)]), problems
            )
        kept = len(expected.test) + sum(len(history.steps) for history in expected.histories.values())
        self._add_count(
            self.adapted,
            "numbers whose step was set again: the last one counts, the run log has all",
            expected.points - kept,
        )
        self._compare_log(new, log, problems)
        if files is not None:
            self._compare_files(external, files, problems)
        self._pending[external.key] = _Pending(
            problems,
            {series: _digest_to_verify(history) for series, history in expected.histories.items()},
            _verified_equal_items(external, new),
            _verified_adapted_items(external, new),
        )

    def verify_series(self, key: str, found: RunResult, source: Callable[[], TranslatedRun]) -> None:
        """Compare a run's series with its source.

        Args:
            key: the run's key in its source.
            found: the run in the target, with its series.
            source: translates the run once more, to say how a series differs.

        Raises:
            LegmError: the source cannot be read.
        """
        pending = self._pending.pop(key)
        different = []
        for series, digest in pending.series.items():
            there = found.histories.get(series)
            if there is not None and _digest_to_verify(there) == digest:
                self._add_count(self.equal, "numbers", len(there.steps))
            else:
                different.append(series)
        expected = source().result().histories if different else {}
        for series in different:
            there = found.histories.get(series)
            if there is None or not np.array_equal(there.steps, expected[series].steps):
                pending.problems.append(f"the steps of {series}")
            else:
                self._compare_values(series, expected[series].values, there.values, pending.problems)
        if pending.problems:
            self.differences[key] = "; ".join(pending.problems)
            return
        for counts, items in ((self.equal, pending.equal), (self.adapted, pending.adapted)):
            for what, count in items.items():
                self._add_count(counts, what, count)

    @staticmethod
    def _add_count(counts: dict[str, int], what: str, count: int) -> None:
        if count:
            counts[what] = counts.get(what, 0) + count

    def _compare_log(self, new: TranslatedRun, log: Path, problems: list[str]) -> None:
        try:
            problems += [f"{series} in the run log" for series in _series_failing_verification(new, log)]
        except StorageError:
            self._add_count(self.adapted, "runs without a run log: their times are not stored", 1)

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
                is_same = _is_file_verified(file, folder)
            except UnreadableFileError:
                continue  # it was reported when it was copied
            if is_same:
                self._add_count(self.equal, "files", 1)
            else:
                problems.append(f"the file {file.name!r}")


def _is_file_verified(file: ExternalFile, folder: Path) -> bool:
    """Whether a file of the source is among the artifacts in a folder, with the same content.

    Raises:
        UnreadableFileError: the source's file cannot be read.
    """
    if file.medium is None:
        return _verify_same_content(file, ingested_artifact_path(folder, file.name))
    digest = hashlib.sha256()
    for chunk in read_ingested_chunks(file):
        digest.update(chunk)
    kept = folder / MEDIA / f"{digest.hexdigest()}{content_extension(file.name)}"
    return _verify_same_content(file, kept)


def _verified_equal_items(external: ExternalRun, new: TranslatedRun) -> dict[str, int]:
    parameters = new.run.configuration.active if external.has_shared_parameters else external.parameters
    return {"runs": 1, "parameters": len(parameters), "tags": len(external.tags)}


def _verified_adapted_items(external: ExternalRun, new: TranslatedRun) -> dict[str, int]:
    unended = new.outcome.error == NOT_ENDED
    is_open = external.can_grow and new.outcome.status is Status.COMPLETED
    return {
        "names that were changed; the original names are stored with the run": len(new.renamed),
        "metrics whose values are all at one step: their positions count": new.unstepped,
        "runs that were still running: imported as interrupted": int(unended),
        "runs without a recorded end: imported as completed": int(is_open),
    }


def _series_failing_verification(new: TranslatedRun, log: Path) -> list[Series]:
    """The series whose steps, times and values are not those of a log.

    Raises:
        StorageError: the log cannot be read.
    """
    if new.columns is None:  # a series may be in several layouts, so that the order depends on the pieces
        source = columns_by_series(one for one in new.records if isinstance(one, Points))
        logged = read_log(log).records
    else:
        source, logged = new.columns, read_log_in_pieces(log).records
    compared = dict.fromkeys(source, 0)
    wrong: set[Series] = set()
    for points in logged:
        for layout, steps, times, values in points.blocks() if isinstance(points, Points) else ():
            for column, series in enumerate(layout):
                if series not in compared:
                    continue
                rows = slice(compared[series], compared[series] + len(steps))
                compared[series] = rows.stop
                if not all(
                    np.array_equal(a[rows], b, equal_nan=a.dtype.kind == "f")
                    for a, b in zip(source[series], (steps, times, values[:, column]), strict=True)
                ):
                    wrong.add(series)
    return [one for one, (steps, _, _) in source.items() if one in wrong or compared[one] != len(steps)]


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
        or canonical_plain_text(expected[name]) != canonical_plain_text(actual[name])
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
