"""What is made once and used by the tests of every worker."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock

FOLDER = "LEGM_TEST_SHARED"
"""The variable that names the temporary folder of this run of the tests; its processes inherit it."""


def shared_folder() -> Path:
    """The temporary folder that all workers of this run of the tests have in common."""
    return Path(os.environ[FOLDER])


def once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first who needs it fills, for all workers: only to be read."""
    folder = shared_folder() / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    assert (folder / "made").exists(), f"{name} could not be made: an earlier test says why"
    return folder


@contextlib.contextmanager
def shared_by_program() -> Iterator[None]:
    """For a program that is no test: what its environment names is used again, else there is a new folder."""
    if FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = folder
        yield
        del os.environ[FOLDER]
