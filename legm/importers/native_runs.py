"""Native runs: legm's own backends wrote them to another tracker, and their files restore them exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from legm.backends import portable
from legm.backends.portable_media import counting_media, read_media_entries
from legm.core import point_columns as columns
from legm.core.naming import unescape_name
from legm.core.results import records_from_result
from legm.core.system_names import is_system_name
from legm.errors import StorageError
from legm.importers.external_run import ExternalFile, ExternalMedium, ExternalRun
from legm.importers.import_notes import ImportNotes
from legm.importers.run_validation import require_valid_run
from legm.records import BestRule, Display, Points, Run, RunResult, Series, Split, Status

if TYPE_CHECKING:
    from legm.records import IntArray

__all__ = ["native_columns_without_rewound", "restore_native_run", "rewound_in_native_run"]

_DAMAGE_ERRORS = (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, BadZipFile)


def restore_native_run(
    external: ExternalRun, tracker: str, notes: ImportNotes, metric: Callable[[str], str] = str
) -> ExternalRun:
    """Restore a run that legm wrote to another tracker.

    A run without the files that hold it exactly stays as the tracker describes it.

    Args:
        external: the run as the tracker describes it, with its numbers at legm's steps.
        tracker: the tracker's name for messages.
        notes: collects what is missing.
        metric: converts the tracker's name of a metric to legm's.

    Raises:
        StorageError: the files are not what legm wrote.
    """
    files = {file.name: file for file in external.files()}
    if portable.RUN_FILE not in files:
        notes.add(
            f"native runs without their file {portable.RUN_FILE}: imported as {tracker} shows them",
            external.key,
        )
        return external
    result: RunResult | None = None
    series: list[Series] = []
    try:
        run = portable.run_from(_read_native_content(files[portable.RUN_FILE]))
        if portable.RESULT_FILE in files and portable.SERIES_FILE in files:
            result, series = portable.result_from(
                _read_native_content(files[portable.RESULT_FILE]), run.configuration
            )
            if result.status is Status.RUNNING:  # it was resumed, and what is there is of before
                result = None
            else:
                run = result.run
        require_valid_run(run)
    except _DAMAGE_ERRORS as cause:
        raise _native_damage_error(external.key, tracker, cause) from cause
    status = external.status if result is None else result.status
    rewound = rewound_in_native_run(files.values(), external.key, tracker)

    def records() -> Iterator[Points | Display | BestRule]:
        shown = [
            one for one in external.records() if isinstance(one, Points)
        ]  # as the tracker shows them: their times, and all that a killed run has
        texts = {name: file for name, file in files.items() if name not in rewound.texts}
        yield from _native_displays(texts, shown, run, metric)
        if result is None:
            yield columns.points_from_columns(
                columns.columns_by_series(shown), lambda series: _native_series(series, metric)
            )
            return
        try:
            histories = portable.series_from(_read_native_content(files[portable.SERIES_FILE]), series, None)
        except _DAMAGE_ERRORS as cause:
            raise _native_damage_error(external.key, tracker, cause) from cause
        times = _native_times_by_step(shown, metric)
        for record in records_from_result(replace(result, histories=histories)):
            if isinstance(record, Points):
                yield _with_native_times(record, times)
            elif isinstance(record, BestRule):
                yield record

    return replace(
        external,
        experiment=run.configuration.experiment,
        status=Status.INTERRUPTED if status is Status.RUNNING else status,
        started=run.started,
        ended=external.ended if result is None else result.ended,
        error=None if result is None else result.error,
        records=records,
        files=lambda: [
            *(
                replace(file, name=unescape_name(name.removeprefix(f"{portable.ARTIFACTS}/")), medium=None)
                for name, file in files.items()
                if name.startswith(f"{portable.ARTIFACTS}/")
            ),
            *_native_media(files, external.key, tracker, notes),
        ],
        native_run=run,
    )


def _native_media(
    files: Mapping[str, ExternalFile], key: str, tracker: str, notes: ImportNotes
) -> Iterator[ExternalFile]:
    """The files of the media that count, in the order in which they were logged.

    Raises:
        StorageError: the index that lists them is damaged.
    """

    def read(name: str) -> bytes | None:
        return _read_native_content(files[name]) if name in files else None

    try:
        media = counting_media(read_media_entries(read))
    except _DAMAGE_ERRORS as cause:
        raise _native_damage_error(key, tracker, cause) from cause
    for medium in media:
        for one in medium.files:
            if one.path in files:
                shown = ExternalMedium(
                    medium.name, medium.kind, medium.step, medium.time, one.caption, one.details
                )
                yield replace(files[one.path], medium=shown)
            else:
                notes.add("media whose files are missing", f"{key}: {one.path}")


def rewound_in_native_run(files: Iterable[ExternalFile], key: str, tracker: str) -> portable.Rewound:
    """What the tracker of a native run still has although the run was rewound behind it.

    Args:
        files: of the run.
        key: the run's key, for errors.
        tracker: the tracker's name, for errors.

    Raises:
        StorageError: the file that says so is damaged.
    """
    for file in files:
        if file.name == portable.REWOUND_FILE:
            try:
                return portable.rewound_from(_read_native_content(file))
            except _DAMAGE_ERRORS as cause:
                raise _native_damage_error(key, tracker, cause) from cause
    return portable.NOTHING_REWOUND


def native_columns_without_rewound(
    found: columns.Columns, rewound: portable.Rewound, positions: Mapping[Series, IntArray]
) -> columns.Columns:
    """The numbers of a native run, under the tracker's names, without those that are void.

    Args:
        found: the columns of each series.
        rewound: what is void.
        positions: where the numbers of each series are in the tracker's order.
    """
    kept = dict(found)
    for series, (steps, times, values) in found.items():
        if series.name.partition("/")[0] in {Split.DEV.value, portable.DISPLAYS} and rewound.marks:
            counts = ~rewound.voids(steps, positions[series])
            kept[series] = steps[counts], times[counts], values[counts]
    return kept


def _native_damage_error(key: str, tracker: str, cause: BaseException) -> StorageError:
    files = f"the files below {portable.FOLDER}/ of the {tracker} run {key}"
    return StorageError(f"{files} are damaged: {cause!r}")


def _read_native_content(file: ExternalFile) -> bytes:
    with file.open() as opened:
        return opened.read()


def _native_series(series: Series, metric: Callable[[str], str]) -> Series | None:
    """The series that a metric of the tracker was written for; None for one that legm computed."""
    split, slash, name = series.name.partition("/")
    if not slash or split not in {"dev", "test"}:
        return None
    return Series(metric(name), Split(split))


def _native_times_by_step(
    shown: list[Points], metric: Callable[[str], str]
) -> dict[Series, dict[int, float]]:
    """The time of each number by series and step, from the metrics that the tracker shows."""
    return {
        series: dict(zip(steps.tolist(), times.tolist(), strict=True))
        for shown_as, (steps, times, _) in columns.columns_by_series(shown).items()
        if (series := _native_series(shown_as, metric)) is not None
    }


def _with_native_times(points: Points, known: Mapping[Series, Mapping[int, float]]) -> Points:
    """The points with the known times filled in."""
    import numpy as np

    blocks = []
    for layout, steps, times, values in points.blocks():
        for i, series in enumerate(layout):
            of_series = known.get(series, {})
            at = [
                of_series.get(step, time) for step, time in zip(steps.tolist(), times.tolist(), strict=True)
            ]
            blocks.append(((series,), steps, np.array(at), values[:, i]))
    return columns.points_from_blocks(blocks)


def _native_displays(
    files: Mapping[str, ExternalFile], shown: list[Points], run: Run, metric: Callable[[str], str]
) -> Iterator[Display]:
    for name, file in files.items():
        parts = name.split("/")
        step = parts[-1].removesuffix(".txt")
        if len(parts) == 3 and parts[0] == portable.TEXTS and step.lstrip("-").isdigit():
            text = _read_native_content(file).decode(errors="replace")
            yield Display(unescape_name(parts[1]), text, int(step), run.started)
    for series, found in columns.columns_by_series(shown).items():
        if series.name.startswith(f"{portable.DISPLAYS}/") or is_system_name(series.name):
            name = metric(series.name.removeprefix(f"{portable.DISPLAYS}/"))
            for step, time, value in zip(*(column.tolist() for column in found), strict=True):
                yield Display(name, value, step, time)
