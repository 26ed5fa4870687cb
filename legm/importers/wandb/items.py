"""Items of W&B's histories, summaries and configurations: a path of keys, and a value in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from legm.importers.wandb.messages import message

__all__ = ["VALUE", "ItemReader", "Path", "delete_run", "flat", "put", "value_in"]

Path: TypeAlias = tuple[str, ...]

VALUE = b"\x82\x01"
"""With which the field ``value_json`` begins, an item's last one."""
_DEEPEST = 64
_MOST = 1 << 14  # beginnings that are remembered


class ItemReader:
    """Splits items into paths and JSON texts.

    Items of one path begin with the same bytes, which are decoded once: a message object for each would take
    most of the time that a log takes.
    """

    def __init__(self) -> None:
        self.undecoded = 0
        """How many items, or messages that hold them, were none."""
        self._paths: dict[bytes, Path] = {}

    def split(self, items: Iterable[bytes]) -> Iterator[tuple[Path, bytes]]:
        """Each item's path, and its value's JSON text in UTF-8."""
        paths = self._paths
        for item in items:
            head, _, tail = item.partition(VALUE)
            path = paths.get(head)
            if path is not None and tail and tail[0] == len(tail) - 1 < 128:
                yield path, tail[1:]
                continue
            found = self.decoded("HistoryItem", item)
            if found is None:
                continue
            path = _path(found)
            self._remember(head, path)
            yield path, found.value_json.encode() or _typed(found)

    def decoded(self, name: str, data: bytes) -> Any:
        """An item, or a message that holds items; None, and it is counted, where it is none."""
        found = message(name, data)
        self.undecoded += found is None
        return found

    def keep(self, items: Iterable[bytes], latest: dict[bytes, bytes], *, removed: bool = False) -> None:
        """Keep each path's latest item undecoded, in the order of their coming; b"" where it is removed."""
        for item in items:
            head, _, tail = item.partition(VALUE)
            if not tail or tail[0] != len(tail) - 1:
                found = self.decoded("HistoryItem", item)
                if found is None:
                    continue
                found.ClearField("value_json")
                head = found.SerializeToString()
            latest.pop(head, None)
            latest[head] = b"" if removed else item

    def tree(self, latest: Mapping[bytes, bytes]) -> dict[str, Any]:
        """What was kept, decoded."""
        found: dict[str, Any] = {}
        for head, item in latest.items():
            if item:
                for path, text in self.split([item]):
                    put(found, path, value_in(text))
            elif (removed := self.decoded("HistoryItem", head)) is not None:
                delete_run(found, _path(removed))
        return found

    def path_of(self, head: bytes) -> Path | None:
        """The path of items that begin so, if it is known: see :meth:`split`."""
        return self._paths.get(head)

    def _remember(self, head: bytes, path: Path) -> None:
        if len(self._paths) >= _MOST:
            return
        alone = message("HistoryItem", head)
        if alone is None:
            return
        if _path(alone) == path and not alone.value_json and alone.WhichOneof("value") is None:
            self._paths[head] = path


def _path(item: Any) -> Path:
    keys = tuple(item.nested_key) or (item.key,)
    return keys if len(keys) <= _DEEPEST else (*keys[: _DEEPEST - 1], ".".join(keys[_DEEPEST - 1 :]))


def _typed(item: Any) -> bytes:
    """A typed value as JSON."""
    kind = item.WhichOneof("value")
    if kind in {None, "none"}:
        return b"null"
    value = getattr(item, kind)
    return (value if kind == "json" else json.dumps(value)).encode()


def value_in(text: bytes) -> Any:
    """The value of a JSON text; a text that is none, or is nested absurdly, stays the text."""
    shown = text.decode(errors="replace")
    try:
        value = json.loads(shown)
    except (ValueError, RecursionError):
        return shown
    return value if _is_shallow(value) else shown


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False


def put(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Set what is at a path."""
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            inner = tree[key] = {}
        tree = inner
    tree[path[-1]] = value


def delete_run(tree: dict[str, Any], path: Path) -> None:
    """Remove what is at a path."""
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            return
        tree = inner
    tree.pop(path[-1], None)


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The values by names that are joined with ``.``; of equal ones the later gets ``_`` behind it."""
    found: dict[str, Any] = {}
    for name, value in _leaves(tree, ""):
        free = name
        while free in found:
            free += "_"
        found[free] = value
    return found


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value and "_type" not in value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
