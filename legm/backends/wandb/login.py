"""W&B's server: its address, whether there is a login for it, and whether it answers."""

from __future__ import annotations

import contextlib
import netrc
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["base_url", "has_login", "require_answer"]

_PATIENCE = 5.0  # seconds


def base_url(settings: dict[str, Any]) -> str:
    """The server's address: an option, W&B's variable, or W&B's own."""
    import wandb

    url = settings.get("base_url") or os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url
    return str(url).rstrip("/")


def has_login(url: str, settings: dict[str, Any]) -> bool:
    """Whether there is a key for the server: an option, W&B's variables, ``.netrc``, or W&B's settings."""
    import wandb

    if settings.get("api_key") or any(map(os.environ.get, ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"))):
        return True
    host = urlsplit(url).hostname or ""
    places = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    for place in filter(None, places):
        try:
            if netrc.netrc(Path(place).expanduser()).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return bool(wandb.setup().settings.api_key)


def require_answer(url: str) -> None:
    """See that the server answers, for the SDK itself would try for long, and not take the run again.

    Raises:
        OSError: it does not, or with an error of its own.
    """
    try:
        with contextlib.closing(urllib.request.urlopen(f"{url}/healthz", timeout=_PATIENCE)):  # noqa: S310
            pass
    except urllib.error.HTTPError as answer:
        answer.close()
        if answer.code >= 500:
            raise OSError(f"it answers with status {answer.code}") from answer
