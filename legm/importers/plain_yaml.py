"""Plain values from YAML that a Python program dumped, tags of Python objects included: nothing is evaluated.

The text is read event by event and only the values are held. Aliases are counted with everything they stand
for, and ``<<`` is a name like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile
from legm.importers.unevaluated import MAX_DEPTH, PlainConverter, UnevaluatedObject

__all__ = ["parse_plain_yaml"]

_MAX_ALIASED = 1_000_000  # values
_REMEDY = "Repair the file, or restore it from a copy."
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]*(?:e[-+][0-9]+)?)?")
_STANDARD = "tag:yaml.org,2002:"
_PYTHON = f"{_STANDARD}python/"
_STANDARD_NAMES = {
    "none": "null",
    "bool": "bool",
    "int": "int",
    "long": "int",
    "float": "float",
    "bytes": "binary",
}


def parse_plain_yaml(path: Path, text: bytes, first_line: int = 1) -> Any:
    """Parse a YAML text into plain values; the keys of mappings become texts.

    Args:
        path: the file that the text is from, for messages.
        text: the text.
        first_line: the number of its first line in the file.

    Raises:
        CorruptFile: it is not valid YAML, is nested too deeply, expands too far, or has an undefined alias.
    """
    import yaml

    def refused(problem: str, line: int = 0) -> CorruptFile:
        return CorruptFile(path, f"line {first_line + line}", problem, _REMEDY)

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value, has_objects = _PlainYamlBuilder(yaml.parse(text, loader), refused).document()
    except (yaml.YAMLError, ValueError, OverflowError, AttributeError) as cause:
        before = text[: getattr(cause, "position", 0)]
        mark: Any = vars(cause).get("problem_mark")
        line = mark.line if mark else before.count(b"\n")
        problem = getattr(cause, "problem", None) or str(cause).partition("\n")[0]
        raise refused(f"it is not valid YAML: {problem}", line) from cause
    return PlainConverter(_MAX_ALIASED, refused).convert(value) if has_objects else value


class _PlainYamlBuilder:
    """Builds values from YAML events.

    Args:
        events: the events.
        refused: makes the error for a problem on a line.
    """

    def __init__(self, events: Iterator[Any], refused: Any) -> None:
        import yaml

        self._yaml: Any = yaml
        self._events = events
        self._refused = refused
        self._scalars: Any = yaml.SafeLoader("")
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._aliased = 0
        self._has_objects = False

    def document(self) -> tuple[Any, bool]:
        """The value of the single document, None without one; and whether it contains Python objects."""
        value, documents = None, 0
        for event in self._events:
            if isinstance(event, self._yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refused("a second document begins", event.start_mark.line)
                value = self._build_value(next(self._events), 0)
        return value, self._has_objects

    def _build_value(self, event: Any, depth: int) -> Any:
        yaml = self._yaml
        self._count += 1
        if depth > MAX_DEPTH:
            raise self._refused(f"it is nested more than {MAX_DEPTH} levels deep", event.start_mark.line)
        if isinstance(event, yaml.ScalarEvent):
            return self._remember_anchor(event, self._count, self._scalar_value(event))
        if isinstance(event, yaml.AliasEvent):
            return self._aliased_value(event)
        before = self._count
        if isinstance(event, yaml.SequenceStartEvent):
            items = list(self._values_until(yaml.SequenceEndEvent, depth))
            return self._remember_anchor(event, before, self._sequence_value(event.tag or "", items))
        inner = self._values_until(yaml.MappingEndEvent, depth)
        fields = {_hashable_yaml_key(key): next(inner) for key in inner}
        return self._remember_anchor(event, before, self._mapping_value(event.tag or "", fields))

    def _values_until(self, end: type, depth: int) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield self._build_value(event, depth + 1)

    def _remember_anchor(self, event: Any, before: int, value: Any) -> Any:
        """Return the value, and store it if the event has an anchor."""
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._count - before + 1
        return value

    def _aliased_value(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._refused(
                f"the alias *{event.anchor} is undefined, or contains itself",
                event.start_mark.line,
            )
        value, count = self._anchors[event.anchor]
        self._count += count
        self._aliased += count
        if self._aliased > _MAX_ALIASED:
            raise self._refused(
                f"its aliases expand to more than {_MAX_ALIASED} values", event.start_mark.line
            )
        return value

    def _scalar_value(self, event: Any) -> Any:
        text, tag = event.value, event.tag
        if tag is None or tag == "!":
            if not event.implicit[0]:
                return text
            if number := _NUMBER.fullmatch(text):
                return int(text) if number[1] is None else float(text)
            tag = self._scalars.resolve(self._yaml.ScalarNode, text, (True, False))
        if tag.startswith(_PYTHON):
            what, _, name = tag.removeprefix(_PYTHON).partition(":")
            if what in {"name", "module"}:
                return name
            if what == "complex":
                return complex(text)
            tag = _STANDARD + _STANDARD_NAMES.get(what, "str")
        if tag not in self._scalars.yaml_constructors:
            return text
        return self._scalars.construct_object(self._yaml.ScalarNode(tag, text))

    def _sequence_value(self, tag: str, items: list[Any]) -> Any:
        name = _yaml_object_name(tag)
        return self._unevaluated_object(name, items) if name else items

    def _mapping_value(self, tag: str, fields: dict[Any, Any]) -> Any:
        if tag == f"{_STANDARD}set":
            return set(fields)
        fields = {str(key): value for key, value in fields.items()}
        name = _yaml_object_name(tag)
        if not name:
            return fields
        if tag == f"{_PYTHON}object:{name}":
            return self._unevaluated_object(name, [], state=fields)
        arguments, items, pairs = (fields.get(one) for one in ("args", "listitems", "dictitems"))
        return self._unevaluated_object(
            name,
            arguments if isinstance(arguments, list) else [],
            state=fields.get("state"),
            items=items if isinstance(items, list) else [],
            pairs=list(pairs.items()) if isinstance(pairs, dict) else [],
        )

    def _unevaluated_object(self, name: str, arguments: list[Any], **fields: Any) -> UnevaluatedObject:
        self._has_objects = True
        return UnevaluatedObject(name, arguments, **fields)


def _yaml_object_name(tag: str) -> str:
    """The class or function that a tag names; "" for a tag of a plain type."""
    if tag.startswith(_PYTHON):
        return tag.removeprefix(_PYTHON).partition(":")[2]
    return "" if tag.startswith(_STANDARD) else tag


def _hashable_yaml_key(value: Any) -> Any:
    """A hashable key: nested values become their text."""
    return str(value) if isinstance(value, (list, dict, set)) else value
