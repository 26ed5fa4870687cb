"""``wandb.sweep`` and ``wandb.agent``: grid and random sweeps of a function, in this process."""

from __future__ import annotations

import itertools
import logging
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from legm.compat.script_session import SESSION
from legm.compat.wandb.current_run import CURRENT_RUN
from legm.compat.wandb.errors import UsageError
from legm.compat.wandb.util import generate_id

__all__ = ["agent", "sweep"]

log = logging.getLogger("legm.compat")


class _Sweeps:
    """The sweeps that this process made, by id: the configuration and the project."""

    def __init__(self) -> None:
        self.by_id: dict[str, tuple[Mapping[str, Any], str | None]] = {}


_SWEEPS = _Sweeps()


def sweep(sweep: Any, entity: str | None = None, project: str | None = None, prior_runs: Any = None) -> str:
    """Make a sweep, and return its id.

    Args:
        sweep: its configuration, or a function that returns it.
        entity: accepted, but not used.
        project: the project of its runs; None: what ``wandb.init()`` is given.
        prior_runs: accepted, but not used.
    """
    given = sweep() if callable(sweep) else sweep
    sweep_id = generate_id()
    _SWEEPS.by_id[sweep_id] = given, project or given.get("project")
    return sweep_id


def agent(
    sweep_id: str,
    function: Callable[[], object] | None = None,
    entity: str | None = None,
    project: str | None = None,
    count: int | None = None,
    forward_signals: bool = False,
) -> None:
    """Call a function once for each set of parameters; ``wandb.init()`` in it begins a run with them.

    Args:
        sweep_id: what :func:`sweep` returned.
        function: the training. One that raises has failed, and the next one is called.
        entity: accepted, but not used.
        project: the project of the runs; None: the sweep's.
        count: at most so many calls; a random sweep needs it, or ``run_cap`` in its configuration.
        forward_signals: accepted, but not used.

    Raises:
        UsageError: a parameter or the method is not understood, or a random sweep has no end.
    """
    known = _SWEEPS.by_id.get(sweep_id.rpartition("/")[2])
    if known is None or function is None:
        why = "legm knows no sweep of another process" if known is None else "legm calls a function only"
        SESSION.notices.report_unsupported("wandb.agent", why)
        return
    configuration, sweep_project = known
    most = count or configuration.get("run_cap")
    for parameters in itertools.islice(_sweep_parameter_sets(configuration, most), most):
        CURRENT_RUN.swept = (sweep_id, project or sweep_project, parameters)
        try:
            function()
        except Exception:
            log.exception("a run of the sweep %s failed with %s", sweep_id, parameters)
            if CURRENT_RUN.run is not None:
                CURRENT_RUN.run.finish(1)
        finally:
            CURRENT_RUN.swept = None
            CURRENT_RUN.finish()


def _sweep_parameter_sets(configuration: Mapping[str, Any], most: int | None) -> Iterator[dict[str, Any]]:
    method = configuration.get("method")
    parameters = configuration.get("parameters") or {}
    if method == "grid":
        yield from _sweep_grid(parameters)
        return
    if method not in {"random", "bayes"}:
        raise UsageError(f"the method of a sweep is grid, random or bayes, not {method!r}")
    if method == "bayes":
        SESSION.notices.report_unsupported(
            "the method 'bayes' of a sweep", "its parameters are drawn at random"
        )
    if most is None:
        raise UsageError(f"a sweep with the method {method!r} has no end: give wandb.agent() a count")
    while True:
        yield _drawn_sweep_values(parameters)


def _sweep_grid(parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination, the last parameter changing first."""
    choices: list[list[Any]] = []
    for name, given in parameters.items():
        if "parameters" in given:
            choices.append(list(_sweep_grid(given["parameters"])))
        elif "values" in given or "value" in given:
            choices.append(list(given["values"]) if "values" in given else [given["value"]])
        elif isinstance(given.get("min"), int) and isinstance(given.get("max"), int):
            choices.append(list(range(given["min"], given["max"] + 1)))
        else:
            raise UsageError(f"the parameter {name!r} of a grid needs values, not {dict(given)!r}")
    for values in itertools.product(*choices):
        yield dict(zip(parameters, values, strict=True))


def _drawn_sweep_values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _drawn_sweep_value(name, given) for name, given in parameters.items()}


def _drawn_sweep_value(name: str, given: Mapping[str, Any]) -> Any:
    if "parameters" in given:
        return _drawn_sweep_values(given["parameters"])
    if "value" in given:
        return given["value"]
    if "values" in given:
        return random.choices(list(given["values"]), given.get("probabilities"))[0]  # noqa: S311
    low, high = given.get("min"), given.get("max")
    kind = given.get("distribution")
    if kind is None:
        kind = "int_uniform" if isinstance(low, int) and isinstance(high, int) else "uniform"
    draws: dict[str, Callable[[], float]] = {
        "int_uniform": lambda: random.randint(low, high),  # type: ignore[arg-type]  # noqa: S311
        "uniform": lambda: random.uniform(low, high),  # type: ignore[arg-type]  # noqa: S311
        "log_uniform": lambda: math.exp(random.uniform(low, high)),  # type: ignore[arg-type]  # noqa: S311
        "log_uniform_values": lambda: math.exp(random.uniform(math.log(low), math.log(high))),  # type: ignore[arg-type]  # noqa: S311
        "normal": lambda: random.gauss(given.get("mu", 0), given.get("sigma", 1)),
        "log_normal": lambda: math.exp(random.gauss(given.get("mu", 0), given.get("sigma", 1))),
    }
    try:
        return draws[kind]()
    except (KeyError, TypeError):
        raise UsageError(f"the parameter {name!r} of a sweep cannot be drawn from {dict(given)!r}") from None
