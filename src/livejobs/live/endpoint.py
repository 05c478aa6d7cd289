"""The thin shell between an ASGI socket and a session: frames in, frames out, requests executed one after the other.

No Channels consumer stands here: those ask the channel layer for a channel at connect, so that a handshake without
Redis ends in a 500, and hand every event through a dispatch that costs a thread hop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from django.db import InterfaceError, OperationalError

from livejobs.conf import conf
from livejobs.database import disk, pool
from livejobs.errors import LivejobsError
from livejobs.live import answers
from livejobs.live.hub import Hub
from livejobs.live.identity import Door, SessionChangedError
from livejobs.live.origin import is_welcome
from livejobs.live.requests import Answer, ReadLog, ReadSnapshot, Recheck, Request
from livejobs.live.session import Conversation, Limits, Session
from livejobs.live.tutorial import TutorialSession
from livejobs.log_events import LogEvent, fields
from livejobs.protocol import SUBPROTOCOL, CloseCode

logger = logging.getLogger("livejobs.live")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Dialect = type[Session] | type[TutorialSession]

UNREAD_MAX: Final = 1024 * 1024  # characters of answers that wait: a client that does not read is not read either
LOG_AGAIN_SECONDS: Final = 1.0
# What a server raises when one sends to a socket that its client, or the server itself, has closed.
CLOSED: Final = (OSError, RuntimeError)
FAREWELL_SECONDS: Final = 5.0  # how long a blocked client has to take in the close frame


class SocketEndpoint:
    """One WebSocket. Both dialects at every path; the subprotocol chooses."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, dialect: Dialect) -> None:
        self._receive, self._send = receive, send
        self._door = Door(scope)
        self._hub = Hub.here()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._turn = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        limits = Limits(conf.MAX_FRAME_BYTES, conf.MAX_NESTING)
        self.session: Conversation = dialect(self._hub, limits, self._wake.set)

    @classmethod
    def as_asgi(cls) -> Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]:
        """The ASGI application, for a router."""

        async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            await receive()  # websocket.connect
            offered = scope.get("subprotocols") or []
            dialect = _dialect(offered)
            if dialect is None or not is_welcome(scope):
                await send({"type": "websocket.close"})  # before an accept this answers the handshake with 403
                return
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
            await cls(scope, receive, send, dialect).serve()

        return application

    async def serve(self) -> None:
        """Converse until the socket is closed."""
        self._hub.enter(self)
        beside = [asyncio.create_task(self._write()), asyncio.create_task(self._recheck())]
        try:
            await self._read(beside[0])
        except OSError:
            pass  # the client went away in the middle of a frame
        finally:
            ending = [task for task in (*beside, self._reading) if task is not None]
            for task in ending:
                task.cancel()
            await self._hub.exit(self)
            await asyncio.gather(*ending, return_exceptions=True)

    # ------------------------------------------------------------ in

    async def _read(self, writer: asyncio.Task[None]) -> None:
        await self._execute(self.session.opened())
        while True:
            while self.session.mailbox.unread > UNREAD_MAX and not writer.done():
                self._room.clear()
                await self._room.wait()
            message = await self._next_message(writer)
            if message is None or message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                self.session.receive_binary()
            else:
                await self._execute(self.session.receive(text))

    async def _next_message(self, writer: asyncio.Task[None]) -> Message | None:
        """The next message; None when the writer ended, because the socket is closed or its client reads nothing."""
        receiving = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({receiving, writer}, return_when=asyncio.FIRST_COMPLETED)
            # also where a frame is there: who reads nothing is asked nothing more, however much they sent before
            return None if writer.done() else receiving.result()
        finally:
            receiving.cancel()

    async def _execute(self, requests: Iterable[Request]) -> None:
        """Execute requests and those that follow from them, in order; one at a time for one socket."""
        async with self._turn:
            left = deque(requests)
            while left and self.session.closing is None:
                request = left.popleft()
                left.extendleft(reversed(await self._answer(request)))
        self._wake.set()

    async def _answer(self, request: Request) -> list[Request]:
        try:
            answer = await (self._read_snapshot(request) if isinstance(request, ReadSnapshot) else self._ask(request))
            return self.session.answered(request, answer)
        except SessionChangedError:
            self.session.closing = CloseCode.SESSION_CHANGED
        except LivejobsError as error:
            self.session.failed(request, error)
        except (OperationalError, InterfaceError) as error:
            logger.debug("The database does not answer a socket: %s", error)
            self.session.failed(request, disk.unavailable(error))
        except Exception:
            logger.exception(
                "A request of a socket failed: %s", type(request).__name__,
                extra=fields(LogEvent.SOCKET_REQUEST_FAILED, request=type(request).__name__),
            )  # fmt: skip
            self.session.closing = CloseCode.RESTART
        return []

    async def _ask(self, request: Request) -> Answer:
        return await pool.run(answers.answer_to, self._door, request)

    async def _read_snapshot(self, request: ReadSnapshot) -> Answer:
        listing = request.listing
        if listing is None:
            return await self._hub.snapshots.read(self, partial(self._ask, request))
        return await self._hub.snapshots.read(listing.key, partial(pool.run, answers.read_list, listing))

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(conf.SESSION_SECONDS)
            await self._execute([Recheck()])

    # ------------------------------------------------------------ out

    async def _write(self) -> None:
        """Write whatever waits; ends when the socket is to be closed, or cannot be written to."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (frame := self.session.mailbox.next_frame()) is not None:
                    async with asyncio.timeout(conf.SLOW_CLIENT_SECONDS):
                        await self._send({"type": "websocket.send", "text": frame})
                    self._room.set()
                self._read_log()
                if self.session.closing is not None:
                    await self._close(self.session.closing)
                    return
        except TimeoutError:
            await self._close(CloseCode.TOO_SLOW)
        except CLOSED:
            pass  # the reader hears of it too
        finally:
            self._room.set()

    async def _close(self, code: CloseCode) -> None:
        with suppress(*CLOSED):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._send({"type": "websocket.close", "code": int(code)})

    def _read_log(self) -> None:
        due = self.session.mailbox.logs.next_read()
        if due is not None:
            self._reading = asyncio.create_task(self._read_lines(ReadLog(*due)))

    async def _read_lines(self, request: ReadLog) -> None:
        try:
            chunk = await pool.run(answers.read_log, request)
        except Exception as error:
            logger.debug("A log is read again: %s", error)
            await asyncio.sleep(LOG_AGAIN_SECONDS)
            self.session.mailbox.logs.read_failed()
        else:
            self.session.mailbox.logs.was_read(request.job_id, chunk)
        self._wake.set()


def _dialect(offered: list[str]) -> Dialect | None:
    """The session for what a client offers; None when it offers only what we do not speak."""
    if not offered:
        return TutorialSession
    return Session if SUBPROTOCOL in offered else None
