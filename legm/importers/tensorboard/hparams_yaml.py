"""Hyperparameters as Lightning keeps them, in a file ``hparams.yaml`` beside the event files.

It is written by ``yaml.dump``, so it may hold tags of Python's objects. None of them is made: tuples and the
like become lists, an object with fields a mapping, every other object a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from legm.configs import named_values
from legm.errors import CorruptFile
from legm.records import Plain
from legm.runlog import storage_error
from legm.smallfiles import parse_yaml

__all__ = ["yaml_parameters"]

_MOST = 1 << 20  # bytes of a YAML file
_MOST_VALUES = 20_000  # in a YAML file, each alias counted with all that is in it
_DEEPEST = 50
_REMEDY = "Mend it, or take it out of a copy of the folder."
_PYTHON = "tag:yaml.org,2002:python/"
_SCALARS = {
    "none": "tag:yaml.org,2002:null",
    "bool": "tag:yaml.org,2002:bool",
    "int": "tag:yaml.org,2002:int",
    "long": "tag:yaml.org,2002:int",
    "float": "tag:yaml.org,2002:float",
    "str": "tag:yaml.org,2002:str",
    "unicode": "tag:yaml.org,2002:str",
    "bytes": "tag:yaml.org,2002:binary",
}


def yaml_parameters(path: Path) -> dict[str, Plain]:
    """The parameters in a ``hparams.yaml``, nested names joined with ``.``; none where there is no file.

    Raises:
        CorruptFile: it is no YAML, no mapping, or too large.
        StorageError: it cannot be read.
        ParameterError: two names are the same when joined.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except FileNotFoundError:
        return {}
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if len(data) > _MOST:
        raise CorruptFile(path, f"byte {_MOST}", "it is larger than any file of hyperparameters", _REMEDY)
    content = parse_yaml(path, data, loader=_loader()) or {}
    if not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is no mapping", _REMEDY)
    return named_values("hparams.yaml", _Unfolded(path).of(content, 0), flatten=True)


@dataclass(frozen=True, slots=True)
class _Made:
    """An object that would be made of arguments, but is not."""

    name: str
    arguments: Any

    @staticmethod
    def text(name: str, arguments: Any) -> str:
        """A path's own, else how it is called."""
        items = arguments if isinstance(arguments, list) else [arguments]
        if name.startswith("pathlib.") and items and all(isinstance(one, str) for one in items):
            return str(PurePosixPath(*items))
        return f"{name}({', '.join(map(str, items))})"


class _Unfolded:
    """Values of YAML with each alias in full, as far as they are not too many.

    Args:
        path: the file, for the message.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def of(self, value: Any, depth: int) -> Any:
        """The value; the names of mappings as texts.

        Raises:
            CorruptFile: there are too many in it, or it contains itself.
        """
        self._count += 1
        if self._count > _MOST_VALUES or depth > _DEEPEST:
            problem = f"it unfolds to more than {_MOST_VALUES} values, or is nested deeper than {_DEEPEST}"
            raise CorruptFile(self._path, "line 1", problem, _REMEDY)
        if isinstance(value, dict):
            return {str(name): self.of(one, depth + 1) for name, one in value.items()}
        if isinstance(value, (list, set)):
            return type(value)(self.of(one, depth + 1) for one in value)
        if isinstance(value, _Made):
            return _Made.text(value.name, self.of(value.arguments, depth + 1))
        return value


def _loader() -> Any:
    """A loader of YAML that takes tags of Python's, and makes nothing but plain data of them."""
    import yaml

    class PlainLoader(yaml.SafeLoader):
        """Written in Python: it knows no other depth than Python's own, where C has a stack to break."""

        def flatten_mapping(self, node: Any) -> None:
            """Leave ``<<`` alone: no writer uses it, and it can be made to grow without a bound."""

    def told(loader: Any, suffix: str, node: Any) -> Any:
        what, _, name = suffix.partition(":")
        if what in _SCALARS and isinstance(node, yaml.ScalarNode):
            return loader.yaml_constructors[_SCALARS[what]](loader, node)
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node) or name
        if isinstance(node, yaml.SequenceNode):
            items = loader.construct_sequence(node, deep=True)
            return items if what in {"tuple", "list"} else _Made(name, items)
        fields = loader.construct_mapping(node, deep=True)
        if what in {"object", "dict"}:
            return fields
        state = fields.get("state")
        return state if isinstance(state, dict) else _Made(name, fields.get("args") or [])

    def unknown(loader: Any, suffix: str, node: Any) -> Any:
        return told(loader, f"object:{suffix}", node)

    PlainLoader.add_multi_constructor(_PYTHON, told)
    PlainLoader.add_multi_constructor("", unknown)
    return PlainLoader
