"""Small files, written atomically."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile, storage_error

__all__ = ["atomic_replacement", "load_yaml", "parse_yaml", "write_atomically"]


@contextlib.contextmanager
def atomic_replacement(path: Path) -> Iterator[Path]:
    """A temporary file that replaces another one atomically when the block ends without an error.

    Args:
        path: the file that is replaced or created.

    Yields:
        the temporary file, beside it, to be written.

    Raises:
        StorageError: it cannot be written; the file is unchanged.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as cause:
        raise storage_error("write", path, cause) from cause
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file atomically: a reader sees either the old or the new content.

    Args:
        path: the file; its folder must exist.
        data: the new content.

    Raises:
        StorageError: it cannot be written; the file is unchanged.
    """
    temporary = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as cause:
        raise storage_error("write", path, cause) from cause


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
