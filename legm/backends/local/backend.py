"""The local backend's hooks."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from legm.backends.local.entry_file import Entry, EntryFile
from legm.backends.local.folder_contents import experiments_in_folders, runs_in_folders
from legm.backends.local.folder_index import FolderIndex, find_experiment_folder
from legm.backends.local.parameters_file import (
    read_configuration,
    refuse_newer_parameters,
    stated_parameters_fingerprint,
)
from legm.backends.local.result_yaml import metrics_yaml_head, series_yaml, steps_yaml_head
from legm.backends.local.status_cache import cached_statuses_once, read_cached_statuses
from legm.core.naming import short_name
from legm.errors import CorruptFile, storage_error
from legm.hooks import Capability, hookimpl
from legm.media.content_files import delete_unused_contents
from legm.records import (
    Configuration,
    Display,
    Media,
    Outcome,
    Points,
    Query,
    Record,
    Resumption,
    Rewind,
    Run,
    RunCounts,
    RunResult,
    Series,
    Split,
    Status,
    Summary,
)
from legm.runlog.configuration_folders import (
    artifacts_folder,
    refuse_folder_links,
    refuse_linked_configuration_folder,
)
from legm.runlog.file_names import AGGREGATES_FILE, METRICS_FILE, PLOTS, STEPS_FILE, TENSORBOARD
from legm.runlog.log_folder import LogFolder
from legm.util import yaml_text
from legm.util.atomic_files import delete_folder, write_atomically
from legm.util.locks import file_lock
from legm.util.yaml_files import load_yaml

if TYPE_CHECKING:
    from legm.backends.local.event_file import EventFile

__all__ = ["LocalBackend"]

_REWRITE_PAUSE = 1.0  # seconds, the least between two rewrites of the event file of a running run,
_REWRITE_SHARE = 20  # and the least in the time that the last one took
_EARLIER_RESULTS = "result"  # the folder, below that of a run, that earlier versions made for the table


@dataclass(slots=True)
class _OpenRun:
    """A run that is being written.

    Args:
        folder: the configuration's.
        events: its event file; None once it is closed.
        is_new: whether this process began it, so that no file can have an entry of it yet.
        last_steps: of each dev series, and of each test series that was set.
        in_order: whether the event file has each step once, and each test metric once.
        next_rewrite: when it may be written anew during the run, by the monotonic clock.
    """

    folder: Path
    events: EventFile | None
    is_new: bool
    last_steps: dict[Series, int] = field(default_factory=dict)
    in_order: bool = True
    next_rewrite: float = 0.0
    metrics: Entry | None = None
    steps: Entry | None = None


class LocalBackend:
    """Keeps runs in folders below a root directory.

    Args:
        root: the root directory; it is made when the first run begins.
    """

    name = "local"
    capabilities = frozenset(Capability) - {
        Capability.REMOTE,
        Capability.CURVES,
        Capability.MARKS,
        Capability.AMEND,  # folders are changed by legm.backends.local.folder_changes
    }

    def __init__(self, root: Path) -> None:
        self._root = root
        self._fixed: dict[str, Path] = {}
        self._last: tuple[str, Path] | None = None  # the folder that was found last, by fingerprint
        self._open: dict[str, _OpenRun] = {}

    def use_folder(self, folder: Path) -> None:
        """Use a folder for its configuration, wherever it is, and although there may be copies.

        Raises:
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged.
        """
        self._fixed[read_configuration(folder).fingerprint] = folder

    def _experiment_folder(self, experiment: str) -> Path:
        return find_experiment_folder(self._root, experiment)

    def _folders(self, experiment: str) -> FolderIndex:
        return FolderIndex(self._experiment_folder(experiment))

    def _find_folder(self, configuration: Configuration) -> Path | None:
        fixed = self._fixed_folder(configuration)
        return fixed or self._folders(configuration.experiment).find(configuration.fingerprint)

    def _fixed_folder(self, configuration: Configuration) -> Path | None:
        """The folder that is used for a configuration whatever others there are, unless it was amended."""
        fixed = self._fixed.get(configuration.fingerprint)
        if fixed is not None and stated_parameters_fingerprint(fixed) not in {
            None,
            configuration.fingerprint,
        }:
            return None
        return fixed

    def _require_folder(self, configuration: Configuration) -> Path:
        folder = (
            self._fixed_folder(configuration)
            or self._last_folder(configuration)
            or self._folders(configuration.experiment).create(configuration)
        )
        refuse_linked_configuration_folder(folder)
        self._last = configuration.fingerprint, folder
        return folder

    def _last_folder(self, configuration: Configuration) -> Path | None:
        """The folder that was found last, where it is still there and of this configuration.

        Raises:
            NewerFile: a newer legm wrote it.
        """
        fingerprint, folder = self._last or ("", self._root)
        if fingerprint != configuration.fingerprint or stated_parameters_fingerprint(folder) != fingerprint:
            return None
        refuse_newer_parameters(folder)
        return folder

    # Runs

    @hookimpl
    def legm_folder(self, configuration: Configuration, create: bool) -> Path | None:
        """The configuration's folder."""
        return self._require_folder(configuration) if create else self._find_folder(configuration)

    @hookimpl
    def legm_experiment_folder(self, experiment: str) -> Path:
        """The experiment's folder."""
        return self._experiment_folder(experiment)

    @hookimpl
    def legm_open_run(self, run: Run) -> None:
        """Begin the run's event file."""
        if run.run_id in self._open and self._open[run.run_id].events is not None:
            return
        from legm.backends.local import event_file  # needs TensorBoard's files

        folder = self._require_folder(run.configuration)
        events_folder = _local_events_folder(folder, run)
        refuse_folder_links(events_folder)
        is_new = not events_folder.exists()
        try:
            opened = event_file.EventFile(events_folder, started=run.started)
        except OSError as cause:
            raise storage_error("write event files in", events_folder, cause) from cause
        known = self._open.get(run.run_id)
        if known is None:
            self._open[run.run_id] = _OpenRun(folder, opened, is_new)
        else:
            known.events, known.in_order = opened, False

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Put numbers and displays into the event file, where TensorBoard sees them at once."""
        opened = self._open[run.run_id]
        if opened.events is None:
            self.legm_open_run(run)
        assert opened.events is not None  # noqa: S101
        if any(isinstance(one, Resumption) for one in records):
            self._continue_events(run, opened, position)
        try:
            opened.in_order = (
                _write_local_events(opened.events, records, opened.last_steps) and opened.in_order
            )
            if not opened.in_order and time.monotonic() >= opened.next_rewrite:
                self._rewrite_events(run, opened, position)
        except OSError as cause:
            raise storage_error("write the event file", opened.events.path, cause) from cause

    @staticmethod
    def _continue_events(run: Run, opened: _OpenRun, position: int) -> None:
        """Note the last steps of a resumed run, so that its curves are written anew where they go back."""
        from legm.core.results import ordered_dev_results
        from legm.runlog.log_reader import read_log

        log = LogFolder.of(opened.folder).find(run.run_id)
        if log is None:  # the records come from elsewhere: all of them
            return
        known = read_log(log, until=position).records
        last = max(at for at, record in enumerate(known) if isinstance(record, Resumption))
        for points in ordered_dev_results(known[:last]):
            _note_rising_local_steps(_shown_local_blocks(points), opened.last_steps)

    def _rewrite_events(self, run: Run, opened: _OpenRun, position: int) -> None:
        """Write the event file of a run that is still running anew, each step once."""
        from legm.backends.local import event_file
        from legm.runlog.log_reader import read_log

        log = LogFolder.of(opened.folder).find(run.run_id)
        if log is None or opened.events is None:  # the records come from elsewhere: when the run ends
            return
        began = time.monotonic()
        records = read_log(log, until=position).records
        opened.events.close()
        events_folder = _local_events_folder(opened.folder, run)
        with event_file.replace_event_file(events_folder, started=run.started) as file:
            opened.last_steps = _write_ordered_local_events(file, records)
        opened.events = event_file.EventFile(events_folder, started=run.started)
        opened.in_order = True
        ended = time.monotonic()
        opened.next_rewrite = ended + max(_REWRITE_PAUSE, _REWRITE_SHARE * (ended - began))

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult, records: Sequence[Record]) -> None:
        """Finish the event files; only a completed run is in the YAML files."""
        from legm.backends.local import event_file

        opened = self._open[run.run_id]
        if result.status is Status.COMPLETED:
            self._put(opened, result)
        elif any(isinstance(one, Outcome) and one.status is Status.COMPLETED for one in records):
            _remove_local_entries(opened.folder, run)  # it was logged, and continued
            opened.metrics = opened.steps = None
        file, opened.events = opened.events, None
        events_folder = _local_events_folder(opened.folder, run)
        try:
            if file is not None and opened.in_order and opened.is_new:
                with contextlib.closing(file):
                    _write_local_result_events(file, result, opened.folder.name)
                return
            if file is not None:
                file.close()
            with event_file.replace_event_file(events_folder, started=run.started) as file:
                opened.last_steps = _write_ordered_local_events(file, records)
                _write_local_result_events(file, result, opened.folder.name)
            shutil.rmtree(events_folder / _EARLIER_RESULTS, ignore_errors=True)
            opened.in_order, opened.is_new = True, True
        except OSError as cause:
            raise storage_error("write event files in", events_folder, cause) from cause

    @hookimpl
    def legm_release_run(self, run: Run) -> None:
        """Close the event file."""
        opened = self._open.pop(run.run_id, None)
        if opened is not None and opened.events is not None:
            opened.events.close()

    @hookimpl
    def legm_discard_run(self, run: Run) -> None:
        """Remove its entries, event files and artifacts; the configuration stays."""
        folder = self._find_folder(run.configuration)
        if folder is None:
            return
        _remove_local_entries(folder, run)
        for path in (_local_events_folder(folder, run), artifacts_folder(folder, run.run_id)):
            refuse_folder_links(path.parent)
            delete_folder(path)
        delete_unused_contents(folder.parent)

    def _put(self, opened: _OpenRun, result: RunResult) -> None:
        metrics, steps = _local_entry_files(opened.folder)
        run_id = result.run.run_id
        values, step_lists = series_yaml(result)
        with file_lock(_create_local_log_folder(opened.folder).lock):
            if opened.metrics is None and not opened.is_new:
                opened.metrics = _local_entry_of_run(metrics, run_id)
                opened.steps = _local_entry_of_run(steps, run_id)
            else:
                opened.metrics = _find_local_entry_again(metrics, opened.metrics, run_id)
                opened.steps = _find_local_entry_again(steps, opened.steps, run_id)
            opened.steps = steps.put(steps_yaml_head(result), step_lists, opened.steps)
            opened.metrics = metrics.put(metrics_yaml_head(result), values, opened.metrics)

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterable[RunResult]:
        """Completed runs from the YAML files, the others from their logs."""
        folders = self._folders(query.experiment)
        if query.fingerprint is None:
            paths = [folder for _, folder in folders.all()]
        else:
            fixed = self._fixed.get(query.fingerprint)
            paths = [] if fixed is None else [fixed]
            paths += [folder for folder in folders.copies(query.fingerprint) if folder != fixed]
        return runs_in_folders(paths, query)

    @hookimpl
    def legm_read_media(self, run: Run) -> Sequence[Media]:
        """Those in the run's log, whose files are among the run's artifacts."""
        folder = self._find_folder(run.configuration)
        return [] if folder is None else LogFolder.of(folder).media(run.run_id)

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> Iterable[Configuration]:
        """Each configuration once, also where a user copied its folder, or damaged its runs."""
        found: dict[str, Configuration] = {}
        for one in read_cached_statuses(self._experiment_folder(experiment)):
            if one.configuration is None:
                assert one.problem is not None  # noqa: S101
                raise one.problem
            if one.configuration.fingerprint not in found:
                found[one.configuration.fingerprint] = (
                    read_configuration(Path(one.folder)) if one.is_shortened else one.configuration
                )
        return list(found.values())

    @hookimpl
    def legm_read_experiments(self) -> Iterable[str]:
        """The experiments in the folders below the root directory."""
        return list(experiments_in_folders(self._root))

    @hookimpl
    def legm_read_counts(self, experiment: str) -> Iterable[RunCounts]:
        """Every configuration's runs, counted, from the catalogue; those in copies of a folder once."""
        found = read_cached_statuses(self._experiment_folder(experiment))
        for one in found:
            if one.problem is not None:
                raise one.problem
        return cached_statuses_once(found)

    # What is computed over runs

    @hookimpl
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Keep the aggregates in ``aggregated_metrics.yml``, by description."""
        from legm.stats.aggregate import aggregated_summary_as_dict

        folder = self._require_folder(configuration)
        path = folder / AGGREGATES_FILE
        with file_lock(_create_local_log_folder(folder).lock):
            content = load_yaml(path) or {}
            if not isinstance(content, dict):
                raise CorruptFile(path, "line 1", "it is not a mapping by description", "Delete it.")
            content[description] = aggregated_summary_as_dict(summary)
            write_atomically(path, yaml_text.yaml_block(content).encode())

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
        """Keep a picture in ``plots/``, or ``<description>-plots/``."""
        if configuration is None:
            folder = self._experiment_folder(experiment)
        else:
            folder = self._require_folder(configuration)
        plots = _local_plots_folder(folder, description)
        path = plots / f"{short_name(name)}.{format}"
        write_atomically(path, content)
        return str(path)


def _create_local_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("create the folder", folder, cause) from cause
    return folder


def _create_local_log_folder(folder: Path) -> LogFolder:
    """The run logs in a configuration's folder, which is made where there is none."""
    logs = LogFolder.of(folder)
    _create_local_folder(logs.folder)
    return logs


