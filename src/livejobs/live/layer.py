"""The hub's own connection to the channel layer: it joins the groups that are wanted and notices what gets lost.

The pub/sub layer tells nothing: `group_add` returns before the subscription exists, a failed one is not tried again,
what was sent while it reconnects is gone, and a connection that is half open looks like a quiet one. So a group counts
as joined when our own echo came back through it, and a ping of our own goes round once a second.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer

from livejobs.conf import conf

logger = logging.getLogger("livejobs.live")

ECHO: Final = "livejobs.echo"
PING_SECONDS: Final = 1.0
CALL_SECONDS: Final = 2.0  # one call of the layer may take this long
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
        self._added: set[str] = set()
        self._confirmed: set[str] = set()
        self._work = asyncio.Event()
        self._sent = self._echoed = 0
        self._echoed_at = time.monotonic()
        self.live = False

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
        while True:
            layer = _own_layer()
            try:
                if layer is not None:
                    await self._serve(layer)
            except Exception as error:
                logger.debug("The channel layer is tried again: %r", error)
            finally:
                await _let_go(layer)
            self._set_live(False)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _serve(self, layer: Any) -> None:
        self._added.clear()
        self._confirmed.clear()
        self._work.set()
        self._echoed_at = time.monotonic()
        channel = await asyncio.wait_for(layer.new_channel(), CALL_SECONDS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(layer, channel))
            tasks.create_task(self._keep_joining(layer, channel))
            tasks.create_task(self._keep_pinging(layer, channel))

    async def _read(self, layer: Any, channel: str) -> None:
        while True:
            for _ in range(BURST):
                message = await layer.receive(channel)
                if message.get("type") != ECHO:
                    self._hear(message)
                elif message.get("link") == self._name:
                    self._take_echo(message)
            await asyncio.sleep(0)  # a full queue is read without waiting: let the sockets have their turn

    def _take_echo(self, message: Mapping[str, Any]) -> None:
        group = message.get("group")
        if group is None:
            if message["number"] > self._echoed + 1:
                self._lost()
            self._echoed, self._echoed_at = message["number"], time.monotonic()
            self._set_live(True)
        elif group in self._wanted and group not in self._confirmed:
            self._confirmed.add(group)
            self._joined(group)

    async def _keep_joining(self, layer: Any, channel: str) -> None:
        while True:
            self._work.clear()
            for group in self._added - self._wanted:
                await asyncio.wait_for(layer.group_discard(group, channel), CALL_SECONDS)
                self._added.discard(group)
                self._confirmed.discard(group)
            missing = self._wanted - self._confirmed
            for group in missing:
                await asyncio.wait_for(layer.group_add(group, channel), CALL_SECONDS)
                self._added.add(group)
                echo = {"type": ECHO, "link": self._name, "group": group}
                await asyncio.wait_for(layer.group_send(group, echo), CALL_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), PING_SECONDS if missing else None)

    async def _keep_pinging(self, layer: Any, channel: str) -> None:
        self._echoed = self._sent
        while True:
            self._sent += 1
            ping = {"type": ECHO, "link": self._name, "number": self._sent}
            with suppress(TimeoutError):
                await asyncio.wait_for(layer.send(channel, ping), CALL_SECONDS)
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


def _own_layer() -> Any:
    """A layer of our own: one that is given up takes nobody else's channels with it."""
    shared = get_channel_layer(conf.CHANNEL_LAYER)
    if shared is None or isinstance(shared, InMemoryChannelLayer):
        return shared
    return channel_layers.make_backend(conf.CHANNEL_LAYER)


async def _let_go(layer: Any) -> None:
    if layer is None or isinstance(layer, InMemoryChannelLayer):
        return
    with suppress(Exception):
        await asyncio.wait_for(layer.flush(), CALL_SECONDS)
