"""The study of a sweep, which several agents share: who takes which trial, and what became of it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.errors import LegmError, ParameterError, StorageError, storage_error
from legm.runlog.file_names import OWN_FOLDER
from legm.sweeps.sweep_config import SweepConfig, SweepParameterRange
from legm.util.locks import file_lock

__all__ = ["StudyTrial", "StudyTrialLock", "SweepStudy"]

_OF, _AFTER, _POINT = "legm_trial", "legm_after", "legm_point"
_RUNS, _CONFIGURATION, _SPACE = "legm run ids", "legm_configuration", "legm_space"
"""User attributes of a trial: the first and the last one that it continues, its point of the grid, its runs
and their configuration; and of the study: what is varied."""


class StudyTrialLock:
    """A trial is worked on while this file is locked: by the agent, or by the script that inherited the lock.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._other: Any = None
        self.fd: int | None = None

    def acquire(self) -> bool:
        """Lock the file without waiting; returns whether no other process had locked it."""
        try:
            import fcntl
        except ImportError:  # Windows, where the script does not inherit it
            from filelock import FileLock, Timeout

            self._other = FileLock(self._path)
            with contextlib.suppress(Timeout):
                self._other.acquire(timeout=0)
            return bool(self._other.is_locked)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self.fd = fd
        return True

    def release(self) -> None:
        """Close the file: it is unlocked once the script has ended too."""
        if self._other is not None:
            self._other.release()
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


@dataclass(slots=True)
class StudyTrial:
    """A trial that this agent works on.

    Args:
        trial: Optuna's.
        first: the number of the trial that it continues, or its own.
        tag: of its runs.
        lock: held until the trial has ended.
    """

    trial: Any
    first: int
    tag: str
    lock: StudyTrialLock

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The values that were chosen."""
        return dict(self.trial.params)


class _StudyJournalLock:
    """What Optuna's journal is locked with: a lock that a killed process does not leave behind."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self._lock = FileLock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


