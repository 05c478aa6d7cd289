"""Requests with a body are bounded: no page takes one, and what is sent all the same must not fill a disk."""

from __future__ import annotations

import asyncio
from typing import Final

from livejobs.server.project.headers import Application, Message, Receive, Scope, Send

BODY_BYTES: Final = 64 * 1024
BODY_SECONDS: Final = 20.0  # until all of it is there


class SmallBodies:
    """Answers 413 to a body over BODY_BYTES, before it is kept, and 408 to one that does not end."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if _announced(scope) > BODY_BYTES:
            return await _refuse(send, 413)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    body += message.get("body", b"")
                    if len(body) > BODY_BYTES:
                        return await _refuse(send, 413)
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            return await _refuse(send, 408)
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def receive_again() -> Message:
            return whole.pop() if whole else await receive()

        return await self.application(scope, receive_again, send)


def _announced(scope: Scope) -> int:
    """How many bytes the request says it has; 0 where it does not say."""
    given = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(given) if given.isdigit() else 0


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
