"""YAML files, read with a safe loader; damage is reported with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile, storage_error

__all__ = ["MOST_ALIASED", "load_yaml", "parse_yaml"]

MOST_ALIASED = 10_000_000
"""The values that aliases of a document may expand to."""

_MAX_DEPTH = 200  # twice that of a parameter


def parse_yaml(path: Path, text: bytes, first_line: int = 1) -> Any:
    """Parse YAML with a safe loader.

    Args:
        path: the file that the text is from, for the error message.
        text: the text.
        first_line: the number of its first line in the file.

    Raises:
        CorruptFile: it is not valid YAML, or its value is nested or expanded beyond measure; the message has
            the line.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        try:
            _require_yaml_limits(yaml.parse(text, loader))
            return yaml.load(text, loader)  # noqa: S506 - one of the two safe loaders
        except yaml.reader.ReaderError:  # libyaml refuses lone surrogates, which a path may contain
            _require_yaml_limits(yaml.parse(text, yaml.SafeLoader))
            return yaml.safe_load(text)
    except Exception as cause:  # YAML errors, and any error of PyYAML for a tagged value
        mark = getattr(cause, "problem_mark", None)
        before = text[: getattr(cause, "position", 0)]
        line = mark.line if mark else before.count(b"\n")
        problem = getattr(cause, "problem", None) or str(cause).partition("\n")[0]
        raise CorruptFile(
            path,
            f"line {first_line + line}",
            f"it is not valid YAML: {problem}",
            "Repair the line, or restore the file from a copy.",
        ) from cause


def _require_yaml_limits(events: Iterator[Any]) -> None:
    """Refuse a document that is small as a text and endless as a value, before anything is made of it.

    Raises:
        MarkedYAMLError: it is nested too deeply, its aliases expand too far, or one contains itself.
    """
    from yaml import AliasEvent, CollectionEndEvent, CollectionStartEvent, MarkedYAMLError, ScalarEvent

    def refused(problem: str, event: Any) -> MarkedYAMLError:
        return MarkedYAMLError(problem=problem, problem_mark=event.start_mark)

    anchors: dict[str | None, int] = {}  # with the number of values of each
    begun: list[tuple[str | None, int]] = []
    values = aliased = 0
    for event in events:
        if isinstance(event, AliasEvent):
            count = anchors.get(event.anchor)
            if count is None:
                raise refused(f"the alias *{event.anchor} is undefined, or contains itself", event)
            values += count
            aliased += count
            if aliased > MOST_ALIASED:
                raise refused(f"its aliases expand to more than {MOST_ALIASED:,} values", event)
        elif isinstance(event, ScalarEvent):
            values += 1
            if event.anchor is not None:
                anchors[event.anchor] = 1
        elif isinstance(event, CollectionStartEvent):
            values += 1
            begun.append((event.anchor, values))
            if len(begun) > _MAX_DEPTH:
                raise refused(f"it is nested more than {_MAX_DEPTH} levels deep", event)
        elif isinstance(event, CollectionEndEvent):
            anchor, before = begun.pop()
            if anchor is not None:
                anchors[anchor] = values - before + 1


def load_yaml(path: Path) -> Any:
    """Read a YAML file.

    Args:
        path: the file.

    Returns:
        its content; None if it does not exist.

    Raises:
        CorruptFile: it is not valid YAML.
        StorageError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    return parse_yaml(path, data)
