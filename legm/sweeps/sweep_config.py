"""What a sweep's YAML file says: which parameters are varied, by which metric, and how."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.core.direction import direction_by_name
from legm.errors import ParameterError, closest, storage_error

__all__ = ["Pruning", "SweepConfig", "SweepParameterRange", "read_sweep_config"]

_SAMPLERS = ("tpe", "random", "grid")
_KEYS = (
    *("name", "root", "experiment", "description", "metric", "direction", "sampler", "sampler_seed"),
    *("trials", "seed", "pruner", "parameters"),
)
_RANGE_KEYS = ("min", "max", "log", "step")
_PRUNER_KEYS = ("startup_trials", "warmup_steps", "interval")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class SweepParameterRange:
    """The values that a parameter may have: choices, or all between two numbers.

    Args:
        choices: the values; empty for a range.
        low, high: the limits of a range, which are of one type: whole numbers or not.
        log: whether a range is sampled by its logarithm.
        step: between two values of a range; None for any value, or 1 for whole numbers.
    """

    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None

    def count(self) -> int | None:
        """How many values there are; None where there is no finite number of them."""
        if self.choices:
            return len(self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return len(range(self.low, self.high + 1, int(self.step or 1)))
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    def value(self, at: int) -> Any:
        """A value by its position, from 0; of a range without a step there is none."""
        return self.choices[at] if self.choices else self.low + at * (self.step or 1)


@dataclass(frozen=True, slots=True)
class Pruning:
    """When a trial is stopped: where its metric is worse than the median of the others at that step.

    Args:
        startup_trials: how many trials complete before one is stopped.
        warmup_steps: the step before which none is stopped.
        interval: only steps that this divides are compared.
    """

    startup_trials: int = 5
    warmup_steps: int = 0
    interval: int = 1


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """A sweep.

    Args:
        name: of the sweep, which is in the tags of its runs.
        root: the root directory into which the script logs.
        experiment: the experiment into which it logs.
        metric: the dev metric that is optimized, at the best step of each run.
        higher_better: whether higher values are better.
        parameters: what is varied, by name.
        trials: how many trials there are.
        sampler: "tpe", "random" or "grid".
        sampler_seed: of the sampler.
        seed: the name of the script's seed.
        pruning: None for none.
        description: of the script's runs; "" for none.
    """

    name: str
    root: Path
    experiment: str
    metric: str
    higher_better: bool
    parameters: Mapping[str, SweepParameterRange]
    trials: int
    sampler: str = "tpe"
    sampler_seed: int = 0
    seed: str = "seed"
    pruning: Pruning | None = None
    description: str = ""


def read_sweep_config(path: Path) -> SweepConfig:
    """Read a sweep's file.

    Args:
        path: the YAML file.

    Raises:
        StorageError: it cannot be read.
        CorruptFile: it is not YAML.
        ParameterError: it does not describe a sweep; the message names the file and the key.
    """
    from legm.util.yaml_files import parse_yaml

    try:
        data = path.read_bytes()
    except OSError as cause:
        raise storage_error("read the sweep's file", path, cause) from cause
    return _SweepFile(path, parse_yaml(path, data)).config()


class _SweepFile:
    """The content of a sweep's file, which is checked key by key."""

    def __init__(self, path: Path, content: Any) -> None:
        self._path = path
        if not isinstance(content, dict) or not content:
            raise self._error("it has to be a mapping with the keys experiment, metric, parameters, …")
        self._content = content
        self._require_known("", content, _KEYS)

    def _error(self, problem: str) -> ParameterError:
        return ParameterError(f"{self._path}: {problem}")

    def _require_known(self, where: str, content: Mapping[Any, Any], known: tuple[str, ...]) -> None:
        for key in content:
            if key not in known:
                raise self._error(f"{where}there is no key {key!r}; {closest(str(key), known)}")

    def config(self) -> SweepConfig:
        parameters = self._parameters()
        sampler = self._text("sampler", "tpe")
        if sampler not in _SAMPLERS:
            raise self._error(f"sampler: {sampler!r} is not one of {', '.join(_SAMPLERS)}")
        metric = self._text("metric")
        return SweepConfig(
            name=self._name(),
            root=Path(self._text("root", "results")),
            experiment=self._text("experiment"),
            metric=metric,
            higher_better=self._higher_better(metric),
            parameters=parameters,
            trials=self._trials(parameters, sampler),
            sampler=sampler,
            sampler_seed=self._number("sampler_seed", 0, 0),
            seed=self._text("seed", "seed"),
            pruning=self._pruning(),
            description=self._text("description", ""),
        )

    def _text(self, key: str, default: str | None = None) -> str:
        value = self._content.get(key, default)
        if value is None:
            raise self._error(f"the key {key!r} is missing")
        if not isinstance(value, str) or (not value and default != ""):
            raise self._error(f"{key}: {value!r} is not a text")
        return value

    def _number(self, key: str, default: int, least: int, content: Mapping[str, Any] | None = None) -> int:
        value = (self._content if content is None else content).get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._error(f"{key}: {value!r} is not a whole number of at least {least}")
        return value

    def _name(self) -> str:
        name = str(self._content.get("name", self._path.stem))
        if not _NAME.fullmatch(name):
            raise self._error(f"name: {name!r} has to be 1 to 40 letters, digits and . _ -")
        return name

    def _higher_better(self, metric: str) -> bool:
        given = self._content.get("direction")
        if given is None:
            return direction_by_name(metric) is not False
        if given not in {"minimize", "maximize"}:
            raise self._error(f"direction: {given!r} is neither minimize nor maximize")
        return bool(given == "maximize")

    def _pruning(self) -> Pruning | None:
        given = self._content.get("pruner", "none")
        if given in {"none", "median"} if isinstance(given, str) else given is None:
            return Pruning() if given == "median" else None
        content = given.get("median") if isinstance(given, dict) and len(given) == 1 else None
        if not isinstance(content, dict):
            raise self._error(f"pruner: {given!r} is not none, median, or median with {_PRUNER_KEYS}")
        self._require_known("pruner: ", content, _PRUNER_KEYS)
        default = Pruning()
        return Pruning(
            self._number("startup_trials", default.startup_trials, 1, content),
            self._number("warmup_steps", default.warmup_steps, 0, content),
            self._number("interval", default.interval, 1, content),
        )

    def _trials(self, parameters: Mapping[str, SweepParameterRange], sampler: str) -> int:
        if sampler != "grid":
            if "trials" not in self._content:
                raise self._error("the key 'trials' is missing: how many trials the sweep has")
            return self._number("trials", 0, 1)
        if "trials" in self._content:
            raise self._error("trials: a grid has as many as there are combinations; delete the key")
        for name, one in parameters.items():
            if one.count() is None:
                raise self._error(f"parameters: {name}: a grid needs a step, or a list of values")
        return math.prod(one.count() or 0 for one in parameters.values())

    def _parameters(self) -> dict[str, SweepParameterRange]:
        given = self._content.get("parameters")
        if not isinstance(given, dict) or not given:
            raise self._error("parameters: it has to be a mapping from names to lists or ranges")
        for name in given:
            if not isinstance(name, str) or not re.fullmatch(r"[^\s={}]+", name):
                raise self._error(f"parameters: {name!r} is not the name of a parameter")
        return {name: self._range(name, one) for name, one in given.items()}

    def _range(self, name: str, given: Any) -> SweepParameterRange:
        where = f"parameters: {name}: "
        if isinstance(given, (str, int, float)):
            return SweepParameterRange((given,))
        if isinstance(given, list) and given:
            return self._choices(where, given)
        if not isinstance(given, dict):
            raise self._error(f"{where}{given!r} is not a value, a list of values, or a range with min, max")
        self._require_known(where, given, _RANGE_KEYS)
        limits = [self._limit(where, given, key) for key in ("min", "max")]
        is_whole = all(isinstance(one, int) for one in limits)
        low, high = limits if is_whole else map(float, limits)
        log, step = given.get("log", False), given.get("step")
        if low >= high:
            raise self._error(f"{where}min {low:g} is not below max {high:g}")
        if log not in {True, False} or (log and (low <= 0 or step is not None)):
            raise self._error(f"{where}log is true or false, with a min above 0 and without a step")
        if step is not None:
            step = self._limit(where, given, "step")
            if step <= 0 or (is_whole and not isinstance(step, int)):
                raise self._error(f"{where}step: {step!r} does not divide the range")
            if abs((high - low) / step - round((high - low) / step)) > 1e-9:
                raise self._error(f"{where}step: {step!r} does not divide the range")
        return SweepParameterRange((), low, high, bool(log), step)

    def _choices(self, where: str, given: list[Any]) -> SweepParameterRange:
        for value in given:
            if not isinstance(value, (str, int, float)) or (isinstance(value, float) and math.isnan(value)):
                raise self._error(f"{where}{value!r} is not a text, a number, true or false")
        texts: set[str] = set()
        for value in given:
            if str(value) in texts:
                raise self._error(f"{where}{value!r} is there twice")
            texts.add(str(value))
        return SweepParameterRange(tuple(given))

    def _limit(self, where: str, given: Mapping[str, Any], key: str) -> float:
        value = given.get(key)
        if isinstance(value, str):  # YAML 1.1 reads 1e-4 as a text
            try:
                value = float(value)
            except ValueError:
                value = None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise self._error(f"{where}{key}: {given.get(key)!r} is not a number")
        return value
