"""Where the user's own settings are, outside of every root directory."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
from pathlib import Path

from legm.errors import storage_error

__all__ = ["read_or_make_user_secret", "user_settings_folder"]


def user_settings_folder() -> Path:
    """The folder of all programs' settings: ``$XDG_CONFIG_HOME``, or where the system keeps these."""
    if "XDG_CONFIG_HOME" in os.environ:
        return Path(os.environ["XDG_CONFIG_HOME"])
    if sys.platform == "win32" and "APPDATA" in os.environ:
        return Path(os.environ["APPDATA"])
    return Path("~/.config").expanduser()


def read_or_make_user_secret(path: Path, what: str) -> str:
    """The secret of this machine's user in a file that nobody else may read, the same each time.

    Args:
        path: the file; it is made where there is none.
        what: what it is, for messages.

    Raises:
        StorageError: the file cannot be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create_secret(path)
        found = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as cause:
        error = cause if isinstance(cause, OSError) else OSError(str(cause))
        raise storage_error(f"read {what}", path, error) from cause
    if len(found) < 20:  # somebody has emptied it
        path.unlink(missing_ok=True)
        return read_or_make_user_secret(path, what)
    return found


def _create_secret(path: Path) -> None:
    """Create the file with its content at once; another process may be first, and is left its secret."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # only its owner may read it
    try:
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
