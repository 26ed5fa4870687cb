"""What becomes of runs in the backends beside their folders, such as MLflow, before anything is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from legm.delivery.client import BackendClient
from legm.delivery.registry import DEFAULT_BACKEND, find_backend_by_stored_name, make_backend
from legm.delivery.trusted import is_trusted, trusted_target_text
from legm.errors import BackendError, LegmError, NotSupported
from legm.records import ChangeKind, Plain, Run, StoredChange
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_backends

__all__ = ["OtherBackends", "PlannedInBackends", "RunsToChange", "StoredTarget", "stored_targets"]

RunsToChange: TypeAlias = Mapping[str, tuple[Run, Run | None]]
"""By id, a run as it is and as it is to be; None for one that is deleted."""

_COPY = "legm import ROOT NEW_ROOT copies runs to where they can be changed"
_KINDS = {
    ChangeKind.AMENDED: ("changes as it is stored there", "change as they are stored there"),
    ChangeKind.REPLACED: ("is deleted there and written anew", "are deleted there and written anew"),
    ChangeKind.DELETED: ("is deleted there", "are deleted there"),
    ChangeKind.ABSENT: ("is written there", "are written there"),
}  # of one run, and of several


@dataclass(slots=True)
class PlannedInBackends:
    """What becomes of runs in the backends beside the folders.

    Args:
        counts: by backend, with its options, and what it does, the number of runs.
        notes: what a user should know before, in a sentence each.
    """

    counts: Counter[tuple[str, ChangeKind]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """All of it, in a sentence each."""
        found = [
            f"{target}: {number:,} run{'s' * (number != 1)} {_KINDS[kind][number != 1]}"
            for (target, kind), number in sorted(
                self.counts.items(), key=lambda one: (one[0][0], one[0][1].value)
            )
        ]
        return [*found, *self.notes]

    def as_list(self) -> list[dict[str, Plain]]:
        """The counts for a program."""
        return [
            {"backend": target, "kind": kind.value, "runs": number}
            for (target, kind), number in self.counts.items()
        ]

    def note(self, text: str) -> None:
        """Note a sentence once."""
        if text not in self.notes:
            self.notes.append(text)


class StoredTarget(NamedTuple):
    """A backend beside the folder in which a run is.

    Args:
        run_id: the run's id.
        name: the backend's name.
        options: its options.
    """

    run_id: str
    name: str
    options: dict[str, Plain]


def stored_targets(folder: Path, run_ids: Collection[str]) -> Iterator[StoredTarget]:
    """The backends that the logs of runs name beside the folder.

    Args:
        folder: the folder of the runs' configuration.
        run_ids: the runs.
    """
    for path in LogFolder.of(folder).logs_except(()) if run_ids else ():
        if path.stem in run_ids:
            for name, options in sorted(read_log_backends(path).items()):
                if name != DEFAULT_BACKEND:
                    yield StoredTarget(path.stem, name, options)


class OtherBackends:
    """Asks the backends beside the folders what they will do; a backend is made once.

    Args:
        root: the root directory.
        planned: takes what they answer.
    """

    def __init__(self, root: Path, planned: PlannedInBackends) -> None:
        self._root = root
        self._planned = planned
        self._clients: dict[str, BackendClient] = {}

    def plan(self, runs: RunsToChange, stored: Iterable[StoredTarget]) -> dict[str, tuple[str, ...]]:
        """What becomes of runs that are amended or deleted.

        Args:
            runs: the runs.
            stored: the backends that they are in, from :func:`stored_targets`.

        Returns:
            by run, the names of the backends in which it changes; without runs that are in no other backend.

        Raises:
            NotSupported: a run cannot be changed where it is.
            BackendError: a backend does not answer.
        """
        found: dict[str, tuple[str, ...]] = {}
        for run_id, name, options in stored:
            change = self._asked(runs, run_id, name, options)
            if change.kind is ChangeKind.ABSENT:  # a user deleted it there, or it is still to be delivered
                continue
            _require_possible_in_backends(run_id, name, change)
            self._add(name, options, change)
            found[run_id] = (*found.get(run_id, ()), name)
        return found

    def plan_restored(
        self, folder: Path, runs: RunsToChange, *, were_deleted: bool
    ) -> dict[str, tuple[str, ...]]:
        """The same for runs that are brought back to what they were before.

        Args:
            folder: the folder that they are in now.
            runs: the runs.
            were_deleted: whether they were deleted, so that they are written anew where they are missing.

        Raises:
            NotSupported: a run cannot be changed where it is.
            BackendError: a backend does not answer.
        """
        found: dict[str, tuple[str, ...]] = {}
        for run_id, name, options in stored_targets(folder, runs.keys()):
            change = self._asked(runs, run_id, name, options)
            if change.kind is ChangeKind.ABSENT and (change.problem or not were_deleted):
                if were_deleted:
                    self._planned.note(f"{name}: {change.problem}")
                continue
            _require_possible_in_backends(run_id, name, change)
            self._add(name, options, change)
            found[run_id] = (*found.get(run_id, ()), name)
        return found

    def plan_copied(self, folder: Path, runs: RunsToChange) -> dict[str, tuple[str, ...]]:
        """By run that is copied from another root directory, the backends that do not have it here.

        A backend that does not answer, and one that no user of this machine chose, is noted and left out.

        Args:
            folder: the folder in the other root directory.
            runs: the runs.
        """
        found: dict[str, tuple[str, ...]] = {}
        for run_id, name, options in stored_targets(folder, runs.keys()):
            try:
                change = self._client(name, options).plan_change(runs[run_id][0], None)
            except LegmError as error:
                target = trusted_target_text(name, options)
                self._planned.note(f"what {target} has of the runs was left as it is there: {error}")
                continue
            if change.kind is ChangeKind.ABSENT and not change.problem:
                self._add(name, options, change)
                found[run_id] = (*found.get(run_id, ()), name)
        return found

    def _asked(
        self, runs: RunsToChange, run_id: str, name: str, options: Mapping[str, Plain]
    ) -> StoredChange:
        try:
            return self._client(name, options).plan_change(*runs[run_id])
        except NotSupported as error:
            raise NotSupported(
                f"the run {run_id} is also in {name}: {error}; nothing was changed. {_COPY}"
            ) from error
        except LegmError as error:
            raise BackendError(
                f"the run {run_id} is also in {name}, which has to change it: {error}; nothing was changed. "
                f"Try it again when {name} answers. {_COPY}"
            ) from error

    def _client(self, name: str, options: Mapping[str, Plain]) -> BackendClient:
        target = trusted_target_text(name, options)
        if target not in self._clients:
            if not is_trusted(name, options):
                raise NotSupported(f"no run was begun on this machine with the target {target!r}")
            backend = make_backend(find_backend_by_stored_name(name), self._root, options)
            self._clients[target] = BackendClient(backend, self._root)
        return self._clients[target]

    def _add(self, name: str, options: Mapping[str, Plain], change: StoredChange) -> None:
        self._planned.counts[trusted_target_text(name, options), change.kind] += 1
        if change.note:
            self._planned.note(f"{name}: {change.note}")


def _require_possible_in_backends(run_id: str, name: str, change: StoredChange) -> None:
    if change.problem:
        raise NotSupported(
            f"the run {run_id} is also in {name}: {change.problem}; nothing was changed. {_COPY}"
        )
