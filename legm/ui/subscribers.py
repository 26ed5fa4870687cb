"""Reports to every open page what has changed: by server-sent events, each page at its own speed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

from legm.records import Plain

__all__ = ["Subscriber", "Subscribers", "subscriber_event_text"]

_HEARTBEAT = 10.0  # seconds without an event after which a comment shows that the server is there


def subscriber_event_text(kind: str, data: Plain) -> str:
    """An event as it is sent.

    Args:
        kind: its name.
        data: ready for JSON.
    """
    return f"event: {kind}\ndata: {json.dumps(data, allow_nan=False, separators=(',', ':'))}\n\n"


class Subscriber:
    """An open page: what it has not been sent yet. Of what has changed twice, only the newest is kept.

    Args:
        loop: that of the server.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._has_news = asyncio.Event()
        self._lock = threading.Lock()
        self._runs: dict[str, Plain] = {}
        self._versions: dict[str, int] = {}
        self._is_closed = False

    def put(self, runs: Mapping[str, Plain], versions: Mapping[str, int]) -> None:
        """Take news; called by any thread.

        Args:
            runs: by id, the state of runs that have changed; None for one that is not followed any more.
            versions: by name, the versions of the experiments that have changed.
        """
        with self._lock:
            self._runs.update(runs)
            self._versions.update(versions)
        self._wake()

    def close(self) -> None:
        """End the stream, after what was put before; called by any thread."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._has_news.set)

    async def events(self, first: str) -> AsyncIterator[str]:
        """The events as they are sent.

        Args:
            first: the event that the page gets at once.
        """
        yield first
        while not self._is_closed:
            try:
                await asyncio.wait_for(self._has_news.wait(), _HEARTBEAT)
            except asyncio.TimeoutError:
                yield ": here\n\n"
                continue
            self._has_news.clear()
            with self._lock:
                runs, self._runs = self._runs, {}
                versions, self._versions = self._versions, {}
            if runs:
                yield subscriber_event_text("runs", runs)
            if versions:
                yield subscriber_event_text("experiments", versions)


class Subscribers:
    """All open pages."""

    def __init__(self) -> None:
        self._every: set[Subscriber] = set()
        self._lock = threading.Lock()

    def add(self, loop: asyncio.AbstractEventLoop) -> Subscriber:
        """A new one."""
        one = Subscriber(loop)
        with self._lock:
            self._every.add(one)
        return one

    def remove(self, one: Subscriber) -> None:
        """Forget one whose page was closed."""
        with self._lock:
            self._every.discard(one)

    def __len__(self) -> int:
        return len(self._every)

    def put(self, runs: Mapping[str, Any], versions: Mapping[str, int]) -> None:
        """Send news to all."""
        with self._lock:
            every = list(self._every)
        for one in every:
            one.put(runs, versions)

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            every = list(self._every)
        for one in every:
            one.close()
