"""What users set, in the form in which it is recorded: values, steps, best rules, returned metrics."""

from __future__ import annotations

import functools
import math
import operator
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from legm.core.naming import check_name
from legm.core.texts import counted
from legm.errors import MetricError, closest
from legm.records import BestRule, Display

__all__ = [
    "EXACT",
    "flatten_recorded_metrics",
    "recorded_metrics_from_returned",
    "recorded_rounding_problem",
    "recording_decorator",
    "to_recorded_best_rule",
    "to_recorded_display",
    "to_recorded_step",
    "to_recorded_value",
]

F = TypeVar("F", bound=Callable[..., Any])

_INT64 = range(-(2**63), 2**63)
_RULES = ("last", "early_stopping")
EXACT = 2**53
"""Up to here a 64-bit float represents every whole number."""


def to_recorded_value(name: str, value: Any) -> float:
    """A metric's value as a float.

    Args:
        name: the metric's name, for the error message.
        value: a Python or NumPy number, or an array or tensor with one element; a masked one is NaN.

    Raises:
        MetricError: it is not a single number.
    """
    try:
        if hasattr(value, "item"):
            value = math.nan if _is_masked_recorded_value(value) else value.item()
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError("text is not a number")
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as cause:
        shown = repr(value)
        raise MetricError(
            f"metric {name!r} must be a single number, not {shown[:80]} of type {type(value).__qualname__}"
        ) from cause


def recorded_rounding_problem(name: str, value: Any, number: float) -> str:
    """What to tell about a whole number that the recorded float does not represent; "" if it does.

    Args:
        name: the metric's name.
        value: what was given.
        number: the same as a float.
    """
    if abs(number) < EXACT:
        return ""
    exact = value.item() if hasattr(value, "item") else value
    if not isinstance(exact, int) or exact == number:
        return ""
    return (
        f"metric {name!r}: {exact} is recorded as {int(number)}, since 64-bit floats do not represent every "
        "whole number beyond 2**53. Record it in a larger unit, such as thousands."
    )


def _is_masked_recorded_value(value: Any) -> bool:
    """Whether a value is a masked array of NumPy with one element, which is masked."""
    masked: Any = sys.modules.get("numpy.ma")
    if masked is None or not isinstance(value, masked.MaskedArray):
        return False
    return value.size == 1 and bool(masked.getmaskarray(value).all())


def to_recorded_step(name: str, step: Any) -> int:
    """A step as a 64-bit integer.

    Args:
        name: the metric's name, for the error message.
        step: a Python or NumPy number, or an array or tensor with one element.

    Raises:
        MetricError: it is not a whole number, or is too large.
    """
    try:
        value = step.item() if hasattr(step, "item") else step
        whole = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise MetricError(f"the step of {name!r} must be a whole number, not {step!r}") from cause
    if whole not in _INT64:
        raise MetricError(f"the step of {name!r} must fit into 64 bits, {step!r} does not")
    return whole


def to_recorded_display(name: str, value: Any, step: Any) -> Display:
    """A scalar or text that is shown at a step, and is not a metric.

    Args:
        name: the name under which it is shown.
        value: a number or a text.
        step: the step.

    Raises:
        MetricError: it is neither a number nor text, or the step is not a whole number.
    """
    check_name("scalar or text", name, MetricError)
    shown = value if isinstance(value, str) else to_recorded_value(name, value)
    return Display(name, shown, to_recorded_step(name, step), time.time())


def flatten_recorded_metrics(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str | None, Any]]:
    """The name, index and value of each number in a mapping of metrics or of indexed metrics."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            for metric, number in value.items():
                yield metric, str(name), number
        else:
            yield name, None, value


def to_recorded_best_rule(
    method: str, step: int | None, best_step: int | None, metric: str | None, *, higher_better: bool | None
) -> BestRule:
    """The rule by which the best step is chosen, as ``set_best()`` is given it.

    Args:
        method: "last" or "early_stopping".
        step: for early stopping, the step itself.
        best_step: the same.
        metric: for early stopping, the dev metric whose best value chooses.
        higher_better: whether its highest value is the best; None to decide by its name.

    Raises:
        MetricError: the method is unknown, or a step and a metric were given, or neither.
    """
    if method not in _RULES:
        raise MetricError(f"set_best() has no method {method!r}; {closest(str(method), _RULES)}")
    if step is not None and best_step is not None and step != best_step:
        raise MetricError(f"set_best() got step={step!r} and best_step={best_step!r}: give one of them")
    if metric is not None:
        check_name("metric", metric, MetricError)
    given = step if step is not None else best_step
    if method == "last" and (given is not None or metric is not None):
        raise MetricError("set_best('last') takes no step and no metric; set_best('early_stopping', …) does")
    if method == "early_stopping" and (given is None) == (metric is None):
        raise MetricError("set_best('early_stopping') takes either step= or metric=")
    chosen = None if given is None else to_recorded_step("best step", given)
    if metric is not None and higher_better is None:
        from legm.core.direction import decide_direction

        higher_better = decide_direction(metric, {}).higher_better
    return BestRule(method, chosen, metric, higher_better is None or bool(higher_better))


def recorded_metrics_from_returned(
    returned: Any, names: Sequence[str] | None, function: str
) -> dict[str, Any]:
    """What a decorated function returned, as metrics.

    Args:
        returned: a mapping, a sequence, an array, or one value.
        names: the metrics' names, in the order of a sequence, or the wanted keys of a mapping; None for
            all of a mapping, and for numbered names otherwise.
        function: the function's name, for the error message.

    Raises:
        MetricError: it does not fit the names.
    """
    if isinstance(returned, Mapping):
        if names is None:
            return dict(returned)
        for name in names:
            if name not in returned:
                raise MetricError(f"{function}() returned no {name!r}; {closest(name, map(str, returned))}")
        return {name: returned[name] for name in names}
    is_array = bool(getattr(returned, "ndim", 0))
    is_sequence = is_array or (isinstance(returned, Sequence) and not isinstance(returned, str))
    values = list(returned) if is_sequence else [returned]
    if names is None:
        names = [f"{function}_{i}" for i in range(len(values))] if is_sequence else [function]
    if len(names) != len(values):
        raise MetricError(
            f"{function}() returned {counted(len(values), 'value')} for the metrics {list(names)}"
        )
    return dict(zip(names, values, strict=True))


def recording_decorator(
    record: Callable[[dict[str, Any]], object], names: Sequence[str] | None
) -> Callable[[F], F]:
    """A decorator for functions whose results are recorded as metrics.

    Args:
        record: takes the metrics of each call.
        names: as for :func:`recorded_metrics_from_returned`.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            returned = function(*args, **kwargs)
            record(recorded_metrics_from_returned(returned, names, function.__name__))
            return returned

        return call  # type: ignore[return-value]

    return decorate
