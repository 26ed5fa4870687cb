"""YAML files, read with a safe loader; damage is reported with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.errors import CorruptFile, storage_error

__all__ = ["load_yaml", "parse_yaml"]


def parse_yaml(path: Path, text: bytes, first_line: int = 1) -> Any:
    """Parse YAML with a safe loader.

    Args:
        path: the file that the text is from, for the error message.
        text: the text.
        first_line: the number of its first line in the file.

    Raises:
        CorruptFile: it is not valid YAML; the message has the line.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        try:
            return yaml.load(text, loader)  # noqa: S506 - one of the two safe loaders
        except yaml.YAMLError:  # libyaml refuses lone surrogates, which a path may contain
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
