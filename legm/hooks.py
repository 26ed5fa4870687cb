"""The hooks that a backend implements.

A backend is a class. It is constructed with the root directory and its options, has a ``name`` and a set of
``capabilities``, and implements hooks as methods marked with :data:`hookimpl`. Hooks take and return the
records of :mod:`legm.records`. What a backend can rely on, and what is expected of it:

- The hooks of one run are called one after the other, never two at once, but on any thread. Calls for
  different runs may be interleaved, and other processes may use the same store at the same time.
- The records passed to a backend never change, and the backend must not change them.
- Every batch comes with the run log's position after it. After a crash or an outage, records are sent again
  from the last position that was stored, so a batch that arrives twice must be stored only once.
- A backend stores and returns; it never compares, selects or averages.
- A backend may have a mapping ``options``, in plain form and without credentials, with which it can be
  constructed again for the same store. The run log keeps these options for ``legm sync``.
- Errors are raised as a :class:`~legm.errors.LegmError`, with the cause chained.
- A hook that works for long calls :func:`still_working` each few seconds. One that is silent for ten seconds
  counts as a backend that does not answer: nobody waits for it any longer. A backend whose calls may be
  silent for longer although it is there has another number of seconds as ``patience``.
- A backend with :attr:`Capability.MEDIA` that has only some kinds of media names them as ``media_kinds``, a
  set of :class:`~legm.records.MediaKind`. It receives the files of the others as one without MEDIA does.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pluggy

from legm.records import (
    Adoption,
    Configuration,
    ConfigurationStatus,
    Curve,
    Media,
    MediaFile,
    Query,
    Record,
    Run,
    RunCounts,
    RunMarks,
    RunResult,
    StoredChange,
    StoredFile,
    StoredRun,
    Summary,
)

__all__ = [
    "Backend",
    "Capability",
    "FolderChanger",
    "FolderReader",
    "Hooks",
    "hookimpl",
    "hookspec",
    "still_working",
]

hookspec = pluggy.HookspecMarker("legm")
hookimpl = pluggy.HookimplMarker("legm")
"""Marks a method of a backend as the implementation of a hook."""

_of_thread = threading.local()


def still_working() -> None:
    """Report, from inside of a hook and on its thread, that the store answered and the work continues."""
    report = getattr(_of_thread, "report", None)
    if report is not None:
        report()


@contextmanager
def progress_reported_to(report: Callable[[], None]) -> Iterator[None]:
    """Have :func:`still_working` call a function while a hook runs on this thread; not for backends."""
    before = getattr(_of_thread, "report", None)
    _of_thread.report = report
    try:
        yield
    finally:
        _of_thread.report = before


class Capability(enum.Enum):
    """What a backend may support in addition to storing runs."""

    FOLDERS = "folders"
    """Every configuration has a folder for its run logs, plots and the user's files."""
    SUMMARIES = "summaries"
    FIGURES = "figures"
    ARTIFACTS = "artifacts"
    """Files of a run are stored; the backend also receives :class:`~legm.records.Artifact` records."""
    CURVES = "curves"
    """The aggregated curves of a plot are stored as numbers."""
    REMOTE = "remote"
    """Calls may take long or fail temporarily. They are made on one background thread per run, never on the
    training thread; failed batches are sent again from the run log."""
    DISPLAYS = "displays"
    """Scalars and texts that are shown with the run but are not metrics."""
    EXPERIMENTS = "experiments"
    """The names of all experiments can be listed."""
    DISCARD = "discard"
    """A run can be deleted, with everything stored of it."""
    AMEND = "amend"
    """The configuration of a run that is stored can be changed. Without this, a backend with DISCARD deletes
    a run that a user amends, and receives it anew from the run log."""
    RESUME = "resume"
    """The backend also receives :class:`~legm.records.Resumption` and :class:`~legm.records.Rewind` records.
    One without this still has the right result when the run ends; until then it may show rewound values."""
    MARKS = "marks"
    """Tags and notes are stored with a run, those of its result when it is closed, and later ones."""
    MEDIA = "media"
    """The backend also receives :class:`~legm.records.Media` records, shows them in its own way, and returns
    them; those of all kinds, or of its ``media_kinds``. The files of other kinds, and of all of them where a
    backend is without this, are received as artifacts where it has ARTIFACTS."""
    PROVENANCE = "provenance"
    """The backend also receives :class:`~legm.records.EnvironmentUpdate` records, as they become known."""


