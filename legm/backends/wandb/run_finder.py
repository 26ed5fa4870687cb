"""Finds the runs that legm wrote: in W&B's folders on this machine, or on a server.

Both yield :class:`FoundRun`: the run as it began, and its files; for one whose beginning is damaged, so that
nobody knows of which experiment it is, a :class:`~legm.records.StoredRun` that says so. A W&B run that legm
did not write is skipped and counted.
"""

from __future__ import annotations

import functools
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from legm.backends import portable
from legm.backends.wandb import names
from legm.backends.wandb.display import display_native_config
from legm.core.run_marks import mark_tag_from_text, marks_from_json, marks_from_texts, marks_json
from legm.errors import CorruptFile
from legm.records import Run, RunMarks, StoredRun
from legm.util.atomic_files import delete_folder

__all__ = ["FoundRun", "WandbFolderRunFinder", "WandbServerRunFinder", "intact_found_runs"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that W&B has.

    Args:
        run: the run as it began.
        read: returns the content of one of the run's files; None if there is no such file.
        files: returns the run's files, each its path and its size in bytes.
        marks: its tags and its note in W&B; none offline, where nobody can change them.
        sent_marks: what legm last wrote of them; None where unknown.
    """

    run: Run
    read: Callable[[str], bytes | None]
    files: Callable[[], Iterable[tuple[str, int]]]
    marks: RunMarks = field(default=RunMarks())
    sent_marks: RunMarks | None = None


def intact_found_runs(found: Iterable[FoundRun | StoredRun]) -> Iterator[FoundRun]:
    """The runs that can be read; the others are reported where results are read.

    Raises:
        ValueError: none can, and some are damaged.
    """
    damaged, is_any_intact = StoredRun("", None), False
    for one in found:
        if isinstance(one, FoundRun):
            is_any_intact = True
            yield one
        else:
            damaged = one
    if damaged.problem and not is_any_intact:
        raise ValueError(damaged.problem)


class WandbFolderRunFinder:
    """The runs in the folders below ``wandb/``, which W&B writes both offline and online.

    Args:
        folder: the folder that holds ``wandb/``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "wandb"

    def folders_of(self, run_id: str) -> list[Path]:
        """The folders of one run, oldest first: W&B creates a new one each time the run begins."""
        pattern = re.compile(rf".*-{re.escape(run_id)}(-\d+)?")  # numbered within one second
        return sorted(path for path in self._folder.glob(f"*run-*-{run_id}*") if pattern.fullmatch(path.name))

    def stored_as(self, run: Run) -> list[Path]:
        """The folders of one run, without those in which it has another configuration."""
        paths = {folder: folder / "files" / portable.RUN_FILE for folder in self.folders_of(run.run_id)}
        return [
            folder
            for folder, path in paths.items()
            if not path.is_file() or _is_same_run(_read_found_run(path), run)
        ]

    def found(self, run: Run) -> FoundRun | None:
        """A run with this configuration in its newest folder; None where it has none."""
        files = next((one / "files" for one in reversed(self.stored_as(run))), None)
        if files is None:
            return None
        return FoundRun(run, _found_run_file_reader(files), functools.partial(_found_run_files, files))

    @staticmethod
    def is_synced(folder: Path) -> bool:
        """Whether ``wandb sync`` sent a folder to W&B, where it stays as it was."""
        return any(folder.glob("*.synced"))

    def delete(self, run: Run) -> None:
        """Delete the folders of one run; those of another configuration with its id stay."""
        for folder in self.stored_as(run):
            if self.is_synced(folder):
                log.warning("%s was sent to W&B by wandb sync: delete the run there too", folder)
            delete_folder(folder)
        for link in self._folder.glob("*"):  # W&B's links to the newest run
            if link.is_symlink() and not link.exists():
                link.unlink(missing_ok=True)

    def runs(self, experiment: str, fingerprint: str | None) -> Iterator[FoundRun | StoredRun]:
        """The runs of an experiment, or of one configuration of it, oldest first, and damaged ones."""
        newest = {
            stored.problem if isinstance(stored, StoredRun) else stored.run.run_id: stored
            for stored in self._every()
            if _is_found_run_of(stored, experiment, fingerprint)
        }
        yield from newest.values()

    def experiments(self) -> set[str]:
        """The experiments of all runs."""
        return {stored.run.configuration.experiment for stored in intact_found_runs(self._every())}

    def _every(self) -> Iterator[FoundRun | StoredRun]:
        skipped = 0
        for folder in sorted(self._folder.glob("*run-*-*")):
            files = folder / "files"
            if not (files / portable.FOLDER).is_dir():
                skipped += folder.is_dir() and not folder.is_symlink()
                continue
            try:
                run = _read_found_run(files / portable.RUN_FILE)
            except FileNotFoundError:  # results over runs; or deleted just now
                continue
            except CorruptFile as error:
                yield StoredRun("", None, str(error))
            else:
                yield FoundRun(run, _found_run_file_reader(files), functools.partial(_found_run_files, files))
        _report_skipped_wandb_runs(skipped, str(self._folder))


def _is_found_run_of(found: FoundRun | StoredRun, experiment: str, fingerprint: str | None) -> bool:
    """Whether a run is of an experiment, and of a configuration; a damaged one may be."""
    if isinstance(found, StoredRun):
        return True
    configuration = found.run.configuration
    return configuration.experiment == experiment and fingerprint in {None, configuration.fingerprint}


def _is_same_run(found: Run, run: Run) -> bool:
    return (found.run_id, found.configuration.fingerprint) == (run.run_id, run.configuration.fingerprint)


def _read_found_run(path: Path) -> Run:
    try:
        return portable.run_from(path.read_bytes())
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise CorruptFile(
            path, "the file", "it is not what legm wrote", "Delete the run's folder."
        ) from cause


def _found_run_file_reader(files: Path) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        try:
            return (files / name).read_bytes()
        except FileNotFoundError:
            return None

    return read


def _found_run_files(files: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(files.rglob("*")):
        if path.is_file():  # W&B links to the files that it saves
            yield path.relative_to(files).as_posix(), path.stat().st_size


class WandbServerRunFinder:
    """The runs of an entity on a W&B server.

    Args:
        api: W&B's public API client.
        entity: the user or team.
    """

    def __init__(self, api: Any, entity: str) -> None:
        self._api = api
        self._entity = entity

    def runs(
        self, project: str, experiment: str, group: str | None, fingerprint: str | None
    ) -> Iterator[FoundRun | StoredRun]:
        """The runs of an experiment, or of one configuration of it; the server filters by group."""
        for stored in self._every(project, [{"group": group}] if group is not None else []):
            if _is_found_run_of(stored, experiment, fingerprint):
                yield stored

    def delete(self, project: str, run: Run) -> None:
        """Delete one run with its files; one of another configuration with its id stays."""
        for wandb_run in self._wandb_runs_with_id(project, run):
            wandb_run.delete()

    def write_marks(self, project: str, run: Run, before: RunMarks, marks: RunMarks) -> None:
        """Set the tags and the note of one run.

        Args:
            project: the run's.
            run: the run.
            before: as the tags and the note were.
            marks: as they shall be.
        """
        for wandb_run in self._wandb_runs_with_id(project, run):
            texts = list(wandb_run.tags or ())
            known = {*before.tags, *map(mark_tag_from_text, texts)}
            deleted = set(before.tags) - set(marks.tags)
            kept = [text for text in texts if mark_tag_from_text(text) not in deleted]
            wandb_run.tags = [*kept, *(one for one in marks.tags if one not in known)]
            if marks.note != before.note:
                wandb_run.notes = marks.note
            wandb_run.config[names.SENT_MARKS_KEY] = marks_json(marks)
            wandb_run.update()

    def stored_as(self, project: str, run: Run) -> FoundRun | None:
        """A run with this configuration, as the server has it; None where it has none."""
        found = next(self._wandb_runs_with_id(project, run), None)
        return None if found is None else _found_server_run(found, run)

    def amend(
        self, project: str, run: Run, after: Run, name: str, stale: Iterable[str], config: Mapping[str, Any]
    ) -> str:
        """Change the configuration and the description of one run; what legm did not write stays.

        Args:
            project: the run's.
            run: the run as it was.
            after: as it is now.
            name: that it has in W&B.
            stale: the keys of the config that are deleted.
            config: by key, what is shown of its parameters now.

        Returns:
            its notes: the description, or what a user wrote instead.
        """
        notes = after.description
        for wandb_run in self._wandb_runs_with_id(project, run):
            text = wandb_run.config.get(names.RUN_KEY)
            with portable.checked_files(f"{wandb_run.id} of W&B"):
                stored = after if text is None else portable.run_from(text.encode())
            now = replace(
                stored,
                configuration=after.configuration,
                parameters=after.parameters,
                description=after.description,
            )
            for key in stale:
                wandb_run.config.pop(key, None)
            wandb_run.config.update({**config, **display_native_config(now, portable.run_json(now))})
            wandb_run.group = names.wandb_group_name(after.configuration)
            wandb_run.display_name = name
            notes = wandb_run.notes or ""
            if notes == run.description:
                wandb_run.notes = notes = after.description
            wandb_run.update()
        return notes

    def _wandb_runs_with_id(self, project: str, run: Run) -> Iterator[Any]:
        self._api.flush()  # it caches earlier responses
        found = self._api.runs(
            f"{self._entity}/{project}",
            filters={"$and": [{"jobType": names.RUN_JOB}, {"name": run.run_id}]},
            lazy=False,
        )
        for wandb_run in _found_wandb_runs(found):
            text = wandb_run.config.get(names.RUN_KEY)
            with portable.checked_files(f"{wandb_run.id} of W&B"):
                is_other = isinstance(text, str) and not _is_same_run(portable.run_from(text.encode()), run)
            if not is_other:
                yield wandb_run

    def experiments(self, project: str | None) -> set[str]:
        """The experiments of a project, or of all projects; without a project each experiment has its own."""
        if project is not None:
            found = intact_found_runs(self._every(project, []))
            return {stored.run.configuration.experiment for stored in found}
        firsts = (
            next(intact_found_runs(self._every(one.name, [])), None)
            for one in self._api.projects(self._entity)
        )
        return {stored.run.configuration.experiment for stored in firsts if stored is not None}

    def _every(self, project: str, conditions: Sequence[Mapping[str, Any]]) -> Iterator[FoundRun | StoredRun]:
        self._api.flush()  # it caches earlier responses
        found = self._api.runs(
            f"{self._entity}/{project}",
            filters={"$and": [{"jobType": names.RUN_JOB}, *conditions]},
            order="+created_at",
            per_page=500,
            lazy=False,
        )
        skipped = 0
        for wandb_run in _found_wandb_runs(found):
            text = wandb_run.config.get(names.RUN_KEY)
            if not isinstance(text, str):
                skipped += 1
                continue
            try:
                with portable.checked_files(f"{wandb_run.id} of W&B"):
                    run = portable.run_from(text.encode())
            except ValueError as error:
                yield StoredRun("", None, str(error))
            else:
                yield _found_server_run(wandb_run, run)
        _report_skipped_wandb_runs(skipped, f"{self._entity}/{project}")


def _found_server_run(wandb_run: Any, run: Run) -> FoundRun:
    return FoundRun(
        run,
        _found_run_file_downloader(wandb_run),
        functools.partial(_found_run_server_files, wandb_run),
        _found_wandb_marks(wandb_run, run.description),
        marks_from_json(wandb_run.config.get(names.SENT_MARKS_KEY)),
    )


def _found_wandb_runs(found: Iterable[Any]) -> Iterator[Any]:
    """The W&B runs that were found; none in a project that does not exist."""
    try:
        yield from found
    except ValueError as cause:  # W&B raises it for such a project
        if "project" not in str(cause).lower():
            raise


def _found_wandb_marks(wandb_run: Any, description: str) -> RunMarks:
    """What users noted about a run in W&B; its notes begin as the run's description."""
    note = wandb_run.notes or ""
    return marks_from_texts(wandb_run.tags or (), "" if note == description else note)


def _found_run_server_files(wandb_run: Any) -> list[tuple[str, int]]:
    return [(file.name, file.size or 0) for file in wandb_run.files()]


def _found_run_file_downloader(wandb_run: Any) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as folder:
            file = wandb_run.file(name)
            if not file.size:
                return None
            file.download(root=folder, replace=True).close()
            return (Path(folder) / name).read_bytes()

    return read


def _report_skipped_wandb_runs(count: int, location: str) -> None:
    if count:
        log.info("%d W&B runs in %s that legm did not write were skipped", count, location)
