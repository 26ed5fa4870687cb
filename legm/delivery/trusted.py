"""The targets that this machine's user has delivered runs to, kept outside of every root directory.

A run log says where its run goes. Somebody else may have made the log, and then the address in it is
theirs. So ``legm sync`` delivers by itself only to targets with which a handler was begun on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from legm.records import Plain
from legm.runlog.file_names import SETTINGS_FOLDER, TRUSTED_TARGETS_FILE
from legm.util.user_settings import user_settings_folder

__all__ = ["is_trusted", "trust", "trusted_target_text"]


def trusted_target_text(name: str, options: Mapping[str, Plain]) -> str:
    """A target in one line, as a user reads it and as ``legm sync --to`` takes it.

    Args:
        name: the backend's name.
        options: its options.
    """
    return " ".join(
        [name, *(f"{key}={_trusted_option_text(value)}" for key, value in sorted(options.items()))]
    )


def _trusted_option_text(value: Plain) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def trust(targets: Mapping[str, Mapping[str, Plain]]) -> None:
    """Remember the targets that a user chose; where the file cannot be written, ``legm sync`` asks.

    Args:
        targets: by backend, the options.
    """
    new = [_trusted_line(name, options) for name, options in targets.items() if not is_trusted(name, options)]
    if not new:
        return
    path = _trusted_targets_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(fd, "ab") as file:
            file.write(b"".join(new))


def is_trusted(name: str, options: Mapping[str, Plain]) -> bool:
    """Whether a user of this machine chose a target; without options its address is not from a log.

    Args:
        name: the backend's name.
        options: its options.
    """
    if not options:
        return True
    try:
        known = _trusted_targets_path().read_bytes()
    except OSError:
        return False
    return _trusted_line(name, options) in known.splitlines(keepends=True)


def _trusted_line(name: str, options: Mapping[str, Plain]) -> bytes:
    return json.dumps([name, dict(options)], sort_keys=True).encode() + b"\n"


def _trusted_targets_path() -> Path:
    """The file of the user's own settings that lists the targets."""
    return user_settings_folder() / SETTINGS_FOLDER / TRUSTED_TARGETS_FILE
