"""What a run of the original legm accepted as metrics: numbers, texts, lists, and values by example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from legm.core.plain_form import to_plain
from legm.errors import MetricError, UnstableValue
from legm.records import Plain
from legm.runlog.recorded_values import to_recorded_value

__all__ = ["LoggedValues", "Numbers", "is_classic_test_mode", "metric_key"]


def is_classic_test_mode(mode: str | None) -> bool:
    """Whether a mode of ``set_metric`` is that of a test value: any but None and "dev"."""
    return mode not in (None, "dev")


def metric_key(name: str, mode: str | None) -> str:
    """The name of a metric in the files: ``dev_x`` in the mode "dev", ``test_x`` in others but None."""
    if mode is None:
        return name
    return f"dev_{name}" if mode == "dev" else f"test_{name}"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers among the values of one call.

    Args:
        plain: by metric.
        by_example: by example and metric.
        not_numbers: the names of the metrics with other values.
    """

    plain: dict[str, Any] = field(default_factory=dict)
    by_example: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_numbers: tuple[str, ...] = ()


@dataclass(slots=True)
class LoggedValues:
    """The values of one run that are no plain numbers.

    Args:
        texts: by key in the files, the values that are no numbers: the last one of a test value, else all.
        by_example: by example and key in the files, every value, numbers too.
    """

    texts: dict[str, Plain] = field(default_factory=dict)
    by_example: dict[str, dict[str, Plain]] = field(default_factory=dict)
    _plain: set[tuple[str, bool]] = field(default_factory=set)
    _indexed: set[tuple[str, bool]] = field(default_factory=set)

    def add(self, metrics: Mapping[Any, Any], mode: str | None) -> Numbers:
        """Add the values of one call.

        Args:
            metrics: values by metric; a mapping is ``{metric: value}`` of an example, whose name is the key.
            mode: see :func:`metric_key`.

        Returns:
            the numbers, by the names that legm records them under.

        Raises:
            MetricError: a value has no form in which it can be stored; nothing was added.
        """
        plain: dict[str, Any] = {}
        indexed: dict[str, dict[str, Any]] = {}
        others: dict[str, Plain] = {}
        kept: dict[str, dict[str, Plain]] = {}
        names: list[str] = []
        for name, value in metrics.items():
            if not isinstance(value, Mapping):
                if _is_logged_number(name, value):
                    plain[_logged_value_name(str(name), mode)] = value
                else:
                    others[metric_key(str(name), mode)] = _storable_logged_value(name, value)
                    names.append(str(name))
                continue
            for metric, one in value.items():
                kept.setdefault(str(name), {})[metric_key(str(metric), mode)] = _storable_logged_value(
                    metric, one
                )
                if _is_logged_number(metric, one):
                    indexed.setdefault(str(name), {})[_logged_value_name(str(metric), mode)] = one
        self._keep(others, kept, is_test=is_classic_test_mode(mode))
        return Numbers(
            plain, self._distinct(plain, indexed, is_test=is_classic_test_mode(mode)), tuple(names)
        )

    def _distinct(
        self, plain: dict[str, Any], indexed: dict[str, dict[str, Any]], *, is_test: bool
    ) -> dict[str, dict[str, Any]]:
        """The numbers by example; a metric that is a plain one too gets ``_indexed`` appended."""
        self._plain.update((name, is_test) for name in plain if (name, is_test) not in self._indexed)
        found: dict[str, dict[str, Any]] = {}
        for example, numbers in indexed.items():
            for name, number in numbers.items():
                if (name, is_test) in self._plain:
                    found.setdefault(example, {})[f"{name}_indexed"] = number
                else:
                    self._indexed.add((name, is_test))
                    found.setdefault(example, {})[name] = number
        return found

    def _keep(
        self, texts: Mapping[str, Plain], kept: Mapping[str, Mapping[str, Plain]], *, is_test: bool
    ) -> None:
        _extend_logged_values(self.texts, texts, is_test=is_test)
        for example, values in kept.items():
            _extend_logged_values(self.by_example.setdefault(example, {}), values, is_test=is_test)


def _extend_logged_values(known: dict[str, Plain], values: Mapping[str, Plain], *, is_test: bool) -> None:
    """Replace test values, and append others to a list of each."""
    for key, value in values.items():
        if is_test:
            known[key] = value
        elif isinstance(before := known.get(key), list):
            before.append(value)
        else:
            known[key] = [value]


def _logged_value_name(name: str, mode: str | None) -> str:
    return name if is_classic_test_mode(mode) else metric_key(name, mode)


def _is_logged_number(name: Any, value: Any) -> bool:
    try:
        to_recorded_value(str(name), value)
    except MetricError:
        return False
    return True


def _storable_logged_value(name: Any, value: Any) -> Plain:
    """A value in plain form.

    Raises:
        MetricError: it has none.
    """
    try:
        return to_plain(str(name), value)
    except UnstableValue as error:
        raise MetricError(
            f"metric {name!r} must be a number, or a text, a list or a mapping that can be stored, not an "
            f"object of type {type(value).__qualname__}"
        ) from error
