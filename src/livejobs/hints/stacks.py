"""Where is it? The stacks of a running job's threads: asked of its worker, through the channel layer.

A hint like the others: a worker that is frozen, or a layer that is away, gives no answer, and that is said.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from livejobs.groups import workers_group
from livejobs.hints import own_layer

ANSWER_SECONDS: Final = 4.0  # how long an answer is waited for
ASK_AGAIN_SECONDS: Final = 1.0  # the pub/sub layer says nothing of a subscription that came too late
REQUEST: Final = "livejobs.stacks"


async def ask(job_id: int, attempt: int) -> str | None:
    """Return the stacks of an attempt's threads as text; None: no worker answered."""
    layer = own_layer.make()
    if layer is None:
        return None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _ask(layer, job_id, attempt)
    except Exception:
        return None  # no answer in time, or no layer
    finally:
        await own_layer.let_go(layer)


async def answer(layer: Any, message: dict[str, Any], text: str) -> None:
    """Answer a request that `ask` sent; one that cannot be sent is lost, and whoever asked is told of silence."""
    with suppress(Exception):
        async with asyncio.timeout(own_layer.CALL_SECONDS):
            await layer.send(message["reply"], {"type": REQUEST, "job": message["job"], "text": text})


async def _ask(layer: Any, job_id: int, attempt: int) -> str:
    reply = await layer.new_channel()
    request = {"type": REQUEST, "job": job_id, "attempt": attempt, "reply": reply}
    answered = asyncio.ensure_future(layer.receive(reply))
    try:
        while not answered.done():
            await layer.group_send(workers_group(), request)
            await asyncio.wait([answered], timeout=ASK_AGAIN_SECONDS)
        text: str = answered.result()["text"]
        return text
    finally:
        answered.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await answered
