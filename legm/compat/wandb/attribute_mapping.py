"""The common base of ``wandb.config`` and ``wandb.summary``: values by name, as items and as attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["AttributeMapping"]


class AttributeMapping:
    """Values by name; a subclass defines what setting a value does.

    Args:
        what: the object's name in error messages.
        **own: further attributes of the subclass.
    """

    def __init__(self, what: str, **own: Any) -> None:
        self.__dict__.update(_items={}, _what=what, **own)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_items"][name]
        except KeyError:
            raise AttributeError(f"the {self.__dict__.get('_what')} has no {name!r}") from None

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or else the default."""
        return self._items.get(key, default)

    def as_dict(self) -> dict[str, Any]:
        """All values by name."""
        return dict(self._items)

    def keys(self) -> list[str]:
        """The names."""
        return list(self._items)

    def values(self) -> list[Any]:
        """The values."""
        return list(self._items.values())

    def items(self) -> list[tuple[str, Any]]:
        """The names with their values."""
        return list(self._items.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)
