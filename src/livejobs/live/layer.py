"""The hub's own connection to the channel layer: it joins the groups that are wanted and notices what gets lost.

The pub/sub layer tells nothing: `group_add` returns before the subscription exists, a failed one is not tried again,
what was sent while it reconnects is gone, and a connection that is half open looks like a quiet one. So a group counts
as joined when our own echo came back through it, and a ping of our own goes round once a second.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, TypeVar

from livejobs.hints import own_layer

logger = logging.getLogger("livejobs.live")

T = TypeVar("T")

ECHO: Final = "livejobs.echo"
PING_SECONDS: Final = 1.0
DELAYED_SECONDS: Final = 3.0  # without an echo for this long live updates are said to be delayed
REOPEN_SECONDS: Final = 6.0  # … and for this long the connection is given up
PAUSE_SECONDS: Final = 0.5  # before a new connection is tried
BURST: Final = 64  # messages taken in before others may run


class SilenceError(Exception):
    """No echo came back: the connection is dead, whatever it looks like."""


class LayerLink:
    """Keeps one channel on the layer, and the wanted groups joined to it, for as long as `run` runs.

    :param hear: called with each message of a joined group.
    :param joined: called when the echo of a group came back: from now on nothing of it is missed.
    :param lost: called at any sign that messages may have been lost.
    :param changed: called when `live` changed.
    """

    def __init__(
        self,
        hear: Callable[[Mapping[str, Any]], None],
        joined: Callable[[str], None],
        lost: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._hear, self._joined, self._lost, self._changed = hear, joined, lost, changed
        self._name = secrets.token_hex(8)  # tells our echoes from those of other processes
        self._wanted: set[str] = set()
        self._added: dict[str, int] = {}  # the number that tells the echo of this joining from that of an earlier one
        self._numbers = itertools.count(1)
        self._confirmed: set[str] = set()
        self._work = asyncio.Event()
        self._reading = False
        self._sent = self._echoed = 0
        self._echoed_at = time.monotonic()
        self.live: bool | None = None  # not known yet

    def want(self, group: str) -> None:
        """Join a group, and keep it joined."""
        self._wanted.add(group)
        self._work.set()

    def unwant(self, group: str) -> None:
        """Leave a group."""
        self._wanted.discard(group)
        self._work.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while not being_cancelled():
            try:
                layer = own_layer.make()
                if layer is not None:
                    await self._serve(layer)
            except Exception as error:
                logger.debug("The channel layer is tried again: %r", error)
            self._set_live(False)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _serve(self, layer: Any) -> None:
        """Use one layer until something about it fails."""
        self._added.clear()
        self._confirmed.clear()
        self._work.set()
        self._echoed_at = time.monotonic()
        self._reading = True
        async with AsyncExitStack() as leaving:  # each of these is done, whatever interrupts another
            reader: list[asyncio.Task[None]] = []
            writers: list[asyncio.Task[None]] = []
            # In reverse: calls may hold the layer's lock, and the reader would unsubscribe from a server that is dead.
            leaving.push_async_callback(_end, reader)
            leaving.push_async_callback(own_layer.let_go, layer)
            leaving.push_async_callback(_end, writers)
            leaving.callback(self._stop_reading)
            channel = await _bounded(layer.new_channel())
            reader += [_begin(self._read, layer, channel)]
            writers += [_begin(each, layer, channel) for each in (self._keep_joining, self._keep_pinging)]
            done, _ = await asyncio.wait(reader + writers, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    def _stop_reading(self) -> None:
        self._reading = False
        if not being_cancelled():
            self._set_live(False)

    async def _read(self, layer: Any, channel: str) -> None:
        taken = 0
        while True:
            message = await layer.receive(channel)
            if not self._reading:
                return  # a layer that was let go would be subscribed again
            if message.get("type") != ECHO:
                self._hear(message)
            elif message.get("link") == self._name:
                self._take_echo(message)
            taken += 1
            if taken % BURST == 0:
                await asyncio.sleep(0)  # a full queue is read without waiting: let the sockets have their turn

    def _take_echo(self, message: Mapping[str, Any]) -> None:
        group = message.get("group")
        if group is None:
            if message["number"] > self._echoed + 1:
                self._lost()
            self._echoed, self._echoed_at = message["number"], time.monotonic()
            self._set_live(True)
        elif group in self._confirmed or group not in self._wanted:
            return
        elif message["number"] == self._added.get(group):
            self._confirmed.add(group)
            self._joined(group)

    async def _keep_joining(self, layer: Any, channel: str) -> None:
        while True:
            self._work.clear()
            for group in self._added.keys() - self._wanted:
                await _bounded(layer.group_discard(group, channel))
                del self._added[group]
                self._confirmed.discard(group)
            missing = self._wanted - self._confirmed
            for group in missing:
                number = self._added.setdefault(group, next(self._numbers))
                echo = {"type": ECHO, "link": self._name, "group": group, "number": number}
                await _bounded(layer.group_add(group, channel))
                await _bounded(layer.group_send(group, echo))
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS if missing else None):
                    await self._work.wait()

    async def _keep_pinging(self, layer: Any, channel: str) -> None:
        self._echoed = self._sent
        while True:
            self._sent += 1
            ping = {"type": ECHO, "link": self._name, "number": self._sent}
            with suppress(TimeoutError):
                await _bounded(layer.send(channel, ping))
            await asyncio.sleep(PING_SECONDS)
            silence = time.monotonic() - self._echoed_at
            if silence > DELAYED_SECONDS:
                self._set_live(False)
            if silence > REOPEN_SECONDS:
                raise SilenceError

    def _set_live(self, live: bool) -> None:
        if live == self.live:
            return
        self.live = live
        if live:
            self._lost()  # whatever was sent before
        self._changed()


def _begin(work: Callable[[Any, str], Coroutine[Any, Any, None]], layer: Any, channel: str) -> asyncio.Task[None]:
    return asyncio.create_task(work(layer, channel), name=f"livejobs-{getattr(work, '__name__', '')}")


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _bounded(call: Awaitable[T]) -> T:
    """Make one call of the layer. A task that was asked to end meanwhile ends here, whatever the layer swallowed."""
    async with asyncio.timeout(own_layer.CALL_SECONDS):
        answer = await call
    if being_cancelled():
        raise asyncio.CancelledError
    return answer


def being_cancelled() -> bool:
    """Say whether this task was asked to end.

    On Python 3.11 redis-py loses a CancelledError that comes with the answer it waits for (`asyncio.wait_for` does),
    and channels_redis loses others: a loop that waits for one would go on forever.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
