"""Runs the server of the live page until a signal ends it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from legm.errors import LegmError
from legm.ui.access import AccessRules
from legm.ui.application import LivePageApplication
from legm.ui.stored_runs import StoredRuns
from legm.util.child_processes import interrupted_by_signals

__all__ = ["LiveServer", "open_server_socket"]

_ENDING_SECONDS = 2  # that open requests have to end


def open_server_socket(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: an address of this machine.
        port: the port; 0 for any free one.

    Raises:
        LegmError: it cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(128)
    except (OSError, OverflowError) as cause:
        found.close()
        raise LegmError(
            f"the page cannot be served on {host}:{port} ({cause}): choose another --port; 0 is a free one"
        ) from cause
    return found


@dataclass(frozen=True, slots=True)
class LiveServer:
    """The server of the live page on a socket that listens already.

    Args:
        stored: the runs.
        listening: the socket.
        rules: who may see the page.
        title: of the page.
        read_only: whether tags and notes cannot be changed.
    """

    stored: StoredRuns
    listening: socket.socket
    rules: AccessRules
    title: str
    read_only: bool = False

    def serve(self, ready: Callable[[], Any] = lambda: None) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP; it must be called on the main thread.

        Args:
            ready: called when the page can be opened.

        Raises:
            LegmError: plotly is not installed, or the server could not be started.
        """
        first = self.stored.first_reading
        if first is not None:
            first.begin(self.listening.close)  # before there are threads
        ahead = threading.Thread(target=self.stored.read_ahead, name="legm-ui-read-ahead", daemon=True)
        ahead.start()
        try:
            self._serve(ready)
        finally:
            if first is not None:
                first.stop()

    def _serve(self, ready: Callable[[], Any]) -> None:
        import uvicorn

        page = LivePageApplication(self.stored, self.rules, self.title, read_only=self.read_only)
        config = uvicorn.Config(
            page.application,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_ENDING_SECONDS,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([self.listening],), name="legm-ui-server")
        with interrupted_by_signals():
            try:
                thread.start()
                while not server.started and thread.is_alive():
                    thread.join(0.01)
                if not thread.is_alive():
                    raise LegmError("the server of the live page could not be started")
                page.start()
                ready()
                while thread.is_alive():
                    thread.join(3600)
            except KeyboardInterrupt:
                pass
            finally:
                with contextlib.suppress(KeyboardInterrupt):  # a second signal ends it no sooner
                    page.end_streams()
                    server.should_exit = True
                    thread.join(_ENDING_SECONDS + 3)
                    page.close()
                    self.listening.close()
