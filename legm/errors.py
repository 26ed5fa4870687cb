"""What can go wrong, as a tree::

    LegmError
    ├── ParameterError       a parameter, parent or metadata field that cannot be used
    │   ├── SelectionError   a text that is not a selection of runs
    │   └── UnstableValue    a value without a stable form, which cannot identify a configuration
    ├── MetricError          a metric's name, value or step that cannot be used
    ├── MediaError           a picture, sound or table whose name, shape, type or range cannot be used
    ├── StateError           a call at the wrong time: a metric before start(), a parameter after it
    ├── InvalidName          a name that cannot be used for a file, run or experiment
    ├── StorageError         a disk or store that cannot be used: full, read-only, missing
    │   ├── CorruptFile      a damaged file, with the line or byte of the damage
    │   │   └── NewerFile    a file that a newer legm wrote
    │   └── LogInUse         a run log that another process is writing
    ├── BackendError         a backend that is unknown, not installed, or failed
    │   └── NotSupported     the backend lacks the capability that the call needs
    └── CommandError         a command to be captured that cannot be run

Every message says what is wrong, with which value, and what would be right. An error of another library
or of the operating system is always chained with ``from``.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "BackendError",
    "CommandError",
    "CorruptFile",
    "InvalidName",
    "LegmError",
    "LogInUse",
    "MediaError",
    "MetricError",
    "NewerFile",
    "NotSupported",
    "ParameterError",
    "SelectionError",
    "StateError",
    "StorageError",
    "UnstableValue",
    "closest",
    "storage_error",
]


_SHOWN = 60  # characters of a long text around an error


class LegmError(Exception):
    """The base class of every error that legm raises for its users."""


class ParameterError(LegmError):
    """A parameter, parent or metadata field cannot be used."""


class UnstableValue(ParameterError):
    """A value has no form that is the same on every machine and in every process."""


class SelectionError(ParameterError):
    """A text is not a selection; the message has the text, and a caret below where it is wrong.

    Args:
        problem: what is wrong.
        text: the whole text.
        position: where, in characters.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        start = max(0, position - _SHOWN // 2) if len(text) > _SHOWN else 0
        part = text[start : start + _SHOWN]
        shown = "".join(sign if sign.isprintable() else " " for sign in part)
        lead, tail = "…" if start else "", "…" if start + _SHOWN < len(text) else ""
        super().__init__(f"{problem}\n  {lead}{shown}{tail}\n  {' ' * (position - start + len(lead))}^")
        self.problem = problem
        self.position = position


class MetricError(LegmError):
    """A metric's name, value or step cannot be used."""


class MediaError(LegmError):
    """A picture, a sound, a table or the like cannot be used: its name, shape, type or range."""


class StateError(LegmError):
    """A call came at the wrong time."""


class InvalidName(LegmError):
    """A name cannot be used for an experiment, a file or a run."""


class StorageError(LegmError):
    """A disk or store cannot be read or written."""


class LogInUse(StorageError):
    """Another process is writing the run log."""


class CorruptFile(StorageError):
    """A file is damaged: it does not hold what was written.

    Args:
        path: the file.
        where: the position of the damage (``line 3``, ``byte 120``).
        problem: what is wrong there.
        remedy: what the user can do about it.
    """

    def __init__(self, path: Path, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{path}, {where}: {problem}. {remedy}")
        self.path = path
        self.where = where


class NewerFile(CorruptFile):
    """A file was written by a newer legm, in a format that this one cannot read; it is not damaged.

    Args:
        path: the file.
        where: the position where it says so.
        version: the version of its format.
        known: the newest version that this legm reads.
    """

    def __init__(self, path: Path, where: str, version: object, known: int) -> None:
        problem = f"its format has version {version}, of a newer legm: this one reads up to {known}"
        super().__init__(path, where, problem, "Update legm to read it.")


class BackendError(LegmError):
    """A backend is unknown, not installed, or failed."""


class NotSupported(BackendError):
    """The backend does not support a capability that the call needs."""


class CommandError(LegmError):
    """A command cannot be run.

    Args:
        message: why it cannot be run.
        status: the exit status that a shell would return.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def closest(name: str, known: Iterable[str]) -> str:
    """The part of an error message that suggests valid names.

    Args:
        name: the name that is not known.
        known: the valid names.

    Returns:
        ``did you mean 'lr'?`` where valid names are similar; else the valid names; else that there are none.
    """
    from difflib import get_close_matches  # only needed for an error

    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + "?"
    if names:
        shown = ", ".join(repr(n) for n in names[:10])
        return f"known: {shown}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return "none are known yet"


def storage_error(doing: str, path: Path, cause: OSError) -> StorageError:
    """The error for a refusal of the operating system.

    Args:
        doing: what failed, as a verb phrase: ``"write the run log"``.
        path: the file or folder.
        cause: the operating system's error.

    Returns:
        the error, whose message says what to do about it.
    """
    remedy = {
        errno.ENOSPC: "the disk is full: free some space",
        errno.EDQUOT: "the quota is used up: free some space",
        errno.EROFS: "the file system is read-only: choose a root directory that can be written",
        errno.EACCES: "permission is denied: choose a root directory that can be written",
        errno.EPERM: "permission is denied: choose a root directory that can be written",
        errno.ENOTDIR: "a part of the path is a file: choose another root directory",
        errno.ENAMETOOLONG: "the name is too long for the file system: choose a shorter one",
    }.get(cause.errno or 0, cause.strerror or str(cause))
    return StorageError(f"cannot {doing} {path}: {remedy}")
