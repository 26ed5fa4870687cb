"""Runs the web server of another program until it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

from legm.cli.output import print_json, say

__all__ = ["serve_until_ended"]


def serve_until_ended(
    title: str,
    command: Sequence[str],
    port: int,
    defaults: Mapping[str, str] | None = None,
    *,
    only_print: bool,
    as_json: bool = False,
) -> None:
    """Run a server until it ends, or until Ctrl-C, which is not an error."""
    import os
    import shlex

    address = f"http://127.0.0.1:{port}"
    if as_json:
        print_json({"command": list(command), "address": address})
    elif only_print:
        say(shlex.join(command))
    else:
        say(f"{title}'s page will be at {address} (Ctrl-C stops it)")
    if only_print:
        return
    server = subprocess.Popen(command, env={**(defaults or {}), **os.environ})  # noqa: S603 - our own command
    try:
        status = server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        status = 0
    sys.exit(status)