def _local_plots_folder(folder: Path, description: str) -> Path:
    """The folder of the pictures of a description; a user's file may already have its name."""
    name = f"{short_name(description)}-{PLOTS}" if description else PLOTS
    path = folder / name
    refuse_folder_links(path)
    number = 1
    while path.exists() and not path.is_dir():
        path = folder / f"{name}_{number}"
        number += 1
    return _create_local_folder(path)


def _local_entry_files(folder: Path) -> tuple[EntryFile, EntryFile]:
    return EntryFile(folder / METRICS_FILE), EntryFile(folder / STEPS_FILE)


def _remove_local_entries(folder: Path, run: Run) -> None:
    with file_lock(_create_local_log_folder(folder).lock):
        for file in _local_entry_files(folder):
            entry = _local_entry_of_run(file, run.run_id)
            if entry is not None:
                file.remove(entry)


def _local_entry_of_run(file: EntryFile, run_id: str) -> Entry | None:
    for entry in file.entries():
        if entry.head.get("run_id") == run_id:
            return entry
    return None


def _find_local_entry_again(file: EntryFile, entry: Entry | None, run_id: str) -> Entry | None:
    """The entry that was put, or where it is now if the file was rewritten since."""
    if entry is None or file.is_at(entry):
        return entry
    return _local_entry_of_run(file, run_id)


