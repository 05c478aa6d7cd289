"""A connection of one's own to the channel layer: given up, it takes nobody else's channels with it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer

from livejobs.conf import conf

CALL_SECONDS: Final = 2.0  # one call of the layer may take this long


def make() -> Any:
    """Make one; None where the host has no channel layer. The one in memory is shared: it connects nothing."""
    shared = get_channel_layer(conf.CHANNEL_LAYER)
    if shared is None or isinstance(shared, InMemoryChannelLayer):
        return shared
    return channel_layers.make_backend(conf.CHANNEL_LAYER)


async def let_go(layer: Any) -> None:
    """Close its connections."""
    if layer is None or isinstance(layer, InMemoryChannelLayer):
        return
    with suppress(Exception):
        async with asyncio.timeout(CALL_SECONDS):
            await layer.flush()
