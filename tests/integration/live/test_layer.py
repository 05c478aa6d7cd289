"""The hub's connection to the channel layer: what counts as joined, what counts as lost, and how it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.layers import channel_layers
from django.conf import settings

from livejobs import groups
from livejobs.hints import own_layer
from livejobs.live.layer import ECHO, LayerLink
from tests.support.sockets import PATIENCE, others
from tests.support.waiting import await_for

pytest_plugins = ("tests.support.socket_fixtures",)
pytestmark = pytest.mark.usefixtures("fast")


class FakeLayer:
    """A layer that does what a test tells it to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.groups: set[str] = set()
        self.calls: list[str] = []
        self.deaf = False  # nothing that is sent comes back
        self.flushed = False
        self.swallows = False  # a cancellation during a call is lost, as redis-py loses it on Python 3.11

    async def new_channel(self) -> str:
        return "channel"

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self.queue.get()

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        if not self.deaf:
            self.queue.put_nowait(message)

    async def group_add(self, group: str, channel: str) -> None:
        self.calls.append(f"add {group}")
        self.groups.add(group)

    async def group_discard(self, group: str, channel: str) -> None:
        self.calls.append(f"discard {group}")
        self.groups.discard(group)
        if self.swallows:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if group in self.groups and not self.deaf:
            self.queue.put_nowait(message)

    async def flush(self) -> None:
        self.flushed = True


