"""A TCP proxy that treats what passes as a bad network would: late, cut off, or not at all.

One thread with an event loop serves every link; a link is one listening port in front of one server.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

COMMIT_REPLY: Final = b"C\x00\x00\x00\x0bCOMMIT\x00"  # PostgreSQL's CommandComplete
READ_BYTES: Final = 65_536
Line = tuple[asyncio.StreamWriter, asyncio.StreamWriter]
LINGER: Final = struct.pack("ii", 1, 0)


class Link:
    """One way to one server, and how it is treated now. Attributes may be set from any thread."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = 0
        self.delay = 0.0  # seconds each way
        self.refused = False  # new connections are reset
        self.silent = False  # nothing is passed on, and nothing closed: half-open
        self.commits_to_lose = 0  # replies to a COMMIT that are cut off instead of passed on
        self.lost_commits = 0
        self._cut_after: int | None = None  # bytes from the server until every connection is cut
        self._lines: set[Line] = set()
        self._silenced: set[Line] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def connections(self) -> int:
        """How many pass through it now."""
        return len(self._lines)

    def reset(self) -> None:
        """Cut every connection with a reset."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._reset)

    def cut_after(self, count: int) -> None:
        """Cut every connection once this many more bytes came from the server, wherever that is in a message."""
        self._cut_after = count

    def silence_those_there_are(self) -> None:
        """Make the connections of now half-open; new ones are treated well."""
        self._silenced |= self._lines

    def heal(self) -> None:
        """Treat everything well again; what was half-open is closed, as a network does in the end."""
        was_silent = self.silent or bool(self._silenced & self._lines)
        self._silenced.clear()
        self.delay, self.refused, self.silent = 0.0, False, False
        self.commits_to_lose, self._cut_after = 0, None
        if was_silent:
            self.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refused:
            _abort(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.target)
        except OSError:
            _abort(writer)
            return
        line = (writer, server_writer)
        self._lines.add(line)
        try:
            await asyncio.gather(
                self._pass(line, reader, server_writer, from_server=False),
                self._pass(line, server_reader, writer, from_server=True),
            )
        except OSError:
            pass
        finally:
            self._lines.discard(line)
            for end in line:
                end.close()

    async def _pass(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        while data := await reader.read(READ_BYTES):
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.silent or line in self._silenced:
                continue
            if from_server and self._is_cut(data):
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one end closed: so does the other

    def _is_cut(self, data: bytes) -> bool:
        if self.commits_to_lose and COMMIT_REPLY in data:
            self.commits_to_lose -= 1
            self.lost_commits += 1
            return True
        if self._cut_after is not None:
            self._cut_after -= len(data)
            if self._cut_after <= 0:
                self._cut_after = None
                self._reset()
                return True
        return False

    def _reset(self) -> None:
        for line in tuple(self._lines):
            for end in line:
                _abort(end)


class Proxy:
    """Every link of a run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._accepted: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)
        self._thread.start()

    def link(self, host: str, port: int) -> Link:
        """Open a way to a server."""
        link = Link(host, port)
        link._loop = self._loop
        asyncio.run_coroutine_threadsafe(self._open(link), self._loop).result(10)
        return link

    def close(self) -> None:
        """Close every way."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self, link: Link) -> None:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # known at once: a task that is cancelled before its first step would leave its connection open
            task = self._loop.create_task(_quietly(link._serve(reader, writer)))
            self._accepted[task] = writer
            task.add_done_callback(self._close_accepted)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._servers.append(server)
        link.port = server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(3):  # a transport closes its socket a step after it was told to
            await asyncio.sleep(0)

    def _close_accepted(self, task: asyncio.Task[None]) -> None:
        self._accepted.pop(task).close()


async def _quietly(serving: Coroutine[Any, Any, None]) -> None:
    with suppress(OSError):
        await serving


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of a good-bye."""
    line = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    writer.transport.abort()
