"""What becomes of the runs of one configuration by an amendment, found by reading them alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from legm.changes.other_backends import StoredTarget, stored_targets
from legm.changes.steps import StepRun, decode_runs, runs_content
from legm.core.absent_values import has_absent_value
from legm.core.amending import AmendedConfiguration, AmendmentChanges
from legm.core.identity import configuration_differences
from legm.core.selection import BoundSelection, SelectionCandidate
from legm.delivery.folder_access import FolderAccess
from legm.errors import CorruptFile
from legm.records import Configuration, Plain, Status
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_frames import configuration_frame_content
from legm.runlog.log_reader import decode_log_configuration, read_log_head

__all__ = ["AmendedGroup", "AmendedRuns", "ConfigurationAmender"]


@dataclass(frozen=True, slots=True)
class AmendedGroup:
    """Runs of one configuration that are of the same one afterwards.

    Args:
        after: the configuration.
        difference: in which parameters it differs from the one of before.
        runs: by id, the runs.
    """

    after: Configuration
    difference: str
    runs: Mapping[str, StepRun]


@dataclass(frozen=True, slots=True)
class AmendedRuns:
    """What becomes of the runs of one configuration.

    Args:
        path: its folder below the experiment's.
        before: the configuration.
        is_selected: whether runs of it may be selected.
        has_selected: whether some are, or it has none and is selected itself.
        groups: what its runs become; none where nothing changes.
        running: the ids of the runs that would change and are left as they are because they are running.
        staying: how many runs stay what they are: those that are running, or not selected.
        targets: of the runs that change, the backends beside the folder.
    """

    path: str
    before: Configuration
    is_selected: bool
    has_selected: bool = False
    groups: Sequence[AmendedGroup] = ()
    running: Sequence[str] = ()
    staying: int = 0
    targets: Sequence[StoredTarget] = field(default=())

    def content(self) -> dict[str, Plain]:
        """It as JSON holds it."""
        return {
            "path": self.path,
            "before": configuration_frame_content(self.before),
            "is_selected": self.is_selected,
            "has_selected": self.has_selected,
            "groups": [
                [configuration_frame_content(one.after), one.difference, runs_content(one.runs)]
                for one in self.groups
            ],
            "running": list(self.running),
            "staying": self.staying,
            "targets": [list(one) for one in self.targets],
        }

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> AmendedRuns:
        """The inverse of :meth:`content`."""
        groups = [
            AmendedGroup(decode_log_configuration(after), difference, decode_runs(runs))
            for after, difference, runs in content["groups"]
        ]
        more = {
            "before": decode_log_configuration(content["before"]),
            "groups": groups,
            "targets": [StoredTarget(*one) for one in content["targets"]],
        }
        return cls(**{**content, **more})


class ConfigurationAmender:
    """Finds what becomes of the runs of configurations.

    Args:
        experiment: the folder of the experiment.
        changes: what is changed.
        only: the runs that are changed; None for all.
        folders: reads them.
    """

    def __init__(
        self, experiment: Path, changes: AmendmentChanges, only: BoundSelection | None, folders: FolderAccess
    ) -> None:
        self._experiment = experiment
        self._changes = changes
        self._only = only
        self._folders = folders

    def amended(self, paths: Iterable[str]) -> Iterator[AmendedRuns]:
        """What becomes of the runs in folders.

        Args:
            paths: those of the folders below the experiment's.

        Raises:
            ParameterError: a configuration cannot be changed so.
            LegmError: a folder is damaged, or cannot be read.
        """
        for path, configuration in self._folders.read_configurations(self._experiment, paths):
            if self._only is None or self._only.decides(SelectionCandidate(configuration)) is not False:
                yield self._amended(path, configuration)
            else:
                yield AmendedRuns(path, configuration, is_selected=False)

    def _amended(self, path: str, before: Configuration) -> AmendedRuns:
        folder = self._experiment / path
        results = list(self._folders.read_runs(folder, configuration=before))
        selected = [one for one in results if self._only is None or self._only.has_run(one)]
        change = AmendedConfiguration(before, self._changes)
        groups: dict[str, tuple[Configuration, dict[str, StepRun]]] = {}
        own = self._set_to_absent_values(folder, before)
        is_changed, number_running, running = False, 0, list[str]()
        for result in selected:
            run = result.run
            parameters = {**own(run.run_id), **run.parameters}
            amended = change.of_run(parameters)
            would_change = amended.configuration != before
            would_change |= amended.parameters not in (run.parameters, parameters)
            if result.status is Status.RUNNING:
                number_running += 1
                running += [run.run_id] if would_change else []
                continue
            is_changed |= would_change
            runs = groups.setdefault(amended.configuration.fingerprint, (amended.configuration, {}))[1]
            runs[run.run_id] = StepRun(run.description, run.started, run.parameters, amended.parameters)
        if not results:
            amended = change.of_run({})
            is_changed = amended.configuration != before
            groups[amended.configuration.fingerprint] = (amended.configuration, {})
        if not is_changed:
            return AmendedRuns(path, before, True, bool(selected or not results), running=running)
        found = [
            AmendedGroup(after, "; ".join(map(str, configuration_differences(before, after))), runs)
            for after, runs in groups.values()
        ]
        changing = {
            run_id
            for one in found
            for run_id, run in one.runs.items()
            if one.after != before or run.before != run.after
        }
        targets = tuple(stored_targets(folder, changing))
        staying = number_running + len(results) - len(selected)
        return AmendedRuns(path, before, True, True, found, running, staying, targets)

    def _set_to_absent_values(
        self, folder: Path, configuration: Configuration
    ) -> Callable[[str], dict[str, Plain]]:
        """By run, what it set to its absent value: its log says it, or else the folder.

        Each run keeps it as its own from its first amendment on, since one may unite it with runs from before
        the parameter existed.
        """
        if not self._changes.decided_absent and not self._changes.absent:
            return lambda _: {}
        logs = {path.stem: path for path in LogFolder.of(folder).logs_except(())}

        def of_run(run_id: str) -> dict[str, Plain]:
            its = configuration
            if run_id in logs:
                with contextlib.suppress(CorruptFile):
                    its = read_log_head(logs[run_id]).run.configuration
            return {name: value for name, value in its.parameters.items() if has_absent_value(its, name)}

        return of_run
