"""``wandb.summary``: one value per metric, and the values that the script sets for the whole run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from legm.compat.wandb.attribute_mapping import AttributeMapping

__all__ = ["Summary"]


class Summary(AttributeMapping):
    """The summary of a run.

    Args:
        changed: called with each name and value that the script sets.
        deleted: called with each name that the script deletes.
    """

    def __init__(
        self,
        changed: Callable[[str, Any], object] = lambda _, __: None,
        deleted: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__(
            "summary",
            _rules={},
            _values={},
            _sums={},
            _best_is_highest={},
            _changed=changed,
            _deleted=deleted,
        )

    def add_logged(self, name: str, value: Any) -> None:
        """Update the summary with a logged value, by the rules of its metric."""
        rules = self._rules.get(name, ())
        if not rules:
            self._items[name] = value
            return
        found = self._values.setdefault(name, {})
        total, count = self._sums.get(name, (0.0, 0))
        self._sums[name] = total, count = total + value, count + 1
        known = {
            "last": value,
            "first": found.get("first", value),
            "min": min(found.get("min", value), value),
            "max": max(found.get("max", value), value),
            "mean": total / count,
        }
        known["best"] = known["max" if self._best_is_highest.get(name) else "min"]
        found |= known
        shown = {rule: known[rule] for rule in rules if rule in known}
        if shown and "none" not in rules:
            self._items[name] = shown

    def set_rules(self, name: str, rules: Sequence[str], *, higher_is_better: bool = False) -> None:
        """Set how the values of a metric are summarized.

        Args:
            name: the metric.
            rules: of last, first, min, max, mean, best and none; by default its last value alone is shown.
            higher_is_better: what "best" means.
        """
        self._rules[name] = tuple(rules)
        self._best_is_highest[name] = higher_is_better

    def __setitem__(self, key: str, value: Any) -> None:
        self._items[key] = value
        self._changed(str(key), value)

    __setattr__ = __setitem__

    def __delitem__(self, key: str) -> None:
        if key in self._items:
            del self._items[key]
            self._deleted(str(key))

    __delattr__ = __delitem__

    def update(self, d: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Set several values."""
        for key, value in {**(d or {}), **more}.items():
            self[key] = value
