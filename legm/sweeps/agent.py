"""An agent of a sweep: takes trials, runs the script for each, prunes it, and then tops up seeds."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from legm.capture.script_process import ScriptProcess
from legm.core.run_marks import TAGS_VARIABLE
from legm.delivery.run_endings import end_stored_run
from legm.errors import CommandError, MetricError, StateError
from legm.handler import ExperimentHandler
from legm.records import Status
from legm.sweeps.script_runs import ScriptRuns
from legm.sweeps.sweep_command import check_command, command_with_values
from legm.sweeps.sweep_config import SweepConfig
from legm.sweeps.sweep_study import StudyTrial, SweepStudy

__all__ = ["SweepAgent", "SweepStopped"]

_PAUSE = 0.1  # seconds between two looks at a running script
_GRACE = 30.0  # seconds that a script has to end after SIGTERM
_FAILURES = 3  # trials in a row that fail before the agent stops


class SweepStopped(CommandError):
    """A signal, or a script that fails again and again, stopped the agent; the next call continues."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A script that has ended: its exit status, and whether it was stopped as pruned."""

    status: int
    is_pruned: bool


class SweepAgent:
    """Works on a sweep until no trial is left; several agents may do so at once.

    Args:
        config: the sweep.
        command: of the script, with ``{args}`` or the names of parameters in braces.
        seeds: how many completed runs the best configurations are to have; 0 for no seeds at all.
        top: how many configurations that are.
        report: called with a line about each trial and each further seed that has ended.

    Raises:
        ParameterError: the command does not take the parameters, or as :class:`SweepStudy`.
    """

    def __init__(
        self,
        config: SweepConfig,
        command: Sequence[str],
        seeds: int = 0,
        top: int = 1,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        names = [*config.parameters, *([config.seed] if seeds else [])]
        check_command(command, names)
        self._config, self._command, self._report = config, command, report
        self._seeds, self._top = seeds, top
        self.study = SweepStudy(config)

    def work(self) -> None:
        """Run trials until none is left, then the seeds that are missing.

        Raises:
            SweepStopped: a signal came, or three trials in a row failed.
            LegmError: the command cannot be run, or something cannot be read or written.
        """
        failures = 0
        while (taken := self.study.take()) is not None:
            try:
                failures = 0 if self._work_on(taken) else failures + 1
            finally:
                taken.lock.release()
            if failures == _FAILURES:
                raise SweepStopped(
                    f"{_FAILURES} trials in a row failed: repair the script, and call legm sweep again", 1
                )
        for one in self._missing_seeds():
            self._report(one)

    def _runs(self, tag: str, since: float) -> ScriptRuns:
        return ScriptRuns(self._config.root, self._config.experiment, tag, since)

    # A trial

    def _work_on(self, taken: StudyTrial) -> bool:
        """Run the script for a trial, unless its runs are there; returns whether the trial is right."""
        values = dict(taken.parameters)
        if self._seeds:
            values[self._config.seed] = 0
        runs = self._runs(taken.tag, 0.0)
        try:
            known = runs.value(self._config.metric) if taken.first != taken.trial.number else None
            ended = _Ended(0, False)
            if known is None:
                ended = self._run(command_with_values(self._command, values), taken, runs)
                known = runs.value(self._config.metric)
            title = f"trial {taken.first}: {_sweep_agent_texts(taken.parameters)}"
            if ended.is_pruned and known is None:
                self._mark_pruned(runs)
                self.study.prune(taken)
                self._report(f"{title}: pruned")
            elif known is None or math.isnan(known.value):
                self.study.fail(taken)
                self._report(f"{title}: failed, {self._failure(runs, ended)}")
                return False
            else:
                self._warn_of_unused(taken, known.fingerprint)
                self.study.complete(taken, known.value, known.runs, known.fingerprint)
                self._report(f"{title}: {self._config.metric} {known.value:.6g}")
        finally:
            runs.close()
        return True

    def _warn_of_unused(self, taken: StudyTrial, fingerprint: str) -> None:
        """Say that a script does not record what it is given, so that its trials are one configuration."""
        other = self.study.parameters_by_configuration().get(fingerprint)
        values = taken.parameters
        if other is not None and (names := [one for one in values if other.get(one) != values[one]]):
            self._report(
                f"trial {taken.first} is of the same configuration as a trial with other values of "
                f"{', '.join(names)}: the script does not use them, or does not record them as parameters"
            )

    def _failure(self, runs: ScriptRuns, ended: _Ended) -> str:
        results = runs.results()
        if not results:
            where = f"{self._config.root}/{self._config.experiment}"
            return f"the script (exit status {ended.status}) began no run of legm in {where}"
        last = results[-1]
        if last.status is Status.COMPLETED:
            names = sorted(series.name for series in last.best)
            return f"its run has no number as {self._config.metric!r}, but {', '.join(names) or 'nothing'}"
        return f"its run is {last.status.value}: {last.error or f'exit status {ended.status}'}"

    def _run(self, command: Sequence[str], taken: StudyTrial, runs: ScriptRuns) -> _Ended:
        """Run the script, and stop it where the study's pruner says so."""
        script = ScriptProcess(command, self._environment(taken.tag), taken.lock.fd)
        pruning, is_pruned = self._config.pruning, False
        with script.signals_forwarded():
            while not script.ends_within(_PAUSE):
                if pruning is not None and self._is_to_prune(taken, runs, pruning.interval):
                    is_pruned = True
                    script.stop(_GRACE)
        _require_no_agent_signal(script)
        if pruning is not None and not is_pruned:  # the others are compared with all of its steps
            runs.look_again()
            for step, value in runs.new_points(self._config.metric, pruning.interval):
                taken.trial.report(value, step)
        return _Ended(script.status, is_pruned)

    def _is_to_prune(self, taken: StudyTrial, runs: ScriptRuns, interval: int) -> bool:
        for step, value in runs.new_points(self._config.metric, interval):
            taken.trial.report(value, step)
            if taken.trial.should_prune():
                return True
        return False

    def _mark_pruned(self, runs: ScriptRuns) -> None:
        for one in runs.results():
            if one.status is not Status.PRUNED:
                reason = f"{self._config.metric} was worse than the median at step {one.last_step}"
                end_stored_run(self._config.root, one.run.run_id, Status.PRUNED, reason)

    @staticmethod
    def _environment(tag: str) -> dict[str, str]:
        tags = filter(None, [os.environ.get(TAGS_VARIABLE), tag])
        return {**os.environ, TAGS_VARIABLE: ",".join(tags)}

    # Seeds

    def _missing_seeds(self) -> Iterator[str]:
        """Run further seeds of the best configurations until each has enough, or others run them."""
        failed: set[str] = set()
        while self._seeds and (found := self._claimed(failed)) is not None:
            handler, values = found
            yield self._run_seed(handler, values, failed)

    def _claimed(self, failed: set[str]) -> tuple[ExperimentHandler, Mapping[str, Any]] | None:
        """A claim on a run of one of the best configurations, with the values of its trial."""
        config = self._config
        known = self.study.parameters_by_configuration()
        reader = ExperimentHandler(config.root, config.experiment, config.description or None)
        try:
            ranking = reader.get_best(config.metric, config.higher_better)
        except MetricError:  # no trial is completed
            ranking = []
        own = [one for one in ranking if one.configuration.fingerprint in known][: self._top]
        if known and not own:
            raise StateError(
                f"--seeds: no trial's run is in the local backend of {config.root}/{config.experiment}"
                f"{f' with the description {config.description!r}' if config.description else ''}, where "
                'further seeds are claimed: give the script backend=["local", …]'
            )
        for one in own:
            if one.folder is None or one.configuration.fingerprint in failed:
                continue
            handler = ExperimentHandler.load_existent(one.folder, config.description or None)
            if handler.should_run(self._seeds, math.inf):
                return handler, known[one.configuration.fingerprint]
        return None

    def _run_seed(self, handler: ExperimentHandler, values: Mapping[str, Any], failed: set[str]) -> str:
        """Run the script with the next seed; the claim is held until its run has begun."""
        config, fingerprint = self._config, handler.fingerprint
        seed = next(one for one in self.study.seed_numbers(fingerprint) if one not in self._used(fingerprint))
        tag = f"sweep:{config.name}/{fingerprint[-12:]}-{seed}"
        runs = self._runs(tag, time.time() - 1)
        command = command_with_values(self._command, {**values, config.seed: seed})
        title = f"{_sweep_agent_texts(values)}, {config.seed}={seed}"
        try:
            with handler:
                script = ScriptProcess(command, self._environment(tag))
                with script.signals_forwarded():
                    while not script.ends_within(_PAUSE) and not runs.poll():
                        pass
            with script.signals_forwarded():
                while not script.ends_within(_PAUSE):
                    pass
            _require_no_agent_signal(script)
            found = runs.value(config.metric)
            if found is None:
                failed.add(fingerprint)
                return f"{title}: failed, {self._failure(runs, _Ended(script.status, False))}"
        finally:
            runs.close()
        if found.fingerprint != fingerprint:
            raise StateError(
                f"the run with {config.seed}={seed} has another configuration than the run with another "
                f"seed, so they are not averaged: call handler.disable_param({config.seed!r}) in the script"
            )
        return f"{title}: {config.metric} {found.value:.6g}"

    def _used(self, fingerprint: str) -> set[object]:
        """The seeds of a configuration's completed runs."""
        import legm.tables

        table = legm.tables.open(self._config.root).runs(self._config.experiment)
        column = f"param.{self._config.seed}"
        if column not in table:
            return set()
        rows = zip(table["fingerprint"], table["status"], table[column], strict=True)
        return {seed for one, status, seed in rows if one == fingerprint and status == "completed"}


def _require_no_agent_signal(script: ScriptProcess) -> None:
    if script.received is not None:
        raise SweepStopped("the sweep was stopped; the next call continues it", 128 + script.received)


def _sweep_agent_texts(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )
