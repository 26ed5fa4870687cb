"""Finds runs that legm wrote: in W&B's folders on this machine, or on a server.

Both give :class:`Stored`: the run as it began, and its files. A W&B run that legm did not write is
left alone, and counted.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.backends import portable
from legm.errors import CorruptFile
from legm.records import Run

__all__ = ["Folders", "Server", "Stored"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """A run that is kept.

    Args:
        run: the run as it began.
        read: gives a file of the run by its name; None where there is no such file.
    """

    run: Run
    read: Callable[[str], bytes | None]


class Folders:
    """The run folders below ``wandb/``, which W&B writes offline and online alike.

    Args:
        folder: the folder that holds ``wandb/``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "wandb"

    def of(self, run_id: str) -> list[Path]:
        """The folders of one run, oldest first: W&B makes another one each time that it is begun."""
        its = re.compile(rf".*-{re.escape(run_id)}(-\d+)?")  # numbered within one second
        return sorted(path for path in self._folder.glob(f"*run-*-{run_id}*") if its.fullmatch(path.name))

    def runs(self, experiment: str, fingerprint: str | None) -> Iterator[Stored]:
        """The runs of an experiment, or of one configuration of it, oldest first."""
        newest = {
            stored.run.run_id: stored
            for stored in self._every()
            if stored.run.configuration.experiment == experiment
            and fingerprint in {None, stored.run.configuration.fingerprint}
        }
        yield from newest.values()

    def experiments(self) -> set[str]:
        """The experiments of all runs."""
        return {stored.run.configuration.experiment for stored in self._every()}

    def _every(self) -> Iterator[Stored]:
        foreign = 0
        for folder in sorted(self._folder.glob("*run-*-*")):
            ours = folder / "files" / "legm"
            if not ours.is_dir():
                foreign += folder.is_dir() and not folder.is_symlink()
                continue
            with contextlib.suppress(FileNotFoundError):  # what is computed over runs; or removed just now
                yield Stored(_run(ours / "run.json"), _reader(folder / "files"))
        _tell(foreign, str(self._folder))


def _run(path: Path) -> Run:
    try:
        return portable.run_from(path.read_bytes())
    except (ValueError, KeyError, TypeError) as cause:
        raise CorruptFile(
            path, "the file", "it is not what was written", "Remove the run's folder."
        ) from cause


def _reader(files: Path) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        try:
            return (files / name).read_bytes()
        except FileNotFoundError:
            return None

    return read


class Server:
    """The runs of an entity on a W&B server.

    Args:
        api: W&B's public interface.
        entity: whose runs.
    """

    def __init__(self, api: Any, entity: str) -> None:
        self._api = api
        self._entity = entity

    def runs(
        self, project: str, experiment: str, group: str | None, fingerprint: str | None
    ) -> Iterator[Stored]:
        """The runs of an experiment, or of one configuration of it; the server picks a group's."""
        for stored in self._every(project, [{"group": group}] if group is not None else []):
            at = stored.run.configuration
            if at.experiment == experiment and fingerprint in {None, at.fingerprint}:
                yield stored

    def experiments(self, project: str | None) -> set[str]:
        """The experiments of a project, or of all; without a project each has its own."""
        if project is not None:
            return {stored.run.configuration.experiment for stored in self._every(project, [])}
        firsts = (next(self._every(one.name, []), None) for one in self._api.projects(self._entity))
        return {stored.run.configuration.experiment for stored in firsts if stored is not None}

    def _every(self, project: str, conditions: Sequence[Mapping[str, Any]]) -> Iterator[Stored]:
        self._api.flush()  # it keeps what it was once told
        found = self._api.runs(
            f"{self._entity}/{project}",
            filters={"$and": [{"jobType": "run"}, *conditions]},
            order="+created_at",
            per_page=500,
            lazy=False,
        )
        foreign = 0
        try:
            for known in found:
                text = known.config.get("legm_run")
                if not isinstance(text, str):
                    foreign += 1
                    continue
                yield Stored(portable.run_from(text.encode()), _downloader(known))
        except ValueError as cause:  # W&B's word for a project that does not exist
            if "project" not in str(cause).lower():
                raise
        _tell(foreign, f"{self._entity}/{project}")


def _downloader(known: Any) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as place:
            file = known.file(name)
            if not file.size:
                return None
            file.download(root=place, replace=True).close()
            return (Path(place) / name).read_bytes()

    return read


def _tell(foreign: int, place: str) -> None:
    if foreign:
        log.info("%d W&B runs in %s that legm did not write were skipped", foreign, place)
