"""``legm ui``: serves the live page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.json_output import print_json
from legm.cli.options import backend_options, json_option, path_argument
from legm.cli.printing import say

if TYPE_CHECKING:
    from legm.cli.locations import Location
    from legm.ui.access import AccessRules

__all__ = ["ui_command"]

_PASSWORD = "LEGM_UI_PASSWORD"  # noqa: S105 - the name of a variable


@click.command("ui")
@path_argument("path", default=Path())
@click.option("--port", default=8265, show_default=True, help="The port; 0 for any free one.")
@click.option("--open", "in_browser", is_flag=True, help="Open the page in the browser.")
@click.option("--read-only", is_flag=True, help="Tags and notes cannot be changed on the page.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at. Any other than this machine's own needs a password (LEGM_UI_PASSWORD, or "
    "it is asked for) or --proxy-header.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A further name by which the server may be called; may be given several times.",
)
@click.option(
    "--proxy-header",
    metavar="NAME",
    help="The header in which a proxy names the user whom it has let in; requests without it are refused.",
)
@backend_options
@json_option
def ui_command(
    path: Path,
    *,
    port: int,
    in_browser: bool,
    read_only: bool,
    host: str,
    allowed_hosts: tuple[str, ...],
    proxy_header: str | None,
    at: Callable[[Path], Location],
    as_json: bool,
) -> None:
    """Serve the live page of the runs: what the report has, while they train.

    PATH is a root directory, or an experiment in it. The page is at an address of this machine that has a
    token in it; Ctrl-C ends the server.
    """
    location = at(path)
    try:
        from legm.ui.access import AccessRules, access_host_names
        from legm.ui.server import LiveServer, open_server_socket
        from legm.ui.stored_runs import StoredRuns
    except ModuleNotFoundError as cause:
        from legm.errors import LegmError

        raise LegmError(
            f"legm ui needs Starlette and uvicorn ({cause}): install them with: pip install 'legm[ui]'"
        ) from cause
    stored = StoredRuns(location.path, location.backend, location.options)
    listening = open_server_socket(host, port)
    names = access_host_names(host) | {one.lower() for one in allowed_hosts}
    rules = _ui_access_rules(AccessRules(names, listening.getsockname()[1]), host, proxy_header)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{rules.port}/"
    if rules.token is not None:
        address += f"?token={rules.token}"

    def ready() -> None:
        if as_json:
            print_json({"address": address})
        else:
            say(f"The page is at {address} (Ctrl-C ends it)")
        if in_browser:
            click.launch(address)

    LiveServer(stored, listening, rules, location.path.resolve().name, read_only).serve(ready)


def _ui_access_rules(rules: AccessRules, host: str, proxy_header: str | None) -> AccessRules:
    """How users are let in: by a proxy, by a password, or on this machine alone by a token."""
    from dataclasses import replace

    from legm.ui.access import LOOPBACK_HOSTS, read_or_make_access_token

    if proxy_header is not None:
        return replace(rules, proxy_header=proxy_header)
    password = os.environ.get(_PASSWORD)
    if password is None and host not in LOOPBACK_HOSTS:
        password = click.prompt(
            "A password for the page", hide_input=True, confirmation_prompt=True, err=True
        )
    if password:
        return replace(rules, password=password)
    return replace(rules, token=read_or_make_access_token())