class SweepStudy:
    """The trials of a sweep, in a journal below the root directory.

    Args:
        config: the sweep.

    Raises:
        LegmError: Optuna is not installed.
        ParameterError: a sweep of this name was begun with other parameters.
        StorageError: the root directory cannot be written.
    """

    def __init__(self, config: SweepConfig) -> None:
        try:
            import optuna
        except ModuleNotFoundError as cause:
            raise LegmError("legm sweep needs Optuna: install it with: pip install 'legm[sweep]'") from cause
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._config = config
        self._folder = config.root.absolute() / OWN_FOLDER / "sweeps" / config.name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("create the sweep's folder", self._folder, cause) from cause
        with self._locked():
            self._study = self._open()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with file_lock(self._folder / "study.lock"):
            yield

    def _open(self) -> Any:
        optuna, config, journal = self._optuna, self._config, self._folder / "study.journal"
        if journal.is_symlink():
            raise StorageError(f"{journal} is a link, which is not followed: delete it")
        lock = _StudyJournalLock(self._folder / "journal.lock")
        lock.acquire()
        try:
            _cut_torn_study_line(journal)
        finally:
            lock.release()
        backend = optuna.storages.journal.JournalFileBackend(str(journal), lock_obj=lock)
        pruning = config.pruning
        study = optuna.create_study(
            storage=optuna.storages.journal.JournalStorage(backend),
            study_name=config.name,
            load_if_exists=True,
            direction="maximize" if config.higher_better else "minimize",
            pruner=optuna.pruners.NopPruner()
            if pruning is None
            else optuna.pruners.MedianPruner(
                pruning.startup_trials, pruning.warmup_steps, n_min_trials=1, interval_steps=1
            ),
        )
        space = _study_space_text(config)
        known = study.user_attrs.get(_SPACE)
        if known is None:
            study.set_user_attr(_SPACE, space)
        elif known != space:
            raise ParameterError(
                f"the sweep {config.name!r} in {config.root} was begun with {known}, which is not {space}: "
                "give the changed sweep another name"
            )
        return study

    # Taking trials

    def take(self) -> StudyTrial | None:
        """Take the next trial: one whose agent died, or a new one; None where no trial is left.

        Of agents that ask at once, each gets another one, and together they get no more than there are.
        """
        states = self._optuna.trial.TrialState
        with self._locked():
            self._requeue_abandoned()
            trials = self._study.get_trials(deepcopy=False)
            firsts = {one.user_attrs.get(_OF, one.number) for one in trials}
            if not any(one.state is states.WAITING for one in trials):
                if len(firsts) >= self._config.trials:
                    return None
                if self._config.sampler == "grid":
                    self._enqueue_next_point(trials)
            self._study.sampler = self._sampler(len(trials))
            trial = self._study.ask(self._distributions())
            lock = self._lock_of(trial.number)
            if not lock.acquire():
                raise StorageError(f"trial {trial.number} is locked although it is new")
            first = trial.user_attrs.get(_OF, trial.number)
            return StudyTrial(trial, first, f"sweep:{self._config.name}/{first}", lock)

    def _lock_of(self, number: int) -> StudyTrialLock:
        return StudyTrialLock(self._folder / f"trial-{number}.lock")

    def _requeue_abandoned(self) -> None:
        """Ask again for the trials that nobody works on any more."""
        states = self._optuna.trial.TrialState
        trials = self._study.get_trials(deepcopy=False)
        continued = {one.user_attrs.get(_AFTER) for one in trials}
        for one in trials:
            if one.state is not states.RUNNING or not (lock := self._lock_of(one.number)).acquire():
                continue
            try:
                if one.number not in continued:
                    attributes = {_OF: one.number, **one.user_attrs, _AFTER: one.number}
                    at = one.user_attrs.get(_POINT)
                    known = one.params if at is None else self._grid_point(at)
                    self._study.enqueue_trial(known, attributes)
                self._study.tell(one.number, state=states.FAIL)
            finally:
                lock.release()

    def _grid_point(self, at: int) -> dict[str, Any]:
        """A combination of a grid by its position, in which the last parameter changes first."""
        point: dict[str, Any] = {}
        for name, one in reversed([*self._config.parameters.items()]):
            at, own = divmod(at, one.count() or 1)
            point[name] = one.value(own)
        return dict(reversed([*point.items()]))

    def _enqueue_next_point(self, trials: Sequence[Any]) -> None:
        known = {one.user_attrs.get(_POINT) for one in trials}
        at = next(one for one in itertools.count() if one not in known)
        self._study.enqueue_trial(self._grid_point(at), {_POINT: at})

    def _sampler(self, number: int) -> Any:
        """The sampler for the trial with this number, the same whichever agent asks."""
        samplers, seed = self._optuna.samplers, self._config.sampler_seed * 1_000_003 + number
        is_tpe = self._config.sampler == "tpe"
        return samplers.TPESampler(seed=seed) if is_tpe else samplers.RandomSampler(seed=seed)

    def _distributions(self) -> dict[str, Any]:
        return {name: self._distribution(one) for name, one in self._config.parameters.items()}

    def _distribution(self, one: SweepParameterRange) -> Any:
        kinds = self._optuna.distributions
        if one.choices:
            return kinds.CategoricalDistribution(one.choices)
        if isinstance(one.low, int):
            return kinds.IntDistribution(one.low, int(one.high), log=one.log, step=int(one.step or 1))
        return kinds.FloatDistribution(one.low, one.high, log=one.log, step=one.step)

    # What became of them

    def complete(self, taken: StudyTrial, value: float, runs: Sequence[str], fingerprint: str) -> None:
        """A trial's value, with the runs and the configuration that it is of."""
        taken.trial.set_user_attr(_RUNS, list(runs))
        taken.trial.set_user_attr(_CONFIGURATION, fingerprint)
        self._study.tell(taken.trial, value)

    def prune(self, taken: StudyTrial) -> None:
        """A trial was stopped."""
        self._study.tell(taken.trial, state=self._optuna.trial.TrialState.PRUNED)

    def fail(self, taken: StudyTrial) -> None:
        """A trial has no value."""
        self._study.tell(taken.trial, state=self._optuna.trial.TrialState.FAIL)

    def seed_numbers(self, fingerprint: str) -> Iterator[int]:
        """Seeds for a configuration that no agent gets twice, from 0 upwards; each is taken when it comes."""
        number = 0
        while True:
            path = self._folder / f"seed-{fingerprint[-16:]}-{number}"
            with contextlib.suppress(FileExistsError):
                path.touch(exist_ok=False)
                yield number
            number += 1

    def parameters_by_configuration(self) -> dict[str, Mapping[str, Any]]:
        """By fingerprint, the parameters of the trials that completed."""
        trials = self._study.get_trials(deepcopy=False)
        return {
            one.user_attrs[_CONFIGURATION]: dict(one.params)
            for one in trials
            if _CONFIGURATION in one.user_attrs
        }

    def best(self) -> tuple[int, float, Mapping[str, Any]] | None:
        """The number, value and parameters of the best trial; None where none is completed."""
        try:
            found = self._study.best_trial
        except ValueError:
            return None
        return found.user_attrs.get(_OF, found.number), found.value, dict(found.params)

    def counts(self) -> dict[str, int]:
        """How many trials have each state: complete, pruned, fail, running; a continued one counts once."""
        found: dict[int, str] = {}
        for one in self._study.get_trials(deepcopy=False):
            found[one.user_attrs.get(_OF, one.number)] = one.state.name.lower()
        return {name: [*found.values()].count(name) for name in dict.fromkeys(found.values())}


def _cut_torn_study_line(path: Path) -> None:
    """Delete what a killed process has left of the journal's last line."""
    try:
        with path.open("rb+") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            if end < len(data):
                file.truncate(end)
    except FileNotFoundError:
        return


def _study_space_text(config: SweepConfig) -> str:
    ranges = {
        name: list(one.choices) or [one.low, one.high, "log" if one.log else "", one.step]
        for name, one in sorted(config.parameters.items())
    }
    direction = "higher" if config.higher_better else "lower"
    return f"{config.experiment}, {direction} {config.metric}, {config.sampler}, {ranges}"