class Backend(Protocol):
    """The attributes of a backend, in addition to its hooks."""

    name: str
    """The name by which users select it."""
    capabilities: frozenset[Capability]


class FolderReader(Protocol):
    """Reads the folders that a user names, for a backend with FOLDERS; no root directory is needed.

    A folder that has a ``params.yml`` is a configuration's, and a folder with such folders an experiment's. A
    package declares its reader by an entry point of the group ``legm.folder_readers`` with the backend's
    name; commands then read a path as a folder, unless options of the backend are given. Without a reader,
    the experiment and the configuration in a path are names in the backend.

    legm finalizes runs whose process died before it calls a function that reads runs of a folder.
    """

    def read_configuration(self, folder: Path) -> Configuration:
        """Read the configuration in a folder.

        Args:
            folder: the configuration's folder.

        Returns:
            the configuration.

        Raises:
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged.
        """

    def read_configurations(
        self, experiment: Path, paths: Iterable[str] | None = None
    ) -> Iterator[tuple[str, Configuration]]:
        """Read the configurations in an experiment's folder, one at a time.

        Args:
            experiment: the experiment's folder.
            paths: the paths of the configurations' folders below it, in their order; None for all, by name.

        Returns:
            the path of each configuration's folder below the experiment's, and the configuration.

        Raises:
            StorageError: the folder cannot be read.
            CorruptFile: the parameters of one were edited or damaged.
        """

    def backend_of(self, folder: Path) -> tuple[Path, Backend]:
        """Connect a backend to a configuration's folder, wherever it was moved.

        Args:
            folder: the configuration's folder.

        Returns:
            the root directory, and a backend that stores this configuration's runs in this folder.

        Raises:
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged.
        """

    def read_status(self, folder: Path) -> ConfigurationStatus:
        """Read the current status of a configuration's folder.

        Args:
            folder: the configuration's folder.

        Returns:
            its status; damage is reported in it, not raised.
        """

    def read_statuses(self, experiment: Path) -> list[ConfigurationStatus]:
        """Read the status of every configuration of an experiment, possibly from a cache.

        Args:
            experiment: the experiment's folder.

        Returns:
            the statuses, ordered by folder name.

        Raises:
            StorageError: the folder cannot be read.
        """

    def counted_once(self, statuses: Iterable[ConfigurationStatus]) -> Iterator[RunCounts]:
        """Count the runs of several folders; a run that is in copies of a folder is counted once.

        Args:
            statuses: the status of each folder; damaged ones are skipped.

        Returns:
            the counts, by configuration and description.
        """

    def experiment_in(self, folder: Path) -> str | None:
        """Find the name of the experiment that a folder belongs to.

        Args:
            folder: the experiment's folder.

        Returns:
            the name; None if the folder has no configurations.

        Raises:
            StorageError: the folder cannot be read.
        """

    def read_runs(
        self,
        folder: Path,
        histories: frozenset[str] | None = frozenset(),
        configuration: Configuration | None = None,
    ) -> Iterator[RunResult]:
        """Read the runs in a configuration's folder.

        Args:
            folder: the configuration's folder.
            histories: the dev metrics whose series are read.
            configuration: the one in the folder, where the caller has read it before.

        Returns:
            the runs, whatever their status.

        Raises:
            LegmError: a file is damaged, or cannot be read.
        """

    def read_stored_runs(
        self, folder: Path, configuration: Configuration | None, *, series: bool = True
    ) -> Iterator[StoredRun]:
        """Read the completed runs in a configuration's folder; a damaged run hides no other.

        Args:
            folder: the configuration's folder.
            configuration: the configuration; None if it cannot be read, and then no run has a result.
            series: whether to read the series.

        Returns:
            the runs, with a problem instead of a result where one cannot be read.

        Raises:
            LegmError: the folder's files cannot be read at all.
        """

    def read_summaries(self, folder: Path, completed: Mapping[str, int]) -> Mapping[str, Summary]:
        """Read the aggregates that are stored in a configuration's folder.

        Args:
            folder: the configuration's folder.
            completed: by description, how many runs completed.

        Returns:
            the aggregates by description.

        Raises:
            LegmError: they are damaged or cannot be read.
        """

    def repair(self, folder: Path) -> list[str]:
        """Repair damaged files of a configuration's folder, as far as the run logs allow.

        Args:
            folder: the configuration's folder.

        Returns:
            what was repaired, and what could not be, one sentence each.

        Raises:
            StorageError: a file cannot be written.
        """


