"""Where the user's own settings are, outside of every root directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["user_settings_folder"]


def user_settings_folder() -> Path:
    """The folder of all programs' settings: ``$XDG_CONFIG_HOME``, or where the system keeps these."""
    if "XDG_CONFIG_HOME" in os.environ:
        return Path(os.environ["XDG_CONFIG_HOME"])
    if sys.platform == "win32" and "APPDATA" in os.environ:
        return Path(os.environ["APPDATA"])
    return Path("~/.config").expanduser()
