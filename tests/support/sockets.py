"""WebSocket clients without a network: each drives the ASGI application through queues, as a server would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

from channels.routing import URLRouter
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.urls import path

from livejobs.database import pool
from livejobs.live.endpoint import SocketEndpoint
from livejobs.live.routing import websocket_urlpatterns
from livejobs.policy import BROWSER_ID
from livejobs.protocol import SUBPROTOCOL
from tests.support.reducer import Reducer
from tests.support.waiting import await_for

T = TypeVar("T")
PATIENCE = 20.0  # seconds; the machine may be busy
HOST = "jobs.example"

application: Any = SessionMiddlewareStack(
    URLRouter(
        [path("jobs/", URLRouter(websocket_urlpatterns)), path("dashboard/", cast("Any", SocketEndpoint.as_asgi()))]
    )
)


class Client:
    """One socket. `seen` has every message it got, batches taken apart; `view` is what its page would show."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.frames: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.reducer = Reducer()
        self.accepted: dict[str, Any] | None = None
        self.closed: int | None = None  # the close code; 403 is a refused handshake
        self.gate = asyncio.Event()  # while it is not set, the client takes nothing in
        self.gate.set()
        self.blocked: str | None = None  # the message that the server is about to send
        self.fault: Exception | None = None  # what the server raises when something is sent
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._refs = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> Client:
        """Shake hands, and wait for the answer."""
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(application(self.scope, self._incoming.get, self._take))
        await await_for(lambda: self.accepted or self.closed, PATIENCE, "the handshake's answer")
        return self

    def send(self, **frame: Any) -> None:
        """Send a frame."""
        if frame.get("action") in ("watch", "unwatch"):
            self.reducer.apply(frame)
        self.send_text(json.dumps(frame))

    def send_text(self, text: str) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def send_binary(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        self._refs += 1
        ref = f"r{self._refs}"
        self.send(**frame, ref=ref)
        return await self.until(lambda message: message.get("ref") == ref)

    async def watch(self, id: Any = "list", **what: Any) -> dict[str, Any]:
        """Watch something; a list of one's own where nothing is named."""
        return await self.ask(action="watch", id=id, **(what or {"jobs": {"scope": "mine"}}))

    async def until(self, wanted: Callable[[dict[str, Any]], Any], timeout: float = PATIENCE) -> dict[str, Any]:
        """The first message that is wanted, waited for."""
        return await await_for(
            lambda: next((message for message in self.seen if wanted(message)), None), timeout, f"news in {self.seen}"
        )

    async def status(self, **wanted: Any) -> None:
        """Wait until the last status says this."""

        def look() -> bool:
            said = [message for message in self.seen if message["action"] == "status"]
            return bool(said) and wanted.items() <= said[-1].items()

        await await_for(look, PATIENCE, f"a status with {wanted}")

    async def code(self) -> int:
        """Wait until the socket is closed, and return the code."""
        await await_for(lambda: self.closed is not None, PATIENCE, "the close")
        assert self.closed is not None
        return self.closed

    def of(self, action: str) -> list[dict[str, Any]]:
        """The messages of one kind."""
        return [message for message in self.seen if message["action"] == action]

    @property
    def view(self) -> dict[str, Any]:
        return self.reducer.view()

    async def close(self) -> None:
        """Go away, and wait until the server has noticed."""
        self.gate.set()
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        assert self._task is not None
        await asyncio.wait([self._task], timeout=PATIENCE)
        assert self._task.done(), tasks()
        await self._task

    @property
    def served(self) -> bool:
        """Whether the application still runs for this socket."""
        return self._task is not None and not self._task.done()

    async def _take(self, message: dict[str, Any]) -> None:
        self.blocked = message["type"]
        await self.gate.wait()
        self.blocked = None
        if self.fault is not None:
            raise self.fault
        assert self.closed is None, f"{message} after the close"
        if message["type"] == "websocket.accept":
            self.accepted = message
        elif message["type"] == "websocket.close":
            self.closed = message.get("code", 1000) if self.accepted else 403
        else:
            self.frames.append(message["text"])
            frame = json.loads(message["text"])
            for each in frame["messages"] if frame["action"] == "batch" else [frame]:
                self.seen.append(each)
                if self.scope["subprotocols"]:
                    self.reducer.apply(each)


class Sockets:
    """Opens clients; whatever it opened is closed after the test."""

    def __init__(self) -> None:
        self.opened: list[Client] = []

    async def __call__(
        self,
        session: str | None = None,
        *,
        at: str = "/jobs/socket/",
        subprotocols: tuple[str, ...] = (SUBPROTOCOL,),
        **headers: str,
    ) -> Client:
        """Open a socket as a browser with this session's cookie, or as a client without one."""
        named = {"host": HOST, **headers}
        if session is not None:
            named["cookie"] = f"{settings.SESSION_COOKIE_NAME}={session}"
        client = Client(
            {
                "type": "websocket",
                "path": at,
                "scheme": "ws",
                "server": (HOST, 80),
                "headers": [(name.encode(), value.encode()) for name, value in named.items()],
                "subprotocols": list(subprotocols),
                "query_string": b"",
            }
        )
        self.opened.append(client)
        return await client.open()

    async def tutorial(self, session: str | None = None) -> Client:
        """Open a socket as the tutorial's page does, and wait until its jobs are followed."""
        client = await self(session, at="/dashboard/", subprotocols=())
        client.send(action="nothing of the kind")  # answered behind the list
        await client.until(lambda message: message["action"] == "error")
        client.seen.clear()
        return client

    async def close(self) -> None:
        """Close what is open."""
        opened, self.opened = self.opened, []
        for client in opened:
            if client.served:
                await client.close()


def tasks() -> str:
    """Where each task of this loop is: what a test shows when something does not end."""
    return "\n".join(f"{task.get_name()}: {task.get_coro()} {task.get_stack()[-1:]}" for task in asyncio.all_tasks())


def others() -> list[str]:
    """The tasks of this loop that are not the test's own."""
    mine = asyncio.current_task()
    return [task.get_name() for task in asyncio.all_tasks() if task is not mine and "livejobs" in repr(task)]


async def rows(function: Callable[..., T], *args: Any, **values: Any) -> T:
    """Call something that uses the database, beside the event loop."""
    return await pool.run(function, *args, **values)


async def browser(browser_id: str = "me", user: Any = None) -> str:
    """A session as a page's first GET leaves it; returns the cookie's value."""
    return await rows(_session, browser_id, user)


def _session(browser_id: str, user: Any) -> str:
    session = SessionStore()
    session[BROWSER_ID] = browser_id
    if user is not None:
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert session.session_key is not None
    return session.session_key


async def person(name: str, **values: Any) -> Any:
    """A user."""
    return await rows(get_user_model().objects.create_user, name, password="secret", **values)
