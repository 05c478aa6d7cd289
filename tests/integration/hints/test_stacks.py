"""Asking a worker where a job is, through the channel layer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings

from livejobs import groups
from livejobs.hints import own_layer, stacks


@pytest.fixture
def short(monkeypatch) -> None:
    monkeypatch.setattr(stacks, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(stacks, "ASK_AGAIN_SECONDS", 0.1)


async def test_the_worker_that_has_the_attempt_answers_who_asked():
    layer = get_channel_layer()
    assert layer is not None
    heard = await layer.new_channel()
    await layer.group_add(groups.workers_group(), heard)
    asking = asyncio.create_task(stacks.ask(7, 2))
    message = await asyncio.wait_for(layer.receive(heard), 10)
    assert (message["type"], message["job"], message["attempt"]) == (stacks.REQUEST, 7, 2)
    await stacks.answer(layer, message, "Main thread")
    assert await asyncio.wait_for(asking, 10) == "Main thread"
    await layer.flush()


@pytest.mark.usefixtures("short")
async def test_without_an_answer_or_a_layer_there_are_none(monkeypatch):
    assert await stacks.ask(7, 2) is None
    monkeypatch.setattr(settings, "LIVEJOBS", {"CHANNEL_LAYER": "away"})
    monkeypatch.setattr(own_layer, "get_channel_layer", lambda _alias: None)
    assert await stacks.ask(7, 2) is None


class Broken:
    """A layer that is away."""

    flushed = 0

    async def new_channel(self) -> str:
        return "reply"

    async def receive(self, _channel: str) -> Any:
        await asyncio.Event().wait()

    async def group_send(self, *_: Any) -> None:
        raise OSError("away")

    async def send(self, *_: Any) -> None:
        raise OSError("away")

    async def flush(self) -> None:
        self.flushed += 1


async def test_a_layer_that_is_away_is_let_go(monkeypatch):
    layer = Broken()
    monkeypatch.setattr(own_layer, "make", lambda: layer)
    assert await stacks.ask(7, 2) is None
    assert layer.flushed == 1


async def test_an_answer_that_cannot_be_sent_is_lost():
    await stacks.answer(Broken(), {"reply": "reply", "job": 7}, "Main thread")