# Event files


def _local_events_folder(folder: Path, run: Run) -> Path:
    name = f"{short_name(run.description)}-{run.run_id}" if run.description else run.run_id
    return folder / TENSORBOARD / name


def _write_local_events(file: EventFile, records: Iterable[Record], last_steps: dict[Series, int]) -> bool:
    """Write records in the order in which they were set.

    Args:
        file: the file.
        records: the records; a step that is twice in one of them is written once.
        last_steps: the last step of each series in the file, which is updated.

    Returns:
        whether every step came after the earlier ones of its series, and each test metric for the first time.
    """
    from legm.core.results import ordered_dev_results

    in_order = True
    for record in records:
        if isinstance(record, Points):
            blocks = _shown_local_blocks(record)
            if blocks[0].do_rise if len(blocks) == 1 else _note_rising_local_steps(blocks, {}):
                in_order = _note_rising_local_steps(blocks, last_steps) and in_order
                file.points(record)
            else:
                for part in ordered_dev_results([record]):
                    in_order = _note_rising_local_steps(_shown_local_blocks(part), last_steps) and in_order
                    file.points(part)
            if any(series.split is Split.TEST for layout in record.layouts for series in layout):
                in_order = _write_local_test_events(file, [record], last_steps) and in_order
        elif isinstance(record, Rewind):
            in_order = False
        elif isinstance(record, Display):
            write = file.text if isinstance(record.value, str) else file.scalar
            write(record.name, record.value, record.step, record.time)  # type: ignore[arg-type]
        elif isinstance(record, Media):
            file.media(record)
    return in_order


