"""People who start and cancel jobs, as WebSocket clients. What they look at is in `screens`.

They live on one event loop in a thread of its own, and come back after every cut, as the page does.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import urllib.request
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from livejobs.live.layer import being_cancelled

T = TypeVar("T")
ANSWER_SECONDS: Final = 6.0
BACK_SECONDS: Final = (0.2, 1.5)  # the pause before coming back, by chance
AWAY: Final = (OSError, WebSocketException, InvalidHandshake, TimeoutError, EOFError)


class People:
    """The thread and the loop of all clients."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="chaos-people", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run something on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """End every client."""
        self.run(self._end()).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _end(self) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Client:
    """Somebody who keeps a socket open, and looks at nothing."""

    def __init__(self, ports: list[int], cookie: str, seed: int) -> None:
        self._ports, self._cookie, self._chance = ports, cookie, random.Random(seed)
        self.connected = asyncio.Event()
        self.port = 0  # of the web process that serves it now
        self.keeping: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._refs = 0
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}

    # ------------------------------------------------------------ what a person does

    async def ask(self, **command: Any) -> dict[str, Any] | None:
        """Send a command and return its answer; None when the socket broke first or nobody answers."""
        socket = self._socket
        if socket is None:
            return None
        self._refs += 1
        ref = f"r{self._refs}"
        self._answers[ref] = answer = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(socket.send(json.dumps({**command, "ref": ref})), ANSWER_SECONDS)
            return await asyncio.wait_for(answer, ANSWER_SECONDS)
        except AWAY:
            return None
        except asyncio.CancelledError:
            if answer.cancelled() and not being_cancelled():  # the socket broke
                return None
            raise
        finally:
            self._answers.pop(ref, None)

    async def keep(self) -> None:
        """Keep a socket open until cancelled."""
        while True:
            with suppress(*AWAY):
                await self._once()
            self.connected.clear()
            self._socket, self.port = None, 0
            for answer in self._answers.values():
                answer.cancel()
            await asyncio.sleep(self._chance.uniform(*BACK_SECONDS))

    # ------------------------------------------------------------ inside

    async def _once(self) -> None:
        port = self._chance.choice(self._ports)
        address = f"ws://127.0.0.1:{port}/jobs/socket/"
        cookie = {"Cookie": f"sessionid={self._cookie}"}
        async with connect(
            address, subprotocols=["livejobs.v1"], additional_headers=cookie, open_timeout=5, close_timeout=1,  # type: ignore[list-item]
            max_size=None, ping_interval=5, ping_timeout=5, compression=None,
        ) as socket:  # fmt: skip
            self._socket, self.port = socket, port
            self.connected.set()
            async for text in socket:
                frame = json.loads(text)
                for message in frame["messages"] if frame["action"] == "batch" else [frame]:
                    self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        answer = self._answers.get(message.get("ref") or "")
        if answer is not None and not answer.done():
            answer.set_result(message)


def new_browser(port: int) -> str:
    """Open the page once, as a browser does, and return its session."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/jobs/", timeout=20) as answer:
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie" and value.startswith("sessionid="):
                return str(value.partition("=")[2].partition(";")[0])
    raise RuntimeError("The page gave no session.")