class FolderChanger(Protocol):
    """Changes the folders of configurations, for a backend with FOLDERS: what amending and moving runs needs.

    A package declares it by an entry point of the group ``legm.folder_changers`` with the backend's name.
    Every call may be repeated after it was interrupted. Run logs and artifacts are legm's own business.
    """

    def stated(self, folder: Path) -> str | None:
        """The fingerprint of the configuration that a folder is of, read quickly.

        Args:
            folder: a folder.

        Returns:
            None where it is not a configuration's.
        """

    def find(self, root: Path, configuration: Configuration) -> Path | None:
        """Find the folder of a configuration.

        Args:
            root: the root directory.
            configuration: the configuration.

        Returns:
            None where there is none.
        """

    def experiment_path(self, root: Path, experiment: str) -> Path:
        """Find the folder of an experiment's configurations.

        Args:
            root: the root directory.
            experiment: the experiment's name.

        Returns:
            where they are, or would be made.
        """

    def own_experiment_path(self, root: Path, experiment: str) -> Path:
        """The folder that an experiment's name gives, wherever a user moved it.

        Args:
            root: the root directory.
            experiment: the experiment's name.

        Returns:
            its path; there need not be such a folder.
        """

    def make(self, root: Path, configuration: Configuration) -> Path:
        """Make the folder of a configuration, or find it.

        Args:
            root: the root directory.
            configuration: the configuration.

        Returns:
            the folder.

        Raises:
            StorageError: it cannot be made.
        """

    def make_copy(self, folder: Path, configuration: Configuration) -> None:
        """Make a configuration's folder at a path where no handler finds it, such as in the trash.

        Args:
            folder: the path.
            configuration: the configuration.

        Raises:
            StorageError: it cannot be made.
        """

    def adopt(self, experiment: Path, adoptions: Sequence[Adoption]) -> list[bool]:
        """Make folders those of other configurations, and rename them, so that handlers find them at once.

        Args:
            experiment: the folder of the experiment that they are in then.
            adoptions: the folders, in this order.

        Returns:
            for each, False where another folder is of the configuration already; it is not changed then.

        Raises:
            StorageError: one cannot be written.
        """

    def refresh(self, experiment: Path) -> None:
        """Bring what is kept of an experiment's folder, such as an index, up to date.

        Args:
            experiment: the experiment's folder.

        Raises:
            StorageError: it cannot be written.
        """

    def stored_run_ids(self, folder: Path) -> Sequence[str]:
        """The runs that a folder has beside their logs.

        Args:
            folder: the configuration's folder.

        Returns:
            their ids.

        Raises:
            LegmError: a file is damaged, or cannot be read.
        """

    def amend_runs(
        self,
        folder: Path,
        runs: Iterable[Run],
        earlier_descriptions: Mapping[str, str],
        *,
        entries_change: bool,
    ) -> None:
        """Change what is kept of runs to the configuration that their folder is of now.

        Args:
            folder: the configuration's folder.
            runs: as they are now.
            earlier_descriptions: by id, the description that a run had until now, where it changes.
            entries_change: whether their own parameters, which are not compared, or descriptions change too.

        Raises:
            LegmError: a file is damaged, or cannot be written.
        """

    def hide_from_viewers(self, folder: Path, *, hidden: bool) -> None:
        """Hide a folder in the trash from programs that look through a root directory, or show it again.

        Args:
            folder: the configuration's folder.
            hidden: whether it is hidden.

        Raises:
            StorageError: a file cannot be renamed.
        """

    def move_runs(
        self, source: Path, target: Path, runs: Iterable[Run], earlier_descriptions: Mapping[str, str]
    ) -> None:
        """Move what is kept of runs, except logs and artifacts, to another folder.

        A run is in the other folder before it is removed from this one.

        Args:
            source: the folder that has the runs.
            target: the folder that is to have them.
            runs: as they are to be there.
            earlier_descriptions: by id, the description that a run had until now, where it changes.

        Raises:
            LegmError: a file is damaged, or cannot be written.
        """


