"""The address of W&B's server, and whether there is a login for it; W&B is imported on first use."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["has_wandb_login", "wandb_server_url"]


def wandb_server_url(settings: dict[str, Any]) -> str:
    """The server's address: the setting, W&B's environment variable, or W&B's default.

    Args:
        settings: settings of W&B's by name.
    """
    import wandb

    url = settings.get("base_url") or os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url
    return str(url).rstrip("/")


def has_wandb_login(url: str, settings: dict[str, Any]) -> bool:
    """Whether there is a key for the server: a setting, W&B's variables, ``.netrc``, or W&B's own settings.

    Args:
        url: the server's address.
        settings: settings of W&B's by name.
    """
    import wandb

    if settings.get("api_key") or any(map(os.environ.get, ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"))):
        return True
    host = urlsplit(url).hostname or ""
    for path in filter(None, [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]):
        try:
            if netrc.netrc(Path(path).expanduser()).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return bool(wandb.setup().settings.api_key)
