"""Whether W&B's server responds."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request

__all__ = ["require_healthy_server"]

_TIMEOUT = 5.0  # seconds


def require_healthy_server(url: str) -> None:
    """Check that the server responds: the SDK itself would retry for long, and then refuse the run for good.

    Raises:
        OSError: the server does not respond, or responds with an error of its own.
    """
    try:
        with contextlib.closing(urllib.request.urlopen(f"{url}/healthz", timeout=_TIMEOUT)):  # noqa: S310
            pass
    except urllib.error.HTTPError as response:
        response.close()
        if response.code >= 500:
            raise OSError(f"the server responds with status {response.code}") from response
