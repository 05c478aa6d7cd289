"""What is sent to a page is bounded before it is kept."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import pytest

BODY_BYTES = 64 * 1024
Message = dict[str, Any]


@pytest.fixture
def bodies() -> Any:
    found = import_module("livejobs.server.project.bodies")
    assert found.BODY_BYTES == BODY_BYTES
    return found


async def asked(
    bodies: Any, parts: list[bytes], headers: list[tuple[bytes, bytes]] | None = None, *, ends: bool = True
) -> Any:
    """What was answered, what the application got, and how many parts were taken in."""
    taken = iter(range(len(parts)))
    sent: list[Message] = []
    got: list[Message] = []

    async def receive() -> Message:
        number = next(taken, None)
        if number is None:
            await asyncio.sleep(3600)
            raise AssertionError
        return {"type": "http.request", "body": parts[number], "more_body": not ends or number < len(parts) - 1}

    async def send(message: Message) -> None:
        sent.append(message)

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        got.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = {"type": "http", "headers": headers or []}
    await bodies.SmallBodies(application)(scope, receive, send)
    return sent[0]["status"], got, next(taken, len(parts))


async def test_a_small_body_is_passed_on_whole(bodies):
    status, got, _ = await asked(bodies, [b"a", b"b", b""])
    assert status == 200
    assert got == [{"type": "http.request", "body": b"ab", "more_body": False}]


async def test_what_announces_too_much_is_refused_unread(bodies):
    assert await asked(bodies, [b"x"], [(b"content-length", str(BODY_BYTES + 1).encode())]) == (413, [], 0)


async def test_what_turns_out_to_be_too_much_is_refused_at_once(bodies):
    parts = [b"x" * 1024] * 1000
    status, got, taken = await asked(bodies, parts)
    assert (status, got) == (413, [])
    assert taken == BODY_BYTES // 1024 + 1


@pytest.mark.parametrize("length", [b"none", b"-5", b"\xb2", b""])
async def test_a_length_that_is_none_announces_nothing(bodies, length):
    assert (await asked(bodies, [b"x"], [(b"content-length", length)]))[0] == 200


async def test_what_never_ends_is_given_up(bodies, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    assert (await asked(bodies, [b"x"], ends=False))[:2] == (408, [])


async def test_who_goes_away_gets_no_answer(bodies):
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def nothing(*_: Any) -> None:
        raise AssertionError

    await bodies.SmallBodies(nothing)({"type": "http", "headers": []}, gone, nothing)