def _write_ordered_local_events(file: EventFile, records: Sequence[Record]) -> dict[Series, int]:
    """Write each dev step and each test metric of a run once; returns the last step of each series."""
    from legm.core.results import ordered_dev_results

    last_steps: dict[Series, int] = {}
    for points in ordered_dev_results(records):
        _note_rising_local_steps(_shown_local_blocks(points), last_steps)
        file.points(points)
    _write_local_test_events(file, records, last_steps)
    _write_local_events(file, (one for one in records if isinstance(one, (Display, Media))), last_steps)
    return last_steps


def _write_local_test_events(
    file: EventFile, records: Iterable[Record], last_steps: dict[Series, int]
) -> bool:
    """Write test metrics at the last dev step; returns whether each of them is new."""
    from legm.core.results import last_test_results

    step = max((last for one, last in last_steps.items() if one.split is Split.DEV), default=0)
    are_new = True
    for series, at, value in last_test_results(records):
        if series.index is None:
            are_new = are_new and series not in last_steps
            file.scalar(f"test/{series.name}", value, step, at)
            last_steps[series] = step
    return are_new


@dataclass(frozen=True, slots=True)
class _ShownBlock:
    """The dev series of a layout that are shown, and their steps in one batch.

    Args:
        series: the series.
        first: the first step.
        last: the largest one.
        do_rise: whether each step is larger than the one before.
    """

    series: tuple[Series, ...]
    first: int
    last: int
    do_rise: bool


