"""Who may open a WebSocket at all: known paths, and hosts that are ours."""

from __future__ import annotations

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from livejobs.server.project.headers import Application, Receive, Scope, Send


class OurHostOnly:
    """Refuses a WebSocket whose Host is not in ALLOWED_HOSTS.

    Django checks that for HTTP only. Without it a page of another site, whose name was made to point at this machine,
    would have a Host and an Origin that agree.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on, or answer 403."""
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
            await self.application(scope, receive, send)
        else:
            await refuse(scope, receive, send, 403)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 to a WebSocket at a path that has none."""
    await refuse(scope, receive, send, 404)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int) -> None:
    """End a handshake with an HTTP status; a server that cannot do that answers 403 to a plain close."""
    await receive()
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await send({"type": "websocket.http.response.start", "status": status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})
    else:
        await send({"type": "websocket.close"})


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the server's start and stop. Nothing needs either."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
