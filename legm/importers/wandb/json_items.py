"""Items of W&B's histories, summaries and configurations: a path of keys, and a value as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from legm.importers.wandb.log_messages import decode_message

__all__ = [
    "VALUE_MARK",
    "Path",
    "WandbItemReader",
    "delete_json_at_path",
    "flatten_json",
    "parse_json_value",
    "set_json_at_path",
]

Path: TypeAlias = tuple[str, ...]

VALUE_MARK = b"\x82\x01"
"""The start of the field ``value_json``, which is an item's last one."""
_MAX_DEPTH = 64
_MAX_PATHS = 1 << 14  # paths that are cached


class WandbItemReader:
    """Splits items into paths and JSON texts.

    Items with the same path start with the same bytes, which are decoded only once. Creating a message object
    for each item would take most of the time.
    """

    def __init__(self) -> None:
        self.undecoded = 0
        """How many items, or messages with items, could not be decoded."""
        self._paths: dict[bytes, Path] = {}

    def split(self, items: Iterable[bytes]) -> Iterator[tuple[Path, bytes]]:
        """Each item's path, and its value as JSON text in UTF-8."""
        paths = self._paths
        for item in items:
            head, _, tail = item.partition(VALUE_MARK)
            path = paths.get(head)
            if path is not None and tail and tail[0] == len(tail) - 1 < 128:
                yield path, tail[1:]
                continue
            found = self.decode("HistoryItem", item)
            if found is None:
                continue
            path = _json_item_path(found)
            self._remember(head, path)
            yield path, found.value_json.encode() or _json_item_value(found)

    def decode(self, name: str, data: bytes) -> Any:
        """An item, or a message with items; None if it cannot be decoded, which is counted."""
        found = decode_message(name, data)
        self.undecoded += found is None
        return found

    def keep_latest(
        self, items: Iterable[bytes], latest: dict[bytes, bytes], *, removed: bool = False
    ) -> None:
        """Keep each path's latest item undecoded, in order of arrival; b"" for a removed one."""
        for item in items:
            head, _, tail = item.partition(VALUE_MARK)
            if not tail or tail[0] != len(tail) - 1:
                found = self.decode("HistoryItem", item)
                if found is None:
                    continue
                found.ClearField("value_json")
                head = found.SerializeToString()
            latest.pop(head, None)
            latest[head] = b"" if removed else item

    def tree(self, latest: Mapping[bytes, bytes]) -> dict[str, Any]:
        """Decode the items that were kept."""
        found: dict[str, Any] = {}
        for head, item in latest.items():
            if item:
                for path, text in self.split([item]):
                    set_json_at_path(found, path, parse_json_value(text))
            elif (removed := self.decode("HistoryItem", head)) is not None:
                delete_json_at_path(found, _json_item_path(removed))
        return found

    def known_path(self, head: bytes) -> Path | None:
        """The path of items that start with these bytes, if known: see :meth:`split`."""
        return self._paths.get(head)

    def _remember(self, head: bytes, path: Path) -> None:
        if len(self._paths) >= _MAX_PATHS:
            return
        alone = decode_message("HistoryItem", head)
        if alone is None:
            return
        if _json_item_path(alone) == path and not alone.value_json and alone.WhichOneof("value") is None:
            self._paths[head] = path


def _json_item_path(item: Any) -> Path:
    keys = tuple(item.nested_key) or (item.key,)
    return keys if len(keys) <= _MAX_DEPTH else (*keys[: _MAX_DEPTH - 1], ".".join(keys[_MAX_DEPTH - 1 :]))


def _json_item_value(item: Any) -> bytes:
    """A typed value as JSON text."""
    kind = item.WhichOneof("value")
    if kind in {None, "none"}:
        return b"null"
    value = getattr(item, kind)
    return (value if kind == "json" else json.dumps(value)).encode()


def parse_json_value(text: bytes) -> Any:
    """The value of a JSON text; a text that is invalid, or nested too deeply, is returned as it is."""
    display_text = text.decode(errors="replace")
    try:
        value = json.loads(display_text)
    except (ValueError, RecursionError):
        return display_text
    return value if _is_shallow_json(value) else display_text


def _is_shallow_json(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False


def set_json_at_path(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a path."""
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            inner = tree[key] = {}
        tree = inner
    tree[path[-1]] = value


def delete_json_at_path(tree: dict[str, Any], path: Path) -> None:
    """Delete the value at a path."""
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            return
        tree = inner
    tree.pop(path[-1], None)


def flatten_json(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The values by names joined with ``.``; if two are equal, the later one gets ``_`` appended."""
    found: dict[str, Any] = {}
    for name, value in _iterate_json_leaves(tree, ""):
        free = name
        while free in found:
            free += "_"
        found[free] = value
    return found


def _iterate_json_leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value and "_type" not in value:
            yield from _iterate_json_leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
