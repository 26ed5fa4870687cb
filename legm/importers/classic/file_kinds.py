"""Tells the YAML files of a configuration apart by their content, for those that have another one's name.

Any of them is valid YAML in the place of any other, and would be read as numbers or parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile

__all__ = [
    "require_classic_examples",
    "require_classic_metrics",
    "require_classic_parameters",
    "require_classic_steps",
]

_REMEDY = "Restore it, or leave the folder out."


def require_classic_metrics(path: Path, line: int, entry: Mapping[str, Any]) -> None:
    """Refuse what is no run's entry in ``metrics.yml``.

    Args:
        path: the file.
        line: the number of the entry's first line.
        entry: its content.

    Raises:
        CorruptFile: it is an entry of ``params.yml``, or of a file of this legm.
    """
    others = [value for name, value in entry.items() if not _is_of_metrics(name)]
    is_of_parameters = "description" not in entry and not _are_collections(others)
    if is_of_parameters or _is_of_this_legm(entry):
        raise _other_content(path, line, entry, "the metrics of a run")


def require_classic_examples(path: Path, line: int, entry: Mapping[str, Any]) -> None:
    """Refuse what is no run's entry in ``indexed_metrics.yml``; the arguments are the same.

    Raises:
        CorruptFile: it is an entry of another file.
    """
    examples = [value for name, value in entry.items() if name != "description"]
    if examples and not any(isinstance(value, dict) for value in examples):
        raise _other_content(path, line, entry, "the metrics of examples")


def require_classic_parameters(path: Path, content: Mapping[str, Any], steps: Mapping[str, Any]) -> None:
    """Refuse what is no ``params.yml``.

    Args:
        path: the file.
        content: its content.
        steps: the content of ``steps.yml``.

    Raises:
        CorruptFile: it is the content of another file.
    """
    parts = [value for value in content.values() if isinstance(value, dict)]
    is_of_other_file = any(map(_is_metrics_entry, parts)) or (
        bool(parts) and len(parts) == len(content) and all(map(_are_aggregates, parts))
    )
    if is_of_other_file or (content and content == steps):
        raise _other_content(path, 1, content, "parameters")


def require_classic_steps(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse what is no ``steps.yml``.

    Args:
        path: the file.
        content: its content.

    Raises:
        CorruptFile: it is the content of another file.
    """
    if any(isinstance(value, dict) for value in content.values()):
        raise _other_content(path, 1, content, "the steps of metrics")


def _is_of_metrics(name: object) -> bool:
    return name == "description" or str(name).startswith(("best_", "test_"))


def _is_of_this_legm(entry: Mapping[str, Any]) -> bool:
    others = [value for name, value in entry.items() if name != "run_id"]
    has_run = isinstance(entry.get("run_id"), str)
    return has_run and (isinstance(entry.get("legm"), dict) or (bool(others) and _are_collections(others)))


def _is_metrics_entry(entry: Mapping[str, Any]) -> bool:
    """Whether this is a run's entry in a file of metrics, and cannot be its parameters."""
    if _is_of_this_legm(entry):
        return True
    series = [value for name, value in entry.items() if not _is_of_metrics(name)]
    has_values = len(entry) > len(series) + 1 or any(
        isinstance(value, dict) and _are_aggregates(value) for value in series
    )
    return "description" in entry and has_values and _are_collections(series)


def _are_aggregates(part: Mapping[str, Any]) -> bool:
    """Whether these are the aggregates of a description."""
    return bool(part) and all(name != "description" and _is_of_metrics(name) for name in part)


def _are_collections(values: Iterable[Any]) -> bool:
    return all(isinstance(value, (list, dict)) for value in values)


def _other_content(path: Path, line: int, content: Mapping[str, Any], what: str) -> CorruptFile:
    shown = str([*content])[:60]
    return CorruptFile(path, f"line {line}", f"expected {what}, found the keys {shown}", _REMEDY)
