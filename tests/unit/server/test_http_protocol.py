"""The head of a request is bounded, and so is the time it takes; over a real socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from livejobs.server import http_protocol
from livejobs.server.http_protocol import HEAD_BYTES, SAID_SECONDS, BoundedProtocol

PATIENCE = 10.0


async def application(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Answers with how long head and body were."""
    body = b""
    while (message := await receive()).get("more_body") or message.get("body"):
        body += message["body"]
        if not message.get("more_body"):
            break
    head = sum(len(name) + len(value) for name, value in scope["headers"])
    text = f"{head} {len(body)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def serving() -> AsyncIterator[Callable[[], Any]]:
    """Call it for a connection."""
    config = uvicorn.Config(application, port=0, http=BoundedProtocol, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        server.should_exit = True
        await server.shutdown()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
        return int(head.split()[1]), await reader.readexactly(length)


def request(size: int, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\ncookie: %b\r\ncontent-length: %d\r\n\r\n%b" % (b"c" * size, len(body), body)


async def test_many_cookies_and_several_requests_on_one_connection_are_served():
    async with serving() as connect:
        reader, writer = await connect()
        for size, body in ((0, b""), (32 * 1024, b"x" * 60_000), (60 * 1024, b""), (10, b"y")):
            writer.write(request(size, body))
            status, said = await answer(reader)
            assert status == 200
            assert int(said.split()[0]) >= size
            assert int(said.split()[1]) == len(body)
        writer.write(request(5) + request(40 * 1024, b"z" * 40_000) + request(7))  # sent without waiting
        assert [(await answer(reader))[0] for _ in range(3)] == [200, 200, 200]
        writer.close()


async def test_a_head_that_is_too_long_is_refused_and_that_is_said_once_a_minute(monkeypatch, caplog):
    monkeypatch.setattr(BoundedProtocol, "_said_at", -SAID_SECONDS)
    async with serving() as connect:
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                reader, writer = await connect()
                writer.write(request(2 * HEAD_BYTES))
                assert (await answer(reader))[0] == 431
                assert await reader.read() == b""  # closed
                writer.close()
    # a thread of an earlier test may have something to say meanwhile
    (said,) = [record.getMessage() for record in caplog.records if record.name == http_protocol.logger.name]
    assert said.startswith("A request was refused: its headers are longer than 64 KB. Often those are cookies")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nhost: "])
async def test_a_request_that_does_not_come_is_not_waited_for(monkeypatch, begun):
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.1)
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(begun)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()
