"""What ``legm tag`` and ``legm note`` share: finds the runs, asks, and changes what is noted about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.json_output import print_json
from legm.cli.printing import print_table, printable_text, say
from legm.cli.terminal_tables import Column
from legm.core.texts import counted
from legm.delivery.marking import Marker, RunToMark
from legm.errors import LegmError, ParameterError, StateError, StorageError

if TYPE_CHECKING:
    from legm.cli.locations import LocatedExperiment, Location
    from legm.core.selection import RunSelection
    from legm.records import RunCounts, RunMarks

__all__ = ["change_or_print_marks", "runs_to_mark"]

Change = Callable[["RunMarks"], "RunMarks"]


def runs_to_mark(location: Location, selection: RunSelection) -> list[RunToMark]:
    """The runs that a path and a selection name, each once.

    Args:
        location: a run as every command takes it; or a root directory, an experiment or a configuration.
        selection: of the runs there.

    Raises:
        ParameterError: no run has this id, or several do; or nothing is selected.
        StorageError: there is nothing at the location.
    """
    from legm.runlog.log_folder import find_run_log

    if not selection and not location.path.is_dir():
        try:
            return [RunToMark.with_log(find_run_log(Path(), str(location.path)))]
        except ParameterError as error:
            try:
                return list(_runs_to_mark_at(location, selection))
            except LegmError:
                raise error from None
    return list(_runs_to_mark_at(location, selection))


def _runs_to_mark_at(location: Location, selection: RunSelection) -> Iterator[RunToMark]:
    from legm.analysis.selected_runs import SelectedRuns
    from legm.cli.locations import no_experiment_at_location_text
    from legm.cli.selection import select_members

    experiments = _experiments_to_mark_at(location)
    if not experiments:
        raise StorageError(no_experiment_at_location_text(location))
    every = [c for one in experiments for member in one.members if (c := member.configuration) is not None]
    seen: set[str] = set()
    for experiment in select_members(experiments, selection):
        selected = SelectedRuns.of(selection, every, experiment.read_runs)
        for counts in experiment.counts():
            logs = _LogsToMark(experiment, counts)
            for run in selected.read(counts.configuration, counts.description, frozenset()):
                if run.run.run_id not in seen:
                    seen.add(run.run.run_id)
                    client = experiment.store.client
                    yield replace(logs.run(run.run.run_id), stored=run, client=client)


def _experiments_to_mark_at(location: Location) -> list[LocatedExperiment]:
    from legm.cli.locations import configuration_at_location, experiments_at

    try:
        experiment, member = configuration_at_location(location)
    except LegmError:
        return list(experiments_at(location))
    return [replace(experiment, members=[member])]


class _LogsToMark:
    """The logs of the runs of a configuration; none for a store whose runs were written elsewhere.

    Args:
        experiment: the configuration's.
        counts: of its runs.
    """

    def __init__(self, experiment: LocatedExperiment, counts: RunCounts) -> None:
        from legm.runlog.log_folder import LogFolder

        there = replace(counts.configuration, experiment=experiment.name)
        folder = Path(counts.folder) if counts.folder is not None else experiment.store.client.folder(there)
        self._logs = None if folder is None else LogFolder.of(folder)
        self._keeps_folders = experiment.store.folders is not None
        self._paths = {} if self._logs is None else {one.stem: one for one in self._logs.logs_except(())}

    def run(self, run_id: str) -> RunToMark:
        """The run with an id; without a log, what is noted is beside where its log would be."""
        path = self._paths.get(run_id)
        return RunToMark(run_id, self._logs if path is not None or self._keeps_folders else None, path)


def change_or_print_marks(
    runs: Sequence[RunToMark],
    change: Change | None,
    shown: Callable[[RunMarks], str],
    *,
    is_sure: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change what is noted about runs, asking before more than one is, and print it.

    Args:
        runs: the runs.
        change: makes the new marks of the old ones; None to print only.
        shown: the marks as text.
        is_sure: whether not to ask.
        dry_run: whether to print what would be noted, and change nothing.
        as_json: whether to print JSON.
    """
    marker = Marker()
    if change is None or dry_run:
        found = [(one, marker.marks(one)) for one in runs]
        if change is not None:
            found = [(one, change(marks)) for one, marks in found]
    else:
        if len(runs) > 1 and not is_sure:
            click.confirm(f"Change {counted(len(runs), 'run')}?", abort=True, err=as_json)
        found = _change_marks_of_each(marker, runs, change)
    if as_json:
        dicts = [{"run_id": one.run_id, "tags": list(marks.tags), "note": marks.note} for one, marks in found]
        print_json(dicts[0] if len(dicts) == 1 else dicts)
    elif len(found) == 1:
        say(f"{found[0][0].run_id}: {shown(found[0][1])}")
    else:
        _print_marks(found)
        if change is not None:
            say(f"{counted(len(found), 'run')} {'would be changed' if dry_run else 'changed'}")


def _change_marks_of_each(
    marker: Marker, runs: Sequence[RunToMark], change: Change
) -> list[tuple[RunToMark, RunMarks]]:
    """The runs with their new marks.

    Raises:
        StateError: some of several could not be changed; the others are.
    """
    from legm.util.progress import show_progress

    if len(runs) == 1:
        return [(runs[0], marker.change(runs[0], change))]
    found, failures = [], []
    for one in show_progress(runs, "changing runs"):
        try:
            found.append((one, marker.change(one, change)))
        except LegmError as error:
            failures.append(error)
    if failures:
        raise StateError(
            f"{len(failures):,} of {counted(len(runs), 'run')} could not be changed: {failures[0]}"
        )
    return found


def _print_marks(found: Sequence[tuple[RunToMark, RunMarks]]) -> None:
    from legm.core.run_marks import shown_marks

    columns = [
        Column("run"),
        Column("configuration", fit="fold", is_name=True),
        Column("tags", fit="fold"),
        Column("note", fit="fold"),
    ]
    names = _configuration_names([one for one, _ in found])
    rows = [
        (
            one.run_id[-6:],
            names[one.run_id],
            printable_text(shown_marks([marks])),
            printable_text(marks.note),
        )
        for one, marks in found
    ]
    print_table(columns, rows)


def _configuration_names(runs: Sequence[RunToMark]) -> dict[str, str]:
    """By run id, what the run's configuration is called among all of them; "" where it is not known."""
    from legm.analysis.configuration_lookup import label_beside_logs
    from legm.core.display_names import display_names

    known = {one.run_id: one.stored.run.configuration for one in runs if one.stored is not None}
    labels = {
        known[one.run_id].fingerprint: label_beside_logs(known[one.run_id], one.logs)
        for one in runs
        if one.run_id in known
    }
    names = display_names(list(known.values()), labels) if known else {}
    return {
        one.run_id: printable_text(names[known[one.run_id].fingerprint]) if one.run_id in known else ""
        for one in runs
    }