def _shown_local_blocks(points: Points) -> list[_ShownBlock]:
    """What :func:`_note_rising_local_steps` needs of points."""
    blocks = []
    for every, steps, _, _ in points.blocks():
        series = tuple(one for one in every if one.split is Split.DEV and one.index is None)
        if series:
            do_rise = bool((steps[1:] > steps[:-1]).all())
            blocks.append(
                _ShownBlock(series, int(steps[0]), int(steps[-1] if do_rise else steps.max()), do_rise)
            )
    return blocks


def _note_rising_local_steps(blocks: Iterable[_ShownBlock], last_steps: dict[Series, int]) -> bool:
    """Whether the steps of each dev series that is shown only rise; notes the last ones."""
    rise = True
    for block in blocks:
        known = [step for one in block.series if (step := last_steps.get(one)) is not None]
        before = max(known, default=-(2**63) - 1)
        rise = rise and block.do_rise and block.first > before
        if block.last > before:
            last_steps.update(dict.fromkeys(block.series, block.last))
        else:
            last_steps.update({one: max(last_steps.get(one, block.last), block.last) for one in block.series})
    return rise


def _write_local_result_events(file: EventFile, result: RunResult, group: str) -> None:
    """What the table of hyperparameters shows beside the test metrics: active parameters, best metrics."""
    configuration = result.run.configuration
    active = {name: configuration.parameters[name] for name in configuration.active}
    file.hparams(active, group, result.run.started)
    ended = result.ended or result.run.started
    for series, value in result.best.items():
        if series.index is None:
            file.scalar(f"best/{series.name}", value, result.best_step or 0, ended)
    file.session_end(result.status, ended)
