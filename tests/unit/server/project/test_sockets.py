"""Who may open a WebSocket at all, and how the others are told."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import pytest

CONNECT = {"type": "websocket.connect"}
CAN_ANSWER: dict[str, Any] = {"websocket.http.response": {}}


@pytest.fixture
def sockets(settings: Any) -> Any:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
    return import_module("livejobs.server.project.sockets")


def scope(*headers: tuple[bytes, bytes], extensions: Any = CAN_ANSWER) -> dict[str, Any]:
    return {"type": "websocket", "path": "/ws/", "headers": list(headers), "extensions": extensions}


async def said(application: Any, scope: dict[str, Any], *events: dict[str, str]) -> list[dict[str, Any]]:
    """What an application sends to a client whose side of the connection is these events."""
    waiting = asyncio.Queue[dict[str, str]]()
    for event in events or (CONNECT,):
        waiting.put_nowait(event)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asyncio.wait_for(application(scope, waiting.get, send), 5)
    assert waiting.empty()  # a handshake is ended after it was begun
    return sent


async def accept(_scope: Any, receive: Any, send: Any) -> None:
    assert await receive() == CONNECT
    await send({"type": "websocket.accept"})


def refused_with(status: int) -> list[dict[str, Any]]:
    return [
        {"type": "websocket.http.response.start", "status": status, "headers": []},
        {"type": "websocket.http.response.body", "body": b""},
    ]


@pytest.mark.parametrize("host", [b"127.0.0.1:8000", b"localhost", b"LOCALHOST:1", b"[::1]:8000"])
async def test_a_host_of_ours_is_passed_on(sockets, host):
    our = sockets.OurHostOnly(accept)

    assert await said(our, scope((b"origin", b"http://x"), (b"host", host))) == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("host", [b"evil.example:8000", b"127.0.0.1.evil.example", b"", b"\xff\xfe", b"a b"])
async def test_another_host_is_refused_before_anything_sees_it(sockets, host):
    """As a page elsewhere has it, whose name was made to point here."""
    our = sockets.OurHostOnly(accept)

    assert await said(our, scope((b"host", host))) == refused_with(403)


async def test_no_host_is_refused_too(sockets):
    assert await said(sockets.OurHostOnly(accept), scope()) == refused_with(403)


async def test_a_path_that_has_none_is_not_found(sockets):
    assert await said(sockets.not_found, scope()) == refused_with(404)


@pytest.mark.parametrize("extensions", [{}, None])
async def test_a_server_that_cannot_answer_with_a_status_closes(sockets, extensions):
    assert await said(sockets.not_found, scope(extensions=extensions)) == [{"type": "websocket.close"}]
    without = {name: value for name, value in scope().items() if name != "extensions"}
    assert await said(sockets.not_found, without) == [{"type": "websocket.close"}]


async def test_the_servers_start_and_stop_are_answered_and_then_it_ends(sockets):
    sent = await said(
        sockets.lifespan, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
    )

    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
