"""People, as WebSocket clients: those who start and cancel jobs, and those who watch. Each runs the reducer.

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
from tests.reducer import Reducer

T = TypeVar("T")
ANSWER_SECONDS: Final = 6.0
BACK_SECONDS: Final = (0.2, 1.5)  # the pause before coming back, by chance
EVENTS: Final = frozenset({"job", "snapshot", "progress", "log", "gone"})
TRIES: Final = 400  # longer than any database is away
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
    """One page of one browser: it keeps a socket open, and what it watches watched."""

    def __init__(self, ports: list[int], cookie: str, seed: int) -> None:
        self._ports, self._cookie, self._chance = ports, cookie, random.Random(seed)
        self.reducer = Reducer()
        self.connected = asyncio.Event()
        self.connections = 0
        self.port = 0  # of the web process that serves it now
        self.watched: set[int] = set()
        self.listing = False
        self.covers = 0  # the lowest id of its list: that is its snapshot and what came later
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

    async def watch(self, job_id: int) -> None:
        """Look at one job, with its log. A socket that breaks meanwhile looks again by itself."""
        self.watched.add(job_id)
        connection = self.connections
        for _ in range(TRIES):
            if job_id not in self.watched or connection != self.connections or await self._watch(job_id):
                return
            await asyncio.sleep(self._chance.uniform(*BACK_SECONDS))

    async def unwatch(self, job_id: int) -> None:
        """Look away; what is known of its log stays known."""
        self.watched.discard(job_id)
        await self.ask(action="unwatch", id=f"job{job_id}")

    async def drop(self) -> None:
        """Lose the socket."""
        if self._socket is not None:
            self._socket.transport.abort()

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
            self.connections += 1
            looking = asyncio.create_task(self._look())
            try:
                await self._read(socket)
            finally:
                looking.cancel()

    async def _look(self) -> None:
        """Watch again what was watched before the cut."""
        looks = [self.watch(job_id) for job_id in sorted(self.watched)]
        await asyncio.gather(*([self._list()] if self.listing else []), *looks)
        self.connected.set()

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            for message in frame["messages"] if frame["action"] == "batch" else [frame]:
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        answer = self._answers.get(message.get("ref") or "")
        if message["action"] in EVENTS or (message["action"] == "ack" and "job" in message):
            self.reducer.apply(message)
        if message["action"] == "snapshot" and message["watch"] == "list":  # one may come unasked, after a long silence
            self.covers = min((job["id"] for job in message["jobs"]), default=0) if message["more"] else 0
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _list(self) -> None:
        connection = self.connections
        for _ in range(TRIES):
            if connection != self.connections:
                return
            answer = await self.ask(action="watch", id="list", jobs={"scope": "mine"})
            if answer is not None and answer["action"] == "snapshot":
                return
            await asyncio.sleep(self._chance.uniform(*BACK_SECONDS))

    async def _watch(self, job_id: int) -> bool:
        known = self.reducer.jobs.get(job_id)
        after = max(known.log, default=0) if known else 0
        gapless = after and known is not None and len(known.log) == after
        log_after = {"log_after": after} if gapless else {}
        answer = await self.ask(action="watch", id=f"job{job_id}", job_id=job_id, **log_after)
        return answer is not None and answer["action"] == "snapshot"


def new_browser(port: int) -> str:
    """Open the page once, as a browser does, and return its session."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/jobs/", timeout=20) as answer:
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie" and value.startswith("sessionid="):
                return str(value.partition("=")[2].partition(";")[0])
    raise RuntimeError("The page gave no session.")
