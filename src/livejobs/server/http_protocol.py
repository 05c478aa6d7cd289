"""uvicorn's HTTP with bounds that it lacks: how long the head of a request may be, and how long it may take.

Browsers send the cookies of every port of a host, so a head may be as long as others make it: up to HEAD_BYTES it
is served, over that it is refused with 431, and said.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from livejobs.log_events import LogEvent, fields

HEAD_BYTES: Final = 64 * 1024
HEAD_SECONDS: Final = 20.0  # until a head is there, from the begin of a connection or of the request
FAREWELL_SECONDS: Final = 1.0  # how long who is refused may go on sending
PIECE_BYTES: Final = 16 * 1024  # read at a time while a head is under way: its length is known that well
SAID_SECONDS: Final = 60.0  # between two lines in the log about refused heads

logger = logging.getLogger("livejobs.server")


def allow_long_heads() -> None:
    """Have the library for WebSockets, which is imported later, read a handshake as long as any request may be."""
    os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", str(HEAD_BYTES))
    os.environ.setdefault("WEBSOCKETS_MAX_NUM_HEADERS", "1000")


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _said_at: ClassVar[float] = -SAID_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _head = 0  # bytes read of the head that is under way
    _in_head = True
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head is no longer than it may be."""
        if self._refused:
            return
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self._head += len(piece) if self._in_head else 0
            super().data_received(piece)
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return
            if self._in_head and self._head > HEAD_BYTES:
                return self._refuse()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._await_request()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head, self._head = False, 0
        self._forget_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is there."""
        super().on_message_complete()
        self._in_head = True

    def _await_request(self) -> None:
        self._forget_timer()
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        """Answer, and take no notice of the rest: to close at once would take the answer back."""
        self._forget_timer()
        head: list[Any] = [STATUS_LINE[431], b"content-length: 0\r\n", b"connection: close\r\n", b"\r\n"]
        self.transport.write(b"".join(head))
        self.transport.write_eof()
        self._refused = True
        self._timer = self.loop.call_later(FAREWELL_SECONDS, self.transport.close)
        now = time.monotonic()
        if now - BoundedProtocol._said_at >= SAID_SECONDS:
            BoundedProtocol._said_at = now
            logger.warning(
                "A request was refused: its headers are longer than %d KB. Often those are cookies of other servers on "
                "the same host; delete them in the browser.", HEAD_BYTES // 1024,
                extra=fields(LogEvent.HEAD_REFUSED),
            )  # fmt: skip
