"""Sends a file that is open already, in pieces, so that its size costs no memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from legm.ui.run_files import OpenedRunFile

__all__ = ["OpenedFileResponse"]

_PIECE = 1 << 18  # bytes that are read at once


class OpenedFileResponse(StreamingResponse):
    """The content of an opened file, which is closed when it was sent, or when nobody wants it any more.

    A file that becomes longer meanwhile is sent as long as it was; where it becomes shorter, the connection
    ends, so that whoever asks does not take a part for the whole.

    Args:
        opened: the file.
        media_type: its type.
        headers: others than its type and size.
    """

    def __init__(self, opened: OpenedRunFile, media_type: str, headers: Mapping[str, str]) -> None:
        self._opened = opened
        super().__init__(
            self._pieces(), media_type=media_type, headers={**headers, "content-length": str(opened.size)}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and close the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened.file.close()

    async def _pieces(self) -> AsyncIterator[bytes]:
        left = self._opened.size
        while left and (piece := await run_in_threadpool(self._opened.file.read, min(left, _PIECE))):
            left -= len(piece)
            yield piece
