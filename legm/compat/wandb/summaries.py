"""``wandb.summary``: the last of every metric, and what the script says of the run as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from legm.compat.wandb.items import Items

__all__ = ["Summary"]


class Summary(Items):
    """What a run came to.

    Args:
        changed: called with a name and a value that the script sets.
    """

    def __init__(self, changed: Callable[[str, Any], object] = lambda _, __: None) -> None:
        super().__init__("summary", _set=set(), _rules={}, _changed=changed)

    def logged(self, name: str, value: Any) -> None:
        """Take what was logged, by the rule of its metric."""
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

    def rule(self, name: str, rule: str) -> None:
        """How the values of a metric become one: last, first, min, max, mean or none."""
        self._rules[name] = rule

    def __setitem__(self, key: str, value: Any) -> None:
        self._items[key] = value
        self._changed(str(key), value)

    __setattr__ = __setitem__

    def update(self, d: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Set several."""
        for key, value in {**(d or {}), **more}.items():
            self[key] = value