class Hooks:
    """The hooks' signatures.

    Required are open, write, close, and reading runs and configurations; the others are optional or belong to
    a capability.
    """

    @hookspec(firstresult=True)
    def legm_open_run(self, run: Run) -> int | None:
        """Open a run that starts or is resumed; nothing of it need be visible yet.

        Args:
            run: the run.

        Returns:
            the position of the last batch that is stored, 0 for a new run; delivery continues from there.
            None if the backend has no such position; delivery then continues from the run log's position.
        """

    @hookspec
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Store records of an open run, in order.

        Args:
            run: the run.
            records: the records since the last batch.
            position: the run log's position after them, in bytes.
        """

    @hookspec
    def legm_close_run(self, run: Run, result: RunResult, records: Sequence[Record]) -> None:
        """Store the result of a run that ended, replacing an earlier result of the same run.

        If the run is resumed later, a remote backend is asked to open it again first.

        Args:
            run: the run.
            result: the result, with every dev series.
            records: all records of the run without what was rewound, for a backend that rewrites something.
        """

    @hookspec
    def legm_release_run(self, run: Run) -> None:
        """Release what is held for a run: this process sends no more records of it (optional).

        Args:
            run: the run.
        """

    @hookspec
    def legm_write_marks(self, run: Run, before: RunMarks, marks: RunMarks) -> None:
        """Store what a user notes about a run that ended (MARKS).

        Args:
            run: the run; where the backend does not have it, nothing is done.
            before: what was noted before; what is not noted any more is deleted.
            marks: the tags and the note.
        """

    @hookspec
    def legm_discard_run(self, run: Run) -> None:
        """Delete a run and everything stored of it (DISCARD); it was released before.

        A run with its id that has another configuration by now stays. Deleting what is not there does
        nothing: the hook is called again where another backend failed.

        Args:
            run: the run.
        """

    @hookspec(firstresult=True)
    def legm_plan_change(self, run: Run, after: Run | None) -> StoredChange | None:
        """Say what becomes of a run that a user amends or deletes, without changing anything (optional).

        Without this hook, or with the answer None, a backend with DISCARD deletes the run, and receives what
        was amended anew.

        Args:
            run: the run as it is stored.
            after: as it is to be; None if it is deleted.

        Returns:
            what the backend will do, and why it cannot.
        """

    @hookspec
    def legm_amend_run(self, run: Run, after: Run) -> None:
        """Change the configuration, the parameters and the description of a stored run (AMEND).

        It is called where :meth:`legm_plan_change` answered that the run is changed in place. Then the run is
        opened as it is now, and receives what it lacks and its result again. The hook may be called again
        for a run that was changed already, or partly.

        Args:
            run: the run as it was.
            after: as it is now.
        """

    @hookspec(firstresult=True)
    def legm_read_runs(self, query: Query) -> Iterable[RunResult | StoredRun] | None:
        """Read the runs of an experiment, each once, including failed and interrupted ones.

        Only the series that the query names are required. Runs may be returned in any order, and as an
        iterator, so that not all of them are in memory at once.

        Args:
            query: which runs, and which of their series.

        Returns:
            the runs; for one whose stored files are damaged, a :class:`~legm.records.StoredRun` without a
            result, so that it hides no other one.
        """

    @hookspec(firstresult=True)
    def legm_read_configurations(self, experiment: str) -> Iterable[Configuration] | None:
        """Read every configuration of an experiment that has a run, each once.

        Args:
            experiment: the experiment's name.

        Returns:
            the configurations, in any order.
        """

    @hookspec(firstresult=True)
    def legm_read_experiments(self) -> Iterable[str] | None:
        """Read the names of all experiments that have a run (EXPERIMENTS).

        Returns:
            the names, in any order.
        """

    @hookspec(firstresult=True)
    def legm_read_counts(self, experiment: str) -> Iterable[RunCounts] | None:
        """Count the runs of every configuration of an experiment by description (optional).

        This is for a backend that knows the counts without reading every run. Without it they are computed
        from :meth:`legm_read_configurations` and :meth:`legm_read_runs`. A configuration without runs has an
        empty count. ``rules`` says which values of a metric are better, and ``repeated`` which runs have the
        seed of another one.

        Args:
            experiment: the experiment's name.

        Returns:
            the counts of each configuration and description.
        """

    @hookspec(firstresult=True)
    def legm_read_files(self, configuration: Configuration) -> Iterable[StoredFile] | None:
        """List the files that runs of a configuration logged (optional).

        Without it, ``legm show`` lists the files in the configuration's folder.

        Args:
            configuration: the configuration.

        Returns:
            the files of every run, in any order.
        """

    @hookspec(firstresult=True)
    def legm_read_file(self, run: Run, name: str, largest: int) -> bytes | None:
        """Read a file that a run logged (optional).

        Without it, the copy in the configuration's folder is read, where there is one.

        Args:
            run: the run.
            name: the name under which the run logged it.
            largest: the most bytes that are wanted.

        Returns:
            the file's content; None where there is no such file, or it is larger.
        """

    @hookspec(firstresult=True)
    def legm_read_media(self, run: Run) -> Iterable[Media] | None:
        """Read the media of a run, without those that a rewind made void (MEDIA).

        Args:
            run: the run, which may still be running.

        Returns:
            the media in the order in which they were logged. The path of each file is where it is on this
            machine, or by what :meth:`legm_read_media_file` finds it.
        """

    @hookspec(firstresult=True)
    def legm_read_media_file(self, run: Run, file: MediaFile) -> bytes | None:
        """Read a file of a medium, for a backend that keeps it elsewhere (MEDIA).

        Without this hook the file's path is read.

        Args:
            run: the run.
            file: as :meth:`legm_read_media` returned it.

        Returns:
            the file's content.
        """

    @hookspec(firstresult=True)
    def legm_folder(self, configuration: Configuration, create: bool) -> Path | None:
        """Find the folder of a configuration (FOLDERS).

        Args:
            configuration: the configuration.
            create: whether to create the folder if there is none.

        Returns:
            the folder; None if there is none and ``create`` is false.
        """

    @hookspec(firstresult=True)
    def legm_experiment_folder(self, experiment: str) -> Path | None:
        """Find the folder of an experiment (optional, with FOLDERS).

        legm keeps there, in ``.legm``, what belongs to the whole experiment. Without this hook that is in
        ``.legm`` in the root directory.

        Args:
            experiment: the experiment's name.

        Returns:
            the folder, which need not exist yet.
        """

    @hookspec
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Store aggregates, replacing earlier ones of this description (SUMMARIES).

        Args:
            configuration: the configuration.
            description: the description of the aggregated runs; "" for none.
            summary: the aggregates.
        """

    @hookspec
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Store aggregated curves, replacing earlier ones of the same metrics and description (CURVES).

        Args:
            configuration: the configuration.
            description: the description of the aggregated runs; "" for none.
            curves: the curves, one for each metric.
        """

    @hookspec(firstresult=True)
    def legm_write_figure(
        self,
        experiment: str,
        configuration: Configuration | None,
        description: str,
        name: str,
        content: bytes,
        format: str,
    ) -> str | None:
        """Store a figure, replacing an earlier one of the same name and format (FIGURES).

        Args:
            experiment: the experiment's name.
            configuration: the configuration that it shows; None for a figure that compares configurations.
            description: the description of the runs shown; "" for none.
            name: what it shows; not yet safe as a file name.
            content: the file's content.
            format: the file's format: "png", "pdf" or "svg".

        Returns:
            where it is stored, as a readable text.
        """
