"""The fixtures of `tests.support.sockets`, in a file of their own because pytest loads it as a plugin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from django.conf import settings

from livejobs.database import pool
from livejobs.hints import own_layer
from livejobs.live import hub, layer
from tests.support.servers import Valkey
from tests.support.sockets import PATIENCE, Sockets, others
from tests.support.waiting import await_for


@pytest.fixture
async def sockets(valkey: Valkey, transactional_db: None) -> AsyncIterator[Sockets]:
    """Clients of the live room; after the test nothing of the room is left in the process."""
    made = Sockets()
    yield made
    try:
        await made.close()
        await await_for(lambda: not others(), PATIENCE, "the end of every task")
    finally:
        await asyncio.to_thread(pool.close)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live room keeps its promises ten times faster than people need them."""
    monkeypatch.setattr(settings, "LIVEJOBS", {"HEAL_SECONDS": 0.5, "HEAL_FINISHED_SECONDS": 2.0})
    monkeypatch.setattr(layer, "PING_SECONDS", 0.1)
    monkeypatch.setattr(layer, "DELAYED_SECONDS", 0.5)
    monkeypatch.setattr(layer, "REOPEN_SECONDS", 1.0)
    monkeypatch.setattr(own_layer, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(layer, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(hub, "STATUS_SECONDS", 0.1)
