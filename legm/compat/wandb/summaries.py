"""``wandb.summary``: one value per metric, and the values that the script sets for the whole run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from legm.compat.wandb.attribute_mapping import AttributeMapping

__all__ = ["Summary"]


class Summary(AttributeMapping):
    """The summary of a run.

    Args:
        changed: called with each name and value that the script sets.
    """

    def __init__(self, changed: Callable[[str, Any], object] = lambda _, __: None) -> None:
        super().__init__("summary", _set=set(), _rules={}, _changed=changed)

    def add_logged(self, name: str, value: Any) -> None:
        """Update the summary with a logged value, by the rule of its metric."""
        rule = self._rules.get(name, "last")
        old = self._items.get(name)
        if rule == "none" or (rule == "first" and old is not None):
            return
        if rule in {"min", "max"} and isinstance(old, (int, float)):
            value = min(old, value) if rule == "min" else max(old, value)
        if rule == "mean":
            total, count = self._rules.get((name,), (0.0, 0))
            self._rules[name,] = (total + value, count + 1)
            value = (total + value) / (count + 1)
        self._items[name] = value

    def set_rule(self, name: str, rule: str) -> None:
        """Set how the values of a metric are summarized: last, first, min, max, mean or none."""
        self._rules[name] = rule

    def __setitem__(self, key: str, value: Any) -> None:
        self._items[key] = value
        self._changed(str(key), value)

    __setattr__ = __setitem__

    def update(self, d: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Set several values."""
        for key, value in {**(d or {}), **more}.items():
            self[key] = value
