"""A connection of one's own to the channel layer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer, get_channel_layer

from livejobs.hints import own_layer
from livejobs.hints.own_layer import let_go


async def test_one_that_is_let_go_takes_no_channel_of_others_along():
    shared, own = get_channel_layer(), own_layer.make()
    assert shared is not None
    assert own is not shared
    theirs, ours = await shared.new_channel(), await own.new_channel()
    for layer, channel in ((shared, theirs), (own, ours)):
        await layer.send(channel, {"type": "hello"})
        assert (await asyncio.wait_for(layer.receive(channel), 10))["type"] == "hello"
    await let_go(own)
    await shared.send(theirs, {"type": "still here"})
    assert (await asyncio.wait_for(shared.receive(theirs), 10))["type"] == "still here"
    await shared.flush()


@pytest.mark.parametrize("shared", [InMemoryChannelLayer(), None])
async def test_a_layer_that_connects_nothing_is_shared_and_stays(monkeypatch, shared):
    monkeypatch.setattr(own_layer, "get_channel_layer", lambda _alias: shared)
    assert own_layer.make() is shared
    if shared is not None:
        channel = await shared.new_channel()
        await shared.send(channel, {"type": "hello"})
        await let_go(shared)
        assert (await shared.receive(channel))["type"] == "hello"
    await let_go(None)


class Stuck:
    """A layer whose connections cannot be closed."""

    async def flush(self) -> Any:
        raise OSError("away")


async def test_what_cannot_be_closed_is_no_trouble():
    await let_go(Stuck())