class Link:
    """A link and what it said."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.joined: list[str] = []
        self.lost = 0
        self.changes: list[bool | None] = []
        self.link = LayerLink(self.heard.append, self.joined.append, self._note_loss, self._note_change)  # type: ignore[arg-type]

    def _note_loss(self) -> None:
        self.lost += 1

    def _note_change(self) -> None:
        self.changes.append(self.link.live)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.link.run())
        try:
            yield
        finally:
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=PATIENCE)
            assert done, "the link did not end"


@pytest.fixture
def layers(monkeypatch) -> list[FakeLayer]:
    """Each connection gets a layer of its own; here are all of them."""
    made: list[FakeLayer] = []

    def make() -> FakeLayer:
        made.append(FakeLayer())
        return made[-1]

    monkeypatch.setattr(own_layer, "make", make)
    return made


@pytest.fixture
def link() -> Link:
    return Link()


async def test_a_group_is_joined_when_its_own_echo_came_back(layers, link):
    async with link.running():
        link.link.want("g")
        await await_for(lambda: link.joined == ["g"], PATIENCE)
        assert link.changes == [True]
        await layers[0].group_send("g", {"type": "x", "n": 1})
        await await_for(lambda: link.heard == [{"type": "x", "n": 1}], PATIENCE)
        link.link.unwant("g")
        await await_for(lambda: layers[0].groups == set(), PATIENCE)
    assert layers[0].flushed


async def test_a_join_whose_echo_is_lost_is_tried_again(layers, link):
    async with link.running():
        await await_for(lambda: link.link.live, PATIENCE)
        real = layers[0].group_send
        lost: list[str] = []

        async def lossy(group: str, message: dict[str, Any]) -> None:
            if len(lost) < 3:
                lost.append(group)
            else:
                await real(group, message)

        layers[0].group_send = lossy
        link.link.want("g")
        await await_for(lambda: link.joined == ["g"], PATIENCE)
        assert len(lost) == 3


async def test_the_echo_of_an_earlier_join_and_those_of_others_confirm_nothing(layers, link):
    async with link.running():
        link.link.want("g")
        await await_for(lambda: link.joined == ["g"], PATIENCE)
        link.link.unwant("g")
        await await_for(lambda: layers[0].groups == set(), PATIENCE)
        layers[0].groups = set()
        real, added = layers[0].group_add, asyncio.Event()

        async def late(group: str, channel: str) -> None:
            added.set()  # the answer comes before the subscription does

        layers[0].group_add = late
        link.link.want("g")
        await added.wait()
        name = link.link._name
        for echo in ({"link": name, "group": "g", "number": 1}, {"link": "other", "group": "g", "number": 2}):
            layers[0].queue.put_nowait({"type": ECHO, **echo})
        layers[0].queue.put_nowait({"type": "behind"})
        await await_for(lambda: {"type": "behind"} in link.heard, PATIENCE)
        assert link.joined == ["g"]
        layers[0].group_add = real
        await await_for(lambda: link.joined == ["g", "g"], PATIENCE)


async def test_a_ping_that_is_missing_is_a_sign_of_loss(layers, link):
    async with link.running():
        await await_for(lambda: link.link.live, PATIENCE)
        before, echoed = link.lost, link.link._echoed
        layers[0].deaf = True
        await await_for(lambda: link.link._sent > echoed + 2, PATIENCE)
        layers[0].deaf = False
        await await_for(lambda: link.lost > before, PATIENCE)
        assert link.changes == [True]


async def test_silence_is_said_and_then_the_connection_is_given_up(layers, link):
    async with link.running():
        link.link.want("g")
        await await_for(lambda: link.joined == ["g"], PATIENCE)
        layers[0].deaf = True
        await await_for(lambda: link.changes == [True, False], PATIENCE)
        await await_for(lambda: len(layers) == 2, PATIENCE)
        assert layers[0].flushed
        await await_for(lambda: link.joined == ["g", "g"], PATIENCE)
        assert link.changes == [True, False, True]


async def test_a_link_that_never_came_up_says_so_once(layers, link, monkeypatch):
    async def refused(self: FakeLayer) -> str:
        raise ConnectionRefusedError

    monkeypatch.setattr(FakeLayer, "new_channel", refused)
    async with link.running():
        await await_for(lambda: len(layers) > 2, PATIENCE)
        assert link.changes == [False]


async def test_the_link_ends_although_the_layer_loses_its_cancellation(layers, link):
    async with link.running():
        link.link.want("g")
        await await_for(lambda: link.joined == ["g"], PATIENCE)
        layers[0].swallows = True
        link.link.unwant("g")
        await await_for(lambda: "discard g" in layers[0].calls, PATIENCE)
    assert layers[0].flushed


async def test_a_link_that_is_ended_while_it_gives_up_a_connection_leaves_nothing(layers, link, monkeypatch):
    flushing = asyncio.Event()

    async def hangs(self: FakeLayer) -> None:
        flushing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(own_layer, "CALL_SECONDS", 60.0)
    monkeypatch.setattr(FakeLayer, "flush", hangs)
    async with link.running():
        await await_for(lambda: link.link.live, PATIENCE)
        layers[0].deaf = True
        await flushing.wait()
        assert link.changes == [True, False]
    assert others() == []


async def test_a_layer_that_is_let_go_is_not_read_again(layers, link, monkeypatch):
    received: list[str] = []
    real = FakeLayer.receive

    async def counted(self: FakeLayer, channel: str) -> dict[str, Any]:
        if self.flushed:
            received.append("after the flush")
        return await real(self, channel)

    async def flush(self: FakeLayer) -> None:
        self.flushed = True
        for _ in range(5):
            self.queue.put_nowait({"type": "late"})
            await asyncio.sleep(0)

    monkeypatch.setattr(FakeLayer, "receive", counted)
    monkeypatch.setattr(FakeLayer, "flush", flush)
    async with link.running():
        await await_for(lambda: link.link.live, PATIENCE)
    assert received == []


async def test_a_full_queue_lets_others_run(layers, link):
    async with link.running():
        await await_for(lambda: link.link.live, PATIENCE)
        turns: list[int] = []

        async def beside() -> None:
            while len(link.heard) < 10_000:
                turns.append(len(link.heard))
                await asyncio.sleep(0)

        for number in range(10_000):
            layers[0].queue.put_nowait({"type": "x", "n": number})
        await beside()
        assert len(turns) > 50
        assert [message["n"] for message in link.heard] == list(range(10_000))


async def test_a_host_without_a_channel_layer_is_delayed(link, monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "CHANNEL_LAYER", "none")
    monkeypatch.setattr(own_layer, "get_channel_layer", lambda alias: None)
    async with link.running():
        await await_for(lambda: link.changes == [False], PATIENCE)


async def test_the_in_memory_layer_will_do(link, monkeypatch):
    memory = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    monkeypatch.setattr(settings, "CHANNEL_LAYERS", memory)
    monkeypatch.setattr(channel_layers, "backends", {})
    async with link.running():
        link.link.want(groups.all_group())
        await await_for(lambda: link.joined == [groups.all_group()], PATIENCE)
        await channel_layers["default"].group_send(groups.all_group(), {"type": "x"})
        await await_for(lambda: link.heard == [{"type": "x"}], PATIENCE)


async def test_on_a_real_valkey_a_hundred_groups_are_joined_and_left(valkey, link):
    names = [groups.job_group(number) for number in range(100)]
    async with link.running():
        for group in names:
            link.link.want(group)
        await await_for(lambda: sorted(link.joined) == sorted(names), PATIENCE)
        with valkey.client(1) as inside:
            assert len(inside.pubsub_channels("*livejobs.tests.job.*")) == 100
            for group in names:
                link.link.unwant(group)
            await await_for(lambda: inside.pubsub_channels("*livejobs.tests.job.*") == [], PATIENCE)
    with valkey.client(1) as inside:
        await await_for(lambda: inside.pubsub_channels() == [], PATIENCE)
