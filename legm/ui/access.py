"""Who may see the live page: a token, a password or a proxy's word; and nothing from another site's page."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode

from legm.runlog.file_names import SETTINGS_FOLDER, UI_TOKEN_FILE
from legm.util.user_settings import read_or_make_user_secret, user_settings_folder

__all__ = [
    "LOOPBACK_HOSTS",
    "SECURITY_HEADERS",
    "AccessGuard",
    "AccessRules",
    "access_host_names",
    "read_or_make_access_token",
]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
"""The addresses at which only this machine reaches a server."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""What every answer has: no script but the server's own files, and no other site may show or read it."""

_COOKIE_SECONDS = 30 * 24 * 3600


def access_host_names(host: str) -> frozenset[str]:
    """The names by which a server that listens at an address is called on this machine."""
    return LOOPBACK_HOSTS | (frozenset() if host in LOOPBACK_HOSTS else {host.lower()})


def read_or_make_access_token() -> str:
    """The token of this machine's user, the same each time, so that open pages continue after a restart.

    Raises:
        StorageError: the file with it cannot be read or written.
    """
    path = user_settings_folder() / SETTINGS_FOLDER / UI_TOKEN_FILE
    return read_or_make_user_secret(path, "the token of the live page")


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What a request needs.

    Args:
        hosts: the names by which the server may be called, without the port; any other is refused, since a
            page of another site may have made it a name of this machine.
        port: the server's.
        token: what the address has; None where a password or a proxy decides.
        password: what a browser asks for; None for none.
        proxy_header: the header in which a proxy names the user whom it let in; None without a proxy.
    """

    hosts: frozenset[str]
    port: int
    token: str | None = None
    password: str | None = None
    proxy_header: str | None = None

    @property
    def cookie(self) -> str:
        """The name of the cookie: browsers share those of all ports of a machine."""
        return f"legm-ui-{self.port}"


class AccessGuard:
    """Lets only those requests through that the rules allow, and adds the security headers to every answer.

    Args:
        app: the application, as ASGI has it.
        rules: what a request needs.
    """

    def __init__(self, app: Any, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in SECURITY_HEADERS.items()
                        if name.encode() not in own
                    ),
                ]
            await send(message)

        problem = self._problem(headers, scope["method"])
        if problem is not None:
            await _answer_without_access(send_with_headers, 403, problem)
            return
        given = _access_token_in_query(scope)
        if given is not None and self._rules.token is not None and scope["path"] == "/":
            if hmac.compare_digest(given.encode(), self._rules.token.encode()):
                await self._let_in(send_with_headers, scope)
            else:
                await _answer_without_access(send_with_headers, 401, _NOT_LET_IN)
            return
        if not self._is_let_in(headers):
            extra = {} if self._rules.password is None else {"www-authenticate": 'Basic realm="legm"'}
            await _answer_without_access(send_with_headers, 401, _NOT_LET_IN, extra)
            return
        await self._app(scope, receive, send_with_headers)

    def _problem(self, headers: Mapping[str, str], method: str) -> str | None:
        """Why a request is refused whoever sends it; None for one that another site cannot have made."""
        host, _, port = headers.get("host", "").rpartition(":")
        if not port.isdigit():
            host = headers.get("host", "")
        if host.strip("[]").lower() not in self._rules.hosts:
            return f"This server does not answer to the name {host!r}: see --allow-host."
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            return "A page of another site may not ask this server."
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and not (
            method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        ):
            return "A page of another site may not ask this server."
        if method not in {"GET", "HEAD"} and origin is None:
            return "Changes need the header Origin."
        return None

    def _is_let_in(self, headers: Mapping[str, str]) -> bool:
        rules = self._rules
        if rules.proxy_header is not None:
            return bool(headers.get(rules.proxy_header.lower()))
        if rules.password is not None:
            return hmac.compare_digest(_access_password_of(headers).encode(), rules.password.encode())
        given = _access_cookie_value(headers.get("cookie", ""), rules.cookie)
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        token = (rules.token or "").encode()
        return bool(token) and any(hmac.compare_digest(one.encode(), token) for one in (given, bearer))

    async def _let_in(self, send: Any, scope: Any) -> None:
        """Keep the token in a cookie, and leave it out of the address."""
        rest = parse_qs(scope["query_string"].decode("latin-1"))
        rest.pop("token", None)
        query = urlencode(rest, doseq=True)
        cookie = (
            f"{self._rules.cookie}={self._rules.token}; Path=/; HttpOnly; SameSite=Lax; "
            f"Max-Age={_COOKIE_SECONDS}"
        )
        location = f"./?{query}" if query else "./"  # it is also right below a path of a proxy
        await _answer_without_access(
            send, 303, "", {"location": location, "set-cookie": cookie, "cache-control": "no-store"}
        )


_NOT_LET_IN = "Open the address that legm ui has printed: it has the token."


async def _answer_without_access(
    send: Any, status: int, text: str, headers: Mapping[str, str] | None = None
) -> None:
    body = text.encode()
    every = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        **(headers or {}),
    }
    start = [(name.encode(), value.encode()) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def _access_token_in_query(scope: Any) -> str | None:
    found = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return found[0] if found else None


def _access_cookie_value(text: str, name: str) -> str:
    try:
        found = SimpleCookie(text).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _access_password_of(headers: Mapping[str, str]) -> str:
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
