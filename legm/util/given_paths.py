"""The paths that users give to Python's functions: from any folder, and none that is empty."""

from __future__ import annotations

import os
from pathlib import Path

from legm.errors import ParameterError

__all__ = ["absolute_given_path", "resolved_path"]


def absolute_given_path(path: object, what: str = "a root directory") -> str:
    """A path as it is found from any folder; links in it are not resolved.

    Args:
        path: the path; a relative one is in the folder in which the process is now.
        what: it is of, for the error.

    Raises:
        ParameterError: it is not a path, or an empty one, such as that of a variable that is not set.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str) or not text or "\0" in text:
        raise ParameterError(f"{what} has to be a path, not {path!r}")
    return os.path.abspath(text)  # noqa: PTH100 - links are not resolved


def resolved_path(path: str | os.PathLike[str]) -> Path:
    """A path without links, as ``Path.resolve()`` gives it; a loop of links stays as it is, and is no error.

    Args:
        path: the path, of which no part need exist.
    """
    return Path(os.path.realpath(path))
