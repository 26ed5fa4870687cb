"""Runs the web server of another program until it ends."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence

from legm.cli.json_output import print_json
from legm.cli.printing import say

__all__ = ["port_or_free_one", "serve_until_ended"]


def port_or_free_one(port: int) -> int:
    """The port that was asked for; of 0, one that no program listens at, so that the address can be told."""
    if port:
        return port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def serve_until_ended(
    title: str,
    command: Sequence[str],
    port: int,
    defaults: Mapping[str, str] | None = None,
    *,
    only_print: bool,
    as_json: bool = False,
) -> None:
    """Run a server until it ends, or until Ctrl-C or SIGTERM, which is no error and leaves nothing behind."""
    import os
    import shlex

    from legm.util.child_processes import interrupted_by_signals, process_group

    address = f"http://127.0.0.1:{port}"
    if as_json:
        print_json({"command": list(command), "address": address})
    elif only_print:
        say(shlex.join(command))
    else:
        say(f"{title}'s page will be at {address} (Ctrl-C stops it)")
    if only_print:
        return
    with interrupted_by_signals():
        try:
            with process_group(command, env={**(defaults or {}), **os.environ}) as server:
                status = server.wait()
        except KeyboardInterrupt:
            status = 0
    sys.exit(status)
