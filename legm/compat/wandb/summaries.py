"""``wandb.summary``: the last of every metric, and what the script says of the run as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["Summary"]


class Summary:
    """What a run came to.

    Args:
        changed: called with a name and a value that the script sets.
    """

    def __init__(self, changed: Callable[[str, Any], object] = lambda _, __: None) -> None:
        self.__dict__.update(_items={}, _set=set(), _rules={}, _changed=changed)

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

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_items"][name]
        except KeyError:
            raise AttributeError(f"the summary has no {name!r}") from None

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or the default."""
        return self._items.get(key, default)

    def keys(self) -> list[str]:
        """The names."""
        return list(self._items)

    def items(self) -> list[tuple[str, Any]]:
        """Names and values."""
        return list(self._items.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __repr__(self) -> str:
        return repr(self._items)
